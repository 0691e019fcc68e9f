/*
 * The order of a run: a table of stages (pipeline.c). Each stage looks at the store, does what is
 * still to do, and returns when it is done; so a run that was interrupted goes through the same
 * table again.
 */
#ifndef CLADE_PIPELINE_PIPELINE_H
#define CLADE_PIPELINE_PIPELINE_H

#include <stddef.h>
#include <stdio.h>

#include "inputs/space.h"
#include "outputs/progress.h"
#include "pipeline/base/error.h"
#include "pipeline/deadline.h"
#include "pipeline/memory.h"
#include "pipeline/run_directory.h"
#include "pipeline/slots.h"
#include "pipeline/store.h"
#include "pipeline/supervisor.h"

struct run {
    char directory[RUN_PATH_SIZE];
    int lock;   /* -1: none */
    int log;    /* -1: none */
    int images; /* the training images, shared with workers (inputs/shared_images.h); -1: none */
    struct store *store;
    struct store_run info;
    struct settings settings;
    struct space space;
    struct slot *slots;
    size_t slot_count;
    struct memory *memory;         /* NULL: none */
    struct supervisor *supervisor; /* made by the first stage that needs workers */
    struct progress progress;      /* of the command that runs */

    /* What the search reads of the store: candidates that have ended never change there, so only
       the others are read again. */
    struct candidate *history;
    size_t history_count, history_capacity;
    /* The random search beside it, by number (stages/baseline.h), those it shares included. */
    struct candidate *baseline;
    size_t baseline_count, baseline_capacity;
    bool rung_off[RUNGS_MAX]; /* as it was said last */
    int generations_written;
    double write_after_s; /* clock_monotonic_s(): the files are not written again before */
    double began_s;       /* clock_monotonic_s() */
    struct deadline deadline;
    bool closed;               /* no further candidate can end in time */
    int64_t ended_at_start;    /* candidates that had ended when this process began */
    struct confirmation *told; /* the confirmations of which there is a line */
    size_t told_count;
};

/* Runs all stages. After an error the run can be resumed. */
enum error pipeline_run(struct run *run);

#endif
