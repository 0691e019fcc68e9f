/* The numbers of report.html's charts, as a JSON object; outputs/report_page.js reads it. */
#ifndef CLADE_OUTPUTS_REPORT_DATA_H
#define CLADE_OUTPUTS_REPORT_DATA_H

#include "inputs/records.h"
#include "pipeline/base/text.h"

enum {
    REPORT_POINTS_MAX = 25000,    /* candidates in a chart; of more, every n-th is shown */
    REPORT_GENOME_BYTES = 1400000 /* of all genomes together */
};

/*
 * Appends the object. Of more than REPORT_POINTS_MAX candidates with a score all that improve on
 * the best before them, all of the front, and every n-th of the others are in it; genomes of the
 * latest are in it while REPORT_GENOME_BYTES last, in the short form "N16k3r" a layer.
 */
void report_data(struct text *out, const struct report *report);

#endif
