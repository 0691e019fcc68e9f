#include "pipeline/listing.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "outputs/json.h"
#include "pipeline/base/clock.h"

enum error format_parse(enum format *format, const char *word)
{
    if (strcmp(word, "text") == 0)
        *format = FORMAT_TEXT;
    else if (strcmp(word, "csv") == 0)
        *format = FORMAT_CSV;
    else
        return error_set(ERR_USAGE, "--format %.40s: expected text or csv", word);
    return ERR_NONE;
}

enum error format_parse_json(enum format *format, const char *word)
{
    if (strcmp(word, "json") == 0)
        *format = FORMAT_JSON;
    else if (format_parse(format, word) != ERR_NONE)
        return error_set(ERR_USAGE, "--format %.40s: expected text, csv or json", word);
    return ERR_NONE;
}

void bytes_text(char text[BYTES_TEXT_SIZE], double bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    while (bytes >= 1024 && unit + 1 < sizeof units / sizeof units[0]) {
        bytes /= 1024;
        unit++;
    }
    snprintf(text, BYTES_TEXT_SIZE, "%.*f %s", unit == 0 ? 0 : 1, bytes, units[unit]);
}

static bool in_csv(const struct listing *listing)
{
    return listing->columns[listing->next].name != NULL;
}

/* Where the value of the next cell goes, behind its name. */
static struct text *json_value(struct listing *listing)
{
    struct text *json = &listing->json;
    bool first = true;
    for (int i = 0; i < listing->next; i++)
        first = first && listing->columns[i].name == NULL;
    text_append(json, !first ? ",\n   " : json->length > 0 ? ",\n  {" : "  {");
    json_string(json, listing->columns[listing->next].name);
    text_append(json, ": ");
    return json;
}

static void add_cell(struct listing *listing, const char *cell, bool right)
{
    const struct listing_column *column = &listing->columns[listing->next];
    if (column->heading != NULL) {
        text_append_n(&listing->cells, cell, strlen(cell) + 1);
        text_append(&listing->right, right ? "r" : "l");
    }
    if (++listing->next == listing->column_count) {
        listing->next = 0;
        csv_end_row(&listing->csv);
        if (listing->json.length > 0)
            text_append(&listing->json, "}");
    }
}

void listing_begin(struct listing *listing, enum format format,
                   const struct listing_column *columns, int column_count)
{
    *listing = (struct listing){.format = format, .columns = columns, .column_count = column_count};
    for (int i = 0; i < column_count; i++) {
        if (columns[i].name != NULL)
            csv_put_name(&listing->csv, columns[i].name);
        add_cell(listing, columns[i].heading != NULL ? columns[i].heading : "", false);
    }
}

void listing_text(struct listing *listing, const char *text)
{
    if (in_csv(listing)) {
        csv_put_text(&listing->csv, text);
        json_string(json_value(listing), text);
    }
    add_cell(listing, text, false);
}

void listing_integer(struct listing *listing, int64_t value)
{
    char cell[32];
    snprintf(cell, sizeof cell, "%" PRId64, value);
    if (in_csv(listing)) {
        csv_put_integer(&listing->csv, value);
        text_append(json_value(listing), cell);
    }
    add_cell(listing, cell, true);
}

void listing_number(struct listing *listing, double value)
{
    char cell[64] = "";
    if (!isnan(value))
        snprintf(cell, sizeof cell, "%.*f", listing->columns[listing->next].digits, value);
    if (in_csv(listing)) {
        csv_put_number(&listing->csv, value);
        json_number(json_value(listing), value, 9);
    }
    add_cell(listing, cell, true);
}

void listing_missing(struct listing *listing)
{
    if (in_csv(listing)) {
        csv_put_missing(&listing->csv);
        text_append(json_value(listing), "null");
    }
    add_cell(listing, "", false);
}

void listing_time(struct listing *listing, int64_t utc_us)
{
    char cell[CLOCK_UTC_SIZE];
    clock_utc_text(cell, utc_us);
    if (in_csv(listing)) {
        csv_put_time(&listing->csv, utc_us);
        json_string(json_value(listing), cell);
    }
    add_cell(listing, cell, false);
}

void listing_bytes(struct listing *listing, uint64_t bytes)
{
    char cell[BYTES_TEXT_SIZE];
    bytes_text(cell, (double)bytes);
    if (in_csv(listing)) {
        csv_put_integer(&listing->csv, (int64_t)bytes);
        text_printf(json_value(listing), "%" PRIu64, bytes);
    }
    add_cell(listing, cell, true);
}

/* A column of numbers has its heading at the right too. */
static void print_columns(const struct listing *listing, int shown)
{
    enum { COLUMNS_MAX = 32 };
    size_t widths[COLUMNS_MAX] = {0};
    bool right[COLUMNS_MAX] = {false};
    assert(shown <= COLUMNS_MAX);
    const char *cell = listing->cells.data;
    size_t count = listing->right.length;
    for (size_t i = 0; i < count; i++, cell += strlen(cell) + 1) {
        size_t column = i % (size_t)shown;
        if (strlen(cell) > widths[column])
            widths[column] = strlen(cell);
        right[column] = right[column] || listing->right.data[i] == 'r';
    }
    cell = listing->cells.data;
    for (size_t i = 0; i < count; i++, cell += strlen(cell) + 1) {
        int column = (int)(i % (size_t)shown);
        bool last = column + 1 == shown;
        int width = (int)widths[column];
        if (right[column])
            printf("%*s", width, cell);
        else if (last)
            printf("%s", cell);
        else
            printf("%-*s", width, cell);
        fputs(last ? "\n" : "  ", stdout);
    }
}

void listing_free(struct listing *listing)
{
    csv_free_rows(&listing->csv);
    text_free(&listing->json);
    text_free(&listing->cells);
    text_free(&listing->right);
}

enum error listing_print(struct listing *listing)
{
    assert(listing->next == 0);
    enum error err = text_status(&listing->csv.text);
    if (err == ERR_NONE)
        err = text_status(&listing->cells);
    if (err == ERR_NONE)
        err = text_status(&listing->right);
    if (err == ERR_NONE)
        err = text_status(&listing->json);
    if (err == ERR_NONE && listing->format == FORMAT_JSON)
        printf("[\n%s\n]\n", listing->json.data != NULL ? listing->json.data : "");
    if (err == ERR_NONE && listing->format == FORMAT_CSV)
        fwrite(listing->csv.text.data, 1, listing->csv.text.length, stdout);
    if (err == ERR_NONE && listing->format == FORMAT_TEXT) {
        int shown = 0;
        for (int i = 0; i < listing->column_count; i++)
            shown += listing->columns[i].heading != NULL;
        print_columns(listing, shown);
    }
    listing_free(listing);
    return err;
}
