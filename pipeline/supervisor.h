/*
 * The supervisor: one worker process a slot, kept alive while there is work. It waits in poll() on
 * the workers' channels and on a signalfd (SIGCHLD, SIGTERM, SIGINT, SIGHUP); nothing is polled in
 * a loop. It never calls OpenCL.
 */
#ifndef CLADE_PIPELINE_SUPERVISOR_H
#define CLADE_PIPELINE_SUPERVISOR_H

#include <stdbool.h>
#include <stddef.h>

#include "outputs/progress.h"
#include "pipeline/base/error.h"
#include "pipeline/slots.h"
#include "pipeline/store.h"

struct supervisor;

/* All are borrowed and must outlive the supervisor. */
struct supervisor_plan {
    const char *directory; /* of the run */
    struct store *store;
    const struct slot *slots;
    size_t slot_count;
    int retries;            /* devices.retries */
    double time_limit_s;    /* devices.time_limit_s; 0: none */
    double confirm_limit_s; /* confirm_time_limit_s(); of a test, too */
    int log;                /* file descriptor that workers write to */
    int images; /* of the training images (inputs/shared_images.h); -1: workers read them */
};

/* What the caller does between the events. */
struct supervisor_hooks {
    /*
     * Called first, and whenever jobs may have ended or gone back to the queue: looks at the
     * store, adds jobs, and sets *finished when no more are to come and all have ended.
     */
    enum error (*advance)(bool *finished, void *user);
    /* Called when numbers may have changed, and at least once a second: for the progress line.
       May be NULL. `images_per_s` is the sum over the slots, NAN when it is not known. */
    void (*tick)(double images_per_s, void *user);
    /* Asked at least once a second: whether the time is up. Then all workers are stopped, what
       they held is queued again, advance() is called for the last time, and supervisor_work()
       succeeds, finished or not. May be NULL. */
    bool (*expired)(void *user);
    void *user;
};

/* Blocks the signals named above in this process until supervisor_destroy(). */
enum error supervisor_create(struct supervisor **out, const struct supervisor_plan *plan);

/*
 * Runs workers until `advance` says that it is finished; they then wait, idle. ERR_STOPPED after a
 * signal, ERR_DEVICE when no slot is left; else the error of a hook, of the store, or of a worker
 * that met a fault that is not its device's (data, disk). In every case of error all workers are
 * dead and what they held is queued again: the store is consistent, and the run can be resumed.
 */
enum error supervisor_work(struct supervisor *supervisor, const struct supervisor_hooks *hooks);

/* What each of plan.slot_count slots does now: fills slots[0..slot_count). `device` is borrowed
   from the plan. */
void supervisor_slots(struct progress_slot *slots, const struct supervisor *supervisor);

/* Lets the workers go and waits for them. NULL is allowed. */
enum error supervisor_destroy(struct supervisor *supervisor);

#endif
