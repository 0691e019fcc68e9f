/* Batch assembly with random changes to each image (augment.cl), for training only. */
#ifndef CLADE_CL_KERNELS_AUGMENT_H
#define CLADE_CL_KERNELS_AUGMENT_H

#include <stdbool.h>

#include "cl_kernels/batch.h"
#include "inputs/settings.h"

/* Whether the recipe changes images at all; if not, batch_assemble() does. */
bool augment_wanted(const struct training_settings *training);

struct augmenter {
    struct device *device;
    struct layout layout;
    int flip, shift, cutout;
    cl_kernel kernel;
};

enum error augmenter_create(struct augmenter *augmenter, struct device *device,
                            const struct layout *layout, const struct training_settings *training);
void augmenter_destroy(struct augmenter *augmenter);

/* Enqueues x = normalised, changed images order[first .. first + members * images). Equal (seed of
   the member, step, place in its batch) gives equal changes; `seeds` holds a uint for each member.
 */
enum error augment_batch(struct augmenter *augmenter, const struct image_store *store, cl_mem order,
                         int first, int images, int members, cl_mem seeds, uint32_t step, cl_mem x);

#endif
