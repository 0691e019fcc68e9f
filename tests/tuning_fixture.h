/* Rows of a tuning, for tests. Fail the running cmocka test when there is no memory. */
#ifndef CLADE_TESTS_TUNING_FIXTURE_H
#define CLADE_TESTS_TUNING_FIXTURE_H

#include "cl_kernels/tuning.h"

/* A 3x3 convolution of 32 -> 64 channels, asked of the vector family: groups of 2 or 4. */
extern const struct tune_class tuning_wide;
/* A 1x1 convolution of stride 2, any family. */
extern const struct tune_class tuning_narrow;

/* A chosen row of 12.25 GFLOP/s. */
void tuning_fixture_add(struct tuning *tuning, const struct tune_class *class, enum tune_pass pass,
                        enum conv_family family, int group, int tile);

/* All passes of the wide class, a row of the narrow one that was disqualified, and three products
   of which set 2 is chosen. */
struct tuning tuning_fixture(void);

#endif
