/* clade export-csv: a run's derived files, made again from its store. */
#include <stdio.h>

#include "outputs/file.h"
#include "pipeline/command.h"
#include "pipeline/results.h"
#include "pipeline/run_directory.h"

enum { OPTION_OUT = 1, OPTION_DIALECT };

static enum error run(struct arguments *arguments)
{
    enum error err = ERR_NONE;
    const char *out = NULL, *dialect = NULL;
    struct store *store = NULL;
    struct results results = {0};
    char path[RUN_PATH_SIZE], directory[RUN_PATH_SIZE];
    for (;;) {
        int id;
        const char *value;
        TRY(command_next(&id, &value, arguments));
        if (id == 0)
            break;
        if (id == OPTION_OUT)
            out = value;
        else
            dialect = value;
    }
    if (out == NULL)
        return error_set(ERR_USAGE, "export-csv: expected --out DIR, a new directory");
    TRY(run_store_path(path, arguments->operands[0]));
    TRY(store_open(&store, path, true));
    TRY(results_load(&results, store));
    if (dialect != NULL) {
        char assignment[64];
        snprintf(assignment, sizeof assignment, "outputs.dialect=%.32s", dialect);
        TRY(settings_apply(&results.settings, NULL, assignment));
    }
    TRY(run_directory_create(directory, out, NULL));
    TRY(results_write(&results, directory, 0, NULL));
    TRY(results_write_workbook(&results, directory));
    printf("%s\n", directory);
out:
    results_free(&results);
    enum error closed = store_close(store);
    return err != ERR_NONE ? err : closed;
}

static const struct option_row options[] = {
    {"out", OPTION_OUT, "DIR", "where to write; new or empty"},
    {"dialect", OPTION_DIALECT, "DIALECT", "rfc4180 or excel-eu; as the run's settings say"},
    {0},
};

const struct command command_export_csv = {
    .name = "export-csv",
    .operands = "DIR",
    .summary = "Write a run's tables and report again, from its store",
    .examples = "clade export-csv runs/20260131-021500 --out /tmp/tables\n",
    .text = "The same files as the run's own, byte for byte, from the store alone. A live run can\n"
            "be exported too.\n",
    .options = options,
    .least = 1,
    .most = 1,
    .run = run,
};
