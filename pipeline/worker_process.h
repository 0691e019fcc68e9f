/* A worker as its supervisor sees it: a process and a channel. */
#ifndef CLADE_PIPELINE_WORKER_PROCESS_H
#define CLADE_PIPELINE_WORKER_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "pipeline/base/error.h"
#include "pipeline/slots.h"

struct worker_process {
    pid_t pid;  /* 0: none */
    int socket; /* -1: none */
};

/* Starts "clade worker" from this process's own binary, with standard output and error to `log`,
   the training images of `images` (inputs/shared_images.h; -1: it reads them itself) and no blocked
   signals. */
enum error worker_start(struct worker_process *process, const char *directory, int64_t worker,
                        const struct slot *slot, int log, int images);

/* True when it has ended; *status is as waitpid() gives it. Does not wait. */
bool worker_ended(struct worker_process *process, int *status);

/* Ends it now, and waits for that. */
void worker_kill(struct worker_process *process);

/* Closes the channel, so that an idle worker ends. */
void worker_dismiss(struct worker_process *process);

/* Waits for the end; kills it after `limit_s`. */
void worker_await(struct worker_process *process, double limit_s);

#endif
