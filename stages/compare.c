#include "stages/compare.h"

#include <math.h>
#include <stdlib.h>

#include "pipeline/base/rng.h"

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double quantile_of(const double *sorted, size_t n, double p)
{
    if (n == 0)
        return NAN;
    double place = p * (double)(n - 1);
    size_t below = (size_t)place;
    if (below + 1 >= n)
        return sorted[n - 1];
    return sorted[below] + (place - (double)below) * (sorted[below + 1] - sorted[below]);
}

enum error holm_adjust(double *p, size_t count)
{
    double *sorted = malloc((count + 1) * sizeof *sorted);
    size_t n = 0;
    if (sorted == NULL)
        return error_set(ERR_INTERNAL, "out of memory for %zu tests", count);
    for (size_t i = 0; i < count; i++)
        if (!isnan(p[i]))
            sorted[n++] = p[i];
    qsort(sorted, n, sizeof *sorted, by_value);
    for (size_t i = 0; i < count; i++) {
        double adjusted = 0;
        if (isnan(p[i]))
            continue;
        /* The largest of the products up to p[i]'s own place. */
        for (size_t k = 0; k < n && sorted[k] <= p[i]; k++)
            adjusted = fmax(adjusted, fmin(1, (double)(n - k) * sorted[k]));
        p[i] = adjusted;
    }
    free(sorted);
    return ERR_NONE;
}

/* All values, [algorithm][point][repeat], without the NAN ones of each row. */
struct samples {
    double *values;
    size_t *counts; /* [algorithm][point] */
    size_t points, repeats;
};

static double *row_of(const struct samples *samples, size_t algorithm, size_t point)
{
    return samples->values + (algorithm * samples->points + point) * samples->repeats;
}

static enum error take_samples(struct samples *samples, const struct compare_plan *plan,
                               const struct replay *replay)
{
    enum error err = ERR_NONE;
    double values[COMPARE_POINTS_MAX];
    for (size_t a = 0; a < plan->algorithm_count; a++) {
        for (size_t r = 0; r < plan->repeats; r++) {
            TRY(replay_search(values, replay, plan->algorithms[a],
                              rng_mix(plan->seed, (uint64_t)plan->algorithms[a] + 1, r), plan->at,
                              plan->at_count));
            for (size_t i = 0; i < plan->at_count; i++)
                if (!isnan(values[i]))
                    row_of(samples, a, i)[samples->counts[a * plan->at_count + i]++] = values[i];
        }
    }
out:
    return err;
}

static enum error sum_up(struct compared *entry, const struct samples *samples, size_t algorithm,
                         size_t point)
{
    double *row = row_of(samples, algorithm, point);
    size_t n = samples->counts[algorithm * samples->points + point];
    qsort(row, n, sizeof *row, by_value);
    entry->mean = mean_estimate(row, n);
    entry->median = quantile_of(row, n, 0.5);
    entry->lower = quantile_of(row, n, 0.25);
    entry->upper = quantile_of(row, n, 0.75);
    entry->fifth = quantile_of(row, n, 0.05);
    entry->ninety_fifth = quantile_of(row, n, 0.95);
    entry->test = (struct rank_test){NAN, NAN, NAN};
    if (algorithm == 0)
        return ERR_NONE;
    return mann_whitney(&entry->test, row, n, row_of(samples, 0, point), samples->counts[point]);
}

static enum error adjust(struct compared *list, size_t count)
{
    double *p = malloc((count + 1) * sizeof *p);
    if (p == NULL)
        return error_set(ERR_INTERNAL, "out of memory for %zu tests", count);
    for (size_t i = 0; i < count; i++)
        p[i] = list[i].test.p;
    enum error err = holm_adjust(p, count);
    for (size_t i = 0; i < count; i++)
        list[i].adjusted_p = p[i];
    free(p);
    return err;
}

enum error compare_run(struct compared **list, size_t *count, const struct compare_plan *plan,
                       const struct replay *replay)
{
    enum error err = ERR_NONE;
    size_t cells = plan->algorithm_count * plan->at_count;
    struct samples samples = {calloc(cells * plan->repeats + 1, sizeof *samples.values),
                              calloc(cells + 1, sizeof *samples.counts), plan->at_count,
                              plan->repeats};
    struct compared *made = calloc(cells + 1, sizeof *made);
    if (samples.values == NULL || samples.counts == NULL || made == NULL) {
        err = error_set(ERR_INTERNAL, "out of memory for %zu repeats", plan->repeats);
        goto out;
    }
    TRY(take_samples(&samples, plan, replay));
    for (size_t a = 0; a < plan->algorithm_count; a++) {
        for (size_t i = 0; i < plan->at_count; i++) {
            struct compared *entry = &made[a * plan->at_count + i];
            entry->algorithm = plan->algorithms[a];
            entry->evaluations = plan->at[i];
            TRY(sum_up(entry, &samples, a, i));
        }
    }
    TRY(adjust(made, cells));
    *list = made;
    *count = cells;
    made = NULL;
out:
    free(samples.values);
    free(samples.counts);
    free(made);
    return err;
}
