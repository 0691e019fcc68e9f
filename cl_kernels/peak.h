/* The measured rate of fused multiply-adds of a device: what kernels are held against. */
#ifndef CLADE_CL_KERNELS_PEAK_H
#define CLADE_CL_KERNELS_PEAK_H

#include "cl_kernels/device.h"

/* Best of several short runs of independent float16 chains on every unit of the slot; a
   multiply-add counts 2. Takes about `seconds`. */
enum error device_peak_gflops(double *gflops, struct device *device, double seconds);

#endif
