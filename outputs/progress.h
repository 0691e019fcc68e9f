/*
 * How far a run is: one line, drawn again and again, on a terminal; one dated line a generation
 * elsewhere. The formatting is pure; drawing writes to a stream that the command hands in.
 */
#ifndef CLADE_OUTPUTS_PROGRESS_H
#define CLADE_OUTPUTS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "inputs/records.h"
#include "pipeline/base/text.h"

struct progress_state {
    const char *stage;   /* "search", "confirm"; what `done` and `total` count is its business */
    int64_t done, total; /* total 0: not known */
    int64_t failed;
    double best_accuracy; /* NAN: none yet */
    int64_t best_parameters;
    double images_per_s; /* over all slots; NAN: not known yet */
    double left_s;       /* NAN: not known yet */
};

/*
 * One line without line end, at most `width` columns (>= 1): parts that do not fit are left out,
 * the least important first. `colour`: with escape codes, which take no columns.
 */
void progress_format(struct text *out, const struct progress_state *state, int width, bool colour);

/* "2026-01-31T02:15:00 generation 3: 25 evaluated, 1 failed, best 0.9123 (59546 parameters) ...",
   with line end. `now_utc_us` is the time written. */
void progress_format_generation(struct text *out, const struct generation *generation,
                                const struct progress_state *state, int64_t now_utc_us);

struct progress {
    FILE *stream;
    bool terminal; /* draws a live line */
    bool colour;
    bool drawn;         /* a line stands there now */
    double last_draw_s; /* clock_monotonic_s() */
};

/* Looks at the stream (isatty) and the environment (TERM, NO_COLOR). */
void progress_init(struct progress *progress, FILE *stream);

/* On a terminal: draws the line, at most ten times a second. Elsewhere: nothing. */
void progress_draw(struct progress *progress, const struct progress_state *state);

/* Not on a terminal: writes the generation's line. On a terminal: nothing. */
void progress_generation(struct progress *progress, const struct generation *generation,
                         const struct progress_state *state);

/* Takes the live line away, before something else is written and at the end. */
void progress_clear(struct progress *progress);

#endif
