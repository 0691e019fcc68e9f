/* clade compare: search algorithms replayed on a table of scores. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inputs/score_table.h"
#include "inputs/space.h"
#include "pipeline/command.h"
#include "pipeline/command_repeats.h"
#include "pipeline/command_settings.h"
#include "pipeline/listing.h"
#include "stages/compare.h"

enum { OPTION_ALGORITHMS = REPEATS_OWN };

struct request {
    const char *search;
    struct compare_plan plan;
    struct repeats_request common;
};

static enum error take_algorithm(struct compare_plan *plan, const char *item)
{
    const char *words[ALGORITHM_COUNT];
    for (int a = 0; a < ALGORITHM_COUNT; a++) {
        words[a] = algorithm_name((enum algorithm)a);
        if (strcmp(words[a], item) != 0)
            continue;
        for (size_t i = 0; i < plan->algorithm_count; i++)
            if (plan->algorithms[i] == (enum algorithm)a)
                return error_set(ERR_USAGE, "compare: --algorithms names %s twice", item);
        plan->algorithms[plan->algorithm_count++] = (enum algorithm)a;
        return ERR_NONE;
    }
    const char *nearest = text_nearest(item, words, ALGORITHM_COUNT);
    return error_set(ERR_USAGE, "compare: --algorithms: %s is no algorithm%s%s%s", item,
                     nearest != NULL ? "; did you mean " : "", nearest != NULL ? nearest : "",
                     nearest != NULL ? "?" : "");
}

static enum error take_algorithms(struct compare_plan *plan, const char *list)
{
    enum error err = ERR_NONE;
    plan->algorithm_count = 0;
    for (const char *at = list;; at++) {
        char item[32];
        size_t length = strcspn(at, ",");
        snprintf(item, sizeof item, "%.*s", (int)(length < sizeof item ? length : sizeof item), at);
        TRY(take_algorithm(plan, item));
        at += length;
        if (*at == '\0')
            break;
    }
out:
    return err;
}

static enum error read_arguments(struct request *request, struct arguments *arguments)
{
    enum error err = ERR_NONE;
    struct compare_plan *plan = &request->plan;
    *request = (struct request){.plan = {.algorithms = {ALGORITHM_RANDOM, ALGORITHM_AGING,
                                                        ALGORITHM_ELITIST, ALGORITHM_LOCAL},
                                         .algorithm_count = 4,
                                         .at = {20, 50, 150},
                                         .at_count = 3,
                                         .repeats = 200,
                                         .seed = 1}};
    request->common =
        (struct repeats_request){.shape = {.height = 28, .width = 28, .channels = 1, .classes = 10},
                                 .at = plan->at,
                                 .at_count = &plan->at_count,
                                 .at_most = COMPARE_POINTS_MAX,
                                 .repeats = &plan->repeats,
                                 .seed = &plan->seed};
    for (;;) {
        int id;
        const char *value;
        TRY(command_next(&id, &value, arguments));
        if (id == 0)
            break;
        if (id == OPTION_ALGORITHMS)
            TRY(take_algorithms(&request->plan, value));
        else
            TRY(repeats_option(&request->common, arguments, id, value));
    }
    request->search = arguments->operands[0];
    if (request->common.table == NULL)
        return error_set(ERR_USAGE, "compare: expected --table TABLE.csv, which 'clade table "
                                    "build' writes");
out:
    return err;
}

/* ---- what was found ---- */

static const char *const measures[] = {
    [OBJECTIVE_ACCURACY] = "validation accuracy of the best genome, by trainings that did not "
                           "choose it",
    [OBJECTIVE_WEIGHTED] = "accuracy x (parameters / target)^exponent of the best genome, by "
                           "trainings that did not choose it",
    [OBJECTIVE_PARETO] = "area under the front as a share of the whole table's",
};

/* Tests at 5 %, after Holm. */
static const char *verdict(const struct compared *entry)
{
    if (isnan(entry->adjusted_p))
        return "";
    if (entry->adjusted_p >= 0.05)
        return "no difference shown";
    return entry->test.effect > 0 ? "better" : "worse";
}

static const struct listing_column columns[] = {
    {"algorithm", "algorithm", 0}, {"evaluations", "evaluations", 0},
    {"repeats", NULL, 0},          {"mean", "mean", 4},
    {"mean_low", "95 % from", 4},  {"mean_high", "to", 4},
    {"percentile_5", NULL, 4},     {"quartile_1", "half from", 4},
    {"median", "median", 4},       {"quartile_3", "to", 4},
    {"percentile_95", NULL, 4},    {"u", NULL, 1},
    {"effect", "effect", 3},       {"p", NULL, 4},
    {"p_holm", "p (Holm)", 4},     {"against_first", "against the first", 0},
};

static enum error print_listing(const struct request *request, const struct compared *list,
                                size_t count, const struct settings *settings)
{
    struct listing listing;
    listing_begin(&listing, request->common.format, columns, sizeof columns / sizeof columns[0]);
    for (size_t i = 0; i < count; i++) {
        const struct compared *entry = &list[i];
        listing_text(&listing, algorithm_name(entry->algorithm));
        listing_integer(&listing, entry->evaluations);
        listing_integer(&listing, (int64_t)entry->mean.count);
        listing_number(&listing, entry->mean.mean);
        listing_number(&listing, entry->mean.interval.low);
        listing_number(&listing, entry->mean.interval.high);
        listing_number(&listing, entry->fifth);
        listing_number(&listing, entry->lower);
        listing_number(&listing, entry->median);
        listing_number(&listing, entry->upper);
        listing_number(&listing, entry->ninety_fifth);
        listing_number(&listing, entry->test.statistic);
        listing_number(&listing, entry->test.effect);
        listing_number(&listing, entry->test.p);
        listing_number(&listing, entry->adjusted_p);
        listing_text(&listing, verdict(entry));
    }
    enum error err = listing_print(&listing);
    if (err == ERR_NONE && request->common.format == FORMAT_TEXT)
        printf("\n%s.\neffect: rank-biserial correlation, 1 when every search beats every one of "
               "%s.\n",
               measures[settings->search.objective], algorithm_name(list[0].algorithm));
    return err;
}

static void print_markdown(const struct request *request, const struct compared *list, size_t count,
                           const struct settings *settings)
{
    const struct compare_plan *plan = &request->plan;
    printf("`%s`, space and population of `%s` (P = %d, S = %d, in_flight = %d, duplicates = %s): "
           "%zu searches of each algorithm, seed %llu. Measured: %s.\n\n",
           request->common.table, request->search, settings->search.population,
           settings->search.sample, settings->search.in_flight,
           settings->search.duplicates == DUPLICATES_AVOID ? "avoid" : "allow", plan->repeats,
           (unsigned long long)plan->seed, measures[settings->search.objective]);
    printf("| evaluations | algorithm | mean (95 %% interval) | median | half of the searches | "
           "9 of 10 | against %s |\n|--:|---|---|--:|---|---|---|\n",
           algorithm_name(list[0].algorithm));
    for (size_t point = 0; point < plan->at_count; point++) {
        for (size_t i = point; i < count; i += plan->at_count) {
            const struct compared *entry = &list[i];
            printf("| %d | %s | %.4f (%.4f to %.4f) | %.4f | %.4f to %.4f | %.4f to %.4f | ",
                   entry->evaluations, algorithm_name(entry->algorithm), entry->mean.mean,
                   entry->mean.interval.low, entry->mean.interval.high, entry->median, entry->lower,
                   entry->upper, entry->fifth, entry->ninety_fifth);
            if (isnan(entry->adjusted_p))
                printf("- |\n");
            else
                printf("%s: U = %.1f, effect %+.2f, p = %.2g |\n", verdict(entry),
                       entry->test.statistic, entry->test.effect, entry->adjusted_p);
        }
    }
    printf(
        "\nTests are Mann-Whitney's, p adjusted by Holm over all of the table; the effect is the "
        "rank-biserial correlation, from -1 (always worse) to 1 (always better).\n");
}

static enum error run(struct arguments *arguments)
{
    enum error err = ERR_NONE;
    struct request request;
    struct settings settings;
    struct space space;
    struct score_table table = {0};
    struct replay replay;
    struct compared *list = NULL;
    size_t count;
    TRY(read_arguments(&request, arguments));
    TRY(assignments_settings(&settings, NULL, request.search, &request.common.assignments));
    TRY(space_init(&space, &settings.space, &request.common.shape));
    TRY(score_table_read(&table, request.common.table));
    TRY(replay_init(&replay, &table, &space, &settings.search));
    TRY(compare_run(&list, &count, &request.plan, &replay));
    if (request.common.markdown)
        print_markdown(&request, list, count, &settings);
    else
        TRY(print_listing(&request, list, count, &settings));
out:
    free(list);
    score_table_free(&table);
    return err;
}

static const struct option_row options[] = {
    {"table", REPEATS_TABLE, "TABLE.csv", "the scores, from 'clade table build'"},
    {"algorithms", OPTION_ALGORITHMS, "LIST",
     "which; the first is what the others are tested against\n(random,aging,elitist,local)"},
    {"at", REPEATS_AT, "LIST", "evaluations after which is looked (20,50,150)"},
    {"repeats", REPEATS_REPEATS, "N", "searches of each algorithm (200)"},
    {"seed", REPEATS_SEED, "S", "of the whole comparison (1)"},
    {"set", REPEATS_SET, "SECTION.KEY=VALUE", "change one setting; may be repeated"},
    {"format", REPEATS_FORMAT, "text|csv|markdown", "for reading, for programs, for a page"},
    {"shape", REPEATS_SHAPE, "HxWxC", "size of the images: height, width, channels (28x28x1)"},
    {"classes", REPEATS_CLASSES, "N", "classes of the data (10)"},
    {0},
};

const struct command command_compare = {
    .name = "compare",
    .operands = "SEARCH.ini",
    .summary = "Replay search algorithms on a table of scores, and test the difference",
    .examples = "clade compare inputs/searches/table.ini --table docs/table.csv\n"
                "clade compare table.ini --table table.csv --at 10,100 --set search.sample=10\n"
                "clade compare table.ini --table table.csv --format markdown >> results.md\n",
    .text =
        "[space] and [search] are those of SEARCH.ini, which must be the space of the table; the\n"
        "proposals are those of 'clade run', only the training is looked up. What a search\n"
        "found is measured by trainings that did not choose it. No device is opened.\n",
    .options = options,
    .least = 1,
    .most = 1,
    .run = run,
};
