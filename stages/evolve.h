/*
 * Stage "evolve": select and mutate. Aging evolution is Algorithm 1 of Real, Aggarwal, Huang and
 * Le, "Regularized Evolution for Image Classifier Architecture Search" (AAAI 2019, arXiv
 * 1802.01548):
 *
 *     population <- P random models                      history = all of them
 *     while |history| < cycles:
 *         sample <- S models of the population, drawn one by one, with replacement
 *         parent <- the best of the sample
 *         child  <- mutate(parent), trained, appended to population and history
 *         drop the oldest of the population
 *
 * Nothing but the store keeps the state of a search: candidate k is a pure function of (settings,
 * k, the results of candidates 0..k - in_flight). So the population of candidate k is the P most
 * recent scored candidates, by id, among 0..k - in_flight. With in_flight = 1 and no failures
 * this is the algorithm to the letter; a larger in_flight lets so many train at once, and the
 * search still does not depend on which of them ends first.
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
 * population, and every candidate of a random search, depend on no result: for them, whether
 * fewer than in_flight of 0..k-1 have not ended.
 */
bool evolve_ready(int64_t k, const struct search_settings *search, const struct candidate *history,
                  size_t count);

/*
 * Candidate k, as candidate_new() makes it (populate.h). Random while k < P, in a random search,
 * while no visible candidate has a score, and when no mutation of the parent is possible;
 * otherwise a child. Rows of later candidates than k - in_flight are not looked at. Candidates
 * without a score are never parents and take no place in the population.
 */
void evolve_propose(struct candidate *next, const struct space *space,
                    const struct search_settings *search, int64_t k,
                    const struct candidate *history, size_t count);

#endif
