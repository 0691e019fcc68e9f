/* report.md: a run's result for a reader, best genome first. Pure: makes a text. */
#ifndef CLADE_OUTPUTS_REPORT_MARKDOWN_H
#define CLADE_OUTPUTS_REPORT_MARKDOWN_H

#include "inputs/records.h"
#include "pipeline/base/text.h"

/* Appends the report; out of memory shows in text_status(). */
void report_markdown(struct text *out, const struct report *report);

/* The name of class `index`: Fashion-MNIST's names when the data directory is called
   "fashion-mnist" and there are 10 classes, else the number. `text` is scratch of 16 bytes. */
const char *report_class_name(char text[16], const struct report *report, int index);

#endif
