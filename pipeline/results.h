/* What a store holds, read whole, and the files that are made from it. */
#ifndef CLADE_PIPELINE_RESULTS_H
#define CLADE_PIPELINE_RESULTS_H

#include <stddef.h>

#include "inputs/records.h"
#include "inputs/settings.h"
#include "pipeline/base/error.h"
#include "pipeline/store.h"

struct results {
    struct store_run run;
    struct settings settings;
    struct candidate *attempts; /* in the order (id, attempt); those that still run are left out */
    size_t attempt_count;
    struct candidate *baseline; /* the same of the random search */
    size_t baseline_count;
    struct confirmation *confirmations;
    size_t confirmation_count;
    struct epoch_record *epochs;
    size_t epoch_count;
    struct device_version *versions;
    size_t version_count;
    float *weights; /* of report.first, as store_read_weights() gives them; NULL without one */
    size_t weight_count;
    struct report report; /* borrows from the above: do not move a struct results */
};

/* End with results_free(), also after a failure. */
enum error results_load(struct results *results, struct store *store);
void results_free(struct results *results);

/*
 * The files that are derived from the store, in `directory`: a file for every complete generation
 * from `first_generation` on, the tables, the report, the winner's weights. Writing them twice
 * gives the same bytes. *complete (may be NULL) is the number of complete generations.
 */
enum error results_write(const struct results *results, const char *directory, int first_generation,
                         int *complete);

/* results.xlsx in `directory`. Not part of results_write(): it takes too long for every generation.
 */
enum error results_write_workbook(const struct results *results, const char *directory);

/* The row of the run in runs.csv beside its directory (outputs/runs_file.h). */
enum error results_write_run_row(const struct results *results, const char *directory);

#endif
