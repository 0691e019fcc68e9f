#include "cl_kernels/conv.h"

#include <assert.h>
#include <stdlib.h>

#include "cl_kernels/conv_family.h"
#include "cl_kernels/tuning.h"

struct conv {
    const struct conv_family_ops *ops;
    void *state;
    struct conv_shape shape;
    int group, group_transposed, splits;
};

const struct conv_family_ops *conv_family_ops(enum conv_family family)
{
    switch (family) {
    case CONV_TILED:
        return &conv_tiled_ops;
    case CONV_CLBLAST:
        return &conv_gemm_ops;
    case CONV_WINOGRAD:
        return &conv_winograd_ops;
    default:
        return &conv_vector_ops;
    }
}

enum conv_family conv_family_by_rule(const struct device *device, const struct conv_plan *plan)
{
    if (plan->family == CONV_WINOGRAD)
        return conv_winograd_fits(plan) ? CONV_WINOGRAD : CONV_VECTOR;
    if (plan->family != CONV_AUTO)
        return plan->family;
    if (!device_is_cpu(device))
        return CONV_CLBLAST;
    /* With fewer channels the transforms cost what the products save. */
    bool pays = plan->shape.channels_in >= 16 && plan->shape.channels_out >= 16;
    return pays && conv_winograd_fits(plan) ? CONV_WINOGRAD : CONV_VECTOR;
}

/* What a family is told: who does it, by the tuner or by rule, and how many members there are. */
static struct conv_plan whole_plan(const struct device *device, const struct conv_plan *plan)
{
    struct conv_plan whole = *plan;
    assert(plan->members <= PACK_MAX);
    if (whole.members == 0)
        whole.members = 1;
    const struct tuning *tuning = device_tuning(device);
    if (tuning == NULL || plan->tiles.group != 0 || !tuning_apply(tuning, device, &whole))
        whole.family = conv_family_by_rule(device, plan);
    return whole;
}

enum error conv_create(struct conv **out, struct device *device, const struct conv_plan *plan)
{
    assert(plan->input.halo >= plan->shape.kernel / 2);
    assert(plan->gradient.halo >= plan->shape.kernel / 2);
    struct conv *conv = calloc(1, sizeof *conv);
    if (conv == NULL)
        return error_set(ERR_INTERNAL, "out of memory for a convolution");
    struct conv_plan whole = whole_plan(device, plan);
    conv->ops = conv_family_ops(whole.family);
    conv->shape = plan->shape;
    enum error err = conv->ops->create(&conv->state, device, &whole);
    if (err != ERR_NONE) {
        free(conv);
        return err;
    }
    conv->group = conv->ops->group(conv->state);
    conv->group_transposed = conv->ops->group_transposed(conv->state);
    conv->splits = conv->ops->splits(device, &whole);
    *out = conv;
    return ERR_NONE;
}

void conv_scratch(size_t bytes[SCRATCH_COUNT], const struct device *device,
                  const struct conv_plan *plan)
{
    struct conv_plan whole = whole_plan(device, plan);
    const struct conv_family_ops *ops = conv_family_ops(whole.family);
    if (ops->scratch != NULL)
        ops->scratch(bytes, device, &whole);
}

void conv_raise_scratch(size_t *bytes, size_t floats)
{
    if (floats * sizeof(float) > *bytes)
        *bytes = floats * sizeof(float);
}

int conv_variants(struct conv_tiles variants[CONV_VARIANTS_MAX], const struct device *device,
                  const struct conv_plan *plan)
{
    return conv_family_ops(plan->family)->variants(variants, device, plan);
}

void conv_complete_tiles(struct conv_plan *plan, const struct device *device)
{
    struct conv_tiles variants[CONV_VARIANTS_MAX];
    struct conv_tiles *t = &plan->tiles;
    int count = conv_variants(variants, device, plan);
    if (t->group == 0)
        t->group = variants[0].group;
    if (t->group_transposed == 0)
        t->group_transposed = variants[0].group_transposed;
    if (t->side == 0)
        t->side = variants[0].side;
    if (t->weight_side == 0)
        t->weight_side = variants[0].weight_side;
    for (int i = 0; i < count; i++) {
        const struct conv_tiles *v = &variants[i];
        if (v->group == t->group) {
            t->forward = t->forward != 0 ? t->forward : v->forward;
            t->weight_gradient = t->weight_gradient != 0 ? t->weight_gradient : v->weight_gradient;
        }
        if (v->group_transposed == t->group_transposed)
            t->input_gradient = t->input_gradient != 0 ? t->input_gradient : v->input_gradient;
    }
}

void conv_destroy(struct conv *conv)
{
    if (conv == NULL)
        return;
    conv->ops->destroy(conv->state);
    free(conv);
}

int conv_group(const struct conv *conv)
{
    return conv->group;
}

int conv_group_transposed(const struct conv *conv)
{
    return conv->group_transposed;
}

int conv_parts(const struct conv *conv)
{
    return conv->ops->makes_sums ? 1 : 0;
}

int conv_splits(const struct conv *conv)
{
    return conv->splits;
}

int conv_plan_splits(const struct device *device, const struct conv_plan *plan)
{
    struct conv_plan whole = whole_plan(device, plan);
    return conv_family_ops(whole.family)->splits(device, &whole);
}

/* Floats of weights packed for `vectors` channels in groups, summed over `reduced` channels. */
static size_t packed_floats(const struct conv_shape *shape, int vectors, int reduced, int group)
{
    int groups = (vectors + group - 1) / group;
    return (size_t)groups * (size_t)(shape->kernel * shape->kernel) * (size_t)reduced *
           (size_t)group;
}

static size_t packed_place(const struct conv_shape *shape, int vector, int reduced_channel,
                           int reduced, int group, int tap)
{
    size_t taps = (size_t)(shape->kernel * shape->kernel);
    size_t row =
        ((size_t)(vector / group) * taps + (size_t)tap) * (size_t)reduced + (size_t)reduced_channel;
    return row * (size_t)group + (size_t)(vector % group);
}

size_t conv_weight_floats(const struct conv *conv)
{
    return packed_floats(&conv->shape, conv->shape.channels_out, conv->shape.channels_in,
                         conv->group);
}

size_t conv_transposed_floats(const struct conv *conv)
{
    return packed_floats(&conv->shape, conv->shape.channels_in, conv->shape.channels_out,
                         conv->group_transposed);
}

size_t conv_weight_place(const struct conv *conv, int output, int input, int tap)
{
    return packed_place(&conv->shape, output, input, conv->shape.channels_in, conv->group, tap);
}

size_t conv_transposed_place(const struct conv *conv, int output, int input, int tap)
{
    return packed_place(&conv->shape, input, output, conv->shape.channels_out,
                        conv->group_transposed, tap);
}

enum error conv_forward(struct conv *conv, cl_mem x, struct span weights,
                        const struct conv_epilogue *epilogue, cl_mem y, int images)
{
    assert(epilogue->bias.buffer == NULL || epilogue->bias.stride == weights.stride);
    return conv->ops->forward(conv->state, x, weights, epilogue, y, images);
}

enum error conv_input_gradient(struct conv *conv, cl_mem dy, struct span transposed,
                               const struct conv_chain *chain, cl_mem dx, int images)
{
    return conv->ops->input_gradient(conv->state, dy, transposed, chain, dx, images);
}

enum error conv_weight_gradient(struct conv *conv, cl_mem x, cl_mem dy, struct span dw,
                                struct span db, size_t split_stride, int images)
{
    assert(db.buffer == NULL || (dw.buffer == db.buffer && dw.stride == db.stride));
    return conv->ops->weight_gradient(conv->state, x, dy, dw, db, split_stride, images);
}
