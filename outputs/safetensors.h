/*
 * Weights as a .safetensors file (https://github.com/huggingface/safetensors): the length of the
 * header, 8 bytes little-endian; the header, JSON padded with blanks to a multiple of 8; the
 * tensors of inputs/model.h, float32 little-endian, without gaps. Genome, image size, classes,
 * pixel mean and standard deviation, and test accuracy stand as strings in its "__metadata__".
 */
#ifndef CLADE_OUTPUTS_SAFETENSORS_H
#define CLADE_OUTPUTS_SAFETENSORS_H

#include "inputs/model.h"
#include "pipeline/base/error.h"

/* Replaces the file at `path` whole (file.h). ERR_OUTPUT names it. */
enum error safetensors_write(const char *path, const struct model *model);

#endif
