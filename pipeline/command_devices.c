/* clade devices: OpenCL devices, and what a run would use of them. */
#include <stdio.h>
#include <stdlib.h>

#include "pipeline/command.h"
#include "pipeline/device_test.h"
#include "pipeline/listing.h"
#include "pipeline/probe.h"
#include "pipeline/slots.h"

enum { OPTION_FORMAT = 1, OPTION_SET, OPTION_SELF_TEST };

enum { COLUMNS = 16, TEST_COLUMNS = 3 };

/* The last three are shown in text only with --self-test. */
static const struct listing_column columns[COLUMNS] = {
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
    {"self_test_checks", "checks", 0},
    {"self_test_worst", "worst", 3},
    {"self_test", "self-test", 0},
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
    for (size_t i = 0; i + TEST_COLUMNS + 2 < COLUMNS; i++)
        listing_missing(listing);
    listing_text(listing, device->driver);
    listing_text(listing, device->failure);
}

static void put_no_test(struct listing *listing)
{
    for (int i = 0; i < TEST_COLUMNS; i++)
        listing_missing(listing);
}

/* *failed gets the first failure. */
static enum error put_test(struct listing *listing, char failed[DEVICE_TEST_TEXT_SIZE],
                           const struct slot *slot, enum conv_family family)
{
    struct device_test test;
    enum error err = device_test_run(&test, slot, family);
    if (err != ERR_NONE)
        return err;
    listing_integer(listing, test.checks);
    listing_number(listing, test.worst);
    listing_text(listing, test.failure[0] == '\0' ? "passed" : test.failure);
    if (failed[0] == '\0')
        snprintf(failed, DEVICE_TEST_TEXT_SIZE, "%s", test.failure);
    return ERR_NONE;
}

struct request {
    enum format format;
    bool self_test;
    struct settings settings;
};

static enum error read_arguments(struct request *request, struct arguments *arguments)
{
    enum error err = ERR_NONE;
    settings_defaults(&request->settings, NULL);
    for (;;) {
        int id;
        const char *value;
        TRY(command_next(&id, &value, arguments));
        if (id == 0)
            break;
        if (id == OPTION_FORMAT)
            TRY(format_parse(&request->format, value));
        if (id == OPTION_SET)
            TRY(settings_apply(&request->settings, NULL, value));
        if (id == OPTION_SELF_TEST)
            request->self_test = true;
    }
out:
    return err;
}

/* A slot of the device as a run would use it; the whole device when it would not. */
static struct slot slot_of(const struct slot *slots, size_t count, const struct probed *device)
{
    for (size_t i = 0; i < count; i++)
        if (slots_on(&slots[i], 1, device) == 1)
            return slots[i];
    return (struct slot){.device = *device, .parts = 1};
}

static enum error put_all(struct listing *listing, char failed[DEVICE_TEST_TEXT_SIZE],
                          const struct request *request, const struct probed *devices, size_t count,
                          const struct slot *slots, size_t slot_count)
{
    enum error err = ERR_NONE;
    for (size_t i = 0; i < count; i++) {
        const struct probed *device = &devices[i];
        bool works = device->failure[0] == '\0';
        if (works)
            put_device(listing, device, slots_on(slots, slot_count, device));
        else
            put_failure(listing, device);
        struct slot slot = slot_of(slots, slot_count, device);
        if (works && request->self_test)
            TRY(put_test(listing, failed, &slot, request->settings.devices.conv));
        else
            put_no_test(listing);
    }
out:
    return err;
}

static enum error run(struct arguments *arguments)
{
    enum error err = ERR_NONE;
    struct request request = {0};
    struct probed *devices = NULL;
    struct slot *slots = NULL;
    struct listing listing = {0};
    struct listing_column shown[COLUMNS];
    size_t count = 0, slot_count = 0;
    char failed[DEVICE_TEST_TEXT_SIZE] = "", none[DEVICE_TEST_TEXT_SIZE] = "";
    TRY(read_arguments(&request, arguments));
    TRY(probe_devices(&devices, &count));
    /* Without a usable device the list is what explains it. */
    enum error usable = slots_plan(&slots, &slot_count, devices, count, &request.settings.devices);
    if (usable != ERR_NONE && usable != ERR_NO_DEVICE) {
        err = usable;
        goto out;
    }
    snprintf(none, sizeof none, "%s", error_message());
    for (int i = 0; i < COLUMNS; i++) {
        shown[i] = columns[i];
        if (i >= COLUMNS - TEST_COLUMNS && !request.self_test)
            shown[i].heading = NULL;
    }
    listing_begin(&listing, request.format, shown, COLUMNS);
    TRY(put_all(&listing, failed, &request, devices, count, slots, slot_count));
    TRY(listing_print(&listing));
    if (failed[0] != '\0')
        err = error_set(ERR_NO_DEVICE, "%s", failed);
    else if (usable != ERR_NONE)
        err = error_set(usable, "%s", none);
out:
    listing_free(&listing);
    free(slots);
    free(devices);
    return err;
}

static const struct option_row options[] = {
    {"self-test", OPTION_SELF_TEST, NULL,
     "run every operation on each device and compare it with plain C"},
    {"format", OPTION_FORMAT, "text|csv", "a table for reading, or CSV"},
    {"set", OPTION_SET, "devices.KEY=VALUE", "show the slots of a run with this setting"},
    {0},
};

const struct command command_devices = {
    .name = "devices",
    .operands = "",
    .summary = "List OpenCL devices and the slots that a run would use",
    .examples = "clade devices\n"
                "clade devices --format csv --set devices.slots=2\n"
                "clade devices --self-test\n",
    .text = "Every driver is asked in a child process: one that crashes is a row with the reason.\n"
            "The index is what devices.use takes. A slot trains one candidate at a time: a GPU is\n"
            "one, a CPU device one a core. The self-test's worst error is in units of what is\n"
            "allowed: over 1 is a failure, and the exit code is 4.\n",
    .options = options,
    .least = 0,
    .most = 0,
    .run = run,
};
