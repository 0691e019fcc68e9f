#include "outputs/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Keeps errno, which the clean-up after it may change. */
static enum error fail(const char *act, const char *path)
{
    int code = errno;
    const char *advice = code == ENOSPC || code == EDQUOT ? "; free some space and run again" : "";
    return error_set(ERR_OUTPUT, "cannot %s %s: %s%s", act, path, strerror(code), advice);
}

static bool write_all(int fd, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t n = write(fd, data, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        data += n;
        length -= (size_t)n;
    }
    return true;
}

/* The length of the directory part of `path`, its last slash included; 0 without a slash. */
static size_t directory_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

/* Makes the names in the directory of `path` durable. */
static enum error sync_directory(const char *path)
{
    size_t length = directory_length(path);
    char *directory = length ? strndup(path, length) : strdup(".");
    if (directory == NULL)
        return error_set(ERR_INTERNAL, "out of memory while writing %s", path);
    enum error err = ERR_NONE;
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* Some network file systems cannot sync a directory and say so with EINVAL. */
    if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL))
        err = fail("make durable the directory of", path);
    if (fd >= 0 && close(fd) != 0 && err == ERR_NONE)
        err = fail("close the directory of", path);
    free(directory);
    return err;
}

/* rename() would put a file in the place of a device, a pipe, or the link that is /dev/stdout. */
static enum error check_replaceable(const char *path)
{
    static const char links[] = "/proc/";
    char target[sizeof links] = "";
    struct stat there;
    if (readlink(path, target, sizeof target - 1) < 0)
        target[0] = '\0';
    if (strcmp(target, links) != 0 && (stat(path, &there) != 0 || S_ISREG(there.st_mode)))
        return ERR_NONE;
    return error_set(ERR_OUTPUT,
                     "cannot write %s: it is there, and is no regular file; give "
                     "another name",
                     path);
}

enum error file_replace(const char *path, const void *data, size_t length)
{
    enum error err = check_replaceable(path);
    if (err != ERR_NONE)
        return err;
    size_t directory = directory_length(path);
    char *temporary = NULL;
    if (asprintf(&temporary, "%.*s.%s.tmp", (int)directory, path, path + directory) < 0)
        return error_set(ERR_INTERNAL, "out of memory while writing %s", path);

    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0) {
        err = fail("write", path);
        goto out;
    }
    if (!write_all(fd, data, length) || fsync(fd) != 0)
        err = fail("write", path);
    if (close(fd) != 0 && err == ERR_NONE)
        err = fail("close", path);
    if (err == ERR_NONE && rename(temporary, path) != 0)
        err = fail("write", path);
    if (err != ERR_NONE)
        unlink(temporary);
    else
        err = sync_directory(path);
out:
    free(temporary);
    return err;
}

enum error file_replace_text(const char *path, const struct text *text)
{
    enum error err = text_status(text);
    if (err != ERR_NONE)
        return err;
    return file_replace(path, text->data ? text->data : "", text->length);
}

enum error file_append(const char *path, const void *data, size_t length)
{
    enum error err = ERR_NONE;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0)
        return fail("write", path);
    struct stat before;
    if (fstat(fd, &before) != 0)
        err = fail("write", path);
    else if (!write_all(fd, data, length) || fsync(fd) != 0) {
        err = fail("write", path);
        /* A device file cannot be cut; there is then nothing to undo either. */
        if (S_ISREG(before.st_mode) && ftruncate(fd, before.st_size) != 0)
            err = fail("undo half a write to", path);
    }
    if (close(fd) != 0 && err == ERR_NONE)
        err = fail("close", path);
    return err;
}

enum error file_make_directory(const char *path)
{
    if (mkdir(path, 0777) == 0)
        return sync_directory(path);
    int code = errno;
    struct stat there;
    if (code == EEXIST && stat(path, &there) == 0 && S_ISDIR(there.st_mode))
        return ERR_NONE;
    errno = code;
    return fail("make the directory", path);
}
