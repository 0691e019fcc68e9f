/* What the files that write report.md share: outputs/report*.c alone include this. */
#ifndef CLADE_OUTPUTS_REPORT_TEXT_H
#define CLADE_OUTPUTS_REPORT_TEXT_H

#include <stdint.h>

#include "inputs/class_names.h"
#include "inputs/genome.h"
#include "inputs/records.h"
#include "pipeline/base/text.h"

/* Text from outside (device and run names), so that it cannot change the page's structure. */
void report_put_outside(struct text *out, const char *s);

/* The name of a class, as it is in the settings, so from outside too. */
void report_class_name(char name[CLASS_NAME_SIZE], const struct report *report, int index);
void report_put_class(struct text *out, const struct report *report, int index);

/* 208202 as "208,202". */
void report_put_count(struct text *out, int64_t value);

/* By a printf format for one double; "-" for NAN. */
void report_put_number(struct text *out, const char *format, double value);

/* As code. */
void report_put_genome(struct text *out, const struct genome *genome);

/* "7 of 20 candidates have ended", or "7 candidates have ended" where search.cycles is no limit. */
void report_put_ended(struct text *out, const struct report *report);

void report_put_duration(struct text *out, double seconds);

/* What stands in place of test results while there are none. */
#define REPORT_UNTESTED                                                                            \
    "The test images come last, when the last training has ended: they are not read yet."

/* Sentences of plain text (report_finalists.c): the winner's network and another one on the same
   images, nothing where they were not compared; how the search ranked the finalists; the first of
   report->duels. */
void report_say_images(struct text *out, const struct paired_test *test, const char *other,
                       uint32_t images);
void report_say_ranks(struct text *out, const struct report *report);
void report_say_random(struct text *out, const struct report *report);

/* The section on the finalists (report_finalists.c); nothing before the first confirmation. */
void report_put_finalists(struct text *out, const struct report *report);

/* The sections on how the search went (report_search.c): operators, duplicates. */
void report_put_search(struct text *out, const struct report *report);

#endif
