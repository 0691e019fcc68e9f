#include "stages/inference.h"

#include <math.h>
#include <stdlib.h>

#include "stages/distributions.h"

struct estimate estimate_from_sums(size_t n, double mean, double squares)
{
    struct estimate estimate = {
        .count = n, .mean = n > 0 ? mean : NAN, .deviation = NAN, .interval = {NAN, NAN}};
    if (n < 2)
        return estimate;
    double freedom = (double)(n - 1);
    estimate.deviation = sqrt(squares / freedom);
    double half = student_quantile(0.975, freedom) * estimate.deviation / sqrt((double)n);
    estimate.interval = (struct interval){mean - half, mean + half};
    return estimate;
}

struct estimate mean_estimate(const double *values, size_t n)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += values[i];
    double mean = n > 0 ? sum / (double)n : NAN;
    for (size_t i = 0; i < n; i++)
        squares += (values[i] - mean) * (values[i] - mean);
    return estimate_from_sums(n, mean, squares);
}

struct interval welch_interval(const struct estimate *a, const struct estimate *b)
{
    if (a->count < 2 || b->count < 2)
        return (struct interval){NAN, NAN};
    double x = a->deviation * a->deviation / (double)a->count;
    double y = b->deviation * b->deviation / (double)b->count;
    double difference = a->mean - b->mean;
    if (x + y <= 0)
        return (struct interval){difference, difference};
    double freedom =
        (x + y) * (x + y) / (x * x / ((double)a->count - 1) + y * y / ((double)b->count - 1));
    double half = student_quantile(0.975, freedom) * sqrt(x + y);
    return (struct interval){difference - half, difference + half};
}

/* ---- ranks ---- */

struct ranked {
    double value;
    double rank; /* from 1; the mean of those of equal values */
    size_t place;
};

static int by_value(const void *a, const void *b)
{
    double x = ((const struct ranked *)a)->value, y = ((const struct ranked *)b)->value;
    return (x > y) - (x < y);
}

/* Sorts and ranks; *ties is the sum of t^3 - t over the groups of t equal values. */
static void rank_values(struct ranked *items, size_t n, double *ties)
{
    qsort(items, n, sizeof *items, by_value);
    *ties = 0;
    for (size_t first = 0, end; first < n; first = end) {
        for (end = first + 1; end < n && items[end].value == items[first].value;)
            end++;
        double t = (double)(end - first);
        *ties += t * t * t - t;
        for (size_t i = first; i < end; i++)
            items[i].rank = ((double)first + 1 + (double)end) / 2;
    }
}

static enum error no_memory(size_t n)
{
    return error_set(ERR_INTERNAL, "out of memory for the ranks of %zu values", n);
}

static double two_sided(double z)
{
    return fmin(1, 2 * normal_below(-fabs(z)));
}

enum error mann_whitney(struct rank_test *result, const double *a, size_t na, const double *b,
                        size_t nb)
{
    size_t n = na + nb;
    struct ranked *items = calloc(n + 1, sizeof *items);
    if (items == NULL)
        return no_memory(n);
    for (size_t i = 0; i < n; i++)
        items[i] = (struct ranked){.value = i < na ? a[i] : b[i - na], .place = i};
    double ties, sum = 0;
    rank_values(items, n, &ties);
    for (size_t i = 0; i < n; i++)
        if (items[i].place < na)
            sum += items[i].rank;
    free(items);
    double x = (double)na, y = (double)nb, all = x + y;
    double u = sum - x * (x + 1) / 2, distance = fabs(u - x * y / 2);
    double variance = x * y / 12 * (all + 1 - ties / (all * (all - 1)));
    double z = variance > 0 ? fmax(0, distance - 0.5) / sqrt(variance) : 0;
    bool known = na > 0 && nb > 0;
    *result = (struct rank_test){.statistic = u,
                                 .p = known ? two_sided(z) : NAN,
                                 .effect = known ? 2 * u / (x * y) - 1 : NAN};
    return ERR_NONE;
}

static int by_place(const void *a, const void *b)
{
    size_t x = ((const struct ranked *)a)->place, y = ((const struct ranked *)b)->place;
    return (x > y) - (x < y);
}

static void rank_in_place(struct ranked *items, const double *values, size_t n)
{
    double ties;
    for (size_t i = 0; i < n; i++)
        items[i] = (struct ranked){.value = values[i], .place = i};
    rank_values(items, n, &ties);
    qsort(items, n, sizeof *items, by_place);
}

enum error spearman(struct rank_test *result, const double *x, const double *y, size_t n)
{
    struct ranked *items = calloc(2 * n + 1, sizeof *items), *other = items + n;
    if (items == NULL)
        return no_memory(n);
    rank_in_place(items, x, n);
    rank_in_place(other, y, n);
    double mean = ((double)n + 1) / 2, xx = 0, yy = 0, xy = 0;
    for (size_t i = 0; i < n; i++) {
        double p = items[i].rank - mean, q = other[i].rank - mean;
        xx += p * p;
        yy += q * q;
        xy += p * q;
    }
    free(items);
    double rho = n >= 3 && xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : NAN;
    double freedom = (double)n - 2;
    double t = fabs(rho) < 1 ? rho * sqrt(freedom / (1 - rho * rho)) : INFINITY;
    *result = (struct rank_test){.statistic = rho,
                                 .p = isnan(rho) ? NAN
                                      : isinf(t) ? 0
                                                 : fmin(1, 2 * student_below(-fabs(t), freedom)),
                                 .effect = rho};
    return ERR_NONE;
}

/* What the ties of one side take from Kendall's variance and denominator. */
struct ties {
    double pairs, twos, threes, fives; /* sums of t(t-1)/2, t(t-1), t(t-1)(t-2), t(t-1)(2t+5) */
};

static enum error count_ties(struct ties *ties, const double *values, size_t n)
{
    struct ranked *items = calloc(n + 1, sizeof *items);
    if (items == NULL)
        return no_memory(n);
    for (size_t i = 0; i < n; i++)
        items[i].value = values[i];
    qsort(items, n, sizeof *items, by_value);
    *ties = (struct ties){0};
    for (size_t first = 0, end; first < n; first = end) {
        for (end = first + 1; end < n && items[end].value == items[first].value;)
            end++;
        double t = (double)(end - first);
        ties->pairs += t * (t - 1) / 2;
        ties->twos += t * (t - 1);
        ties->threes += t * (t - 1) * (t - 2);
        ties->fives += t * (t - 1) * (2 * t + 5);
    }
    free(items);
    return ERR_NONE;
}

enum error kendall(struct rank_test *result, const double *x, const double *y, size_t n)
{
    enum error err = ERR_NONE;
    struct ties of_x, of_y;
    double score = 0, m = (double)n, pairs = m * (m - 1) / 2;
    TRY(count_ties(&of_x, x, n));
    TRY(count_ties(&of_y, y, n));
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++) {
            int a = (x[i] > x[j]) - (x[i] < x[j]), b = (y[i] > y[j]) - (y[i] < y[j]);
            score += a * b;
        }
    }
    double scale = sqrt((pairs - of_x.pairs) * (pairs - of_y.pairs));
    double variance = (m * (m - 1) * (2 * m + 5) - of_x.fives - of_y.fives) / 18;
    if (n > 1)
        variance += of_x.twos * of_y.twos / (2 * m * (m - 1));
    if (n > 2)
        variance += of_x.threes * of_y.threes / (9 * m * (m - 1) * (m - 2));
    double tau = scale > 0 ? score / scale : NAN;
    *result = (struct rank_test){
        .statistic = tau, .p = scale > 0 ? two_sided(score / sqrt(variance)) : NAN, .effect = tau};
out:
    return err;
}

/* ---- pairs ---- */

struct paired_test mcnemar_counts(uint32_t only_a, uint32_t only_b, uint32_t n)
{
    struct paired_test test = {.only_a = only_a, .only_b = only_b};
    uint32_t fewer = only_a < only_b ? only_a : only_b;
    test.p = fmin(1, 2 * coin_at_most((int)fewer, (int)(only_a + only_b)));
    test.difference = n > 0 ? ((double)only_a - only_b) / n : NAN;
    double a = only_a + 0.5, b = only_b + 0.5, all = n + 2.0;
    double middle = (a - b) / all, error = sqrt(a + b - (a - b) * (a - b) / all) / all;
    double half = NORMAL_975 * error;
    test.interval = (struct interval){fmax(-1, middle - half), fmin(1, middle + half)};
    return test;
}

struct paired_test mcnemar(const uint8_t *labels, const uint8_t *a, const uint8_t *b, uint32_t n)
{
    uint32_t only_a = 0, only_b = 0;
    for (uint32_t i = 0; i < n; i++) {
        only_a += a[i] == labels[i] && b[i] != labels[i];
        only_b += b[i] == labels[i] && a[i] != labels[i];
    }
    return mcnemar_counts(only_a, only_b, n);
}
