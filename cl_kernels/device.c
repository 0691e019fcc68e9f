#include "cl_kernels/device.h"

#include <assert.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cl_kernels/device_query.h"
#include "cl_kernels/tuning.h"
#include "pipeline/base/log.h"

struct kept_program {
    uint64_t id[2];
    cl_program program;
};

struct device {
    struct device_info info;
    cl_device_id id;
    bool is_sub_device;
    cl_context context;
    cl_command_queue queue;
    int buffers;    /* live ones */
    uint64_t bytes; /* of them */
    cl_mem scratch[SCRATCH_COUNT];
    size_t scratch_bytes[SCRATCH_COUNT];
    struct kept_program *programs;
    size_t program_count;
    struct tuning *tuning;
};

/* What device_prepare_slot did to this process. */
static int prepared_cores; /* 0: it was not called, or could not pin */
static bool pocl_made_basic;

void device_prepare_slot(int part, int parts)
{
    assert(part >= 0 && part < parts);
    const char *share = getenv("CLADE_SHARE");
    if (parts == 1 || (share != NULL && strcmp(share, "sub-devices") == 0))
        return;
    cpu_set_t allowed, mine;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) {
        log_event(LOG_WARNING, "slot %d of %d is not pinned: the allowed cores are unknown", part,
                  parts);
        return;
    }
    int cores = CPU_COUNT(&allowed);
    int first = parts > cores ? part % cores : part * cores / parts;
    int end = parts > cores ? first + 1 : (part + 1) * cores / parts;
    CPU_ZERO(&mine);
    int seen = 0;
    for (size_t core = 0; core < CPU_SETSIZE; core++)
        if (CPU_ISSET(core, &allowed)) {
            if (seen >= first && seen < end)
                CPU_SET(core, &mine);
            seen++;
        }
    if (sched_setaffinity(0, sizeof mine, &mine) != 0) {
        log_event(LOG_WARNING, "slot %d of %d is not pinned: the system refused", part, parts);
        return;
    }
    prepared_cores = end - first;
    /* PoCL: on one core its "basic" device ("cpu-minimal" from 4.0 on; names that it does not know
       are passed over) works in the calling thread; on several, as many threads as there are
       cores. What the user has chosen stays; device_open copes. */
    char threads[16];
    snprintf(threads, sizeof threads, "%d", prepared_cores);
    setenv("POCL_MAX_PTHREAD_COUNT", threads, 0);
    setenv("POCL_CPU_MAX_CU_COUNT", threads, 0); /* the same from 4.0 on */
    if (prepared_cores == 1 && getenv("POCL_DEVICES") == NULL) {
        setenv("POCL_DEVICES", "basic cpu-minimal", 1);
        pocl_made_basic = true;
    }
}

static enum error find(cl_platform_id *platform, cl_device_id *id, int platform_index,
                       int device_index, int parts)
{
    enum error err = ERR_NONE;
    cl_platform_id *platforms = NULL;
    cl_device_id *ids = NULL;
    cl_uint count;
    TRY(device_platforms(&platforms, &count));
    if (platform_index < 0 || (cl_uint)platform_index >= count) {
        err = error_set(ERR_NO_DEVICE,
                        "OpenCL device %d.%d: there is no platform %d (%u found); see 'clade "
                        "devices'",
                        platform_index, device_index, platform_index, count);
        goto out;
    }
    *platform = platforms[platform_index];
    TRY(device_ids(&ids, &count, *platform));
    /* With "basic" that platform has one device, the CPU, whatever its index was when the devices
       were listed without it. */
    char name[DEVICE_TEXT_SIZE] = "";
    clGetPlatformInfo(*platform, CL_PLATFORM_NAME, sizeof name - 1, name, NULL);
    if (parts > 1 && pocl_made_basic && count == 1 &&
        strcmp(name, "Portable Computing Language") == 0)
        device_index = 0;
    if (device_index < 0 || (cl_uint)device_index >= count) {
        err = error_set(ERR_NO_DEVICE,
                        "OpenCL device %d.%d: platform %d has %u devices; see 'clade devices'",
                        platform_index, device_index, platform_index, count);
        goto out;
    }
    *id = ids[device_index];
out:
    free(ids);
    free(platforms);
    return err;
}

/* Cuts share `part` out of a CPU device that has more compute units than the share. */
static enum error cut(struct device *device, int part, int parts)
{
    enum error err = ERR_NONE;
    int units = device->info.compute_units;
    int share = prepared_cores > 0 ? prepared_cores : units / parts;
    if (share < 1)
        share = 1;
    if (units <= share)
        return ERR_NONE;
    cl_device_partition_property equally[] = {CL_DEVICE_PARTITION_EQUALLY, share, 0};
    cl_device_id *pieces = NULL;
    cl_uint count = 0;
    if (!device->info.can_partition ||
        clCreateSubDevices(device->id, equally, 0, NULL, &count) != CL_SUCCESS || count == 0) {
        log_event(LOG_WARNING, "%s cannot be divided; slot %d of %d uses all its %d compute units",
                  device->info.name, part, parts, units);
        return ERR_NONE;
    }
    pieces = calloc(count, sizeof *pieces);
    if (pieces == NULL)
        return error_set(ERR_INTERNAL, "out of memory for %u OpenCL sub-devices", count);
    TRY(device_check(clCreateSubDevices(device->id, equally, count, pieces, NULL),
                     "create sub-devices"));
    cl_uint mine = (cl_uint)part % count;
    for (cl_uint i = 0; i < count; i++)
        if (i != mine)
            clReleaseDevice(pieces[i]);
    device->id = pieces[mine];
    device->is_sub_device = true;
    device->info.compute_units = share;
out:
    free(pieces);
    return err;
}

static void CL_CALLBACK on_context_error(const char *text, const void *data, size_t size,
                                         void *user)
{
    (void)data;
    (void)size;
    (void)user;
    log_event(LOG_WARNING, "OpenCL driver: %.900s", text);
}

enum error device_open(struct device **out, int platform, int device, int part, int parts)
{
    assert(part >= 0 && part < parts);
    enum error err = ERR_NONE;
    cl_platform_id platform_id = NULL;
    cl_bool available = CL_FALSE, compiles = CL_FALSE;
    cl_int code;
    *out = NULL;
    struct device *d = calloc(1, sizeof *d);
    if (d == NULL)
        return error_set(ERR_INTERNAL, "out of memory for OpenCL device %d.%d", platform, device);
    TRY(find(&platform_id, &d->id, platform, device, parts));
    d->info.platform = platform;
    d->info.device = device;
    TRY(device_query(&d->info, platform_id, d->id));
    clGetDeviceInfo(d->id, CL_DEVICE_AVAILABLE, sizeof available, &available, NULL);
    clGetDeviceInfo(d->id, CL_DEVICE_COMPILER_AVAILABLE, sizeof compiles, &compiles, NULL);
    if (!available || !compiles) {
        err = error_set(ERR_NO_DEVICE, "OpenCL device %d.%d (%s): %s; use another one", platform,
                        device, d->info.name,
                        available ? "its driver has no compiler" : "it is not available");
        goto out;
    }
    if (parts > 1) {
        if (device_is_cpu(d))
            TRY(cut(d, part, parts));
        d->info.global_bytes /= (uint64_t)parts;
        if (d->info.max_buffer_bytes > d->info.global_bytes)
            d->info.max_buffer_bytes = d->info.global_bytes;
    }
    cl_context_properties properties[] = {CL_CONTEXT_PLATFORM, (cl_context_properties)platform_id,
                                          0};
    d->context = clCreateContext(properties, 1, &d->id, on_context_error, NULL, &code);
    TRY(device_check(code, "create a context"));
    d->queue = clCreateCommandQueue(d->context, d->id, 0, &code);
    TRY(device_check(code, "create a command queue"));
    *out = d;
out:
    if (err != ERR_NONE)
        device_close(d);
    return err;
}

void device_close(struct device *device)
{
    if (device == NULL)
        return;
    for (int i = 0; i < SCRATCH_COUNT; i++)
        device_release(device, &device->scratch[i]);
    assert(device->buffers == 0 && device->bytes == 0);
    if (device->queue != NULL) {
        clFinish(device->queue);
        clReleaseCommandQueue(device->queue);
    }
    for (size_t i = 0; i < device->program_count; i++)
        clReleaseProgram(device->programs[i].program);
    free(device->programs);
    device_set_tuning(device, NULL);
    if (device->context != NULL)
        clReleaseContext(device->context);
    if (device->is_sub_device)
        clReleaseDevice(device->id);
    free(device);
}

void device_set_tuning(struct device *device, struct tuning *tuning)
{
    if (device->tuning != NULL)
        tuning_free(device->tuning);
    free(device->tuning);
    device->tuning = tuning;
}

const struct tuning *device_tuning(const struct device *device)
{
    return device->tuning;
}

cl_program device_find_program(const struct device *device, const uint64_t id[2])
{
    for (size_t i = 0; i < device->program_count; i++)
        if (device->programs[i].id[0] == id[0] && device->programs[i].id[1] == id[1])
            return device->programs[i].program;
    return NULL;
}

void device_keep_program(struct device *device, const uint64_t id[2], cl_program program)
{
    struct kept_program *programs =
        realloc(device->programs, (device->program_count + 1) * sizeof *programs);
    if (programs == NULL)
        return;
    device->programs = programs;
    programs[device->program_count++] = (struct kept_program){{id[0], id[1]}, program};
    clRetainProgram(program);
}

const struct device_info *device_get_info(const struct device *device)
{
    return &device->info;
}

cl_context device_context(const struct device *device)
{
    return device->context;
}

cl_command_queue device_queue(const struct device *device)
{
    return device->queue;
}

cl_device_id device_id(const struct device *device)
{
    return device->id;
}

bool device_is_cpu(const struct device *device)
{
    return (device->info.type & CL_DEVICE_TYPE_CPU) != 0;
}

uint64_t device_bytes(const struct device *device)
{
    return device->bytes;
}

/* Whether so much is free by the device's own limits. */
static enum error check_room(const struct device *device, size_t bytes)
{
    const struct device_info *info = &device->info;
    uint64_t free_bytes =
        info->global_bytes > device->bytes ? info->global_bytes - device->bytes : 0;
    if (bytes <= info->max_buffer_bytes && bytes <= free_bytes)
        return ERR_NONE;
    return error_set(ERR_TOO_BIG,
                     "a buffer of %zu bytes does not fit on %s: at most %llu in one buffer, "
                     "%llu of %llu bytes free; use a smaller batch or fewer parameters",
                     bytes, info->name, (unsigned long long)info->max_buffer_bytes,
                     (unsigned long long)free_bytes, (unsigned long long)info->global_bytes);
}

enum error device_buffer(cl_mem *out, struct device *device, size_t bytes)
{
    assert(bytes > 0);
    enum error err = ERR_NONE;
    static const cl_float16 zeros;
    cl_mem buffer = NULL;
    cl_int code;
    *out = NULL;
    bytes = (bytes + sizeof zeros - 1) / sizeof zeros * sizeof zeros;
    TRY(check_room(device, bytes));
    buffer = clCreateBuffer(device->context, CL_MEM_READ_WRITE, bytes, NULL, &code);
    TRY(device_check(code, "create a buffer"));
    /* Many drivers allocate at first use, so this also shows whether the memory is there. */
    TRY(device_check(
        clEnqueueFillBuffer(device->queue, buffer, &zeros, sizeof zeros, 0, bytes, 0, NULL, NULL),
        "fill a new buffer"));
    device->buffers++;
    device->bytes += bytes;
    *out = buffer;
out:
    if (err != ERR_NONE && buffer != NULL)
        clReleaseMemObject(buffer);
    return err;
}

enum error device_buffer_of(cl_mem *out, struct device *device, void *data, size_t bytes)
{
    assert(bytes > 0);
    enum error err = ERR_NONE;
    cl_int code;
    *out = NULL;
    if (!device_is_cpu(device)) {
        TRY(device_buffer(out, device, bytes));
        return device_write(device, *out, 0, data, bytes);
    }
    TRY(check_room(device, bytes));
    cl_mem buffer =
        clCreateBuffer(device->context, CL_MEM_READ_ONLY | CL_MEM_USE_HOST_PTR, bytes, data, &code);
    TRY(device_check(code, "create a buffer of host memory"));
    device->buffers++;
    device->bytes += bytes;
    *out = buffer;
out:
    return err;
}

void device_release(struct device *device, cl_mem *buffer)
{
    if (*buffer == NULL)
        return;
    size_t bytes = 0;
    clGetMemObjectInfo(*buffer, CL_MEM_SIZE, sizeof bytes, &bytes, NULL);
    clReleaseMemObject(*buffer);
    *buffer = NULL;
    device->buffers--;
    device->bytes -= bytes;
}

enum error device_scratch(cl_mem *out, struct device *device, enum device_scratch purpose,
                          size_t bytes)
{
    enum error err = ERR_NONE;
    if (bytes > device->scratch_bytes[purpose]) {
        /* Commands that are under way keep the old one alive. */
        device_release(device, &device->scratch[purpose]);
        device->scratch_bytes[purpose] = 0;
        TRY(device_buffer(&device->scratch[purpose], device, bytes));
        device->scratch_bytes[purpose] = bytes;
    }
out:
    *out = device->scratch[purpose];
    return err;
}

enum error device_write(struct device *device, cl_mem buffer, size_t offset, const void *data,
                        size_t bytes)
{
    if (bytes == 0)
        return ERR_NONE;
    return device_check(
        clEnqueueWriteBuffer(device->queue, buffer, CL_TRUE, offset, bytes, data, 0, NULL, NULL),
        "write a buffer");
}

enum error device_read(struct device *device, cl_mem buffer, size_t offset, void *data,
                       size_t bytes)
{
    if (bytes == 0)
        return ERR_NONE;
    return device_check(
        clEnqueueReadBuffer(device->queue, buffer, CL_TRUE, offset, bytes, data, 0, NULL, NULL),
        "read a buffer");
}

enum error device_finish(struct device *device)
{
    return device_check(clFinish(device->queue), "wait for the queue");
}
