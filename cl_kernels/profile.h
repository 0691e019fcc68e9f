/* Times of the single operations of a training step: what `clade bench --ops` prints. */
#ifndef CLADE_CL_KERNELS_PROFILE_H
#define CLADE_CL_KERNELS_PROFILE_H

#include "cl_kernels/network.h"

enum profile_operation {
    PROFILE_BATCH,           /* batch assembly */
    PROFILE_FORWARD,         /* a convolution; without PROFILE_NORM also bias and activation */
    PROFILE_NORM,            /* batch normalisation and activation; only where there is one */
    PROFILE_HEAD,            /* pooling, dense layers, loss, their gradients */
    PROFILE_NORM_GRADIENT,   /* back through the normalisation */
    PROFILE_WEIGHT_GRADIENT, /* of a convolution */
    PROFILE_INPUT_GRADIENT,  /* of a convolution, with the derivative below */
    PROFILE_OPTIMIZER,       /* the step and the transposed copy */
    PROFILE_OPERATION_COUNT
};

struct profile_row {
    enum profile_operation operation;
    int layer;      /* 0..; -1 for what is not a layer's */
    double seconds; /* a whole batch of each member; the median of the runs */
    double flops;   /* the same; 0 where nothing is counted */
};

enum { PROFILE_ROWS_MAX = 5 * GENOME_MAX_LAYERS + 3 };

const char *profile_operation_name(enum profile_operation operation);

/*
 * Runs each operation of one step on a whole batch of the first images for about `seconds` in all
 * and fills rows[0 .. *count) in the order of a step. The network's parameters change.
 */
enum error network_profile(struct profile_row rows[PROFILE_ROWS_MAX], int *count,
                           struct network *network, struct image_store *images, double seconds);

#endif
