/* What `clade run` draws and says while it works. */
#ifndef CLADE_PIPELINE_RUN_PROGRESS_H
#define CLADE_PIPELINE_RUN_PROGRESS_H

#include "pipeline/pipeline.h"

/* Draws *state, with the slots and the front of the run added; nothing when it is not due. Not on a
   terminal: a dated line when there was none for long. */
void run_draw(struct run *run, const struct progress_state *state);

/* What takes a moment before the workers start: a live line, or a dated one with --verbose. */
void run_say(struct run *run, const char *text);

/* The functions below write a dated line, and nothing on a terminal. */

/* The first one. `directory` NULL: a new one in outputs.dir, with a name that is not known yet.
   `ended` candidates are there already; < 0: the run is new. */
void run_tell_start(struct run *run, const char *directory, int64_t ended);

/* The directory, and the slots on each device. */
void run_tell_slots(struct run *run);

void run_tell_search(struct run *run);
void run_tell_baseline(struct run *run, size_t ended, size_t wanted);
enum error run_tell_confirm(struct run *run);
enum error run_tell_test(struct run *run);

/* A line for each confirmation that has ended since run_tell_confirm() or the last call. `counts`:
   of JOB_CONFIRM. */
enum error run_tell_confirmed(struct run *run, const struct store_counts *counts);

#endif
