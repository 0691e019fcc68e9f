#include "outputs/json.h"

#include <math.h>
#include <string.h>

void json_string(struct text *out, const char *s)
{
    text_append(out, "\"");
    for (; *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;
        if ((c & 0xc0) == 0x80)
            continue; /* inside a UTF-8 sequence, whose first byte has become the "?" */
        if (c >= 0x80)
            text_append(out, "?");
        else if (c < 0x20 || c == 0x7f || strchr("\"\\<>&", c) != NULL)
            text_printf(out, "\\u%04x", c);
        else
            text_append_n(out, s, 1);
    }
    text_append(out, "\"");
}

void json_number(struct text *out, double value, int digits)
{
    if (isfinite(value))
        text_printf(out, "%.*g", digits, value);
    else
        text_append(out, "null");
}
