/* The tiled family: host side of conv_tiled.cl. Tile sizes follow from the channels and from what
   the device says of its work-groups and local memory. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "cl_kernels/conv_family.h"
#include "cl_kernels/conv_tiled_args.h"
#include "cl_kernels/launch.h"

extern const char cl_source_conv_tiled_args[], cl_source_vectors[], cl_source_activation[],
    cl_source_conv_tiled[];

enum { MAX_SPLITS = 64, PARTIAL_FLOATS_MAX = 1 << 24 };

_Static_assert(sizeof((struct tiled_gather_args){0}.activations) == PACK_MAX * sizeof(int),
               "one for each member");

/* The -D of conv_tiled.cl. */
struct tile {
    int bm, bn, bk, tm, tn;
};

struct tiled_conv {
    struct device *device;
    struct conv_plan plan;
    struct tile tile, tile_weights, tile_transposed; /* tile_weights: of the weight gradient */
    int reduced;                                     /* taps * input channels */
    int splits;
    struct tiled_phase phases[4]; /* of the input gradient */
    int phase_count;
    cl_mem table; /* cl_int2 [forward: reduced | input gradient: phase by phase] */
    cl_kernel forward, input_gradient, weight_gradient, add_splits;
};

static int items(const struct tile *t)
{
    return t->bm / t->tm * (t->bn / t->tn);
}

/* The larger of what the two kernels declare. */
static size_t local_bytes(const struct tile *t)
{
    int slices = t->bk * (t->bm + 1) + t->bk * t->bn;
    int gather = 3 * t->bm, weight = 2 * t->bk + t->bm + t->bn;
    return sizeof(float) * (size_t)(slices + (gather > weight ? gather : weight));
}

static const int widths[] = {64, 32, 16}, heights[] = {64, 128, 32}; /* a rule's height first */

/* The width of a weight group by the rule: a narrow one fills up fewer channels, a wide one reads x
   less often (the prices are the share of loads in a slice, roughly). */
static int rule_width(int channels)
{
    static const double prices[] = {1.0, 1.15, 1.4};
    double best = 1e30;
    int width = 0;
    for (int i = 0; i < 3; i++) {
        int padded = (channels + widths[i] - 1) / widths[i] * widths[i];
        if (padded * prices[i] < best) {
            best = padded * prices[i];
            width = widths[i];
        }
    }
    return width;
}

/* A tile of height x width, or what the device's limits leave of it. The result holds for a
   work-group of a single item, too. */
static struct tile make_tile(const struct device_info *info, int height, int width)
{
    struct tile t = {.bm = height, .bn = width, .bk = 16, .tm = height >= 128 ? 8 : 4, .tn = 4};
    while (items(&t) > 1 && (size_t)items(&t) > info->max_work_group) {
        if (t.bm > t.tm)
            t.bm /= 2;
        else
            t.tn *= 2;
    }
    while (local_bytes(&t) > info->local_bytes && t.bk > 1)
        t.bk /= 2;
    return t;
}

/* The rule's tile, other heights, other widths; none that the device cuts down to another one. */
static int list_tiles(struct tile list[CONV_VARIANTS_MAX], const struct device_info *info,
                      int channels)
{
    int count = 0, width = rule_width(channels);
    list[count++] = make_tile(info, heights[0], width);
    for (int i = 1; i < 3; i++) {
        list[count] = make_tile(info, heights[i], width);
        count += list[count].bm == heights[i];
    }
    for (int i = 0; i < 3; i++) {
        list[count] = make_tile(info, heights[0], widths[i]);
        count += widths[i] != width && list[count].bm == heights[0];
    }
    return count;
}

static int tiled_variants(struct conv_tiles variants[CONV_VARIANTS_MAX],
                          const struct device *device, const struct conv_plan *plan)
{
    const struct device_info *info = device_get_info(device);
    struct tile forward[CONV_VARIANTS_MAX], gradient[CONV_VARIANTS_MAX];
    int forwards = list_tiles(forward, info, plan->shape.channels_out);
    int gradients = list_tiles(gradient, info, plan->shape.channels_in);
    int count = forwards > gradients ? forwards : gradients;
    for (int i = 0; i < count; i++) {
        const struct tile *f = &forward[i < forwards ? i : 0];
        const struct tile *g = &gradient[i < gradients ? i : 0];
        variants[i] = (struct conv_tiles){.group = f->bn,
                                          .group_transposed = g->bn,
                                          .forward = f->bm,
                                          .input_gradient = g->bm,
                                          .weight_gradient = f->bm};
    }
    return count;
}

static void tiled_destroy(void *state)
{
    struct tiled_conv *c = state;
    if (c == NULL)
        return;
    cl_kernel kernels[] = {c->forward, c->input_gradient, c->weight_gradient, c->add_splits};
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
        if (kernels[i] != NULL)
            clReleaseKernel(kernels[i]);
    device_release(c->device, &c->table);
    free(c);
}

static enum error build(cl_kernel *out, struct device *device, const struct tile *t, bool gradient,
                        const char *kernel)
{
    const char *sources[] = {cl_source_conv_tiled_args, cl_source_vectors, cl_source_activation,
                             cl_source_conv_tiled};
    char options[128];
    snprintf(options, sizeof options, "-D BM=%d -D BN=%d -D BK=%d -D TM=%d -D TN=%d%s", t->bm,
             t->bn, t->bk, t->tm, t->tn, gradient ? " -D GRADIENT" : "");
    return program_kernel_build(out, device, "conv_tiled", sources, 4, options, kernel);
}

/* Entries of the table for one phase of the input gradient; returns how many. `table` may be
   NULL: they are only counted. dx pixel (first + r * stride) takes tap t from dy pixel
   r + (first + pad - t) / stride when that division is exact. */
static int phase_table(const struct tiled_conv *c, const struct tiled_phase *phase, cl_int2 *table)
{
    const struct conv_shape *s = &c->plan.shape;
    const struct layout *dy = &c->plan.gradient;
    int pad = s->kernel / 2, count = 0;
    for (int ty = 0; ty < s->kernel; ty++)
        for (int tx = 0; tx < s->kernel; tx++) {
            int y = phase->first_row + pad - ty, x = phase->first_column + pad - tx;
            if (y % s->stride != 0 || x % s->stride != 0)
                continue;
            int offset = y / s->stride * (int)dy->row + x / s->stride * dy->lanes;
            for (int o = 0; o < s->channels_out; o++, count++)
                if (table != NULL)
                    table[count] =
                        (cl_int2){{offset + o / dy->lanes * (int)dy->block + o % dy->lanes,
                                   (ty * s->kernel + tx) * s->channels_out + o}};
        }
    return count;
}

static enum error make_table(struct tiled_conv *c)
{
    const struct conv_shape *s = &c->plan.shape;
    const struct layout *x = &c->plan.input, *dx = &c->plan.input_gradient;
    int count = c->reduced;
    c->phase_count = dx->channels > 0 ? s->stride * s->stride : 0;
    for (int i = 0; i < c->phase_count; i++) {
        struct tiled_phase *phase = &c->phases[i];
        phase->first_row = i / s->stride;
        phase->first_column = i % s->stride;
        phase->rows = (dx->height - phase->first_row + s->stride - 1) / s->stride;
        phase->columns = (dx->width - phase->first_column + s->stride - 1) / s->stride;
        phase->table = count;
        phase->reduced = phase_table(c, phase, NULL);
        count += phase->reduced;
    }
    size_t bytes = (size_t)count * sizeof(cl_int2);
    cl_int2 *table = malloc(bytes);
    if (table == NULL)
        return error_set(ERR_INTERNAL, "out of memory for a table of %d places", count);
    for (int k = 0; k < c->reduced; k++) {
        int tap = k / s->channels_in, channel = k % s->channels_in;
        table[k] = (cl_int2){{tap / s->kernel * (int)x->row + tap % s->kernel * x->lanes +
                                  channel / x->lanes * (int)x->block + channel % x->lanes,
                              k}};
    }
    for (int i = 0; i < c->phase_count; i++)
        phase_table(c, &c->phases[i], table + c->phases[i].table);
    enum error err = device_buffer(&c->table, c->device, bytes);
    if (err == ERR_NONE)
        err = device_write(c->device, c->table, 0, table, bytes);
    free(table);
    return err;
}

static int groups(const struct tile *t, int channels)
{
    return (channels + t->bn - 1) / t->bn;
}

/* Floats of dw, which those of db follow, in a partial copy; and of both. */
static size_t dw_floats(const struct tiled_conv *c)
{
    return (size_t)groups(&c->tile, c->plan.shape.channels_out) * (size_t)c->reduced *
           (size_t)c->tile.bn;
}

static size_t partial_floats(const struct tiled_conv *c)
{
    return dw_floats(c) + (size_t)(groups(&c->tile, c->plan.shape.channels_out) * c->tile.bn);
}

/* The batch is split until there are a few work-groups for every compute unit. Neither the other
   members of a pack count, nor a tuned tile: the order of a sum must not depend on them. */
static int choose_splits(const struct tiled_conv *c, const struct device_info *info)
{
    int outputs = c->plan.shape.channels_out;
    struct tile rule = make_tile(info, heights[0], rule_width(outputs));
    int tiles = (c->reduced + rule.bm - 1) / rule.bm * groups(&rule, outputs);
    int splits = (4 * info->compute_units + tiles - 1) / tiles;
    if (splits > MAX_SPLITS)
        splits = MAX_SPLITS;
    if (splits > c->plan.batch)
        splits = c->plan.batch;
    size_t floats = (size_t)(groups(&rule, outputs) * rule.bn) * (size_t)(c->reduced + 1);
    while (splits > 1 && (size_t)splits * floats > PARTIAL_FLOATS_MAX)
        splits--;
    return splits;
}

/* Floats of all partial copies. */
static size_t split_floats(const struct tiled_conv *c)
{
    return (size_t)(c->plan.members * c->splits) * partial_floats(c);
}

static enum error scratch(cl_mem *out, struct tiled_conv *c)
{
    return device_scratch(out, c->device, SCRATCH_OPERANDS, split_floats(c) * sizeof(float));
}

static void tiled_plan(struct tiled_conv *c, const struct device *device,
                       const struct conv_plan *plan)
{
    const struct device_info *info = device_get_info(device);
    const struct conv_shape *s = &plan->shape;
    c->plan = *plan;
    c->reduced = s->kernel * s->kernel * s->channels_in;
    conv_complete_tiles(&c->plan, device);
    const struct conv_tiles *t = &c->plan.tiles;
    c->tile = make_tile(info, t->forward, t->group);
    c->tile_weights = make_tile(info, t->weight_gradient, t->group);
    c->tile_transposed = make_tile(info, t->input_gradient, t->group_transposed);
    c->splits = choose_splits(c, info);
}

static void tiled_scratch(size_t bytes[SCRATCH_COUNT], const struct device *device,
                          const struct conv_plan *plan)
{
    struct tiled_conv c = {0};
    tiled_plan(&c, device, plan);
    if (c.splits > 1)
        conv_raise_scratch(&bytes[SCRATCH_OPERANDS], split_floats(&c));
}

static enum error tiled_create(void **state, struct device *device, const struct conv_plan *plan)
{
    enum error err = ERR_NONE;
    cl_mem partial;
    *state = NULL;
    struct tiled_conv *c = calloc(1, sizeof *c);
    if (c == NULL)
        return error_set(ERR_INTERNAL, "out of memory for a convolution");
    const struct device_info *info = device_get_info(device);
    c->device = device;
    tiled_plan(c, device, plan);
    if (local_bytes(&c->tile) > info->local_bytes ||
        local_bytes(&c->tile_transposed) > info->local_bytes) {
        err = error_set(ERR_NO_DEVICE,
                        "%s has only %llu bytes of local memory: choose another convolution "
                        "family with --conv",
                        info->name, (unsigned long long)info->local_bytes);
        goto out;
    }
    TRY(make_table(c));
    if (c->splits > 1)
        TRY(scratch(&partial, c));
    TRY(build(&c->forward, device, &c->tile, false, "tiled_gather"));
    TRY(build(&c->weight_gradient, device, &c->tile_weights, false, "tiled_weight_gradient"));
    TRY(build(&c->add_splits, device, &c->tile, false, "tiled_add_splits"));
    if (c->phase_count > 0)
        TRY(build(&c->input_gradient, device, &c->tile_transposed, true, "tiled_gather"));
    *state = c;
out:
    if (err != ERR_NONE)
        tiled_destroy(c);
    return err;
}

static int tiled_group(const void *state)
{
    return ((const struct tiled_conv *)state)->tile.bn;
}

static int tiled_group_transposed(const void *state)
{
    return ((const struct tiled_conv *)state)->tile_transposed.bn;
}

/* The copies of a split batch are added here, so that callers see one. */
static int tiled_splits(const struct device *device, const struct conv_plan *plan)
{
    (void)device;
    (void)plan;
    return 1;
}

static struct tiled_tensor tensor(const struct layout *l)
{
    return (struct tiled_tensor){.row = (int)l->row,
                                 .block = (int)l->block,
                                 .image = (int)l->image,
                                 .origin = (int)l->origin,
                                 .lanes = l->lanes,
                                 .channels = l->channels};
}

/* x as the kernels count it: from tap (0, 0) of y's pixel (0, 0). */
static struct tiled_tensor input_tensor(const struct tiled_conv *c)
{
    const struct layout *l = &c->plan.input;
    struct tiled_tensor x = tensor(l);
    x.origin -= c->plan.shape.kernel / 2 * ((int)l->row + l->lanes);
    return x;
}

/* Work-groups of tile `t` over x * y * z of them. */
static enum error run(struct launch *launch, const struct tile *t, int x, int y, int z)
{
    size_t local[3] = {(size_t)items(t), 1, 1};
    size_t global[3] = {(size_t)x * local[0], (size_t)y, (size_t)z};
    return launch_run_local(launch, global, local);
}

static int pixel_tiles(const struct tile *t, const struct tiled_phase *phase, int images)
{
    return (images * phase->rows * phase->columns + t->bm - 1) / t->bm;
}

static enum error tiled_forward(void *state, cl_mem x, struct span weights,
                                const struct conv_epilogue *epilogue, cl_mem y, int images)
{
    struct tiled_conv *c = state;
    const struct conv_plan *p = &c->plan;
    bool biased = epilogue->bias.buffer != NULL;
    struct tiled_gather_args args = {
        .from = input_tensor(c),
        .to = tensor(&p->output),
        .phases = {{.rows = p->output.height, .columns = p->output.width, .reduced = c->reduced}},
        .phase_count = 1,
        .images = images,
        .from_step = p->shape.stride,
        .to_step = 1,
        .group_rows = c->reduced,
        .member_stride = (int)weights.stride,
        .weights = (int)weights.offset,
        .bias = biased ? (int)epilogue->bias.offset : -1,
        .keep_slope = epilogue->derivative != NULL,
    };
    pack_activations(args.activations, epilogue->activation, epilogue->each, p->members);
    struct launch launch;
    launch_start(&launch, c->device, c->forward, "tiled_gather");
    launch_buffer(&launch, x);
    launch_buffer(&launch, weights.buffer);
    launch_buffer(&launch, biased ? epilogue->bias.buffer : weights.buffer);
    launch_buffer(&launch, y);
    launch_buffer(&launch, y);
    launch_buffer(&launch, epilogue->derivative != NULL ? epilogue->derivative : y);
    launch_buffer(&launch, c->table);
    launch_struct(&launch, &args, sizeof args);
    return run(&launch, &c->tile, pixel_tiles(&c->tile, &args.phases[0], images),
               groups(&c->tile, p->shape.channels_out), p->members);
}

static enum error tiled_input_gradient(void *state, cl_mem dy, struct span transposed,
                                       const struct conv_chain *chain, cl_mem dx, int images)
{
    struct tiled_conv *c = state;
    const struct conv_plan *p = &c->plan;
    const struct conv_shape *s = &p->shape;
    bool chained = chain != NULL && chain->activation != ACT_COUNT;
    struct tiled_gather_args args = {
        .from = tensor(&p->gradient),
        .to = tensor(&p->input_gradient),
        .kept = tensor(chained ? &chain->layout : &p->input_gradient),
        .phase_count = c->phase_count,
        .images = images,
        .from_step = 1,
        .to_step = s->stride,
        .group_rows = s->kernel * s->kernel * s->channels_out,
        .member_stride = (int)transposed.stride,
        .weights = (int)transposed.offset,
        .bias = -1,
    };
    pack_activations(args.activations, chained ? chain->activation : ACT_COUNT,
                     chained ? chain->each : NULL, p->members);
    int tiles = 0;
    for (int i = 0; i < c->phase_count; i++) {
        args.phases[i] = c->phases[i];
        int wanted = pixel_tiles(&c->tile_transposed, &c->phases[i], images);
        if (wanted > tiles)
            tiles = wanted;
    }
    struct launch launch;
    launch_start(&launch, c->device, c->input_gradient, "tiled_gather");
    launch_buffer(&launch, dy);
    launch_buffer(&launch, transposed.buffer);
    launch_buffer(&launch, transposed.buffer);
    launch_buffer(&launch, chained ? chain->kept : dy);
    launch_buffer(&launch, dx);
    launch_buffer(&launch, dx);
    launch_buffer(&launch, c->table);
    launch_struct(&launch, &args, sizeof args);
    return run(&launch, &c->tile_transposed, tiles, groups(&c->tile_transposed, s->channels_in),
               p->members * c->phase_count);
}

static enum error add_splits(struct tiled_conv *c, cl_mem partial, struct span dw, struct span db)
{
    struct tiled_sum_args args = {.splits = c->splits,
                                  .split_stride = (int)partial_floats(c),
                                  .weights = (int)dw_floats(c),
                                  .dw = (int)dw.offset,
                                  .db = (int)db.offset,
                                  .member_stride = (int)dw.stride};
    struct launch launch;
    launch_start(&launch, c->device, c->add_splits, "tiled_add_splits");
    launch_buffer(&launch, partial);
    launch_buffer(&launch, dw.buffer);
    launch_struct(&launch, &args, sizeof args);
    size_t floats = db.buffer != NULL ? partial_floats(c) : dw_floats(c);
    return launch_run_local(&launch, (const size_t[3]){floats, (size_t)c->plan.members, 1}, NULL);
}

static enum error tiled_weight_gradient(void *state, cl_mem x, cl_mem dy, struct span dw,
                                        struct span db, size_t split_stride, int images)
{
    (void)split_stride; /* one split for the caller */
    enum error err = ERR_NONE;
    struct tiled_conv *c = state;
    const struct conv_plan *p = &c->plan;
    struct tiled_weight_args args = {
        .x = input_tensor(c),
        .dy = tensor(&p->gradient),
        .height = p->gradient.height,
        .width = p->gradient.width,
        .stride = p->shape.stride,
        .reduced = c->reduced,
        .images = images,
        .images_per_split = (images + c->splits - 1) / c->splits,
        .splits = c->splits,
        .dw = (int)dw.offset,
        .db = db.buffer != NULL ? (int)db.offset : -1,
        .member_stride = (int)dw.stride,
    };
    cl_mem to = dw.buffer;
    if (c->splits > 1) {
        TRY(scratch(&to, c));
        args.dw = 0;
        if (db.buffer != NULL)
            args.db = (int)dw_floats(c);
        args.split_stride = (int)partial_floats(c);
        args.member_stride = c->splits * args.split_stride;
    }
    struct launch launch;
    launch_start(&launch, c->device, c->weight_gradient, "tiled_weight_gradient");
    launch_buffer(&launch, x);
    launch_buffer(&launch, dy);
    launch_buffer(&launch, to);
    launch_buffer(&launch, c->table);
    launch_struct(&launch, &args, sizeof args);
    const struct tile *t = &c->tile_weights;
    TRY(run(&launch, t, (c->reduced + t->bm - 1) / t->bm, groups(t, p->shape.channels_out),
            p->members * c->splits));
    if (c->splits > 1)
        TRY(add_splits(c, to, dw, db));
out:
    return err;
}

const struct conv_family_ops conv_tiled_ops = {
    .name = "tiled",
    .create = tiled_create,
    .destroy = tiled_destroy,
    .variants = tiled_variants,
    .scratch = tiled_scratch,
    .group = tiled_group,
    .group_transposed = tiled_group_transposed,
    .splits = tiled_splits,
    .forward = tiled_forward,
    .input_gradient = tiled_input_gradient,
    .weight_gradient = tiled_weight_gradient,
};
