/*
 * Which OpenCL devices are there. Every driver (an ICD file of the loader) is asked in a child
 * process of its own, which loads no other driver: one that crashes or hangs is a row with the
 * reason, and the others still count. Workers load only the driver of their device.
 *
 * Platforms are numbered in the order of the drivers' file names, so that indices stay the same
 * while no driver is installed or removed.
 */
#ifndef CLADE_PIPELINE_PROBE_H
#define CLADE_PIPELINE_PROBE_H

#include <stddef.h>

#include "cl_kernels/device.h"
#include "pipeline/base/error.h"

enum { PROBE_PATH_SIZE = 512, PROBE_FAILURE_SIZE = 256 };

struct probed {
    char driver[PROBE_PATH_SIZE];     /* the ICD file; "": the loader's own choice */
    char failure[PROBE_FAILURE_SIZE]; /* not "": the driver failed, and `info` is empty */
    int platform_in_driver;           /* its number in a process that loads only `driver` */
    struct device_info info;          /* its `platform` is the number that users see */
};

/* *list is freed with free(). No driver at all is an empty list. The process must not have called
   OpenCL. */
enum error probe_devices(struct probed **list, size_t *count);

/* From now on the OpenCL loader of this process sees only this driver. */
void probe_use_driver(const char *driver);

/* "CPU", "GPU", "accelerator", "other". */
const char *device_type_name(cl_device_type type);

#endif
