#include "outputs/runs_file.h"

#include <csv.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "outputs/csv.h"
#include "outputs/file.h"
#include "outputs/tables.h"

enum { RUN_COLUMN = 1, CELLS_MAX = 256 };

/* The old file, while its rows are carried over. */
struct carry {
    const char *path;
    struct csv_rows *out;
    char decimal; /* of the old file */
    char *cells[CELLS_MAX];
    size_t cell_count;
    bool in_header;
    size_t old_columns;
    const struct report *report;
    const char *run; /* of the new row, cleaned */
    bool placed;
    enum error err;
};

static void put_new_row(struct carry *carry)
{
    struct table_context context = {.run = carry->report->run};
    table_row(carry->out, &runs_table, carry->report, &context);
    carry->placed = true;
}

static void put_old_cell(struct carry *carry, enum column_type type, char *cell)
{
    if (type == COLUMN_TEXT) {
        csv_put_clean_text(carry->out, cell);
        return;
    }
    char *mark = type == COLUMN_NUMBER ? strchr(cell, carry->decimal) : NULL;
    if (mark != NULL)
        *mark = carry->out->dialect == CSV_EXCEL_EU ? ',' : '.';
    csv_put_name(carry->out, cell);
}

static void put_old_row(struct carry *carry)
{
    for (size_t i = 0; i < runs_table.column_count; i++)
        put_old_cell(carry, runs_table.columns[i].type,
                     i < carry->cell_count ? carry->cells[i] : (char[]){""});
    csv_end_row(carry->out);
}

static void check_header(struct carry *carry)
{
    bool ours = carry->cell_count > RUN_COLUMN && carry->cell_count <= runs_table.column_count;
    for (size_t i = 0; ours && i < carry->cell_count; i++)
        ours = strcmp(carry->cells[i], runs_table.columns[i].name) == 0;
    if (!ours)
        carry->err = error_set(ERR_DATA,
                               "%s is not a table of this version of clade; move it away, and it "
                               "is made anew",
                               carry->path);
    carry->in_header = false;
}

static void on_cell(void *data, size_t length, void *user)
{
    struct carry *carry = user;
    if (carry->err != ERR_NONE || carry->cell_count == CELLS_MAX)
        return;
    char *cell = data != NULL ? strndup(data, length) : strdup("");
    if (cell == NULL)
        carry->err = error_set(ERR_INTERNAL, "out of memory while reading %s", carry->path);
    else
        carry->cells[carry->cell_count++] = cell;
}

static void on_row(int end, void *user)
{
    struct carry *carry = user;
    (void)end;
    if (carry->err == ERR_NONE) {
        if (carry->in_header)
            check_header(carry);
        else if (carry->cell_count > RUN_COLUMN &&
                 strcmp(carry->cells[RUN_COLUMN], carry->run) != 0)
            put_old_row(carry);
        else if (carry->cell_count > RUN_COLUMN && !carry->placed)
            put_new_row(carry);
    }
    for (size_t i = 0; i < carry->cell_count; i++)
        free(carry->cells[i]);
    carry->cell_count = 0;
}

static enum error read_old(struct text *old, const char *path)
{
    char buffer[8192];
    size_t n;
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return errno == ENOENT ? ERR_NONE
                               : error_set(ERR_OUTPUT, "cannot read %s: %s", path, strerror(errno));
    while ((n = fread(buffer, 1, sizeof buffer, file)) > 0)
        text_append_n(old, buffer, n);
    bool failed = ferror(file) != 0;
    fclose(file);
    return failed ? error_set(ERR_OUTPUT, "cannot read %s: %s", path, strerror(errno))
                  : text_status(old);
}

/* Copies the rows of `old`, the new one in its place. */
static enum error carry_over(struct carry *carry, const struct text *old)
{
    static const char mark[] = "\xef\xbb\xbf";
    struct csv_parser parser;
    const char *data = old->data;
    size_t length = old->length;
    if (length >= 3 && memcmp(data, mark, 3) == 0) {
        data += 3;
        length -= 3;
    }
    bool eu = strncmp(data, "schema;", 7) == 0;
    carry->decimal = eu ? ',' : '.';
    carry->in_header = true;
    if (csv_init(&parser, 0) != 0)
        return error_set(ERR_INTERNAL, "cannot start the CSV parser");
    csv_set_delim(&parser, (unsigned char)csv_delimiter(eu ? CSV_EXCEL_EU : CSV_RFC4180));
    if (csv_parse(&parser, data, length, on_cell, on_row, carry) != length ||
        csv_fini(&parser, on_cell, on_row, carry) != 0) {
        if (carry->err == ERR_NONE)
            carry->err = error_set(ERR_DATA, "%s is not CSV; move it away", carry->path);
    }
    csv_free(&parser);
    return carry->err;
}

static enum error take_lock(int *lock, const char *parent)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/.runs.csv.lock", parent) >= (int)sizeof path)
        return error_set(ERR_OUTPUT, "cannot write runs.csv in %.100s...: the path is too long",
                         parent);
    *lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (*lock < 0 || flock(*lock, LOCK_EX) != 0)
        return error_set(ERR_OUTPUT, "cannot lock %s: %s", path, strerror(errno));
    return ERR_NONE;
}

enum error runs_file_update(const char *parent, const struct report *report)
{
    enum error err = ERR_NONE;
    int lock = -1;
    char path[PATH_MAX], run[CSV_TEXT_SIZE];
    struct text old = {0}, metadata = {0};
    struct csv_rows rows = {.dialect = report->settings->outputs.dialect};
    struct carry carry = {.path = path, .out = &rows, .report = report, .run = run};

    csv_clean_text(run, report->run);
    TRY(take_lock(&lock, parent));
    snprintf(path, sizeof path, "%s/%s", parent, runs_table.file);
    TRY(read_old(&old, path));
    table_header(&rows, &runs_table);
    if (old.length > 0)
        TRY(carry_over(&carry, &old));
    if (!carry.placed)
        put_new_row(&carry);
    TRY(file_replace_text(path, &rows.text));
    table_metadata(&metadata, &runs_table, rows.dialect);
    snprintf(path, sizeof path, "%s/%s-metadata.json", parent, runs_table.file);
    TRY(file_replace_text(path, &metadata));
out:
    if (lock >= 0)
        close(lock);
    text_free(&old);
    text_free(&metadata);
    csv_free_rows(&rows);
    return err;
}
