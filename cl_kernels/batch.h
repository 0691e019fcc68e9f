/* Images as bytes on a device, and the kernel that makes normalised batches of them. */
#ifndef CLADE_CL_KERNELS_BATCH_H
#define CLADE_CL_KERNELS_BATCH_H

#include "cl_kernels/device.h"
#include "cl_kernels/layout.h"
#include "cl_kernels/network.h"

struct image_store {
    struct device *device;
    struct image_shape shape;
    uint32_t count;
    float mean, std;
    cl_mem pixels; /* bytes [count][height][width][channels] */
    cl_mem labels; /* bytes [count] */
};

struct batch_assembler {
    struct device *device;
    struct layout layout;
    cl_kernel kernel;
};

enum error batch_assembler_create(struct batch_assembler *assembler, struct device *device,
                                  const struct layout *layout);
void batch_assembler_destroy(struct batch_assembler *assembler);

/* Enqueues x = normalised images order[first .. first + images). */
enum error batch_assemble(struct batch_assembler *assembler, const struct image_store *store,
                          cl_mem order, int first, int images, cl_mem x);

#endif
