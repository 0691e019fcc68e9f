#include "cl_kernels/device_query.h"

#include <CL/cl_ext.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/base/log.h"

/* Text from a driver becomes one line of printable ASCII without quotes. */
static void clean(char *text)
{
    size_t length = 0;
    for (const char *s = text; *s != '\0'; s++) {
        char c = *s >= ' ' && *s <= '~' ? *s : ' ';
        if (c == '"')
            c = '\'';
        if (c != ' ' || (length > 0 && text[length - 1] != ' '))
            text[length++] = c;
    }
    while (length > 0 && text[length - 1] == ' ')
        length--;
    text[length] = '\0';
}

static cl_int platform_text(char text[DEVICE_TEXT_SIZE], cl_platform_id id, cl_platform_info what)
{
    char whole[1024] = "";
    cl_int code = clGetPlatformInfo(id, what, sizeof whole - 1, whole, NULL);
    clean(whole);
    strncat(text, whole, DEVICE_TEXT_SIZE - 1);
    return code;
}

static cl_int device_text(char text[DEVICE_TEXT_SIZE], cl_device_id id, cl_device_info what)
{
    char whole[1024] = "";
    cl_int code = clGetDeviceInfo(id, what, sizeof whole - 1, whole, NULL);
    clean(whole);
    strncat(text, whole, DEVICE_TEXT_SIZE - 1);
    return code;
}

/* Whether the device can be cut into sub-devices of equal size, down to one compute unit. */
static bool partitions(cl_device_id id, cl_uint compute_units)
{
    cl_uint most = 0;
    cl_device_partition_property kinds[16] = {0};
    if (clGetDeviceInfo(id, CL_DEVICE_PARTITION_MAX_SUB_DEVICES, sizeof most, &most, NULL) !=
            CL_SUCCESS ||
        clGetDeviceInfo(id, CL_DEVICE_PARTITION_PROPERTIES, sizeof kinds, kinds, NULL) !=
            CL_SUCCESS)
        return false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i] == CL_DEVICE_PARTITION_EQUALLY)
            return compute_units > 1 && most >= compute_units;
    return false;
}

enum error device_query(struct device_info *info, cl_platform_id platform, cl_device_id id)
{
    cl_uint units = 0, vector = 0;
    cl_ulong global = 0, largest = 0, local = 0;
    cl_int code = platform_text(info->platform_name, platform, CL_PLATFORM_NAME);
    if (code == CL_SUCCESS)
        code = platform_text(info->platform_version, platform, CL_PLATFORM_VERSION);
    if (code == CL_SUCCESS)
        code = device_text(info->name, id, CL_DEVICE_NAME);
    if (code == CL_SUCCESS)
        code = device_text(info->driver, id, CL_DRIVER_VERSION);
    if (code == CL_SUCCESS)
        code = device_text(info->version, id, CL_DEVICE_VERSION);
    if (code == CL_SUCCESS)
        code = clGetDeviceInfo(id, CL_DEVICE_TYPE, sizeof info->type, &info->type, NULL);
    if (code == CL_SUCCESS)
        code = clGetDeviceInfo(id, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units, &units, NULL);
    if (code == CL_SUCCESS)
        code = clGetDeviceInfo(id, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof global, &global, NULL);
    if (code == CL_SUCCESS)
        code = clGetDeviceInfo(id, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof largest, &largest, NULL);
    if (code == CL_SUCCESS)
        code = clGetDeviceInfo(id, CL_DEVICE_LOCAL_MEM_SIZE, sizeof local, &local, NULL);
    if (code == CL_SUCCESS)
        code = clGetDeviceInfo(id, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof info->max_work_group,
                               &info->max_work_group, NULL);
    if (clGetDeviceInfo(id, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, sizeof vector, &vector, NULL) ==
        CL_SUCCESS)
        info->vector_floats = (int)vector;
    info->compute_units = (int)units;
    info->global_bytes = global;
    info->max_buffer_bytes = largest < global ? largest : global;
    info->local_bytes = local;
    info->can_partition = partitions(id, units);
    return device_check(code, "read a device's properties");
}

enum error device_platforms(cl_platform_id **platforms, cl_uint *count)
{
    enum error err = ERR_NONE;
    *platforms = NULL;
    *count = 0;
    cl_uint found = 0;
    cl_int code = clGetPlatformIDs(0, NULL, &found);
    if (code == CL_PLATFORM_NOT_FOUND_KHR || (code == CL_SUCCESS && found == 0))
        return ERR_NONE;
    TRY(device_check(code, "list the platforms"));
    *platforms = calloc(found, sizeof **platforms);
    if (*platforms == NULL)
        return error_set(ERR_INTERNAL, "out of memory for %u OpenCL platforms", found);
    TRY(device_check(clGetPlatformIDs(found, *platforms, NULL), "list the platforms"));
    *count = found;
out:
    if (err != ERR_NONE) {
        free(*platforms);
        *platforms = NULL;
    }
    return err;
}

enum error device_ids(cl_device_id **ids, cl_uint *count, cl_platform_id platform)
{
    enum error err = ERR_NONE;
    *ids = NULL;
    *count = 0;
    cl_uint found = 0;
    cl_int code = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, NULL, &found);
    if (code == CL_DEVICE_NOT_FOUND || (code == CL_SUCCESS && found == 0))
        return ERR_NONE;
    TRY(device_check(code, "list the devices of a platform"));
    *ids = calloc(found, sizeof **ids);
    if (*ids == NULL)
        return error_set(ERR_INTERNAL, "out of memory for %u OpenCL devices", found);
    TRY(device_check(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, found, *ids, NULL),
                     "list the devices of a platform"));
    *count = found;
out:
    if (err != ERR_NONE) {
        free(*ids);
        *ids = NULL;
    }
    return err;
}

enum error device_list(struct device_info **list, size_t *count)
{
    enum error err = ERR_NONE;
    cl_platform_id *platforms = NULL;
    cl_device_id *ids = NULL;
    cl_uint platform_count, id_count;
    *list = NULL;
    *count = 0;
    TRY(device_platforms(&platforms, &platform_count));
    for (cl_uint p = 0; p < platform_count; p++) {
        /* One broken driver must not hide the others. */
        if (device_ids(&ids, &id_count, platforms[p]) != ERR_NONE)
            log_event(LOG_WARNING, "platform %u is left out: %s", p, error_message());
        for (cl_uint d = 0; d < id_count; d++) {
            struct device_info *longer = realloc(*list, (*count + 1) * sizeof **list);
            if (longer == NULL) {
                err = error_set(ERR_INTERNAL, "out of memory for the list of OpenCL devices");
                goto out;
            }
            *list = longer;
            longer[*count] = (struct device_info){.platform = (int)p, .device = (int)d};
            if (device_query(&longer[*count], platforms[p], ids[d]) == ERR_NONE)
                ++*count;
            else
                log_event(LOG_WARNING, "device %u.%u is left out: %s", p, d, error_message());
        }
        free(ids);
        ids = NULL;
    }
out:
    free(ids);
    free(platforms);
    if (err != ERR_NONE) {
        free(*list);
        *list = NULL;
        *count = 0;
    }
    return err;
}
