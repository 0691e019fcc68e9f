/* stages/distributions and stages/inference: against published values and brute force. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pipeline/base/rng.h"
#include "stages/distributions.h"
#include "stages/inference.h"

static void assert_near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%.12g is not %.12g", value, expected);
}

/* The table of t in Student's own form; Abramowitz and Stegun, table 26.10, column 0.975. */
static void student_matches_the_tables(void **state)
{
    (void)state;
    static const struct {
        double freedom, t;
    } published[] = {{1, 12.706}, {2, 4.303},  {3, 3.182},  {4, 2.776},  {5, 2.571},  {9, 2.262},
                     {10, 2.228}, {20, 2.086}, {30, 2.042}, {60, 2.000}, {120, 1.980}};
    for (size_t i = 0; i < sizeof published / sizeof published[0]; i++) {
        double t = student_quantile(0.975, published[i].freedom);
        assert_near(t, published[i].t, 5.1e-4);
        assert_near(student_quantile(0.025, published[i].freedom), -t, 1e-12);
        assert_near(student_below(t, published[i].freedom), 0.975, 1e-12);
    }
    /* With one degree of freedom it is Cauchy's distribution, with two a formula. */
    assert_near(student_below(1, 1), 0.75, 1e-14);
    assert_near(student_below(-7, 1), 0.5 + atan(-7) / acos(-1), 1e-14);
    assert_near(student_below(1.3, 2), 0.5 + 1.3 / (2 * sqrt(2 + 1.3 * 1.3)), 1e-14);
    assert_near(student_below(1.96, 1e7), normal_below(1.96), 1e-7);
    assert_near(normal_below(NORMAL_975), 0.975, 1e-15);
    assert_near(normal_below(0), 0.5, 0);
    assert_true(isnan(student_below(NAN, 3)));
}

/* The binomial sum itself, and I_x(a, b) = 1 - I_1-x(b, a). */
static void beta_matches_sums(void **state)
{
    (void)state;
    for (int n = 1; n <= 60; n += 7) {
        double sum = 0, term = pow(0.5, n);
        for (int k = 0; k <= n; k++) {
            sum += term;
            assert_near(coin_at_most(k, n), sum, 1e-13);
            term *= (double)(n - k) / (k + 1);
        }
        assert_near(coin_at_most(-1, n), 0, 0);
    }
    /* By exact integers. */
    assert_near(coin_at_most(1000, 2100), 0.015360353932121148, 1e-12);
    assert_near(coin_at_most(4900, 10000), 0.023292763852473693, 1e-12);
    struct rng rng;
    rng_seed(&rng, 1);
    for (int i = 0; i < 300; i++) {
        double a = 30 * rng_uniform(&rng) + 0.1, b = 30 * rng_uniform(&rng) + 0.1;
        double x = rng_uniform(&rng);
        assert_near(incomplete_beta(a, b, x) + incomplete_beta(b, a, 1 - x), 1, 1e-13);
    }
    assert_near(incomplete_beta(2, 1, 0.3), 0.09, 1e-15);
}

/* Student's sleep data (Biometrika 6 (1908) 1-25), differences of the two drugs; R's t.test()
   prints 0.7001142 to 2.4598858. */
static void interval_of_a_mean(void **state)
{
    (void)state;
    static const double sleep[] = {1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4};
    struct estimate estimate = mean_estimate(sleep, 10);
    assert_near(estimate.mean, 1.58, 1e-12);
    assert_near(estimate.deviation, 1.229995, 1e-6);
    assert_near(estimate.interval.low, 0.7001142, 5e-8);
    assert_near(estimate.interval.high, 2.4598858, 5e-8);
    assert_int_equal(estimate.count, 10);
    struct estimate one = mean_estimate(sleep, 1), none = mean_estimate(sleep, 0);
    assert_near(one.mean, 1.2, 0);
    assert_true(isnan(one.deviation) && isnan(one.interval.low) && isnan(none.mean));
    struct estimate equal = mean_estimate((const double[]){3, 3, 3}, 3);
    assert_near(equal.interval.low, 3, 0);
    assert_near(equal.interval.high, 3, 0);
}

/* The interval holds the true mean in 95 % of samples. */
static void interval_covers(void **state)
{
    (void)state;
    enum { ROUNDS = 4000 };
    struct rng rng;
    rng_seed(&rng, 2);
    int covered = 0;
    for (int i = 0; i < ROUNDS; i++) {
        double values[4];
        for (int j = 0; j < 4; j++)
            values[j] = 5 + 2 * rng_normal(&rng);
        struct estimate estimate = mean_estimate(values, 4);
        covered += estimate.interval.low < 5 && estimate.interval.high > 5;
    }
    assert_true(fabs(covered - 0.95 * ROUNDS) < 4 * sqrt(ROUNDS * 0.95 * 0.05));
}

/* The example of scipy.stats.mannwhitneyu (asymptotic, with correction for continuity), and
   Hollander and Wolfe (1973), 69f, permeability: W = 35. */
static void mann_whitney_matches(void **state)
{
    (void)state;
    static const double males[] = {19, 22, 16, 29, 24}, females[] = {20, 11, 17, 12};
    struct rank_test test;
    assert_int_equal(mann_whitney(&test, males, 5, females, 4), ERR_NONE);
    assert_near(test.statistic, 17, 0);
    assert_near(test.p, 0.11134688653314041, 1e-12);
    assert_near(test.effect, 0.7, 1e-12);
    static const double at_term[] = {0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46};
    static const double early[] = {1.15, 0.88, 0.90, 0.74, 1.21};
    assert_int_equal(mann_whitney(&test, at_term, 10, early, 5), ERR_NONE);
    assert_near(test.statistic, 35, 0);
    /* The same the other way round. */
    struct rank_test back;
    assert_int_equal(mann_whitney(&back, early, 5, at_term, 10), ERR_NONE);
    assert_near(back.statistic, 15, 0);
    assert_near(back.p, test.p, 1e-15);
    assert_near(back.effect, -test.effect, 1e-15);
    assert_int_equal(mann_whitney(&test, males, 5, NULL, 0), ERR_NONE);
    assert_true(isnan(test.p) && isnan(test.effect));
    static const double same[] = {1, 1, 1};
    assert_int_equal(mann_whitney(&test, same, 3, same, 3), ERR_NONE);
    assert_near(test.p, 1, 0);
    assert_near(test.effect, 0, 0);
}

/* U by its definition, with ties; p against the permutations that the test stands for. */
static void mann_whitney_matches_permutations(void **state)
{
    (void)state;
    enum { A = 9, B = 11, DRAWS = 20000 };
    struct rng rng;
    rng_seed(&rng, 3);
    for (int round = 0; round < 4; round++) {
        double all[A + B];
        for (int i = 0; i < A + B; i++)
            all[i] = (double)rng_below(&rng, 8) + (i < A ? round : 0);
        struct rank_test test;
        assert_int_equal(mann_whitney(&test, all, A, all + A, B), ERR_NONE);
        double u = 0;
        for (int i = 0; i < A; i++)
            for (int j = A; j < A + B; j++)
                u += all[i] > all[j] ? 1 : all[i] == all[j] ? 0.5 : 0;
        assert_near(test.statistic, u, 1e-9);
        int as_far = 0;
        for (int d = 0; d < DRAWS; d++) {
            uint32_t order[A + B];
            for (uint32_t i = 0; i < A + B; i++)
                order[i] = i;
            rng_shuffle(&rng, order, A + B);
            double drawn = 0;
            for (int i = 0; i < A; i++)
                for (int j = A; j < A + B; j++)
                    drawn += all[order[i]] > all[order[j]]    ? 1
                             : all[order[i]] == all[order[j]] ? 0.5
                                                              : 0;
            as_far += fabs(drawn - A * B / 2.0) >= fabs(u - A * B / 2.0) - 1e-9;
        }
        assert_near(test.p, (double)as_far / DRAWS, 0.02);
    }
}

/* Spearman: intelligence and hours of television, rho = -29/165, p = 0.627188 (the example of
   Wikipedia's article). */
static void spearman_matches(void **state)
{
    (void)state;
    static const double iq[] = {106, 100, 86, 101, 99, 103, 97, 113, 112, 110};
    static const double tv[] = {7, 27, 2, 50, 28, 29, 20, 12, 6, 17};
    struct rank_test test;
    assert_int_equal(spearman(&test, iq, tv, 10), ERR_NONE);
    assert_near(test.statistic, -29.0 / 165, 1e-12);
    assert_near(test.p, 0.627188, 5e-7);
    static const double x[] = {1, 2, 3, 4, 5}, y[] = {5, 6, 7, 8, 7};
    assert_int_equal(spearman(&test, x, y, 5), ERR_NONE); /* scipy's example */
    assert_near(test.statistic, 0.8207826816681233, 1e-12);
    assert_near(test.p, 0.08858700531354381, 1e-10);
    assert_int_equal(spearman(&test, x, x, 5), ERR_NONE);
    assert_near(test.statistic, 1, 1e-15);
    assert_near(test.p, 0, 1e-6);
    static const double flat[] = {1, 1, 1};
    assert_int_equal(spearman(&test, x, flat, 3), ERR_NONE);
    assert_true(isnan(test.statistic) && isnan(test.p));
    assert_int_equal(spearman(&test, x, y, 2), ERR_NONE);
    assert_true(isnan(test.statistic));
}

/* Kendall: lightness and quality of tuna, Hollander and Wolfe (1973), 185f: tau = 0.4444, by the
   normal approximation z = 1.6681, p = 0.0953. Ties: the example of scipy.stats.kendalltau. */
static void kendall_matches(void **state)
{
    (void)state;
    static const double light[] = {44.4, 45.9, 41.9, 53.3, 44.7, 44.1, 50.7, 45.2, 60.1};
    static const double quality[] = {2.6, 3.1, 2.5, 5.0, 3.6, 4.0, 5.2, 2.8, 3.8};
    struct rank_test test;
    assert_int_equal(kendall(&test, light, quality, 9), ERR_NONE);
    assert_near(test.statistic, 4.0 / 9, 1e-12);
    assert_near(test.p, 0.0953, 5e-5);
    static const double x[] = {12, 2, 1, 12, 2}, y[] = {1, 4, 7, 1, 0};
    assert_int_equal(kendall(&test, x, y, 5), ERR_NONE);
    assert_near(test.statistic, -0.47140452079103173, 1e-12);
    assert_near(test.p, 0.2827454599327748, 1e-10);
    static const double flat[] = {1, 1, 1};
    assert_int_equal(kendall(&test, flat, y, 3), ERR_NONE);
    assert_true(isnan(test.statistic) && isnan(test.p));
    assert_int_equal(kendall(&test, x, y, 1), ERR_NONE);
    assert_true(isnan(test.statistic));
}

/* The interval: the example of diffpropci.mp() in R's PropCIs. p by exact integers. */
static void mcnemar_matches(void **state)
{
    (void)state;
    struct paired_test test = mcnemar_counts(20, 40, 160);
    assert_near(test.interval.low, -0.21601726, 5e-9);
    assert_near(test.interval.high, -0.03089632, 5e-9);
    assert_near(test.difference, -0.125, 1e-15);
    assert_near(test.p, 0.01348929373119186, 1e-12);
    /* Approval ratings in Agresti, "Categorical data analysis" (1990), 350. */
    test = mcnemar_counts(150, 86, 1600);
    assert_near(test.p, 3.715936139571442e-05, 1e-14);
    assert_true(test.interval.low > 0);
    test = mcnemar_counts(0, 0, 50);
    assert_near(test.p, 1, 0);
    assert_near(test.difference, 0, 0);
    test = mcnemar_counts(3, 3, 50);
    assert_near(test.p, 1, 0);
    assert_near(mcnemar_counts(0, 6, 50).p, 2 / 64.0, 1e-15);

    static const uint8_t labels[] = {0, 1, 2, 3, 4, 5}, a[] = {0, 1, 2, 9, 9, 9};
    static const uint8_t b[] = {0, 9, 9, 3, 9, 8};
    test = mcnemar(labels, a, b, 6);
    assert_int_equal(test.only_a, 2);
    assert_int_equal(test.only_b, 1);
    assert_near(test.difference, 1 / 6.0, 1e-15);
}

/* The drugs of Student's sleep data, as R's t.test(extra ~ group, sleep) has them. */
static void welch_matches(void **state)
{
    (void)state;
    static const double x[] = {0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0};
    static const double y[] = {1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4};
    struct estimate a = mean_estimate(x, 10), b = mean_estimate(y, 10);
    struct interval interval = welch_interval(&a, &b);
    assert_near(interval.low, -3.3654832, 5e-8);
    assert_near(interval.high, 0.2054832, 5e-8);
    struct estimate one = mean_estimate(x, 1);
    assert_true(isnan(welch_interval(&a, &one).low));
    struct estimate equal = mean_estimate((double[]){3, 3}, 2);
    assert_near(welch_interval(&equal, &equal).high, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(student_matches_the_tables),
        cmocka_unit_test(beta_matches_sums),
        cmocka_unit_test(interval_of_a_mean),
        cmocka_unit_test(interval_covers),
        cmocka_unit_test(mann_whitney_matches),
        cmocka_unit_test(mann_whitney_matches_permutations),
        cmocka_unit_test(spearman_matches),
        cmocka_unit_test(kendall_matches),
        cmocka_unit_test(mcnemar_matches),
        cmocka_unit_test(welch_matches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
