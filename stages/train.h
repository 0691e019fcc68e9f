/* Stage "train": one candidate, from genome to score, on one slot. */
#ifndef CLADE_STAGES_TRAIN_H
#define CLADE_STAGES_TRAIN_H

#include <stdbool.h>

#include "cl_kernels/device.h"
#include "cl_kernels/network.h"
#include "inputs/dataset.h"
#include "inputs/settings.h"

/* What a slot needs to train candidates: the device, the images on it, the split. */
struct trainer {
    struct device *device;
    struct image_store *store;
    struct images *images;
    struct split split;
};

/* Borrows device and images; they must outlive it. */
enum error trainer_create(struct trainer *trainer, struct device *device, struct images *images,
                          const struct data_settings *data);
void trainer_destroy(struct trainer *trainer);

struct train_progress {
    int epoch, epochs; /* epoch counts from 1: just ended */
    struct pass_result train;
    double seconds;      /* of this epoch */
    double images_per_s; /* of this epoch */
};

struct train_result {
    struct pass_result train;      /* the last epoch */
    struct pass_result validation; /* after it */
    double duration_s;             /* training and validation */
    double images_per_s;           /* training only */
    double gflops;                 /* training only, as network_flops_per_image counts */
    int epochs;
    uint32_t train_images;
};

/* Called after each epoch; returning false stops the training with ERR_STOPPED. */
typedef bool train_watch(const struct train_progress *progress, void *user);

/*
 * Trains `genome` from scratch under `seed` (initialisation and shuffling) and scores it on the
 * validation images. ERR_DIVERGED, ERR_TOO_BIG, ERR_TIMEOUT (over `time_limit_s`, 0: none) are
 * the candidate's own failures; ERR_DEVICE is the slot's. `weights`, if not NULL, receives
 * malloc'ed canonical parameters.
 */
enum error train_candidate(struct train_result *result, struct trainer *trainer,
                           const struct genome *genome, const struct training_settings *training,
                           enum conv_family family, uint64_t seed, double time_limit_s,
                           train_watch *watch, void *user, float **weights);

#endif
