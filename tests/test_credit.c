/* stages/credit: against a history made by hand, and the bandit's draws. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stages/credit.h"
#include "stages/inference.h"
#include "stages/statistics.h"

enum { MOST = 1200 };

static struct {
    struct search_settings settings;
    size_t count;
    struct candidate history[MOST];
} search;

static void start(void)
{
    struct settings settings;
    settings_defaults(&settings, NULL);
    memset(&search, 0, sizeof search);
    search.settings = settings.search;
}

static struct candidate *append(const char *operator_name, int64_t parent, double accuracy,
                                int64_t parameters)
{
    struct candidate *row = &search.history[search.count];
    *row = (struct candidate){.id = (int64_t)search.count,
                              .attempt = 1,
                              .status = CANDIDATE_DONE,
                              .parent = parent,
                              .cost = {.parameters = parameters, .macs = 1, .activations = 1},
                              .validation_accuracy = accuracy};
    snprintf(row->operator_name, sizeof row->operator_name, "%s", operator_name);
    search.count++;
    return row;
}

static void assert_near(double value, double expected)
{
    if (!(fabs(value - expected) <= 1e-9))
        fail_msg("%.12f is not %.12f", value, expected);
}

static void credits_by_hand(void **state)
{
    (void)state;
    start();
    append("random", -1, 0.80, 1000);
    append("random", -1, 0.70, 500)->status = CANDIDATE_DIVERGED;
    append("filters", 0, 0.82, 1300);
    append("filters", 0, 0.79, 900);
    append("filters", 0, 0.80, 1100);                          /* equal is not better */
    append("swap", 0, 0.99, 1000)->status = CANDIDATE_TIMEOUT; /* no score */
    append("swap", 1, 0.99, 1000);                             /* its parent has none */
    append("add", 2, 0.5, 5000)->status = CANDIDATE_RUNNING;   /* has not ended */
    append("layer", 2, 0.10, 1)->status = CANDIDATE_LOST;      /* nor has this: */
    search.history[search.count] = search.history[search.count - 1];
    search.history[search.count].attempt = 2;
    search.history[search.count].status = CANDIDATE_DONE;
    search.history[search.count++].validation_accuracy = 0.92;
    search.settings.mutation_weights[MUTATION_INVERSION] = 0;
    struct operator_credit *credits;
    size_t count;
    assert_int_equal(
        credit_operators(&credits, &count, search.history, search.count, &search.settings),
        ERR_NONE);
    /* All that may be drawn, used or not, but inversion; then random. */
    static const char *const names[] = {"swap", "filters", "layer", "add", "remove", "random"};
    static const int uses[] = {2, 3, 1, 0, 0, 2}, failed[] = {1, 0, 0, 0, 0, 1};
    static const int compared[] = {0, 3, 1, 0, 0, 0}, better[] = {0, 1, 1, 0, 0, 0};
    assert_int_equal(count, 6);
    for (int i = 0; i < 6; i++) {
        assert_string_equal(credits[i].name, names[i]);
        assert_int_equal(credits[i].uses, uses[i]);
        assert_int_equal(credits[i].failed, failed[i]);
        assert_int_equal(credits[i].compared, compared[i]);
        assert_int_equal(credits[i].better, better[i]);
        assert_int_equal(isnan(credits[i].accuracy_change.mean), compared[i] == 0);
    }
    struct interval share = wilson_interval(1, 3);
    assert_near(credits[1].better_interval.low, share.low);
    assert_near(credits[1].better_interval.high, share.high);
    struct estimate accuracy = mean_estimate((const double[]){0.02, -0.01, 0}, 3);
    struct estimate parameters = mean_estimate((const double[]){300, -100, 100}, 3);
    assert_near(credits[1].accuracy_change.mean, accuracy.mean);
    assert_near(credits[1].accuracy_change.interval.low, accuracy.interval.low);
    assert_near(credits[1].accuracy_change.interval.high, accuracy.interval.high);
    assert_near(credits[1].parameter_change.mean, 100);
    assert_near(credits[1].parameter_change.interval.high, parameters.interval.high);
    assert_near(credits[2].accuracy_change.mean, 0.1);
    assert_true(isnan(credits[2].accuracy_change.interval.low));
    free(credits);

    /* What is better is said by the objective. */
    search.settings.objective = OBJECTIVE_PARETO;
    assert_int_equal(
        credit_operators(&credits, &count, search.history, search.count, &search.settings),
        ERR_NONE);
    assert_int_equal(credits[1].better, 0); /* the better one is larger, the smaller one worse */
    free(credits);
    search.settings.algorithm = ALGORITHM_RANDOM;
    assert_int_equal(credit_operators(&credits, &count, search.history, 2, &search.settings),
                     ERR_NONE);
    assert_int_equal(count, 1);
    assert_string_equal(credits[0].name, "random");
    free(credits);
    assert_int_equal(credit_operators(&credits, &count, NULL, 0, &search.settings), ERR_NONE);
    assert_int_equal(count, 0);
    free(credits);
}

/* How often each mutation would take the draw, in `draws` calls. */
static void draw(int taken[MUTATION_COUNT + 1], int draws)
{
    struct rng rng;
    rng_seed(&rng, 99);
    memset(taken, 0, (MUTATION_COUNT + 1) * sizeof *taken);
    for (int i = 0; i < draws; i++) {
        double weights[MUTATION_COUNT], total = 0;
        credit_weights(weights, search.history, search.count, &search.settings, &rng);
        int certain = MUTATION_COUNT;
        for (int m = 0; m < MUTATION_COUNT; m++)
            total += weights[m];
        for (int m = 0; m < MUTATION_COUNT; m++)
            if (weights[m] > 0.999 * total)
                certain = m;
        taken[certain]++;
    }
}

/* `share` of the children of a mutation are better; `n` of each. */
static void add_history(const double shares[MUTATION_COUNT], int n)
{
    if (search.count == 0)
        append("random", -1, 0.5, 1000);
    for (int i = 0; i < n; i++)
        for (int m = 0; m < MUTATION_COUNT; m++)
            append(mutation_name((enum mutation)m), 0, i < shares[m] * n ? 0.6 : 0.4, 1000);
}

static void bandit_prefers_what_works(void **state)
{
    (void)state;
    enum { DRAWS = 2000 };
    int taken[MUTATION_COUNT + 1];
    start();
    search.settings.adapt = ADAPT_BANDIT;
    search.settings.adapt_floor = 0.25;
    search.settings.adapt_window = 600;

    /* Nothing known: all alike, but for the floor. */
    draw(taken, DRAWS);
    assert_true(abs(taken[MUTATION_COUNT] - DRAWS / 4) < 100);
    for (int m = 0; m < MUTATION_COUNT; m++)
        assert_true(abs(taken[m] - DRAWS * 3 / 4 / MUTATION_COUNT) < 75);

    /* One is clearly better: it takes nearly all that the floor leaves. */
    add_history((const double[MUTATION_COUNT]){0.1, 0.1, 0.6, 0.1, 0.1, 0.1}, 20);
    draw(taken, DRAWS);
    assert_true(abs(taken[MUTATION_COUNT] - DRAWS / 4) < 100);
    assert_true(taken[MUTATION_FILTERS] > 0.70 * DRAWS);

    /* One that is switched off is never drawn. */
    search.settings.mutation_weights[MUTATION_FILTERS] = 0;
    draw(taken, DRAWS);
    assert_int_equal(taken[MUTATION_FILTERS], 0);
    search.settings.mutation_weights[MUTATION_FILTERS] = 1;

    /* What was good early and is not any more is forgotten with the window. */
    search.settings.adapt_window = 300;
    add_history((const double[MUTATION_COUNT]){0.1, 0.6, 0.1, 0.1, 0.1, 0.1}, 50);
    draw(taken, DRAWS);
    assert_true(taken[MUTATION_INVERSION] > 0.70 * DRAWS);

    search.settings.adapt_floor = 1;
    draw(taken, DRAWS);
    assert_int_equal(taken[MUTATION_COUNT], DRAWS);
    search.settings.adapt = ADAPT_NONE;
    search.settings.adapt_floor = 0;
    draw(taken, DRAWS);
    assert_int_equal(taken[MUTATION_COUNT], DRAWS);
}

/* The probability of the larger of two shares under Beta(1, 1) and Beta(2, 1) is 2/3; a history of
   one success gives these two. */
static void draws_have_the_distribution(void **state)
{
    (void)state;
    enum { DRAWS = 6000 };
    int taken[MUTATION_COUNT + 1];
    start();
    search.settings.adapt = ADAPT_BANDIT;
    search.settings.adapt_floor = 0;
    for (int m = 0; m < MUTATION_COUNT; m++)
        search.settings.mutation_weights[m] = m == MUTATION_ADD || m == MUTATION_SWAP;
    append("random", -1, 0.5, 1000);
    append("add", 0, 0.6, 1000);
    draw(taken, DRAWS);
    assert_int_equal(taken[MUTATION_ADD] + taken[MUTATION_SWAP], DRAWS);
    assert_true(fabs(taken[MUTATION_ADD] - DRAWS * 2 / 3.0) < 5 * sqrt(DRAWS * 2 / 9.0));
    /* One failure more: Beta(2, 2) against Beta(1, 1) is a half. */
    append("add", 0, 0.4, 1000);
    draw(taken, DRAWS);
    assert_true(fabs(taken[MUTATION_ADD] - DRAWS / 2.0) < 5 * sqrt(DRAWS / 4.0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(credits_by_hand),
        cmocka_unit_test(bandit_prefers_what_works),
        cmocka_unit_test(draws_have_the_distribution),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
