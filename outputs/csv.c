#include "outputs/csv.h"

#include <csv.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "pipeline/base/clock.h"

char csv_delimiter(enum csv_dialect dialect)
{
    return dialect == CSV_EXCEL_EU ? ';' : ',';
}

static void start_cell(struct csv_rows *rows)
{
    char delimiter = csv_delimiter(rows->dialect);
    if (rows->cells++ > 0)
        text_append_n(&rows->text, &delimiter, 1);
}

void csv_begin(struct csv_rows *rows)
{
    if (rows->dialect == CSV_EXCEL_EU)
        text_append(&rows->text, "\xef\xbb\xbf");
}

void csv_put_name(struct csv_rows *rows, const char *name)
{
    start_cell(rows);
    text_append(&rows->text, name);
}

/* A digit, or a point before one, and nothing that only words have. */
static bool looks_like_number(const char *s)
{
    bool digit = false;
    for (; *s != '\0'; s++) {
        if (*s >= '0' && *s <= '9')
            digit = true;
        else if (strchr(" .,:;/+-'%()$eETZ", *s) == NULL)
            return false;
    }
    return digit;
}

void csv_clean_text(char clean[CSV_TEXT_SIZE], const char *s)
{
    size_t n = 1; /* the first place is kept for an apostrophe */
    clean[0] = '\'';
    for (; *s != '\0' && n < CSV_TEXT_SIZE - 1; s++) {
        unsigned char c = (unsigned char)*s;
        if ((c & 0xc0) == 0x80)
            continue; /* inside a UTF-8 sequence, whose first byte has become the "?" */
        char printable = c >= 0x80 ? '?' : c < 0x20 || c == 0x7f ? ' ' : (char)c;
        if (printable == ' ' && n == 1)
            continue;
        clean[n++] = printable;
    }
    clean[n] = '\0';
    bool formula = clean[1] != '\0' && strchr("=+-@", clean[1]) != NULL;
    if (!formula && !looks_like_number(clean + 1))
        memmove(clean, clean + 1, n);
}

void csv_put_text(struct csv_rows *rows, const char *s)
{
    char clean[CSV_TEXT_SIZE];
    csv_clean_text(clean, s);
    csv_put_clean_text(rows, clean);
}

void csv_put_clean_text(struct csv_rows *rows, const char *clean)
{
    char quoted[2 * CSV_TEXT_SIZE + 2];
    start_cell(rows);
    if (clean[0] == '\0')
        return;
    size_t length = csv_write(quoted, sizeof quoted, clean, strlen(clean));
    text_append_n(&rows->text, quoted, length);
}

void csv_put_integer(struct csv_rows *rows, int64_t value)
{
    start_cell(rows);
    text_printf(&rows->text, "%" PRId64, value);
}

void csv_put_number(struct csv_rows *rows, double value)
{
    start_cell(rows);
    if (!isfinite(value))
        return;
    double size = fabs(value);
    char number[64];
    bool scientific = size != 0 && (size < 1e-3 || size >= 1e9);
    snprintf(number, sizeof number, scientific ? "%.6e" : "%.6f", size == 0 ? 0 : value);
    if (rows->dialect == CSV_EXCEL_EU)
        *strchr(number, '.') = ',';
    text_append(&rows->text, number);
}

void csv_put_time(struct csv_rows *rows, int64_t utc_us)
{
    char text[CLOCK_UTC_SIZE];
    start_cell(rows);
    clock_utc_text(text, utc_us);
    text_append(&rows->text, text);
}

void csv_put_missing(struct csv_rows *rows)
{
    start_cell(rows);
}

void csv_end_row(struct csv_rows *rows)
{
    text_append(&rows->text, "\r\n");
    rows->cells = 0;
}

void csv_free_rows(struct csv_rows *rows)
{
    text_free(&rows->text);
    rows->cells = 0;
}
