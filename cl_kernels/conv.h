/*
 * 2-D convolution with zero padding of kernel/2: forward, input gradient, weight gradient.
 * Layouts and weight order: layout.h. Four families give the same results within tolerance:
 * vector (conv_vector.*), Winograd's for 3x3 and 5x5 (conv_winograd.*), both for CPU devices; tiled
 * (conv_tiled.*) and im2col + CLBlast GEMM (conv_gemm.*) for GPUs.
 *
 * Several networks of one shape, the members of a pack, can share each launch: image n of a tensor
 * belongs to member n / images, `images` being each member's in this call, and parameters of the
 * members lie a stride apart. Vector, winograd and tiled give the bytes that they give one by one;
 * CLBlast multiplies member after member.
 *
 * All calls only enqueue on the device's in-order queue; nothing waits.
 */
#ifndef CLADE_CL_KERNELS_CONV_H
#define CLADE_CL_KERNELS_CONV_H

#include <stdbool.h>

#include "cl_kernels/device.h"
#include "cl_kernels/layout.h"
#include "cl_kernels/pack.h"
#include "inputs/genome.h"
#include "inputs/settings.h"

/* ACT_COUNT stands for "none" wherever an `enum activation` is an epilogue. */

struct conv_shape {
    int channels_in, channels_out;
    int kernel; /* 1, 3, 5, 7 */
    int stride; /* 1, 2 */
};

struct conv; /* one convolution of one network on one device */

/* A view of a device buffer that starts `offset` floats in; that of the next member of a pack
   starts `stride` floats later. */
struct span {
    cl_mem buffer;
    size_t offset, stride;
};

/* What the forward pass adds to the plain sum. */
struct conv_epilogue {
    struct span bias; /* [channels_out rounded up to group], with the stride of the weights;
                         buffer NULL: no bias */
    enum activation activation; /* ACT_COUNT: none */
    const enum activation *each;
    cl_mem sums;       /* for batch normalisation, with no bias and no activation: gets
                          partial sums of y and y * y, [members * images][2][channels in
                          whole blocks]; NULL: not wanted */
    cl_mem derivative; /* for swish and gelu in training: d activation / d input, in the
                          layout of the output; a member with another activation has its
                          output there; NULL: not kept */
};

/* What the input gradient is multiplied with before it is stored: the derivative of the layer
   below, so that what is stored is the gradient of that layer's sums. */
struct conv_chain {
    enum activation activation; /* of the layer below; ACT_COUNT: none */
    const enum activation *each;
    cl_mem kept;          /* relu, sigmoid, tanh: the layer's output; swish, gelu: the kept
                             derivative; in the layout of the input gradient */
    struct layout layout; /* of `kept` */
    /* For batch normalisation below, NULL otherwise: `sums` gets partial sums of dx and
       dx * (z - mean), [members * images * conv_parts()][2][channels in whole blocks]; `means` is
       [members][channels in whole blocks]. */
    cl_mem sums, z, means;
    struct layout z_layout;
};

/*
 * How a family cuts a convolution into tiles; a 0 leaves that to the family's own rule. All but the
 * sides change the time of a pass and not one bit of its results; only what conv_variants() lists
 * may be asked for. The first two decide how weights are packed. Of the sides, either may be asked
 * for: all variants of a plan have the same, but a check may try what another shape uses.
 */
struct conv_tiles {
    int group, group_transposed; /* vector, winograd: vectors in a weight group; tiled: channels */
    int forward, input_gradient; /* pixels of a tile (winograd: output tiles) */
    int weight_gradient;         /* input channels of a tile; tiled: and taps */
    int side, weight_side;       /* winograd: pixels of an input tile's side, 6 or 7; in the weight
                                    gradient */
};

/*
 * `input` is the layout of x, `output` of y and `gradient` of dy (equal to `output` but for the
 * halo), `input_gradient` of dx. Halos: x needs at least kernel/2, dy at least kernel/2; y and dx
 * any. `family` may be CONV_AUTO (conv_family.h), and then `tiles` are zeros. What the tuner chose
 * (tuning.h) counts where `tiles.group` is 0. `batch` is the
 * largest number of images of a member in a call. `members` 0 counts as 1.
 */
struct conv_plan {
    struct conv_shape shape;
    struct layout input, output, gradient, input_gradient;
    enum conv_family family;
    struct conv_tiles tiles;
    int batch;
    int members;
};

enum { CONV_VARIANTS_MAX = 8 };

/* The tiles that are worth timing for a plan of a family other than CONV_AUTO, the family's own
   rule first; what a family has no choice of is 0 in all. Passes are independent but for the
   groups: a forward pass and a weight gradient of one group from two variants may be put together,
   and an input gradient from a third. Returns how many, at least 1. */
int conv_variants(struct conv_tiles variants[CONV_VARIANTS_MAX], const struct device *device,
                  const struct conv_plan *plan);

/* Raises each bytes[purpose] to the scratch memory (device_scratch()) that a convolution of this
   plan takes for it; CLBlast's own part is an upper bound. Creates nothing. */
void conv_scratch(size_t bytes[SCRATCH_COUNT], const struct device *device,
                  const struct conv_plan *plan);

enum error conv_create(struct conv **out, struct device *device, const struct conv_plan *plan);
void conv_destroy(struct conv *conv);

/* Channels in a weight group (of the output; of the input for the transposed copy), and floats
   of the packed weights: groups * taps * reduced channels * group. */
int conv_group(const struct conv *conv);
int conv_group_transposed(const struct conv *conv);
size_t conv_weight_floats(const struct conv *conv);
size_t conv_transposed_floats(const struct conv *conv);

/* Parts an image in the sums of struct conv_chain; 0 when the family makes no sums, neither here
   nor in conv_forward(): then they are made apart (norm.h). */
int conv_parts(const struct conv *conv);

/* Partial sums that conv_weight_gradient writes: this many copies of the weights (and of the
   bias), to be added in order. */
int conv_splits(const struct conv *conv);
int conv_plan_splits(const struct device *device, const struct conv_plan *plan);

/* Packed place of weight [output channel][input channel][tap], for either copy. */
size_t conv_weight_place(const struct conv *conv, int output, int input, int tap);
size_t conv_transposed_place(const struct conv *conv, int output, int input, int tap);

/* y = activation(x * w + bias) for the first members * images images. */
enum error conv_forward(struct conv *conv, cl_mem x, struct span weights,
                        const struct conv_epilogue *epilogue, cl_mem y, int images);

/* dx = (dy * transposed w) . derivative of the layer below. Overwrites the inside of dx. */
enum error conv_input_gradient(struct conv *conv, cl_mem dy, struct span transposed,
                               const struct conv_chain *chain, cl_mem dx, int images);

/*
 * Partial sums of dw and db: split s writes weights at dw.offset + s * split_stride and the bias
 * at db.offset + s * split_stride (floats), overwriting; dw and db have one stride between members.
 * db.buffer NULL: no bias gradient.
 */
enum error conv_weight_gradient(struct conv *conv, cl_mem x, cl_mem dy, struct span dw,
                                struct span db, size_t split_stride, int images);

#endif
