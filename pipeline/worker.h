/* A worker: a child process of the supervisor that trains jobs of the store on one slot. */
#ifndef CLADE_PIPELINE_WORKER_H
#define CLADE_PIPELINE_WORKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "pipeline/base/error.h"
#include "pipeline/slots.h"

/* What the supervisor tells a worker on its command line. */
struct worker_order {
    const char *directory; /* of the run */
    int64_t worker;        /* its row in the store */
    pid_t supervisor;
    struct slot slot;   /* driver, platform_in_driver, device, part and parts are used */
    bool shared_images; /* CHANNEL_IMAGES_FD holds the training images */
};

/*
 * Claims, trains and commits until the supervisor closes the channel (ERR_NONE). A candidate's own
 * failures are results. ERR_DEVICE and all other errors end the worker; what it held is released
 * by the supervisor. Dies with the supervisor.
 */
enum error worker_run(const struct worker_order *order);

#endif
