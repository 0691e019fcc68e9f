/* clade log: the runs of a directory. */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inputs/past_runs.h"
#include "outputs/csv.h"
#include "outputs/tables.h"
#include "pipeline/base/clock.h"
#include "pipeline/command.h"
#include "pipeline/listing.h"
#include "pipeline/results.h"
#include "pipeline/run_directory.h"

enum { OPTION_FORMAT = 1 };

/* The search's time has a column for programs, in seconds, and one for reading. */
static const struct listing_column columns[] = {
    {"run", "run", 0},
    {"started_utc", "started (UTC)", 0},
    {"state", "state", 0},
    {"elapsed_s", NULL, 0},
    {NULL, "search took", 0},
    {"evaluated", "candidates", 0},
    {"best_validation_accuracy", "validation", 4},
    {"test_accuracy", "test", 4},
    {"best_parameters", "parameters", 0},
    {"best_genome", "best genome", 0},
};

static void fill(struct past_run *row, const struct results *results, bool live)
{
    const struct report *report = &results->report;
    if (report->first_start_us > 0)
        clock_utc_text(row->started_utc, report->first_start_us);
    else
        clock_utc_text(row->started_utc, results->run.created_utc_us);
    row->elapsed_s = report->elapsed_s;
    row->evaluated = report->evaluated;
    if (report->best != NULL) {
        row->best_parameters = (double)report->best->cost.parameters;
        row->best_validation_accuracy = report->best->validation_accuracy;
        genome_format(row->best_genome, &report->best->genome);
    }
    if (report->winner != NULL)
        row->test_accuracy = report->winner->test_accuracy;
    snprintf(row->state, sizeof row->state, "%s", live ? "live" : "unfinished");
}

/* From the store of a run that has no row, or that goes on. */
static void read_store(struct past_run *row, const char *path, bool live)
{
    struct store *store = NULL;
    struct results results = {0};
    if (store_open(&store, path, false) == ERR_NONE && results_load(&results, store) == ERR_NONE)
        fill(row, &results, live);
    else
        snprintf(row->state, sizeof row->state, "unreadable");
    results_free(&results);
    store_close(store);
}

static enum error read_directory(struct past_runs *runs, const char *parent, const char *name)
{
    char directory[RUN_PATH_SIZE], path[RUN_PATH_SIZE], clean[CSV_TEXT_SIZE];
    if (run_path(directory, parent, name) != ERR_NONE ||
        run_store_path(path, directory) != ERR_NONE)
        return ERR_NONE; /* no run */
    bool live = run_directory_is_locked(directory);
    struct past_run *row = NULL;
    csv_clean_text(clean, name);
    for (size_t i = 0; i < runs->count && row == NULL; i++)
        if (strcmp(runs->list[i].run, clean + (clean[0] == '\'')) == 0)
            row = &runs->list[i];
    if (row != NULL && !live)
        return ERR_NONE;
    if (row == NULL && (row = past_runs_add(runs)) == NULL)
        return error_set(ERR_INTERNAL, "out of memory for %zu runs", runs->count);
    snprintf(row->run, sizeof row->run, "%.*s", (int)sizeof row->run - 1, name);
    read_store(row, path, live);
    return ERR_NONE;
}

static int by_start(const void *a, const void *b)
{
    const struct past_run *x = a, *y = b;
    int order = strcmp(x->started_utc, y->started_utc);
    return order != 0 ? order : strcmp(x->run, y->run);
}

/* The runs of runs.csv, and the directories with a store that are not there, or that go on. */
static enum error read_runs(struct past_runs *runs, const char *directory)
{
    enum error err = ERR_NONE;
    char path[RUN_PATH_SIZE];
    const struct dirent *entry;
    DIR *dir = opendir(directory);
    if (dir == NULL)
        return error_set(ERR_USAGE,
                         "log: cannot read the directory %.200s: %s; it is where runs are "
                         "(outputs.dir)",
                         directory, strerror(errno));
    TRY(run_path(path, directory, runs_table.file));
    TRY(past_runs_read(runs, path));
    while ((entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.')
            TRY(read_directory(runs, directory, entry->d_name));
    if (runs->count > 0)
        qsort(runs->list, runs->count, sizeof *runs->list, by_start);
out:
    closedir(dir);
    return err;
}

static void put_whole(struct listing *listing, double value)
{
    if (isnan(value))
        listing_missing(listing);
    else
        listing_integer(listing, (int64_t)value);
}

static void put_run(struct listing *listing, const struct past_run *run)
{
    char took[CLOCK_DURATION_SIZE] = "";
    if (!isnan(run->elapsed_s))
        clock_duration_text(took, run->elapsed_s);
    listing_text(listing, run->run);
    listing_text(listing, run->started_utc);
    listing_text(listing, run->state);
    listing_number(listing, run->elapsed_s);
    listing_text(listing, took);
    put_whole(listing, run->evaluated);
    listing_number(listing, run->best_validation_accuracy);
    listing_number(listing, run->test_accuracy);
    put_whole(listing, run->best_parameters);
    listing_text(listing, run->best_genome);
}

static enum error run(struct arguments *arguments)
{
    enum error err = ERR_NONE;
    enum format format = FORMAT_TEXT;
    struct settings settings;
    struct listing listing;
    struct past_runs runs = {0};
    for (;;) {
        int id;
        const char *value;
        TRY(command_next(&id, &value, arguments));
        if (id == 0)
            break;
        TRY(format_parse_json(&format, value));
    }
    settings_defaults(&settings, NULL);
    TRY(read_runs(&runs,
                  arguments->operand_count > 0 ? arguments->operands[0] : settings.outputs.dir));
    listing_begin(&listing, format, columns, sizeof columns / sizeof columns[0]);
    for (size_t i = 0; i < runs.count; i++)
        put_run(&listing, &runs.list[i]);
    TRY(listing_print(&listing));
out:
    free(runs.list);
    return err;
}

static const struct option_row options[] = {
    {"format", OPTION_FORMAT, "text|csv|json", "a table for reading, or for programs"},
    {0},
};

const struct command command_log = {
    .name = "log",
    .operands = "[DIR]",
    .summary = "List the runs of a directory, the latest last",
    .examples = "clade log\n"
                "clade log /data/nights --format csv\n",
    .text = "DIR is where the directories of runs are (runs, the default of outputs.dir). Runs\n"
            "come from its runs.csv; those that are not in it from their stores: live, or\n"
            "unfinished.\n",
    .options = options,
    .least = 0,
    .most = 1,
    .run = run,
};
