/*
 * The random search that a search is compared with (confirm.baseline = random). It is the one that
 * the same settings with search.algorithm = random and search.populate = random would give: the
 * same genomes under the same seeds, trained, promoted, chosen and confirmed in the same way. Where
 * the first population of the search is random, it is that of the random search too, and is not
 * trained twice; so both begin with the same luck.
 *
 * It ends when its trainings were to make as many passes over images as those of the search: with
 * one rung after as many candidates. With several it is promoted from by the same rule, on its own
 * scores, so that it begins about as many genomes, and a rung that only one of both switches off
 * does not make the comparison unfair. It may be ahead by a part of its last training.
 *
 * Its candidates are numbered k = 0.. here; the store has them under the id baseline_id(k). Pure
 * functions.
 */
#ifndef CLADE_STAGES_BASELINE_H
#define CLADE_STAGES_BASELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "inputs/records.h"
#include "inputs/space.h"
#include "pipeline/base/error.h"

/* So many candidates at the start are those of the search. */
int64_t baseline_shared(const struct search_settings *search);

int64_t baseline_id(int64_t k, const struct search_settings *search);

/* Candidate k, with k as its id; `members` are candidates 0..k-1, numbered so. */
enum error baseline_propose(struct candidate *next, const struct space *space,
                            const struct search_settings *search, int64_t k,
                            const struct candidate *members, size_t count);

/* Whether candidate k may be proposed now, as evolve_ready(). */
bool baseline_ready(int64_t k, const struct search_settings *search,
                    const struct candidate *members, size_t count);

/* Passes over images of all members but those that are `stopped`, of `images` in all. */
double baseline_passes(const struct candidate *members, size_t count, int64_t images);

/*
 * The attempts of the whole random search under the ids of the store: those of the search that it
 * shares, then its own. *all is malloc'ed; what points into it must not outlive it.
 */
enum error baseline_join(struct candidate **all, size_t *count, const struct candidate *candidates,
                         size_t candidate_count, const struct candidate *own, size_t own_count,
                         const struct search_settings *search);

/*
 * Of all finalists, and of those within each of confirm.bands, the best of the search against the
 * best of the random search. The verdict is "yes" where the deployed networks differ on the test
 * images (McNemar, 5 %) and the means over the seeds do (Welch, 95 %), both for the search; "no"
 * where both do against it; else "not shown". With a single seed the images alone decide.
 * *duels is malloc'ed, of pointers into `list`.
 */
enum error baseline_duels(struct duel **duels, size_t *duel_count, const struct finalist *list,
                          size_t count, const struct confirm_settings *confirm);

#endif
