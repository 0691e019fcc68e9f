/* The winograd family: host side of conv_winograd.cl. It does 3x3 and 5x5 convolutions of stride 1
   and 5x5 of stride 2; its tiles and weight groups follow the rules of conv_vector.c. */
#include <stdio.h>
#include <stdlib.h>

#include "cl_kernels/conv_family.h"
#include "cl_kernels/conv_winograd_args.h"
#include "cl_kernels/conv_winograd_plan.h"
#include "cl_kernels/launch.h"

extern const char cl_source_conv_winograd_args[], cl_source_vectors[], cl_source_activation[],
    cl_source_prefetch[], cl_source_conv_winograd_lines[], cl_source_conv_winograd[],
    cl_source_conv_winograd_gradient[];

enum {
    LEAST_SIDE = 4, /* pixels of an output image */
    MAX_PIXELS = 14,
    FEW_PIXELS = 6,
    MAX_SUMS = 28,     /* vectors of sums that the registers hold */
    ITEMS_PER_UNIT = 2 /* of a device with several units */
};

_Static_assert(sizeof((struct winograd_args){0}.activations) == PACK_MAX * sizeof(int),
               "one for each member");

struct pass {
    struct winograd_pass tiles;
    int items;         /* of a member, which share its chunks */
    cl_kernel weights; /* transforms the weights, or adds up their gradient */
    cl_kernel run;     /* does the rest */
};

struct winograd_conv {
    struct device *device;
    struct conv_plan plan;
    struct pass forward, input_gradient, weight_gradient;
};

/* In smaller images most of a tile is padding: nothing is saved, and the few true terms of a weight
   gradient drown in the rounding of the tile. */
bool conv_winograd_fits(const struct conv_plan *plan)
{
    int kernel = plan->shape.kernel;
    return (kernel == 5 || (kernel == 3 && plan->shape.stride == 1)) && plan->input.lanes >= 8 &&
           plan->output.height >= LEAST_SIDE && plan->output.width >= LEAST_SIDE;
}

static int group_vectors(int blocks)
{
    if (blocks % 2 == 0)
        return 2;
    return blocks % 3 == 0 ? 3 : 1;
}

/* Input channels in a register tile of the weight gradient: a whole part of a block. */
static int tile_channels(int vectors)
{
    return vectors == 4 ? 4 : 8;
}

struct register_tile {
    int vectors, pixels;
};

/* The rule's, then as many pixels as the registers hold, then larger groups. Where a vector takes
   two registers or more, also what fits into 16 of them. */
static int gather_variants(struct register_tile list[CONV_VARIANTS_MAX],
                           const struct device *device, int blocks)
{
    int vectors = group_vectors(blocks), count = 0;
    list[count++] = (struct register_tile){vectors, WINOGRAD_PIXELS};
    for (int larger = vectors; larger <= 4; larger++) {
        int pixels = MAX_SUMS / larger < MAX_PIXELS ? MAX_SUMS / larger : MAX_PIXELS;
        if (blocks % larger == 0)
            list[count++] = (struct register_tile){larger, pixels};
    }
    if (device_get_info(device)->vector_floats < 16)
        list[count++] = (struct register_tile){1, FEW_PIXELS};
    return count;
}

static int winograd_variants(struct conv_tiles variants[CONV_VARIANTS_MAX],
                             const struct device *device, const struct conv_plan *plan)
{
    struct register_tile forward[CONV_VARIANTS_MAX], gradient[CONV_VARIANTS_MAX];
    int forwards = gather_variants(forward, device, plan->output.blocks);
    int gradients =
        gather_variants(gradient, device, layout_make(1, 1, plan->shape.channels_in, 0).blocks);
    int count = forwards > gradients ? forwards : gradients;
    for (int i = 0; i < count; i++) {
        struct register_tile f = forward[i < forwards ? i : 0];
        struct register_tile g = gradient[i < gradients ? i : 0];
        variants[i] = (struct conv_tiles){.group = f.vectors,
                                          .group_transposed = g.vectors,
                                          .forward = f.pixels,
                                          .input_gradient = g.pixels,
                                          .weight_gradient = tile_channels(f.vectors),
                                          .side = winograd_side(plan, false),
                                          .weight_side = winograd_side(plan, true)};
    }
    return count;
}

static enum error build(cl_kernel *out, const struct winograd_conv *c,
                        const struct winograd_pass *p, const char *more, const char *kernel)
{
    const char *sources[] = {cl_source_conv_winograd_args,
                             cl_source_vectors,
                             cl_source_activation,
                             cl_source_prefetch,
                             cl_source_conv_winograd_lines,
                             cl_source_conv_winograd,
                             cl_source_conv_winograd_gradient};
    const struct conv_shape *shape = &c->plan.shape;
    char options[160];
    snprintf(options, sizeof options,
             "-D KERNEL=%d -D STRIDE=%d -D SIDE=%d -D LANES=%d -D VECTORS=%d -D X_LANES=%d%s",
             shape->kernel, shape->stride, p->side, p->to.lanes, p->vectors, p->from.lanes, more);
    return program_kernel_build(out, c->device, "conv_winograd", sources, 7, options, kernel);
}

static void winograd_destroy(void *state)
{
    struct winograd_conv *c = state;
    if (c == NULL)
        return;
    cl_kernel kernels[] = {c->forward.weights,         c->forward.run,
                           c->input_gradient.weights,  c->input_gradient.run,
                           c->weight_gradient.weights, c->weight_gradient.run};
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
        if (kernels[i] != NULL)
            clReleaseKernel(kernels[i]);
    free(c);
}

static void plan_pass(struct pass *p, const struct conv_plan *plan, const struct device *device,
                      enum winograd_kind kind)
{
    p->tiles = winograd_plan_pass(plan, kind);
    int units = device_get_info(device)->compute_units;
    int chunks = (plan->batch + p->tiles.chunk - 1) / p->tiles.chunk;
    p->items = units == 1 ? 1 : ITEMS_PER_UNIT * units;
    if (p->items > chunks)
        p->items = chunks;
}

/* The kernels are not there yet. */
static void winograd_plan(struct winograd_conv *c, const struct device *device,
                          const struct conv_plan *plan)
{
    c->plan = *plan;
    conv_complete_tiles(&c->plan, device);
    plan_pass(&c->forward, &c->plan, device, WINOGRAD_FORWARD);
    plan_pass(&c->weight_gradient, &c->plan, device, WINOGRAD_WEIGHT_GRADIENT);
    if (plan->input_gradient.channels > 0)
        plan_pass(&c->input_gradient, &c->plan, device, WINOGRAD_INPUT_GRADIENT);
}

static size_t tile_floats(const struct winograd_conv *c, const struct pass *p)
{
    return (size_t)(c->plan.members * p->items) *
           (winograd_read_floats(&p->tiles) + winograd_written_floats(&p->tiles));
}

/* Of transformed weights, or of partial sums of them. */
static size_t copies_floats(const struct winograd_conv *c, const struct pass *p, int copies)
{
    return (size_t)(c->plan.members * copies) * winograd_partial_floats(&p->tiles);
}

static void winograd_scratch(size_t bytes[SCRATCH_COUNT], const struct device *device,
                             const struct conv_plan *plan)
{
    struct winograd_conv c = {0};
    winograd_plan(&c, device, plan);
    size_t *tiles = &bytes[SCRATCH_WINOGRAD_TILES], *weights = &bytes[SCRATCH_WINOGRAD_WEIGHTS];
    conv_raise_scratch(tiles, tile_floats(&c, &c.forward));
    conv_raise_scratch(weights, copies_floats(&c, &c.forward, 1));
    conv_raise_scratch(tiles, tile_floats(&c, &c.weight_gradient));
    conv_raise_scratch(weights, copies_floats(&c, &c.weight_gradient, c.weight_gradient.items));
    if (plan->input_gradient.channels > 0) {
        conv_raise_scratch(tiles, tile_floats(&c, &c.input_gradient));
        conv_raise_scratch(weights, copies_floats(&c, &c.input_gradient, 1));
    }
}

static enum error build_pass(struct pass *p, const struct winograd_conv *c, const char *more,
                             const char *weights, const char *run)
{
    enum error err = build(&p->weights, c, &p->tiles, more, weights);
    return err != ERR_NONE ? err : build(&p->run, c, &p->tiles, more, run);
}

static enum error winograd_create(void **state, struct device *device, const struct conv_plan *plan)
{
    enum error err = ERR_NONE;
    char pixels[48], gradient[64], tile[32];
    struct winograd_conv *c = calloc(1, sizeof *c);
    *state = NULL;
    if (c == NULL)
        return error_set(ERR_INTERNAL, "out of memory for a convolution");
    c->device = device;
    winograd_plan(c, device, plan);
    const struct conv_tiles *t = &c->plan.tiles;
    snprintf(pixels, sizeof pixels, " -D PIXELS=%d", t->forward);
    snprintf(gradient, sizeof gradient, " -D PIXELS=%d -D GRADIENT", t->input_gradient);
    snprintf(tile, sizeof tile, " -D TILE=%d", t->weight_gradient);
    TRY(build_pass(&c->forward, c, pixels, "winograd_weights", "winograd_conv"));
    TRY(build_pass(&c->weight_gradient, c, tile, "winograd_weight_sum",
                   "winograd_weight_gradient"));
    if (plan->input_gradient.channels > 0)
        TRY(build_pass(&c->input_gradient, c, gradient, "winograd_weights", "winograd_conv"));
    *state = c;
    return ERR_NONE;
out:
    winograd_destroy(c);
    return err;
}

static int winograd_group(const void *state)
{
    const struct winograd_conv *c = state;
    return c->forward.tiles.vectors * c->plan.output.lanes;
}

static int winograd_group_transposed(const void *state)
{
    const struct winograd_conv *c = state;
    return c->plan.tiles.group_transposed * layout_lanes(c->plan.shape.channels_in);
}

static int winograd_splits(const struct device *device, const struct conv_plan *plan)
{
    (void)device;
    (void)plan;
    return 1;
}

static struct winograd_tensor tensor(const struct layout *l)
{
    return (struct winograd_tensor){(int)l->row, (int)l->block, (int)l->image, (int)l->origin};
}

static struct winograd_args arguments(const struct winograd_pass *p, int images)
{
    return (struct winograd_args){
        .x = tensor(&p->from),
        .y = tensor(&p->to),
        .height = p->to.height,
        .width = p->to.width,
        .x_bottom = p->from.height + p->from.halo,
        .x_right = p->from.width + p->from.halo,
        .tiles_y = p->tiles_y,
        .tiles_x = p->tiles_x,
        .strip = p->strip,
        .channels = p->channels,
        .groups = p->groups,
        .images = images,
        .chunk = p->chunk,
        .columns = p->columns,
        .bias = -1,
        .scratch = (int)(winograd_read_floats(p) + winograd_written_floats(p)),
    };
}

static enum error transform_weights(struct winograd_conv *c, const struct pass *pass,
                                    struct span weights, cl_mem u)
{
    const struct winograd_pass *p = &pass->tiles;
    struct winograd_weights_args args = {.weights = (int)weights.offset,
                                         .member_stride = (int)weights.stride,
                                         .channels = p->channels,
                                         .groups = p->groups};
    struct launch launch;
    launch_start(&launch, c->device, pass->weights, "winograd_weights");
    launch_buffer(&launch, weights.buffer);
    launch_buffer(&launch, u);
    launch_struct(&launch, &args, sizeof args);
    return launch_run(&launch, (size_t)(p->phases_from * p->channels),
                      (size_t)(p->phases_to * p->groups), (size_t)c->plan.members);
}

static enum error scratch_for(cl_mem *tiles, cl_mem *weights, struct winograd_conv *c,
                              const struct pass *p, int weight_copies)
{
    enum error err =
        device_scratch(tiles, c->device, SCRATCH_WINOGRAD_TILES, sizeof(float) * tile_floats(c, p));
    if (err != ERR_NONE)
        return err;
    return device_scratch(weights, c->device, SCRATCH_WINOGRAD_WEIGHTS,
                          sizeof(float) * copies_floats(c, p, weight_copies));
}

static enum error run(struct winograd_conv *c, const struct pass *p, const cl_mem buffers[10],
                      const struct winograd_args *args)
{
    struct launch launch;
    launch_start(&launch, c->device, p->run, "winograd_conv");
    for (int i = 0; i < 10; i++)
        launch_buffer(&launch, buffers[i]);
    launch_struct(&launch, args, sizeof *args);
    return launch_run(&launch, (size_t)p->items, (size_t)c->plan.members, 1);
}

static enum error winograd_forward(void *state, cl_mem x, struct span weights,
                                   const struct conv_epilogue *epilogue, cl_mem y, int images)
{
    enum error err = ERR_NONE;
    struct winograd_conv *c = state;
    const struct pass *p = &c->forward;
    cl_mem tiles, u;
    TRY(scratch_for(&tiles, &u, c, p, 1));
    TRY(transform_weights(c, p, weights, u));
    struct winograd_args args = arguments(&p->tiles, images);
    pack_activations(args.activations, epilogue->activation, epilogue->each, c->plan.members);
    if (epilogue->bias.buffer != NULL)
        args.bias = (int)epilogue->bias.offset;
    args.member_stride = (int)weights.stride;
    args.keep_slope = epilogue->derivative != NULL;
    args.sums = epilogue->sums != NULL;
    const cl_mem buffers[10] = {x,    u, epilogue->bias.buffer != NULL ? epilogue->bias.buffer : u,
                                x,    y, epilogue->derivative != NULL ? epilogue->derivative : y,
                                x,    x, epilogue->sums != NULL ? epilogue->sums : y,
                                tiles};
    TRY(run(c, p, buffers, &args));
out:
    return err;
}

static enum error winograd_input_gradient(void *state, cl_mem dy, struct span transposed,
                                          const struct conv_chain *chain, cl_mem dx, int images)
{
    enum error err = ERR_NONE;
    struct winograd_conv *c = state;
    const struct pass *p = &c->input_gradient;
    bool chained = chain != NULL && chain->activation != ACT_COUNT;
    bool sums = chain != NULL && chain->sums != NULL;
    cl_mem tiles, u;
    TRY(scratch_for(&tiles, &u, c, p, 1));
    TRY(transform_weights(c, p, transposed, u));
    struct winograd_args args = arguments(&p->tiles, images);
    pack_activations(args.activations, chained ? chain->activation : ACT_COUNT,
                     chained ? chain->each : NULL, c->plan.members);
    if (chained) {
        args.kept = tensor(&chain->layout);
    }
    if (sums) {
        args.sums = 1;
        args.z = tensor(&chain->z_layout);
    }
    const cl_mem buffers[10] = {dy,
                                u,
                                u,
                                chained ? chain->kept : dy,
                                dx,
                                dx,
                                sums ? chain->z : dy,
                                sums ? chain->means : dy,
                                sums ? chain->sums : dx,
                                tiles};
    TRY(run(c, p, buffers, &args));
out:
    return err;
}

static enum error winograd_weight_gradient(void *state, cl_mem x, cl_mem dy, struct span dw,
                                           struct span db, size_t split_stride, int images)
{
    (void)split_stride; /* one split for the caller */
    enum error err = ERR_NONE;
    struct winograd_conv *c = state;
    const struct pass *p = &c->weight_gradient;
    struct winograd_args args = arguments(&p->tiles, images);
    args.partial = (int)winograd_partial_floats(&p->tiles);
    cl_mem tiles, partial;
    TRY(scratch_for(&tiles, &partial, c, p, p->items));
    struct launch launch;
    launch_start(&launch, c->device, p->run, "winograd_weight_gradient");
    launch_buffer(&launch, x);
    launch_buffer(&launch, dy);
    launch_buffer(&launch, partial);
    launch_buffer(&launch, tiles);
    launch_struct(&launch, &args, sizeof args);
    TRY(launch_run(&launch, (size_t)p->items, (size_t)c->plan.members, 1));

    struct winograd_sum_args sum = {.items = p->items,
                                    .partial = args.partial,
                                    .channels = p->tiles.channels,
                                    .groups = p->tiles.groups,
                                    .dw = (int)dw.offset,
                                    .db = db.buffer != NULL ? (int)db.offset : -1,
                                    .member_stride = (int)dw.stride};
    launch_start(&launch, c->device, p->weights, "winograd_weight_sum");
    launch_buffer(&launch, partial);
    launch_buffer(&launch, dw.buffer);
    launch_struct(&launch, &sum, sizeof sum);
    TRY(launch_run(&launch, (size_t)(p->tiles.phases_from * p->tiles.channels),
                   (size_t)p->tiles.groups, (size_t)c->plan.members));
out:
    return err;
}

const struct conv_family_ops conv_winograd_ops = {
    .name = "winograd",
    .makes_sums = true,
    .create = winograd_create,
    .destroy = winograd_destroy,
    .variants = winograd_variants,
    .scratch = winograd_scratch,
    .group = winograd_group,
    .group_transposed = winograd_group_transposed,
    .splits = winograd_splits,
    .forward = winograd_forward,
    .input_gradient = winograd_input_gradient,
    .weight_gradient = winograd_weight_gradient,
};
