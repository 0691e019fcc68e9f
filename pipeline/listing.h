/*
 * A table on standard output: aligned text for people, or CSV (outputs/csv.h) or JSON (an array of
 * objects, null for what is missing) for programs, from the same cells.
 */
#ifndef CLADE_PIPELINE_LISTING_H
#define CLADE_PIPELINE_LISTING_H

#include <stdint.h>

#include "outputs/csv.h"
#include "pipeline/base/error.h"

enum format { FORMAT_TEXT, FORMAT_CSV, FORMAT_JSON };

/* "text" or "csv"; else ERR_USAGE. */
enum error format_parse(enum format *format, const char *word);

/* "json" too. */
enum error format_parse_json(enum format *format, const char *word);

struct listing_column {
    const char *name;    /* in CSV and JSON; NULL: not there */
    const char *heading; /* in text; NULL: not shown there */
    int digits;          /* of numbers in text, after the point */
};

struct listing {
    enum format format;
    const struct listing_column *columns;
    int column_count;
    struct csv_rows csv;
    struct text json;
    struct text cells; /* NUL-separated, headings first */
    struct text right; /* one character a cell: 'r' when it stands at the right */
    int next;          /* the column of the next cell */
};

/* `columns` are borrowed. End with listing_print() or listing_free(). */
void listing_begin(struct listing *listing, enum format format,
                   const struct listing_column *columns, int column_count);

/* One cell after the other, row by row. NAN is an empty cell. */
void listing_text(struct listing *listing, const char *text);
void listing_integer(struct listing *listing, int64_t value);
void listing_number(struct listing *listing, double value);
void listing_missing(struct listing *listing);

/* UTC, to the second. */
void listing_time(struct listing *listing, int64_t utc_us);

/* In text "3.2 GiB", in CSV the number. */
void listing_bytes(struct listing *listing, uint64_t bytes);

/* Prints to stdout and frees. ERR_INTERNAL when memory ran out on the way. */
enum error listing_print(struct listing *listing);

/* May be called again, and after listing_print(). */
void listing_free(struct listing *listing);

/* "812 B", "3.2 GiB". */
enum { BYTES_TEXT_SIZE = 32 };
void bytes_text(char text[BYTES_TEXT_SIZE], double bytes);

#endif
