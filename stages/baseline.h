/*
 * The random search that a search is compared with (confirm.baseline = random). It is the one that
 * the same settings with search.algorithm = random and search.populate = random would give, with as
 * many candidates: the same genomes under the same seeds, trained, chosen and confirmed in the same
 * way. Where the first population of the search is random, it is that of the random search too, and
 * is not trained twice; so both begin with the same luck.
 *
 * Its candidates are numbered k = 0.. here; the store has them under the id baseline_id(k). Pure
 * functions.
 */
#ifndef CLADE_STAGES_BASELINE_H
#define CLADE_STAGES_BASELINE_H

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
