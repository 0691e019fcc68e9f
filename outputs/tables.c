#include "outputs/tables.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "outputs/json.h"
#include "outputs/tables_cells.h"

void table_get_schema(struct cell *cell, const void *row, const struct table_context *context)
{
    (void)row;
    (void)context;
    set_integer(cell, TABLES_SCHEMA);
}

void table_get_run(struct cell *cell, const void *row, const struct table_context *context)
{
    (void)row;
    set_text(cell, context->run);
}

const struct table *const all_tables[] = {&candidates_table, &generations_table, &pareto_table,
                                          &operators_table,  &finalists_table,   &baseline_table,
                                          &rungs_table,      &devices_table,     &epochs_table,
                                          &runs_table,       &scores_table,      NULL};

/* Rows. */

void table_header(struct csv_rows *out, const struct table *table)
{
    csv_begin(out);
    for (size_t i = 0; i < table->column_count; i++)
        csv_put_name(out, table->columns[i].name);
    csv_end_row(out);
}

void table_cell(struct cell *cell, const struct column *column, const void *row,
                const struct table_context *context)
{
    cell->missing = false;
    column->get(cell, row, context);
}

void table_row(struct csv_rows *out, const struct table *table, const void *row,
               const struct table_context *context)
{
    struct cell cell;
    for (size_t i = 0; i < table->column_count; i++) {
        const struct column *column = &table->columns[i];
        table_cell(&cell, column, row, context);
        if (cell.missing) {
            csv_put_missing(out);
            continue;
        }
        switch (column->type) {
        case COLUMN_INTEGER:
            csv_put_integer(out, cell.integer);
            break;
        case COLUMN_NUMBER:
            csv_put_number(out, cell.number);
            break;
        case COLUMN_TEXT:
            csv_put_text(out, cell.text);
            break;
        case COLUMN_TIME:
            csv_put_time(out, cell.integer);
            break;
        }
    }
    csv_end_row(out);
}

/* The dictionary. */

const char *column_type_name(enum column_type type)
{
    static const char *const names[] = {"integer", "number", "text", "time"};
    return names[type];
}

void table_dictionary(struct text *out, const struct table *table)
{
    text_append(out, "| column | type | unit | meaning |\n|---|---|---|---|\n");
    for (size_t i = 0; i < table->column_count; i++) {
        const struct column *column = &table->columns[i];
        text_printf(out, "| %s | %s | %s | %s |\n", column->name, column_type_name(column->type),
                    column->unit, column->help);
    }
}

/* CSVW: https://www.w3.org/TR/tabular-metadata/ */

static void datatype(struct text *out, enum column_type type, enum csv_dialect dialect)
{
    switch (type) {
    case COLUMN_INTEGER:
        text_append(out, "\"integer\"");
        break;
    case COLUMN_NUMBER:
        if (dialect == CSV_EXCEL_EU)
            text_append(out, "{\"base\": \"double\", \"format\": {\"decimalChar\": \",\"}}");
        else
            text_append(out, "\"double\"");
        break;
    case COLUMN_TEXT:
        text_append(out, "\"string\"");
        break;
    case COLUMN_TIME:
        text_append(out, "{\"base\": \"dateTime\", \"format\": \"yyyy-MM-ddTHH:mm:ss\"}");
        break;
    }
}

void table_metadata(struct text *out, const struct table *table, enum csv_dialect dialect)
{
    text_append(out, "{\n  \"@context\": \"http://www.w3.org/ns/csvw\",\n  \"url\": ");
    json_string(out, table->file);
    text_append(out, ",\n  \"dc:description\": ");
    json_string(out, table->help);
    text_printf(out,
                ",\n  \"dialect\": {\"delimiter\": \"%c\", \"header\": true, \"encoding\": "
                "\"utf-8\"},\n  \"tableSchema\": {\"columns\": [",
                dialect == CSV_EXCEL_EU ? ';' : ',');
    for (size_t i = 0; i < table->column_count; i++) {
        const struct column *column = &table->columns[i];
        text_printf(out, "%s\n    {\"name\": \"%s\", \"titles\": \"%s\", \"datatype\": ",
                    i > 0 ? "," : "", column->name, column->name);
        datatype(out, column->type, dialect);
        if (column->unit[0] != '\0') {
            text_append(out, ", \"schema:unitText\": ");
            json_string(out, column->unit);
        }
        text_append(out, ", \"dc:description\": ");
        json_string(out, column->help);
        text_append(out, "}");
    }
    text_append(out, "\n  ]}\n}\n");
}
