#include "stages/populate.h"

#include <math.h>
#include <stdio.h>

#include "pipeline/base/rng.h"

/* Keeps the genomes' random numbers apart from the training seeds: no candidate has this id. */
static const uint64_t genome_stream = 0x67656e6f6d6573u; /* "genomes" */

uint64_t candidate_seed(uint64_t run_seed, int64_t id)
{
    return rng_mix(run_seed, (uint64_t)id, 0);
}

struct rng candidate_rng(uint64_t run_seed, int64_t id)
{
    struct rng rng;
    rng_seed(&rng, rng_mix(run_seed, genome_stream, (uint64_t)id));
    return rng;
}

void candidate_new(struct candidate *out, const struct space *space,
                   const struct search_settings *search, int64_t id, const struct genome *genome,
                   const char *operator_name, int64_t parent)
{
    *out = (struct candidate){.id = id,
                              .generation = (int)(id / search->population),
                              .attempt = 1,
                              .status = CANDIDATE_QUEUED,
                              .genome = *genome,
                              .parent = parent,
                              .cost = genome_cost(genome, &space->shape),
                              .seed = candidate_seed(search->seed, id),
                              .train_loss = NAN,
                              .validation_loss = NAN,
                              .validation_accuracy = NAN,
                              .images_per_s = NAN};
    snprintf(out->operator_name, sizeof out->operator_name, "%s", operator_name);
}

void populate_candidate(struct candidate *out, const struct space *space,
                        const struct search_settings *search, int64_t id, struct rng *rng)
{
    struct genome genome;
    space_random_genome(space, rng, &genome);
    candidate_new(out, space, search, id, &genome, "random", -1);
}
