#include "inputs/idx.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "inputs/bytes.h"

enum { MAGIC_BYTES = 4, TYPE_BYTE = 8 };

static enum error check_magic(const unsigned char magic[MAGIC_BYTES], const char *path, int least,
                              int most)
{
    if (magic[0] == 0 && magic[1] == 0 && magic[2] == TYPE_BYTE && magic[3] >= least &&
        magic[3] <= most)
        return ERR_NONE;
    char expected[48];
    snprintf(expected, sizeof expected, least == most ? "0000080%d" : "0000080%d to 0000080%d",
             least, most);
    return error_set(ERR_DATA,
                     "%s: byte 0: magic %02x%02x%02x%02x, expected %s (IDX, unsigned bytes, %s); "
                     "is it the right file?",
                     path, magic[0], magic[1], magic[2], magic[3], expected,
                     most == 1 ? "labels" : "images");
}

/* Reads the sizes and their product (the largest number if it overflows); refuses what the file
   cannot hold. */
static enum error read_sizes(struct idx *idx, struct bytes *bytes, const char *path)
{
    enum error err = ERR_NONE;
    uint64_t header = MAGIC_BYTES + 4 * (uint64_t)idx->dimensions;
    uint64_t product = 1;
    for (int i = 0; i < idx->dimensions; i++) {
        unsigned char size[4];
        size_t got;
        TRY(bytes_read(bytes, size, sizeof size, &got));
        int at = MAGIC_BYTES + 4 * i;
        if (got < sizeof size)
            return error_set(ERR_DATA, "%s: the data ends at byte %llu, within its header", path,
                             (unsigned long long)at + got);
        uint32_t n = (uint32_t)size[0] << 24 | (uint32_t)size[1] << 16 | (uint32_t)size[2] << 8 |
                     (uint32_t)size[3];
        if (n == 0 || n > INT32_MAX)
            return error_set(ERR_DATA, "%s: byte %d: size %d of %d is %lu, expected 1 to %ld", path,
                             at, i + 1, idx->dimensions, (unsigned long)n, (long)INT32_MAX);
        idx->sizes[i] = n;
        product = product > UINT64_MAX / n ? UINT64_MAX : product * n;
    }
    uint64_t bound = bytes_bound(bytes);
    if (product > bound - (header < bound ? header : bound)) {
        err = error_set(ERR_DATA,
                        "%s: byte 4: its sizes need %llu bytes of data, but the file can hold %llu "
                        "at most; it is cut off, or its header is damaged",
                        path, (unsigned long long)product, (unsigned long long)bound);
        goto out;
    }
    idx->bytes = (size_t)product;
out:
    return err;
}

enum error idx_read(struct idx *out, const char *path, int least, int most)
{
    enum error err;
    struct bytes *bytes = NULL;
    struct idx idx = {0};
    unsigned char magic[MAGIC_BYTES], extra;
    size_t got;

    TRY(bytes_open(&bytes, path));
    TRY(bytes_read(bytes, magic, sizeof magic, &got));
    if (got < sizeof magic) {
        err = got == 0 ? error_set(ERR_DATA, "%s: the file is empty", path)
                       : error_set(ERR_DATA, "%s: the data ends at byte %zu, within its header",
                                   path, got);
        goto out;
    }
    TRY(check_magic(magic, path, least, most));
    idx.dimensions = magic[3];
    TRY(read_sizes(&idx, bytes, path));
    idx.data = malloc(idx.bytes);
    if (idx.data == NULL) {
        err = error_set(ERR_INTERNAL, "out of memory: %s needs %zu bytes", path, idx.bytes);
        goto out;
    }
    size_t header = MAGIC_BYTES + 4 * (size_t)idx.dimensions;
    TRY(bytes_read(bytes, idx.data, idx.bytes, &got));
    if (got < idx.bytes) {
        err = error_set(ERR_DATA, "%s: the data ends at byte %zu, expected %zu", path, header + got,
                        header + idx.bytes);
        goto out;
    }
    TRY(bytes_read(bytes, &extra, 1, &got));
    if (got != 0)
        err = error_set(ERR_DATA, "%s: the data should end at byte %zu, but goes on", path,
                        header + idx.bytes);
out:
    bytes_close(bytes);
    if (err != ERR_NONE)
        idx_free(&idx);
    else
        *out = idx;
    return err;
}

void idx_free(struct idx *idx)
{
    free(idx->data);
    *idx = (struct idx){0};
}
