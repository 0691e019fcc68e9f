#include "inputs/candidate.h"

const char *candidate_status_name(enum candidate_status status)
{
    static const char *const names[] = {
#define X(name, text) text,
        CANDIDATE_STATUS_TABLE(X)
#undef X
    };
    return names[status];
}
