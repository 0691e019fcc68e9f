/* report.md: a run's result for a reader, best genome first. Pure: makes a text. */
#ifndef CLADE_OUTPUTS_REPORT_MARKDOWN_H
#define CLADE_OUTPUTS_REPORT_MARKDOWN_H

#include "inputs/records.h"
#include "pipeline/base/text.h"

/* Appends the report; out of memory shows in text_status(). */
void report_markdown(struct text *out, const struct report *report);

#endif
