/*
 * Aging evolution, Algorithm 1 of Real, Aggarwal, Huang and Le, "Regularized Evolution for Image
 * Classifier Architecture Search" (AAAI 2019, arXiv 1802.01548):
 *
 *     population <- P random models                      history = all of them
 *     while |history| < cycles:
 *         sample <- S models of the population, drawn one by one, with replacement
 *         parent <- the best of the sample
 *         child  <- mutate(parent), trained, appended to population and history
 *         drop the oldest of the population
 *
 * The population is the P latest scored candidates that are visible. With in_flight = 1 and no
 * failures this is the algorithm to the letter.
 */
#include <stdlib.h>

#include "stages/algorithm.h"

enum error algorithm_aging(struct proposal *proposal, const struct sight *sight, struct rng *rng)
{
    const struct candidate **population = NULL;
    size_t count;
    enum error err = list_scored(&population, &count, sight, (size_t)sight->search->population);
    if (err == ERR_NONE)
        err = sort_members(population, count, sight, NULL);
    if (err == ERR_NONE) {
        if (count > 0)
            propose_child(proposal, sight, draw_tournament(population, count, sight->search, rng),
                          rng);
        else
            propose_random(proposal, sight, rng);
    }
    free(population);
    return err;
}
