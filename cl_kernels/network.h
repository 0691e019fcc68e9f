/*
 * A network on a device: genome -> plan -> forward, backward, step. One thread at a time.
 * Order of use: network_create, network_initialise (or network_write_parameters),
 * network_train / network_evaluate as often as wanted, network_destroy.
 *
 * A pack is several networks of one shape, its members, that share every launch, so that small
 * networks fill a large device. Each has its own activations, parameters and order of images, and
 * gives
 * what it would give alone: with the vector and the tiled family the same bytes. Arrays below hold
 * the members one after another; a single network is a pack of one.
 */
#ifndef CLADE_CL_KERNELS_NETWORK_H
#define CLADE_CL_KERNELS_NETWORK_H

#include <stdint.h>

#include "cl_kernels/device.h"
#include "inputs/dataset.h"
#include "inputs/genome.h"
#include "inputs/settings.h"

/* Images as bytes on a device, shared by all networks on it. */
struct image_store;

/* A CPU device uses pixels and labels in place where its driver allows that: they must stay as they
   are as long as the store. */
enum error image_store_create(struct image_store **out, struct device *device,
                              const struct images *images);
void image_store_destroy(struct image_store *store); /* NULL is allowed */

struct network;

/* Bytes of device buffers a pack will take, scratch memory of its convolutions included, without
   the image store. */
uint64_t network_bytes(const struct genome *genomes, int members, const struct image_shape *shape,
                       const struct training_settings *training, enum conv_family family,
                       struct device *device);

/* ERR_TOO_BIG when it does not fit in the device, before anything is trained. `shape` and the
   recipe are copied. */
enum error network_create(struct network **out, struct device *device, const struct genome *genome,
                          const struct image_shape *shape, const struct training_settings *training,
                          enum conv_family family);

/* The same for a pack of `members` (1..PACK_MAX), whose genomes have one shape
   (genome_same_shape()). */
enum error network_create_pack(struct network **out, struct device *device,
                               const struct genome *genomes, int members,
                               const struct image_shape *shape,
                               const struct training_settings *training, enum conv_family family);
void network_destroy(struct network *network); /* NULL is allowed */

/* He (relu, swish, gelu) or Glorot (sigmoid, tanh) normal weights, zero biases. A seed for each
   member, which also decides its augmentation. */
enum error network_initialise(struct network *network, const uint64_t *seeds);

/*
 * Parameters and gradients in canonical order, named as PyTorch does: for each convolution weight
 * [out][in][row][column], with batch normalisation gamma [out], then bias (or beta) [out]; dense
 * weight [64][channels], bias [64]; output weight [classes][64], bias [classes]. In all
 * network_parameter_count() floats for each member. Writing also forgets the moments of the
 * optimizer and the running statistics.
 */
int64_t network_parameter_count(const struct network *network);
enum error network_read_parameters(struct network *network, float *parameters);
enum error network_write_parameters(struct network *network, const float *parameters);
enum error network_read_gradients(struct network *network, float *gradients);

/* The deployed network, normalisation folded into weights and biases: the same order without
   gammas, network_deployed_count() floats for each member, which is the genome's number of
   parameters. */
int64_t network_deployed_count(const struct network *network);
enum error network_read_deployed(struct network *network, float *parameters);

/* From `until_s` (clock_monotonic_s(); 0: never) network_train() fails, within some steps. For that
   it keeps no more than some steps ahead of the device. */
void network_set_end(struct network *network, double until_s);

/* What a pass over images gives. */
struct pass_result {
    double loss;     /* mean cross-entropy */
    double accuracy; /* 0..1 */
    uint32_t count;
};

/*
 * Trains each member once over its order[members][count]: batches of training->batch, the last one
 * ragged. `step` is the number of steps made before (of `total_steps`, for the schedule). Waits
 * once, at the end, unless network_set_end() set a time: ERR_TIMEOUT when it is over.
 * results[members]; a member whose loss is not finite has diverged, which the others do not feel;
 * ERR_DIVERGED when all have. `mean`/`std` normalise pixels / 255.
 */
enum error network_train(struct network *network, struct image_store *images, const uint32_t *order,
                         uint32_t count, int64_t step, int64_t total_steps,
                         struct pass_result *results);

/*
 * With AVERAGE_EMA, at the end of a training: the parameters become their average over the steps.
 * The statistics of batch normalisation belong to the weights before, so they are made anew, from
 * batches of order[members][count] as in network_train(), at most AVERAGE_BATCHES of them.
 */
enum { AVERAGE_BATCHES = 100 };
enum error network_use_average(struct network *network, struct image_store *images,
                               const uint32_t *order, uint32_t count);

/* Evaluates likewise; logits (may be NULL) get [members][count][classes] floats. */
enum error network_evaluate(struct network *network, struct image_store *images,
                            const uint32_t *order, uint32_t count, struct pass_result *results,
                            float *logits);

/* Floating-point operations of one training image, as `clade bench` counts them: forward, input
   gradient except the first layer's, weight gradient; a multiply-accumulate is 2. */
double network_flops_per_image(const struct genome *genome, const struct image_shape *shape);

#endif
