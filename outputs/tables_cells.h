/* How getters fill cells: for the files that define tables, outputs/tables*.c, alone. */
#ifndef CLADE_OUTPUTS_TABLES_CELLS_H
#define CLADE_OUTPUTS_TABLES_CELLS_H

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "outputs/tables.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* "" is missing. */
static inline void set_text(struct cell *cell, const char *s)
{
    snprintf(cell->text, sizeof cell->text, "%s", s);
    cell->missing = s[0] == '\0';
}

/* A negative id is missing. */
static inline void set_id(struct cell *cell, int64_t id)
{
    cell->missing = id < 0;
    candidate_label(cell->text, id);
}

static inline void set_integer(struct cell *cell, int64_t value)
{
    cell->integer = value;
}

static inline void set_number(struct cell *cell, double value)
{
    cell->number = value;
    cell->missing = !isfinite(value);
}

/* GETTER(name, row type): the head of a getter, with the row in `r`. */
#define GETTER(name, type)                                                                         \
    static void name##_of(struct cell *cell, const type *r);                                       \
    static void name(struct cell *cell, const void *row, const struct table_context *context)      \
    {                                                                                              \
        (void)context;                                                                             \
        name##_of(cell, row);                                                                      \
    }                                                                                              \
    static void name##_of(struct cell *cell, const type *r)

void table_get_schema(struct cell *cell, const void *row, const struct table_context *context);
void table_get_run(struct cell *cell, const void *row, const struct table_context *context);

/* The first two columns of every table. */
#define SCHEMA_AND_RUN                                                                             \
    {"schema", COLUMN_INTEGER, "", "version of this table's columns", table_get_schema},           \
    {                                                                                              \
        "run", COLUMN_TEXT, "", "name of the run", table_get_run                                   \
    }

#endif
