/* What the files network*.c share; nobody else includes this. */
#ifndef CLADE_CL_KERNELS_NETWORK_INTERNAL_H
#define CLADE_CL_KERNELS_NETWORK_INTERNAL_H

#include <stdbool.h>

#include "cl_kernels/augment.h"
#include "cl_kernels/batch.h"
#include "cl_kernels/conv.h"
#include "cl_kernels/head.h"
#include "cl_kernels/network.h"
#include "cl_kernels/norm.h"
#include "cl_kernels/optimizer.h"

/* One convolution and what it keeps for the backward pass. */
struct network_layer {
    struct conv_shape shape;
    enum activation activations[PACK_MAX]; /* of the members */
    struct layout output;   /* of y; its halo is what the next layer's kernel reaches over */
    struct layout gradient; /* of dy */
    struct conv *conv;
    struct norm norm; /* with training.norm = batch */
    cl_mem z;         /* with normalisation: the convolution's sums, in the layout of y */
    cl_mem y;
    cl_mem slopes; /* derivative, kept for swish and gelu; else NULL */
    cl_mem dy;     /* gradient of the sums */
    /* Offsets in the flat parameters and in the transposed copy (first layer: no copy). With
       normalisation `bias` is beta. */
    size_t weights, bias, gamma, transposed;
};

/*
 * Flat parameters: packed weights of the convolutions, dense weights, from `decay_end` on the
 * biases; each part starts at a multiple of 16 floats. Those of the members of a pack, `floats`
 * each, follow one another. Gradients are `splits` such arrays of all members. In tensors the
 * images of a member follow those of the one before: image n of a call for `count` is member n /
 * count's.
 */
struct network {
    struct device *device;
    struct genome genome; /* of the first member */
    int members;
    enum activation head_activations[PACK_MAX];
    struct image_shape shape;
    struct training_settings training;
    enum conv_family family;
    struct layout input;
    cl_mem x;
    int layer_count;
    struct network_layer layers[GENOME_MAX_LAYERS];
    struct batch_assembler assembler;
    struct augmenter augmenter; /* where the recipe augments */
    cl_mem augment_seeds;       /* a uint for each member */
    struct head head;
    struct optimizer_state optimizer;
    size_t floats, decay_end, transposed_floats;
    int splits;
    cl_mem parameters, gradients, transposed, places;
    cl_mem folded; /* with normalisation: parameters of the deployed network, for evaluation */
    /* Grown on demand. Order: for each batch the indices of all members; statistics:
       [batch][member]. */
    cl_mem order, statistics;
    size_t order_capacity, statistics_capacity;
    double until_s; /* network_set_end(); 0: none */
};

bool network_normalises(const struct network *network);

/* Makes `folded` follow parameters and running statistics. */
enum error network_fold(struct network *network);

/* Where layer i keeps what the derivative of its activation follows from. */
cl_mem network_kept(const struct network_layer *layer);

/* The operations of a step, each enqueued over `count` images of each member; `first` counts the
   images of a member that came before in net->order. A batch to train on is augmented, by its
   `step`, where the recipe says so. */
enum error network_run_batch(struct network *network, struct image_store *images, int first,
                             int count, bool train, int64_t step);
enum error network_run_forward(struct network *network, int layer, int count, bool train);
/* Its two halves: sums alone while a normalisation follows, else all of it; and the normalisation
   with activation, where there is one. */
enum error network_run_convolution(struct network *network, int layer, int count, bool train);
enum error network_run_norm(struct network *network, int layer, int count);
enum error network_run_head(struct network *network, struct image_store *images, int first,
                            int count, bool train);
enum error network_run_norm_gradient(struct network *network, int layer, int count);
enum error network_run_weight_gradient(struct network *network, int layer, int count);
enum error network_run_input_gradient(struct network *network, int layer, int count);

/* Makes the transposed copy follow the parameters. */
enum error network_transpose(struct network *network);

#endif
