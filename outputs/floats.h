/* Floats as bytes of a file, little-endian whatever the machine is. */
#ifndef CLADE_OUTPUTS_FLOATS_H
#define CLADE_OUTPUTS_FLOATS_H

#include <stddef.h>

#include "pipeline/base/text.h"

void floats_append(struct text *out, const float *values, size_t count);

#endif
