/* Arguments of the kernel in augment.cl. Compiled by the host and by OpenCL. */
#ifndef CLADE_CL_KERNELS_AUGMENT_ARGS_H
#define CLADE_CL_KERNELS_AUGMENT_ARGS_H

struct augment_args {
    int first;  /* image n of the batch is order[first + n] */
    int images; /* of a member */
    int height, width, channels;
    int x_row, x_block, x_image, x_origin, lanes;
    int flip;   /* 0 or 1 */
    int shift;  /* pixels */
    int cutout; /* side of the square, pixels; 0: none */
    unsigned step;
    float scale, shift_value; /* x = byte * scale + shift_value */
};

#endif
