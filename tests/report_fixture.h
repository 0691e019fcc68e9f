/* A hand-made run for the tests of reports and of the files that are made of them. */
#ifndef CLADE_TESTS_REPORT_FIXTURE_H
#define CLADE_TESTS_REPORT_FIXTURE_H

#include "pipeline/base/text.h"
#include "stages/report.h"

enum { RUN_CANDIDATES = 8 };

/* A small run: two generations of three, one lost attempt, one diverged, one confirmed finalist. */
struct run {
    struct settings settings;
    struct settings_origins origins;
    struct candidate candidates[RUN_CANDIDATES];
    struct confirmation confirmations[3];
    uint32_t confusion[3][100];
    uint8_t predictions[3][100], labels[100];
    struct epoch_record epochs[2];
    struct report_input input;
};

/* Freed with free(). */
struct run *make_run(void);

void assert_near(double value, double expected);
void assert_has(const struct text *text, const char *part);

#endif
