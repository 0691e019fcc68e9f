#include "outputs/progress.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "pipeline/base/clock.h"

enum { PART_SIZE = 96, BAR_WIDTH = 20 };

enum part {
    PART_STAGE,
    PART_COUNT_DONE,
    PART_BAR,
    PART_BEST,
    PART_SPEED,
    PART_LEFT,
    PART_FAILED,
    PARTS
};

/* Which part goes first when the line is too long; the count stays to the end. */
static const enum part least_important[] = {PART_BAR,  PART_FAILED, PART_STAGE,     PART_SPEED,
                                            PART_BEST, PART_LEFT,   PART_COUNT_DONE};

static double share_done(const struct progress_state *state)
{
    if (state->total <= 0)
        return 0;
    double share = (double)state->done / (double)state->total;
    return share < 0 ? 0 : share > 1 ? 1 : share;
}

static void make_parts(char parts[PARTS][PART_SIZE], const struct progress_state *state)
{
    memset(parts, 0, PARTS * (size_t)PART_SIZE);
    snprintf(parts[PART_STAGE], PART_SIZE, "%s", state->stage);
    if (state->total > 0)
        snprintf(parts[PART_COUNT_DONE], PART_SIZE, "%" PRId64 "/%" PRId64, state->done,
                 state->total);
    else
        snprintf(parts[PART_COUNT_DONE], PART_SIZE, "%" PRId64, state->done);

    int full = (int)(share_done(state) * BAR_WIDTH);
    char bar[BAR_WIDTH + 1];
    memset(bar, '.', BAR_WIDTH);
    memset(bar, '#', (size_t)full);
    bar[BAR_WIDTH] = '\0';
    if (state->total > 0)
        snprintf(parts[PART_BAR], PART_SIZE, "[%s]", bar);

    if (!isnan(state->best_accuracy))
        snprintf(parts[PART_BEST], PART_SIZE, "best %.4f (%" PRId64 " parameters)",
                 state->best_accuracy, state->best_parameters);
    if (!isnan(state->images_per_s))
        snprintf(parts[PART_SPEED], PART_SIZE, "%.0f images/s", state->images_per_s);
    if (!isnan(state->left_s)) {
        char duration[CLOCK_DURATION_SIZE];
        clock_duration_text(duration, state->left_s);
        snprintf(parts[PART_LEFT], PART_SIZE, "%s left", duration);
    }
    if (state->failed > 0)
        snprintf(parts[PART_FAILED], PART_SIZE, "%" PRId64 " failed", state->failed);
}

static size_t columns_of(char parts[PARTS][PART_SIZE])
{
    size_t columns = 0;
    for (int i = 0; i < PARTS; i++)
        if (parts[i][0] != '\0')
            columns += strlen(parts[i]) + (columns > 0 ? 2 : 0);
    return columns;
}

/* The parts that are there, as many as fit; the least important go first. */
static void put_parts(struct text *out, char parts[PARTS][PART_SIZE], int width, bool colour)
{
    static const char *const codes[PARTS] = {
        [PART_BAR] = "\x1b[36m", [PART_BEST] = "\x1b[32m", [PART_FAILED] = "\x1b[33m"};
    size_t room = width > 0 ? (size_t)width : 1;
    for (size_t i = 0; columns_of(parts) > room && i < PARTS - 1; i++)
        parts[least_important[i]][0] = '\0';
    if (room < PART_SIZE)
        parts[PART_COUNT_DONE][room] = '\0';

    bool first = true;
    for (int i = 0; i < PARTS; i++) {
        if (parts[i][0] == '\0')
            continue;
        bool coloured = colour && codes[i] != NULL;
        text_printf(out, "%s%s%s%s", first ? "" : "  ", coloured ? codes[i] : "", parts[i],
                    coloured ? "\x1b[0m" : "");
        first = false;
    }
}

void progress_format(struct text *out, const struct progress_state *state, int width, bool colour)
{
    char parts[PARTS][PART_SIZE];
    make_parts(parts, state);
    put_parts(out, parts, width, colour);
}

void progress_format_head(struct text *out, const struct progress_state *state, int width,
                          bool colour)
{
    char parts[PARTS][PART_SIZE];
    make_parts(parts, state);
    parts[PART_BEST][0] = parts[PART_SPEED][0] = parts[PART_FAILED][0] = '\0';
    put_parts(out, parts, width, colour);
}

/* "generation 3: 25 evaluated, 1 failed, best 0.9123 (59546 parameters), median 0.8512". */
static void put_generation(struct text *out, const struct generation *generation)
{
    text_printf(out, "generation %d: %d evaluated, %d failed", generation->number,
                generation->evaluated, generation->failed);
    if (generation->best_candidate >= 0)
        text_printf(out, ", best %.4f (%" PRId64 " parameters), median %.4f", generation->best,
                    generation->best_cost.parameters, generation->median);
}

void progress_format_standing(struct text *out, const struct progress_state *state)
{
    char parts[PARTS][PART_SIZE];
    make_parts(parts, state);
    text_printf(out, "%s %s", parts[PART_STAGE], parts[PART_COUNT_DONE]);
    for (enum part part = PART_BEST; part <= PART_LEFT; part++)
        if (parts[part][0] != '\0')
            text_printf(out, ", %s%s", part == PART_BEST ? "overall " : "", parts[part]);
}

void progress_format_generation(struct text *out, const struct generation *generation,
                                const struct progress_state *state, int64_t now_utc_us)
{
    char now[CLOCK_UTC_SIZE];
    clock_utc_text(now, now_utc_us);
    text_printf(out, "%s ", now);
    put_generation(out, generation);
    text_append(out, "; ");
    progress_format_standing(out, state);
    text_append(out, "\n");
}

void progress_init(struct progress *progress, FILE *stream, enum progress_level level)
{
    const char *term = getenv("TERM");
    const char *no_colour = getenv("NO_COLOR");
    *progress = (struct progress){.stream = stream,
                                  .level = level,
                                  .last_draw_s = -INFINITY,
                                  .last_line_s = clock_monotonic_s()};
    progress->terminal = level != PROGRESS_QUIET && isatty(fileno(stream)) == 1 && term != NULL &&
                         strcmp(term, "dumb") != 0;
    progress->colour = progress->terminal && (no_colour == NULL || no_colour[0] == '\0');
}

/* Columns and rows that may be used. */
static void terminal_size(int *width, int *rows, FILE *stream)
{
    struct winsize size;
    bool known = ioctl(fileno(stream), TIOCGWINSZ, &size) == 0;
    *width = known && size.ws_col > 1 ? size.ws_col - 1 : 79; /* the last column makes some wrap */
    *rows = known && size.ws_row > 0 ? size.ws_row : 24;
}

bool progress_is_due(const struct progress *progress)
{
    return progress->terminal && clock_monotonic_s() - progress->last_draw_s >= 0.1;
}

/* To the first of the lines that stand there. */
static void go_to_top(const struct progress *progress)
{
    if (progress->drawn > 1)
        fprintf(progress->stream, "\x1b[%dA", progress->drawn - 1);
    fputc('\r', progress->stream);
}

/* `text` has lines, the last one without an end. */
static void draw(struct progress *progress, const char *text)
{
    int lines = 1;
    go_to_top(progress);
    for (; *text != '\0'; text++) {
        if (*text == '\n') {
            fputs("\x1b[K\n", progress->stream);
            lines++;
        } else {
            fputc(*text, progress->stream);
        }
    }
    fputs("\x1b[K", progress->stream);
    if (progress->drawn > 1)
        fputs("\x1b[J", progress->stream); /* what was below, when there are fewer lines now */
    fflush(progress->stream);
    progress->drawn = lines;
}

void progress_draw(struct progress *progress, const struct progress_state *state)
{
    int width, rows;
    struct text text = {0};
    if (!progress_is_due(progress))
        return;
    terminal_size(&width, &rows, progress->stream);
    if (width < PROGRESS_BLOCK_WIDTH || rows < PROGRESS_BLOCK_ROWS) {
        progress_format(&text, state, width, progress->colour);
    } else {
        struct progress_event events[PROGRESS_EVENTS];
        size_t count = progress->event_count;
        size_t shown = count < PROGRESS_EVENTS ? count : PROGRESS_EVENTS;
        for (size_t i = 0; i < shown; i++)
            events[i] = progress->events[(count - shown + i) % PROGRESS_EVENTS];
        progress_format_block(&text, state, events, shown, width, rows, progress->colour);
        if (text.length > 0)
            text.data[--text.length] = '\0'; /* the last line's end */
    }
    if (!text.failed) {
        draw(progress, text.data);
        progress->last_draw_s = clock_monotonic_s();
    }
    text_free(&text);
}

void progress_say(struct progress *progress, const char *text)
{
    int width, rows;
    if (!progress->terminal)
        return;
    terminal_size(&width, &rows, progress->stream);
    struct text line = {0};
    text_printf(&line, "%.*s", width, text);
    if (!line.failed)
        draw(progress, line.data);
    text_free(&line);
}

/* A dated line without control characters, which may be in the names of files. */
static void write_line(struct progress *progress, const char *text)
{
    char now[CLOCK_UTC_SIZE];
    clock_utc_text(now, clock_utc_us());
    fprintf(progress->stream, "%s ", now);
    for (; *text != '\0'; text++)
        fputc((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text, progress->stream);
    fputc('\n', progress->stream);
    fflush(progress->stream);
    progress->last_line_s = clock_monotonic_s();
}

void progress_note(struct progress *progress, const char *text)
{
    if (!progress->terminal && progress->level != PROGRESS_QUIET)
        write_line(progress, text);
}

void progress_alive(struct progress *progress, const struct progress_state *state)
{
    struct text text = {0};
    if (progress->terminal || progress->level == PROGRESS_QUIET ||
        clock_monotonic_s() - progress->last_line_s < PROGRESS_SILENCE_S)
        return;
    progress_format_standing(&text, state);
    if (!text.failed)
        write_line(progress, text.data);
    text_free(&text);
}

void progress_event(struct progress *progress, enum log_level level, const char *text,
                    int64_t utc_us)
{
    if (progress->level == PROGRESS_VERBOSE) {
        char now[CLOCK_UTC_SIZE];
        clock_utc_text(now, utc_us);
        progress_clear(progress);
        fprintf(progress->stream, "%s %s %s\n", now, log_level_name(level), text);
        fflush(progress->stream);
        progress->last_line_s = clock_monotonic_s();
    } else if (level != LOG_DEBUG) {
        struct progress_event *event = &progress->events[progress->event_count++ % PROGRESS_EVENTS];
        *event = (struct progress_event){.utc_us = utc_us, .level = level};
        snprintf(event->text, sizeof event->text, "%s", text);
    }
}

void progress_generation(struct progress *progress, const struct generation *generation,
                         const struct progress_state *state)
{
    struct text line = {0};
    if (progress->terminal)
        put_generation(&line, generation);
    else if (progress->level != PROGRESS_QUIET)
        progress_format_generation(&line, generation, state, clock_utc_us());
    if (line.data != NULL && !line.failed) {
        if (progress->terminal)
            progress_event(progress, LOG_INFO, line.data, clock_utc_us());
        else
            fputs(line.data, progress->stream);
        fflush(progress->stream);
        progress->last_line_s = clock_monotonic_s();
    }
    text_free(&line);
}

void progress_clear(struct progress *progress)
{
    if (progress->drawn == 0)
        return;
    go_to_top(progress);
    fputs(progress->drawn > 1 ? "\x1b[J" : "\x1b[K", progress->stream);
    fflush(progress->stream);
    progress->drawn = 0;
    progress->last_draw_s = -INFINITY;
}
