/* stages/ablate: searches without one mutation against searches with all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <math.h>

#include <cmocka.h>

#include "stages/ablate.h"
#include "stages/inference.h"

enum { REPEATS = 40 };

static struct search_settings search;
static struct ablate_plan plan;
static uint64_t seeds[REPEATS];
static size_t calls;

static int set_up(void **state)
{
    (void)state;
    struct settings settings;
    settings_defaults(&settings, NULL);
    search = settings.search;
    plan = (struct ablate_plan){.at = {10, 20}, .at_count = 2, .repeats = REPEATS, .seed = 5};
    calls = 0;
    return 0;
}

static void assert_near(double value, double expected)
{
    if (!(fabs(value - expected) <= 1e-12))
        fail_msg("%.15f is not %.15f", value, expected);
}

/* What filters add, layer takes; nothing else does anything. Repeats differ a lot. */
static double value_of(const struct search_settings *settings, size_t repeat, size_t point)
{
    double noise = (double)((repeat * 7 + 3) % 11) / 1000;
    return 0.5 + 0.01 * (double)repeat + 0.05 * (double)point +
           (settings->mutation_weights[MUTATION_FILTERS] > 0 ? 0.02 + noise : 0) -
           (settings->mutation_weights[MUTATION_LAYER] > 0 ? 0.01 + noise : 0);
}

static enum error made_up(double *values, const struct search_settings *settings,
                          const struct ablate_plan *given, int left_out, size_t repeat, void *user)
{
    assert_ptr_equal(given, &plan);
    assert_ptr_equal(user, &calls);
    calls++;
    for (int m = 0; m < MUTATION_COUNT; m++)
        assert_true(settings->mutation_weights[m] ==
                    (m == left_out ? 0 : search.mutation_weights[m]));
    if (left_out == ABLATE_NONE)
        seeds[repeat] = settings->seed;
    assert_true(settings->seed == seeds[repeat]); /* equal for all of a repeat */
    assert_true(settings->seed < (UINT64_C(1) << 53));
    for (size_t i = 0; i < given->at_count; i++)
        values[i] = value_of(settings, repeat, i);
    if (repeat == 3 && left_out == MUTATION_SWAP)
        values[1] = NAN;
    return ERR_NONE;
}

static void finds_what_mutations_do(void **state)
{
    (void)state;
    struct ablated *list;
    size_t count;
    search.mutation_weights[MUTATION_ADD] = 0; /* is not there to be left out */
    assert_int_equal(ablate_run(&list, &count, &plan, &search, made_up, &calls), ERR_NONE);
    static const int left_out[] = {ABLATE_NONE,      MUTATION_SWAP,  MUTATION_INVERSION,
                                   MUTATION_FILTERS, MUTATION_LAYER, MUTATION_REMOVE};
    assert_int_equal(count, 12);
    assert_int_equal(calls, 6 * REPEATS);
    double all[REPEATS], change[REPEATS];
    for (size_t i = 0; i < count; i++) {
        const struct ablated *entry = &list[i];
        assert_int_equal(entry->left_out, left_out[i / 2]);
        assert_int_equal(entry->evaluations, i % 2 == 0 ? 10 : 20);
        struct search_settings without = search;
        if (entry->left_out != ABLATE_NONE)
            without.mutation_weights[entry->left_out] = 0;
        size_t n = 0;
        for (size_t r = 0; r < REPEATS; r++) {
            if (r == 3 && i == 3)
                continue;
            all[n] = value_of(&without, r, i % 2);
            change[n++] = value_of(&without, r, i % 2) - value_of(&search, r, i % 2);
        }
        struct estimate value = mean_estimate(all, n), difference = mean_estimate(change, n);
        assert_int_equal(entry->value.count, n);
        assert_near(entry->value.mean, value.mean);
        assert_near(entry->value.interval.low, value.interval.low);
        if (entry->left_out == ABLATE_NONE) {
            assert_int_equal(entry->change.count, 0);
            assert_true(isnan(entry->p) && isnan(entry->adjusted_p));
            continue;
        }
        assert_int_equal(entry->change.count, n);
        assert_near(entry->change.mean, difference.mean);
        assert_near(entry->change.interval.high, difference.interval.high);
    }
    /* filters help, layer harms, although repeats differ by far more than that. */
    assert_true(list[6].change.interval.high < 0 && list[6].adjusted_p < 1e-6);
    assert_int_equal(list[6].better, 0);
    assert_true(list[8].change.interval.low > 0 && list[8].adjusted_p < 1e-6);
    assert_int_equal(list[8].better, REPEATS);
    assert_true(list[2].p > 0.99 && list[2].adjusted_p > 0.99);
    assert_true(list[6].adjusted_p > list[6].p);
    free(list);
}

/* Student's own example, with values in place of searches: extra sleep of ten patients. */
static enum error asleep(double *values, const struct search_settings *settings,
                         const struct ablate_plan *given, int left_out, size_t repeat, void *user)
{
    static const double change[] = {1.2, 2.4, 1.3, 1.3, 0, 1.0, 1.8, 0.8, 4.6, 1.4};
    (void)settings;
    (void)given;
    (void)user;
    values[0] = left_out == MUTATION_SWAP ? change[repeat] : 0;
    return ERR_NONE;
}

static void the_test_is_students(void **state)
{
    (void)state;
    struct ablated *list;
    size_t count;
    plan = (struct ablate_plan){.at = {1}, .at_count = 1, .repeats = 10};
    assert_int_equal(ablate_run(&list, &count, &plan, &search, asleep, NULL), ERR_NONE);
    if (!(fabs(list[1].p - 0.002832890197384256) < 1e-12)) /* R's t.test(paired = TRUE) */
        fail_msg("p is %.18f", list[1].p);
    assert_near(list[2].p, 1);
    free(list);
}

static enum error failing(double *values, const struct search_settings *settings,
                          const struct ablate_plan *given, int left_out, size_t repeat, void *user)
{
    (void)values;
    (void)settings;
    (void)given;
    (void)user;
    return left_out == MUTATION_LAYER && repeat == 1 ? error_set(ERR_STOPPED, "stopped") : ERR_NONE;
}

static void refuses_what_cannot_be_compared(void **state)
{
    (void)state;
    struct ablated *list = NULL;
    size_t count;
    assert_int_equal(ablate_run(&list, &count, &plan, &search, failing, NULL), ERR_STOPPED);
    assert_null(list);
    search.algorithm = ALGORITHM_RANDOM;
    assert_int_equal(ablate_run(&list, &count, &plan, &search, made_up, &calls), ERR_USAGE);
    assert_non_null(strstr(error_message(), "uses no mutation"));
    search.algorithm = ALGORITHM_AGING;
    for (int m = 1; m < MUTATION_COUNT; m++)
        search.mutation_weights[m] = 0;
    assert_int_equal(ablate_run(&list, &count, &plan, &search, made_up, &calls), ERR_USAGE);
    assert_non_null(strstr(error_message(), "search.weight_*"));
    assert_int_equal(calls, 0);
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(finds_what_mutations_do),
        CASE(the_test_is_students),
        CASE(refuses_what_cannot_be_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
