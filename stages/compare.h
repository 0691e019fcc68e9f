/*
 * Algorithms compared on a table of scores: many replayed searches of each, summed up. Pure.
 */
#ifndef CLADE_STAGES_COMPARE_H
#define CLADE_STAGES_COMPARE_H

#include <stddef.h>
#include <stdint.h>

#include "inputs/records.h"
#include "inputs/settings.h"
#include "pipeline/base/error.h"
#include "stages/inference.h"
#include "stages/replay.h"

enum { COMPARE_POINTS_MAX = 16 };

struct compare_plan {
    enum algorithm algorithms[ALGORITHM_COUNT]; /* the others are tested against the first */
    size_t algorithm_count;
    int at[COMPARE_POINTS_MAX]; /* evaluations, rising */
    size_t at_count;
    size_t repeats;
    uint64_t seed;
};

/* One algorithm after so many evaluations. */
struct compared {
    enum algorithm algorithm;
    int evaluations;
    struct estimate mean; /* over the repeats that had a score */
    double median;
    double lower, upper;        /* quartiles: half of the searches lie between */
    double fifth, ninety_fifth; /* percentiles: nine of ten do */
    /* Against the first algorithm after as many evaluations; NAN for itself. `effect` is above 0
       when this one is better. */
    struct rank_test test;
    double adjusted_p; /* Holm's, over all tests of the comparison */
};

/*
 * Runs all repeats; each search has its own seed, also where only the algorithm differs, so the
 * samples are independent. *list has algorithm_count x at_count entries, algorithm by algorithm,
 * and is malloc'ed.
 */
enum error compare_run(struct compared **list, size_t *count, const struct compare_plan *plan,
                       const struct replay *replay);

/* Holm, "A simple sequentially rejective multiple test procedure" (Scandinavian Journal of
   Statistics 6 (1979) 65-70): adjusted p-values in their places. NAN stays and does not count. */
enum error holm_adjust(double *p, size_t count);

/* The value below which the share p of the sorted values lies, interpolated (R's type 7). */
double quantile_of(const double *sorted, size_t n, double p);

#endif
