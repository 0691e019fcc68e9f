/*
 * Random numbers: xoshiro256** seeded through splitmix64 (Blackman and Vigna, "Scrambled linear
 * pseudorandom number generators", 2018). Equal seeds give equal streams on every machine.
 */
#ifndef CLADE_PIPELINE_BASE_RNG_H
#define CLADE_PIPELINE_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

struct rng {
    uint64_t state[4];
};

void rng_seed(struct rng *rng, uint64_t seed);

/* One seed from several numbers: independent streams for (run seed, purpose, index). */
uint64_t rng_mix(uint64_t a, uint64_t b, uint64_t c);

uint64_t rng_next(struct rng *rng);

/* Uniform in [0, n), without modulo bias; n > 0. */
uint64_t rng_below(struct rng *rng, uint64_t n);

/* Uniform in [0, 1) with 53 bits. */
double rng_uniform(struct rng *rng);

/* Standard normal (Box-Muller; one value a call, two draws). */
double rng_normal(struct rng *rng);

/* Fisher-Yates over `n` indices. */
void rng_shuffle(struct rng *rng, uint32_t *items, size_t n);

#endif
