/* Random search: what every other algorithm has to beat. */
#include "stages/algorithm.h"

enum error algorithm_random(struct proposal *proposal, const struct sight *sight, struct rng *rng)
{
    propose_random(proposal, sight, rng);
    return ERR_NONE;
}
