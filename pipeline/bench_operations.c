#include "pipeline/bench_operations.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct listing_column columns[] = {
    {"genome", NULL, 0},      {"batch", NULL, 0},      {"operation", "operation", 0},
    {"layer", "layer", 0},    {"gene", "gene", 0},     {"duration_s", NULL, 0},
    {NULL, "ms", 3},          {"time_share", NULL, 0}, {NULL, "% of time", 1},
    {"gflops", "GFLOP/s", 1}, {"peak_share", NULL, 0}, {NULL, "% of peak", 1},
    {"peak_gflops", NULL, 0}, {"slots", NULL, 0},      {"conv", NULL, 0},
    {"device", NULL, 0},      {"status", NULL, 0},
};

/* The part of the genome's text that is layer i; the head is the part after the last layer. */
static void gene_text(char *gene, size_t size, const char *genome, int layer)
{
    for (; layer > 0; layer--)
        genome += strcspn(genome, "-") + 1;
    snprintf(gene, size, "%.*s", (int)strcspn(genome, "-"), genome);
}

static void put_share(struct listing *listing, double part, double whole)
{
    if (part > 0) {
        listing_number(listing, part / whole);
        listing_number(listing, 100 * part / whole);
    } else {
        listing_missing(listing);
        listing_missing(listing);
    }
}

/* One row; `name` is the operation's, `row` NULL when there is nothing to tell. */
static void put_row(struct listing *listing, const struct bench_operations *bench,
                    const char *genome, const char *name, const char *gene,
                    const struct measured_operation *row, double step_seconds)
{
    listing_text(listing, genome);
    listing_integer(listing, bench->batch);
    listing_text(listing, name);
    if (row != NULL && row->layer >= 0)
        listing_integer(listing, row->layer + 1);
    else
        listing_missing(listing);
    listing_text(listing, gene);
    if (row != NULL) {
        listing_number(listing, row->seconds);
        listing_number(listing, 1000 * row->seconds);
        put_share(listing, row->seconds, step_seconds);
    } else {
        for (int i = 0; i < 4; i++)
            listing_missing(listing);
    }
    if (row != NULL && row->gflops > 0)
        listing_number(listing, row->gflops);
    else
        listing_missing(listing);
    put_share(listing, row != NULL ? row->gflops : 0, bench->peak_gflops);
    listing_number(listing, bench->peak_gflops);
    listing_integer(listing, (int64_t)bench->slot_count);
    listing_text(listing, bench->conv);
    listing_text(listing, bench->device);
    listing_text(listing, row != NULL ? "ok" : "too_big");
}

static int longer_first(const void *a, const void *b)
{
    const struct measured_operation *x = a, *y = b;
    return (x->seconds < y->seconds) - (x->seconds > y->seconds);
}

static void put_operations(struct listing *listing, const struct bench_operations *bench,
                           const struct genome *genome, struct measured_operation *rows, int count)
{
    char text[GENOME_TEXT_SIZE], gene[64];
    struct measured_operation step = {.layer = -1};
    double flops = 0; /* of all slots */
    genome_format(text, genome);
    for (int i = 0; i < count; i++) {
        step.seconds += rows[i].seconds;
        flops += rows[i].gflops * rows[i].seconds;
    }
    step.gflops = flops / step.seconds;
    qsort(rows, (size_t)count, sizeof *rows, longer_first);
    for (int i = 0; i < count; i++) {
        const struct measured_operation *row = &rows[i];
        gene[0] = '\0';
        if (row->layer >= 0 || row->operation == PROFILE_HEAD)
            gene_text(gene, sizeof gene, text, row->layer >= 0 ? row->layer : genome->layer_count);
        put_row(listing, bench, text, profile_operation_name(row->operation), gene, row,
                step.seconds);
    }
    put_row(listing, bench, text, "step", "", &step, step.seconds);
}

static enum error print_text(const struct bench_operations *bench, const struct genome *genome,
                             struct listing *listing)
{
    char text[GENOME_TEXT_SIZE];
    genome_format(text, genome);
    printf("%s, batch %d, %zu slots, peak %.1f GFLOP/s\n", text, bench->batch, bench->slot_count,
           bench->peak_gflops);
    return listing_print(listing);
}

enum error bench_operations(const struct bench_operations *bench, struct measure *measure,
                            const struct genome *genomes, int genome_count)
{
    enum error err = ERR_NONE;
    struct listing listing;
    int column_count = sizeof columns / sizeof *columns;
    listing_begin(&listing, bench->format, columns, column_count);
    for (int i = 0; i < genome_count; i++) {
        struct measured_operation rows[PROFILE_ROWS_MAX];
        int count;
        err = measure_operations(rows, &count, measure, &genomes[i], bench->seconds);
        if (err == ERR_TOO_BIG) {
            char text[GENOME_TEXT_SIZE];
            genome_format(text, &genomes[i]);
            put_row(&listing, bench, text, "step", "", NULL, 0);
        } else if (err != ERR_NONE) {
            goto out;
        } else {
            put_operations(&listing, bench, &genomes[i], rows, count);
        }
        err = ERR_NONE;
        if (bench->format == FORMAT_TEXT) {
            if (i > 0)
                putchar('\n');
            TRY(print_text(bench, &genomes[i], &listing));
            listing_begin(&listing, bench->format, columns, column_count);
        }
    }
    if (bench->format == FORMAT_CSV)
        err = listing_print(&listing);
out:
    listing_free(&listing);
    return err;
}
