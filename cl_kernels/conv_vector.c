/* The vector family: host side of conv_vector.cl. Registers decide the tiles: 32 vector
   registers hold the sums, the weights and one broadcast. */
#include <stdio.h>
#include <stdlib.h>

#include "cl_kernels/conv_family.h"
#include "cl_kernels/conv_vector_args.h"
#include "cl_kernels/launch.h"

extern const char cl_source_conv_vector_args[], cl_source_vectors[], cl_source_activation[],
    cl_source_prefetch[], cl_source_conv_vector[];

enum { MAX_SUMS = 28, FEW_SUMS = 6, MAX_PIXELS = 14, MAX_SPLITS = 8 };

_Static_assert(sizeof((struct gather_args){0}.activations) == PACK_MAX * sizeof(int),
               "one for each member");

struct vector_conv {
    struct device *device;
    struct conv_plan plan;           /* its tiles are complete */
    int vectors, vectors_transposed; /* in a weight group */
    int splits, groups_per_item;     /* of the weight gradient */
    /* An input of few channels is read as one channel a float of a tap row: see below. */
    bool merged;
    cl_kernel forward, input_gradient, weight_gradient;
};

/* Vectors in a group: two or three when they divide the blocks, so that no group is ragged. */
static int group_vectors(int blocks)
{
    if (blocks % 2 == 0)
        return 2;
    return blocks % 3 == 0 ? 3 : 1;
}

/* Results in a register tile: least work a row, counting that a tile costs at least the latency
   of its fused multiply-adds and a little of its own. */
static int tile_pixels(int width, int vectors, int most_sums)
{
    int best = 1;
    double best_cost = 1e30;
    for (int pixels = 1; pixels <= MAX_PIXELS && pixels * vectors <= most_sums; pixels++) {
        int tiles = (width + pixels - 1) / pixels;
        int sums = pixels * vectors;
        double cost = tiles * ((sums < 8 ? 8 : sums) + 1.0);
        if (cost < best_cost) {
            best_cost = cost;
            best = pixels;
        }
    }
    return best;
}

/* An input of few channels is read as one channel a float of a tap row: see `merged`. */
static bool is_merged(const struct conv_plan *plan)
{
    return plan->input.lanes == plan->shape.channels_in && plan->input.lanes < 8;
}

static int lanes_read(const struct conv_plan *plan)
{
    return is_merged(plan) ? plan->shape.kernel * plan->shape.channels_in : plan->input.lanes;
}

/* Input channels in a tile of the weight gradient: a whole part of those of a block. */
static int tile_channels(const struct conv_plan *plan, int vectors)
{
    if (is_merged(plan))
        return lanes_read(plan);
    if (vectors == 1)
        return plan->input.lanes;
    return vectors == 4 ? 4 : 8;
}

static int width_of_phase(const struct conv_plan *plan)
{
    return (plan->input.width + plan->shape.stride - 1) / plan->shape.stride;
}

static int input_blocks(const struct conv_plan *plan)
{
    return layout_make(1, 1, plan->shape.channels_in, 0).blocks;
}

struct register_tile {
    int vectors, pixels;
};

/* The rule's, then larger groups. Where a vector takes two registers or more, also tiles that fit
   into 16 of them. */
static int gather_variants(struct register_tile list[CONV_VARIANTS_MAX],
                           const struct device *device, int blocks, int width)
{
    int vectors = group_vectors(blocks), count = 0;
    list[count++] = (struct register_tile){vectors, tile_pixels(width, vectors, MAX_SUMS)};
    for (int larger = vectors + 1; larger <= 4; larger++)
        if (blocks % larger == 0)
            list[count++] = (struct register_tile){larger, tile_pixels(width, larger, MAX_SUMS)};
    if (device_get_info(device)->vector_floats < 16) {
        list[count++] = (struct register_tile){1, tile_pixels(width, 1, FEW_SUMS)};
        if (vectors == 2)
            list[count++] = (struct register_tile){2, tile_pixels(width, 2, FEW_SUMS)};
    }
    return count;
}

static int vector_variants(struct conv_tiles variants[CONV_VARIANTS_MAX],
                           const struct device *device, const struct conv_plan *plan)
{
    struct register_tile forward[CONV_VARIANTS_MAX], gradient[CONV_VARIANTS_MAX];
    int forwards = gather_variants(forward, device, plan->output.blocks, plan->output.width);
    int gradients = gather_variants(gradient, device, input_blocks(plan), width_of_phase(plan));
    int count = forwards > gradients ? forwards : gradients;
    for (int i = 0; i < count; i++) {
        struct register_tile f = forward[i < forwards ? i : 0];
        struct register_tile g = gradient[i < gradients ? i : 0];
        variants[i] = (struct conv_tiles){.group = f.vectors,
                                          .group_transposed = g.vectors,
                                          .forward = f.pixels,
                                          .input_gradient = g.pixels,
                                          .weight_gradient = tile_channels(plan, f.vectors)};
    }
    return count;
}

static enum error build(cl_kernel *out, struct device *device, const char *kernel,
                        const char *options)
{
    const char *sources[] = {cl_source_conv_vector_args, cl_source_vectors, cl_source_activation,
                             cl_source_prefetch, cl_source_conv_vector};
    return program_kernel_build(out, device, "conv_vector", sources, 5, options, kernel);
}

static enum error build_gather(cl_kernel *out, const struct vector_conv *c, bool gradient,
                               const struct layout *to, int vectors, int pixels, int x_lanes,
                               int step)
{
    char options[160];
    snprintf(options, sizeof options,
             "-D LANES=%d -D VECTORS=%d -D PIXELS=%d -D X_LANES=%d -D X_STEP=%d%s", to->lanes,
             vectors, pixels, x_lanes, step, gradient ? " -D GRADIENT" : "");
    return build(out, c->device, "conv_gather", options);
}

static void vector_destroy(void *state)
{
    struct vector_conv *c = state;
    if (c == NULL)
        return;
    cl_kernel kernels[] = {c->forward, c->input_gradient, c->weight_gradient};
    for (int i = 0; i < 3; i++)
        if (kernels[i] != NULL)
            clReleaseKernel(kernels[i]);
    free(c);
}

/*
 * The weight gradient goes over all groups for an image at a time, so that its planes are read
 * once. A device of several units is kept busy by groups of their own and, as far as needed, by
 * splitting the batch.
 */
static int vector_splits(const struct device *device, const struct conv_plan *plan)
{
    int units = device_get_info(device)->compute_units;
    if (units == 1)
        return 1;
    /* Not those of a tuned tile: the splits decide the order of sums. */
    int groups = plan->output.blocks / group_vectors(plan->output.blocks);
    int splits = (4 * units + groups - 1) / groups;
    if (splits > MAX_SPLITS)
        splits = MAX_SPLITS;
    return splits < plan->batch ? splits : plan->batch;
}

static enum error vector_create(void **state, struct device *device, const struct conv_plan *plan)
{
    enum error err = ERR_NONE;
    struct vector_conv *c = calloc(1, sizeof *c);
    if (c == NULL)
        return error_set(ERR_INTERNAL, "out of memory for a convolution");
    c->device = device;
    c->plan = *plan;
    conv_complete_tiles(&c->plan, device);
    const struct conv_tiles *t = &c->plan.tiles;
    c->vectors = t->group;
    c->vectors_transposed = t->group_transposed;

    const struct conv_shape *s = &plan->shape;
    const struct layout *in = &plan->input;
    c->merged = is_merged(plan);
    int x_lanes = lanes_read(plan);
    c->splits = vector_splits(device, plan);
    c->groups_per_item = device_get_info(device)->compute_units == 1 ? plan->output.blocks : 1;

    TRY(build_gather(&c->forward, c, false, &plan->output, c->vectors, t->forward, x_lanes,
                     in->lanes * s->stride));
    if (plan->input_gradient.channels > 0)
        TRY(build_gather(&c->input_gradient, c, true, &plan->input_gradient, c->vectors_transposed,
                         t->input_gradient, plan->gradient.lanes, plan->gradient.lanes));
    char options[160];
    snprintf(options, sizeof options,
             "-D LANES=%d -D VECTORS=%d -D TILE=%d -D X_LANES=%d -D X_STEP=%d",
             plan->gradient.lanes, c->vectors, t->weight_gradient, x_lanes, in->lanes * s->stride);
    TRY(build(&c->weight_gradient, device, "conv_weight_gradient", options));
    *state = c;
    return ERR_NONE;
out:
    vector_destroy(c);
    *state = NULL;
    return err;
}

static int vector_group(const void *state)
{
    const struct vector_conv *c = state;
    return c->vectors * c->plan.output.lanes;
}

static int vector_group_transposed(const void *state)
{
    const struct vector_conv *c = state;
    return c->vectors_transposed * layout_lanes(c->plan.shape.channels_in);
}

static enum error run(struct vector_conv *c, cl_kernel kernel, const char *name,
                      const cl_mem *buffers, int buffer_count, const void *args, size_t args_size,
                      const size_t global[3])
{
    struct launch launch;
    launch_start(&launch, c->device, kernel, name);
    for (int i = 0; i < buffer_count; i++)
        launch_buffer(&launch, buffers[i]);
    launch_struct(&launch, args, args_size);
    return launch_run(&launch, global[0], global[1], global[2]);
}

/* Where tap (0, 0) of result (0, 0) is read. */
static int first_tap(const struct layout *l, int pad)
{
    return (int)(l->origin - (size_t)pad * l->row - (size_t)(pad * l->lanes));
}

static enum error vector_forward(void *state, cl_mem x, struct span weights,
                                 const struct conv_epilogue *epilogue, cl_mem y, int images)
{
    struct vector_conv *c = state;
    const struct layout *in = &c->plan.input, *to = &c->plan.output;
    const struct conv_shape *s = &c->plan.shape;
    struct gather_args args = {
        .in_row = (int)in->row,
        .in_block = (int)in->block,
        .in_image = (int)in->image,
        .in_origin = first_tap(in, s->kernel / 2),
        .out_row = (int)to->row,
        .out_block = (int)to->block,
        .out_image = (int)to->image,
        .out_origin = (int)to->origin,
        .height = to->height,
        .width = to->width,
        .channels = c->merged ? s->kernel * s->channels_in : s->channels_in,
        .kernel_rows = s->kernel,
        .kernel_columns = c->merged ? 1 : s->kernel,
        .pad = s->kernel / 2,
        .stride = s->stride,
        .images = images,
        .member_stride = (int)weights.stride,
        .weights = (int)weights.offset,
        .bias = epilogue->bias.buffer != NULL ? (int)epilogue->bias.offset : -1,
        .keep_slope = epilogue->derivative != NULL,
        .sums = epilogue->sums != NULL,
    };
    pack_activations(args.activations, epilogue->activation, epilogue->each, c->plan.members);
    cl_mem parameters = epilogue->bias.buffer != NULL ? epilogue->bias.buffer : weights.buffer;
    cl_mem slopes = epilogue->derivative != NULL ? epilogue->derivative : y;
    cl_mem sums = epilogue->sums != NULL ? epilogue->sums : y;
    cl_mem buffers[] = {x, weights.buffer, parameters, y, y, slopes, y, y, sums};
    const size_t global[3] = {(size_t)(to->blocks / c->vectors), (size_t)(c->plan.members * images),
                              1};
    return run(c, c->forward, "conv_gather", buffers, 9, &args, sizeof args, global);
}

static enum error vector_input_gradient(void *state, cl_mem dy, struct span transposed,
                                        const struct conv_chain *chain, cl_mem dx, int images)
{
    struct vector_conv *c = state;
    const struct layout *in = &c->plan.gradient, *to = &c->plan.input_gradient;
    const struct conv_shape *s = &c->plan.shape;
    bool chained = chain != NULL && chain->activation != ACT_COUNT;
    struct gather_args args = {
        .in_row = (int)in->row,
        .in_block = (int)in->block,
        .in_image = (int)in->image,
        .in_origin = (int)in->origin,
        .out_row = (int)to->row,
        .out_block = (int)to->block,
        .out_image = (int)to->image,
        .out_origin = (int)to->origin,
        .height = to->height,
        .width = to->width,
        .channels = s->channels_out,
        .kernel_rows = s->kernel,
        .kernel_columns = s->kernel,
        .pad = s->kernel / 2,
        .stride = s->stride,
        .images = images,
        .member_stride = (int)transposed.stride,
        .weights = (int)transposed.offset,
        .bias = -1,
    };
    pack_activations(args.activations, chained ? chain->activation : ACT_COUNT,
                     chained ? chain->each : NULL, c->plan.members);
    if (chained) {
        args.kept_row = (int)chain->layout.row;
        args.kept_block = (int)chain->layout.block;
        args.kept_image = (int)chain->layout.image;
        args.kept_origin = (int)chain->layout.origin;
    }
    bool sums = chain != NULL && chain->sums != NULL;
    if (sums) {
        args.sums = 1;
        args.z_row = (int)chain->z_layout.row;
        args.z_block = (int)chain->z_layout.block;
        args.z_image = (int)chain->z_layout.image;
        args.z_origin = (int)chain->z_layout.origin;
    }
    cl_mem buffers[] = {
        dy, transposed.buffer,    transposed.buffer,        chained ? chain->kept : dy, dx,
        dx, sums ? chain->z : dy, sums ? chain->means : dy, sums ? chain->sums : dx};
    const size_t global[3] = {(size_t)(to->blocks / c->vectors_transposed),
                              (size_t)(c->plan.members * images), 1};
    return run(c, c->input_gradient, "conv_gather", buffers, 9, &args, sizeof args, global);
}

static enum error vector_weight_gradient(void *state, cl_mem x, cl_mem dy, struct span dw,
                                         struct span db, size_t split_stride, int images)
{
    struct vector_conv *c = state;
    const struct layout *in = &c->plan.input, *from = &c->plan.gradient;
    const struct conv_shape *s = &c->plan.shape;
    struct weight_gradient_args args = {
        .x_row = (int)in->row,
        .x_block = (int)in->block,
        .x_image = (int)in->image,
        .x_origin = first_tap(in, s->kernel / 2),
        .dy_row = (int)from->row,
        .dy_block = (int)from->block,
        .dy_image = (int)from->image,
        .dy_origin = (int)from->origin,
        .height = from->height,
        .width = from->width,
        .channels = c->merged ? s->kernel * s->channels_in : s->channels_in,
        .kernel_rows = s->kernel,
        .kernel_columns = c->merged ? 1 : s->kernel,
        .stride = s->stride,
        .images = images,
        .images_per_split = (images + c->splits - 1) / c->splits,
        .groups = from->blocks / c->vectors,
        .groups_per_item = c->groups_per_item,
        .dw = (int)dw.offset,
        .db = db.buffer != NULL ? (int)db.offset : -1,
        .split_stride = (int)split_stride,
        .member_stride = (int)dw.stride,
    };
    cl_mem buffers[] = {x, dy, dw.buffer};
    const size_t global[3] = {
        (size_t)((args.groups + args.groups_per_item - 1) / args.groups_per_item),
        (size_t)c->splits, (size_t)c->plan.members};
    return run(c, c->weight_gradient, "conv_weight_gradient", buffers, 3, &args, sizeof args,
               global);
}

const struct conv_family_ops conv_vector_ops = {
    .name = "vector",
    .makes_sums = true,
    .create = vector_create,
    .destroy = vector_destroy,
    .variants = vector_variants,
    .group = vector_group,
    .group_transposed = vector_group_transposed,
    .splits = vector_splits,
    .forward = vector_forward,
    .input_gradient = vector_input_gradient,
    .weight_gradient = vector_weight_gradient,
};
