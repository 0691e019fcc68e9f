/* What `clade run` draws while it works. */
#ifndef CLADE_PIPELINE_RUN_PROGRESS_H
#define CLADE_PIPELINE_RUN_PROGRESS_H

#include "pipeline/pipeline.h"

/* Draws *state, with the slots and the front of the run added; nothing when it is not due. */
void run_draw(struct run *run, const struct progress_state *state);

/* What takes a moment before the workers start: a live line, or a dated one with --verbose. */
void run_say(struct run *run, const char *text);

#endif
