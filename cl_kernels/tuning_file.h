/*
 * Tunings on disk: $XDG_CACHE_HOME/clade/tune-HASH.csv (or ~/.cache/clade), one a device, driver
 * version, number of compute units and kernel sources. Written through a temporary file and rename,
 * so readers see a whole file or none. One that is damaged or foreign is a warning and as good as
 * none.
 */
#ifndef CLADE_CL_KERNELS_TUNING_FILE_H
#define CLADE_CL_KERNELS_TUNING_FILE_H

#include "cl_kernels/tuning.h"

/* Reads the device's; *tuning stays empty when there is none. Only running out of memory fails. */
enum error tuning_load(struct tuning *tuning, const struct device *device);

/* False, with a warning, when it cannot be written. */
bool tuning_store(const struct tuning *tuning, const struct device *device);

/* Waits until no other process tunes the device; -1 when there can be no lock. tuning_unlock()
   takes both; a process that dies unlocks. */
int tuning_lock(const struct device *device);
void tuning_unlock(int lock);

#endif
