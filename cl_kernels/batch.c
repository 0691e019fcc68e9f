#include "cl_kernels/batch.h"

#include <stdlib.h>

#include "cl_kernels/launch.h"
#include "cl_kernels/program.h"

extern const char cl_source_batch[];

enum error image_store_create(struct image_store **out, struct device *device,
                              const struct images *images)
{
    enum error err = ERR_NONE;
    const struct image_shape *s = &images->shape;
    size_t bytes =
        (size_t)images->count * (size_t)s->height * (size_t)s->width * (size_t)s->channels;
    struct image_store *store = calloc(1, sizeof *store);
    if (store == NULL)
        return error_set(ERR_INTERNAL, "out of memory for an image store");
    store->device = device;
    store->shape = *s;
    store->count = images->count;
    store->mean = images->mean;
    store->std = images->std;
    TRY(device_buffer_of(&store->pixels, device, images->pixels, bytes));
    TRY(device_buffer_of(&store->labels, device, images->labels, images->count));
    *out = store;
    return ERR_NONE;
out:
    image_store_destroy(store);
    return err;
}

void image_store_destroy(struct image_store *store)
{
    if (store == NULL)
        return;
    device_release(store->device, &store->labels);
    device_release(store->device, &store->pixels);
    free(store);
}

enum error batch_assembler_create(struct batch_assembler *assembler, struct device *device,
                                  const struct layout *layout)
{
    const char *sources[] = {cl_source_batch};
    *assembler = (struct batch_assembler){.device = device, .layout = *layout};
    return program_kernel_build(&assembler->kernel, device, "batch", sources, 1, "",
                                "assemble_batch");
}

void batch_assembler_destroy(struct batch_assembler *assembler)
{
    if (assembler->kernel != NULL)
        clReleaseKernel(assembler->kernel);
    assembler->kernel = NULL;
}

enum error batch_assemble(struct batch_assembler *assembler, const struct image_store *store,
                          cl_mem order, int first, int images, cl_mem x)
{
    const struct layout *l = &assembler->layout;
    int row_values = l->width * l->channels;
    int row = (int)l->row, image = (int)l->image, origin = (int)l->origin;
    float scale = 1.0f / (255.0f * store->std), shift = -store->mean / store->std;
    struct launch launch;
    launch_start(&launch, assembler->device, assembler->kernel, "assemble_batch");
    launch_buffer(&launch, store->pixels);
    launch_buffer(&launch, order);
    launch_buffer(&launch, x);
    launch_int(&launch, first);
    launch_int(&launch, l->height);
    launch_int(&launch, row_values);
    launch_int(&launch, row);
    launch_int(&launch, (int)l->block);
    launch_int(&launch, image);
    launch_int(&launch, origin);
    launch_int(&launch, l->lanes);
    launch_int(&launch, l->channels);
    launch_float(&launch, scale);
    launch_float(&launch, shift);
    return launch_run(&launch, (size_t)images, 1, 1);
}
