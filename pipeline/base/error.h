/*
 * Errors of the whole program.
 *
 * A function that can fail returns `enum error`; ERR_NONE (0) is success. The lowest function
 * that sees the failure calls error_set() once with what was tried, on what, and what to do;
 * callers pass the code on unchanged. The message belongs to the calling thread.
 */
#ifndef CLADE_PIPELINE_BASE_ERROR_H
#define CLADE_PIPELINE_BASE_ERROR_H

/* X(name, exit code of the process, what it means). The table in clade(1) is made from this. */
#define ERROR_TABLE(X)                                                                             \
    X(ERR_NONE, 0, "success")                                                                      \
    X(ERR_INTERNAL, 1, "out of memory, or the program broke one of its own rules")                 \
    X(ERR_USAGE, 2, "bad command line, settings or genome; nothing was started")                   \
    X(ERR_DATA, 3, "a data file is missing, damaged or does not fit the others")                   \
    X(ERR_NO_DEVICE, 4, "no usable OpenCL device, or a device failed its self-test")               \
    X(ERR_DEVICE, 5, "the OpenCL device failed while it worked")                                   \
    X(ERR_OUTPUT, 6, "an output could not be written; the run can be resumed")                     \
    X(ERR_BUSY, 7, "the run directory is in use by a live process")                                \
    X(ERR_DIVERGED, 8, "the loss of a candidate is not finite")                                    \
    X(ERR_TOO_BIG, 9, "a candidate does not fit in the device's memory")                           \
    X(ERR_TIMEOUT, 10, "a candidate took longer than its limit")                                   \
    X(ERR_STOPPED, 75, "stopped early by a signal or a deadline; run again to go on")

enum error {
#define X(name, code, text) name,
    ERROR_TABLE(X)
#undef X
        ERR_COUNT
};

/* Records the message of this thread (printf format, cut at 1023 bytes) and returns `code`. */
enum error error_set(enum error code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The last message of this thread; "" if there was none. Valid until the next error_set(). */
const char *error_message(void);

/* Forgets this thread's message. */
void error_clear(void);

/* The process exit code of `code`, its table text, and its name without "ERR_". */
int error_exit_code(enum error code);
const char *error_text(enum error code);
const char *error_name(enum error code);

/* In a function with `enum error err` and a label `out`: leave at the first failure. */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        err = (call);                                                                              \
        if (err != ERR_NONE)                                                                       \
            goto out;                                                                              \
    } while (0)

#endif
