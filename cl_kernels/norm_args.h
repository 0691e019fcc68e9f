/* Arguments of the kernels in norm.cl. Compiled by the host and by OpenCL; strides and offsets
   count floats. */
#ifndef CLADE_CL_KERNELS_NORM_ARGS_H
#define CLADE_CL_KERNELS_NORM_ARGS_H

struct norm_args {
    int z_row, z_block, z_image, z_origin; /* of the convolution's sums */
    int y_row, y_block, y_image, y_origin; /* of y, or of dy */
    int height, width;
    int blocks;                  /* of lanes channels */
    int images, images_per_item; /* of a member */
    int parts;                   /* partial sums to add, of a member */
    int members;
    int gamma, beta; /* offsets in the parameters and gradients of the first member */
    int member_stride;
    int activations[16]; /* of members; forward only */
    int keep_slope;      /* forward only */
    float epsilon, momentum;
};

#endif
