/*
 * What each mutation is worth: searches with all of them, against searches with all but one, under
 * equal seeds. Repeat r of every variant begins with the same first population, so differences are
 * paired. Pure, but for the searches themselves.
 */
#ifndef CLADE_STAGES_ABLATE_H
#define CLADE_STAGES_ABLATE_H

#include <stddef.h>
#include <stdint.h>

#include "inputs/records.h"
#include "inputs/settings.h"
#include "pipeline/base/error.h"

enum { ABLATE_POINTS_MAX = 16, ABLATE_NONE = -1 };

struct ablate_plan {
    int at[ABLATE_POINTS_MAX]; /* evaluations, rising */
    size_t at_count;
    size_t repeats;
    uint64_t seed;
};

/*
 * One search: values[i] is what it is worth after plan->at[i] evaluations, NAN when nothing had a
 * score. `search` has its seed and weights; left_out and repeat tell which one it is.
 */
typedef enum error ablate_search(double *values, const struct search_settings *search,
                                 const struct ablate_plan *plan, int left_out, size_t repeat,
                                 void *user);

/* All but one mutation, after so many evaluations. */
struct ablated {
    int left_out; /* enum mutation, or ABLATE_NONE */
    int evaluations;
    struct estimate value; /* over the repeats that had a score */
    /* Against all mutations, over the repeats in which both had a score: the value without it less
       the value with all. Below 0 the mutation helps. Nothing for ABLATE_NONE. */
    struct estimate change;
    size_t better;     /* of those repeats, how many were better without it */
    double p;          /* paired t test: Student, "The probable error of a mean" (Biometrika 6
                          (1908) 1-25); NAN when it cannot be told */
    double adjusted_p; /* Holm's, over all tests of the list */
};

/*
 * Runs all searches. *list has an entry for ABLATE_NONE and for every mutation with a weight, each
 * at_count times, and is malloc'ed. ERR_USAGE when less than two mutations have a weight, or the
 * algorithm does not use them; else the errors of `run`.
 */
enum error ablate_run(struct ablated **list, size_t *count, const struct ablate_plan *plan,
                      const struct search_settings *search, ablate_search *run, void *user);

#endif
