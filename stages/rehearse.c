#include "stages/rehearse.h"

#include <math.h>
#include <stdlib.h>

#include "inputs/candidate.h"
#include "pipeline/base/rng.h"
#include "stages/evolve.h"

enum { CANDIDATES_MOST = 200, REHEARSALS = 8 };

/* As errors of small networks on Fashion-MNIST go, in size: halved with every three doublings of
   the parameters, with luck that a genome keeps, and luck of a training. */
static double made_up(const struct candidate *candidate, const struct search_settings *search)
{
    char text[GENOME_TEXT_SIZE];
    uint64_t hash = search->seed;
    struct rng genome, training;
    genome_format(text, &candidate->genome);
    for (const char *at = text; *at != '\0'; at++)
        hash = rng_mix(hash, (uint64_t)(unsigned char)*at, 0);
    rng_seed(&genome, hash);
    rng_seed(&training, candidate->seed);
    double error = exp2(-log2((double)candidate->cost.parameters) / 3);
    error *= exp(0.15 * rng_normal(&genome) + 0.03 * rng_normal(&training) - 0.2 * candidate->rung);
    return 1 - fmin(error, 1);
}

/* Adds the counts of one search of `count` candidates. */
static enum error rehearse(double counts[RUNGS_MAX], struct candidate *history, int64_t count,
                           const struct space *space, const struct search_settings *search)
{
    for (int64_t k = 0; k < count; k++) {
        struct candidate *next = &history[k];
        enum error err = evolve_propose(next, space, search, k, history, (size_t)k);
        if (err != ERR_NONE)
            return err;
        next->attempt = 1;
        next->status = CANDIDATE_DONE;
        next->validation_accuracy = made_up(next, search);
        counts[next->rung]++;
    }
    return ERR_NONE;
}

enum error rehearse_rungs(double share[RUNGS_MAX], const struct space *space,
                          const struct search_settings *search)
{
    enum error err = ERR_NONE;
    struct search_settings varied = *search;
    int64_t count =
        search_cycles(search) < CANDIDATES_MOST ? search_cycles(search) : CANDIDATES_MOST;
    struct candidate *history = calloc((size_t)count, sizeof *history);
    if (history == NULL)
        return error_set(ERR_INTERNAL, "out of memory for %d candidates", (int)count);
    for (int r = 0; r < RUNGS_MAX; r++)
        share[r] = 0;
    for (uint64_t i = 0; i < REHEARSALS; i++) {
        varied.seed = rng_mix(search->seed, i, 0);
        TRY(rehearse(share, history, count, space, &varied));
    }
    for (int r = 0; r < RUNGS_MAX; r++)
        share[r] /= (double)(REHEARSALS * count);
out:
    free(history);
    return err;
}
