#include "pipeline/slots.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cl_kernels/tuner.h"
#include "pipeline/base/log.h"
#include "pipeline/footprint.h"
#include "stages/train.h"

static bool is_cpu(const struct probed *device)
{
    return (device->info.type & CL_DEVICE_TYPE_CPU) != 0;
}

/* Whether the comma list `use` holds "platform.device" of the device. */
static bool is_named(const char *use, const struct probed *device)
{
    char index[32];
    size_t length =
        (size_t)snprintf(index, sizeof index, "%d.%d", device->info.platform, device->info.device);
    for (const char *at = use; *at != '\0';) {
        at += strspn(at, ", \t");
        size_t word = strcspn(at, ", \t");
        if (word == length && strncmp(at, index, length) == 0)
            return true;
        at += word;
    }
    return false;
}

static bool is_wanted(const char *use, const struct probed *device, int first_cpu_platform)
{
    bool first_of_its_kind = !is_cpu(device) || device->info.platform == first_cpu_platform;
    if (device->failure[0] != '\0')
        return false;
    if (strcmp(use, "all") == 0)
        return first_of_its_kind;
    if (strcmp(use, "cpu") == 0)
        return is_cpu(device) && first_of_its_kind;
    if (strcmp(use, "gpu") == 0)
        return (device->info.type & CL_DEVICE_TYPE_GPU) != 0;
    return is_named(use, device);
}

static int parts_of(const struct probed *device, const struct device_settings *settings)
{
    if (!is_cpu(device))
        return 1;
    if (settings->slots > 0)
        return settings->slots;
    cpu_set_t allowed;
    int cores = device->info.compute_units;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0 && CPU_COUNT(&allowed) < cores)
        cores = CPU_COUNT(&allowed);
    return cores > 0 ? cores : 1;
}

/* Every name in the list must be a device that works. */
static enum error check_names(const struct probed *devices, size_t count, const char *use)
{
    if (strcmp(use, "all") == 0 || strcmp(use, "cpu") == 0 || strcmp(use, "gpu") == 0)
        return ERR_NONE;
    for (const char *at = use + strspn(use, ", \t"); *at != '\0'; at += strspn(at, ", \t")) {
        char name[32];
        size_t length = strcspn(at, ", \t"), i = 0;
        snprintf(name, sizeof name, "%.*s", (int)length, at);
        while (i < count && (devices[i].failure[0] != '\0' || !is_named(name, &devices[i])))
            i++;
        if (i == count)
            return error_set(ERR_NO_DEVICE,
                             "devices.use = %s: there is no OpenCL device %s; see 'clade devices'",
                             use, name);
        at += length;
    }
    return ERR_NONE;
}

static enum error no_device(const struct probed *devices, size_t count, const char *use)
{
    for (size_t i = 0; i < count; i++)
        if (devices[i].failure[0] != '\0')
            return error_set(ERR_NO_DEVICE, "no usable OpenCL device: %s; see 'clade devices'",
                             devices[i].failure);
    if (count > 0)
        return error_set(ERR_NO_DEVICE,
                         "devices.use = %s: no such OpenCL device; see 'clade "
                         "devices'",
                         use);
    return error_set(ERR_NO_DEVICE, "no OpenCL device found; install a driver, on Debian for the "
                                    "CPU: apt-get install pocl-opencl-icd");
}

enum error slots_plan(struct slot **slots, size_t *count, const struct probed *devices,
                      size_t device_count, const struct device_settings *settings)
{
    enum error err = check_names(devices, device_count, settings->use);
    size_t total = 0;
    int first_cpu_platform = -1;
    *slots = NULL;
    *count = 0;
    if (err != ERR_NONE)
        return err;
    for (size_t i = device_count; i-- > 0;)
        if (devices[i].failure[0] == '\0' && is_cpu(&devices[i]))
            first_cpu_platform = devices[i].info.platform;
    for (size_t i = 0; i < device_count; i++)
        if (is_wanted(settings->use, &devices[i], first_cpu_platform))
            total += (size_t)parts_of(&devices[i], settings);
    if (total == 0)
        return no_device(devices, device_count, settings->use);
    *slots = calloc(total, sizeof **slots);
    if (*slots == NULL)
        return error_set(ERR_INTERNAL, "out of memory for %zu slots", total);
    for (size_t i = 0; i < device_count; i++) {
        if (!is_wanted(settings->use, &devices[i], first_cpu_platform))
            continue;
        int parts = parts_of(&devices[i], settings);
        for (int part = 0; part < parts; part++)
            (*slots)[(*count)++] = (struct slot){.device = devices[i],
                                                 .part = part,
                                                 .parts = parts,
                                                 .tuned = settings->tune == TUNE_AUTO};
    }
    return ERR_NONE;
}

enum error slots_find(struct slot **slots, size_t *count, struct probed **devices,
                      size_t *device_count, const struct device_settings *settings)
{
    struct probed *probed;
    size_t probed_count;
    *slots = NULL;
    *count = 0;
    enum error err = probe_devices(&probed, &probed_count);
    if (err != ERR_NONE)
        return err;
    for (size_t i = 0; i < probed_count; i++)
        if (probed[i].failure[0] != '\0')
            log_event(LOG_WARNING, "%s", probed[i].failure);
    err = slots_plan(slots, count, probed, probed_count, settings);
    if (err == ERR_NONE && devices != NULL) {
        *devices = probed;
        *device_count = probed_count;
    } else {
        free(probed);
    }
    return err;
}

int64_t slots_places(const struct slot *slots, size_t count, int pack)
{
    int64_t places = 0;
    for (size_t i = 0; i < count; i++)
        places += train_pack_size(&slots[i].device.info, pack);
    return places;
}

size_t slots_on(const struct slot *slots, size_t count, const struct probed *device)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += device->failure[0] == '\0' && slots[i].device.info.platform == device->info.platform &&
             slots[i].device.info.device == device->info.device;
    return n;
}

enum error slot_open(struct device **device, const struct slot *slot)
{
    footprint_keep_small();
    probe_use_driver(slot->device.driver);
    device_prepare_slot(slot->part, slot->parts);
    enum error err = device_open(device, slot->device.platform_in_driver, slot->device.info.device,
                                 slot->part, slot->parts);
    if (err == ERR_NONE && slot->tuned)
        err = tuner_use(*device);
    return err;
}

enum error slot_find_whole(struct slot *slot, const struct device_settings *settings)
{
    struct slot *slots = NULL;
    size_t slot_count;
    enum error err = slots_find(&slots, &slot_count, NULL, NULL, settings);
    if (err != ERR_NONE)
        return err;
    *slot = slots[0];
    slot->part = 0;
    slot->parts = 1;
    free(slots);
    return ERR_NONE;
}

enum error slot_open_whole(struct device **device, const struct device_settings *settings)
{
    struct slot slot;
    enum error err = slot_find_whole(&slot, settings);
    return err == ERR_NONE ? slot_open(device, &slot) : err;
}
