/* The memory of this process, as Linux counts it. */
#ifndef CLADE_PIPELINE_FOOTPRINT_H
#define CLADE_PIPELINE_FOOTPRINT_H

#include <stdint.h>

/* Buffers of more than a megabyte go back to the system when they are freed, instead of leaving
   holes in the heap. Once, before memory is taken. */
void footprint_keep_small(void);

/* Gives free memory of the heap back. */
void footprint_trim(void);

/* The most that was resident since the start or footprint_reset_peak(), in bytes, shared memory
   included; 0 when the system does not say. */
uint64_t footprint_peak(void);
void footprint_reset_peak(void);

#endif
