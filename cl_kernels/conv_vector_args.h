/* Arguments of the kernels in conv_vector.cl. Compiled by the host and by OpenCL: ints only, so
   that both lay it out alike. Strides and offsets count floats. */
#ifndef CLADE_CL_KERNELS_CONV_VECTOR_ARGS_H
#define CLADE_CL_KERNELS_CONV_VECTOR_ARGS_H

struct gather_args {
    int in_row, in_block, in_image, in_origin;
    int out_row, out_block, out_image, out_origin;
    int kept_row, kept_block, kept_image, kept_origin;
    int height, width; /* of the result */
    int channels;      /* reduced over */
    int kernel_rows, kernel_columns;
    int pad;
    int stride;          /* of the convolution */
    int activations[16]; /* of members; forward: of the result; gradient: of the layer below */
    int images;          /* of a member */
    int weights, bias, member_stride;
    int keep_slope;                        /* forward: whether the derivative is stored */
    int sums;                              /* whether partial sums are wanted */
    int z_row, z_block, z_image, z_origin; /* gradient with sums: the sums of the layer below */
};

struct weight_gradient_args {
    int x_row, x_block, x_image, x_origin;
    int dy_row, dy_block, dy_image, dy_origin;
    int height, width; /* of dy */
    int channels;      /* of x */
    int kernel_rows, kernel_columns;
    int stride;
    int images, images_per_split; /* of a member */
    int groups, groups_per_item;
    int dw, db, split_stride, member_stride;
};

#endif
