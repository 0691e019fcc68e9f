/* clade worker: what the supervisor starts. */
#include <stdint.h>
#include <stdio.h>

#include "pipeline/command.h"
#include "pipeline/worker.h"

enum {
    OPTION_WORKER = 1,
    OPTION_SUPERVISOR,
    OPTION_DRIVER,
    OPTION_PLATFORM,
    OPTION_DEVICE,
    OPTION_PART,
    OPTION_PARTS,
    OPTION_SHARED_IMAGES
};

static enum error run(struct arguments *arguments)
{
    enum error err = ERR_NONE;
    struct worker_order order = {.slot = {.parts = 1}};
    long long number = 0;
    for (;;) {
        int id;
        const char *value;
        TRY(command_next(&id, &value, arguments));
        if (id == 0)
            break;
        if (id == OPTION_DRIVER) {
            snprintf(order.slot.device.driver, sizeof order.slot.device.driver, "%s", value);
            continue;
        }
        TRY(command_integer(&number, arguments, id, value, 0, INT32_MAX));
        switch (id) {
        case OPTION_WORKER:
            order.worker = number;
            break;
        case OPTION_SUPERVISOR:
            order.supervisor = (pid_t)number;
            break;
        case OPTION_PLATFORM:
            order.slot.device.platform_in_driver = (int)number;
            break;
        case OPTION_DEVICE:
            order.slot.device.info.device = (int)number;
            break;
        case OPTION_PART:
            order.slot.part = (int)number;
            break;
        case OPTION_PARTS:
            order.slot.parts = (int)number;
            break;
        case OPTION_SHARED_IMAGES:
            order.shared_images = number != 0;
            break;
        }
    }
    if (order.slot.part >= order.slot.parts)
        return error_set(ERR_USAGE, "worker: --part %d of --parts %d: parts count from 0",
                         order.slot.part, order.slot.parts);
    order.directory = arguments->operands[0];
    TRY(worker_run(&order));
out:
    return err;
}

static const struct option_row options[] = {
    {"worker", OPTION_WORKER, "N", "its row in the store"},
    {"supervisor", OPTION_SUPERVISOR, "PID", "its parent; it dies with it"},
    {"driver", OPTION_DRIVER, "FILE", "the only ICD file to load"},
    {"platform", OPTION_PLATFORM, "N", "platform in that driver"},
    {"device", OPTION_DEVICE, "N", "device of the platform"},
    {"part", OPTION_PART, "N", "which share of a CPU device, from 0"},
    {"parts", OPTION_PARTS, "N", "how many shares"},
    {"shared-images", OPTION_SHARED_IMAGES, "0|1", "whether descriptor 4 holds the images"},
    {0},
};

const struct command command_worker = {
    .name = "worker",
    .operands = "DIR",
    .summary = "Train candidates of a run; started by 'clade run'",
    .examples = "clade run inputs/searches/quick.ini    (starts one worker a slot)\n",
    .text = "Internal. A worker claims queued candidates from DIR/store.sqlite, trains them on\n"
            "one slot, and commits the results. File descriptor 3 is its channel to the\n"
            "supervisor. For tests, the environment variable CLADE_FAULT makes it fail:\n"
            "crash:3 (it kills itself at candidate 3), device:3 (the device fails), hang:3;\n"
            "crash_once:3 and so on only at the first attempt, crash_test:3 or crash_test_once:3\n"
            "only when its network meets the test images; '*' is every candidate.\n",
    .options = options,
    .least = 1,
    .most = 1,
    .internal = true,
    .run = run,
};
