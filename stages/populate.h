/* Stage "populate": candidates with random genomes. Pure. */
#ifndef CLADE_STAGES_POPULATE_H
#define CLADE_STAGES_POPULATE_H

#include <stdint.h>

#include "inputs/candidate.h"
#include "inputs/settings.h"
#include "inputs/space.h"

/* The seed under which candidate `id` trains in the search: rng_mix(run seed, id, replicate 0).
   Confirm's replicates count from 1. */
uint64_t candidate_seed(uint64_t run_seed, int64_t id);

/* The random numbers that make the genome of candidate `id`. */
struct rng candidate_rng(uint64_t run_seed, int64_t id);

/*
 * Candidate `id` with this genome, queued and not yet tried: all but epochs and train_images,
 * which are the caller's (0 here). Results are NAN, parent -1 for none.
 */
void candidate_new(struct candidate *out, const struct space *space,
                   const struct search_settings *search, int64_t id, const struct genome *genome,
                   const char *operator_name, int64_t parent);

/* Candidate `id` with a random genome, drawn with `rng`; its operator is "random". */
void populate_candidate(struct candidate *out, const struct space *space,
                        const struct search_settings *search, int64_t id, struct rng *rng);

#endif
