/*
 * The optimizer over all parameters of a network, or of all members of a pack, at once
 * (optimizer.cl), and the learning rate of a step.
 */
#ifndef CLADE_CL_KERNELS_OPTIMIZER_H
#define CLADE_CL_KERNELS_OPTIMIZER_H

#include "cl_kernels/device.h"
#include "inputs/settings.h"

struct optimizer_state {
    struct device *device;
    struct training_settings settings;
    size_t floats;    /* of the flat parameters of a member, a multiple of 16 */
    size_t decay_end; /* parameters before it are weights */
    int splits;       /* partial gradients, members * floats apart */
    int members;
    cl_kernel step, squares, transpose, blend;
    cl_mem chunk_squares; /* with clipping: squares of the gradient, a float a work-item */
    cl_mem first, second; /* moments, [members][floats] each */
    cl_mem average;       /* of the parameters, like them; NULL with AVERAGE_NONE */
};

enum error optimizer_create(struct optimizer_state *optimizer, struct device *device,
                            const struct training_settings *settings, size_t floats,
                            size_t decay_end, int splits, int members);
void optimizer_destroy(struct optimizer_state *optimizer);

/* Sets the moments and the average to zero, as before the first step. */
enum error optimizer_reset(struct optimizer_state *optimizer);

/* Enqueues step number `step` (from 0) of `total_steps`, and that of the average. Parameters and
   each partial gradient are [members][floats]. */
enum error optimizer_run(struct optimizer_state *optimizer, cl_mem parameters, cl_mem gradients,
                         int64_t step, int64_t total_steps);

/* parameters = average; only with AVERAGE_EMA, after a step. */
enum error optimizer_use_average(struct optimizer_state *optimizer, cl_mem parameters);

/* How much of the average step number `step` (from 0) leaves: the decay, or step / (9 + step) while
   that is less, so that the first weights are soon forgotten. */
double average_decay(const struct training_settings *settings, int64_t step);

/* transposed[member][i] = parameters[member][places[i]] (0 for a negative place), i < count. */
enum error optimizer_transpose(struct optimizer_state *optimizer, cl_mem parameters, cl_mem places,
                               cl_mem transposed, size_t count);

/*
 * Constant, or one-cycle (Smith and Topin, arXiv 1708.07120, with cosine slopes as in PyTorch's
 * OneCycleLR): from peak / 25 up to the peak over the first `warmup` share of the steps, then down
 * to peak / 25e4.
 */
double learning_rate(const struct training_settings *settings, int64_t step, int64_t total_steps);

#endif
