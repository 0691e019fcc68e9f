/*
 * Work in a forked child process, so that a driver that crashes or hangs takes only the child with
 * it. The parent must be single-threaded and must not have called OpenCL.
 */
#ifndef CLADE_PIPELINE_CHILD_H
#define CLADE_PIPELINE_CHILD_H

#include <stddef.h>
#include <sys/types.h>

#include "pipeline/base/error.h"
#include "pipeline/base/text.h"

struct child {
    pid_t pid;
    int socket; /* a stream to the child and back; -1 when closed */
};

/*
 * What the child does. It may talk to the parent through `socket` (child_send, child_receive).
 * Standard output and standard error of the child go nowhere. It dies when its parent does.
 */
typedef enum error child_work(int socket, void *user);

enum error child_start(struct child *child, child_work *work, void *user);

/* All of `size` bytes, or ERR_INTERNAL. For both sides. */
enum error child_send(int socket, const void *data, size_t size);
enum error child_receive(int socket, void *data, size_t size);

/*
 * Waits until the child has ended; `output` (may be NULL) gets all bytes it sent that were not
 * received yet. The child's own error comes back as if it had happened here. ERR_DEVICE when it
 * crashed or sent nothing for `limit_s` seconds (it is killed then); the message begins with
 * `what`.
 */
enum error child_wait(struct child *child, struct text *output, double limit_s, const char *what);

/* Kills it if it still runs. */
void child_kill(struct child *child);

/* "signal 11 (Segmentation fault)", "exit code 3". */
enum { ENDING_TEXT_SIZE = 64 };
void ending_text(char text[ENDING_TEXT_SIZE], int wait_status);

#endif
