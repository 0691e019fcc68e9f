#include "cl_kernels/augment.h"

#include "cl_kernels/augment_args.h"
#include "cl_kernels/launch.h"

extern const char cl_source_augment_args[], cl_source_augment[];

bool augment_wanted(const struct training_settings *training)
{
    return training->flip || training->shift > 0 || training->cutout > 0;
}

enum error augmenter_create(struct augmenter *augmenter, struct device *device,
                            const struct layout *layout, const struct training_settings *training)
{
    const char *sources[] = {cl_source_augment_args, cl_source_augment};
    *augmenter = (struct augmenter){.device = device,
                                    .layout = *layout,
                                    .flip = training->flip != 0,
                                    .shift = training->shift,
                                    .cutout = training->cutout};
    return program_kernel_build(&augmenter->kernel, device, "augment", sources, 2, "",
                                "augment_batch");
}

void augmenter_destroy(struct augmenter *augmenter)
{
    if (augmenter->kernel != NULL)
        clReleaseKernel(augmenter->kernel);
    augmenter->kernel = NULL;
}

enum error augment_batch(struct augmenter *augmenter, const struct image_store *store, cl_mem order,
                         int first, int images, int members, cl_mem seeds, uint32_t step, cl_mem x)
{
    const struct layout *l = &augmenter->layout;
    struct augment_args args = {
        .first = first,
        .images = images,
        .height = l->height,
        .width = l->width,
        .channels = l->channels,
        .x_row = (int)l->row,
        .x_block = (int)l->block,
        .x_image = (int)l->image,
        .x_origin = (int)l->origin,
        .lanes = l->lanes,
        .flip = augmenter->flip,
        .shift = augmenter->shift,
        .cutout = augmenter->cutout,
        .step = step,
        .scale = 1.0f / (255.0f * store->std),
        .shift_value = -store->mean / store->std,
    };
    struct launch launch;
    launch_start(&launch, augmenter->device, augmenter->kernel, "augment_batch");
    launch_buffer(&launch, store->pixels);
    launch_buffer(&launch, order);
    launch_buffer(&launch, seeds);
    launch_buffer(&launch, x);
    launch_struct(&launch, &args, sizeof args);
    return launch_run(&launch, (size_t)(members * images), 1, 1);
}
