/*
 * Local search: a neighbour of the best so far. A neighbour is what one mutation makes of it. In
 * `pareto` each of the first front is the best equally often. Where duplicates are avoided, a
 * random genome is drawn once the neighbours are used up (evolve.h), which starts the search anew.
 */
#include <stdlib.h>

#include "stages/algorithm.h"

enum error algorithm_local(struct proposal *proposal, const struct sight *sight, struct rng *rng)
{
    const struct candidate **all = NULL;
    size_t count, front;
    enum error err = list_scored(&all, &count, sight, 0);
    if (err == ERR_NONE)
        err = sort_members(all, count, sight, &front);
    if (err == ERR_NONE) {
        if (count > 0)
            propose_child(proposal, sight, all[rng_below(rng, front)], rng);
        else
            propose_random(proposal, sight, rng);
    }
    free(all);
    return err;
}
