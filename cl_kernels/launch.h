/*
 * Setting a kernel's arguments in order and enqueueing it with local size 1 (or one given). The
 * first failure is kept and reported by launch_run(), so that callers check once.
 */
#ifndef CLADE_CL_KERNELS_LAUNCH_H
#define CLADE_CL_KERNELS_LAUNCH_H

#include "cl_kernels/device.h"

struct launch {
    struct device *device;
    cl_kernel kernel;
    const char *name;
    cl_uint argument;
    cl_int code;
};

void launch_start(struct launch *launch, struct device *device, cl_kernel kernel, const char *name);
void launch_buffer(struct launch *launch, cl_mem buffer);
void launch_int(struct launch *launch, int value);
void launch_float(struct launch *launch, float value);
void launch_struct(struct launch *launch, const void *value, size_t size);

/* Enqueues over x * y * z work-items of local size 1. */
enum error launch_run(struct launch *launch, size_t x, size_t y, size_t z);

/* The same with a local size, of which the global sizes are multiples; NULL: the driver's choice.
 */
enum error launch_run_local(struct launch *launch, const size_t global[3], const size_t *local);

/* Builds a program, or finds it among those the device has built, and makes a kernel of it. The
   kernel is released by the caller. */
enum error program_kernel_build(cl_kernel *out, struct device *device, const char *program_name,
                                const char *const *sources, size_t count, const char *options,
                                const char *kernel_name);

#endif
