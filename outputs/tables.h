/*
 * The tables that a run leaves: each a constant array of columns, from which the header, the
 * cells, the dictionary (docs/csv.md, clade-csv(5)) and the types of other formats come, so that
 * they cannot disagree. Columns keep order and meaning; new ones go at the end.
 */
#ifndef CLADE_OUTPUTS_TABLES_H
#define CLADE_OUTPUTS_TABLES_H

#include <stddef.h>
#include <stdint.h>

#include "inputs/records.h"
#include "outputs/csv.h"
#include "pipeline/base/error.h"
#include "pipeline/base/text.h"

/* The number in the `schema` column; it grows when a column changes its meaning. */
enum { TABLES_SCHEMA = 1 };

enum column_type {
    COLUMN_INTEGER,
    COLUMN_NUMBER, /* csv_put_number() */
    COLUMN_TEXT,
    COLUMN_TIME /* UTC, to the second */
};

/* One cell. Getters write the member of the column's type, or set `missing`. */
struct cell {
    bool missing;
    int64_t integer; /* COLUMN_INTEGER; COLUMN_TIME: microseconds since 1970 UTC */
    double number;   /* NAN counts as missing */
    char text[GENOME_TEXT_SIZE];
};

/* What is the same in all rows. */
struct table_context {
    const char *run; /* the run's name */
};

struct column {
    const char *name;
    enum column_type type;
    const char *unit; /* "" for text and counts */
    const char *help; /* one sentence, without the full stop */
    void (*get)(struct cell *cell, const void *row, const struct table_context *context);
};

struct table {
    const char *file; /* "candidates.csv" */
    const char *help; /* what a row is */
    const struct column *columns;
    size_t column_count;
};

extern const struct table candidates_table;  /* rows: struct candidate */
extern const struct table baseline_table;    /* rows: struct candidate */
extern const struct table generations_table; /* rows: struct generation */
extern const struct table pareto_table;      /* rows: struct candidate */
extern const struct table scores_table;      /* rows: struct score_record; not of a run */
extern const struct table operators_table;   /* rows: struct operator_credit */
extern const struct table finalists_table;   /* rows: struct finalist */
extern const struct table rungs_table;       /* rows: struct rung_record */
extern const struct table devices_table;     /* rows: struct device_usage */
extern const struct table epochs_table;      /* rows: struct epoch_record */
extern const struct table runs_table;        /* rows: struct report; one file for many runs */

/* All of them, in the order of the dictionary; ends with NULL. */
extern const struct table *const all_tables[];

/* table_header() begins the file (csv_begin()). `row` is a struct of the kind the table is of. */
void table_header(struct csv_rows *out, const struct table *table);
void table_row(struct csv_rows *out, const struct table *table, const void *row,
               const struct table_context *context);

/* One cell, as the row has it: for other formats than CSV. */
void table_cell(struct cell *cell, const struct column *column, const void *row,
                const struct table_context *context);

/* The metadata of the table's file as the W3C has them (CSVW), for FILE-metadata.json. */
void table_metadata(struct text *out, const struct table *table, enum csv_dialect dialect);

/* The columns as a Markdown table; docs/csv.md and README.md have it, and a test compares. */
void table_dictionary(struct text *out, const struct table *table);

const char *column_type_name(enum column_type type);

#endif
