/* Checks of selftest_layers.c that device_self_test() runs: each starts `check`, fills it, and
   leaves check_end() to the caller. */
#ifndef CLADE_CL_KERNELS_SELFTEST_INTERNAL_H
#define CLADE_CL_KERNELS_SELFTEST_INTERNAL_H

#include "cl_kernels/check.h"
#include "cl_kernels/selftest.h"

enum error self_test_norm(struct check *check, struct device *device);
enum error self_test_head(struct check *check, struct device *device);

#endif
