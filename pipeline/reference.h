/* A model in plain C and double, with the CPU twins (cl_kernels/twins.h): no device is needed. */
#ifndef CLADE_PIPELINE_REFERENCE_H
#define CLADE_PIPELINE_REFERENCE_H

#include <stdint.h>

#include "inputs/model.h"
#include "pipeline/base/error.h"

/* logits[classes] of one image, pixels[height][width][channels]. ERR_INTERNAL: out of memory. */
enum error reference_logits(float *logits, const struct model *model, const uint8_t *pixels);

#endif
