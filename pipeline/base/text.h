/* Growing text, and the small text helpers that several rooms need. */
#ifndef CLADE_PIPELINE_BASE_TEXT_H
#define CLADE_PIPELINE_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "pipeline/base/error.h"

/*
 * A growing string. Start with {0}, end with text_free(). `data` is always NUL-terminated once
 * something was appended; NULL before that. After an out-of-memory `failed` is set, further
 * appends do nothing, and text_status() reports it: check once, at the end.
 */
struct text {
    char *data;
    size_t length;
    size_t capacity;
    bool failed;
};

void text_append(struct text *text, const char *s);
void text_append_n(struct text *text, const char *s, size_t n);
void text_printf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
enum error text_status(const struct text *text);
void text_free(struct text *text);

/* Edit distance (Levenshtein), for "did you mean". Strings over 63 bytes count as far away (64). */
int text_distance(const char *a, const char *b);

/* The nearest of `count` words, or NULL when none is near enough (distance > 1/2 of its length). */
const char *text_nearest(const char *word, const char *const *words, size_t count);

/* Whole-string parsing: false on empty text, trailing characters or overflow. */
bool text_to_long(const char *s, long long *value);
bool text_to_double(const char *s, double *value); /* finite, C locale */

#endif
