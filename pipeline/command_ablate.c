/* clade ablate: what each mutation is worth, by searches without it. */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inputs/score_table.h"
#include "inputs/space.h"
#include "outputs/file.h"
#include "pipeline/command.h"
#include "pipeline/command_repeats.h"
#include "pipeline/command_settings.h"
#include "pipeline/listing.h"
#include "pipeline/run_open.h"
#include "stages/ablate.h"
#include "stages/objective.h"
#include "stages/replay.h"

enum { OPTION_RUNS = REPEATS_OWN };

enum { REPEATS_LIVE = 3, REPEATS_REPLAYED = 200 };

struct request {
    const char *search, *runs;
    struct ablate_plan plan;
    struct repeats_request common;
};

static enum error read_arguments(struct request *request, struct arguments *arguments)
{
    enum error err = ERR_NONE;
    struct ablate_plan *plan = &request->plan;
    *request = (struct request){.plan = {.seed = 1}};
    request->common =
        (struct repeats_request){.shape = {.height = 28, .width = 28, .channels = 1, .classes = 10},
                                 .at = plan->at,
                                 .at_count = &plan->at_count,
                                 .at_most = ABLATE_POINTS_MAX,
                                 .repeats = &plan->repeats,
                                 .seed = &plan->seed};
    for (;;) {
        int id;
        const char *value;
        TRY(command_next(&id, &value, arguments));
        if (id == 0)
            break;
        if (id == OPTION_RUNS)
            request->runs = value;
        else
            TRY(repeats_option(&request->common, arguments, id, value));
    }
    request->search = arguments->operands[0];
    if ((request->common.table == NULL) == (request->runs == NULL))
        return error_set(ERR_USAGE, "ablate: expected either --table TABLE.csv, to replay searches "
                                    "on it, or --runs DIR, to run them");
    if (request->plan.repeats == 0)
        request->plan.repeats = request->common.table != NULL ? REPEATS_REPLAYED : REPEATS_LIVE;
out:
    return err;
}

/* ---- replayed ---- */

static enum error replayed(double *values, const struct search_settings *search,
                           const struct ablate_plan *plan, int left_out, size_t repeat, void *user)
{
    (void)left_out;
    (void)repeat;
    struct replay replay = *(const struct replay *)user;
    replay.search = search;
    return replay_search(values, &replay, search->algorithm, search->seed, plan->at,
                         plan->at_count);
}

static enum error ablate_replayed(struct ablated **list, size_t *count, struct request *request,
                                  const struct settings *settings)
{
    enum error err = ERR_NONE;
    struct space space;
    struct score_table table = {0};
    struct replay replay;
    struct ablate_plan *plan = &request->plan;
    if (plan->at_count == 0) {
        memcpy(plan->at, (int[]){20, 50, 150}, 3 * sizeof *plan->at);
        plan->at_count = 3;
    }
    TRY(space_init(&space, &settings->space, &request->common.shape));
    TRY(score_table_read(&table, request->common.table));
    TRY(replay_init(&replay, &table, &space, &settings->search));
    TRY(ablate_run(list, count, plan, &settings->search, replayed, &replay));
out:
    score_table_free(&table);
    return err;
}

/* ---- live ---- */

struct live {
    const char *runs;
    const struct settings *settings;
};

static double value_of(const struct run *run, int evaluations)
{
    const struct search_settings *search = &run->settings.search;
    size_t count = 0;
    while (count < run->history_count && run->history[count].id < evaluations)
        count++;
    const struct candidate *best = objective_best(run->history, count, -1, search);
    return best != NULL ? objective_value(best, search) : NAN;
}

/* A whole run, in a directory named after the variant; one that is there goes on. */
static enum error searched(double *values, const struct search_settings *search,
                           const struct ablate_plan *plan, int left_out, size_t repeat, void *user)
{
    enum error err = ERR_NONE;
    const struct live *live = user;
    struct run run = {.lock = -1, .log = -1, .images = -1};
    char directory[RUN_PATH_SIZE], store[RUN_PATH_SIZE];
    struct settings settings = *live->settings;
    settings.search = *search;
    settings.search.cycles = plan->at[plan->at_count - 1];
    int n = snprintf(directory, sizeof directory, "%s/%zu-%s%s", live->runs, repeat + 1,
                     left_out == ABLATE_NONE ? "all" : "without-",
                     left_out == ABLATE_NONE ? "" : mutation_name((enum mutation)left_out));
    if (n >= (int)sizeof directory)
        return error_set(ERR_USAGE, "ablate: --runs %.100s...: the path is too long", live->runs);
    TRY(run_path(store, directory, RUN_STORE));
    fprintf(stderr, "ablate: %s\n", directory);
    if (access(store, F_OK) == 0)
        TRY(run_resume(&run, directory));
    else
        TRY(run_begin(&run, &settings, NULL, directory));
    if (run.settings.search.seed != search->seed ||
        run.settings.search.cycles != settings.search.cycles) {
        err = error_set(ERR_USAGE,
                        "ablate: %s is a run of another seed or number of evaluations; give its "
                        "--seed and --at, or another --runs",
                        directory);
        goto out;
    }
    TRY(pipeline_run(&run));
    for (size_t i = 0; i < plan->at_count; i++)
        values[i] = value_of(&run, plan->at[i]);
out:;
    enum error ended = run_end(&run);
    return err != ERR_NONE ? err : ended;
}

static enum error ablate_live(struct ablated **list, size_t *count, struct request *request,
                              struct settings *settings)
{
    enum error err = ERR_NONE;
    struct ablate_plan *plan = &request->plan;
    struct live live = {request->runs, settings};
    if (settings->search.cycles == 0 && plan->at_count == 0)
        return error_set(ERR_USAGE, "ablate: expected --at N or search.cycles: searches are "
                                    "compared after equal numbers of evaluations");
    if (plan->at_count == 0)
        plan->at[plan->at_count++] = settings->search.cycles;
    /* Nothing else than the search is wanted, and all of it. */
    TRY(settings_apply(settings, NULL, "confirm.seeds=0"));
    TRY(settings_apply(settings, NULL, "confirm.baseline=none"));
    TRY(settings_apply(settings, NULL, "search.budget=none"));
    TRY(settings_apply(settings, NULL, "deadline.until=none"));
    TRY(settings_apply(settings, NULL, "deadline.budget=none"));
    TRY(file_make_directory(request->runs));
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    err = ablate_run(list, count, plan, &settings->search, searched, &live);
    if (err == ERR_STOPPED)
        err = error_set(err, "ablate: stopped; the same command goes on with the runs in %s",
                        request->runs);
out:
    return err;
}

/* ---- what was found ---- */

static const char *name_of(char text[40], const struct ablated *entry)
{
    snprintf(text, 40, "%s%s", entry->left_out == ABLATE_NONE ? "all" : "without ",
             entry->left_out == ABLATE_NONE ? "" : mutation_name((enum mutation)entry->left_out));
    return text;
}

/* Tests at 5 %, after Holm. */
static const char *verdict(const struct ablated *entry)
{
    if (isnan(entry->adjusted_p))
        return "";
    if (entry->adjusted_p >= 0.05)
        return "not shown";
    return entry->change.mean < 0 ? "helps" : "harms";
}

static const struct listing_column columns[] = {
    {"mutations", "mutations", 0},
    {"evaluations", "evaluations", 0},
    {"searches", NULL, 0},
    {"mean", "mean", 4},
    {"mean_low", "95 % from", 4},
    {"mean_high", "to", 4},
    {"change", "change", 4},
    {"change_low", "95 % from", 4},
    {"change_high", "to", 4},
    {"better_without", NULL, 0},
    {"p", NULL, 4},
    {"p_holm", "p (Holm)", 4},
    {"verdict", "the mutation", 0},
};

static enum error print_listing(const struct request *request, const struct ablated *list,
                                size_t count)
{
    struct listing listing;
    char name[40];
    listing_begin(&listing, request->common.format, columns, sizeof columns / sizeof columns[0]);
    for (size_t i = 0; i < count; i++) {
        const struct ablated *entry = &list[i];
        listing_text(&listing, name_of(name, entry));
        listing_integer(&listing, entry->evaluations);
        listing_integer(&listing, (int64_t)entry->value.count);
        listing_number(&listing, entry->value.mean);
        listing_number(&listing, entry->value.interval.low);
        listing_number(&listing, entry->value.interval.high);
        listing_number(&listing, entry->change.mean);
        listing_number(&listing, entry->change.interval.low);
        listing_number(&listing, entry->change.interval.high);
        if (entry->left_out == ABLATE_NONE)
            listing_missing(&listing);
        else
            listing_integer(&listing, (int64_t)entry->better);
        listing_number(&listing, entry->p);
        listing_number(&listing, entry->adjusted_p);
        listing_text(&listing, verdict(entry));
    }
    return listing_print(&listing);
}

static void print_markdown(const struct request *request, const struct ablated *list, size_t count,
                           const struct settings *settings)
{
    const struct ablate_plan *plan = &request->plan;
    char name[40];
    printf("`%s`, %s `%s`: %zu searches each, seed %llu, algorithm %s (P = %d, S = %d), "
           "objective %s. Measured: %s.\n\n"
           "| evaluations | mutations | mean (95 %% interval) | change (95 %% interval) | better "
           "without | p (Holm) | the mutation |\n|--:|---|---|---|--:|--:|---|\n",
           request->search, request->common.table != NULL ? "replayed on" : "run in",
           request->common.table != NULL ? request->common.table : request->runs, plan->repeats,
           (unsigned long long)plan->seed, algorithm_name(settings->search.algorithm),
           settings->search.population, settings->search.sample,
           objective_name(settings->search.objective),
           request->common.table == NULL ? "the search's own score of its best genome"
           : settings->search.objective == OBJECTIVE_PARETO
               ? "area under the front as a share of the whole table's"
               : "the best genome, by trainings that did not choose it");
    for (size_t point = 0; point < plan->at_count; point++) {
        for (size_t i = point; i < count; i += plan->at_count) {
            const struct ablated *entry = &list[i];
            printf("| %d | %s | %.4f (%.4f to %.4f) | ", entry->evaluations, name_of(name, entry),
                   entry->value.mean, entry->value.interval.low, entry->value.interval.high);
            if (entry->change.count < 2)
                printf("- | - | - | - |\n");
            else
                printf("%+.4f (%+.4f to %+.4f) | %zu of %zu | %.2g | %s |\n", entry->change.mean,
                       entry->change.interval.low, entry->change.interval.high, entry->better,
                       entry->change.count, entry->adjusted_p, verdict(entry));
        }
    }
    printf("\nThe change is the value without the mutation less that with all of them, under the "
           "same seed: below 0 the mutation helps. Paired t tests, p adjusted by Holm over the "
           "table.\n");
}

static enum error run(struct arguments *arguments)
{
    enum error err = ERR_NONE;
    struct request request;
    struct settings settings;
    struct ablated *list = NULL;
    size_t count;
    TRY(read_arguments(&request, arguments));
    TRY(assignments_settings(&settings, NULL, request.search, &request.common.assignments));
    if (request.common.table != NULL)
        TRY(ablate_replayed(&list, &count, &request, &settings));
    else
        TRY(ablate_live(&list, &count, &request, &settings));
    if (request.common.markdown)
        print_markdown(&request, list, count, &settings);
    else
        TRY(print_listing(&request, list, count));
out:
    free(list);
    return err;
}

static const struct option_row options[] = {
    {"table", REPEATS_TABLE, "TABLE.csv", "replay on the scores of 'clade table build'"},
    {"runs", OPTION_RUNS, "DIR",
     "run the searches, in directories below DIR; the same command goes on\n"
     "after an interruption"},
    {"at", REPEATS_AT, "LIST",
     "evaluations after which is looked (20,50,150; live: search.cycles)"},
    {"repeats", REPEATS_REPEATS, "N", "searches of each kind (200; live: 3)"},
    {"seed", REPEATS_SEED, "S", "of the whole comparison (1)"},
    {"set", REPEATS_SET, "SECTION.KEY=VALUE", "change one setting; may be repeated"},
    {"format", REPEATS_FORMAT, "text|csv|markdown", "for reading, for programs, for a page"},
    {"shape", REPEATS_SHAPE, "HxWxC", "with --table: height, width, channels (28x28x1)"},
    {"classes", REPEATS_CLASSES, "N", "with --table: classes of the data (10)"},
    {0},
};

const struct command command_ablate = {
    .name = "ablate",
    .operands = "SEARCH.ini",
    .summary = "Leave out one mutation after the other, and test what each is worth",
    .examples = "clade ablate inputs/searches/table.ini --table docs/table.csv\n"
                "clade ablate inputs/searches/quick.ini --runs runs/ablate --repeats 5\n"
                "clade ablate table.ini --table table.csv --format markdown >> results.md\n",
    .text = "Searches with all mutations that have a weight, and with all but one, under the same\n"
            "seeds: they begin with the same population, so their differences are paired. On a\n"
            "table no device is opened, and what a search found is measured by trainings that did\n"
            "not choose it; live, by its own validation accuracies, which flatter all alike.\n",
    .options = options,
    .least = 1,
    .most = 1,
    .run = run,
};
