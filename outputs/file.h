/*
 * Whole files, safely. All failures are ERR_OUTPUT with path and reason, and leave the old file,
 * or none, in place: never half a file. Safe from any thread on different paths.
 */
#ifndef CLADE_OUTPUTS_FILE_H
#define CLADE_OUTPUTS_FILE_H

#include <stddef.h>

#include "pipeline/base/error.h"
#include "pipeline/base/text.h"

/*
 * Puts `length` bytes at `path`: written to ".NAME.tmp" beside it, fsync, rename, fsync of the
 * directory. A reader sees the old file or the new one. A process that is killed in between leaves
 * at worst the temporary file, which the next call for the same path replaces. What is there must
 * be a regular file or a link to one: devices, pipes and directories stay as they are (ERR_OUTPUT).
 */
enum error file_replace(const char *path, const void *data, size_t length);

/* The same for a text; reports its out-of-memory first. */
enum error file_replace_text(const char *path, const struct text *text);

/*
 * Adds `length` bytes to the end of `path` (made if it is not there), then fsync. After a failed
 * write the file is cut back to what it was.
 */
enum error file_append(const char *path, const void *data, size_t length);

/* Makes the directory `path`; one that exists already is success. Its parent must exist. */
enum error file_make_directory(const char *path);

#endif
