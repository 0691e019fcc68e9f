/*
 * Which candidates of a search are trained again, and which of them wins. Pure functions.
 *
 * Finalists are, in this order, each once:
 *  1. the best by search.objective;
 *  2. for each limit of confirm.bands, smallest first, the most accurate scored candidate with at
 *     most so many parameters, where there is one;
 *  3. others of the Pareto front, spread over it. The front, sorted by its first cost, is cut into
 *     confirm.finalists parts of equal length; from the largest down, the most accurate member of
 *     each part is taken, unless it is there, until 1. and 3. together are confirm.finalists. So
 *     none is taken because it is an end of the front: the small end is often a bad network.
 */
#ifndef CLADE_STAGES_FINALISTS_H
#define CLADE_STAGES_FINALISTS_H

#include <stddef.h>

#include "inputs/records.h"
#include "pipeline/base/error.h"

/* The most finalists that there can be. */
int finalists_most(const struct confirm_settings *confirm);

/* The smallest limit above `over`; 0 when there is none. */
int64_t finalists_next_band(const struct int_list *bands, int64_t over);

/*
 * The finalists of `candidates` (attempts in any state), none trained yet; none when no candidate
 * is scored. *list is malloc'ed, of pointers into `candidates`.
 */
enum error finalists_choose(struct finalist **list, size_t *count,
                            const struct candidate *candidates, size_t candidate_count,
                            const struct settings *settings);

/* Fills in what the confirmations of each finalist gave; those of other candidates do not count. */
void finalists_confirm(struct finalist *list, size_t count,
                       const struct confirmation *confirmations, size_t confirmation_count);

/*
 * Gives those confirmed their places among those of the same search: by search.objective, of their
 * mean validation accuracies in place of those of the search. The test images have no say.
 */
void finalists_rank(struct finalist *list, size_t count, const struct search_settings *search);

/* The one of the search at a place, 1..; NULL when there is none. */
const struct finalist *finalists_at(int place, const struct finalist *list, size_t count);

/* McNemar's test of the deployed networks of two finalists; p NAN when one is NULL or they were not
   tested, or not on the same images. */
struct paired_test finalists_compare(const struct finalist *a, const struct finalist *b);

/* Spearman's correlation of the finalists' scores in the search with their mean test accuracies;
 *ranked candidates among them are confirmed. */
enum error finalists_correlate(struct rank_test *rank, size_t *ranked, const struct finalist *list,
                               size_t count);

#endif
