/*
 * CPU twins: every operation of the training engine again, in plain C and double, as slow and as
 * plain as its formula. Tests and device_self_test() compare the kernels with them; central finite
 * differences check the twins themselves (tests/test_twins.c).
 *
 * Tensors are dense: x[image][channel][row][column], w[output][input][row][column] as PyTorch has
 * them. Outputs are overwritten. Any thread.
 */
#ifndef CLADE_CL_KERNELS_TWINS_H
#define CLADE_CL_KERNELS_TWINS_H

#include <stddef.h>
#include <stdint.h>

#include "cl_kernels/conv.h"
#include "inputs/genome.h"
#include "inputs/settings.h"

/* A convolution of `images` images of height x width: zero padding of kernel/2 on each side, an
   output side of ceil(side / stride). */
struct twin_conv {
    struct conv_shape shape;
    int images, height, width;
};

int twin_conv_height(const struct twin_conv *conv); /* of the output */
int twin_conv_width(const struct twin_conv *conv);

/* y = x * w + bias; `bias` may be NULL. */
void twin_conv_forward(const struct twin_conv *conv, const double *x, const double *w,
                       const double *bias, double *y);
/* dx from dy; dw and db from x and dy. */
void twin_conv_input_gradient(const struct twin_conv *conv, const double *dy, const double *w,
                              double *dx);
void twin_conv_weight_gradient(const struct twin_conv *conv, const double *x, const double *dy,
                               double *dw, double *db);

/* ACT_COUNT is the identity. relu has derivative 0 at 0, as PyTorch has. */
double twin_activation(enum activation activation, double x);
double twin_activation_derivative(enum activation activation, double x);

/* y[image][channel] = mean over `pixels` of x[image][channel][pixel], and back. */
void twin_pool_forward(int images, int channels, int pixels, const double *x, double *y);
void twin_pool_input_gradient(int images, int channels, int pixels, const double *dy, double *dx);

/* y[image][output] = sum of x[image][input] * w[output][input] + bias[output], and back. */
void twin_dense_forward(int images, int inputs, int outputs, const double *x, const double *w,
                        const double *bias, double *y);
void twin_dense_input_gradient(int images, int inputs, int outputs, const double *dy,
                               const double *w, double *dx);
void twin_dense_weight_gradient(int images, int inputs, int outputs, const double *x,
                                const double *dy, double *dw, double *db);

/* Mean cross-entropy of softmax(logits[image][class]); *correct counts the images whose label has
   the first largest logit; dlogits, if not NULL, gets the gradient of the mean when `smoothing` of
   every target is spread over all classes (the loss itself is without smoothing). */
double twin_softmax_loss(int images, int classes, double smoothing, const double *logits,
                         const uint8_t *labels, double *dlogits, int *correct);

/* Batch normalisation of z[image][channel][pixel]: u = gamma v + beta, v = (z - mean) * deviation
   over images and pixels, deviation = 1 / sqrt(variance + epsilon). mean and deviation get
   [channel] values. */
void twin_norm_forward(int images, int channels, int pixels, double epsilon, const double *z,
                       const double *gamma, const double *beta, double *u, double *mean,
                       double *deviation);
/* dz, dgamma and dbeta from du. */
void twin_norm_gradient(int images, int channels, int pixels, double epsilon, const double *z,
                        const double *gamma, const double *du, double *dz, double *dgamma,
                        double *dbeta);

/* Hyperparameters of one optimizer step; `step` counts from 1. */
struct twin_step {
    enum optimizer optimizer;
    int64_t step;
    double learning_rate, weight_decay, momentum, beta1, beta2, epsilon;
};

/*
 * One step over `count` parameters, as torch.optim does it: AdamW decays p by lr * weight_decay * p
 * before the step (Loshchilov and Hutter, 2019), Adam and SGD add weight_decay * p to the gradient.
 * m and v are the two moments; SGD keeps its momentum buffer in m (zero before the first step) and
 * leaves v alone. Biases are stepped by a call of their own with weight_decay 0.
 */
void twin_optimizer_step(const struct twin_step *step, size_t count, double *p, const double *g,
                         double *m, double *v);

/* The exponential moving average of `count` parameters: a step leaves the share `decay` of it. */
void twin_average_step(double decay, size_t count, const double *p, double *average);

#endif
