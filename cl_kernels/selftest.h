/* Self-test: what a driver computes is compared with plain C before a night is spent on it. */
#ifndef CLADE_CL_KERNELS_SELFTEST_H
#define CLADE_CL_KERNELS_SELFTEST_H

#include "cl_kernels/device.h"
#include "inputs/settings.h"

/* Called after each check: `worst` is its largest error in units of what is allowed (check.h), so
   that 1 is the limit. Texts are valid during the call. */
typedef void self_test_watch(const char *op, const char *shape, double worst, void *user);

/*
 * Every operation of the training engine against its CPU twin on an opened device: convolutions of
 * `family` (CONV_AUTO: of all families), batch normalisation, the head with its loss, the
 * optimizers, the copies of images and weights. Seconds, once the driver has compiled the kernels.
 * Stops at the first failure: ERR_NO_DEVICE names device, op, shape and the worst value. `watch`
 * may be NULL.
 */
enum error device_self_test(struct device *device, enum conv_family family, self_test_watch *watch,
                            void *user);

#endif
