/* Stage "train": candidates, from genome to score, on one slot: one, or a pack of several at once.
 */
#ifndef CLADE_STAGES_TRAIN_H
#define CLADE_STAGES_TRAIN_H

#include <stdbool.h>

#include "cl_kernels/device.h"
#include "cl_kernels/network.h"
#include "inputs/dataset.h"
#include "inputs/settings.h"

/* Passes over single images that a training makes: epochs times train_images (0: all), of which
   there are `images`. */
double train_passes(int epochs, int train_images, int64_t images);

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
    int member;        /* of the pack, from 0 */
    int epoch, epochs; /* epoch counts from 1: just ended */
    struct pass_result train;
    double seconds;      /* of this epoch, of the whole pack */
    double images_per_s; /* of this epoch, of this member */
};

struct train_result {
    struct pass_result train;      /* the last epoch */
    struct pass_result validation; /* after it */
    double duration_s;             /* training and validation, of the whole pack */
    double images_per_s;           /* training only, its own images */
    double gflops;                 /* training only, as network_flops_per_image counts */
    int epochs;
    uint32_t train_images;
};

/* Called after each epoch, for each member that has not failed; returning false stops the training
   with ERR_STOPPED. */
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

enum { TRAIN_MESSAGE_SIZE = 512 };

/* How many candidates such a device trains at once under devices.pack: 1..PACK_MAX. Whether so many
   fit is found out by train_candidates(). */
int train_pack_size(const struct device_info *device, int pack);

/* One candidate of a pack. */
struct train_member {
    const struct genome *genome;
    uint64_t seed;
    bool keep_weights;
    const float *start; /* parameters to begin with, [state_count]; NULL: drawn from the seed */
    bool keep_state;
    /* Out: */
    enum error err;                   /* ERR_NONE, or the candidate's own failure */
    char message[TRAIN_MESSAGE_SIZE]; /* of that failure */
    struct train_result result;       /* after a failure only duration_s: until it was known */
    float *weights;                   /* where they are kept and err is ERR_NONE: as above */
    float *state;                     /* likewise: parameters to go on from, malloc'ed */
    size_t state_count;               /* network_parameter_count(); in: of `start` */
};

/*
 * Trains members[0..count), count in 1..PACK_MAX, at once; their genomes have one shape
 * (genome_same_shape()). Each member ends as with train_candidate(): with the vector, winograd and
 * tiled families in the same bytes, and not disturbed by others that diverge. Where a pack does not
 * fit the device, its halves train one after the other. A pack may take `count` times the time
 * limit. An error is the slot's or the watch's, not a candidate's; no weights are left then.
 *
 * A member that goes on from `start` has the moments of the optimizer and the running statistics of
 * normalisation begin anew, and a schedule of its own from its first step: with one-cycle a warm
 * restart (Loshchilov and Hutter, "SGDR", ICLR 2017, arXiv 1608.03983). ERR_DATA when `start` does
 * not fit the genome.
 */
enum error train_candidates(struct train_member *members, int count, struct trainer *trainer,
                            const struct training_settings *training, enum conv_family family,
                            double time_limit_s, train_watch *watch, void *user);

#endif
