/* CSV text read back with libcsv's parser, as a program would. Fails the running cmocka test when
   the text is not strict CSV. */
#ifndef CLADE_TESTS_CSV_FIXTURE_H
#define CLADE_TESTS_CSV_FIXTURE_H

#include "outputs/csv.h"

/* The cells of one parsed text, row after row. */
struct parsed {
    char *cells[256];
    int cell_count, row_count;
};

struct parsed parse(const struct csv_rows *rows); /* end with parsed_free() */
void parsed_free(struct parsed *parsed);

#endif
