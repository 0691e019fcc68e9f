/* The self-test of a device, in a child process: a driver that crashes in it has failed it. */
#ifndef CLADE_PIPELINE_DEVICE_TEST_H
#define CLADE_PIPELINE_DEVICE_TEST_H

#include "inputs/settings.h"
#include "pipeline/base/error.h"
#include "pipeline/slots.h"

enum { DEVICE_TEST_TEXT_SIZE = 512 };

struct device_test {
    int checks;   /* that were made */
    double worst; /* the largest error in units of what is allowed; over 1 is a failure */
    char failure[DEVICE_TEST_TEXT_SIZE]; /* "": passed */
};

/* Runs device_self_test() on the slot. Fails only when the test could not be started. */
enum error device_test_run(struct device_test *test, const struct slot *slot,
                           enum conv_family family);

#endif
