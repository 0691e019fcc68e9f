/*
 * How activations and weights lie in device memory; every convolution family keeps to it, so a
 * plan can mix them and no layout changes between layers.
 *
 * Activations: float x[image][block][row][column][lane]. Channels come in blocks of `lanes`
 * (16; 8 where that wastes less; an input image of few channels keeps its own number); lanes past
 * the last channel hold zeros in gradients, and anything finite in activations, where nobody reads
 * them. Every image plane has a border of `halo` zero pixels on all four sides, which kernels read
 * but never write, so that padding costs no test in an inner loop. A buffer ends with LAYOUT_SLACK
 * readable floats, so that a ragged register tile may read past the last row.
 *
 * Weights: float w[group][tap][input channel][lane], group = `group` output channels (a multiple
 * of the output's lanes; the last group is filled up with zeros), tap = row * kernel + column.
 * For the input gradient a transposed copy exists: float wt[group of input channels][tap][output
 * channel][lane]. Only true channels are stored along the reduced dimension.
 */
#ifndef CLADE_CL_KERNELS_LAYOUT_H
#define CLADE_CL_KERNELS_LAYOUT_H

#include <stddef.h>

enum { LAYOUT_SLACK = 1024 };

struct layout {
    int height, width, channels;
    int halo;
    int lanes;  /* channels in a block */
    int blocks; /* ceil(channels / lanes) */
    /* Strides in floats: */
    size_t row;    /* (width + 2 halo) * lanes */
    size_t block;  /* (height + 2 halo) * row */
    size_t image;  /* blocks * block */
    size_t origin; /* offset of pixel (0, 0) of a block: (halo * (width + 2 halo) + halo) * lanes */
};

/* 8 when that fills up fewer channels than 16 does, else 16. */
int layout_lanes(int channels);

/* `halo` >= 0; lanes = layout_lanes(channels). */
struct layout layout_make(int height, int width, int channels, int halo);

/* The input of a network: lanes = channels when there are fewer than 8. */
struct layout layout_make_image(int height, int width, int channels, int halo);

/* Floats of a buffer for `images` images, slack included. */
size_t layout_floats(const struct layout *layout, int images);

/* Host-side copies between x[image][channel][row][column] and the layout (borders untouched). */
void layout_pack(const struct layout *layout, int images, const float *nchw, float *blocked);
void layout_unpack(const struct layout *layout, int images, const float *blocked, float *nchw);

#endif
