/* clade run: a search, from settings to report. */
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>

#include "pipeline/command.h"
#include "pipeline/command_settings.h"
#include "pipeline/results.h"
#include "pipeline/run_open.h"

enum {
    OPTION_OUT = 1,
    OPTION_SET,
    OPTION_RESUME,
    OPTION_PRINT,
    OPTION_QUIET,
    OPTION_VERBOSE,
    OPTION_UNTIL,
    OPTION_BUDGET,
    OPTION_SEARCH_BUDGET,
    OPTION_NO_TUNE
};

struct request {
    const char *search, *out, *resume;
    bool print;
    enum progress_level level;
    struct assignments assignments;
    int fixed; /* of them: not a time, so not for a run that is there */
};

static enum error read_arguments(struct request *request, struct arguments *arguments)
{
    enum error err = ERR_NONE;
    *request = (struct request){0};
    for (;;) {
        int id;
        const char *value;
        TRY(command_next(&id, &value, arguments));
        if (id == 0)
            break;
        if (id == OPTION_OUT)
            request->out = value;
        if (id == OPTION_RESUME)
            request->resume = value;
        if (id == OPTION_PRINT)
            request->print = true;
        if (id == OPTION_QUIET)
            request->level = PROGRESS_QUIET;
        if (id == OPTION_VERBOSE)
            request->level = PROGRESS_VERBOSE;
        if (id == OPTION_NO_TUNE)
            TRY(assignments_add(&request->assignments, arguments, id, "devices.tune", "off"));
        if (id == OPTION_SET)
            TRY(assignments_add(&request->assignments, arguments, id, NULL, value));
        request->fixed += id == OPTION_NO_TUNE || id == OPTION_SET;
        const char *key = time_option_key(arguments, id);
        if (key != NULL)
            TRY(assignments_add(&request->assignments, arguments, id, key, value));
    }
    request->search = arguments->operand_count > 0 ? arguments->operands[0] : NULL;
    if (request->resume != NULL &&
        (request->search != NULL || request->out != NULL || request->fixed > 0 || request->print))
        return error_set(ERR_USAGE, "run: --resume takes all settings from the run's store; give "
                                    "it no SEARCH.ini and no option but --until, --budget and "
                                    "--search-budget");
    if (request->resume == NULL && request->search == NULL && !request->print)
        return error_set(ERR_USAGE, "run: expected SEARCH.ini or --resume DIR; see 'clade run "
                                    "--help'");
out:
    return err;
}

static enum error print_settings(const struct settings *settings,
                                 const struct settings_origins *origins)
{
    struct text ini = {0};
    settings_print(&ini, settings, origins);
    enum error err = text_status(&ini);
    if (err == ERR_NONE)
        fputs(ini.data, stdout);
    text_free(&ini);
    return err;
}

static enum error print_result(struct run *run)
{
    enum error err = ERR_NONE;
    char genome[GENOME_TEXT_SIZE];
    struct results results;
    TRY(results_load(&results, run->store));
    const struct report *report = &results.report;
    if (report->best != NULL) {
        genome_format(genome, &report->best->genome);
        printf("best genome          %s\n"
               "parameters           %" PRId64 "\n"
               "validation accuracy  %.4f in the search\n",
               genome, report->best->cost.parameters, report->best->validation_accuracy);
    }
    if (report->winner != NULL)
        printf("test accuracy        %.4f (95 %% interval %.4f to %.4f)\n",
               report->winner->test_accuracy, report->test_interval.low,
               report->test_interval.high);
    printf("report               %s/report.html\n"
           "tables               %s/candidates.csv, generations.csv, pareto.csv, operators.csv\n",
           run->directory, run->directory);
out:
    results_free(&results);
    return err;
}

static enum error run(struct arguments *arguments)
{
    enum error err = ERR_NONE;
    struct request request;
    struct settings settings;
    /* Too large for the stack of a careful program. */
    static struct settings_origins origins;
    struct run run = {.lock = -1, .log = -1, .images = -1};
    TRY(read_arguments(&request, arguments));
    run.progress.level = request.level;
    /* A closed pipe and a limit on file sizes are errors of write(), here and in the workers. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    if (request.resume == NULL) {
        TRY(assignments_settings(&settings, &origins, request.search, &request.assignments));
        if (request.print)
            return print_settings(&settings, &origins);
        TRY(run_begin(&run, &settings, &origins, request.out));
    } else {
        /* Wrong times are refused before anything is done. */
        settings_defaults(&settings, &origins);
        TRY(assignments_apply(&settings, &origins, &request.assignments));
        TRY(run_resume(&run, request.resume));
        TRY(assignments_apply(&run.settings, NULL, &request.assignments));
    }
    TRY(pipeline_run(&run));
    TRY(print_result(&run));
out:;
    enum error ended = run_end(&run);
    return err != ERR_NONE ? err : ended;
}

static const struct option_row options[] = {
    {"out", OPTION_OUT, "DIR", "the run's directory, new or empty (a new one in outputs.dir)"},
    {"no-tune", OPTION_NO_TUNE, NULL, "families and tiles by rule (devices.tune=off)"},
    {"set", OPTION_SET, "SECTION.KEY=VALUE", "change one setting; may be repeated"},
    {"resume", OPTION_RESUME, "DIR", "go on with the run in DIR"},
    {"until", OPTION_UNTIL, "HH:MM", "end at this local time, confirmed (deadline.until)"},
    {"budget", OPTION_BUDGET, "TIME", "end after 7h30m, 90m or 45s from now (deadline.budget)"},
    {"search-budget", OPTION_SEARCH_BUDGET, "TIME",
     "end the search after so long, then confirm (search.budget)"},
    {"print-settings", OPTION_PRINT, NULL,
     "print the settings that would be used, with the origin of each, and\n"
     "stop; the output is valid as SEARCH.ini"},
    {"quiet", OPTION_QUIET, NULL, "show no progress"},
    {"verbose", OPTION_VERBOSE, NULL, "show every event, as log.txt has them"},
    {0},
};

const struct command command_run = {
    .name = "run",
    .operands = "[SEARCH.ini]",
    .summary = "Search for networks, and report on the best one",
    .examples = "clade run inputs/searches/quick.ini\n"
                "clade run inputs/searches/nightly.ini --out runs/monday --set search.seed=7\n"
                "clade run --resume runs/20260131-021500\n"
                "clade run --print-settings inputs/searches/quick.ini\n",
    .text = "The run's directory holds report.html, report.md, best_genome.txt,\n"
            "best_genome.safetensors, candidates.csv, generations.csv, pareto.csv,\n"
            "operators.csv, finalists.csv, generations/, settings.ini, log.txt and the store\n"
            "(store.sqlite), from which all others are made. An existing directory is never\n"
            "overwritten.\n"
            "Ctrl-C or SIGTERM stop the run; --resume goes on with it.\n"
            "\n"
            "With --until or --budget the run ends by itself, a little before the time: it\n"
            "measures how long trainings take, keeps back what confirm and report need, and\n"
            "begins no training that cannot end. The exit code is then 0. It is 75 when the\n"
            "time was too short, so that confirmations are missing or no candidate has a\n"
            "score; the report shows what there is, and --resume, with more time, goes on.\n"
            "The budget counts from the start of each command, that of --search-budget over\n"
            "all parts of a run. Once a search has ended, it is not resumed. With a time and\n"
            "search.cycles = 0, the default, there is no other limit.\n",
    .options = options,
    .least = 0,
    .most = 1,
    .run = run,
};
