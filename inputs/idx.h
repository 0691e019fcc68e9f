/*
 * IDX files of unsigned bytes (http://yann.lecun.com/exdb/mnist, "the IDX file format"), plain or
 * gzip:
 *
 *     0 0 8 D        D dimensions of unsigned bytes
 *     D * 4 bytes    the sizes, big-endian
 *     the bytes      the last dimension varies fastest
 */
#ifndef CLADE_INPUTS_IDX_H
#define CLADE_INPUTS_IDX_H

#include <stddef.h>
#include <stdint.h>

#include "pipeline/base/error.h"

enum { IDX_MAX_DIMENSIONS = 4 };

struct idx {
    int dimensions;
    uint32_t sizes[IDX_MAX_DIMENSIONS]; /* 1..2^31-1 each */
    size_t bytes;                       /* their product */
    uint8_t *data;
};

/*
 * Reads a file of `least` to `most` dimensions. ERR_DATA names the file and the byte when it
 * cannot be read, is no such file, is cut off or goes on after its data. Sizes that the file
 * cannot hold are refused before memory is taken. *out is written only on success: idx_free().
 */
enum error idx_read(struct idx *out, const char *path, int least, int most);
void idx_free(struct idx *idx);

#endif
