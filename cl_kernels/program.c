#include "cl_kernels/program.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cl_kernels/program_cache.h"
#include "pipeline/base/log.h"
#include "pipeline/base/text.h"

static struct cache_key key_of(struct device *device, const char *const *sources, size_t count,
                               const char *options)
{
    const struct device_info *info = device_get_info(device);
    struct cache_key key;
    cache_key_start(&key);
    cache_key_add(&key, info->platform_name);
    cache_key_add(&key, info->name);
    cache_key_add(&key, info->driver);
    cache_key_add(&key, info->version);
    cache_key_add(&key, options);
    for (size_t i = 0; i < count; i++)
        cache_key_add(&key, sources[i]);
    return key;
}

/* The first lines of the build log that say what is wrong, into a text of bounded size. */
static void build_log(char *text, size_t size, cl_program program, cl_device_id id)
{
    size_t length = 0;
    char *log = NULL;
    text[0] = '\0';
    if (clGetProgramBuildInfo(program, id, CL_PROGRAM_BUILD_LOG, 0, NULL, &length) != CL_SUCCESS ||
        length == 0 || (log = calloc(length + 1, 1)) == NULL)
        return;
    clGetProgramBuildInfo(program, id, CL_PROGRAM_BUILD_LOG, length, log, NULL);
    const char *start = strstr(log, "error");
    if (start == NULL)
        start = log;
    while (start > log && start[-1] != '\n')
        start--;
    snprintf(text, size, "%s", start);
    free(log);
}

static cl_program load(struct device *device, const char *name, const struct cache_key *key,
                       const char *options)
{
    cl_device_id id = device_id(device);
    cl_int code, status = CL_SUCCESS;
    size_t size, kernels = 0;
    unsigned char *binary = cache_load(&size, name, key);
    if (binary == NULL)
        return NULL;
    const unsigned char *parts[] = {binary};
    cl_program program =
        clCreateProgramWithBinary(device_context(device), 1, &id, &size, parts, &status, &code);
    free(binary);
    if (code == CL_SUCCESS && status == CL_SUCCESS &&
        clBuildProgram(program, 1, &id, options, NULL, NULL) == CL_SUCCESS &&
        clGetProgramInfo(program, CL_PROGRAM_NUM_KERNELS, sizeof kernels, &kernels, NULL) ==
            CL_SUCCESS &&
        kernels > 0)
        return program;
    log_event(LOG_DEBUG, "program cache: the driver refuses the binary of %s", name);
    if (program != NULL)
        clReleaseProgram(program);
    return NULL;
}

static void store(cl_program program, const char *name, const struct cache_key *key)
{
    size_t size = 0;
    if (clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof size, &size, NULL) !=
            CL_SUCCESS ||
        size == 0)
        return;
    unsigned char *binary = malloc(size);
    unsigned char *parts[] = {binary};
    if (binary != NULL &&
        clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof parts, parts, NULL) == CL_SUCCESS)
        cache_store(name, key, binary, size);
    free(binary);
}

/*
 * PoCL keeps what it compiled in a cache of its own. Asking it for binaries compiles every kernel
 * a second time, for any work-group size, and code for one size is what runs fast: there, only an
 * empty marker is kept, which says that the line about compiling was shown.
 */
static bool driver_keeps_binaries(const struct device *device)
{
    return strcmp(device_get_info(device)->platform_name, "Portable Computing Language") == 0;
}

static void announce(const struct device *device, const char *name, bool cold)
{
    if (cold)
        log_event(LOG_INFO, "compiling %s for %s; this is done once", name,
                  device_get_info(device)->name);
}

enum error program_build(cl_program *out, struct device *device, const char *name,
                         const char *const *sources, size_t count, const char *options)
{
    assert(strstr(options, "finite-math") == NULL && strstr(options, "fast-relaxed") == NULL);
    enum error err = ERR_NONE;
    cl_device_id id = device_id(device);
    cl_int code;
    struct text source = {0};
    cl_program program = NULL;
    struct cache_key key = key_of(device, sources, count, options);
    program = device_find_program(device, key.words);
    if (program != NULL) {
        clRetainProgram(program);
        *out = program;
        return ERR_NONE;
    }
    bool own_cache = driver_keeps_binaries(device);
    if (own_cache) {
        size_t size;
        unsigned char *marker = cache_load(&size, name, &key);
        announce(device, name, marker == NULL);
        free(marker);
    } else {
        program = load(device, name, &key, options);
        if (program != NULL) {
            device_keep_program(device, key.words, program);
            *out = program;
            return ERR_NONE;
        }
        announce(device, name, true);
    }
    for (size_t i = 0; i < count; i++)
        text_append(&source, sources[i]);
    TRY(text_status(&source));
    const char *whole = source.data;
    program = clCreateProgramWithSource(device_context(device), 1, &whole, NULL, &code);
    TRY(device_check(code, "create a program"));
    code = clBuildProgram(program, 1, &id, options, NULL, NULL);
    if (code != CL_SUCCESS) {
        char log[800];
        build_log(log, sizeof log, program, id);
        err = error_set(ERR_DEVICE, "%s does not compile for %s (%s): %s", name,
                        device_get_info(device)->name, device_code_name(code), log);
        goto out;
    }
    if (own_cache)
        cache_store(name, &key, (const unsigned char *)"", 1);
    else
        store(program, name, &key);
    device_keep_program(device, key.words, program);
    *out = program;
out:
    text_free(&source);
    if (err != ERR_NONE && program != NULL)
        clReleaseProgram(program);
    return err;
}

enum error program_kernel(cl_kernel *out, cl_program program, const char *name)
{
    cl_int code;
    char act[128];
    *out = clCreateKernel(program, name, &code);
    snprintf(act, sizeof act, "create kernel %s", name);
    return device_check(code, act);
}
