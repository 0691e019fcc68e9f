#include "inputs/bytes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum {
    CHUNK = 1 << 16,
    GZIP_WINDOW = 15 + 16, /* largest window, gzip wrapper only */
    DEFLATE_RATIO = 1032   /* 258 bytes from a match of 2 bits */
};

struct bytes {
    FILE *file;
    char *path;
    uint64_t size;         /* of the file */
    uint64_t taken;        /* read from the file so far */
    uint64_t member_start; /* where the gzip member being read begins */
    bool gzip;
    bool between; /* a gzip member has ended, the next has not begun */
    z_stream stream;
    unsigned char chunk[CHUNK];
};

static uint64_t position(const struct bytes *bytes)
{
    return bytes->taken - bytes->stream.avail_in;
}

/* Gives the stream more input; leaves avail_in 0 at the end of the file. */
static enum error refill(struct bytes *bytes)
{
    size_t n = fread(bytes->chunk, 1, CHUNK, bytes->file);
    if (n == 0 && ferror(bytes->file))
        return error_set(ERR_DATA, "%s: cannot read at byte %llu: %s", bytes->path,
                         (unsigned long long)bytes->taken, strerror(errno));
    bytes->stream.next_in = bytes->chunk;
    bytes->stream.avail_in = (uInt)n;
    bytes->taken += n;
    return ERR_NONE;
}

static enum error special_file(const char *path, const struct stat *status)
{
    return error_set(ERR_DATA, "%s is %s, not a data file", path,
                     S_ISDIR(status->st_mode) ? "a directory" : "a special file");
}

enum error bytes_find(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0 || access(path, R_OK) != 0)
        return error_set(ERR_DATA, "cannot open data file %s: %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return special_file(path, &status);
    if (status.st_size == 0)
        return error_set(ERR_DATA, "%s is empty; fetch it anew", path);
    return ERR_NONE;
}

enum error bytes_open(struct bytes **out, const char *path)
{
    enum error err;
    struct stat status;
    struct bytes *bytes = calloc(1, sizeof *bytes);
    char *copy = strdup(path);
    if (bytes == NULL || copy == NULL) {
        free(bytes);
        free(copy);
        return error_set(ERR_INTERNAL, "out of memory while opening %s", path);
    }
    bytes->path = copy;
    /* Looked at before it is opened: opening a FIFO would wait for a writer. */
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode)) {
        err = special_file(path, &status);
        goto out;
    }
    bytes->file = fopen(path, "rb");
    if (bytes->file == NULL || fstat(fileno(bytes->file), &status) != 0) {
        err = error_set(ERR_DATA, "cannot open data file %s: %s", path, strerror(errno));
        goto out;
    }
    bytes->size = (uint64_t)status.st_size;
    TRY(refill(bytes));
    bytes->gzip = bytes->stream.avail_in >= 2 && bytes->chunk[0] == 0x1f && bytes->chunk[1] == 0x8b;
    if (bytes->gzip && inflateInit2(&bytes->stream, GZIP_WINDOW) != Z_OK) {
        bytes->gzip = false;
        err = error_set(ERR_INTERNAL, "out of memory while opening %s", path);
    }
out:
    if (err != ERR_NONE)
        bytes_close(bytes);
    else
        *out = bytes;
    return err;
}

void bytes_close(struct bytes *bytes)
{
    if (bytes == NULL)
        return;
    if (bytes->gzip)
        inflateEnd(&bytes->stream);
    if (bytes->file != NULL)
        fclose(bytes->file); /* only read from: nothing is lost */
    free(bytes->path);
    free(bytes);
}

static enum error read_plain(struct bytes *bytes, unsigned char *out, size_t n, size_t *got)
{
    enum error err = ERR_NONE;
    while (*got < n) {
        if (bytes->stream.avail_in == 0)
            TRY(refill(bytes));
        size_t part = bytes->stream.avail_in;
        if (part == 0)
            break;
        if (part > n - *got)
            part = n - *got;
        memcpy(out + *got, bytes->stream.next_in, part);
        bytes->stream.next_in += part;
        bytes->stream.avail_in -= (uInt)part;
        *got += part;
    }
out:
    return err;
}

/* Damage before a later member gave anything means that it is no member at all. */
static enum error bad_gzip(const struct bytes *bytes, const char *what, uint64_t at)
{
    bool foreign = bytes->member_start > 0 && bytes->stream.total_out == 0;
    return error_set(ERR_DATA, "%s: %s at byte %llu; get the file again", bytes->path,
                     foreign ? "the gzip data is over, but other bytes follow" : what,
                     (unsigned long long)(foreign ? bytes->member_start : at));
}

/* Inflates at most one step; *done at the end of the last member. */
static enum error inflate_step(struct bytes *bytes, bool *done)
{
    enum error err;
    z_stream *stream = &bytes->stream;
    *done = false;
    if (stream->avail_in == 0)
        TRY(refill(bytes));
    if (stream->avail_in == 0) {
        *done = bytes->between;
        return *done ? ERR_NONE : bad_gzip(bytes, "the gzip data is cut off", bytes->size);
    }
    if (bytes->between) {
        bytes->member_start = position(bytes);
        bytes->between = false;
        inflateReset(stream);
    }
    switch (inflate(stream, Z_NO_FLUSH)) {
    case Z_STREAM_END:
        bytes->between = true;
        break;
    case Z_OK:
    case Z_BUF_ERROR: /* no progress without more input or room: not an error yet */
        break;
    case Z_MEM_ERROR:
        return error_set(ERR_INTERNAL, "out of memory while inflating %s", bytes->path);
    default:
        return bad_gzip(bytes, "damaged gzip data", position(bytes));
    }
    err = ERR_NONE;
out:
    return err;
}

enum error bytes_read(struct bytes *bytes, void *out, size_t n, size_t *got)
{
    enum error err = ERR_NONE;
    *got = 0;
    if (!bytes->gzip)
        return read_plain(bytes, out, n, got);
    bool done = false;
    while (*got < n && !done) {
        size_t room = n - *got < CHUNK ? n - *got : CHUNK;
        bytes->stream.next_out = (unsigned char *)out + *got;
        bytes->stream.avail_out = (uInt)room;
        TRY(inflate_step(bytes, &done));
        *got += room - bytes->stream.avail_out;
    }
out:
    return err;
}

uint64_t bytes_bound(const struct bytes *bytes)
{
    return bytes->gzip ? bytes->size * DEFLATE_RATIO : bytes->size;
}
