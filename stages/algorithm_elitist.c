/*
 * Elitist evolution: aging evolution in which the worst leaves the population, not the oldest. So
 * the population is the P best of all scored candidates that are visible. (In `pareto` they are
 * the P best of all those taken together: the crowding distances are among all.)
 */
#include <stdlib.h>

#include "stages/algorithm.h"

enum error algorithm_elitist(struct proposal *proposal, const struct sight *sight, struct rng *rng)
{
    const struct candidate **all = NULL;
    size_t count, population = (size_t)sight->search->population;
    enum error err = list_scored(&all, &count, sight, 0);
    if (err == ERR_NONE)
        err = sort_members(all, count, sight, NULL);
    if (err == ERR_NONE) {
        if (count > population)
            count = population;
        if (count > 0)
            propose_child(proposal, sight, draw_tournament(all, count, sight->search, rng), rng);
        else
            propose_random(proposal, sight, rng);
    }
    free(all);
    return err;
}
