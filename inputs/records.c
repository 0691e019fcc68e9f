#include "inputs/records.h"

const char *verdict_name(enum verdict verdict)
{
    static const char *const names[] = {"yes", "no", "not shown"};
    return names[verdict];
}
