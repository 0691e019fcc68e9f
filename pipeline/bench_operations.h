/* What `clade bench --ops` prints: where the time of a training step goes. */
#ifndef CLADE_PIPELINE_BENCH_OPERATIONS_H
#define CLADE_PIPELINE_BENCH_OPERATIONS_H

#include "pipeline/listing.h"
#include "pipeline/measure.h"

/* What all genomes are measured with. */
struct bench_operations {
    enum format format;
    int batch;
    size_t slot_count;
    double peak_gflops;
    const char *conv, *device; /* names */
    double seconds;            /* for each genome */
};

/*
 * Measures the operations of each genome's step and prints them, the one that takes longest first,
 * then the step as their sum: in text a table a genome under its name, in CSV one table. A genome
 * that does not fit is one row with the status too_big. Errors as measure_training().
 */
enum error bench_operations(const struct bench_operations *bench, struct measure *measure,
                            const struct genome *genomes, int genome_count);

#endif
