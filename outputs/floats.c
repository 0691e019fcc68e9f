#include "outputs/floats.h"

#include <stdint.h>
#include <string.h>

void floats_append(struct text *out, const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        char bytes[4] = {(char)(bits & 0xff), (char)(bits >> 8 & 0xff), (char)(bits >> 16 & 0xff),
                         (char)(bits >> 24 & 0xff)};
        text_append_n(out, bytes, sizeof bytes);
    }
}
