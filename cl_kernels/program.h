/*
 * Programs: one build per device and source set, cached on disk as the driver's binary under
 * $XDG_CACHE_HOME/clade (or ~/.cache/clade), keyed by device, driver version, options and source.
 * A driver with a cache of its own (PoCL) is left to it. Within a process a program is built once.
 * A cache that cannot be read, is damaged or foreign is ignored and rebuilt.
 */
#ifndef CLADE_CL_KERNELS_PROGRAM_H
#define CLADE_CL_KERNELS_PROGRAM_H

#include <CL/cl.h>
#include <stddef.h>

#include "cl_kernels/device.h"

/*
 * Builds the concatenation of `count` source texts. Logs one line that says what is compiled when
 * it is not in the cache. ERR_DEVICE with the first lines of the build log when it does not
 * compile. Never pass finite-math options: a NaN loss must be seen. The program is released by
 * the caller with clReleaseProgram.
 */
enum error program_build(cl_program *out, struct device *device, const char *name,
                         const char *const *sources, size_t count, const char *options);

enum error program_kernel(cl_kernel *out, cl_program program, const char *name);

#endif
