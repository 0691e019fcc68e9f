/* Replayed searches and their comparison: on tables whose truth is known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "inputs/space_walk.h"
#include "stages/compare.h"
#include "stages/evolve.h"
#include "stages/objective.h"

static const struct image_shape fashion = {28, 28, 1, 10};

static struct settings settings;
static struct space space;
static struct genome *genomes;
static size_t genome_count;
static struct score_table table;
static struct replay replay;

static int set_up(void **state)
{
    (void)state;
    settings_defaults(&settings, NULL);
    settings.space.min_layers = 2;
    settings.space.max_layers = 3;
    settings.space.filters = (struct int_list){3, {8, 16, 32}};
    settings.space.kernels = (struct int_list){2, {1, 3}};
    settings.space.activations = (struct int_list){1, {ACT_RELU}};
    settings.search.population = 10;
    settings.search.sample = 3;
    settings.search.in_flight = 2;
    if (space_init(&space, &settings.space, &fashion) != ERR_NONE)
        return 1;
    return space_list(&genomes, &genome_count, &space) != ERR_NONE;
}

static int tear_down(void **state)
{
    (void)state;
    free(genomes);
    score_table_free(&table);
    return 0;
}

/* A smooth landscape over the genomes, 0.5 to 0.9. */
static double truth(const struct genome *genome)
{
    double loss = 0;
    for (int i = 0; i < genome->layer_count; i++)
        loss += 2 * (genome->layers[i].kernel == 1) + fabs(log2(genome->layers[i].filters) - 3 - i);
    loss += genome->layer_count == 2;
    return 0.9 - 0.4 * loss / (loss + 4);
}

typedef double score_function(const struct genome *genome, int replicate);

/* Writes a table of all genomes but `left_out` and reads it back. */
static void make_table(score_function *score, int replicates, size_t left_out)
{
    char path[] = "/tmp/clade-test-compare-XXXXXX";
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    FILE *file = fdopen(descriptor, "w");
    assert_non_null(file);
    fprintf(file, "genome,status,validation_accuracy\n");
    for (int r = 0; r < replicates; r++) {
        for (size_t i = 0; i < genome_count; i++) {
            char text[GENOME_TEXT_SIZE];
            double value = score(&genomes[i], r);
            genome_format(text, &genomes[i]);
            if (i == left_out)
                continue;
            if (isnan(value))
                fprintf(file, "%s,diverged,\n", text);
            else
                fprintf(file, "%s,done,%.9f\n", text, value);
        }
    }
    assert_int_equal(fclose(file), 0);
    if (score_table_read(&table, path) != ERR_NONE)
        fail_msg("%s", error_message());
    assert_int_equal(unlink(path), 0);
}

static void prepare(void)
{
    /* A table knows one training of a genome. */
    settings.search.fidelity.rungs.count = 2;
    assert_int_equal(replay_init(&replay, &table, &space, &settings.search), ERR_USAGE);
    settings.search.fidelity.rungs.count = 0;
    if (replay_init(&replay, &table, &space, &settings.search) != ERR_NONE)
        fail_msg("%s", error_message());
}

static double exact(const struct genome *genome, int replicate)
{
    (void)replicate;
    return truth(genome);
}

static double noisy(const struct genome *genome, int replicate)
{
    struct rng rng;
    uint64_t sum = (uint64_t)replicate;
    for (int i = 0; i < genome->layer_count; i++)
        sum = rng_mix(sum, (uint64_t)genome->layers[i].filters,
                      (uint64_t)genome->layers[i].kernel * 2 + genome->layers[i].kind);
    rng_seed(&rng, sum);
    return truth(genome) + 0.01 * rng_normal(&rng);
}

/* Two scores, one good and one bad: whatever looks best is, by its other score, bad. */
static double two_faced(const struct genome *genome, int replicate)
{
    (void)genome;
    return replicate == 0 ? 0.9 : 0.1;
}

static double half_fails(const struct genome *genome, int replicate)
{
    return genome->layers[0].kernel == 1 ? NAN : exact(genome, replicate);
}

/* The same proposals as a live search, and the best so far. */
static void replays_what_would_run(void **state)
{
    (void)state;
    enum { CYCLES = 80 };
    static struct candidate history[CYCLES];
    int at[COMPARE_POINTS_MAX] = {1, 7, 40, CYCLES};
    double values[COMPARE_POINTS_MAX];
    make_table(exact, 1, SIZE_MAX);
    prepare();
    for (int a = 0; a < ALGORITHM_COUNT; a++) {
        struct search_settings search = settings.search;
        search.algorithm = (enum algorithm)a;
        search.seed = 42;
        assert_int_equal(replay_search(values, &replay, (enum algorithm)a, 42, at, 4), ERR_NONE);
        double best = 0;
        int next = 0;
        for (int64_t k = 0; k < CYCLES; k++) {
            assert_int_equal(evolve_propose(&history[k], &space, &search, k, history, (size_t)k),
                             ERR_NONE);
            history[k].status = CANDIDATE_DONE;
            /* As the table has it, with nine digits. */
            history[k].validation_accuracy =
                score_table_find(&table, &history[k].genome)->scores[0];
            best = fmax(best, history[k].validation_accuracy);
            if (k + 1 == at[next]) {
                assert_true(values[next] == best);
                next++;
            }
        }
        assert_int_equal(next, 4);
    }
}

static void luck_does_not_count(void **state)
{
    (void)state;
    const int at[] = {1, 30};
    double values[2];
    make_table(two_faced, 2, SIZE_MAX);
    prepare();
    assert_int_equal(replay_search(values, &replay, ALGORITHM_RANDOM, 1, at, 2), ERR_NONE);
    assert_true(fabs(values[1] - 0.1) < 1e-9);
    assert_true(fabs(values[0] - 0.1) < 1e-9 || fabs(values[0] - 0.9) < 1e-9);
}

/* Failures have no score; where all have failed there is no value. */
static void failures_are_replayed(void **state)
{
    (void)state;
    const int at[] = {1, 2, 60};
    double values[3];
    make_table(half_fails, 2, SIZE_MAX);
    prepare();
    int none = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        assert_int_equal(replay_search(values, &replay, ALGORITHM_AGING, seed, at, 3), ERR_NONE);
        none += isnan(values[0]);
        assert_false(isnan(values[0]) == 0 && values[1] < values[0]);
        assert_true(values[2] > 0.7);
    }
    assert_true(none > 8 && none < 32);
}

/* Once every genome was evaluated, nothing is left to find, in each objective. */
static void grid_finds_all(void **state)
{
    (void)state;
    make_table(exact, 2, SIZE_MAX);
    const int at[] = {50, (int)genome_count};
    double values[2], best = 0, weighted = 0;
    settings.search.target_parameters = 2000;
    settings.search.size_exponent = -0.3;
    for (size_t i = 0; i < genome_count; i++) {
        double size = (double)genome_cost(&genomes[i], &fashion).parameters / 2000;
        best = fmax(best, truth(&genomes[i]));
        weighted = fmax(weighted, truth(&genomes[i]) * pow(size, -0.3));
    }
    prepare();
    assert_int_equal(replay_search(values, &replay, ALGORITHM_GRID, 1, at, 2), ERR_NONE);
    assert_true(fabs(values[1] - best) < 1e-8 && values[0] < best);
    settings.search.objective = OBJECTIVE_WEIGHTED;
    prepare();
    assert_int_equal(replay_search(values, &replay, ALGORITHM_GRID, 1, at, 2), ERR_NONE);
    assert_true(fabs(values[1] - weighted) < 1e-8);
    settings.search.objective = OBJECTIVE_PARETO;
    prepare();
    assert_int_equal(replay_search(values, &replay, ALGORITHM_GRID, 1, at, 2), ERR_NONE);
    assert_true(fabs(values[1] - 1) < 1e-8);
    assert_true(values[0] > 0 && values[0] < 1);
}

/* The area by hand: of two points, over the corner that the worst and the largest of the table
   make. */
static double by_hand(const struct genome *genome, int replicate)
{
    (void)replicate;
    if (genome_equal(genome, &genomes[0]))
        return 0.6; /* the smallest: fewest filters and kernels of 1 */
    return genome_equal(genome, &genomes[1]) ? 0.8 : 0.5;
}

static void area_by_hand(void **state)
{
    (void)state;
    settings.search.objective = OBJECTIVE_PARETO;
    make_table(by_hand, 1, SIZE_MAX);
    prepare();
    double largest = 0;
    for (size_t i = 0; i < genome_count; i++)
        largest = fmax(largest, log((double)genome_cost(&genomes[i], &fashion).parameters));
    double small = log((double)genome_cost(&genomes[0], &fashion).parameters);
    double next = log((double)genome_cost(&genomes[1], &fashion).parameters);
    double whole = 0.1 * (largest - small) + 0.2 * (largest - next);
    assert_true(fabs(replay.whole - whole) < 1e-7);
    const int at[] = {1, 2};
    double values[2];
    assert_int_equal(replay_search(values, &replay, ALGORITHM_GRID, 1, at, 2), ERR_NONE);
    assert_true(fabs(values[0] - 0.1 * (largest - small) / whole) < 1e-7);
    assert_true(fabs(values[1] - 1) < 1e-7);
}

static void a_missing_genome_is_told(void **state)
{
    (void)state;
    make_table(exact, 1, 17);
    assert_int_equal(replay_init(&replay, &table, &space, &settings.search), ERR_DATA);
    char text[GENOME_TEXT_SIZE];
    genome_format(text, &genomes[17]);
    assert_non_null(strstr(error_message(), text));
    assert_non_null(strstr(error_message(), "1 of the"));
}

/* On a smooth landscape evolution beats random search, local search too; the numbers hang
   together; the same plan gives the same numbers. */
static void compares(void **state)
{
    (void)state;
    make_table(noisy, 3, SIZE_MAX);
    prepare();
    struct compare_plan plan = {
        .algorithms = {ALGORITHM_RANDOM, ALGORITHM_AGING, ALGORITHM_ELITIST, ALGORITHM_LOCAL},
        .algorithm_count = 4,
        .at = {10, 60},
        .at_count = 2,
        .repeats = 60,
        .seed = 1};
    struct compared *list, *again;
    size_t count;
    assert_int_equal(compare_run(&list, &count, &plan, &replay), ERR_NONE);
    assert_int_equal(count, 8);
    for (size_t i = 0; i < count; i++) {
        const struct compared *entry = &list[i];
        assert_int_equal(entry->algorithm, plan.algorithms[i / 2]);
        assert_int_equal(entry->evaluations, plan.at[i % 2]);
        assert_int_equal(entry->mean.count, 60);
        assert_true(entry->fifth <= entry->lower && entry->lower <= entry->median &&
                    entry->median <= entry->upper && entry->upper <= entry->ninety_fifth);
        assert_true(entry->mean.interval.low < entry->mean.mean &&
                    entry->mean.mean < entry->mean.interval.high);
        assert_int_equal(isnan(entry->test.p) != 0, i < 2);
        assert_true(i < 2 || entry->adjusted_p >= entry->test.p);
        /* The first population is random for all: nothing to see after 10. */
        if (i >= 2 && i % 2 == 0)
            assert_true(entry->adjusted_p > 0.001 && fabs(entry->test.effect) < 0.4);
        if (i >= 2 && i % 2 == 1)
            assert_true(entry->adjusted_p < 0.01 && entry->test.effect > 0.3);
    }
    assert_int_equal(compare_run(&again, &count, &plan, &replay), ERR_NONE);
    for (size_t i = 0; i < count; i++)
        assert_true(list[i].mean.mean == again[i].mean.mean && list[i].fifth == again[i].fifth);
    free(list);
    free(again);
}

/* R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm"); quantile(c(1, 2, 3, 4)). */
static void holm_and_quantiles(void **state)
{
    (void)state;
    double p[] = {0.01, 0.04, NAN, 0.03, 0.005};
    static const double expected[] = {0.03, 0.06, NAN, 0.06, 0.02};
    assert_int_equal(holm_adjust(p, 5), ERR_NONE);
    for (int i = 0; i < 5; i++)
        assert_true(i == 2 ? isnan(p[i]) : fabs(p[i] - expected[i]) < 1e-12);
    double large[] = {0.9, 0.6};
    assert_int_equal(holm_adjust(large, 2), ERR_NONE);
    assert_true(large[0] == 1 && large[1] == 1);
    static const double sorted[] = {1, 2, 3, 4};
    assert_true(fabs(quantile_of(sorted, 4, 0.25) - 1.75) < 1e-12);
    assert_true(fabs(quantile_of(sorted, 4, 0.5) - 2.5) < 1e-12);
    assert_true(quantile_of(sorted, 4, 0) == 1 && quantile_of(sorted, 4, 1) == 4);
    assert_true(quantile_of(sorted, 1, 0.7) == 1 && isnan(quantile_of(sorted, 0, 0.5)));
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(replays_what_would_run),
        CASE(luck_does_not_count),
        CASE(failures_are_replayed),
        CASE(grid_finds_all),
        CASE(area_by_hand),
        CASE(a_missing_genome_is_told),
        CASE(compares),
        cmocka_unit_test(holm_and_quantiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
