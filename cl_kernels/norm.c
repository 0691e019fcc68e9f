#include "cl_kernels/norm.h"

#include <stdio.h>
#include <stdlib.h>

#include "cl_kernels/launch.h"
#include "cl_kernels/norm_args.h"

extern const char cl_source_norm_args[], cl_source_vectors[], cl_source_activation[],
    cl_source_norm[];

/* PyTorch's defaults. */
static const float epsilon = 1e-5f, momentum = 0.1f;

_Static_assert(sizeof((struct norm_args){0}.activations) == PACK_MAX * sizeof(int),
               "one for each member");

enum { IMAGES_PER_ITEM = 8 };

static int padded_channels(const struct layout *l)
{
    return l->blocks * l->lanes;
}

static size_t sums_floats(const struct layout *z, int images, int parts)
{
    return 2 * (size_t)images * (size_t)(parts > 0 ? parts : 1) * (size_t)padded_channels(z);
}

/* Of all members. */
static size_t statistics_floats(const struct layout *z, int members)
{
    return 4 * (size_t)members * (size_t)padded_channels(z);
}

uint64_t norm_bytes(const struct layout *z, int batch, int members, int parts)
{
    return sizeof(float) * (sums_floats(z, members * batch, parts) + statistics_floats(z, members));
}

enum error norm_create(struct norm *norm, struct device *device, const struct norm_plan *plan)
{
    enum error err = ERR_NONE;
    const char *sources[] = {cl_source_norm_args, cl_source_vectors, cl_source_activation,
                             cl_source_norm};
    static const char *const names[] = {"norm_forward", "norm_gradient", "norm_sums",
                                        "norm_gradient_sums", "norm_fold"};
    char options[32];
    *norm = (struct norm){.device = device, .plan = *plan};
    if (plan->members == 0)
        norm->plan.members = 1;
    int members = norm->plan.members;
    cl_kernel *kernels[] = {&norm->forward, &norm->gradient, &norm->sum, &norm->gradient_sum,
                            &norm->fold};
    snprintf(options, sizeof options, "-D LANES=%d", plan->z.lanes);
    for (int i = 0; i < 5; i++)
        TRY(program_kernel_build(kernels[i], device, "norm", sources, 4, options, names[i]));
    TRY(device_buffer(&norm->sums, device,
                      sizeof(float) * sums_floats(&plan->z, members * plan->batch, plan->parts)));
    TRY(device_buffer(&norm->statistics, device,
                      sizeof(float) * statistics_floats(&plan->z, members)));
out:
    if (err != ERR_NONE)
        norm_destroy(norm);
    return err;
}

void norm_destroy(struct norm *norm)
{
    if (norm->device == NULL)
        return;
    device_release(norm->device, &norm->sums);
    device_release(norm->device, &norm->statistics);
    cl_kernel kernels[] = {norm->forward, norm->gradient, norm->sum, norm->gradient_sum,
                           norm->fold};
    for (int i = 0; i < 5; i++)
        if (kernels[i] != NULL)
            clReleaseKernel(kernels[i]);
    *norm = (struct norm){0};
}

enum error norm_reset(struct norm *norm)
{
    size_t floats = statistics_floats(&norm->plan.z, norm->plan.members);
    float *start = calloc(floats, sizeof *start);
    if (start == NULL)
        return error_set(ERR_INTERNAL, "out of memory for %zu statistics of channels", floats);
    for (size_t i = floats / 4 * 3; i < floats; i++)
        start[i] = 1.0f;
    enum error err = device_write(norm->device, norm->statistics, 0, start, floats * sizeof *start);
    free(start);
    return err;
}

static struct norm_args make_args(const struct norm *norm, const struct layout *y, int images)
{
    const struct norm_plan *p = &norm->plan;
    struct norm_args args = {
        .z_row = (int)p->z.row,
        .z_block = (int)p->z.block,
        .z_image = (int)p->z.image,
        .z_origin = (int)p->z.origin,
        .y_row = (int)y->row,
        .y_block = (int)y->block,
        .y_image = (int)y->image,
        .y_origin = (int)y->origin,
        .height = p->z.height,
        .width = p->z.width,
        .blocks = p->z.blocks,
        .images = images,
        .images_per_item = IMAGES_PER_ITEM,
        .members = p->members,
        .gamma = (int)p->gamma,
        .beta = (int)p->beta,
        .member_stride = (int)p->member_stride,
        .epsilon = epsilon,
        .momentum = momentum,
    };
    pack_activations(args.activations, p->activation, p->each, p->members);
    return args;
}

static enum error run(struct norm *norm, cl_kernel kernel, const char *name, const cl_mem *buffers,
                      int count, const struct norm_args *args, size_t items, int members)
{
    struct launch launch;
    launch_start(&launch, norm->device, kernel, name);
    for (int i = 0; i < count; i++)
        launch_buffer(&launch, buffers[i]);
    launch_struct(&launch, args, sizeof *args);
    return launch_run(&launch, (size_t)norm->plan.z.blocks, items, (size_t)members);
}

static size_t items_for(int images)
{
    return (size_t)(images + IMAGES_PER_ITEM - 1) / IMAGES_PER_ITEM;
}

enum error norm_forward(struct norm *norm, cl_mem z, cl_mem parameters, cl_mem y, cl_mem slopes,
                        int images)
{
    struct norm_args args = make_args(norm, &norm->plan.y, images);
    size_t all_images = (size_t)(norm->plan.members * images);
    args.parts = images;
    args.keep_slope = slopes != NULL;
    if (!norm->plan.forward_sums) {
        cl_mem buffers[] = {z, norm->sums};
        enum error err = run(norm, norm->sum, "norm_sums", buffers, 2, &args, all_images, 1);
        if (err != ERR_NONE)
            return err;
    }
    cl_mem buffers[] = {
        z, norm->sums, parameters, y, slopes != NULL ? slopes : y, norm->statistics};
    return run(norm, norm->forward, "norm_forward", buffers, 6, &args, items_for(images),
               norm->plan.members);
}

enum error norm_gradient(struct norm *norm, cl_mem z, cl_mem parameters, cl_mem dy,
                         cl_mem gradients, int images)
{
    struct norm_args args = make_args(norm, &norm->plan.dy, images);
    size_t all_images = (size_t)(norm->plan.members * images);
    args.parts = images * (norm->plan.parts > 0 ? norm->plan.parts : 1);
    if (norm->plan.parts == 0) {
        cl_mem buffers[] = {z, dy, norm->statistics, norm->sums};
        enum error err =
            run(norm, norm->gradient_sum, "norm_gradient_sums", buffers, 4, &args, all_images, 1);
        if (err != ERR_NONE)
            return err;
    }
    cl_mem buffers[] = {z, norm->sums, parameters, dy, gradients, norm->statistics};
    return run(norm, norm->gradient, "norm_gradient", buffers, 6, &args, items_for(images),
               norm->plan.members);
}

enum error norm_fold(struct norm *norm, const struct conv *conv, cl_mem parameters, size_t weights,
                     cl_mem folded)
{
    int channels = padded_channels(&norm->plan.z);
    int group = conv_group(conv);
    int groups = (channels + group - 1) / group;
    struct launch launch;
    launch_start(&launch, norm->device, norm->fold, "norm_fold");
    launch_buffer(&launch, parameters);
    launch_buffer(&launch, norm->statistics);
    launch_buffer(&launch, folded);
    launch_int(&launch, (int)weights);
    launch_int(&launch, group);
    launch_int(&launch, (int)(conv_weight_floats(conv) / (size_t)groups));
    launch_int(&launch, (int)norm->plan.gamma);
    launch_int(&launch, (int)norm->plan.beta);
    launch_int(&launch, channels);
    launch_int(&launch, (int)norm->plan.member_stride);
    launch_float(&launch, epsilon);
    return launch_run(&launch, (size_t)groups, (size_t)norm->plan.members, 1);
}
