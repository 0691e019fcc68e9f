/*
 * results.xlsx: the tables of a run in one workbook, with charts, through libxlsxwriter. Types and
 * texts come from the same columns as the CSV files (tables.h); numbers are numbers and times are
 * dates whatever the country, so it needs no dialect.
 */
#ifndef CLADE_OUTPUTS_WORKBOOK_H
#define CLADE_OUTPUTS_WORKBOOK_H

#include "inputs/records.h"
#include "pipeline/base/error.h"

/*
 * Writes `path` whole: made beside it as .NAME.tmp, then renamed. Sheets: Summary, Candidates,
 * Generations, Pareto, Operators, Devices, Dictionary; a sheet holds at most 1,048,575 rows, what
 * is more is left to the CSV file and the summary says so. ERR_OUTPUT when it cannot be written.
 */
enum error workbook_write(const char *path, const struct report *report);

#endif
