/*
 * Batch normalisation of one convolution (norm.cl). While training, the convolution writes its
 * plain sums z, norm_forward() makes y = activation(gamma * v + beta) of them, v being z
 * normalised over the batch; norm_gradient() turns the gradient of gamma * v + beta into that of
 * z. For validation and for the deployed network norm_fold() folds it into weights and bias, so
 * that it costs no parameter. All calls only enqueue.
 */
#ifndef CLADE_CL_KERNELS_NORM_H
#define CLADE_CL_KERNELS_NORM_H

#include "cl_kernels/conv.h"
#include "cl_kernels/device.h"
#include "cl_kernels/layout.h"

struct norm_plan {
    struct layout z, y, dy; /* of one shape; halos may differ */
    enum activation activation;
    const enum activation *each; /* pack.h; must outlive the norm */
    int batch;                   /* images of a member at most */
    int members;                 /* of a pack (conv.h); 0 counts as 1 */
    int parts;                   /* in the sums of the gradient, an image; 0: made here */
    bool forward_sums;           /* the convolution makes the sums of z */
    size_t gamma, beta;   /* places in the flat parameters and gradients, whole blocks each */
    size_t member_stride; /* floats between the parameters of members, and their gradients */
};

struct norm {
    struct device *device;
    struct norm_plan plan;
    cl_kernel forward, gradient, sum, gradient_sum, fold;
    cl_mem sums; /* [members * images * parts][2][channels in whole blocks], for z, then for dy */
    /* [4][members][channels in whole blocks]: mean, 1/deviation, running mean, variance */
    cl_mem statistics;
};

uint64_t norm_bytes(const struct layout *z, int batch, int members, int parts);

enum error norm_create(struct norm *norm, struct device *device, const struct norm_plan *plan);
void norm_destroy(struct norm *norm);

/* Running mean 0 and variance 1, as before the first batch. */
enum error norm_reset(struct norm *norm);

/* y and, where `slopes` is not NULL, what struct conv_epilogue says of `derivative`; `images` of
 * each member. */
enum error norm_forward(struct norm *norm, cl_mem z, cl_mem parameters, cl_mem y, cl_mem slopes,
                        int images);

/* dy in place, gradients of gamma and beta. */
enum error norm_gradient(struct norm *norm, cl_mem z, cl_mem parameters, cl_mem dy,
                         cl_mem gradients, int images);

/* Folded weights and bias (at beta's place) of `conv`, whose weights are at `weights`. */
enum error norm_fold(struct norm *norm, const struct conv *conv, cl_mem parameters, size_t weights,
                     cl_mem folded);

#endif
