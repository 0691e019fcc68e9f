/*
 * Reads a model from a .safetensors file as outputs/safetensors.h describes it. Strict: every
 * tensor of the genome exactly once with its shape, no other; offsets that cover the data without
 * overlap or gap; finite weights; no byte too many. Tensors may stand in any order.
 */
#ifndef CLADE_INPUTS_SAFETENSORS_H
#define CLADE_INPUTS_SAFETENSORS_H

#include "inputs/model.h"
#include "pipeline/base/error.h"

/* ERR_DATA says in a line what is wrong with the file, and in the header at which byte. *model is
   written only on success: model_free(). */
enum error safetensors_read(struct model *model, const char *path);

#endif
