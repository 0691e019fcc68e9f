/*
 * A table of scores: what trainings of the genomes of a small space gave, for searches that are
 * replayed instead of trained. Read from a CSV file with a header that has at least the columns
 * genome, status and validation_accuracy, such as `clade table build` writes, or candidates.csv.
 */
#ifndef CLADE_INPUTS_SCORE_TABLE_H
#define CLADE_INPUTS_SCORE_TABLE_H

#include <stddef.h>

#include "inputs/genome.h"
#include "pipeline/base/error.h"

/* Trainings of one genome, in the order of the file. */
struct genome_scores {
    struct genome genome;
    size_t count;
    double *scores; /* [count], validation accuracies; NAN: it ended without one */
};

struct score_table {
    struct genome_scores *genomes; /* in the order in which they first appear */
    size_t count;
    size_t *slots; /* hash table of 1 + index, 0: empty */
    size_t slot_count;
};

/*
 * ERR_DATA names file and line: a file that cannot be read, a column that is not there, a genome
 * or number that is none. Rows whose status is lost (tried again) are left out. *table is freed
 * with score_table_free(), and empty after an error.
 */
enum error score_table_read(struct score_table *table, const char *path);
void score_table_free(struct score_table *table);

/* The scores of a genome; NULL when it is not in the table. */
const struct genome_scores *score_table_find(const struct score_table *table,
                                             const struct genome *genome);

#endif
