/*
 * The family of im2col and CLBlast: host side of conv_gemm.cl. One weight group holds all output
 * channels, so the packed weights w[tap][input][lane] are already the second operand.
 *
 * A batch is worked off in chunks of images, so that the operands fit in a bounded scratch buffer:
 * [im2col or per-tap matrix | y as a matrix | partial sums or reordered weights].
 *
 * The members of a pack have products of their own, one after another.
 */
#include <limits.h>
#include <stdlib.h>

#include "cl_kernels/conv_family.h"
#include "cl_kernels/conv_gemm_args.h"
#include "cl_kernels/gemm.h"
#include "cl_kernels/launch.h"
#include "cl_kernels/program.h"

extern const char cl_source_conv_gemm_args[], cl_source_vectors[], cl_source_activation[],
    cl_source_conv_gemm[];

enum kernel_name { IM2COL, SCATTER, GATHER, REORDER, COL2IM, SUM_ROWS, SUM_PARTS, KERNELS };
static const char *const kernel_names[KERNELS] = {"gemm_im2col",   "gemm_scatter", "gemm_gather",
                                                  "gemm_reorder",  "gemm_col2im",  "gemm_sum_rows",
                                                  "gemm_sum_parts"};

enum { SUM_PARTS_COUNT = 64 };

struct gemm_conv {
    struct device *device;
    struct conv_plan plan;
    int group, x_group; /* all channels of y, of x, filled up to whole lanes */
    int taps;
    int chunk; /* images */
    /* Places in the scratch buffer, floats; the first is at 0. */
    size_t y_matrix, rest, scratch_floats;
    cl_kernel kernels[KERNELS];
};

static int round_up(int value, int multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

static void gemm_destroy(void *state)
{
    struct gemm_conv *c = state;
    if (c == NULL)
        return;
    for (int i = 0; i < KERNELS; i++)
        if (c->kernels[i] != NULL)
            clReleaseKernel(c->kernels[i]);
    free(c);
}

/* As many images at once as keep the operands in a part of the memory that is worth having. */
static void gemm_plan(struct gemm_conv *c, const struct device *device,
                      const struct conv_plan *plan)
{
    const struct device_info *info = device_get_info(device);
    const struct conv_plan *p = &c->plan;
    c->plan = *plan;
    c->taps = plan->shape.kernel * plan->shape.kernel;
    c->group = round_up(plan->shape.channels_out, plan->output.lanes);
    c->x_group = round_up(plan->shape.channels_in, layout_lanes(plan->shape.channels_in));
    size_t pixels = (size_t)p->output.height * (size_t)p->output.width;
    size_t columns =
        (size_t)c->taps *
        (size_t)(c->x_group > p->shape.channels_in ? c->x_group : p->shape.channels_in);
    size_t image_floats = pixels * (columns + (size_t)c->group);
    uint64_t limit = device_is_cpu(device) ? 32u << 20 : 256u << 20;
    if (limit > info->global_bytes / 8)
        limit = info->global_bytes / 8;
    uint64_t chunk = limit / (image_floats * sizeof(float));
    c->chunk = chunk < 1 ? 1 : chunk > (uint64_t)p->batch ? p->batch : (int)chunk;
    size_t partial = (size_t)(SUM_PARTS_COUNT * c->group);
    size_t reordered = (size_t)p->shape.channels_out * (size_t)(c->taps * c->x_group);
    c->y_matrix = (size_t)c->chunk * pixels * columns;
    c->rest = c->y_matrix + (size_t)c->chunk * pixels * (size_t)c->group;
    c->scratch_floats = c->rest + (partial > reordered ? partial : reordered);
}

/* CLBlast copies the operands of a product where they do not fill its tiles. */
static void gemm_scratch(size_t bytes[SCRATCH_COUNT], const struct device *device,
                         const struct conv_plan *plan)
{
    struct gemm_conv c = {0};
    gemm_plan(&c, device, plan);
    conv_raise_scratch(&bytes[SCRATCH_OPERANDS], c.scratch_floats);
    conv_raise_scratch(&bytes[SCRATCH_GEMM], c.scratch_floats);
}

static enum error gemm_create(void **state, struct device *device, const struct conv_plan *plan)
{
    enum error err = ERR_NONE;
    const char *sources[] = {cl_source_conv_gemm_args, cl_source_vectors, cl_source_activation,
                             cl_source_conv_gemm};
    cl_program program = NULL;
    cl_mem scratch;
    *state = NULL;
    struct gemm_conv *c = calloc(1, sizeof *c);
    if (c == NULL)
        return error_set(ERR_INTERNAL, "out of memory for a convolution");
    c->device = device;
    gemm_plan(c, device, plan);
    if (c->scratch_floats > INT_MAX) {
        err = error_set(ERR_TOO_BIG,
                        "a convolution needs %zu floats of scratch memory; use fewer "
                        "filters or smaller kernels",
                        c->scratch_floats);
        goto out;
    }
    /* Now, so that a network that does not fit is known before it is trained. */
    TRY(device_scratch(&scratch, device, SCRATCH_OPERANDS, c->scratch_floats * sizeof(float)));
    TRY(program_build(&program, device, "conv_gemm", sources, 4, ""));
    for (int i = 0; i < KERNELS; i++)
        TRY(program_kernel(&c->kernels[i], program, kernel_names[i]));
    *state = c;
out:
    if (program != NULL)
        clReleaseProgram(program);
    if (err != ERR_NONE)
        gemm_destroy(c);
    return err;
}

static int gemm_variants(struct conv_tiles variants[CONV_VARIANTS_MAX], const struct device *device,
                         const struct conv_plan *plan)
{
    (void)device;
    (void)plan;
    variants[0] = (struct conv_tiles){0}; /* the tiles are CLBlast's */
    return 1;
}

static int gemm_group(const void *state)
{
    return ((const struct gemm_conv *)state)->group;
}

static int gemm_group_transposed(const void *state)
{
    return ((const struct gemm_conv *)state)->x_group;
}

static int gemm_splits(const struct device *device, const struct conv_plan *plan)
{
    (void)device;
    (void)plan;
    return 1;
}

static struct gemm_tensor tensor(const struct layout *l)
{
    return (struct gemm_tensor){.row = (int)l->row,
                                .block = (int)l->block,
                                .image = (int)l->image,
                                .origin = (int)l->origin,
                                .lanes = l->lanes,
                                .channels = l->channels};
}

/* What all kernels of a pass are told; `x` and `y` are the tensors at both ends. */
static struct gemm_args arguments(const struct gemm_conv *c, const struct layout *x,
                                  const struct layout *y)
{
    return (struct gemm_args){.x = tensor(x),
                              .y = tensor(y),
                              .height = y->height,
                              .width = y->width,
                              .x_height = x->height,
                              .x_width = x->width,
                              .kernel_side = c->plan.shape.kernel,
                              .pad = c->plan.shape.kernel / 2,
                              .stride = c->plan.shape.stride,
                              .group = c->group,
                              .x_group = c->x_group,
                              .activation = ACT_COUNT,
                              .bias = -1};
}

/* im2col counts x from tap (0, 0) of y's pixel (0, 0). */
static void start_at_first_tap(struct gemm_args *args, const struct layout *x)
{
    args->x.origin -= args->pad * (int)x->row + args->pad * x->lanes;
}

static struct launch start(struct gemm_conv *c, enum kernel_name which)
{
    struct launch launch;
    launch_start(&launch, c->device, c->kernels[which], kernel_names[which]);
    return launch;
}

static enum error run(struct launch *launch, size_t x, size_t y, size_t z)
{
    return launch_run_local(launch, (const size_t[3]){x, y, z}, NULL);
}

/* The part of a span that belongs to a member. */
static struct span of_member(struct span span, int member)
{
    span.offset += (size_t)member * span.stride;
    return span;
}

/* Pixels of y in the chunk of images [first, end) that starts at `first`. */
static size_t chunk_rows(const struct gemm_conv *c, int first, int end)
{
    int chunk = end - first < c->chunk ? end - first : c->chunk;
    return (size_t)chunk * (size_t)c->plan.output.height * (size_t)c->plan.output.width;
}

static enum error im2col(struct gemm_conv *c, cl_mem x, cl_mem scratch,
                         const struct gemm_args *args, size_t rows)
{
    struct launch launch = start(c, IM2COL);
    launch_buffer(&launch, x);
    launch_buffer(&launch, scratch);
    launch_struct(&launch, args, sizeof *args);
    return run(&launch, (size_t)c->plan.shape.channels_in, (size_t)c->taps, rows);
}

static enum error forward_member(struct gemm_conv *c, int member, cl_mem x, struct span weights,
                                 const struct conv_epilogue *epilogue, cl_mem y, int images)
{
    enum error err = ERR_NONE;
    const struct conv_plan *p = &c->plan;
    struct span bias = of_member(epilogue->bias, member);
    int end = (member + 1) * images;
    weights = of_member(weights, member);
    size_t columns = (size_t)(c->taps * p->shape.channels_in), group = (size_t)c->group;
    cl_mem scratch;
    TRY(device_scratch(&scratch, c->device, SCRATCH_OPERANDS, c->scratch_floats * sizeof(float)));
    struct matrix a = {scratch, 0, columns};
    struct matrix w = {weights.buffer, weights.offset, group};
    struct matrix sums = {scratch, c->y_matrix, group};
    struct gemm_args args = arguments(c, &p->input, &p->output);
    start_at_first_tap(&args, &p->input);
    args.activation = (int)pack_activation(epilogue->activation, epilogue->each, member);
    args.keep_slope = epilogue->derivative != NULL;
    if (bias.buffer != NULL)
        args.bias = (int)bias.offset;
    cl_mem parameters = bias.buffer != NULL ? bias.buffer : weights.buffer;
    cl_mem slopes = epilogue->derivative != NULL ? epilogue->derivative : y;
    for (int first = member * images; first < end; first += c->chunk) {
        size_t rows = chunk_rows(c, first, end);
        args.first_image = first;
        args.matrix = 0;
        TRY(im2col(c, x, scratch, &args, rows));
        TRY(gemm_multiply(c->device, rows, group, columns, &a, false, &w, false, &sums));
        args.matrix = (int)c->y_matrix;
        struct launch launch = start(c, SCATTER);
        launch_buffer(&launch, scratch);
        launch_buffer(&launch, parameters);
        launch_buffer(&launch, y);
        launch_buffer(&launch, slopes);
        launch_struct(&launch, &args, sizeof args);
        TRY(run(&launch, (size_t)(p->output.blocks * p->output.lanes), rows, 1));
    }
out:
    return err;
}

static enum error gemm_forward(void *state, cl_mem x, struct span weights,
                               const struct conv_epilogue *epilogue, cl_mem y, int images)
{
    enum error err = ERR_NONE;
    struct gemm_conv *c = state;
    for (int i = 0; i < c->plan.members && err == ERR_NONE; i++)
        err = forward_member(c, i, x, weights, epilogue, y, images);
    return err;
}

/* dy as a matrix. */
static enum error gather(struct gemm_conv *c, cl_mem dy, cl_mem scratch, struct gemm_args args,
                         size_t rows)
{
    args.matrix = (int)c->y_matrix;
    struct launch launch = start(c, GATHER);
    launch_buffer(&launch, dy);
    launch_buffer(&launch, scratch);
    launch_struct(&launch, &args, sizeof args);
    return run(&launch, (size_t)c->group, rows, 1);
}

static enum error input_gradient_member(struct gemm_conv *c, int member, cl_mem dy,
                                        struct span transposed, const struct conv_chain *chain,
                                        cl_mem dx, int images)
{
    enum error err = ERR_NONE;
    const struct conv_plan *p = &c->plan;
    int end = (member + 1) * images;
    size_t columns = (size_t)(c->taps * c->x_group), outputs = (size_t)p->shape.channels_out;
    cl_mem scratch;
    TRY(device_scratch(&scratch, c->device, SCRATCH_OPERANDS, c->scratch_floats * sizeof(float)));
    struct matrix per_tap = {scratch, 0, columns};
    struct matrix a = {scratch, c->y_matrix, (size_t)c->group};
    struct matrix w = {scratch, c->rest, columns};
    struct gemm_args args = arguments(c, &p->input_gradient, &p->gradient);
    cl_mem kept = dy;
    if (chain != NULL && chain->activation != ACT_COUNT) {
        args.activation = (int)pack_activation(chain->activation, chain->each, member);
        args.kept = tensor(&chain->layout);
        kept = chain->kept;
    }
    args.weights = (int)of_member(transposed, member).offset;
    args.matrix = (int)c->rest;
    struct launch launch = start(c, REORDER);
    launch_buffer(&launch, transposed.buffer);
    launch_buffer(&launch, scratch);
    launch_struct(&launch, &args, sizeof args);
    TRY(run(&launch, (size_t)c->x_group, (size_t)c->taps, outputs));
    for (int first = member * images; first < end; first += c->chunk) {
        size_t rows = chunk_rows(c, first, end);
        size_t chunk = rows / (size_t)(p->output.height * p->output.width);
        args.first_image = first;
        TRY(gather(c, dy, scratch, args, rows));
        TRY(gemm_multiply(c->device, rows, columns, outputs, &a, false, &w, false, &per_tap));
        args.matrix = 0;
        launch = start(c, COL2IM);
        launch_buffer(&launch, scratch);
        launch_buffer(&launch, kept);
        launch_buffer(&launch, dx);
        launch_struct(&launch, &args, sizeof args);
        TRY(run(&launch, (size_t)(p->input_gradient.blocks * p->input_gradient.lanes),
                chunk * (size_t)(p->input_gradient.height * p->input_gradient.width), 1));
    }
out:
    return err;
}

static enum error gemm_input_gradient(void *state, cl_mem dy, struct span transposed,
                                      const struct conv_chain *chain, cl_mem dx, int images)
{
    enum error err = ERR_NONE;
    struct gemm_conv *c = state;
    for (int i = 0; i < c->plan.members && err == ERR_NONE; i++)
        err = input_gradient_member(c, i, dy, transposed, chain, dx, images);
    return err;
}

/* db = (db +) the sum of dy's rows in the scratch buffer. */
static enum error sum_bias(struct gemm_conv *c, cl_mem scratch, struct span db, size_t rows,
                           bool accumulate)
{
    struct column_sum_args args = {.rows = (int)rows,
                                   .columns = c->group,
                                   .parts = SUM_PARTS_COUNT,
                                   .matrix = (int)c->y_matrix,
                                   .partial = (int)c->rest,
                                   .sum = (int)db.offset,
                                   .accumulate = accumulate};
    struct launch launch = start(c, SUM_ROWS);
    launch_buffer(&launch, scratch);
    launch_struct(&launch, &args, sizeof args);
    enum error err = run(&launch, (size_t)c->group, SUM_PARTS_COUNT, 1);
    if (err != ERR_NONE)
        return err;
    launch = start(c, SUM_PARTS);
    launch_buffer(&launch, scratch);
    launch_buffer(&launch, db.buffer);
    launch_struct(&launch, &args, sizeof args);
    return run(&launch, (size_t)c->group, 1, 1);
}

static enum error weight_gradient_member(struct gemm_conv *c, int member, cl_mem x, cl_mem dy,
                                         struct span dw, struct span db, int images)
{
    enum error err = ERR_NONE;
    const struct conv_plan *p = &c->plan;
    int start_image = member * images, end = start_image + images;
    dw = of_member(dw, member);
    db = of_member(db, member);
    size_t columns = (size_t)(c->taps * p->shape.channels_in), group = (size_t)c->group;
    cl_mem scratch;
    TRY(device_scratch(&scratch, c->device, SCRATCH_OPERANDS, c->scratch_floats * sizeof(float)));
    struct matrix a = {scratch, 0, columns};
    struct matrix b = {scratch, c->y_matrix, group};
    struct matrix sums = {dw.buffer, dw.offset, group};
    struct gemm_args args = arguments(c, &p->input, &p->gradient);
    start_at_first_tap(&args, &p->input);
    for (int first = start_image; first < end; first += c->chunk) {
        size_t rows = chunk_rows(c, first, end);
        args.first_image = first;
        args.matrix = 0;
        TRY(im2col(c, x, scratch, &args, rows));
        TRY(gather(c, dy, scratch, args, rows));
        bool more = first > start_image;
        TRY(gemm_multiply(c->device, columns, group, rows, &a, true, &b, more, &sums));
        if (db.buffer != NULL)
            TRY(sum_bias(c, scratch, db, rows, more));
    }
out:
    return err;
}

static enum error gemm_weight_gradient(void *state, cl_mem x, cl_mem dy, struct span dw,
                                       struct span db, size_t split_stride, int images)
{
    (void)split_stride; /* one split */
    enum error err = ERR_NONE;
    struct gemm_conv *c = state;
    for (int i = 0; i < c->plan.members && err == ERR_NONE; i++)
        err = weight_gradient_member(c, i, x, dy, dw, db, images);
    return err;
}

const struct conv_family_ops conv_gemm_ops = {
    .name = "clblast",
    .create = gemm_create,
    .destroy = gemm_destroy,
    .variants = gemm_variants,
    .scratch = gemm_scratch,
    .group = gemm_group,
    .group_transposed = gemm_group_transposed,
    .splits = gemm_splits,
    .forward = gemm_forward,
    .input_gradient = gemm_input_gradient,
    .weight_gradient = gemm_weight_gradient,
};
