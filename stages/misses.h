/* Which of the wrongly classified test images are kept for the report. */
#ifndef CLADE_STAGES_MISSES_H
#define CLADE_STAGES_MISSES_H

#include "inputs/dataset.h"
#include "inputs/records.h"

/* Of one confirmation; fewer where they have many pixels, so that a store and a report stay small.
 */
enum { MISSES_MAX = 30, MISSES_BYTES_MAX = 200000 };

/*
 * Fills the misses of *result, whose predictions are known: those to which the network gave the
 * highest probability (softmax of its logits, [test->count][classes]), the highest first, of
 * equals the earlier one. None where one image has over MISSES_BYTES_MAX bytes.
 */
enum error misses_choose(struct confirmation *result, const struct images *test,
                         const float *logits);

#endif
