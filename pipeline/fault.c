#include "pipeline/fault.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum error fault_inject(const struct job *job)
{
    const char *wanted = getenv("CLADE_FAULT");
    char kind[32], which[16];
    if (wanted == NULL || sscanf(wanted, "%31[^:]:%15s", kind, which) != 2)
        return ERR_NONE;
    if (strcmp(which, "*") != 0 && job->candidate != strtoll(which, NULL, 10))
        return ERR_NONE;
    char *once = strstr(kind, "_once");
    if (once != NULL) {
        *once = '\0';
        if (job->attempt > 1)
            return ERR_NONE;
    }
    char *test = strstr(kind, "_test");
    if (test != NULL) {
        *test = '\0';
        if (job->kind != JOB_TEST)
            return ERR_NONE;
    }
    if (strcmp(kind, "crash") == 0)
        raise(SIGKILL);
    if (strcmp(kind, "hang") == 0)
        for (;;)
            pause();
    if (strcmp(kind, "device") == 0)
        return error_set(ERR_DEVICE, "CLADE_FAULT=%s: candidate c%06" PRId64, wanted,
                         job->candidate);
    return ERR_NONE;
}
