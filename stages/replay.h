/*
 * A search replayed on a table of scores: the proposals are those of a live search (evolve.h), the
 * trainings are looked up. Pure; a search of 150 candidates takes milliseconds.
 *
 * The training of candidate k gives one of its genome's scores, drawn by the candidate's seed, so
 * the search sees the noise of single trainings. What the search would then choose is worth the
 * mean of the *other* scores of that genome: the score that chose it does not count, so that luck
 * is not taken for skill.
 */
#ifndef CLADE_STAGES_REPLAY_H
#define CLADE_STAGES_REPLAY_H

#include <stddef.h>

#include "inputs/score_table.h"
#include "inputs/settings.h"
#include "inputs/space.h"
#include "pipeline/base/error.h"

/* What is the same for all searches on one table. Borrows all. */
struct replay {
    const struct score_table *table;
    const struct space *space;
    const struct search_settings *search; /* algorithm and seed are given to replay_search() */
    /* pareto: the corner from which areas count, and the area of the whole table. */
    double worst_accuracy, largest_cost, whole;
};

/* ERR_DATA when a genome of the space is not in the table; ERR_USAGE when there are rungs, or the
   space is too large to be listed (space_walk.h). */
enum error replay_init(struct replay *replay, const struct score_table *table,
                       const struct space *space, const struct search_settings *search);

/*
 * values[i] is what the search is worth after at[i] evaluations (rising, at least 1):
 *  accuracy  the accuracy of the best genome;
 *  weighted  its objective_value();
 *  pareto    the area under the front, accuracy over the logarithm of the first of search.costs,
 *            as a share of that of all genomes of the table (Zitzler and Thiele's hypervolume).
 * NAN where nothing had a score.
 */
enum error replay_search(double *values, const struct replay *replay, enum algorithm algorithm,
                         uint64_t seed, const int *at, size_t count);

#endif
