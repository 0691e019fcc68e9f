#include "stages/baseline.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stages/evolve.h"
#include "stages/finalists.h"
#include "stages/inference.h"
#include "stages/train.h"

int64_t baseline_shared(const struct search_settings *search)
{
    return search->populate == POPULATE_RANDOM ? search->population : 0;
}

int64_t baseline_id(int64_t k, const struct search_settings *search)
{
    return k < baseline_shared(search) ? k : CANDIDATE_BASELINE + k;
}

static struct search_settings random_search(const struct search_settings *search)
{
    struct search_settings random = *search;
    random.algorithm = ALGORITHM_RANDOM;
    random.populate = POPULATE_RANDOM;
    return random;
}

enum error baseline_propose(struct candidate *next, const struct space *space,
                            const struct search_settings *search, int64_t k,
                            const struct candidate *members, size_t count)
{
    struct search_settings random = random_search(search);
    return evolve_propose(next, space, &random, k, members, count);
}

bool baseline_ready(int64_t k, const struct search_settings *search,
                    const struct candidate *members, size_t count)
{
    struct search_settings random = random_search(search);
    return evolve_ready(k, &random, members, count);
}

double baseline_passes(const struct candidate *members, size_t count, int64_t images)
{
    double passes = 0;
    for (size_t i = 0; i < count; i++)
        if (members[i].status != CANDIDATE_STOPPED)
            passes += train_passes(members[i].epochs, members[i].train_images, images);
    return passes;
}

enum error baseline_join(struct candidate **all, size_t *count, const struct candidate *candidates,
                         size_t candidate_count, const struct candidate *own, size_t own_count,
                         const struct search_settings *search)
{
    size_t shared = 0;
    while (shared < candidate_count && candidates[shared].id < baseline_shared(search))
        shared++;
    *all = malloc((shared + own_count + 1) * sizeof **all);
    if (*all == NULL)
        return error_set(ERR_INTERNAL, "out of memory for %zu candidates of the random search",
                         shared + own_count);
    if (shared > 0)
        memcpy(*all, candidates, shared * sizeof **all);
    if (own_count > 0)
        memcpy(*all + shared, own, own_count * sizeof **all);
    *count = shared + own_count;
    return ERR_NONE;
}

/* The best place of one of the searches among the finalists within a limit. */
static const struct finalist *best_within(const struct finalist *list, size_t count, bool baseline,
                                          int64_t limit)
{
    const struct finalist *best = NULL;
    for (size_t i = 0; i < count; i++)
        if (list[i].baseline == baseline && list[i].place > 0 &&
            (limit == 0 || list[i].candidate->cost.parameters <= limit) &&
            (best == NULL || list[i].place < best->place))
            best = &list[i];
    return best;
}

static enum verdict judge(const struct duel *duel)
{
    int images = 0, seeds = 0;
    if (duel->images.p < 0.05)
        images = duel->images.difference > 0 ? 1 : -1;
    if (isnan(duel->seeds.low))
        seeds = images;
    else if (duel->seeds.low > 0 || duel->seeds.high < 0)
        seeds = duel->seeds.low > 0 ? 1 : -1;
    if (images == 0 || images != seeds)
        return VERDICT_NOT_SHOWN;
    return images > 0 ? VERDICT_YES : VERDICT_NO;
}

static struct duel fight(const struct finalist *list, size_t count, int64_t limit)
{
    struct duel duel = {.limit = limit,
                        .ours = best_within(list, count, false, limit),
                        .other = best_within(list, count, true, limit),
                        .difference = NAN,
                        .seeds = {NAN, NAN}};
    duel.images = finalists_compare(duel.ours, duel.other);
    if (duel.ours != NULL && duel.other != NULL) {
        duel.difference = duel.ours->test.mean - duel.other->test.mean;
        duel.seeds = welch_interval(&duel.ours->test, &duel.other->test);
    }
    duel.verdict = judge(&duel);
    return duel;
}

enum error baseline_duels(struct duel **duels, size_t *duel_count, const struct finalist *list,
                          size_t count, const struct confirm_settings *confirm)
{
    struct duel *all = calloc((size_t)confirm->bands.count + 1, sizeof *all);
    if (all == NULL)
        return error_set(ERR_INTERNAL, "out of memory for %d comparisons", confirm->bands.count);
    size_t n = 0;
    all[n++] = fight(list, count, 0);
    for (int64_t limit = 0; (limit = finalists_next_band(&confirm->bands, limit)) > 0;)
        all[n++] = fight(list, count, limit);
    *duels = all;
    *duel_count = n;
    return ERR_NONE;
}
