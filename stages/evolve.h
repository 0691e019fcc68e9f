/*
 * Stage "evolve": which candidate comes next. What is the same for every algorithm is here: the
 * order, what a proposal may see, the first population, duplicates.
 *
 * Nothing but the store keeps the state of a search: candidate k is a pure function of (settings,
 * k, the results of candidates 0..k - in_flight). So many train at once, and the search still does
 * not depend on which of them ends first.
 *
 * `history` is an array of candidates in the order (id, attempt), one row or more a candidate.
 */
#ifndef CLADE_STAGES_EVOLVE_H
#define CLADE_STAGES_EVOLVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "inputs/candidate.h"
#include "inputs/settings.h"
#include "inputs/space.h"

/*
 * Whether candidate k may be proposed now: all of 0..k - in_flight have ended. The first
 * population, and every candidate of an algorithm that is not guided, depend on no result (where
 * there is one rung only): for them, whether fewer than in_flight of 0..k-1 have not ended.
 */
bool evolve_ready(int64_t k, const struct search_settings *search, const struct candidate *history,
                  size_t count);

/*
 * Candidate k, as candidate_new() makes it (populate.h): random while k < P, then what the
 * algorithm proposes (algorithm.h); a listed one proposes all. Results of later candidates than k -
 * in_flight are not looked at. Candidates without a score are never parents and take no place in a
 * population.
 *
 * With search.duplicates = avoid, a genome that one of 0..k-1 has is drawn again, at most
 * search.redraws times, the last of them as a random genome, which may be a duplicate too;
 * next->redraws counts them. For that, `history` must hold 0..k-1.
 *
 * Fails only when out of memory.
 */
enum error evolve_propose(struct candidate *next, const struct space *space,
                          const struct search_settings *search, int64_t k,
                          const struct candidate *history, size_t count);

#endif
