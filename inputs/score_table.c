#include "inputs/score_table.h"

#include <csv.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inputs/candidate.h"
#include "pipeline/base/rng.h"
#include "pipeline/base/text.h"

/* The columns that count. */
enum column { COLUMN_GENOME, COLUMN_STATUS, COLUMN_ACCURACY, COLUMN_COUNT };

static const char *const column_names[COLUMN_COUNT] = {"genome", "status", "validation_accuracy"};

/* A file being read; libcsv calls on_cell() and on_row(), which keep the first error. */
struct reading {
    struct score_table *table;
    const char *path;
    size_t line;              /* of the row */
    int cell;                 /* in the row */
    int places[COLUMN_COUNT]; /* -1: not there */
    char cells[COLUMN_COUNT][GENOME_TEXT_SIZE];
    enum error err;
};

static uint64_t hash_genome(const struct genome *genome)
{
    uint64_t hash = rng_mix((uint64_t)genome->layer_count, (uint64_t)genome->head, 0);
    for (int i = 0; i < genome->layer_count; i++) {
        const struct layer *layer = &genome->layers[i];
        hash = rng_mix(hash, (uint64_t)layer->filters * 8 + (uint64_t)layer->kernel,
                       (uint64_t)layer->kind * 16 + (uint64_t)layer->activation);
    }
    return hash;
}

/* The slot that holds the genome, or the empty one where it would be. */
static size_t *find_slot(const struct score_table *table, const struct genome *genome)
{
    size_t at = (size_t)hash_genome(genome) & (table->slot_count - 1);
    while (table->slots[at] != 0 &&
           !genome_equal(&table->genomes[table->slots[at] - 1].genome, genome))
        at = (at + 1) & (table->slot_count - 1);
    return &table->slots[at];
}

const struct genome_scores *score_table_find(const struct score_table *table,
                                             const struct genome *genome)
{
    if (table->slot_count == 0)
        return NULL;
    size_t slot = *find_slot(table, genome);
    return slot > 0 ? &table->genomes[slot - 1] : NULL;
}

static enum error no_memory(const char *path)
{
    return error_set(ERR_INTERNAL, "out of memory while reading %s", path);
}

/* At most half of the slots are taken; their number is a power of two. */
static enum error grow(struct score_table *table, const char *path)
{
    if (2 * (table->count + 1) <= table->slot_count)
        return ERR_NONE;
    size_t slot_count = table->slot_count > 0 ? 2 * table->slot_count : 64;
    size_t *slots = calloc(slot_count, sizeof *slots);
    struct genome_scores *genomes =
        realloc(table->genomes, slot_count / 2 * sizeof *table->genomes);
    if (genomes != NULL)
        table->genomes = genomes;
    if (slots == NULL || genomes == NULL) {
        free(slots);
        return no_memory(path);
    }
    free(table->slots);
    table->slots = slots;
    table->slot_count = slot_count;
    for (size_t i = 0; i < table->count; i++)
        *find_slot(table, &table->genomes[i].genome) = i + 1;
    return ERR_NONE;
}

static enum error add_score(struct score_table *table, const struct genome *genome, double score,
                            const char *path)
{
    enum error err = grow(table, path);
    if (err != ERR_NONE)
        return err;
    size_t *slot = find_slot(table, genome);
    if (*slot == 0) {
        table->genomes[table->count] = (struct genome_scores){.genome = *genome};
        *slot = ++table->count;
    }
    struct genome_scores *entry = &table->genomes[*slot - 1];
    double *scores = realloc(entry->scores, (entry->count + 1) * sizeof *scores);
    if (scores == NULL)
        return no_memory(path);
    entry->scores = scores;
    scores[entry->count++] = score;
    return ERR_NONE;
}

static void on_cell(void *cell, size_t length, void *user)
{
    struct reading *reading = user;
    const char *text = cell != NULL ? cell : "";
    int at = reading->cell++;
    if (reading->line == 1) {
        for (int i = 0; i < COLUMN_COUNT; i++)
            if (strlen(column_names[i]) == length && memcmp(column_names[i], text, length) == 0)
                reading->places[i] = at;
        return;
    }
    for (int i = 0; i < COLUMN_COUNT; i++)
        if (reading->places[i] == at)
            snprintf(reading->cells[i], sizeof reading->cells[i], "%.*s", (int)length, text);
}

static enum error check_header(const struct reading *reading)
{
    for (int i = 0; i < COLUMN_COUNT; i++)
        if (reading->places[i] < 0)
            return error_set(ERR_DATA,
                             "%s: no column %s in the first line; expected a table that 'clade "
                             "table build' wrote, with commas",
                             reading->path, column_names[i]);
    return ERR_NONE;
}

static enum error read_row(const struct reading *reading)
{
    struct genome genome;
    double score = NAN;
    const char *status = reading->cells[COLUMN_STATUS], *text = reading->cells[COLUMN_ACCURACY];
    if (strcmp(status, candidate_status_name(CANDIDATE_LOST)) == 0)
        return ERR_NONE;
    if (genome_parse(&genome, reading->cells[COLUMN_GENOME]) != ERR_NONE) {
        char why[256];
        snprintf(why, sizeof why, "%s", error_message());
        return error_set(ERR_DATA, "%s, line %zu: %s", reading->path, reading->line, why);
    }
    if (strcmp(status, candidate_status_name(CANDIDATE_DONE)) == 0 &&
        (!text_to_double(text, &score) || score < 0 || score > 1))
        return error_set(ERR_DATA,
                         "%s, line %zu: validation_accuracy is '%.40s', expected a number from 0 "
                         "to 1",
                         reading->path, reading->line, text);
    return add_score(reading->table, &genome, score, reading->path);
}

static void on_row(int end, void *user)
{
    struct reading *reading = user;
    (void)end;
    if (reading->err == ERR_NONE)
        reading->err = reading->line == 1 ? check_header(reading) : read_row(reading);
    for (int i = 0; i < COLUMN_COUNT; i++)
        reading->cells[i][0] = '\0';
    reading->line++;
    reading->cell = 0;
}

static enum error parse(struct reading *reading, FILE *file)
{
    struct csv_parser parser;
    char buffer[65536];
    size_t n;
    if (csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI) != 0)
        return no_memory(reading->path);
    while (reading->err == ERR_NONE && (n = fread(buffer, 1, sizeof buffer, file)) > 0)
        if (csv_parse(&parser, buffer, n, on_cell, on_row, reading) != n &&
            reading->err == ERR_NONE)
            reading->err = error_set(ERR_DATA, "%s, line %zu: %s", reading->path, reading->line,
                                     csv_strerror(csv_error(&parser)));
    if (reading->err == ERR_NONE && ferror(file))
        reading->err = error_set(ERR_DATA, "cannot read %s: %s", reading->path, strerror(errno));
    if (reading->err == ERR_NONE && csv_fini(&parser, on_cell, on_row, reading) != 0)
        reading->err = error_set(ERR_DATA, "%s, line %zu: %s", reading->path, reading->line,
                                 csv_strerror(csv_error(&parser)));
    csv_free(&parser);
    return reading->err;
}

enum error score_table_read(struct score_table *table, const char *path)
{
    *table = (struct score_table){0};
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return error_set(ERR_DATA, "cannot open the table %s: %s", path, strerror(errno));
    struct reading reading = {.table = table, .path = path, .line = 1, .places = {-1, -1, -1}};
    enum error err = parse(&reading, file);
    fclose(file);
    if (err == ERR_NONE && table->count == 0)
        err = error_set(ERR_DATA, "%s has no scores", path);
    if (err != ERR_NONE)
        score_table_free(table);
    return err;
}

void score_table_free(struct score_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        free(table->genomes[i].scores);
    free(table->genomes);
    free(table->slots);
    *table = (struct score_table){0};
}
