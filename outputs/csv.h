/*
 * CSV as RFC 4180 has it (or, with CSV_EXCEL_EU, as spreadsheets of countries with a decimal comma
 * want it: semicolon, comma in numbers, UTF-8 mark at the start), made so that a spreadsheet in any
 * country reads it right: ASCII, comma, CRLF, numbers bare, text quoted (through libcsv), no cell
 * that could become a formula, a number or a date by accident. Rows are built in memory; files are
 * written by file.h.
 *
 * Numbers are printed in the C locale, which the program never leaves.
 */
#ifndef CLADE_OUTPUTS_CSV_H
#define CLADE_OUTPUTS_CSV_H

#include <stdint.h>

#include "inputs/settings.h"
#include "pipeline/base/error.h"
#include "pipeline/base/text.h"

enum { CSV_TEXT_SIZE = 4096 };

/* Start with {0} or {.dialect = ...}, end with csv_free_rows(). Out of memory is kept and reported
 * by text_status(). */
struct csv_rows {
    struct text text;
    int cells; /* in the row that is being made */
    enum csv_dialect dialect;
};

/* The delimiter of a dialect. */
char csv_delimiter(enum csv_dialect dialect);

/* What a file begins with: the mark of CSV_EXCEL_EU, else nothing. */
void csv_begin(struct csv_rows *rows);

/* A column name: lower snake case, written bare. */
void csv_put_name(struct csv_rows *rows, const char *name);

/*
 * Text, cleaned by csv_clean_text(). "" gives an empty cell.
 */
void csv_put_text(struct csv_rows *rows, const char *s);

/* Text that was cleaned before, such as a cell of a file of ours: quoted, otherwise as it is. */
void csv_put_clean_text(struct csv_rows *rows, const char *clean);

void csv_put_integer(struct csv_rows *rows, int64_t value);

/*
 * "%.6f", or "%.6e" where that would lose digits (0 < |value| < 0.001) or be very long
 * (|value| >= 1e9). Never three fraction digits: a German spreadsheet would take the point for a
 * thousands separator. NAN and infinities give an empty cell.
 */
void csv_put_number(struct csv_rows *rows, double value);

/* "2026-01-31T02:15:00", bare, so that a spreadsheet makes a date of it. */
void csv_put_time(struct csv_rows *rows, int64_t utc_us);

/* An empty cell. */
void csv_put_missing(struct csv_rows *rows);

void csv_end_row(struct csv_rows *rows);

/* Empties the text and frees it; the dialect stays. */
void csv_free_rows(struct csv_rows *rows);

/*
 * What csv_put_text() quotes: characters outside ASCII become "?", control characters (tab and
 * line ends too) a space, leading spaces go, and an apostrophe is put before text that starts with
 * = + - @ or that a spreadsheet would take for a number or a date. Text that would be longer than
 * CSV_TEXT_SIZE - 1 bytes is cut.
 */
void csv_clean_text(char clean[CSV_TEXT_SIZE], const char *s);

#endif
