/* A number that tells one data set from another. */
#ifndef CLADE_PIPELINE_FINGERPRINT_H
#define CLADE_PIPELINE_FINGERPRINT_H

#include <stdint.h>

#include "inputs/dataset.h"

/* FNV-1a (64 bits) over shape, count, pixels and labels, eight bytes at a time. */
int64_t fingerprint_images(const struct images *images);

#endif
