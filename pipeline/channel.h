/*
 * Between supervisor and worker: a socket pair that keeps messages apart (SOCK_SEQPACKET). The
 * worker sends struct report; the supervisor sends one byte, "look for work", to a worker that
 * reported REPORT_IDLE, and closes its end to let the worker go. Both are the same binary, so a
 * plain struct is safe. Reports are news, not truth: what counts is in the store.
 */
#ifndef CLADE_PIPELINE_CHANNEL_H
#define CLADE_PIPELINE_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/base/error.h"
#include "pipeline/store.h"

enum {
    CHANNEL_WORKER_FD = 3, /* the worker's end */
    CHANNEL_IMAGES_FD = 4  /* the training images, where they are shared */
};

enum report_type {
    REPORT_READY,     /* device and data are open */
    REPORT_IDLE,      /* nothing to claim; the worker waits for a byte */
    REPORT_CLAIMED,   /* job, kind, attempt, candidate, replicate, epochs, pack */
    REPORT_EPOCH,     /* the epoch that has ended, and its images_per_s */
    REPORT_COMMITTED, /* the job, or all of the pack, is done */
    REPORT_FAILED     /* err, text: the worker ends */
};

struct report_message {
    enum report_type type;
    int64_t job;
    enum job_kind kind;
    int attempt, replicate, epochs, epoch;
    int64_t candidate;
    int pack; /* jobs that are trained at once; what is said of a job is of the first one */
    double images_per_s;
    enum error err;
    char text[512];
};

/* False when the other side is gone. */
bool channel_send_report(int socket, const struct report_message *report);
bool channel_send_wake(int socket);

/* Waits for the byte; false when the supervisor closed its end. */
bool channel_receive_wake(int socket);

/* Without waiting: false when there is no whole report. */
bool channel_receive_report(int socket, struct report_message *report);

#endif
