/* clade report: a run's files, made again in its directory, also while it goes on. */
#include <stdio.h>

#include "pipeline/command.h"
#include "pipeline/results.h"
#include "pipeline/run_directory.h"

static enum error run(struct arguments *arguments)
{
    enum error err = ERR_NONE;
    int id;
    const char *value;
    struct store *store = NULL;
    struct results results = {0};
    char path[RUN_PATH_SIZE];
    TRY(command_next(&id, &value, arguments));
    const char *directory = arguments->operands[0];
    TRY(run_store_path(path, directory));
    TRY(store_open(&store, path, false));
    TRY(results_load(&results, store));
    TRY(results_write(&results, directory, 0, NULL));
    TRY(results_write_workbook(&results, directory));
    printf("%s/report.html\n", directory);
out:
    results_free(&results);
    enum error closed = store_close(store);
    return err != ERR_NONE ? err : closed;
}

static const struct option_row options[] = {{0}};

const struct command command_report = {
    .name = "report",
    .operands = "DIR",
    .summary = "Make a run's report and tables again, also while it runs",
    .examples = "clade report runs/20260131-021500\n",
    .text =
        "report.html is one file that needs no network: open it in a browser, or mail it. All\n"
        "other files that come from the store are made again too. A live run is not disturbed.\n",
    .options = options,
    .least = 1,
    .most = 1,
    .run = run,
};
