/*
 * A model as one C99 file that needs nothing but the C library's mathematics: no malloc, constant
 * weights, static buffers. What it offers stands in its first comment.
 */
#ifndef CLADE_OUTPUTS_C_SOURCE_H
#define CLADE_OUTPUTS_C_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "inputs/model.h"
#include "pipeline/base/error.h"

/* The image of the file's self-test: [height][width][channels], `count` bytes. */
void c_source_test_image(uint8_t *pixels, size_t count);

/* Replaces the file at `path` whole (file.h). `logits` are those of the test image, [classes];
   `version` is the program's. ERR_OUTPUT names the file. */
enum error c_source_write(const char *path, const struct model *model, const float *logits,
                          const char *version);

#endif
