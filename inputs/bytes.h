/*
 * The bytes of a file, plain or gzip (told apart by the first two bytes). Damage is an error with
 * its place, never a short read: a gzip stream must be whole, its checksum right, and nothing may
 * follow it (further gzip members are read on).
 */
#ifndef CLADE_INPUTS_BYTES_H
#define CLADE_INPUTS_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pipeline/base/error.h"

struct bytes;

/* ERR_DATA unless `path` is a regular file that is not empty and may be read; does not open it. */
enum error bytes_find(const char *path);

/* ERR_DATA when it cannot be opened or is not a regular file; `path` is copied. */
enum error bytes_open(struct bytes **out, const char *path);
void bytes_close(struct bytes *bytes); /* NULL is allowed */

/* Reads up to n bytes; *got < n only at the end of the data. ERR_DATA names the file and the byte.
 */
enum error bytes_read(struct bytes *bytes, void *out, size_t n, size_t *got);

/* No more bytes than this can come from the file: its size, or what deflate can make of it. */
uint64_t bytes_bound(const struct bytes *bytes);

#endif
