/* The winograd family: host side of conv_winograd.cl. It does 3x3 and 5x5 convolutions of stride 1
   and 5x5 of stride 2; its tiles and weight groups follow the rules of conv_vector.c. */
#include <stdio.h>
#include <stdlib.h>

#include "cl_kernels/conv_family.h"
#include "cl_kernels/conv_winograd_args.h"
#include "cl_kernels/launch.h"

extern const char cl_source_conv_winograd_args[], cl_source_vectors[], cl_source_activation[],
    cl_source_prefetch[], cl_source_conv_winograd_lines[], cl_source_conv_winograd[],
    cl_source_conv_winograd_gradient[];

enum {
    POINTS = 36,    /* as in conv_winograd.cl */
    LEAST_SIDE = 4, /* pixels of an output image */
    PIXELS = 8,     /* tiles in a register tile, by the rule */
    MAX_PIXELS = 14,
    FEW_PIXELS = 6,
    MAX_SUMS = 28,      /* vectors of sums that the registers hold */
    MOST_CHUNK = 16,    /* images */
    LEAST_COLUMNS = 32, /* tiles of a chunk, where the batch has as many */
    STRIP_COLUMNS = 48, /* of a strip, where an image has more than one */
    ITEMS_PER_UNIT = 2  /* of a device with several units */
};

_Static_assert(sizeof((struct winograd_args){0}.activations) == PACK_MAX * sizeof(int),
               "one for each member");

/* One direction: what is read, what is written. */
struct direction {
    struct layout from, to;
    int kernel, stride;
    int channels, vectors, groups; /* channels are read, groups of vectors written */
    int phases_from, phases_to;    /* of what is read and written */
    int pixels;                    /* tiles in a register tile */
    int side;                      /* pixels of an output tile */
    int tiles_y, tiles_x;          /* of an image */
    int chunk, strip, columns;     /* images of a chunk, rows of tiles of a strip, its tiles in
                                      whole register tiles */
    cl_kernel weights, run;
};

struct winograd_conv {
    struct device *device;
    struct conv_plan plan;
    struct direction forward, gradient;
    int items;
    cl_kernel weight_gradient, weight_sum;
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

static int round_up(int value, int unit)
{
    return (value + unit - 1) / unit * unit;
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
    list[count++] = (struct register_tile){vectors, PIXELS};
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
                                          .weight_gradient = tile_channels(f.vectors)};
    }
    return count;
}

/* Enough images for LEAST_COLUMNS tiles, then as many as waste the fewest places; or, of large
   images, strips of as many tiles, so that what is transformed stays in the cache. Follows from the
   rule's PIXELS, whatever the tiles: it decides the order of sums over a batch. */
static void choose_chunk(struct direction *d, int batch)
{
    int tiles = d->tiles_y * d->tiles_x, strips = tiles / STRIP_COLUMNS;
    double least_waste = 1e30;
    d->strip = d->tiles_y;
    if (strips > 1) {
        d->chunk = 1;
        d->strip = (d->tiles_y + strips - 1) / strips;
        d->columns = round_up(round_up(d->strip * d->tiles_x, PIXELS), d->pixels);
        return;
    }
    for (int chunk = 1; chunk <= MOST_CHUNK && chunk <= batch; chunk++) {
        int columns = round_up(chunk * tiles, PIXELS);
        double waste = (double)columns / (chunk * tiles) - 1.0;
        bool enough = chunk * tiles >= LEAST_COLUMNS || chunk == MOST_CHUNK || chunk == batch;
        if (enough && waste < least_waste - 0.005) {
            least_waste = waste;
            d->chunk = chunk;
            d->columns = round_up(columns, d->pixels);
        }
        if (enough && chunk * tiles >= 2 * LEAST_COLUMNS)
            break;
    }
}

/* Of a forward pass, or of an input gradient. Tiles lie on the smaller image of both. */
static struct direction plan_direction(const struct conv_plan *plan, bool gradient)
{
    const struct conv_shape *shape = &plan->shape;
    const struct conv_tiles *tiles = &plan->tiles;
    int phases = shape->stride * shape->stride;
    struct direction d = {.kernel = shape->kernel, .stride = shape->stride};
    d.from = gradient ? plan->gradient : plan->input;
    d.to = gradient ? plan->input_gradient : plan->output;
    d.channels = gradient ? shape->channels_out : shape->channels_in;
    d.vectors = gradient ? tiles->group_transposed : tiles->group;
    d.pixels = gradient ? tiles->input_gradient : tiles->forward;
    d.groups = d.to.blocks / d.vectors;
    d.phases_from = gradient ? 1 : phases;
    d.phases_to = gradient ? phases : 1;
    d.side = shape->stride == 2 || shape->kernel == 3 ? 4 : 2;
    d.tiles_y = (plan->output.height + d.side - 1) / d.side;
    d.tiles_x = (plan->output.width + d.side - 1) / d.side;
    choose_chunk(&d, plan->batch);
    return d;
}

static size_t read_floats(const struct direction *d)
{
    return (size_t)POINTS * (size_t)(d->phases_from * d->from.blocks * d->from.lanes) *
           (size_t)d->columns;
}

static size_t written_floats(const struct direction *d)
{
    return (size_t)POINTS * (size_t)(d->phases_to * d->to.blocks * d->to.lanes) *
           (size_t)d->columns;
}

static size_t weight_floats(const struct direction *d)
{
    return (size_t)POINTS * (size_t)(d->phases_from * d->channels) *
           (size_t)(d->phases_to * d->to.blocks * d->to.lanes);
}

/* Floats of one item's partial sums: transformed weights and the bias. */
static size_t partial_floats(const struct direction *d)
{
    return weight_floats(d) + (size_t)(d->to.blocks * d->to.lanes);
}

static enum error build(cl_kernel *out, struct device *device, const struct direction *d,
                        const char *more, const char *kernel)
{
    const char *sources[] = {cl_source_conv_winograd_args,
                             cl_source_vectors,
                             cl_source_activation,
                             cl_source_prefetch,
                             cl_source_conv_winograd_lines,
                             cl_source_conv_winograd,
                             cl_source_conv_winograd_gradient};
    char options[160];
    snprintf(options, sizeof options,
             "-D KERNEL=%d -D STRIDE=%d -D LANES=%d -D VECTORS=%d -D X_LANES=%d%s", d->kernel,
             d->stride, d->to.lanes, d->vectors, d->from.lanes, more);
    return program_kernel_build(out, device, "conv_winograd", sources, 7, options, kernel);
}

static void winograd_destroy(void *state)
{
    struct winograd_conv *c = state;
    if (c == NULL)
        return;
    cl_kernel kernels[] = {c->forward.weights, c->forward.run,     c->gradient.weights,
                           c->gradient.run,    c->weight_gradient, c->weight_sum};
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
        if (kernels[i] != NULL)
            clReleaseKernel(kernels[i]);
    free(c);
}

/* Plans both directions; the kernels are not there yet. */
static void winograd_plan(struct winograd_conv *c, const struct device *device,
                          const struct conv_plan *plan)
{
    c->plan = *plan;
    conv_complete_tiles(&c->plan, device);
    c->forward = plan_direction(&c->plan, false);
    if (plan->input_gradient.channels > 0)
        c->gradient = plan_direction(&c->plan, true);
    int units = device_get_info(device)->compute_units;
    int chunks = (plan->batch + c->forward.chunk - 1) / c->forward.chunk;
    c->items = units == 1 ? 1 : ITEMS_PER_UNIT * units;
    if (c->items > chunks)
        c->items = chunks;
}

static size_t tile_floats(const struct winograd_conv *c, const struct direction *d)
{
    return (size_t)(c->plan.members * c->items) * (read_floats(d) + written_floats(d));
}

/* Of transformed weights, or of partial sums of them. */
static size_t copies_floats(const struct winograd_conv *c, const struct direction *d, size_t copies)
{
    return (size_t)c->plan.members * copies * partial_floats(d);
}

static void winograd_scratch(size_t bytes[SCRATCH_COUNT], const struct device *device,
                             const struct conv_plan *plan)
{
    struct winograd_conv c = {0};
    winograd_plan(&c, device, plan);
    struct direction weight_gradient = c.forward;
    weight_gradient.to = plan->gradient;
    size_t *tiles = &bytes[SCRATCH_WINOGRAD_TILES], *weights = &bytes[SCRATCH_WINOGRAD_WEIGHTS];
    conv_raise_scratch(tiles, tile_floats(&c, &c.forward));
    conv_raise_scratch(tiles, tile_floats(&c, &weight_gradient));
    conv_raise_scratch(weights, copies_floats(&c, &weight_gradient, (size_t)c.items));
    if (plan->input_gradient.channels > 0) {
        conv_raise_scratch(tiles, tile_floats(&c, &c.gradient));
        conv_raise_scratch(weights, copies_floats(&c, &c.gradient, 1));
    }
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
    TRY(build(&c->forward.weights, device, &c->forward, pixels, "winograd_weights"));
    TRY(build(&c->forward.run, device, &c->forward, pixels, "winograd_conv"));
    TRY(build(&c->weight_gradient, device, &c->forward, tile, "winograd_weight_gradient"));
    TRY(build(&c->weight_sum, device, &c->forward, tile, "winograd_weight_sum"));
    if (plan->input_gradient.channels > 0) {
        TRY(build(&c->gradient.weights, device, &c->gradient, gradient, "winograd_weights"));
        TRY(build(&c->gradient.run, device, &c->gradient, gradient, "winograd_conv"));
    }
    *state = c;
    return ERR_NONE;
out:
    winograd_destroy(c);
    return err;
}

static int winograd_group(const void *state)
{
    const struct winograd_conv *c = state;
    return c->forward.vectors * c->plan.output.lanes;
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

static struct winograd_args arguments(const struct direction *d, int images)
{
    return (struct winograd_args){
        .x = tensor(&d->from),
        .y = tensor(&d->to),
        .height = d->to.height,
        .width = d->to.width,
        .x_bottom = d->from.height + d->from.halo,
        .x_right = d->from.width + d->from.halo,
        .tiles_y = d->tiles_y,
        .tiles_x = d->tiles_x,
        .strip = d->strip,
        .channels = d->channels,
        .groups = d->groups,
        .images = images,
        .chunk = d->chunk,
        .columns = d->columns,
        .bias = -1,
        .scratch = (int)(read_floats(d) + written_floats(d)),
    };
}

static enum error transform_weights(struct winograd_conv *c, const struct direction *d,
                                    struct span weights, cl_mem u)
{
    struct winograd_weights_args args = {.weights = (int)weights.offset,
                                         .member_stride = (int)weights.stride,
                                         .channels = d->channels,
                                         .groups = d->groups};
    struct launch launch;
    launch_start(&launch, c->device, d->weights, "winograd_weights");
    launch_buffer(&launch, weights.buffer);
    launch_buffer(&launch, u);
    launch_struct(&launch, &args, sizeof args);
    return launch_run(&launch, (size_t)(d->phases_from * d->channels),
                      (size_t)(d->phases_to * d->groups), (size_t)c->plan.members);
}

static enum error scratch_for(cl_mem *tiles, cl_mem *weights, struct winograd_conv *c,
                              const struct direction *d, size_t weight_copies)
{
    enum error err =
        device_scratch(tiles, c->device, SCRATCH_WINOGRAD_TILES, sizeof(float) * tile_floats(c, d));
    if (err != ERR_NONE)
        return err;
    return device_scratch(weights, c->device, SCRATCH_WINOGRAD_WEIGHTS,
                          sizeof(float) * copies_floats(c, d, weight_copies));
}

static enum error run(struct winograd_conv *c, const struct direction *d, const cl_mem buffers[10],
                      const struct winograd_args *args)
{
    struct launch launch;
    launch_start(&launch, c->device, d->run, "winograd_conv");
    for (int i = 0; i < 10; i++)
        launch_buffer(&launch, buffers[i]);
    launch_struct(&launch, args, sizeof *args);
    return launch_run(&launch, (size_t)c->items, (size_t)c->plan.members, 1);
}

static enum error winograd_forward(void *state, cl_mem x, struct span weights,
                                   const struct conv_epilogue *epilogue, cl_mem y, int images)
{
    enum error err = ERR_NONE;
    struct winograd_conv *c = state;
    const struct direction *d = &c->forward;
    cl_mem tiles, u;
    TRY(scratch_for(&tiles, &u, c, d, 1));
    TRY(transform_weights(c, d, weights, u));
    struct winograd_args args = arguments(d, images);
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
    TRY(run(c, d, buffers, &args));
out:
    return err;
}

static enum error winograd_input_gradient(void *state, cl_mem dy, struct span transposed,
                                          const struct conv_chain *chain, cl_mem dx, int images)
{
    enum error err = ERR_NONE;
    struct winograd_conv *c = state;
    const struct direction *d = &c->gradient;
    bool chained = chain != NULL && chain->activation != ACT_COUNT;
    bool sums = chain != NULL && chain->sums != NULL;
    cl_mem tiles, u;
    TRY(scratch_for(&tiles, &u, c, d, 1));
    TRY(transform_weights(c, d, transposed, u));
    struct winograd_args args = arguments(d, images);
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
    TRY(run(c, d, buffers, &args));
out:
    return err;
}

static enum error winograd_weight_gradient(void *state, cl_mem x, cl_mem dy, struct span dw,
                                           struct span db, size_t split_stride, int images)
{
    (void)split_stride; /* one split for the caller */
    enum error err = ERR_NONE;
    struct winograd_conv *c = state;
    struct direction d = c->forward;
    d.to = c->plan.gradient;
    struct winograd_args args = arguments(&d, images);
    args.partial = (int)partial_floats(&d);
    cl_mem tiles, partial;
    TRY(scratch_for(&tiles, &partial, c, &d, (size_t)c->items));
    struct launch launch;
    launch_start(&launch, c->device, c->weight_gradient, "winograd_weight_gradient");
    launch_buffer(&launch, x);
    launch_buffer(&launch, dy);
    launch_buffer(&launch, partial);
    launch_buffer(&launch, tiles);
    launch_struct(&launch, &args, sizeof args);
    TRY(launch_run(&launch, (size_t)c->items, (size_t)c->plan.members, 1));

    struct winograd_sum_args sum = {.items = c->items,
                                    .partial = args.partial,
                                    .channels = d.channels,
                                    .groups = d.groups,
                                    .dw = (int)dw.offset,
                                    .db = db.buffer != NULL ? (int)db.offset : -1,
                                    .member_stride = (int)dw.stride};
    launch_start(&launch, c->device, c->weight_sum, "winograd_weight_sum");
    launch_buffer(&launch, partial);
    launch_buffer(&launch, dw.buffer);
    launch_struct(&launch, &sum, sizeof sum);
    TRY(launch_run(&launch, (size_t)(d.phases_from * d.channels), (size_t)d.groups,
                   (size_t)c->plan.members));
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
