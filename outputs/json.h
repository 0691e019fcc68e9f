/* Parts of JSON documents, safe inside an HTML script element too. */
#ifndef CLADE_OUTPUTS_JSON_H
#define CLADE_OUTPUTS_JSON_H

#include <stdint.h>

#include "pipeline/base/text.h"

/*
 * A string with its quotes, ASCII: control characters, quotes, backslashes and < > & are escaped,
 * so no text can end a script or begin a comment; bytes outside ASCII become "?".
 */
void json_string(struct text *out, const char *s);

/* The shortest decimal of up to `digits` significant ones; null for NAN and infinities. */
void json_number(struct text *out, double value, int digits);

#endif
