/* What each slot did when: attempts and confirmations laid into lanes. Pure. */
#ifndef CLADE_STAGES_TIMELINE_H
#define CLADE_STAGES_TIMELINE_H

#include "inputs/records.h"
#include "pipeline/base/error.h"

/*
 * Fills report->spans and report->lanes from its candidates and confirmations. A lane is a slot: a
 * device has as many as it had trainings at once, and a training lies in the first that is free
 * when it starts. Spans are in the order of their start; equal kinds that follow each other in a
 * lane closer than 1/2000 of the whole are one span. Both arrays are malloc'ed; also after a
 * failure the caller frees them.
 */
enum error timeline_make(struct report *report);

#endif
