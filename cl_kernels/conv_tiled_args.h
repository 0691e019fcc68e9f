/* Arguments of the kernels in conv_tiled.cl. Compiled by the host and by OpenCL: ints only, so that
   both lay it out alike. Strides and offsets count floats. */
#ifndef CLADE_CL_KERNELS_CONV_TILED_ARGS_H
#define CLADE_CL_KERNELS_CONV_TILED_ARGS_H

/* A tensor in the blocked layout. */
struct tiled_tensor {
    int row, block, image, origin;
    int lanes, channels;
};

/* Pixels of a result that share their taps: all of y, or one parity of rows and columns of dx. */
struct tiled_phase {
    int first_row, first_column; /* in the result */
    int rows, columns;
    int table, reduced; /* its part of the table of reduced places */
};

struct tiled_gather_args {
    struct tiled_tensor from, to, kept;
    struct tiled_phase phases[4];
    int phase_count;
    int images;          /* of a member */
    int from_step;       /* pixels of `from` between neighbours of a phase */
    int to_step;         /* pixels of `to` between neighbours of a phase */
    int group_rows;      /* rows of packed weights in a group: taps * reduced channels */
    int weights, bias;   /* offsets; bias -1: none */
    int member_stride;   /* of both */
    int activations[16]; /* of members */
    int keep_slope;
};

struct tiled_weight_args {
    struct tiled_tensor x, dy; /* x.origin is tap (0, 0) */
    int height, width;         /* of dy */
    int stride;
    int reduced;                  /* rows of dw: taps * input channels */
    int images, images_per_split; /* of a member */
    int splits;
    int dw, db; /* db -1: not wanted */
    int split_stride, member_stride;
};

struct tiled_sum_args {
    int splits, split_stride;
    int weights; /* floats of dw; those of db follow */
    int dw, db, member_stride;
};

#endif
