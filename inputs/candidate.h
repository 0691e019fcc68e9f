/*
 * What is known of one candidate (one attempt at it): the row that the store keeps, the search
 * reads as history, and the CSV tables print.
 */
#ifndef CLADE_INPUTS_CANDIDATE_H
#define CLADE_INPUTS_CANDIDATE_H

#include <stddef.h>
#include <stdint.h>

#include "inputs/genome.h"

/* X(name, text): the `status` column. */
#define CANDIDATE_STATUS_TABLE(X)                                                                  \
    X(CANDIDATE_QUEUED, "queued")                                                                  \
    X(CANDIDATE_RUNNING, "running")                                                                \
    X(CANDIDATE_DONE, "done")                                                                      \
    X(CANDIDATE_DIVERGED, "diverged") /* loss not finite */                                        \
    X(CANDIDATE_TOO_BIG, "too_big")   /* buffers do not fit in the device */                       \
    X(CANDIDATE_TIMEOUT, "timeout")   /* over devices.time_limit_s */                              \
    X(CANDIDATE_LOST, "lost")         /* worker died or device failed; this attempt only */        \
    X(CANDIDATE_FAILED, "failed")     /* lost more often than devices.retries */                   \
    X(CANDIDATE_STOPPED, "stopped")   /* no time was left for it in the search */

enum candidate_status {
#define X(name, text) name,
    CANDIDATE_STATUS_TABLE(X)
#undef X
        CANDIDATE_STATUS_COUNT
};

enum { CANDIDATE_DEVICE_SIZE = 128, CANDIDATE_OPERATOR_SIZE = 16, CANDIDATE_LABEL_SIZE = 24 };

/* Ids from here on are of a random search beside the search (stages/baseline.h). */
enum { CANDIDATE_BASELINE = 1000000 };

/* The operator of a candidate that goes on from its parent: the same genome on a higher rung. */
#define CANDIDATE_PROMOTE "promote"

struct candidate {
    int64_t id;     /* 0.. in the order of proposal */
    int generation; /* id / P */
    int attempt;    /* 1.. */
    enum candidate_status status;
    struct genome genome;
    char operator_name[CANDIDATE_OPERATOR_SIZE]; /* "random", the mutation, ... */
    int64_t parent;                              /* -1: none */
    int redraws; /* genomes drawn before this one, that were duplicates */
    /* What earlier runs had given for this genome, when it was proposed (pipeline/memory.h): */
    int64_t earlier;                        /* trainings */
    double earlier_mean, earlier_deviation; /* of validation accuracy; NAN below 1 and 2 of them */
    struct genome_cost cost;
    int rung; /* whose training it is, 0..; stages/fidelity.h */
    int epochs;
    int train_images;
    uint64_t seed;
    /* Below: valid when status is CANDIDATE_DONE; else NAN, 0 or "" */
    double train_loss;
    double validation_loss;
    double validation_accuracy; /* 0..1 */
    double images_per_s;
    /* Below: valid once an attempt started */
    char device[CANDIDATE_DEVICE_SIZE];
    int worker;
    int64_t started_utc_us;
    double duration_s;
};

/* What people see of an id: "c000123"; "r000123" for number 123 of the random search. */
void candidate_label(char label[CANDIDATE_LABEL_SIZE], int64_t id);

const char *candidate_status_name(enum candidate_status status);

#endif
