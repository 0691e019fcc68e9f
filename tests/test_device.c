/*
 * Devices: listing, slots (in processes of their own, since a driver reads its environment once),
 * buffers, errors, and what happens when a driver fails, through wrapped OpenCL calls.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <CL/cl_ext.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cl_kernels/device.h"
#include "pipeline/base/log.h"

static void ok(enum error err)
{
    if (err != ERR_NONE)
        fail_msg("%s: %s", error_name(err), error_message());
}

/* Faults. Each wrapped call fails with `code` when its name is `faulty`. */
static const char *faulty = "";
static cl_int fault_code;
static int live_buffers;

#define IS_FAULTY(name) (strcmp(faulty, name) == 0)

cl_int __real_clGetPlatformIDs(cl_uint, cl_platform_id *, cl_uint *);
cl_int __wrap_clGetPlatformIDs(cl_uint, cl_platform_id *, cl_uint *);
cl_int __wrap_clGetPlatformIDs(cl_uint size, cl_platform_id *ids, cl_uint *count)
{
    return IS_FAULTY("clGetPlatformIDs") ? fault_code : __real_clGetPlatformIDs(size, ids, count);
}

cl_int __real_clGetDeviceIDs(cl_platform_id, cl_device_type, cl_uint, cl_device_id *, cl_uint *);
cl_int __wrap_clGetDeviceIDs(cl_platform_id, cl_device_type, cl_uint, cl_device_id *, cl_uint *);
cl_int __wrap_clGetDeviceIDs(cl_platform_id platform, cl_device_type type, cl_uint size,
                             cl_device_id *ids, cl_uint *count)
{
    return IS_FAULTY("clGetDeviceIDs") ? fault_code
                                       : __real_clGetDeviceIDs(platform, type, size, ids, count);
}

cl_int __real_clGetDeviceInfo(cl_device_id, cl_device_info, size_t, void *, size_t *);
cl_int __wrap_clGetDeviceInfo(cl_device_id, cl_device_info, size_t, void *, size_t *);
cl_int __wrap_clGetDeviceInfo(cl_device_id id, cl_device_info what, size_t size, void *value,
                              size_t *needed)
{
    if (IS_FAULTY("clGetDeviceInfo"))
        return fault_code;
    cl_int code = __real_clGetDeviceInfo(id, what, size, value, needed);
    if (IS_FAULTY("name") && what == CL_DEVICE_NAME)
        snprintf(value, size, "  A \"GPU\",\n\tmade\x01 by \xc3\xa9   someone \r\n");
    if (IS_FAULTY("long name") && what == CL_DEVICE_NAME) {
        memset(value, 'x', size - 1);
        ((char *)value)[size - 1] = '\0';
    }
    if (IS_FAULTY("not available") && what == CL_DEVICE_AVAILABLE)
        *(cl_bool *)value = CL_FALSE;
    if (IS_FAULTY("no compiler") && what == CL_DEVICE_COMPILER_AVAILABLE)
        *(cl_bool *)value = CL_FALSE;
    return code;
}

cl_context __real_clCreateContext(const cl_context_properties *, cl_uint, const cl_device_id *,
                                  void(CL_CALLBACK *)(const char *, const void *, size_t, void *),
                                  void *, cl_int *);
cl_context __wrap_clCreateContext(const cl_context_properties *, cl_uint, const cl_device_id *,
                                  void(CL_CALLBACK *)(const char *, const void *, size_t, void *),
                                  void *, cl_int *);
cl_context __wrap_clCreateContext(
    const cl_context_properties *properties, cl_uint count, const cl_device_id *ids,
    void(CL_CALLBACK *notify)(const char *, const void *, size_t, void *), void *user, cl_int *code)
{
    if (!IS_FAULTY("clCreateContext"))
        return __real_clCreateContext(properties, count, ids, notify, user, code);
    *code = fault_code;
    return NULL;
}

cl_command_queue __real_clCreateCommandQueue(cl_context, cl_device_id, cl_command_queue_properties,
                                             cl_int *);
cl_command_queue __wrap_clCreateCommandQueue(cl_context, cl_device_id, cl_command_queue_properties,
                                             cl_int *);
cl_command_queue __wrap_clCreateCommandQueue(cl_context context, cl_device_id id,
                                             cl_command_queue_properties properties, cl_int *code)
{
    if (!IS_FAULTY("clCreateCommandQueue"))
        return __real_clCreateCommandQueue(context, id, properties, code);
    *code = fault_code;
    return NULL;
}

cl_mem __real_clCreateBuffer(cl_context, cl_mem_flags, size_t, void *, cl_int *);
cl_mem __wrap_clCreateBuffer(cl_context, cl_mem_flags, size_t, void *, cl_int *);
cl_mem __wrap_clCreateBuffer(cl_context context, cl_mem_flags flags, size_t size, void *host,
                             cl_int *code)
{
    cl_mem buffer = NULL;
    *code = fault_code;
    if (!IS_FAULTY("clCreateBuffer"))
        buffer = __real_clCreateBuffer(context, flags, size, host, code);
    live_buffers += buffer != NULL;
    return buffer;
}

cl_int __real_clReleaseMemObject(cl_mem);
cl_int __wrap_clReleaseMemObject(cl_mem);
cl_int __wrap_clReleaseMemObject(cl_mem buffer)
{
    live_buffers--;
    return __real_clReleaseMemObject(buffer);
}

cl_int __real_clEnqueueFillBuffer(cl_command_queue, cl_mem, const void *, size_t, size_t, size_t,
                                  cl_uint, const cl_event *, cl_event *);
cl_int __wrap_clEnqueueFillBuffer(cl_command_queue, cl_mem, const void *, size_t, size_t, size_t,
                                  cl_uint, const cl_event *, cl_event *);
cl_int __wrap_clEnqueueFillBuffer(cl_command_queue queue, cl_mem buffer, const void *pattern,
                                  size_t pattern_size, size_t offset, size_t size, cl_uint waits,
                                  const cl_event *wait, cl_event *event)
{
    if (IS_FAULTY("clEnqueueFillBuffer"))
        return fault_code;
    return __real_clEnqueueFillBuffer(queue, buffer, pattern, pattern_size, offset, size, waits,
                                      wait, event);
}

static void set_fault(const char *name, cl_int code)
{
    faulty = name;
    fault_code = code;
}

static void test_list(void **state)
{
    (void)state;
    struct device_info *list;
    size_t count;
    ok(device_list(&list, &count));
    assert_true(count >= 1);
    for (size_t i = 0; i < count; i++) {
        const struct device_info *d = &list[i];
        assert_true(d->platform >= 0 && d->device >= 0);
        assert_true(d->platform_name[0] != '\0' && d->name[0] != '\0' && d->driver[0] != '\0');
        assert_non_null(strstr(d->version, "OpenCL"));
        assert_non_null(strstr(d->platform_version, "OpenCL"));
        assert_true(d->compute_units >= 1 && d->max_work_group >= 1);
        assert_true(d->global_bytes > 0 && d->local_bytes > 0);
        assert_true(d->max_buffer_bytes > 0 && d->max_buffer_bytes <= d->global_bytes);
        assert_true(d->type &
                    (CL_DEVICE_TYPE_CPU | CL_DEVICE_TYPE_GPU | CL_DEVICE_TYPE_ACCELERATOR));
    }
    free(list);
}

/* Names come from drivers and end in tables: one line of ASCII without quotes, cut to size. */
static void test_names_are_cleaned(void **state)
{
    (void)state;
    struct device_info *list;
    size_t count;
    set_fault("name", 0);
    ok(device_list(&list, &count));
    assert_string_equal(list[0].name, "A 'GPU', made by someone");
    free(list);
    set_fault("long name", 0);
    ok(device_list(&list, &count));
    assert_int_equal(strlen(list[0].name), DEVICE_TEXT_SIZE - 1);
    free(list);
    set_fault("", 0);
}

static int warnings;

static void count_warnings(enum log_level level, const char *text, void *user)
{
    (void)text;
    (void)user;
    warnings += level == LOG_WARNING;
}

static void test_list_without_devices(void **state)
{
    (void)state;
    struct device_info *list;
    struct device *device = NULL;
    size_t count = 7;
    set_fault("clGetPlatformIDs", CL_PLATFORM_NOT_FOUND_KHR);
    ok(device_list(&list, &count));
    assert_null(list);
    assert_int_equal(count, 0);
    assert_int_equal(device_open(&device, 0, 0, 0, 1), ERR_NO_DEVICE);
    set_fault("clGetPlatformIDs", CL_OUT_OF_RESOURCES);
    assert_int_equal(device_list(&list, &count), ERR_DEVICE);
    assert_null(list);
    /* A platform without devices, one whose driver fails, and a device that does not answer are
       left out; the last two with a warning. */
    const struct {
        const char *call;
        cl_int code;
        bool warns;
    } cases[] = {{"clGetDeviceIDs", CL_DEVICE_NOT_FOUND, false},
                 {"clGetDeviceIDs", CL_OUT_OF_RESOURCES, true},
                 {"clGetDeviceInfo", CL_INVALID_DEVICE, true}};
    log_set_sink(count_warnings, NULL);
    for (int i = 0; i < 3; i++) {
        warnings = 0;
        set_fault(cases[i].call, cases[i].code);
        ok(device_list(&list, &count));
        assert_int_equal(count, 0);
        assert_int_equal(warnings > 0, cases[i].warns);
        free(list);
        assert_int_not_equal(device_open(&device, 0, 0, 0, 1), ERR_NONE);
        assert_null(device);
    }
    log_set_sink(NULL, NULL);
    set_fault("", 0);
}

static void test_open_refuses(void **state)
{
    (void)state;
    struct device *device = NULL;
    static const int wrong[][2] = {{-1, 0}, {0, -1}, {99, 0}, {0, 99}};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(device_open(&device, wrong[i][0], wrong[i][1], 0, 1), ERR_NO_DEVICE);
        assert_null(device);
        assert_non_null(strstr(error_message(), "clade devices"));
    }
    static const char *const unusable[] = {"not available", "no compiler"};
    for (int i = 0; i < 2; i++) {
        set_fault(unusable[i], 0);
        assert_int_equal(device_open(&device, 0, 0, 0, 1), ERR_NO_DEVICE);
        assert_null(device);
    }
    static const char *const calls[] = {"clCreateContext", "clCreateCommandQueue"};
    for (int i = 0; i < 2; i++) {
        set_fault(calls[i], CL_OUT_OF_RESOURCES);
        assert_int_equal(device_open(&device, 0, 0, 0, 1), ERR_DEVICE);
        assert_null(device);
        assert_non_null(strstr(error_message(), "CL_OUT_OF_RESOURCES (-5)"));
    }
    set_fault("", 0);
    device_close(NULL);
}

static void test_buffers(void **state)
{
    (void)state;
    struct device *device;
    cl_mem buffer, none = NULL;
    unsigned char bytes[1001];
    ok(device_open(&device, 0, 0, 0, 1));
    static const size_t sizes[] = {1, 4, 63, 64, 65, 1001};
    for (int i = 0; i < 6; i++) {
        ok(device_buffer(&buffer, device, sizes[i]));
        memset(bytes, 1, sizeof bytes);
        ok(device_read(device, buffer, 0, bytes, sizes[i]));
        for (size_t k = 0; k < sizes[i]; k++)
            assert_int_equal(bytes[k], 0);
        ok(device_write(device, buffer, sizes[i] - 1, "x", 1));
        ok(device_write(device, buffer, 0, "", 0));
        ok(device_read(device, buffer, 0, bytes, sizes[i]));
        assert_int_equal(bytes[sizes[i] - 1], 'x');
        device_release(device, &buffer);
        assert_null(buffer);
    }
    device_release(device, &none);
    /* Past the end. */
    ok(device_buffer(&buffer, device, 64));
    assert_int_equal(device_write(device, buffer, 60, bytes, 8), ERR_DEVICE);
    assert_int_equal(device_read(device, buffer, 64, bytes, 1), ERR_DEVICE);
    device_release(device, &buffer);
    assert_int_equal(live_buffers, 0);
    ok(device_finish(device));
    device_close(device);
}

static void test_buffers_that_do_not_fit(void **state)
{
    (void)state;
    struct device *device;
    cl_mem buffer = NULL;
    ok(device_open(&device, 0, 0, 0, 1));
    uint64_t most = device_get_info(device)->max_buffer_bytes;
    assert_int_equal(device_buffer(&buffer, device, (size_t)most + 1), ERR_TOO_BIG);
    assert_int_equal(device_buffer(&buffer, device, (size_t)1 << 50), ERR_TOO_BIG);
    assert_null(buffer);
    static const struct {
        const char *call;
        cl_int code;
        enum error expected;
    } cases[] = {{"clCreateBuffer", CL_MEM_OBJECT_ALLOCATION_FAILURE, ERR_TOO_BIG},
                 {"clCreateBuffer", CL_OUT_OF_HOST_MEMORY, ERR_TOO_BIG},
                 {"clCreateBuffer", CL_INVALID_BUFFER_SIZE, ERR_TOO_BIG},
                 {"clCreateBuffer", CL_INVALID_CONTEXT, ERR_DEVICE},
                 {"clEnqueueFillBuffer", CL_MEM_OBJECT_ALLOCATION_FAILURE, ERR_TOO_BIG},
                 {"clEnqueueFillBuffer", CL_OUT_OF_RESOURCES, ERR_DEVICE}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        set_fault(cases[i].call, cases[i].code);
        assert_int_equal(device_buffer(&buffer, device, 64), cases[i].expected);
        assert_null(buffer);
        assert_int_equal(live_buffers, 0);
    }
    set_fault("", 0);
    device_close(device);
}

/* On a CPU device in place; counted like other buffers. */
static void test_buffers_of_host_memory(void **state)
{
    (void)state;
    static uint8_t bytes[4096], back[4096];
    struct device *device;
    cl_mem buffer = NULL;
    void *host = NULL;
    ok(device_open(&device, 0, 0, 0, 1));
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7);
    ok(device_buffer_of(&buffer, device, bytes, 4001));
    assert_int_equal(clGetMemObjectInfo(buffer, CL_MEM_HOST_PTR, sizeof host, &host, NULL), 0);
    assert_true(device_is_cpu(device));
    assert_ptr_equal(host, bytes);
    ok(device_read(device, buffer, 0, back, 4001));
    assert_memory_equal(back, bytes, 4001);
    device_release(device, &buffer);
    assert_null(buffer);
    size_t most = (size_t)device_get_info(device)->max_buffer_bytes;
    assert_int_equal(device_buffer_of(&buffer, device, bytes, most + 1), ERR_TOO_BIG);
    set_fault("clCreateBuffer", CL_OUT_OF_HOST_MEMORY);
    assert_int_equal(device_buffer_of(&buffer, device, bytes, 64), ERR_TOO_BIG);
    set_fault("", 0);
    assert_null(buffer);
    device_close(device);
    assert_int_equal(live_buffers, 0);
}

/* Scratch memory grows and never shrinks; the device frees it. */
static void test_scratch(void **state)
{
    (void)state;
    struct device *device;
    cl_mem small, large, again, other;
    size_t bytes = 0;
    ok(device_open(&device, 0, 0, 0, 1));
    ok(device_scratch(&small, device, SCRATCH_OPERANDS, 100));
    ok(device_scratch(&again, device, SCRATCH_OPERANDS, 50));
    assert_ptr_equal(small, again);
    ok(device_scratch(&other, device, SCRATCH_GEMM, 100));
    assert_ptr_not_equal(small, other);
    ok(device_scratch(&large, device, SCRATCH_OPERANDS, 5000));
    assert_int_equal(clGetMemObjectInfo(large, CL_MEM_SIZE, sizeof bytes, &bytes, NULL), 0);
    assert_true(bytes >= 5000);
    assert_int_equal(live_buffers, 2);
    ok(device_scratch(&again, device, SCRATCH_OPERANDS, 100));
    assert_ptr_equal(large, again);
    set_fault("clCreateBuffer", CL_MEM_OBJECT_ALLOCATION_FAILURE);
    assert_int_equal(device_scratch(&again, device, SCRATCH_OPERANDS, 9000), ERR_TOO_BIG);
    set_fault("", 0);
    /* After the failure there is none, until it is asked for again. */
    ok(device_scratch(&again, device, SCRATCH_OPERANDS, 100));
    device_close(device);
    assert_int_equal(live_buffers, 0);
}

static void test_codes(void **state)
{
    (void)state;
    assert_string_equal(device_code_name(CL_OUT_OF_RESOURCES), "CL_OUT_OF_RESOURCES");
    assert_string_equal(device_code_name(0), "CL_SUCCESS");
    assert_string_equal(device_code_name(-1001), "CL_PLATFORM_NOT_FOUND_KHR");
    assert_string_equal(device_code_name(-9999), "an OpenCL code without a name");
    for (cl_int code = -72; code <= -1; code++) {
        bool named = code >= -19 || (code >= -68 && code <= -30);
        assert_int_equal(strncmp(device_code_name(code), "CL_", 3) == 0, named);
    }
    ok(device_check(CL_SUCCESS, "nothing"));
    assert_int_equal(device_check(CL_MEM_OBJECT_ALLOCATION_FAILURE, "fill it"), ERR_TOO_BIG);
    assert_non_null(strstr(error_message(), "fill it: CL_MEM_OBJECT_ALLOCATION_FAILURE (-4)"));
    assert_int_equal(device_check(CL_INVALID_KERNEL_ARGS, "enqueue conv_gather"), ERR_DEVICE);
    assert_non_null(strstr(error_message(), "enqueue conv_gather: CL_INVALID_KERNEL_ARGS (-52)"));
    assert_int_equal(device_check(-9999, "x"), ERR_DEVICE);
}

/* `test_device slot PART PARTS`: prepares and opens a slot, prints what it got. */
static int run_slot(int part, int parts)
{
    struct device *device;
    cpu_set_t mine;
    device_prepare_slot(part, parts);
    if (device_open(&device, 0, 0, part, parts) != ERR_NONE) {
        printf("%s\n", error_message());
        return 1;
    }
    CPU_ZERO(&mine);
    sched_getaffinity(0, sizeof mine, &mine);
    int first = 0;
    while (!CPU_ISSET((size_t)first, &mine))
        first++;
    const struct device_info *info = device_get_info(device);
    printf("units %d cores %d first %d index %d.%d bytes %llu\n", info->compute_units,
           CPU_COUNT(&mine), first, info->platform, info->device,
           (unsigned long long)info->global_bytes);
    device_close(device);
    return 0;
}

struct slot {
    int units, cores, first, platform, device;
    unsigned long long bytes;
};

/* Runs a slot in a process of its own, with `environment` ("NAME=value") before the command. */
static struct slot open_slot(const char *environment, int part, int parts)
{
    char self[512], command[700], line[256];
    struct slot slot;
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(length > 0);
    self[length] = '\0';
    snprintf(command, sizeof command, "env -u POCL_DEVICES %s '%s' slot %d %d", environment, self,
             part, parts);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_non_null(fgets(line, sizeof line, pipe));
    if (sscanf(line, "units %d cores %d first %d index %d.%d bytes %llu", &slot.units, &slot.cores,
               &slot.first, &slot.platform, &slot.device, &slot.bytes) != 6)
        fail_msg("%s: %s", command, line);
    assert_int_equal(pclose(pipe), 0);
    return slot;
}

static void test_slots(void **state)
{
    (void)state;
    struct slot whole = open_slot("", 0, 1);
    int cores = whole.cores;
    assert_int_equal(whole.units, cores);
    /* One core each: PoCL's one-thread device, the one the user asked for cut into sub-devices, or
       limited to a thread. */
    static const char *const environments[] = {"", "POCL_DEVICES=pthread",
                                               "POCL_DEVICES=pthread POCL_MAX_PTHREAD_COUNT=64"};
    for (int e = 0; e < 3; e++)
        for (int part = 0; part < cores && part < 3; part++) {
            if (cores == 1)
                continue;
            struct slot slot;
            /* Memory may be added to a virtual machine, and the driver counts it at each start. */
            do {
                whole = open_slot("", 0, 1);
                slot = open_slot(environments[e], part, cores);
            } while (open_slot("", 0, 1).bytes != whole.bytes);
            assert_int_equal(slot.units, 1);
            assert_int_equal(slot.cores, 1);
            assert_true(slot.first >= whole.first + part);
            /* The name that the caller knows, and a share of the memory. */
            assert_int_equal(slot.platform, 0);
            assert_int_equal(slot.device, 0);
            assert_true(slot.bytes <= whole.bytes / (unsigned)cores + 1);
        }
    /* More slots than cores share them. */
    struct slot many = open_slot("", cores, cores + 1);
    assert_int_equal(many.cores, 1);
    assert_int_equal(many.first, whole.first);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "slot") == 0)
        return run_slot(atoi(argv[2]), atoi(argv[3]));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slots),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_names_are_cleaned),
        cmocka_unit_test(test_list_without_devices),
        cmocka_unit_test(test_open_refuses),
        cmocka_unit_test(test_buffers),
        cmocka_unit_test(test_buffers_that_do_not_fit),
        cmocka_unit_test(test_scratch),
        cmocka_unit_test(test_buffers_of_host_memory),
        cmocka_unit_test(test_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
