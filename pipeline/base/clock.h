/* Time: seconds for durations, UTC text for records. */
#ifndef CLADE_PIPELINE_BASE_CLOCK_H
#define CLADE_PIPELINE_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Seconds on a clock that never jumps; only differences mean something. */
double clock_monotonic_s(void);

/* Microseconds since 1970-01-01 UTC. */
int64_t clock_utc_us(void);

enum { CLOCK_UTC_SIZE = 20 };

/* "2026-01-31T02:15:00", no zone letter: a spreadsheet reads it as a date. */
void clock_utc_text(char text[CLOCK_UTC_SIZE], int64_t utc_us);

enum { CLOCK_DURATION_SIZE = 32 };

/* "45 s", "3 min 20 s", "7 h 05 min"; negative counts as 0. */
void clock_duration_text(char text[CLOCK_DURATION_SIZE], double seconds);

/*
 * Whole hours, minutes and seconds, in this order, each with its letter: "7h30m", "90m", "45s". At
 * least one of them, and at most a year in all; false for anything else.
 */
bool clock_parse_duration(double *seconds, const char *text);

/* What clock_parse_duration() reads back as the same whole number of seconds, which is > 0. */
void clock_format_duration(char text[CLOCK_DURATION_SIZE], double seconds);

/* "06:30", "6:30": a time of the day, as minutes after midnight. */
bool clock_parse_time(int *minutes, const char *text);

/* The next moment behind `utc_us` at which it is so late here (TZ). */
int64_t clock_next_local(int minutes, int64_t utc_us);

#endif
