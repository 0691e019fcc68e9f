/* Stage "populate": the first population: random genomes, and the best of earlier nights. Pure. */
#ifndef CLADE_STAGES_POPULATE_H
#define CLADE_STAGES_POPULATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "inputs/candidate.h"
#include "inputs/records.h"
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

/*
 * Which genomes of earlier nights the first population starts with, best first: by search.populate
 * at most P (memory), half of P, rounded up (mixed) or none (random), all inside the space. A
 * genome's score is its mean less one standard error, so that one lucky training does not put it
 * before a genome that was good again and again; the deviation of single trainings is pooled over
 * all genomes that were trained twice or more, or 0.005 where there are none. What is better is
 * then said by search.objective. *chosen is malloc'ed, of pointers into `memory`.
 */
enum error populate_choose(const struct remembered ***chosen, size_t *chosen_count,
                           const struct remembered *memory, size_t count, const struct space *space,
                           const struct search_settings *search);

/*
 * Whether candidate `id` of the first population takes the next of `chosen_count` such genomes:
 * the first ones in `memory`, every second one in `mixed`. *index is which.
 */
bool populate_takes(size_t *index, int64_t id, size_t chosen_count,
                    const struct search_settings *search);

#endif
