#include "pipeline/device_test.h"

#include <stdio.h>
#include <string.h>

#include "cl_kernels/selftest.h"
#include "pipeline/child.h"

/* One check may have to wait for the driver's compiler. */
static const double silence_limit_s = 300;

struct request {
    const struct slot *slot;
    enum conv_family family;
};

static void send_worst(const char *op, const char *shape, double worst, void *user)
{
    const int *socket = user;
    (void)op;
    (void)shape;
    child_send(*socket, &worst, sizeof worst);
}

static enum error test_slot(int socket, void *user)
{
    const struct request *request = user;
    struct device *device;
    enum error err = slot_open(&device, request->slot);
    if (err != ERR_NONE)
        return err;
    err = device_self_test(device, request->family, send_worst, &socket);
    device_close(device);
    return err;
}

enum error device_test_run(struct device_test *test, const struct slot *slot,
                           enum conv_family family)
{
    struct child child;
    struct text numbers = {0};
    struct request request = {.slot = slot, .family = family};
    *test = (struct device_test){0};
    enum error err = child_start(&child, test_slot, &request);
    if (err != ERR_NONE)
        return err;
    char what[DEVICE_TEXT_SIZE + 32];
    snprintf(what, sizeof what, "the self-test of %s", slot->device.info.name);
    if (child_wait(&child, &numbers, silence_limit_s, what) != ERR_NONE)
        snprintf(test->failure, sizeof test->failure, "%s", error_message());
    for (size_t at = 0; at + sizeof(double) <= numbers.length; at += sizeof(double)) {
        double worst;
        memcpy(&worst, numbers.data + at, sizeof worst);
        test->checks++;
        if (worst > test->worst)
            test->worst = worst;
    }
    text_free(&numbers);
    return ERR_NONE;
}
