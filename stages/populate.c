#include "stages/populate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "pipeline/base/rng.h"
#include "stages/objective.h"

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
                              .earlier_mean = NAN,
                              .earlier_deviation = NAN,
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

/* Of one training, in accuracy; pooled over the genomes that tell. */
static double pooled_deviation(const struct remembered *memory, size_t count)
{
    static const double unknown = 0.005; /* two trainings of small networks on Fashion-MNIST */
    double squares = 0, freedom = 0;
    for (size_t i = 0; i < count; i++) {
        if (memory[i].count < 2)
            continue;
        squares += memory[i].squares;
        freedom += (double)memory[i].count - 1;
    }
    return freedom > 0 ? sqrt(squares / freedom) : unknown;
}

enum error populate_choose(const struct remembered ***chosen, size_t *chosen_count,
                           const struct remembered *memory, size_t count, const struct space *space,
                           const struct search_settings *search)
{
    enum error err = ERR_NONE;
    size_t most = (size_t)search->population, n = 0;
    if (search->populate != POPULATE_MEMORY)
        most = search->populate == POPULATE_MIXED ? (most + 1) / 2 : 0;
    struct candidate *scored = calloc(count + 1, sizeof *scored);
    const struct candidate **members = calloc(count + 1, sizeof(const struct candidate *));
    const struct remembered **list = calloc(count + 1, sizeof(const struct remembered *));
    if (scored == NULL || members == NULL || list == NULL) {
        err = error_set(ERR_INTERNAL, "out of memory for %zu remembered genomes", count);
        goto out;
    }
    double deviation = pooled_deviation(memory, count);
    for (size_t i = 0; i < count && most > 0; i++) {
        if (memory[i].count < 1 || !space_contains(space, &memory[i].genome, NULL))
            continue;
        /* The id is the place in `memory`. */
        scored[n] = (struct candidate){
            .id = (int64_t)i,
            .status = CANDIDATE_DONE,
            .cost = genome_cost(&memory[i].genome, &space->shape),
            .validation_accuracy = memory[i].mean - deviation / sqrt((double)memory[i].count)};
        members[n] = &scored[n];
        n++;
    }
    TRY(objective_sort(members, n, search, NULL));
    n = n < most ? n : most;
    for (size_t i = 0; i < n; i++)
        list[i] = &memory[members[i]->id];
    *chosen = list;
    *chosen_count = n;
    list = NULL;
out:
    free(list);
    free(members);
    free(scored);
    return err;
}

bool populate_takes(size_t *index, int64_t id, size_t chosen_count,
                    const struct search_settings *search)
{
    int64_t step = search->populate == POPULATE_MIXED ? 2 : 1;
    *index = (size_t)(id / step);
    return id % step == 0 && *index < chosen_count;
}
