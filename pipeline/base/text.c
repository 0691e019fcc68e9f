#include "pipeline/base/text.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(struct text *text, size_t extra)
{
    if (text->failed)
        return false;
    size_t needed = text->length + extra + 1;
    if (needed <= text->capacity)
        return true;
    size_t capacity = text->capacity ? text->capacity : 256;
    while (capacity < needed)
        capacity *= 2;
    char *data = realloc(text->data, capacity);
    if (data == NULL) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void text_append_n(struct text *text, const char *s, size_t n)
{
    if (!reserve(text, n))
        return;
    memcpy(text->data + text->length, s, n);
    text->length += n;
    text->data[text->length] = '\0';
}

void text_append(struct text *text, const char *s)
{
    text_append_n(text, s, strlen(s));
}

void text_printf(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (n < 0 || !reserve(text, (size_t)n))
        return;
    va_start(arguments, format);
    vsnprintf(text->data + text->length, (size_t)n + 1, format, arguments);
    va_end(arguments);
    text->length += (size_t)n;
}

enum error text_status(const struct text *text)
{
    if (text->failed)
        return error_set(ERR_INTERNAL, "out of memory while making a text of %zu bytes",
                         text->length);
    return ERR_NONE;
}

void text_free(struct text *text)
{
    free(text->data);
    *text = (struct text){0};
}

int text_distance(const char *a, const char *b)
{
    size_t m = strlen(a), n = strlen(b);
    if (m > 63 || n > 63)
        return 64;
    int row[64];
    for (size_t j = 0; j <= n; j++)
        row[j] = (int)j;
    for (size_t i = 1; i <= m; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= n; j++) {
            int best = diagonal + (a[i - 1] != b[j - 1]);
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[n];
}

const char *text_nearest(const char *word, const char *const *words, size_t count)
{
    const char *nearest = NULL;
    int nearest_distance = 64;
    for (size_t i = 0; i < count; i++) {
        int distance = text_distance(word, words[i]);
        if (distance < nearest_distance && distance <= (int)(strlen(words[i]) + 1) / 2) {
            nearest = words[i];
            nearest_distance = distance;
        }
    }
    return nearest;
}

bool text_to_long(const char *s, long long *value)
{
    char *end;
    errno = 0;
    long long parsed = strtoll(s, &end, 10);
    if (end == s || *end != '\0' || errno != 0)
        return false;
    *value = parsed;
    return true;
}

bool text_to_double(const char *s, double *value)
{
    char *end;
    errno = 0;
    double parsed = strtod(s, &end);
    if (end == s || *end != '\0' || errno != 0 || !isfinite(parsed))
        return false;
    *value = parsed;
    return true;
}
