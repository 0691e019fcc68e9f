/* clade devices: OpenCL devices, and what a run would use of them. */
#include <stdio.h>
#include <stdlib.h>

#include "pipeline/command.h"
#include "pipeline/listing.h"
#include "pipeline/probe.h"
#include "pipeline/slots.h"

enum { OPTION_FORMAT = 1, OPTION_SET };

static const struct listing_column columns[] = {
    {NULL, "index", 0},
    {"platform_index", NULL, 0},
    {"device_index", NULL, 0},
    {"platform", "platform", 0},
    {"device", "device", 0},
    {"type", "type", 0},
    {"compute_units", "units", 0},
    {"memory_bytes", "memory", 0},
    {"version", NULL, 0},
    {"driver", "driver", 0},
    {"slots", "slots", 0},
    {"driver_file", NULL, 0},
    {"status", "status", 0},
};

static void put_device(struct listing *listing, const struct probed *device, size_t slots)
{
    const struct device_info *info = &device->info;
    char index[32];
    snprintf(index, sizeof index, "%d.%d", info->platform, info->device);
    listing_text(listing, index);
    listing_integer(listing, info->platform);
    listing_integer(listing, info->device);
    listing_text(listing, info->platform_name);
    listing_text(listing, info->name);
    listing_text(listing, device_type_name(info->type));
    listing_integer(listing, info->compute_units);
    listing_bytes(listing, info->global_bytes);
    listing_text(listing, info->version);
    listing_text(listing, info->driver);
    listing_integer(listing, (int64_t)slots);
    listing_text(listing, device->driver);
    listing_text(listing, "ok");
}

static void put_failure(struct listing *listing, const struct probed *device)
{
    for (size_t i = 0; i + 2 < sizeof columns / sizeof columns[0]; i++)
        listing_missing(listing);
    listing_text(listing, device->driver);
    listing_text(listing, device->failure);
}

static enum error run(struct arguments *arguments)
{
    enum error err = ERR_NONE;
    enum format format = FORMAT_TEXT;
    struct settings settings;
    struct probed *devices = NULL;
    struct slot *slots = NULL;
    struct listing listing;
    size_t count = 0, slot_count = 0;
    int id;
    const char *value;
    settings_defaults(&settings, NULL);
    for (;;) {
        TRY(command_next(&id, &value, arguments));
        if (id == 0)
            break;
        if (id == OPTION_FORMAT)
            TRY(format_parse(&format, value));
        if (id == OPTION_SET)
            TRY(settings_apply(&settings, NULL, value));
    }
    TRY(probe_devices(&devices, &count));
    /* Without a usable device the list is what explains it. */
    enum error usable = slots_plan(&slots, &slot_count, devices, count, &settings.devices);
    if (usable != ERR_NONE && usable != ERR_NO_DEVICE) {
        err = usable;
        goto out;
    }
    listing_begin(&listing, format, columns, sizeof columns / sizeof columns[0]);
    for (size_t i = 0; i < count; i++) {
        if (devices[i].failure[0] != '\0')
            put_failure(&listing, &devices[i]);
        else
            put_device(&listing, &devices[i], slots_on(slots, slot_count, &devices[i]));
    }
    TRY(listing_print(&listing));
    err = usable;
out:
    free(slots);
    free(devices);
    return err;
}

static const struct option_row options[] = {
    {"format", OPTION_FORMAT, "text|csv", "a table for reading, or CSV"},
    {"set", OPTION_SET, "devices.KEY=VALUE", "show the slots of a run with this setting"},
    {0},
};

const struct command command_devices = {
    .name = "devices",
    .operands = "",
    .summary = "List OpenCL devices and the slots that a run would use",
    .examples = "clade devices\n"
                "clade devices --format csv --set devices.slots=2\n",
    .text = "Every driver is asked in a child process: one that crashes is a row with the reason.\n"
            "The index is what devices.use takes. A slot trains one candidate at a time: a GPU is\n"
            "one, a CPU device one a core.\n",
    .options = options,
    .least = 0,
    .most = 0,
    .run = run,
};
