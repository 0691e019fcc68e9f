/*
 * Every genome of a small space in the order of space_walk.h, and then again: candidate k is
 * genome k modulo their number, under a seed of its own. What `clade table build` runs.
 */
#include "stages/algorithm.h"

#include "inputs/space_walk.h"

enum error algorithm_grid(struct proposal *proposal, const struct sight *sight, struct rng *rng)
{
    (void)rng;
    struct space_walk walk;
    struct genome genome;
    int64_t left = sight->k;
    *proposal = (struct proposal){.operator_name = "grid", .parent = -1};
    while (left >= 0) {
        int64_t before = left;
        space_walk_begin(&walk, sight->space);
        while (left >= 0 && space_walk_next(&walk, &genome))
            left--;
        if (before == left)
            break; /* not reached: a space that space_init() took has a genome */
    }
    proposal->genome = genome;
    return ERR_NONE;
}
