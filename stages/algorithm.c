#include "stages/algorithm.h"

#include <stdlib.h>

#include "stages/mutate.h"

static const struct search_algorithm rows[] = {
#define X(NAME, name, kind, help) [ALGORITHM_##NAME] = {#name, ALGORITHM_##kind, algorithm_##name},
    ALGORITHM_TABLE(X)
#undef X
};

const struct search_algorithm *algorithm_row(enum algorithm algorithm)
{
    return &rows[algorithm];
}

void propose_random(struct proposal *proposal, const struct sight *sight, struct rng *rng)
{
    *proposal = (struct proposal){.operator_name = "random", .parent = -1};
    space_random_genome(sight->space, rng, &proposal->genome);
}

void propose_child(struct proposal *proposal, const struct sight *sight,
                   const struct candidate *parent, struct rng *rng)
{
    struct genome child;
    enum mutation used;
    if (!mutate(&child, &used, sight->space, sight->weights, &parent->genome, rng)) {
        propose_random(proposal, sight, rng);
        return;
    }
    *proposal = (struct proposal){child, mutation_name(used), parent->id};
}

enum error list_scored(const struct candidate ***members, size_t *count, const struct sight *sight,
                       size_t most)
{
    const struct candidate **list = malloc((sight->count + 1) * sizeof(const struct candidate *));
    if (list == NULL)
        return error_set(ERR_INTERNAL, "out of memory for a population of %zu candidates",
                         sight->count);
    size_t n = 0;
    for (size_t i = sight->count; i-- > 0 && (most == 0 || n < most);)
        if (sight->visible[i].status == CANDIDATE_DONE &&
            sight->visible[i].rung == sight->ladder->first)
            list[n++] = &sight->visible[i];
    *members = list;
    *count = n;
    return ERR_NONE;
}

enum error sort_members(const struct candidate **members, size_t count, const struct sight *sight,
                        size_t *first_front)
{
    return ladder_sort(members, count, sight->ladder, sight->visible, sight->count, sight->search,
                       first_front);
}

const struct candidate *draw_tournament(const struct candidate *const *members, size_t count,
                                        const struct search_settings *search, struct rng *rng)
{
    uint64_t best = count;
    for (int i = 0; i < search->sample; i++) {
        uint64_t drawn = rng_below(rng, count);
        best = drawn < best ? drawn : best;
    }
    return members[best];
}
