#include "cl_kernels/tuning_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "cl_kernels/program_cache.h"
#include "cl_kernels/tuner.h"
#include "pipeline/base/log.h"

extern const char cl_source_vectors[], cl_source_activation[], cl_source_conv_gemm[],
    cl_source_conv_gemm_args[], cl_source_conv_tiled[], cl_source_conv_tiled_args[],
    cl_source_conv_vector[], cl_source_conv_vector_args[], cl_source_conv_winograd[],
    cl_source_conv_winograd_args[], cl_source_conv_winograd_gradient[],
    cl_source_conv_winograd_lines[], cl_source_prefetch[];

enum { FILE_BYTES_MAX = 1 << 26 };

static struct cache_key key_of(const struct device *device)
{
    const struct device_info *info = device_get_info(device);
    const char *texts[] = {info->platform_name,
                           info->name,
                           info->driver,
                           info->version,
                           cl_source_activation,
                           cl_source_conv_gemm,
                           cl_source_conv_gemm_args,
                           cl_source_conv_tiled,
                           cl_source_conv_tiled_args,
                           cl_source_conv_vector,
                           cl_source_conv_vector_args,
                           cl_source_conv_winograd,
                           cl_source_conv_winograd_args,
                           cl_source_conv_winograd_gradient,
                           cl_source_conv_winograd_lines,
                           cl_source_prefetch,
                           cl_source_vectors};
    char units[16];
    struct cache_key key;
    snprintf(units, sizeof units, "%d", info->compute_units);
    cache_key_start(&key);
    cache_key_add(&key, units);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        cache_key_add(&key, texts[i]);
    return key;
}

void tuning_key(char key[TUNING_KEY_SIZE], const struct device *device)
{
    struct cache_key words = key_of(device);
    snprintf(key, TUNING_KEY_SIZE, "%016llx%016llx", (unsigned long long)words.words[0],
             (unsigned long long)words.words[1]);
}

static bool tuning_path(char path[CACHE_PATH_SIZE], const struct device *device, const char *suffix)
{
    struct cache_key key = key_of(device);
    return cache_path(path, "tune", &key, suffix);
}

/* The whole file as a text, which ends where a NUL is; false when it cannot be read. */
static bool read_file(struct text *text, const char *path)
{
    char block[4096];
    size_t n;
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return false;
    while ((n = fread(block, 1, sizeof block, file)) > 0 && text->length < FILE_BYTES_MAX)
        text_append_n(text, block, n);
    bool good = !ferror(file);
    fclose(file);
    return good;
}

enum error tuning_load(struct tuning *tuning, const struct device *device)
{
    char path[CACHE_PATH_SIZE], key[TUNING_KEY_SIZE];
    struct text text = {0};
    const char *why = NULL;
    *tuning = (struct tuning){0};
    if (!tuning_path(path, device, ".csv") || access(path, F_OK) != 0)
        return ERR_NONE;
    tuning_key(key, device);
    enum error err = ERR_NONE;
    if (!read_file(&text, path))
        why = strerror(errno);
    else if (text_status(&text) == ERR_NONE)
        err = tuning_parse(tuning, text.data != NULL ? text.data : "", key, &why);
    else
        err = text_status(&text);
    text_free(&text);
    if (why == NULL)
        return err;
    log_event(LOG_WARNING, "the tuning in %s is ignored: %s", path, why);
    return ERR_NONE;
}

bool tuning_store(const struct tuning *tuning, const struct device *device)
{
    char path[CACHE_PATH_SIZE], temporary[CACHE_PATH_SIZE + 32], key[TUNING_KEY_SIZE];
    struct text text = {0};
    if (!tuning_path(path, device, ".csv"))
        return false;
    tuning_key(key, device);
    snprintf(temporary, sizeof temporary, "%s.%ld", path, (long)getpid());
    bool good = tuning_format(&text, tuning, key) == ERR_NONE;
    FILE *file = good ? fopen(temporary, "wb") : NULL;
    good = file != NULL && fwrite(text.data, 1, text.length, file) == text.length;
    if (file != NULL && fclose(file) != 0)
        good = false;
    if (good && rename(temporary, path) != 0)
        good = false;
    if (!good) {
        log_event(LOG_WARNING, "the tuning cannot be kept in %s: %s", path, strerror(errno));
        if (file != NULL)
            unlink(temporary);
    }
    text_free(&text);
    return good;
}

int tuning_lock(const struct device *device)
{
    char path[CACHE_PATH_SIZE];
    if (!tuning_path(path, device, ".lock"))
        return -1;
    int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0)
        return -1;
    while (flock(lock, LOCK_EX) != 0)
        if (errno != EINTR) {
            close(lock);
            return -1;
        }
    return lock;
}

void tuning_unlock(int lock)
{
    if (lock >= 0)
        close(lock);
}
