/*
 * How far a run is: on a terminal a block of lines, drawn again and again, or one line where there
 * is little room; elsewhere dated lines: one a stage, a generation and a confirmation, and one when
 * there was none for long. The formatting is pure; drawing writes to a stream that the command
 * hands in.
 */
#ifndef CLADE_OUTPUTS_PROGRESS_H
#define CLADE_OUTPUTS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "inputs/records.h"
#include "pipeline/base/log.h"
#include "pipeline/base/text.h"

/* What one slot does now. */
struct progress_slot {
    const char *device;
    char doing[64];      /* "c000123, epoch 2 of 3" */
    double images_per_s; /* NAN: not known */
    double seconds;      /* since when */
};

struct progress_state {
    const char *stage;   /* "search", "confirm"; what `done` and `total` count is its business */
    int64_t done, total; /* total 0: not known */
    int64_t failed;
    double best_accuracy; /* NAN: none yet */
    int64_t best_parameters;
    double images_per_s;               /* over all slots; NAN: not known yet */
    double left_s;                     /* NAN: not known yet */
    int64_t front_size;                /* of the Pareto front; 0: not known */
    const struct progress_slot *slots; /* for the block */
    size_t slot_count;
};

/*
 * One line without line end, at most `width` columns (>= 1): parts that do not fit are left out,
 * the least important first. `colour`: with escape codes, which take no columns.
 */
void progress_format(struct text *out, const struct progress_state *state, int width, bool colour);

/* Something that happened: for the block's last lines. */
enum { PROGRESS_EVENTS = 4, PROGRESS_TEXT_SIZE = 160 };
struct progress_event {
    int64_t utc_us;
    enum log_level level;
    char text[PROGRESS_TEXT_SIZE];
};

/* The least room that the block needs; one line is drawn in less. */
enum { PROGRESS_BLOCK_WIDTH = 60, PROGRESS_BLOCK_ROWS = 10 };

/*
 * The block: at most `rows` - 1 lines of at most `width` columns, each with its line end: how far,
 * what was found, a line a slot (as many as there is room for, then how many more), and the events,
 * the oldest first.
 */
void progress_format_block(struct text *out, const struct progress_state *state,
                           const struct progress_event *events, size_t event_count, int width,
                           int rows, bool colour);

/* "2026-01-31T02:15:00 generation 3: 25 evaluated, 1 failed, best 0.9123 (59546 parameters) ...",
   with line end. `now_utc_us` is the time written. */
void progress_format_generation(struct text *out, const struct generation *generation,
                                const struct progress_state *state, int64_t now_utc_us);

/* "search 120/240, overall best 0.9123 (59546 parameters), 1520 images/s, 2 h 05 min left". */
void progress_format_standing(struct text *out, const struct progress_state *state);

enum progress_level {
    PROGRESS_NORMAL,
    PROGRESS_QUIET,  /* nothing at all is written */
    PROGRESS_VERBOSE /* every event too, as a dated line */
};

struct progress {
    FILE *stream;
    enum progress_level level;
    bool terminal; /* draws live */
    bool colour;
    int drawn;                                     /* lines that stand there now */
    double last_draw_s;                            /* clock_monotonic_s() */
    double last_line_s;                            /* of the last dated line, or of the start */
    struct progress_event events[PROGRESS_EVENTS]; /* the latest at event_count - 1, modulo */
    size_t event_count;
};

/* Looks at the stream (isatty) and the environment (TERM, NO_COLOR). */
void progress_init(struct progress *progress, FILE *stream, enum progress_level level);

/* Whether progress_draw() would draw now; it does at most ten times a second. */
bool progress_is_due(const struct progress *progress);

/* On a terminal: a line such as "reads the data", until something is drawn over it. */
void progress_say(struct progress *progress, const char *text);

/* Remembers an event for the block, and writes it when verbose; a debug event only then. */
void progress_event(struct progress *progress, enum log_level level, const char *text,
                    int64_t utc_us);

/* On a terminal: draws, when it is due. Elsewhere: nothing. */
void progress_draw(struct progress *progress, const struct progress_state *state);

/* Not on a terminal: writes a dated line. On a terminal: nothing. */
void progress_note(struct progress *progress, const char *text);

/* Not on a terminal: how far it is, as a dated line, when for so long there was none. */
enum { PROGRESS_SILENCE_S = 300 };
void progress_alive(struct progress *progress, const struct progress_state *state);

/* Not on a terminal: writes the generation's line. On a terminal it is an event. */
void progress_generation(struct progress *progress, const struct generation *generation,
                         const struct progress_state *state);

/* Takes what was drawn away, before something else is written and at the end. */
void progress_clear(struct progress *progress);

/* ---- for outputs/progress*.c ---- */

/* The first line of the block: how far, and how long still. */
void progress_format_head(struct text *out, const struct progress_state *state, int width,
                          bool colour);

#endif
