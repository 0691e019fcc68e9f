/* The runs of a directory's runs.csv (outputs/tables_runs.c says what stands there). */
#ifndef CLADE_INPUTS_PAST_RUNS_H
#define CLADE_INPUTS_PAST_RUNS_H

#include <stddef.h>

#include "inputs/genome.h"
#include "pipeline/base/error.h"

enum { PAST_RUN_NAME_SIZE = 128, PAST_RUN_TIME_SIZE = 20 };

struct past_run {
    char run[PAST_RUN_NAME_SIZE];
    char started_utc[PAST_RUN_TIME_SIZE]; /* "2026-01-31T02:15:00"; "": nothing was started */
    char state[16];                       /* as it stands there */
    double elapsed_s; /* of the search; this and the following: NAN when not known */
    double evaluated, best_parameters, best_validation_accuracy, test_accuracy;
    char best_genome[GENOME_TEXT_SIZE];
};

/* A growing list; starts with {0}, ends with free(list). */
struct past_runs {
    struct past_run *list;
    size_t count, capacity;
};

/* A new entry of which nothing is known; NULL when out of memory. */
struct past_run *past_runs_add(struct past_runs *runs);

/* Appends the rows of a file in either dialect, in its order, whatever columns it has more or less;
   nothing when there is no such file. ERR_DATA when it is not ours. */
enum error past_runs_read(struct past_runs *runs, const char *path);

#endif
