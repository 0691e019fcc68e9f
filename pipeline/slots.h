/* Slots: what workers train on. A GPU is one slot; a CPU device is one a core, or as many as
   devices.slots says. */
#ifndef CLADE_PIPELINE_SLOTS_H
#define CLADE_PIPELINE_SLOTS_H

#include <stddef.h>
#include <stdint.h>

#include "cl_kernels/device.h"
#include "inputs/settings.h"
#include "pipeline/base/error.h"
#include "pipeline/probe.h"

struct slot {
    struct probed device;
    int part, parts; /* as device_open() takes them */
    bool tuned;      /* slot_open() gives the device its tuning on disk */
};

/*
 * The slots that a run with these settings uses, device after device. devices.use "all" takes
 * every device, but of several platforms for the CPU only the first: they share the same cores.
 * ERR_NO_DEVICE when nothing is left, or a device is named that is not there. *slots is freed with
 * free().
 */
enum error slots_plan(struct slot **slots, size_t *count, const struct probed *devices,
                      size_t device_count, const struct device_settings *settings);

/* Probes and plans. *devices (may be NULL) gets the probed list, freed with free(). */
enum error slots_find(struct slot **slots, size_t *count, struct probed **devices,
                      size_t *device_count, const struct device_settings *settings);

/* How many candidates they train at once under devices.pack. */
int64_t slots_places(const struct slot *slots, size_t count, int pack);

/* How many of them are on this device. */
size_t slots_on(const struct slot *slots, size_t count, const struct probed *device);

/* Makes this process the worker of a slot: environment, affinity, device_open(), tuning. Before
   any OpenCL call, once a process. */
enum error slot_open(struct device **device, const struct slot *slot);

/* The first device that the settings choose, whole: one network uses all its cores. */
enum error slot_find_whole(struct slot *slot, const struct device_settings *settings);

/* The same, opened. */
enum error slot_open_whole(struct device **device, const struct device_settings *settings);

#endif
