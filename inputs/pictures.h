/*
 * Images without labels, for a trained network: an IDX file of many (plain or gzip), or one PNG.
 * The file's first bytes say which.
 */
#ifndef CLADE_INPUTS_PICTURES_H
#define CLADE_INPUTS_PICTURES_H

#include <stdint.h>

#include "inputs/genome.h"
#include "pipeline/base/error.h"

struct pictures {
    uint32_t count;  /* 1.. */
    uint8_t *pixels; /* [count][height][width][channels] */
};

/*
 * Reads images of the height, width and channels of `shape`; none is scaled. A PNG becomes grey
 * for one channel and colours for three, whatever it was; what is transparent in it lies on black.
 * For other channels it is refused. ERR_DATA names the file and what is wrong with it. *out is
 * written only on success: pictures_free().
 */
enum error pictures_read(struct pictures *out, const char *path, const struct image_shape *shape);
void pictures_free(struct pictures *pictures);

#endif
