/* Arguments of the kernels in head.cl. Compiled by the host and by OpenCL. */
#ifndef CLADE_CL_KERNELS_HEAD_ARGS_H
#define CLADE_CL_KERNELS_HEAD_ARGS_H

struct head_args {
    int x_row, x_block, x_image, x_origin;
    int dx_row, dx_block, dx_image, dx_origin;
    int height, width, channels, lanes;
    int pooled_stride;           /* channels rounded up to whole blocks */
    int classes, classes_stride; /* rounded up to 16 */
    int activations[16];         /* of members; of the dense layer of 64 */
    int belows[16];              /* of the last convolution */
    int weights_1, bias_1, weights_2, bias_2;
    int member_stride; /* of parameters and gradients */
    int images;        /* of a member */
    int first;         /* image n is order[first + n] */
    int train;         /* whether gradients are wanted */
    float smoothing;   /* of labels */
};

#endif
