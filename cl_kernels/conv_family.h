/*
 * What a family of convolution kernels offers to conv.c, which checks arguments and dispatches.
 * The functions mean what conv.h says of their namesakes; `state` is the family's own.
 */
#ifndef CLADE_CL_KERNELS_CONV_FAMILY_H
#define CLADE_CL_KERNELS_CONV_FAMILY_H

#include "cl_kernels/conv.h"

struct conv_family_ops {
    const char *name;
    bool makes_sums; /* honours `sums` of struct conv_epilogue and struct conv_chain, a part an
                        image */
    /* *state is NULL after a failure. `plan` is valid during the call only: copy it. Its `members`
       is at least 1. */
    enum error (*create)(void **state, struct device *device, const struct conv_plan *plan);
    void (*destroy)(void *state); /* NULL is allowed */
    int (*variants)(struct conv_tiles variants[CONV_VARIANTS_MAX], const struct device *device,
                    const struct conv_plan *plan);
    /* As conv_scratch(); for a plan like create()'s. NULL: none. */
    void (*scratch)(size_t bytes[SCRATCH_COUNT], const struct device *device,
                    const struct conv_plan *plan);
    int (*group)(const void *state);
    int (*group_transposed)(const void *state);
    int (*splits)(const struct device *device, const struct conv_plan *plan);
    enum error (*forward)(void *state, cl_mem x, struct span weights,
                          const struct conv_epilogue *epilogue, cl_mem y, int images);
    enum error (*input_gradient)(void *state, cl_mem dy, struct span transposed,
                                 const struct conv_chain *chain, cl_mem dx, int images);
    enum error (*weight_gradient)(void *state, cl_mem x, cl_mem dy, struct span dw, struct span db,
                                  size_t split_stride, int images);
};

extern const struct conv_family_ops conv_vector_ops, conv_tiled_ops, conv_gemm_ops,
    conv_winograd_ops;

/* Of a family other than CONV_AUTO. */
const struct conv_family_ops *conv_family_ops(enum conv_family family);

/*
 * The family that does `plan`: the one it names, where it can (CONV_WINOGRAD else means
 * CONV_VECTOR); for CONV_AUTO winograd or vector on a CPU device, CLBlast elsewhere. Families round
 * differently, so this follows from the plan alone and never from timing.
 */
enum conv_family conv_family_by_rule(const struct device *device, const struct conv_plan *plan);

/* Puts the rule's tiles where plan->tiles has zeros: for a family's create(). */
void conv_complete_tiles(struct conv_plan *plan, const struct device *device);

/* Raises *bytes to `floats` floats. */
void conv_raise_scratch(size_t *bytes, size_t floats);

/* Whether the winograd family can do this convolution. */
bool conv_winograd_fits(const struct conv_plan *plan);

#endif
