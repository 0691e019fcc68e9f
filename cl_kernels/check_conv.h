/* One convolution of one family against its CPU twin: every pass and every promise of conv.h. */
#ifndef CLADE_CL_KERNELS_CHECK_CONV_H
#define CLADE_CL_KERNELS_CHECK_CONV_H

#include "cl_kernels/check.h"
#include "cl_kernels/conv.h"

struct conv_case {
    struct conv_shape shape;
    int height, width;
    int batch, images;          /* what the plan is made for; images in the calls */
    enum activation activation; /* of the result and of the layer below; ACT_COUNT: none */
    int extra_halo;             /* of all tensors, beyond what is needed */
};

/* "17 -> 33, k3 s2, 28x28, 2 of 3 images, relu, halo +0" */
void conv_case_text(char text[CHECK_SHAPE_SIZE], const struct conv_case *c);

/*
 * Forward (with and without bias, activation and kept derivative), input gradient (with and without
 * a layer below), weight gradient (with and without bias, twice: equal bytes), the partial sums for
 * batch normalisation where the family makes them; nothing outside the results is written.
 * ERR_NO_DEVICE when an error is more than is allowed. `tiles` NULL: the family's rule. `outcome`
 * may be NULL.
 */
struct conv_outcome {
    double worst;    /* the largest error in units of what is allowed (check.h) */
    uint64_t digest; /* of every bit of every result, however weights are packed */
};
enum error conv_check(struct device *device, enum conv_family family,
                      const struct conv_tiles *tiles, const struct conv_case *c,
                      struct conv_outcome *outcome);

#endif
