#include "cl_kernels/head.h"

#include "cl_kernels/head_args.h"
#include "cl_kernels/launch.h"

extern const char cl_source_head_args[], cl_source_vectors[], cl_source_activation[],
    cl_source_head[];

_Static_assert(sizeof((struct head_args){0}.activations) == PACK_MAX * sizeof(int),
               "one for each member");

int head_classes_stride(int classes)
{
    return (classes + 15) / 16 * 16;
}

static int pooled_stride(const struct layout *l)
{
    return l->blocks * l->lanes;
}

uint64_t head_bytes(const struct layout *input, int classes, int batch, int members)
{
    int floats =
        pooled_stride(input) + 2 * GENOME_HEAD_UNITS + 2 * head_classes_stride(classes) + 2;
    return sizeof(float) * (uint64_t)floats * (uint64_t)batch * (uint64_t)members;
}

enum error head_create(struct head *head, struct device *device, const struct head_plan *plan)
{
    enum error err = ERR_NONE;
    const char *sources[] = {cl_source_head_args, cl_source_vectors, cl_source_activation,
                             cl_source_head};
    *head = (struct head){.device = device, .plan = *plan};
    if (plan->members == 0)
        head->plan.members = 1;
    head->classes_stride = head_classes_stride(plan->classes);
    static const char *const names[] = {"head", "head_gradients", "head_statistics"};
    cl_kernel *kernels[] = {&head->run, &head->gradients, &head->statistics};
    for (int i = 0; i < 3; i++)
        TRY(program_kernel_build(kernels[i], device, "head", sources, 4, "", names[i]));
    size_t images = (size_t)head->plan.members * (size_t)plan->batch;
    struct {
        cl_mem *buffer;
        int floats;
    } buffers[] = {
        {&head->pooled, pooled_stride(&plan->input)},
        {&head->hidden, GENOME_HEAD_UNITS},
        {&head->logits, head->classes_stride},
        {&head->d_hidden, GENOME_HEAD_UNITS},
        {&head->d_logits, head->classes_stride},
        {&head->losses, 1},
        {&head->hits, 1},
    };
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        TRY(device_buffer(buffers[i].buffer, device,
                          sizeof(float) * images * (size_t)buffers[i].floats));
    return ERR_NONE;
out:
    head_destroy(head);
    return err;
}

void head_destroy(struct head *head)
{
    if (head->device == NULL)
        return;
    cl_mem *buffers[] = {&head->pooled,   &head->hidden, &head->logits, &head->d_hidden,
                         &head->d_logits, &head->losses, &head->hits};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        device_release(head->device, buffers[i]);
    cl_kernel kernels[] = {head->run, head->gradients, head->statistics};
    for (int i = 0; i < 3; i++)
        if (kernels[i] != NULL)
            clReleaseKernel(kernels[i]);
    *head = (struct head){0};
}

enum error head_run(struct head *head, cl_mem x, cl_mem kept, cl_mem parameters, cl_mem order,
                    cl_mem labels, int first, int images, cl_mem dx, cl_mem gradients)
{
    const struct head_plan *p = &head->plan;
    const struct layout *in = &p->input, *to = &p->gradient;
    struct head_args args = {
        .x_row = (int)in->row,
        .x_block = (int)in->block,
        .x_image = (int)in->image,
        .x_origin = (int)in->origin,
        .dx_row = (int)to->row,
        .dx_block = (int)to->block,
        .dx_image = (int)to->image,
        .dx_origin = (int)to->origin,
        .height = in->height,
        .width = in->width,
        .channels = in->channels,
        .lanes = in->lanes,
        .pooled_stride = pooled_stride(in),
        .classes = p->classes,
        .classes_stride = head->classes_stride,
        .weights_1 = (int)p->weights_1,
        .bias_1 = (int)p->bias_1,
        .weights_2 = (int)p->weights_2,
        .bias_2 = (int)p->bias_2,
        .member_stride = (int)p->member_stride,
        .images = images,
        .first = first,
        .train = dx != NULL,
        .smoothing = p->smoothing,
    };
    pack_activations(args.activations, p->activation, p->each, p->members);
    pack_activations(args.belows, p->below, p->each_below, p->members);
    struct launch launch;
    launch_start(&launch, head->device, head->run, "head");
    cl_mem buffers[] = {x,
                        kept,
                        parameters,
                        order,
                        labels,
                        head->pooled,
                        head->hidden,
                        head->logits,
                        head->d_hidden,
                        head->d_logits,
                        head->losses,
                        head->hits,
                        dx != NULL ? dx : head->d_hidden};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        launch_buffer(&launch, buffers[i]);
    launch_struct(&launch, &args, sizeof args);
    enum error err = launch_run(&launch, (size_t)(p->members * images), 1, 1);
    if (err != ERR_NONE || dx == NULL)
        return err;

    launch_start(&launch, head->device, head->gradients, "head_gradients");
    launch_buffer(&launch, head->pooled);
    launch_buffer(&launch, head->hidden);
    launch_buffer(&launch, head->d_hidden);
    launch_buffer(&launch, head->d_logits);
    launch_buffer(&launch, gradients);
    launch_struct(&launch, &args, sizeof args);
    return launch_run(&launch, (size_t)(in->channels + 1 + GENOME_HEAD_UNITS + 1),
                      (size_t)p->members, 1);
}

enum error head_statistics(struct head *head, cl_mem statistics, int step, int images)
{
    struct launch launch;
    launch_start(&launch, head->device, head->statistics, "head_statistics");
    launch_buffer(&launch, head->losses);
    launch_buffer(&launch, head->hits);
    launch_buffer(&launch, statistics);
    launch_int(&launch, step);
    launch_int(&launch, images);
    return launch_run(&launch, (size_t)head->plan.members, 1, 1);
}
