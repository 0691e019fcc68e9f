#include "inputs/candidate.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

const char *candidate_status_name(enum candidate_status status)
{
    static const char *const names[] = {
#define X(name, text) text,
        CANDIDATE_STATUS_TABLE(X)
#undef X
    };
    return names[status];
}

void candidate_label(char label[CANDIDATE_LABEL_SIZE], int64_t id)
{
    bool random = id >= CANDIDATE_BASELINE;
    snprintf(label, CANDIDATE_LABEL_SIZE, "%c%06" PRId64, random ? 'r' : 'c',
             random ? id - CANDIDATE_BASELINE : id);
}
