/* Stage "report": what there is to say about a run. Pure; outputs/ writes it. */
#ifndef CLADE_STAGES_REPORT_H
#define CLADE_STAGES_REPORT_H

#include <stdbool.h>

#include "inputs/records.h"
#include "pipeline/base/error.h"

struct report_input {
    const char *run;     /* the run's name */
    const char *version; /* of the program */
    bool search_ended;   /* no further candidate is going to be trained */
    const struct settings *settings;
    struct image_shape shape;
    const struct candidate *candidates; /* attempts in the order (id, attempt) */
    size_t candidate_count;
    const struct candidate *baseline; /* attempts of the random search alone, in the same order */
    size_t baseline_count;
    const struct confirmation *confirmations; /* any order; may be none */
    size_t confirmation_count;
    const struct epoch_record *epochs; /* in the order of jobs; may be none */
    size_t epoch_count;
    const struct device_version *versions; /* in the order of their first use; may be none */
    size_t version_count;
};

/*
 * Works at any moment of a run: what is not known yet is NULL or NAN. *report borrows from the
 * input; report_free() frees the rest.
 */
enum error report_make(struct report *report, const struct report_input *input);
void report_free(struct report *report);

#endif
