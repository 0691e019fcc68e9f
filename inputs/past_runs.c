#include "inputs/past_runs.h"

#include <csv.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/base/text.h"

enum { COLUMNS_MAX = 64, COLUMN_NAME_SIZE = 32 };

static struct past_run unknown(void)
{
    return (struct past_run){.elapsed_s = NAN,
                             .evaluated = NAN,
                             .best_parameters = NAN,
                             .best_validation_accuracy = NAN,
                             .test_accuracy = NAN};
}

struct past_run *past_runs_add(struct past_runs *runs)
{
    if (runs->count == runs->capacity) {
        size_t capacity = runs->capacity > 0 ? 2 * runs->capacity : 64;
        struct past_run *list = realloc(runs->list, capacity * sizeof *list);
        if (list == NULL)
            return NULL;
        runs->list = list;
        runs->capacity = capacity;
    }
    runs->list[runs->count] = unknown();
    return &runs->list[runs->count++];
}

/* runs.csv while it is read. */
struct reader {
    struct past_runs *runs;
    const char *path;
    char names[COLUMNS_MAX][COLUMN_NAME_SIZE];
    int column;         /* of the next cell */
    bool header, comma; /* comma: the decimal mark */
    struct past_run row;
    enum error err;
};

static enum error no_memory(const char *path)
{
    return error_set(ERR_INTERNAL, "out of memory while reading %s", path);
}

static double number_of(char *cell, bool comma)
{
    char *mark = comma ? strchr(cell, ',') : NULL;
    char *end;
    if (mark != NULL)
        *mark = '.';
    double value = strtod(cell, &end);
    return end != cell && *end == '\0' ? value : NAN;
}

static void copy(char *to, size_t size, const char *cell)
{
    snprintf(to, size, "%s", cell + (cell[0] == '\'')); /* put there so that it stays text */
}

static void take_cell(struct reader *reader, const char *name, char *cell)
{
    struct past_run *row = &reader->row;
    const struct {
        const char *name;
        double *number;
        char *text;
        size_t size;
    } fields[] = {{"run", NULL, row->run, sizeof row->run},
                  {"started_utc", NULL, row->started_utc, sizeof row->started_utc},
                  {"state", NULL, row->state, sizeof row->state},
                  {"best_genome", NULL, row->best_genome, sizeof row->best_genome},
                  {"elapsed_s", &row->elapsed_s, NULL, 0},
                  {"evaluated", &row->evaluated, NULL, 0},
                  {"best_parameters", &row->best_parameters, NULL, 0},
                  {"best_validation_accuracy", &row->best_validation_accuracy, NULL, 0},
                  {"test_accuracy", &row->test_accuracy, NULL, 0}};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (strcmp(fields[i].name, name) != 0)
            continue;
        if (fields[i].number != NULL)
            *fields[i].number = number_of(cell, reader->comma);
        else
            copy(fields[i].text, fields[i].size, cell);
    }
}

static void on_cell(void *data, size_t length, void *user)
{
    struct reader *reader = user;
    char cell[GENOME_TEXT_SIZE];
    snprintf(cell, sizeof cell, "%.*s", data != NULL ? (int)length : 0,
             data != NULL ? (const char *)data : "");
    if (reader->column == COLUMNS_MAX)
        return;
    char *name = reader->names[reader->column++];
    if (reader->header)
        snprintf(name, COLUMN_NAME_SIZE, "%.*s", COLUMN_NAME_SIZE - 1, cell);
    else
        take_cell(reader, name, cell);
}

static void on_row(int end, void *user)
{
    struct reader *reader = user;
    (void)end;
    if (reader->header && strcmp(reader->names[0], "schema") != 0)
        reader->err = error_set(ERR_DATA, "%s is not a table of clade; move it away", reader->path);
    if (!reader->header && reader->row.run[0] != '\0' && reader->err == ERR_NONE) {
        struct past_run *row = past_runs_add(reader->runs);
        if (row != NULL)
            *row = reader->row;
        else
            reader->err = no_memory(reader->path);
    }
    reader->header = false;
    reader->row = unknown();
    reader->column = 0;
}

static enum error parse(struct reader *reader, const struct text *file)
{
    static const char mark[] = "\xef\xbb\xbf";
    struct csv_parser parser;
    size_t skip = file->length >= 3 && memcmp(file->data, mark, 3) == 0 ? 3 : 0;
    const char *data = file->data + skip;
    size_t length = file->length - skip;
    reader->header = true;
    reader->comma = strncmp(data, "schema;", 7) == 0;
    if (csv_init(&parser, 0) != 0)
        return error_set(ERR_INTERNAL, "cannot start the CSV parser");
    csv_set_delim(&parser, reader->comma ? ';' : ',');
    bool fine = csv_parse(&parser, data, length, on_cell, on_row, reader) == length &&
                csv_fini(&parser, on_cell, on_row, reader) == 0;
    csv_free(&parser);
    if (reader->err == ERR_NONE && !fine)
        return error_set(ERR_DATA, "%s is not CSV; move it away", reader->path);
    return reader->err;
}

enum error past_runs_read(struct past_runs *runs, const char *path)
{
    enum error err = ERR_NONE;
    char buffer[8192];
    struct text file = {0};
    struct reader reader = {.runs = runs, .path = path, .row = unknown()};
    size_t n;
    FILE *stream = fopen(path, "rb");
    if (stream == NULL)
        return errno == ENOENT ? ERR_NONE
                               : error_set(ERR_DATA, "cannot open %s: %s", path, strerror(errno));
    while ((n = fread(buffer, 1, sizeof buffer, stream)) > 0)
        text_append_n(&file, buffer, n);
    if (ferror(stream) != 0) {
        err = error_set(ERR_DATA, "cannot read %s: %s", path, strerror(errno));
        goto out;
    }
    TRY(text_status(&file));
    if (file.length > 0)
        TRY(parse(&reader, &file));
out:
    fclose(stream);
    text_free(&file);
    return err;
}
