/* Arguments of the kernels in conv_gemm.cl. Compiled by the host and by OpenCL: ints only, so that
   both lay it out alike. Strides and offsets count floats. */
#ifndef CLADE_CL_KERNELS_CONV_GEMM_ARGS_H
#define CLADE_CL_KERNELS_CONV_GEMM_ARGS_H

/* A tensor in the blocked layout; `origin` is the pixel that the kernel counts from. */
struct gemm_tensor {
    int row, block, image, origin;
    int lanes, channels;
};

/* Both sides of the copies between tensors and matrices. */
struct gemm_args {
    struct gemm_tensor x, y, kept; /* x: input or dx; y: output or dy; kept: of the layer below */
    int first_image;               /* of this chunk */
    int height, width;             /* of y */
    int x_height, x_width;
    int kernel_side, pad, stride;
    int group;      /* columns of a row of y as a matrix */
    int x_group;    /* columns of one tap of dx as a matrix */
    int activation; /* forward: of y; input gradient: of the layer below */
    int bias;       /* offset, -1: none */
    int keep_slope;
    int matrix, weights; /* offsets of the matrix and of weights in their buffers */
};

struct column_sum_args {
    int rows, columns;
    int parts;                /* the rows are added in this many parts, then the parts */
    int matrix, partial, sum; /* offsets */
    int accumulate;           /* the result is added to what is there */
};

#endif
