/*
 * What makes one candidate better than another: search.objective.
 *
 *  accuracy  the higher validation accuracy.
 *  weighted  the higher accuracy x (parameters / target)^w, with search.target_parameters and
 *            search.size_exponent: equation 2 of Tan et al., "MnasNet: Platform-Aware Neural
 *            Architecture Search for Mobile" (CVPR 2019, arXiv 1807.11626), with parameters in
 *            place of latency.
 *  pareto    accuracy against search.costs: the lower non-domination rank, then the larger
 *            crowding distance, as in NSGA-II: Deb, Pratap, Agarwal and Meyarivan, "A fast and
 *            elitist multiobjective genetic algorithm" (IEEE Transactions on Evolutionary
 *            Computation 6 (2002) 182-197). Costs count by their logarithms, so that half the
 *            size is an equal step everywhere; that changes distances, never ranks.
 *
 * Ties end with candidate_better() (statistics.h): higher accuracy, fewer parameters, lower id. So
 * every order here is total, and the same for any order of the input.
 *
 * Every candidate given must be scored, unless a comment says otherwise. Scores of different rungs
 * (fidelity.h) cannot be compared: where candidates in any state are given, those of the highest
 * rung that has a score count alone. Pure functions.
 */
#ifndef CLADE_STAGES_OBJECTIVE_H
#define CLADE_STAGES_OBJECTIVE_H

#include <stdbool.h>
#include <stddef.h>

#include "inputs/candidate.h"
#include "inputs/settings.h"
#include "pipeline/base/error.h"

/* Accuracy, times the power of the size in `weighted`. */
double objective_value(const struct candidate *candidate, const struct search_settings *search);

/* At least the accuracy and at most each of search.costs, and one of them strictly. */
bool objective_dominates(const struct candidate *a, const struct candidate *b,
                         const struct search_settings *search);

/* Whether `a` is better than `b`, as far as two candidates can be compared without others: by
   objective_value(), then candidate_better(). */
bool objective_better(const struct candidate *a, const struct candidate *b,
                      const struct search_settings *search);

/* Whether a child is an improvement on its parent: a higher objective_value(); in `pareto`, whether
   it dominates it. */
bool objective_improves(const struct candidate *child, const struct candidate *parent,
                        const struct search_settings *search);

/* The best by objective_better() of the scored ones among `candidates` (attempts in any state), of
   one generation or of all (-1); NULL when there is none. */
const struct candidate *objective_best(const struct candidate *candidates, size_t count,
                                       int generation, const struct search_settings *search);

/*
 * Sorts `members`, best first. *first_front, which may be NULL, gets how many of them, at the
 * start, no other one dominates (1 where the objective is not pareto, or 0 of none).
 */
enum error objective_sort(const struct candidate **members, size_t count,
                          const struct search_settings *search, size_t *first_front);

/* Where a candidate stands among others. */
struct standing {
    int rank;        /* 0: no other dominates it; n: none does when ranks below n are away */
    double crowding; /* within its rank; INFINITY at the ends */
};

/* The standings of `members` among each other, in their order. */
enum error objective_stand(struct standing *standings, const struct candidate *const *members,
                           size_t count, const struct search_settings *search);

/*
 * The Pareto front of `candidates` (attempts in any state): the scored ones that no other
 * dominates; of those equal in accuracy and costs the lowest id. Sorted by the first of
 * search.costs, the smallest first; with one cost, accuracies rise too. *front is malloc'ed, of
 * pointers into `candidates`.
 */
enum error objective_front(const struct candidate ***front, size_t *front_count,
                           const struct candidate *candidates, size_t count,
                           const struct search_settings *search);

#endif
