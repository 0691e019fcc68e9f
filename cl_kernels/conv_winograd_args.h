/* Arguments of the kernels in conv_winograd.cl. Compiled by the host and by OpenCL: ints only.
   Strides and offsets count floats. */
#ifndef CLADE_CL_KERNELS_CONV_WINOGRAD_ARGS_H
#define CLADE_CL_KERNELS_CONV_WINOGRAD_ARGS_H

struct winograd_tensor {
    int row, block, image, origin;
};

struct winograd_weights_args {
    int weights; /* offset, and between members */
    int member_stride;
    int channels; /* summed over */
    int groups;
};

struct winograd_args {
    struct winograd_tensor x; /* what is read: x, or dy for the input gradient */
    struct winograd_tensor y; /* what is written; weight gradient: dy */
    struct winograd_tensor kept, z;
    int height, width;     /* of y */
    int x_bottom, x_right; /* of x, with the zeros of its halo that follow */
    int tiles_y, tiles_x;
    int strip;           /* rows of tiles that are done at a time; all, if chunk > 1 */
    int channels;        /* summed over; weight gradient: of x */
    int groups;          /* of what is written */
    int images, chunk;   /* of a member */
    int member_stride;   /* of the bias */
    int columns;         /* tiles of a chunk's strip, rounded up to PIXELS */
    int activations[16]; /* of members; forward: of y; gradient: of the layer below */
    int bias;            /* offset, or -1 */
    int keep_slope;
    int sums;
    int scratch; /* floats of scratch a work-item: transformed x, then products */
    int partial; /* weight gradient: floats of partial sums a work-item */
};

struct winograd_sum_args {
    int items, partial; /* copies of partial sums, floats in each */
    int channels, groups;
    int dw, db; /* offsets; db -1: none */
    int member_stride;
};

#endif
