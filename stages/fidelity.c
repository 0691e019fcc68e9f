#include "stages/fidelity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stages/inference.h"
#include "stages/objective.h"
#include "stages/statistics.h"

static enum error no_memory(size_t count)
{
    return error_set(ERR_INTERNAL, "out of memory for the rungs of %zu candidates", count);
}

struct rung fidelity_rung(const struct settings *settings, int rung)
{
    const struct rung_list *rungs = &settings->search.fidelity.rungs;
    return rungs->count > 0
               ? rungs->values[rung]
               : (struct rung){settings->training.epochs, settings->training.train_images};
}

static bool is_promotion(const struct candidate *candidate)
{
    return strcmp(candidate->operator_name, CANDIDATE_PROMOTE) == 0;
}

/* Whom a promotion goes on from; NULL for other candidates. */
static const struct candidate *climbed_from(const struct candidate *candidate,
                                            const struct candidate *candidates, size_t count)
{
    return is_promotion(candidate) ? find_candidate(candidates, count, candidate->parent) : NULL;
}

/* ---- rungs and what they are worth ---- */

/* Both scores of those on `rung` that have one above it. `scores` has room for 2 count. */
static enum error correlate(struct rung_record *record, double *scores,
                            const struct candidate *candidates, size_t count)
{
    enum error err = ERR_NONE;
    double *below = scores, *above = scores + count;
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        const struct candidate *upper = &candidates[i];
        const struct candidate *lower = climbed_from(upper, candidates, count);
        bool last = i + 1 == count || candidates[i + 1].id != upper->id;
        if (lower == NULL || lower->rung != record->rung || !last)
            continue;
        record->promoted++;
        if (upper->status != CANDIDATE_DONE || lower->status != CANDIDATE_DONE)
            continue;
        below[n] = lower->validation_accuracy;
        above[n++] = upper->validation_accuracy;
    }
    record->pairs = (int)n;
    TRY(spearman(&record->spearman, below, above, n));
    TRY(kendall(&record->kendall, below, above, n));
out:
    return err;
}

enum error ladder_make(struct ladder *ladder, const struct candidate *candidates, size_t count,
                       const struct search_settings *search)
{
    enum error err = ERR_NONE;
    const struct fidelity_settings *fidelity = &search->fidelity;
    double *scores = NULL;
    *ladder = (struct ladder){.count = fidelity->rungs.count > 0 ? fidelity->rungs.count : 1};
    if (fidelity->rungs.count == 0)
        return ERR_NONE;
    scores = calloc(2 * count + 1, sizeof *scores);
    if (scores == NULL)
        return no_memory(count);
    for (int r = 0; r < ladder->count; r++) {
        struct rung_record *record = &ladder->records[r];
        *record = (struct rung_record){.rung = r,
                                       .epochs = fidelity->rungs.values[r].epochs,
                                       .train_images = fidelity->rungs.values[r].train_images};
        for (size_t i = 0; i < count; i++)
            record->scored += candidates[i].status == CANDIDATE_DONE && candidates[i].rung == r;
        TRY(correlate(record, scores, candidates, count));
        record->off = r + 1 < ladder->count && record->pairs >= fidelity->min_pairs &&
                      record->spearman.statistic < fidelity->min_correlation;
    }
    while (ladder->records[ladder->first].off)
        ladder->first++;
out:
    free(scores);
    return err;
}

/* The next rung that is not off; ladder->count above the last. */
static int rung_above(const struct ladder *ladder, int rung)
{
    for (rung++; rung < ladder->count && ladder->records[rung].off;)
        rung++;
    return rung;
}

/* ---- promotion ---- */

static int band_of(const struct candidate *candidate, const struct search_settings *search)
{
    const struct int_list *limits = &search->fidelity.bands;
    int band = 0;
    for (int i = 0; i < limits->count; i++)
        band += candidate->cost.parameters > limits->values[i];
    return band;
}

static bool is_promoted(const struct candidate *candidate, const struct candidate *history,
                        size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_promotion(&history[i]) && history[i].parent == candidate->id)
            return true;
    return false;
}

/* The first one that stands among the n / eta best of its band and rung, and was not promoted. */
static enum error best_of_band(const struct candidate **chosen, const struct candidate **members,
                               int rung, int band, const struct candidate *history, size_t visible,
                               size_t count, const struct search_settings *search)
{
    size_t n = 0;
    struct search_settings pareto = *search;
    pareto.objective = OBJECTIVE_PARETO;
    for (size_t i = 0; i < visible; i++)
        if (history[i].status == CANDIDATE_DONE && history[i].rung == rung &&
            band_of(&history[i], search) == band)
            members[n++] = &history[i];
    enum error err = objective_sort(members, n, &pareto, NULL);
    size_t most = n / (size_t)search->fidelity.eta;
    for (size_t i = 0; err == ERR_NONE && i < most && *chosen == NULL; i++)
        if (!is_promoted(members[i], history, count))
            *chosen = members[i];
    return err;
}

enum error ladder_promote(const struct candidate **chosen, int *rung, const struct ladder *ladder,
                          const struct candidate *history, size_t visible, size_t count,
                          const struct search_settings *search)
{
    enum error err = ERR_NONE;
    const struct candidate **members = NULL;
    *chosen = NULL;
    if (ladder->count < 2)
        return ERR_NONE;
    members = malloc((visible + 1) * sizeof(const struct candidate *));
    if (members == NULL)
        return no_memory(visible);
    for (int r = ladder->count - 2; r >= ladder->first && *chosen == NULL; r--) {
        if (ladder->records[r].off)
            continue;
        *rung = rung_above(ladder, r);
        for (int band = 0; band <= search->fidelity.bands.count && *chosen == NULL; band++)
            TRY(best_of_band(chosen, members, r, band, history, visible, count, search));
    }
out:
    free(members);
    return err;
}

/* ---- the order of parents ---- */

/* A member that has reached some rung. */
struct climber {
    const struct candidate *member, *there;
};

/* The member from which a promotion came in one or more steps; NULL: from none of them. */
static const struct candidate *member_of(const struct candidate *candidate, int first,
                                         const struct candidate *candidates, size_t count)
{
    while (candidate != NULL && candidate->rung > first)
        candidate = climbed_from(candidate, candidates, count);
    return candidate;
}

/* Sorts those of `members` that have reached `rung` into the places that they have together. */
static enum error share_places(const struct candidate **members, size_t member_count, int first,
                               int rung, const struct candidate *candidates, size_t count,
                               const struct search_settings *search)
{
    enum error err = ERR_NONE;
    size_t n = 0;
    size_t *places = calloc(member_count + 1, sizeof *places);
    struct climber *climbers = calloc(member_count + 1, sizeof *climbers);
    const struct candidate **there = calloc(member_count + 1, sizeof(const struct candidate *));
    if (places == NULL || climbers == NULL || there == NULL) {
        err = no_memory(member_count);
        goto out;
    }
    for (size_t i = 0; i < member_count; i++)
        climbers[i].member = members[i];
    for (size_t i = 0; i < count; i++) {
        if (candidates[i].status != CANDIDATE_DONE || candidates[i].rung != rung)
            continue;
        const struct candidate *member = member_of(&candidates[i], first, candidates, count);
        for (size_t j = 0; j < member_count && member != NULL; j++)
            if (climbers[j].member == member)
                climbers[j].there = &candidates[i];
    }
    for (size_t i = 0; i < member_count; i++) {
        if (climbers[i].there == NULL)
            continue;
        places[n] = i;
        there[n] = climbers[i].there;
        n++;
    }
    TRY(objective_sort(there, n, search, NULL));
    for (size_t i = 0; i < n; i++)
        members[places[i]] = member_of(there[i], first, candidates, count);
out:
    free(there);
    free(climbers);
    free(places);
    return err;
}

enum error ladder_sort(const struct candidate **members, size_t member_count,
                       const struct ladder *ladder, const struct candidate *candidates,
                       size_t count, const struct search_settings *search, size_t *first_front)
{
    enum error err = objective_sort(members, member_count, search, first_front);
    for (int r = rung_above(ladder, ladder->first); err == ERR_NONE && r < ladder->count;
         r = rung_above(ladder, r))
        err = share_places(members, member_count, ladder->first, r, candidates, count, search);
    return err;
}
