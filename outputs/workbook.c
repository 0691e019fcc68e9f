#include "outputs/workbook.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <xlsxwriter.h>

#include "outputs/csv.h"
#include "outputs/tables.h"

enum { ROWS_MAX = LXW_ROW_MAX - 1, WIDE_TABLE = 18, SUMMARY_CHARACTERS = 44 };

/* What the sheets share while the workbook is made. `failed` keeps the first complaint of the
   library. */
struct book {
    lxw_workbook *workbook;
    lxw_format *head, *number_head, *date, *count, *number, *text, *title;
    lxw_format *label, *left_count, *left_number, *wrap; /* of the summary */
    const struct report *report;
    lxw_error failed;
};

static void keep(struct book *book, lxw_error error)
{
    if (book->failed == LXW_NO_ERROR)
        book->failed = error;
}

/* Row number `index` of a table; NULL: left out. */
typedef const void *get_row(const struct report *report, size_t index);

static const void *candidate_row(const struct report *report, size_t index)
{
    const struct candidate *candidate = &report->candidates[index];
    bool ended = candidate->status != CANDIDATE_QUEUED && candidate->status != CANDIDATE_RUNNING;
    return ended ? candidate : NULL;
}

static const void *generation_row(const struct report *report, size_t index)
{
    return &report->generations[index];
}

static const void *front_row(const struct report *report, size_t index)
{
    return report->front[index];
}

static const void *operator_row(const struct report *report, size_t index)
{
    return &report->operators[index];
}

static const void *rung_row(const struct report *report, size_t index)
{
    return &report->rungs[index];
}

static const void *finalist_row(const struct report *report, size_t index)
{
    return &report->finalists[index];
}

static const void *device_row(const struct report *report, size_t index)
{
    return &report->devices[index];
}

/* Written as a string, so it is no formula whatever it begins with; control characters go. */
static void put_text(struct book *book, lxw_worksheet *sheet, lxw_row_t row, lxw_col_t col,
                     const char *text, lxw_format *format)
{
    char clean[CSV_TEXT_SIZE];
    csv_clean_text(clean, text);
    keep(book, worksheet_write_string(sheet, row, col, clean, format));
}

/* Days since 1899-12-30, as spreadsheets count. */
static double excel_days(int64_t utc_us)
{
    return floor((double)utc_us / 1e6) / 86400 + 25569;
}

static void put_cell(struct book *book, lxw_worksheet *sheet, lxw_row_t row, lxw_col_t col,
                     enum column_type type, const struct cell *cell, bool summary)
{
    switch (type) {
    case COLUMN_INTEGER:
        keep(book, worksheet_write_number(sheet, row, col, (double)cell->integer,
                                          summary ? book->left_count : book->count));
        break;
    case COLUMN_NUMBER:
        keep(book, worksheet_write_number(sheet, row, col, cell->number,
                                          summary ? book->left_number : book->number));
        break;
    case COLUMN_TEXT:
        put_text(book, sheet, row, col, cell->text, summary ? book->wrap : book->text);
        break;
    case COLUMN_TIME:
        keep(book, worksheet_write_number(sheet, row, col, excel_days(cell->integer), book->date));
        break;
    }
}

static double column_width(const struct column *column)
{
    double name = (double)strlen(column->name) + 4; /* the filter's button */
    double content = column->type == COLUMN_TIME              ? 20
                     : strstr(column->name, "genome") != NULL ? 90
                     : strcmp(column->name, "device") == 0    ? 36
                     : strcmp(column->name, "run") == 0       ? 20
                     : strcmp(column->name, "seed") == 0      ? 20
                                                              : 11;
    return name > content ? name : content;
}

/* The sheet of a table: frozen header, filters, typed cells. *rows is how many there are. */
static lxw_worksheet *put_table(lxw_row_t *rows, struct book *book, const char *name,
                                const struct table *table, size_t count, get_row *get)
{
    struct table_context context = {.run = book->report->run};
    struct cell cell;
    lxw_worksheet *sheet = workbook_add_worksheet(book->workbook, name);
    lxw_row_t row = 0;
    for (size_t c = 0; c < table->column_count; c++) {
        const struct column *column = &table->columns[c];
        lxw_col_t col = (lxw_col_t)c;
        keep(book, worksheet_set_column(sheet, col, col, column_width(column), NULL));
        keep(book, worksheet_write_string(sheet, 0, col, column->name,
                                          column->type == COLUMN_TEXT || column->type == COLUMN_TIME
                                              ? book->head
                                              : book->number_head));
    }
    for (size_t i = 0; i < count && row < ROWS_MAX; i++) {
        const void *record = get(book->report, i);
        if (record == NULL)
            continue;
        row++;
        for (size_t c = 0; c < table->column_count; c++) {
            table_cell(&cell, &table->columns[c], record, &context);
            if (!cell.missing)
                put_cell(book, sheet, row, (lxw_col_t)c, table->columns[c].type, &cell, false);
        }
    }
    worksheet_freeze_panes(sheet, 1, 0);
    worksheet_set_landscape(sheet);
    worksheet_fit_to_pages(sheet, table->column_count > WIDE_TABLE ? 3 : 1, 0);
    worksheet_repeat_rows(sheet, 0, 0);
    keep(book, worksheet_autofilter(sheet, 0, 0, row, (lxw_col_t)(table->column_count - 1)));
    *rows = row;
    return sheet;
}

static lxw_col_t column_of(const struct table *table, const char *name)
{
    size_t c = 0;
    while (c + 1 < table->column_count && strcmp(table->columns[c].name, name) != 0)
        c++;
    return (lxw_col_t)c;
}

/* ---- the summary ---- */

static void put_facts(struct book *book, lxw_worksheet *sheet)
{
    struct table_context context = {.run = book->report->run};
    struct cell cell;
    keep(book, worksheet_write_string(sheet, 0, 0, "clade: results of a run", book->title));
    for (size_t c = 1; c < runs_table.column_count; c++) {
        const struct column *column = &runs_table.columns[c];
        lxw_row_t row = (lxw_row_t)(c + 1);
        keep(book, worksheet_write_string(sheet, row, 0, column->name, book->label));
        table_cell(&cell, column, book->report, &context);
        if (!cell.missing)
            put_cell(book, sheet, row, 1, column->type, &cell, true);
        if (!cell.missing && column->type == COLUMN_TEXT) {
            /* The library measures no text: a row of several lines needs its height. */
            double lines = floor((double)strlen(cell.text) / SUMMARY_CHARACTERS) + 1;
            keep(book, worksheet_set_row(sheet, row, 15 * fmin(lines, 27), NULL));
        }
        keep(book, worksheet_write_string(sheet, row, 2, column->unit, NULL));
    }
    keep(book, worksheet_set_column(sheet, 0, 0, 27, NULL));
    keep(book, worksheet_set_column(sheet, 1, 1, 48, NULL));
    keep(book, worksheet_set_column(sheet, 2, 2, 10, NULL));
    if (book->report->candidate_count > ROWS_MAX)
        keep(book, worksheet_write_string(sheet, 1, 0,
                                          "More candidates than a sheet has rows: candidates.csv "
                                          "has all.",
                                          NULL));
}

static lxw_chart_series *add_series(lxw_chart *chart, const char *sheet, const struct table *table,
                                    const char *x, const char *y, lxw_row_t rows, const char *name)
{
    lxw_chart_series *series = chart_add_series(chart, NULL, NULL);
    chart_series_set_categories(series, sheet, 1, column_of(table, x), rows, column_of(table, x));
    chart_series_set_values(series, sheet, 1, column_of(table, y), rows, column_of(table, y));
    chart_series_set_name(series, name);
    return series;
}

static void set_marker(lxw_chart_series *series, uint8_t size, lxw_color_t color)
{
    lxw_chart_fill fill = {.color = color};
    lxw_chart_line none = {.none = LXW_TRUE};
    chart_series_set_marker_type(series, LXW_CHART_MARKER_CIRCLE);
    chart_series_set_marker_size(series, size);
    chart_series_set_marker_fill(series, &fill);
    chart_series_set_marker_line(series, &none);
}

static lxw_chart *new_chart(struct book *book, uint8_t type, const char *title, const char *x)
{
    lxw_chart *chart = workbook_add_chart(book->workbook, type);
    chart_title_set_name(chart, title);
    chart_axis_set_name(chart->x_axis, x);
    chart_axis_set_name(chart->y_axis, "validation accuracy (share)");
    chart_legend_set_position(chart, LXW_CHART_LEGEND_BOTTOM);
    return chart;
}

static void place_chart(struct book *book, lxw_worksheet *sheet, lxw_chart *chart, lxw_row_t row)
{
    lxw_chart_options options = {.x_scale = 1.6, .y_scale = 1.4};
    keep(book, worksheet_insert_chart_opt(sheet, row, 4, chart, &options));
}

static double lowest_accuracy(const struct report *report)
{
    double lowest = 1;
    for (size_t i = 0; i < report->candidate_count; i++)
        if (report->candidates[i].status == CANDIDATE_DONE)
            lowest = fmin(lowest, report->candidates[i].validation_accuracy);
    return floor(20 * lowest) / 20;
}

static void put_charts(struct book *book, lxw_worksheet *sheet, lxw_row_t candidates,
                       lxw_row_t front, lxw_row_t generations)
{
    if (book->report->best == NULL)
        return;
    double lowest = lowest_accuracy(book->report);
    lxw_chart *size =
        new_chart(book, LXW_CHART_SCATTER, "Accuracy against size", "parameters (log scale)");
    set_marker(add_series(size, "Candidates", &candidates_table, "parameters",
                          "validation_accuracy", candidates, "candidates"),
               4, 0x9AA5B1);
    set_marker(add_series(size, "Pareto", &pareto_table, "parameters", "validation_accuracy", front,
                          "Pareto front"),
               8, 0x0A5FB4);
    chart_axis_set_log_base(size->x_axis, 10);
    chart_axis_set_min(size->x_axis, 100);
    chart_axis_set_min(size->y_axis, lowest);
    chart_axis_set_num_format(size->x_axis, "#,##0");
    chart_axis_set_num_format(size->y_axis, "0.00");
    place_chart(book, sheet, size, 1);

    lxw_chart *progress = new_chart(book, LXW_CHART_SCATTER_STRAIGHT, "Generations", "generation");
    add_series(progress, "Generations", &generations_table, "generation",
               "best_validation_accuracy", generations, "best");
    add_series(progress, "Generations", &generations_table, "generation",
               "mean_validation_accuracy", generations, "mean");
    chart_axis_set_min(progress->y_axis, lowest);
    chart_axis_set_min(progress->x_axis, 0);
    chart_axis_set_num_format(progress->y_axis, "0.00");
    chart_axis_set_num_format(progress->x_axis, "0");
    place_chart(book, sheet, progress, 24);
}

static void put_dictionary(struct book *book)
{
    static const char *const heads[] = {"file", "column", "type", "unit", "meaning"};
    static const double widths[] = {18, 30, 10, 14, 120};
    lxw_worksheet *sheet = workbook_add_worksheet(book->workbook, "Dictionary");
    lxw_row_t row = 0;
    for (lxw_col_t c = 0; c < 5; c++) {
        keep(book, worksheet_set_column(sheet, c, c, widths[c], NULL));
        keep(book, worksheet_write_string(sheet, 0, c, heads[c], book->head));
    }
    for (size_t t = 0; all_tables[t] != NULL; t++)
        for (size_t i = 0; i < all_tables[t]->column_count; i++) {
            const struct column *column = &all_tables[t]->columns[i];
            row++;
            const char *const cells[] = {all_tables[t]->file, column->name,
                                         column_type_name(column->type), column->unit,
                                         column->help};
            for (lxw_col_t c = 0; c < 5; c++)
                keep(book, worksheet_write_string(sheet, row, c, cells[c], book->text));
        }
    worksheet_freeze_panes(sheet, 1, 0);
    worksheet_set_landscape(sheet);
    worksheet_fit_to_pages(sheet, 1, 0);
    keep(book, worksheet_autofilter(sheet, 0, 0, row, 4));
}

static void put_sheets(struct book *book)
{
    const struct report *report = book->report;
    lxw_row_t candidates, generations, front, rows;
    lxw_worksheet *summary = workbook_add_worksheet(book->workbook, "Summary");
    put_table(&candidates, book, "Candidates", &candidates_table, report->candidate_count,
              candidate_row);
    put_table(&generations, book, "Generations", &generations_table, report->generation_count,
              generation_row);
    put_table(&front, book, "Pareto", &pareto_table, report->front_count, front_row);
    put_table(&rows, book, "Operators", &operators_table, report->operator_count, operator_row);
    put_table(&rows, book, "Finalists", &finalists_table, report->finalist_count, finalist_row);
    if (book->report->rung_count > 0)
        put_table(&rows, book, "Rungs", &rungs_table, report->rung_count, rung_row);
    put_table(&rows, book, "Devices", &devices_table, report->device_count, device_row);
    put_dictionary(book);
    put_facts(book, summary);
    put_charts(book, summary, candidates, front, generations);
    worksheet_set_landscape(summary);
    keep(book, worksheet_print_area(summary, 0, 0, 56, 18)); /* the charts too */
    worksheet_fit_to_pages(summary, 1, 1);
}

/* `number`: how it is shown, NULL as it is. An indent keeps cells that touch apart. */
static lxw_format *add_format(struct book *book, const char *number, uint8_t align, uint8_t indent)
{
    lxw_format *format = workbook_add_format(book->workbook);
    if (number != NULL)
        format_set_num_format(format, number);
    format_set_align(format, align);
    format_set_indent(format, indent);
    return format;
}

static void make_formats(struct book *book)
{
    static const char count[] = "#,##0", number[] = "0.0000", date[] = "yyyy-mm-dd hh:mm:ss";
    book->head = add_format(book, NULL, LXW_ALIGN_LEFT, 1);
    format_set_bold(book->head);
    format_set_bottom(book->head, LXW_BORDER_THIN);
    book->number_head = add_format(book, NULL, LXW_ALIGN_RIGHT, 2); /* the filter's button */
    format_set_bold(book->number_head);
    format_set_bottom(book->number_head, LXW_BORDER_THIN);
    book->date = add_format(book, date, LXW_ALIGN_LEFT, 1);
    book->count = add_format(book, count, LXW_ALIGN_RIGHT, 0);
    book->number = add_format(book, number, LXW_ALIGN_RIGHT, 0);
    book->text = add_format(book, NULL, LXW_ALIGN_LEFT, 1);
    book->title = add_format(book, NULL, LXW_ALIGN_LEFT, 0);
    format_set_bold(book->title);
    format_set_font_size(book->title, 16);
    book->label = add_format(book, NULL, LXW_ALIGN_LEFT, 0);
    format_set_bold(book->label);
    format_set_align(book->label, LXW_ALIGN_VERTICAL_TOP);
    book->left_count = add_format(book, count, LXW_ALIGN_LEFT, 1);
    book->left_number = add_format(book, number, LXW_ALIGN_LEFT, 1);
    book->wrap = add_format(book, NULL, LXW_ALIGN_LEFT, 1);
    format_set_text_wrap(book->wrap);
    format_set_align(book->wrap, LXW_ALIGN_VERTICAL_TOP);
}

enum error workbook_write(const char *path, const struct report *report)
{
    char temporary[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int directory = slash != NULL ? (int)(slash - path) + 1 : 0;
    if (snprintf(temporary, sizeof temporary, "%.*s.%s.tmp", directory, path, path + directory) >=
        (int)sizeof temporary)
        return error_set(ERR_OUTPUT, "cannot write %.100s...: the path is too long", path);
    struct book book = {.report = report};
    book.workbook = workbook_new(temporary);
    if (book.workbook == NULL)
        return error_set(ERR_INTERNAL, "out of memory while writing %s", path);
    /* The same run gives the same bytes: the library would write the time of day. */
    lxw_doc_properties properties = {.title = "Results of a run",
                                     .author = "clade",
                                     .created = (time_t)(report->first_start_us / 1000000)};
    keep(&book, workbook_set_properties(book.workbook, &properties));
    make_formats(&book);
    put_sheets(&book);
    lxw_error closed = workbook_close(book.workbook);
    lxw_error failed = book.failed != LXW_NO_ERROR ? book.failed : closed;
    if (failed == LXW_NO_ERROR && rename(temporary, path) == 0)
        return ERR_NONE;
    const char *reason = failed != LXW_NO_ERROR ? lxw_strerror(failed) : strerror(errno);
    enum error err = error_set(ERR_OUTPUT, "cannot write %s: %s", path, reason);
    unlink(temporary);
    return err;
}
