/* stages/baseline: the random search beside a search, and what a comparison with it says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <math.h>

#include <cmocka.h>

#include "outputs/report_markdown.h"
#include "stages/baseline.h"
#include "stages/evolve.h"
#include "stages/report.h"

enum { WANTED = 30, IMAGES = 2000, SEEDS = 3 };

static struct settings settings;
static struct space space;

static int set_up(void **state)
{
    (void)state;
    static const struct image_shape shape = {28, 28, 1, 2};
    settings_defaults(&settings, NULL);
    settings.search.population = 5;
    settings.search.cycles = WANTED;
    settings.search.seed = 7;
    return space_init(&space, &settings.space, &shape) != ERR_NONE;
}

/* Candidate by candidate what search.algorithm = random proposes, whatever the scores are. */
static void it_is_the_random_search_of_the_same_settings(void **state)
{
    (void)state;
    struct candidate random[WANTED], members[WANTED];
    settings.search.algorithm = ALGORITHM_RANDOM;
    for (int64_t k = 0; k < WANTED; k++) {
        assert_int_equal(evolve_propose(&random[k], &space, &settings.search, k, random, (size_t)k),
                         ERR_NONE);
        random[k].status = CANDIDATE_DONE;
        random[k].validation_accuracy = 0.5;
    }
    settings.search.algorithm = ALGORITHM_AGING;
    settings.search.populate = POPULATE_MIXED;
    for (int64_t k = 0; k < WANTED; k++) {
        assert_int_equal(
            baseline_propose(&members[k], &space, &settings.search, k, members, (size_t)k),
            ERR_NONE);
        members[k].status = CANDIDATE_DIVERGED;
        assert_true(genome_equal(&members[k].genome, &random[k].genome));
        assert_true(members[k].seed == random[k].seed);
        assert_int_equal(members[k].id, k);
        assert_int_equal(members[k].parent, -1);
    }
}

static void a_random_first_population_is_shared(void **state)
{
    (void)state;
    assert_int_equal(baseline_id(4, &settings.search), 4);
    assert_int_equal(baseline_id(5, &settings.search), CANDIDATE_BASELINE + 5);
    struct candidate search[9] = {{0}},
                     own[2] = {{.id = CANDIDATE_BASELINE + 5}, {.id = CANDIDATE_BASELINE + 6}};
    for (int i = 0; i < 9; i++)
        search[i].id = i < 3 ? i : i - 1; /* two attempts at candidate 2 */
    struct candidate *all;
    size_t count;
    assert_int_equal(baseline_join(&all, &count, search, 9, own, 2, &settings.search), ERR_NONE);
    assert_int_equal(count, 8);
    assert_int_equal(all[5].id, 4);
    assert_int_equal(all[6].id, CANDIDATE_BASELINE + 5);
    free(all);
    settings.search.populate = POPULATE_MEMORY;
    assert_int_equal(baseline_shared(&settings.search), 0);
    assert_int_equal(baseline_id(0, &settings.search), CANDIDATE_BASELINE);
    char label[CANDIDATE_LABEL_SIZE];
    candidate_label(label, CANDIDATE_BASELINE + 5);
    assert_string_equal(label, "r000005");
    candidate_label(label, 5);
    assert_string_equal(label, "c000005");
}

/* A search of 4 with a shared population of 2, and a random one with 2 of its own. */
static struct candidate searched[4], own[2];
static struct confirmation confirmations[4 * SEEDS];
static uint8_t labels[IMAGES], predictions[4 * SEEDS][IMAGES];
static uint32_t confusion[4];

static void confirm(size_t place, int64_t id, double validation, const int wrong[SEEDS])
{
    for (int seed = 0; seed < SEEDS; seed++) {
        size_t i = SEEDS * place + (size_t)seed;
        /* Errors of different networks are on different images. */
        memset(predictions[i], 0, IMAGES);
        memset(predictions[i] + 400 * place, 1, (size_t)wrong[seed]);
        confirmations[i] = (struct confirmation){.candidate = id,
                                                 .replicate = seed,
                                                 .validation_accuracy = validation - 0.001 * seed,
                                                 .test_accuracy = 1 - (double)wrong[seed] / IMAGES,
                                                 .classes = 2,
                                                 .test_images = IMAGES,
                                                 .predictions = predictions[i],
                                                 .labels = labels,
                                                 .confusion = confusion};
    }
}

static struct candidate candidate(int64_t id, double accuracy, const char *genome)
{
    struct candidate c = {.id = id,
                          .attempt = 1,
                          .status = CANDIDATE_DONE,
                          .parent = -1,
                          .operator_name = "random",
                          .validation_accuracy = accuracy};
    assert_int_equal(genome_parse(&c.genome, genome), ERR_NONE);
    c.cost = genome_cost(&c.genome, &space.shape);
    return c;
}

/* The best of the search and of the random one get so many images wrong, a seed each. */
static void make_report(struct report *report, int seeds, const int ours[SEEDS],
                        const int other[SEEDS])
{
    static const char small[] = "RC8k1:relu-RC8k1:relu-FC64:relu"; /* 794 parameters */
    static const char large[] = "RC16k3:relu-RC32k3:relu-FC64:relu";
    settings.search.population = 2;
    settings.search.cycles = 4;
    settings.confirm.baseline = BASELINE_RANDOM;
    settings.confirm.bands.count = 1;
    settings.confirm.bands.values[0] = 2000;
    searched[0] = candidate(0, 0.60, small);
    searched[1] = candidate(1, 0.50, large);
    searched[2] = candidate(2, 0.90, large);
    searched[3] = candidate(3, 0.40, large);
    own[0] = candidate(CANDIDATE_BASELINE + 2, 0.80, large);
    own[1] = candidate(CANDIDATE_BASELINE + 3, 0.30, small);
    confirm(0, 2, 0.92, ours);
    confirm(1, CANDIDATE_BASELINE + 2, 0.88, other);
    confirm(2, 0, 0.70, (int[]){400, 400, 400}); /* the best within 2000 of both */
    struct report_input input = {.run = "night",
                                 .version = "0",
                                 .settings = &settings,
                                 .shape = space.shape,
                                 .candidates = searched,
                                 .candidate_count = 4,
                                 .baseline = own,
                                 .baseline_count = 2,
                                 .confirmations = confirmations,
                                 .confirmation_count = 3 * SEEDS};
    for (size_t i = 0; i < 3 * SEEDS; i++)
        if (confirmations[i].replicate >= seeds)
            confirmations[i].candidate = 1; /* no finalist */
    assert_int_equal(report_make(report, &input), ERR_NONE);
}

static void assert_says(const struct report *report, const char *part)
{
    struct text text = {0};
    report_markdown(&text, report);
    if (strstr(text.data, part) == NULL)
        fail_msg("not in the report: %s\n%s", part, strstr(text.data, "## Against a random"));
    assert_null(strstr(text.data, "nan"));
    text_free(&text);
}

static void says_yes_when_images_and_seeds_do(void **state)
{
    (void)state;
    struct report report;
    make_report(&report, SEEDS, (int[]){100, 104, 96}, (int[]){300, 310, 290});
    assert_int_equal(report.duel_count, 2);
    assert_int_equal(report.baseline_ended, 4);
    assert_int_equal(report.finalist_count, 4);
    assert_int_equal(report.ranked, 3); /* candidate 0 is in both, and counts once */
    const struct duel *duel = &report.duels[0];
    assert_int_equal(duel->ours->candidate->id, 2);
    assert_int_equal(duel->other->candidate->id, CANDIDATE_BASELINE + 2);
    assert_int_equal(duel->images.only_a, 300);
    assert_int_equal(duel->images.only_b, 100);
    assert_true(fabs(duel->difference - 0.1) < 1e-12);
    assert_int_equal(duel->verdict, VERDICT_YES);
    /* The winner is of the search, though it is the better one of both. */
    assert_ptr_equal(report.first, duel->ours);
    assert_int_equal(report.second->candidate->id, 0);
    /* Within 2000 parameters both have the same. */
    assert_int_equal(report.duels[1].limit, 2000);
    assert_int_equal(report.duels[1].ours->candidate->id, 0);
    assert_int_equal(report.duels[1].other->candidate->id, 0);
    assert_int_equal(report.duels[1].verdict, VERDICT_NOT_SHOWN);
    assert_says(&report,
                "**Better than random: yes.** The mean test accuracy of the winner c000002 "
                "is 0.9500 with");
    assert_says(&report, "winner of the random search, r000002, 0.8500 with");
    assert_says(&report, "| all | c000002 | ");
    assert_says(&report, "| 2,000 | c000000 | 794 |");
    report_free(&report);
}

static void says_no_the_other_way_round(void **state)
{
    (void)state;
    struct report report;
    make_report(&report, SEEDS, (int[]){300, 310, 290}, (int[]){100, 104, 96});
    assert_int_equal(report.duels[0].verdict, VERDICT_NO);
    assert_says(&report, "**Better than random: no.**");
    report_free(&report);
}

static void shows_nothing_when_seeds_disagree(void **state)
{
    (void)state;
    struct report report;
    /* The deployed network, the first, is far better; the genome is not. */
    make_report(&report, SEEDS, (int[]){100, 380, 300}, (int[]){300, 310, 290});
    assert_true(report.duels[0].images.p < 1e-6);
    assert_true(report.duels[0].seeds.low < 0 && report.duels[0].seeds.high > 0);
    assert_int_equal(report.duels[0].verdict, VERDICT_NOT_SHOWN);
    assert_says(&report, "**Better than random: not shown.**");
    report_free(&report);
    /* All seeds say so, but not the images of the deployed ones. */
    make_report(&report, SEEDS, (int[]){300, 300, 299}, (int[]){310, 310, 311});
    assert_true(report.duels[0].seeds.low > 0);
    assert_int_equal(report.duels[0].verdict, VERDICT_NOT_SHOWN);
    report_free(&report);
}

static void one_seed_leaves_it_to_the_images(void **state)
{
    (void)state;
    struct report report;
    make_report(&report, 1, (int[]){100, 0, 0}, (int[]){300, 0, 0});
    assert_true(isnan(report.duels[0].seeds.low));
    assert_int_equal(report.duels[0].verdict, VERDICT_YES);
    assert_says(&report, "a single seed, so this speaks of trained networks");
    report_free(&report);
    /* None of the random search could be confirmed. */
    settings.confirm.bands.count = 0;
    confirmations[SEEDS].candidate = 1;
    struct report_input input = {.run = "night",
                                 .version = "0",
                                 .settings = &settings,
                                 .shape = space.shape,
                                 .candidates = searched,
                                 .candidate_count = 4,
                                 .baseline = own,
                                 .baseline_count = 2,
                                 .confirmations = confirmations,
                                 .confirmation_count = 3 * SEEDS};
    assert_int_equal(report_make(&report, &input), ERR_NONE);
    assert_null(report.duels[0].other);
    assert_int_equal(report.duels[0].verdict, VERDICT_NOT_SHOWN);
    assert_says(&report, "One of the two has no finalist");
    assert_says(&report, " | - | - | - | - | - | - | - |\n");
    report_free(&report);
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(it_is_the_random_search_of_the_same_settings),
        CASE(a_random_first_population_is_shared),
        CASE(says_yes_when_images_and_seeds_do),
        CASE(says_no_the_other_way_round),
        CASE(shows_nothing_when_seeds_disagree),
        CASE(one_seed_leaves_it_to_the_images),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
