/* stages/statistics: against published values, brute force and hand-made histories. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <math.h>

#include <cmocka.h>

#include "pipeline/base/rng.h"
#include "stages/statistics.h"

static void assert_near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%.9f is not %.9f", value, expected);
}

/* Newcombe 1998, Statistics in Medicine 17, 857-872, table I, method 3. */
static void wilson_matches_newcombe(void **state)
{
    (void)state;
    static const struct {
        double correct, count, low, high;
    } published[] = {{81, 263, 0.2553, 0.3662},
                     {15, 148, 0.0624, 0.1605},
                     {0, 20, 0.0000, 0.1611},
                     {1, 29, 0.0061, 0.1718}};
    for (size_t i = 0; i < sizeof published / sizeof published[0]; i++) {
        struct interval interval = wilson_interval(published[i].correct, published[i].count);
        assert_near(interval.low, published[i].low, 5e-5);
        assert_near(interval.high, published[i].high, 5e-5);
    }
}

static void wilson_at_the_edges(void **state)
{
    (void)state;
    struct interval all = wilson_interval(20, 20), none = wilson_interval(0, 20);
    assert_near(all.low, 1 - none.high, 1e-12);
    assert_true(all.high == 1 && none.low == 0);
    struct interval empty = wilson_interval(0, 0);
    assert_true(isnan(empty.low) && isnan(empty.high));
}

/* Newcombe 1998, Statistics in Medicine 17, 873-890, table II, method 10. */
static void difference_matches_newcombe(void **state)
{
    (void)state;
    static const struct {
        double a, of_a, b, of_b, low, high;
    } published[] = {{56, 70, 48, 80, 0.0524, 0.3339}, {9, 10, 3, 10, 0.1705, 0.8090},
                     {6, 7, 2, 7, 0.0582, 0.8062},     {5, 56, 0, 29, -0.0381, 0.1926},
                     {0, 10, 0, 20, -0.1611, 0.2775},  {0, 10, 0, 10, -0.2775, 0.2775},
                     {10, 10, 0, 20, 0.6791, 1.0000},  {10, 10, 0, 10, 0.6075, 1.0000}};
    for (size_t i = 0; i < sizeof published / sizeof published[0]; i++) {
        struct interval interval =
            newcombe_interval(published[i].a, published[i].of_a, published[i].b, published[i].of_b);
        assert_near(interval.low, published[i].low, 5.1e-5);
        assert_near(interval.high, published[i].high, 5.1e-5);
    }
    assert_true(isnan(newcombe_interval(1, 0, 1, 2).low));
}

static void mean_and_median(void **state)
{
    (void)state;
    double odd[] = {3, 1, 2}, even[] = {4, 1, 3, 2}, one[] = {7};
    assert_near(mean_of(odd, 3), 2, 1e-12);
    assert_near(median_of(odd, 3), 2, 1e-12);
    assert_near(mean_of(even, 4), 2.5, 1e-12);
    assert_near(median_of(even, 4), 2.5, 1e-12);
    assert_near(median_of(one, 1), 7, 0);
    assert_true(isnan(mean_of(one, 0)) && isnan(median_of(one, 0)));
}

/* A scored candidate. */
static struct candidate scored(int64_t id, int generation, double accuracy, int64_t parameters)
{
    struct candidate candidate = {.id = id,
                                  .generation = generation,
                                  .attempt = 1,
                                  .status = CANDIDATE_DONE,
                                  .parent = -1,
                                  .cost = {.parameters = parameters},
                                  .validation_accuracy = accuracy,
                                  .images_per_s = 100,
                                  .device = "cpu",
                                  .started_utc_us = 1000000 * (10 + id),
                                  .duration_s = 2};
    candidate.genome.layer_count = (int)id + 1; /* something to know it by */
    return candidate;
}

static void best_breaks_ties(void **state)
{
    (void)state;
    struct candidate all[] = {scored(0, 0, 0.8, 100), scored(1, 0, 0.9, 200),
                              scored(2, 1, 0.9, 150), scored(3, 1, 0.9, 150),
                              scored(4, 1, 0.99, 10)};
    all[4].status = CANDIDATE_DIVERGED; /* never wins */
    assert_ptr_equal(best_candidate(all, 5, -1), &all[2]);
    assert_ptr_equal(best_candidate(all, 5, 0), &all[1]);
    assert_null(best_candidate(all, 5, 2));
    assert_null(best_candidate(NULL, 0, -1));
}

static void finds_the_last_attempt(void **state)
{
    (void)state;
    struct candidate all[] = {scored(0, 0, 0.8, 1), scored(2, 0, 0.8, 1), scored(2, 0, 0.8, 1),
                              scored(5, 0, 0.8, 1)};
    all[1].status = CANDIDATE_LOST;
    all[2].attempt = 2;
    assert_ptr_equal(find_candidate(all, 4, 0), &all[0]);
    assert_ptr_equal(find_candidate(all, 4, 2), &all[2]);
    assert_ptr_equal(find_candidate(all, 4, 5), &all[3]);
    assert_null(find_candidate(all, 4, 1));
    assert_null(find_candidate(all, 4, 6));
    assert_null(find_candidate(all, 4, -1));
    assert_null(find_candidate(NULL, 0, 0));
}

static void lineage_goes_back_to_the_ancestor(void **state)
{
    (void)state;
    struct candidate all[60];
    for (int i = 0; i < 60; i++) {
        all[i] = scored(i, i / 20, 0.5, 1);
        all[i].parent = i < 20 ? -1 : i - 1;
    }
    const struct candidate **lineage;
    size_t count;
    assert_int_equal(lineage_of(&lineage, &count, all, 60, 59), ERR_NONE);
    assert_int_equal(count, 41);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(lineage[i]->id, 59 - (int64_t)i);
    free(lineage);

    assert_int_equal(lineage_of(&lineage, &count, all, 60, 3), ERR_NONE);
    assert_int_equal(count, 1);
    free(lineage);

    all[30].parent = 40; /* a store that lies must not trap us */
    assert_int_equal(lineage_of(&lineage, &count, all, 60, 59), ERR_DATA);
    all[30].parent = 30;
    assert_int_equal(lineage_of(&lineage, &count, all, 60, 59), ERR_DATA);
    all[30].parent = 29;
    assert_int_equal(lineage_of(&lineage, &count, all + 1, 59, 1), ERR_NONE);
    free(lineage);
    all[20].parent = 0;
    assert_int_equal(lineage_of(&lineage, &count, all + 1, 59, 59), ERR_DATA);
    assert_non_null(strstr(error_message(), "candidate 0"));
}

static void sums_up_generations(void **state)
{
    (void)state;
    struct candidate all[] = {
        scored(0, 0, 0.50, 10), scored(1, 0, 0.70, 10), scored(1, 0, 0.70, 10),
        scored(2, 0, 0.90, 30), scored(3, 0, 0.60, 10), scored(4, 1, NAN, 10),
        scored(5, 1, NAN, 10),  scored(6, 2, NAN, 10),  scored(7, 2, 0.80, 40)};
    all[1].status = CANDIDATE_LOST; /* tried again */
    all[2].attempt = 2;
    all[2].started_utc_us = 100000000;
    all[2].duration_s = 5.5;
    all[4].status = CANDIDATE_FAILED;
    all[4].duration_s = NAN;
    all[5].status = CANDIDATE_DIVERGED;
    all[6].status = CANDIDATE_TOO_BIG;
    all[7].status = CANDIDATE_RUNNING;
    all[8].status = CANDIDATE_QUEUED;
    all[8].started_utc_us = 0;
    struct generation *generations;
    size_t count;
    assert_int_equal(summarise_generations(&generations, &count, all, 9), ERR_NONE);
    assert_int_equal(count, 2); /* nothing of generation 2 has ended */

    assert_int_equal(generations[0].number, 0);
    assert_int_equal(generations[0].evaluated, 3);
    assert_int_equal(generations[0].failed, 1);
    assert_near(generations[0].best, 0.9, 1e-12);
    assert_near(generations[0].mean, 0.7, 1e-12);
    assert_near(generations[0].median, 0.7, 1e-12);
    assert_near(generations[0].worst, 0.5, 1e-12);
    assert_int_equal(generations[0].best_candidate, 2);
    assert_int_equal(generations[0].best_cost.parameters, 30);
    assert_int_equal(generations[0].best_genome.layer_count, 3);
    assert_near(generations[0].elapsed_s, 95.5, 1e-9); /* from 10 s to 105.5 s */

    assert_int_equal(generations[1].number, 1);
    assert_int_equal(generations[1].evaluated, 0);
    assert_int_equal(generations[1].failed, 2);
    assert_int_equal(generations[1].best_candidate, -1);
    assert_true(isnan(generations[1].best) && isnan(generations[1].mean));
    assert_true(isnan(generations[1].median) && isnan(generations[1].worst));
    free(generations);

    assert_int_equal(summarise_generations(&generations, &count, NULL, 0), ERR_NONE);
    assert_int_equal(count, 0);
    free(generations);
}

static void sums_up_devices(void **state)
{
    (void)state;
    struct candidate all[] = {scored(0, 0, 0.5, 1), scored(1, 0, 0.5, 1), scored(2, 0, 0.5, 1),
                              scored(3, 0, 0.5, 1), scored(4, 0, 0.5, 1), scored(5, 0, 0.5, 1)};
    all[1].worker = 1;
    all[1].images_per_s = 300;
    strcpy(all[2].device, "gpu");
    all[2].worker = 2;
    all[3].status = CANDIDATE_LOST;
    all[3].worker = 1;
    all[4].status = CANDIDATE_RUNNING;
    strcpy(all[4].device, "never counted");
    all[5].device[0] = '\0';
    struct device_usage *usage;
    size_t count;
    assert_int_equal(summarise_devices(&usage, &count, all, 6), ERR_NONE);
    assert_int_equal(count, 2);
    assert_string_equal(usage[0].name, "cpu");
    assert_int_equal(usage[0].workers, 2);
    assert_int_equal(usage[0].attempts, 3);
    assert_int_equal(usage[0].failed, 1);
    assert_near(usage[0].busy_s, 6, 1e-9);
    assert_near(usage[0].images_per_s, 200, 1e-9);
    assert_string_equal(usage[1].name, "gpu");
    assert_int_equal(usage[1].workers, 1);
    assert_int_equal(usage[1].attempts, 1);

    /* The driver of one was brought up to date, to a version whose text the old one has in it. */
    static const struct device_version versions[] = {
        {"cpu", "PoCL", "OpenCL 3.0", "3.11", "HSTR"},
        {"cpu", "PoCL", "OpenCL 3.0", "3.1", "HSTR"},
        {"cpu", "PoCL", "OpenCL 3.0", "3.11", "pthread"},
        {"another", "x", "x", "x", "x"},
    };
    describe_devices(usage, count, versions, 4);
    assert_string_equal(usage[0].platform, "PoCL");
    assert_string_equal(usage[0].platform_version, "OpenCL 3.0");
    assert_string_equal(usage[0].driver_version, "3.11; 3.1");
    assert_string_equal(usage[0].device_version, "HSTR; pthread");
    assert_string_equal(usage[1].driver_version, "");

    /* No more than there is room for. */
    struct device_version longer = {.device = "gpu"};
    for (char c = 'a'; c <= 'f'; c++) {
        memset(longer.driver_version, c, DEVICE_VERSION_SIZE - 1);
        describe_devices(usage, count, &longer, 1);
    }
    assert_int_equal(strlen(usage[1].driver_version), 127);
    free(usage);
}

static void scores_classes(void **state)
{
    (void)state;
    static const uint32_t confusion[] = {8, 1, 1, 0, /* */
                                         0, 5, 0, 0, /* */
                                         3, 4, 3, 0, /* */
                                         0, 0, 0, 0};
    struct class_score *scores;
    assert_int_equal(score_classes(&scores, confusion, 4), ERR_NONE);
    assert_int_equal(scores[0].images, 10);
    assert_int_equal(scores[0].correct, 8);
    assert_near(scores[0].accuracy, 0.8, 1e-12);
    assert_int_equal(scores[0].confused_with, 1); /* the first of equals */
    assert_near(scores[0].interval.low, wilson_interval(8, 10).low, 0);
    assert_int_equal(scores[1].confused_with, -1);
    assert_int_equal(scores[2].confused_with, 1);
    assert_int_equal(scores[3].images, 0);
    assert_true(isnan(scores[3].accuracy));
    free(scores);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wilson_matches_newcombe),
        cmocka_unit_test(wilson_at_the_edges),
        cmocka_unit_test(difference_matches_newcombe),
        cmocka_unit_test(mean_and_median),
        cmocka_unit_test(best_breaks_ties),
        cmocka_unit_test(finds_the_last_attempt),
        cmocka_unit_test(lineage_goes_back_to_the_ancestor),
        cmocka_unit_test(sums_up_generations),
        cmocka_unit_test(sums_up_devices),
        cmocka_unit_test(scores_classes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
