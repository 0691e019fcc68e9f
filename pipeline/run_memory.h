/* A run and its memory (memory.h); where memory.file is none, nothing happens. */
#ifndef CLADE_PIPELINE_RUN_MEMORY_H
#define CLADE_PIPELINE_RUN_MEMORY_H

#include "inputs/candidate.h"
#include "pipeline/base/error.h"
#include "pipeline/pipeline.h"

/* Whether the memory can be opened, when the settings name one: before a new run has a directory.
 */
enum error run_memory_check(const struct run *run);

/* Opens run->memory, when the settings name one. */
enum error run_memory_open(struct run *run);

/* What earlier runs know of a new candidate's genome, and a seed under which it was not trained. */
enum error run_memory_recall(struct run *run, struct candidate *candidate);

/* Adds a candidate, if it has a score. A failure is a warning in the log: run_memory_add_all()
   makes up for it. */
void run_memory_add(struct run *run, const struct candidate *candidate);

/* Adds all of the history that has a score and is not there. */
enum error run_memory_add_all(struct run *run);

#endif
