#include "stages/ablate.h"

#include <math.h>
#include <stdlib.h>

#include "pipeline/base/rng.h"
#include "stages/compare.h"
#include "stages/distributions.h"
#include "stages/inference.h"

/* Which mutations are left out, one after the other; the first is none. */
struct variants {
    int left_out[MUTATION_COUNT + 1];
    size_t count;
};

static enum error list_variants(struct variants *variants, const struct search_settings *search)
{
    *variants = (struct variants){.left_out = {ABLATE_NONE}, .count = 1};
    if (search->algorithm == ALGORITHM_RANDOM || search->algorithm == ALGORITHM_GRID)
        return error_set(ERR_USAGE,
                         "search.algorithm = %s uses no mutation, so none can be left out; set "
                         "search.algorithm = aging",
                         algorithm_name(search->algorithm));
    for (int m = 0; m < MUTATION_COUNT; m++)
        if (search->mutation_weights[m] > 0)
            variants->left_out[variants->count++] = m;
    if (variants->count < 3)
        return error_set(ERR_USAGE, "less than two of search.weight_* are over 0: without one of "
                                    "them no mutation is left");
    return ERR_NONE;
}

/* [variant][point][repeat] */
static double *row_of(double *values, const struct ablate_plan *plan, size_t variant, size_t point)
{
    return values + (variant * plan->at_count + point) * plan->repeats;
}

static enum error take_values(double *values, const struct variants *variants,
                              const struct ablate_plan *plan, const struct search_settings *search,
                              ablate_search *run, void *user)
{
    enum error err = ERR_NONE;
    double found[ABLATE_POINTS_MAX];
    /* Repeat by repeat: what is there after an early end are whole comparisons. */
    for (size_t r = 0; r < plan->repeats; r++) {
        for (size_t v = 0; v < variants->count; v++) {
            struct search_settings variant = *search;
            variant.seed = rng_mix(plan->seed, r, 0) >> 11; /* settings hold 53 bits */
            if (variants->left_out[v] != ABLATE_NONE)
                variant.mutation_weights[variants->left_out[v]] = 0;
            TRY(run(found, &variant, plan, variants->left_out[v], r, user));
            for (size_t i = 0; i < plan->at_count; i++)
                row_of(values, plan, v, i)[r] = found[i];
        }
    }
out:
    return err;
}

/* Of the mean of paired differences against 0. */
static double paired_p(const struct estimate *change)
{
    if (change->count < 2)
        return NAN;
    double n = (double)change->count, error = change->deviation / sqrt(n);
    if (error <= 0)
        return change->mean == 0 ? 1 : 0;
    return 2 * student_below(-fabs(change->mean) / error, n - 1);
}

/* `scratch` has room for all repeats. */
static void sum_up(struct ablated *entry, const double *without, const double *with, size_t repeats,
                   double *scratch)
{
    size_t n = 0;
    for (size_t r = 0; r < repeats; r++)
        if (!isnan(without[r]))
            scratch[n++] = without[r];
    entry->value = mean_estimate(scratch, n);
    entry->p = entry->adjusted_p = NAN;
    n = 0;
    for (size_t r = 0; r < repeats && entry->left_out != ABLATE_NONE; r++) {
        if (isnan(without[r]) || isnan(with[r]))
            continue;
        scratch[n++] = without[r] - with[r];
        entry->better += without[r] > with[r];
    }
    entry->change = mean_estimate(scratch, n);
    if (entry->left_out != ABLATE_NONE)
        entry->p = paired_p(&entry->change);
}

static enum error adjust(struct ablated *list, size_t count, double *scratch)
{
    for (size_t i = 0; i < count; i++)
        scratch[i] = list[i].p;
    enum error err = holm_adjust(scratch, count);
    for (size_t i = 0; i < count; i++)
        list[i].adjusted_p = scratch[i];
    return err;
}

enum error ablate_run(struct ablated **list, size_t *count, const struct ablate_plan *plan,
                      const struct search_settings *search, ablate_search *run, void *user)
{
    enum error err = ERR_NONE;
    struct variants variants;
    double *values = NULL, *scratch = NULL;
    struct ablated *all = NULL;
    TRY(list_variants(&variants, search));
    size_t cells = variants.count * plan->at_count;
    values = calloc(cells * plan->repeats + 1, sizeof *values);
    scratch = calloc(cells + plan->repeats, sizeof *scratch);
    all = calloc(cells, sizeof *all);
    if (values == NULL || scratch == NULL || all == NULL) {
        err = error_set(ERR_INTERNAL, "out of memory for %zu repeats", plan->repeats);
        goto out;
    }
    TRY(take_values(values, &variants, plan, search, run, user));
    for (size_t v = 0; v < variants.count; v++) {
        for (size_t i = 0; i < plan->at_count; i++) {
            struct ablated *entry = &all[v * plan->at_count + i];
            entry->left_out = variants.left_out[v];
            entry->evaluations = plan->at[i];
            sum_up(entry, row_of(values, plan, v, i), row_of(values, plan, 0, i), plan->repeats,
                   scratch);
        }
    }
    TRY(adjust(all, cells, scratch));
    *list = all;
    *count = cells;
    all = NULL;
out:
    free(values);
    free(scratch);
    free(all);
    return err;
}
