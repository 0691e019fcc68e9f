/* Populate, evolve and aging evolution: Algorithm 1 of Real et al., pure in (seed, k, visible
   results). The other algorithms and objectives are in test_algorithm.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "stages/evolve.h"
#include "stages/populate.h"

static const struct image_shape fashion = {28, 28, 1, 10};

enum { MOST = 400 };

struct search {
    struct search_settings settings;
    struct space space;
    size_t count;
    struct candidate history[MOST];
};

static void start(struct search *search, int population, int sample, int in_flight)
{
    struct settings settings;
    settings_defaults(&settings, NULL);
    memset(search, 0, sizeof *search);
    search->settings = settings.search;
    search->settings.population = population;
    search->settings.sample = sample;
    search->settings.in_flight = in_flight;
    assert_int_equal(space_init(&search->space, &settings.space, &fashion), ERR_NONE);
}

static struct candidate propose(const struct search *search, int64_t k)
{
    struct candidate next;
    memset(&next, 0xa5, sizeof next);
    assert_int_equal(
        evolve_propose(&next, &search->space, &search->settings, k, search->history, search->count),
        ERR_NONE);
    return next;
}

/* Proposes the next candidate and gives it this result at once. */
static struct candidate *append(struct search *search, enum candidate_status status,
                                double accuracy)
{
    struct candidate *row = &search->history[search->count];
    *row = propose(search, (int64_t)search->count);
    row->status = status;
    row->validation_accuracy = status == CANDIDATE_DONE ? accuracy : NAN;
    search->count++;
    return row;
}

static bool same(const struct candidate *a, const struct candidate *b)
{
    return a->id == b->id && a->parent == b->parent && a->seed == b->seed &&
           strcmp(a->operator_name, b->operator_name) == 0 && genome_equal(&a->genome, &b->genome);
}

static struct search search;

static void test_populate(void **state)
{
    (void)state;
    start(&search, 6, 3, 4);
    for (int64_t k = 0; k < 6; k++) {
        struct candidate next = propose(&search, k), again = propose(&search, k);
        assert_true(same(&next, &again));
        assert_int_equal(next.id, k);
        assert_int_equal(next.generation, 0);
        assert_int_equal(next.attempt, 1);
        assert_int_equal(next.status, CANDIDATE_QUEUED);
        assert_int_equal(next.parent, -1);
        assert_string_equal(next.operator_name, "random");
        assert_true(next.seed == rng_mix(search.settings.seed, (uint64_t)k, 0));
        assert_true(isnan(next.validation_accuracy) && isnan(next.train_loss));
        assert_int_equal(next.cost.parameters, genome_cost(&next.genome, &fashion).parameters);
        assert_true(space_contains(&search.space, &next.genome, NULL));
        append(&search, CANDIDATE_DONE, 0.5);
        for (int64_t j = 0; j < k; j++)
            assert_false(genome_equal(&search.history[j].genome, &next.genome));
    }
    struct candidate child = propose(&search, 6);
    assert_int_equal(child.generation, 1);
    assert_true(child.parent >= 0);
    search.settings.seed = 2;
    struct candidate other = propose(&search, 0);
    assert_false(genome_equal(&other.genome, &search.history[0].genome));
    assert_true(other.seed != search.history[0].seed);
}

static void test_child(void **state)
{
    (void)state;
    start(&search, 5, 2, 1);
    int operators[MUTATION_COUNT] = {0};
    for (int k = 0; k < MOST; k++) {
        struct candidate *row = append(&search, CANDIDATE_DONE, 0.5 + 0.001 * (k * 37 % 101));
        assert_int_equal(row->generation, k / 5);
        assert_true(space_contains(&search.space, &row->genome, NULL));
        if (k < 5)
            continue;
        assert_true(row->parent >= k - 5 && row->parent < k);
        assert_false(genome_equal(&row->genome, &search.history[row->parent].genome));
        int m = 0;
        while (m < MUTATION_COUNT &&
               strcmp(mutation_name((enum mutation)m), row->operator_name) != 0)
            m++;
        assert_true(m < MUTATION_COUNT);
        operators[m]++;
    }
    for (int m = 0; m < MUTATION_COUNT; m++)
        assert_true(operators[m] > 20);
}

/* Results of candidates after k - in_flight do not matter, nor does anything but the results. */
static void test_pure(void **state)
{
    (void)state;
    enum { IN_FLIGHT = 4 };
    start(&search, 8, 3, IN_FLIGHT);
    search.settings.duplicates = DUPLICATES_ALLOW; /* else genomes count, of results nobody saw */
    for (int k = 0; k < 60; k++)
        append(&search, k % 7 == 3 ? CANDIDATE_DIVERGED : CANDIDATE_DONE,
               0.5 + 0.001 * (k * 29 % 97));
    struct candidate before = propose(&search, 60);
    size_t visible = 60 - IN_FLIGHT + 1;
    for (size_t i = visible; i < 60; i++) {
        search.history[i].status = CANDIDATE_DONE;
        search.history[i].validation_accuracy = 1.0;
    }
    struct candidate after = propose(&search, 60);
    assert_true(same(&before, &after));
    search.count = visible;
    after = propose(&search, 60);
    assert_true(same(&before, &after));
    for (size_t i = 0; i < visible; i++) {
        search.history[i].duration_s = 1000.0 - (double)i;
        search.history[i].started_utc_us = -(int64_t)i;
        search.history[i].worker = (int)(i * 7 % 5);
        search.history[i].attempt = 3;
    }
    after = propose(&search, 60);
    assert_true(same(&before, &after));
    /* The last visible one does matter. */
    search.settings.sample = 200;
    search.history[visible - 1].status = CANDIDATE_DONE;
    search.history[visible - 1].validation_accuracy = 1.0;
    after = propose(&search, 60);
    assert_int_equal(after.parent, visible - 1);
}

/* The oldest is dropped even when it is the best. With so large a sample the best of the
   population is the parent, but for a chance of (1 - 1/P)^S. */
static void test_aging(void **state)
{
    (void)state;
    for (int in_flight = 1; in_flight <= 3; in_flight++) {
        start(&search, 5, 300, in_flight);
        append(&search, CANDIDATE_DONE, 1.0);
        for (int k = 1; k < 60; k++) {
            struct candidate *row = append(&search, CANDIDATE_DONE, 0.9 - 0.01 * k);
            if (k < 5)
                continue;
            /* Visible: 0..k - in_flight; the best of the last five is the oldest of them. */
            int64_t oldest = k - in_flight - 4;
            assert_int_equal(row->parent, oldest > 0 ? oldest : 0);
        }
    }
}

static void test_failed(void **state)
{
    (void)state;
    static const enum candidate_status failures[] = {
        CANDIDATE_DIVERGED, CANDIDATE_TOO_BIG, CANDIDATE_TIMEOUT, CANDIDATE_FAILED, CANDIDATE_LOST};
    start(&search, 4, 200, 1);
    /* Before anything has a score, proposals are random, past the first population too. */
    for (int k = 0; k < 10; k++)
        assert_string_equal(append(&search, failures[k % 5], 0)->operator_name, "random");
    /* Then only the scored breed, and failures between them take no place. */
    append(&search, CANDIDATE_DONE, 0.9);
    for (int k = 11; k < 60; k++) {
        struct candidate *row =
            append(&search, k % 3 == 0 ? CANDIDATE_DONE : failures[k % 5], 0.8 - 0.001 * k);
        int64_t oldest = -1;
        int members = 0;
        for (int64_t i = k - 1; i >= 0 && members < 4; i--) {
            if (search.history[i].status == CANDIDATE_DONE) {
                oldest = i;
                members++;
            }
        }
        assert_int_equal(row->parent, oldest);
    }
    /* A stray number on a failed row changes nothing. */
    struct candidate before = propose(&search, 60);
    for (size_t i = 0; i < search.count; i++) {
        if (search.history[i].status != CANDIDATE_DONE)
            search.history[i].validation_accuracy = 1.0;
    }
    struct candidate after = propose(&search, 60);
    assert_true(same(&before, &after));
}

static void test_ties(void **state)
{
    (void)state;
    start(&search, 6, 400, 1);
    for (int k = 0; k < 6; k++)
        append(&search, CANDIDATE_DONE, 0.7);
    int64_t fewest = 0;
    for (int64_t k = 1; k < 6; k++) {
        if (search.history[k].cost.parameters < search.history[fewest].cost.parameters)
            fewest = k;
    }
    assert_int_equal(propose(&search, 6).parent, fewest);
    for (int k = 0; k < 6; k++)
        search.history[k].cost.parameters = 1000;
    assert_int_equal(propose(&search, 6).parent, 0);
}

/* Drawn with replacement: of two members the better is the parent in 3 of 4 cases, not always;
   drawn uniformly: with a sample of one, each member equally often. */
static void test_sample(void **state)
{
    (void)state;
    enum { SEEDS = 4000 };
    start(&search, 2, 2, 1);
    append(&search, CANDIDATE_DONE, 0.7);
    append(&search, CANDIDATE_DONE, 0.8);
    int better = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        search.settings.seed = seed;
        better += propose(&search, 2).parent == 1;
    }
    assert_true(fabs(better - 0.75 * SEEDS) < 5 * sqrt(SEEDS * 0.75 * 0.25));

    start(&search, 10, 1, 1);
    int counts[10] = {0};
    for (int k = 0; k < 12; k++) /* two failures among the ten members */
        append(&search, k == 5 || k == 9 ? CANDIDATE_DIVERGED : CANDIDATE_DONE, 0.01 * k);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        search.settings.seed = seed;
        int64_t parent = propose(&search, 12).parent;
        assert_true(parent >= 0 && parent < 12 && parent != 5 && parent != 9);
        counts[parent - (parent > 5) - (parent > 9)]++;
    }
    for (int i = 0; i < 10; i++)
        assert_true(abs(counts[i] - SEEDS / 10) < 5 * sqrt(SEEDS / 10));
}

static void test_one_genome(void **state)
{
    (void)state;
    start(&search, 2, 1, 1);
    struct space_settings limits = search.space.limits;
    limits.filters.count = limits.kernels.count = limits.activations.count = 1;
    limits.min_layers = limits.max_layers = 2;
    assert_int_equal(space_init(&search.space, &limits, &fashion), ERR_NONE);
    for (int k = 0; k < 10; k++) {
        struct candidate *row = append(&search, CANDIDATE_DONE, 0.5);
        assert_string_equal(row->operator_name, "random");
        assert_int_equal(row->parent, -1);
    }
}

static void test_random_search(void **state)
{
    (void)state;
    start(&search, 4, 2, 2);
    search.settings.algorithm = ALGORITHM_RANDOM;
    for (int k = 0; k < 40; k++) {
        struct candidate *row = append(&search, CANDIDATE_DONE, 0.5);
        assert_string_equal(row->operator_name, "random");
        assert_int_equal(row->generation, k / 4);
    }
    /* The same first population as in evolution: the two are compared from an equal start. */
    struct candidate first = search.history[3];
    search.settings.algorithm = ALGORITHM_AGING;
    struct candidate again = propose(&search, 3);
    assert_true(same(&first, &again));
}

static bool ready(int64_t k)
{
    return evolve_ready(k, &search.settings, search.history, search.count);
}

static void test_ready(void **state)
{
    (void)state;
    start(&search, 4, 2, 3);
    assert_true(ready(0));
    for (int k = 0; k < 3; k++)
        append(&search, CANDIDATE_QUEUED, 0);
    assert_false(ready(3)); /* three are open */
    search.history[2].status = CANDIDATE_FAILED;
    assert_true(ready(3)); /* random: any of them may end first */
    append(&search, CANDIDATE_RUNNING, 0);
    assert_false(ready(4)); /* 0 and 1 have to end */
    search.history[1].status = CANDIDATE_DONE;
    assert_false(ready(4));
    search.history[0].status = CANDIDATE_LOST;
    assert_false(ready(4));
    search.history[0].status = CANDIDATE_DIVERGED;
    assert_true(ready(4));
    append(&search, CANDIDATE_QUEUED, 0);
    assert_true(ready(5)); /* 2 has ended, 3 and 4 may be open */
    append(&search, CANDIDATE_DONE, 0.5);
    assert_false(ready(6)); /* 3 is still running */
    search.settings.algorithm = ALGORITHM_RANDOM;
    assert_true(ready(6));
    search.settings.in_flight = 2;
    assert_false(ready(6));

    /* Several attempts a candidate: the last one counts. */
    start(&search, 1, 1, 1);
    append(&search, CANDIDATE_LOST, 0);
    assert_false(ready(1));
    search.history[1] = search.history[0];
    search.history[1].attempt = 2;
    search.history[1].status = CANDIDATE_RUNNING;
    search.count = 2;
    assert_false(ready(1));
    search.history[1].status = CANDIDATE_DONE;
    search.history[1].validation_accuracy = 0.5;
    assert_true(ready(1));
    assert_int_equal(propose(&search, 1).parent, 0);
    /* A gap in the rows is a candidate that has not ended. */
    search.history[1].id = 1;
    search.settings.in_flight = 1;
    search.history[0].status = CANDIDATE_QUEUED;
    assert_false(ready(2));
}

/* A made-up landscape: layers near a hidden ideal, few parameters; 0..1. */
static double synthetic_score(const struct genome *genome)
{
    double loss = 0.3 * abs(genome->layer_count - 6);
    for (int i = 0; i < genome->layer_count; i++) {
        const struct layer *layer = &genome->layers[i];
        loss += fabs(log2(layer->filters / (16.0 * (1 + i)))) + 0.5 * (layer->kernel != 3) +
                0.3 * (layer->activation != ACT_GELU) +
                0.4 * ((layer->kind == LAYER_REDUCTION) != (i == 1 || i == 3));
    }
    return 1 / (1 + loss / genome->layer_count);
}

/* Runs a search in which open candidates end in a random order; returns the best score. */
static double run(enum algorithm algorithm, uint64_t seed, int in_flight, uint64_t timing)
{
    start(&search, 20, 5, in_flight);
    search.settings.algorithm = algorithm;
    search.settings.seed = seed;
    struct rng rng;
    rng_seed(&rng, timing);
    double best = 0;
    for (size_t ended = 0; ended < 200;) {
        while (search.count < 200 && ready((int64_t)search.count))
            append(&search, CANDIDATE_QUEUED, 0);
        size_t i;
        do
            i = (size_t)rng_below(&rng, search.count);
        while (search.history[i].status != CANDIDATE_QUEUED);
        struct candidate *row = &search.history[i];
        row->status = row->id % 11 == 10 ? CANDIDATE_DIVERGED : CANDIDATE_DONE;
        row->validation_accuracy =
            row->status == CANDIDATE_DONE ? synthetic_score(&row->genome) : NAN;
        if (row->validation_accuracy > best)
            best = row->validation_accuracy;
        ended++;
    }
    return best;
}

/* The order in which candidates end changes nothing; what was searched is the same to the row. */
static void test_timing(void **state)
{
    (void)state;
    static struct candidate kept[200];
    run(ALGORITHM_AGING, 1, 5, 100);
    memcpy(kept, search.history, sizeof kept);
    for (uint64_t timing = 101; timing < 105; timing++) {
        run(ALGORITHM_AGING, 1, 5, timing);
        for (int k = 0; k < 200; k++)
            assert_true(same(&kept[k], &search.history[k]));
    }
    run(ALGORITHM_AGING, 2, 5, 100);
    assert_false(same(&kept[100], &search.history[100]));
}

static void test_beats_random(void **state)
{
    (void)state;
    int wins = 0;
    double aging = 0, random = 0;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        double a = run(ALGORITHM_AGING, seed, 4, seed);
        double b = run(ALGORITHM_RANDOM, seed, 4, seed);
        wins += a > b;
        aging += a / 10;
        random += b / 10;
    }
    if (wins < 9 || aging < random + 0.05)
        fail_msg("aging wins %d of 10, %f against %f", wins, aging, random);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_populate),      cmocka_unit_test(test_child),
        cmocka_unit_test(test_pure),          cmocka_unit_test(test_aging),
        cmocka_unit_test(test_failed),        cmocka_unit_test(test_ties),
        cmocka_unit_test(test_sample),        cmocka_unit_test(test_one_genome),
        cmocka_unit_test(test_random_search), cmocka_unit_test(test_ready),
        cmocka_unit_test(test_timing),        cmocka_unit_test(test_beats_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
