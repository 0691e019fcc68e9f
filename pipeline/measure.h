/*
 * Training speed of genomes on the slots that a run would use: one child process a slot, all
 * starting each measurement together, as workers of a run compete for the same memory and cores.
 */
#ifndef CLADE_PIPELINE_MEASURE_H
#define CLADE_PIPELINE_MEASURE_H

#include <stddef.h>
#include <stdint.h>

#include "cl_kernels/profile.h"
#include "inputs/genome.h"
#include "inputs/settings.h"
#include "pipeline/base/error.h"
#include "pipeline/slots.h"

struct measure; /* the children, with their devices open */

/* `slots` is borrowed. Training runs on images of `shape` made of noise: no data are read. Each
   slot trains a pack (devices->pack) of one genome, or of half as many where it does not fit. */
enum error measure_begin(struct measure **out, const struct slot *slots, size_t slot_count,
                         const struct image_shape *shape, const struct training_settings *training,
                         const struct device_settings *devices);

struct measured {
    double images_per_s;   /* training, summed over the slots and the members of packs */
    double gflops;         /* of them, as network_flops_per_image() counts */
    uint64_t device_bytes; /* of the network, on one slot */
    uint64_t host_bytes; /* resident in the process of a slot, at most, when the network was trained
                            a second time; without images */
};

/* About `seconds` after a warm-up. ERR_TOO_BIG when the genome does not fit; others can be measured
   after that. After any other error only measure_end() may follow. */
enum error measure_training(struct measured *measured, struct measure *measure,
                            const struct genome *genome, double seconds);

/* One operation of a training step, a whole batch on each slot. */
struct measured_operation {
    enum profile_operation operation;
    int layer;      /* 0.. for convolutions; -1 for the others */
    double seconds; /* the mean over the slots */
    double gflops;  /* summed over the slots; 0 where nothing is counted */
};

/* Fills rows[0 .. *count) in the order of a step; all slots go through it together, for about
   `seconds` in all. Errors as measure_training(). */
enum error measure_operations(struct measured_operation rows[PROFILE_ROWS_MAX], int *count,
                              struct measure *measure, const struct genome *genome, double seconds);

/* The measured rate of multiply-adds, summed over the slots. */
enum error measure_peak(double *gflops, struct measure *measure, double seconds);

/* NULL is allowed. */
void measure_end(struct measure *measure);

#endif
