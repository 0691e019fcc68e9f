/*
 * Memory across nights: one SQLite file with every scored training of every run that names it.
 * Scores are comparable only on the same data under the same recipe, so both are part of the key:
 * a memory that is open sees its own data and recipe only.
 *
 * A genome's mean and variance are updated with every training (Welford's method), and a training
 * counts once: (run, candidate) and (genome, seed) are unique. Several runs may use one file at
 * the same time: every change is one short transaction, and a locked file is waited for, at most
 * 60 s. Nothing of a run depends on its memory once a candidate is written to the run's store.
 *
 * An object belongs to one thread. ERR_OUTPUT when the file cannot be opened or written, ERR_DATA
 * when it is damaged or not a memory, ERR_BUSY when it stays locked.
 */
#ifndef CLADE_PIPELINE_MEMORY_H
#define CLADE_PIPELINE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "inputs/candidate.h"
#include "inputs/records.h"
#include "inputs/settings.h"
#include "pipeline/base/error.h"

struct memory;

/* Opens the file, or makes it. `run` names the run uniquely among all that use the file;
   `data_check` is the fingerprint of the training files. */
enum error memory_open(struct memory **out, const char *path, const char *run, int64_t data_check,
                       const struct settings *settings);

/* NULL is allowed. */
enum error memory_close(struct memory *memory);

/* All genomes of this data and recipe, in the order of their text. *list is freed with free(). */
enum error memory_list(struct remembered **list, size_t *count, struct memory *memory);

/* What other runs know of one genome; count 0 when they know nothing. */
enum error memory_earlier(struct remembered *known, struct memory *memory,
                          const struct genome *genome);

/*
 * A seed under which this genome was never trained here: `seed` itself, or the first of a sequence
 * that follows from it.
 */
enum error memory_fresh_seed(uint64_t *fresh, struct memory *memory, const struct genome *genome,
                             uint64_t seed);

/* Adds a scored candidate of this run, unless it is there. */
enum error memory_add(struct memory *memory, const struct candidate *candidate);

/*
 * The recipe as text: the keys of [training], and those of [data] that decide which images a
 * candidate trains on and is scored on. Equal texts, equal recipes.
 */
enum error memory_recipe(struct text *recipe, const struct settings *settings);

#endif
