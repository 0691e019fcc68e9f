/*
 * Fidelity: the rungs that candidates climb (fidelity.rungs). Every genome begins on the lowest
 * one; the best go on, from their weights, with the training of the next. As in ASHA (Li, Jamieson,
 * Rostamizadeh, Gonina, Hardt, Recht and Talwalkar, "A System for Massively Parallel Hyperparameter
 * Tuning", MLSys 2020, arXiv 1810.05934) nothing is waited for: a rung is looked at anew whenever a
 * candidate is proposed.
 *
 * A promotion is a candidate like any other: operator CANDIDATE_PROMOTE, with the genome of its
 * parent, whose weights it goes on from. So candidate k, promoted or new, stays a function of
 * (settings, k, results that are visible), and what is true of candidates is true of promotions:
 * they are written before they are handed out, committed once, done again after a kill.
 *
 *  1. Within a rung candidates compete inside the bands of fidelity.bands only. Of n with a score
 * in a band, floor(n / eta) may be promoted: those that stand first by non-dominated rank (accuracy
 *     against search.costs), then crowding (objective.h). Higher rungs are looked at first.
 *  2. Scores of different rungs are never compared with each other. As parents, members of a
 *     population stand in the order of the lowest rung, which all have; those that have reached the
 *     next rung then share out the places that they hold among each other, in the order of their
 *     scores there; and so on. The best of a run, its front and its finalists are those of the
 *     highest rung that has a score.
 *  3. A rung whose scores tell too little of those of the next rung (Spearman's rank correlation
 * below fidelity.min_correlation, over at least min_pairs) is off: new candidates begin on the
 * lowest rung that is not, nobody is promoted from it, and parents are those with a score above it.
 * Only promoted candidates have both scores, which makes correlations lower than those over all.
 *
 * With one rung, or none named, all is as if this file were not there. Pure functions. `candidates`
 * are attempts in the order (id, attempt). Fail only when out of memory.
 */
#ifndef CLADE_STAGES_FIDELITY_H
#define CLADE_STAGES_FIDELITY_H

#include <stdbool.h>
#include <stddef.h>

#include "inputs/candidate.h"
#include "inputs/records.h"
#include "inputs/settings.h"
#include "pipeline/base/error.h"

/* The training of a rung: epochs and train_images as [fidelity] or, without rungs, [training] says.
 */
struct rung fidelity_rung(const struct settings *settings, int rung);

/* The rungs as they are seen from some results. */
struct ladder {
    int count; /* >= 1 */
    int first; /* where new candidates begin */
    struct rung_record records[RUNGS_MAX];
};

enum error ladder_make(struct ladder *ladder, const struct candidate *candidates, size_t count,
                       const struct search_settings *search);

/*
 * The candidate to be promoted next, and the rung that it goes to; NULL when there is none. Of
 * `history`, the first `visible` attempts are looked at for scores, all of them for promotions.
 */
enum error ladder_promote(const struct candidate **chosen, int *rung, const struct ladder *ladder,
                          const struct candidate *history, size_t visible, size_t count,
                          const struct search_settings *search);

/*
 * Sorts `members`, scored candidates of the rung ladder->first, best first, as 2. says.
 * *first_front, which may be NULL, as objective_sort() says of the lowest rung.
 */
enum error ladder_sort(const struct candidate **members, size_t member_count,
                       const struct ladder *ladder, const struct candidate *candidates,
                       size_t count, const struct search_settings *search, size_t *first_front);

#endif
