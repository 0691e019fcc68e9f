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

void progress_format(struct text *out, const struct progress_state *state, int width, bool colour)
{
    static const char *const codes[PARTS] = {
        [PART_BAR] = "\x1b[36m", [PART_BEST] = "\x1b[32m", [PART_FAILED] = "\x1b[33m"};
    char parts[PARTS][PART_SIZE];
    make_parts(parts, state);
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

void progress_format_generation(struct text *out, const struct generation *generation,
                                const struct progress_state *state, int64_t now_utc_us)
{
    char now[CLOCK_UTC_SIZE];
    clock_utc_text(now, now_utc_us);
    text_printf(out, "%s generation %d: %d evaluated, %d failed", now, generation->number,
                generation->evaluated, generation->failed);
    if (generation->best_candidate >= 0)
        text_printf(out, ", best %.4f (%" PRId64 " parameters), median %.4f", generation->best,
                    generation->best_cost.parameters, generation->median);
    text_printf(out, "; %s", state->stage);
    char parts[PARTS][PART_SIZE];
    make_parts(parts, state);
    text_printf(out, " %s", parts[PART_COUNT_DONE]);
    for (enum part part = PART_BEST; part <= PART_LEFT; part++)
        if (parts[part][0] != '\0')
            text_printf(out, ", %s%s", part == PART_BEST ? "overall " : "", parts[part]);
    text_append(out, "\n");
}

void progress_init(struct progress *progress, FILE *stream)
{
    const char *term = getenv("TERM");
    const char *no_colour = getenv("NO_COLOR");
    *progress = (struct progress){.stream = stream, .last_draw_s = -INFINITY};
    progress->terminal = isatty(fileno(stream)) == 1 && term != NULL && strcmp(term, "dumb") != 0;
    progress->colour = progress->terminal && (no_colour == NULL || no_colour[0] == '\0');
}

static int terminal_width(FILE *stream)
{
    struct winsize size;
    if (ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 1)
        return size.ws_col - 1; /* the last column makes some terminals wrap */
    return 79;
}

void progress_draw(struct progress *progress, const struct progress_state *state)
{
    double now = clock_monotonic_s();
    if (!progress->terminal || now - progress->last_draw_s < 0.1)
        return;
    struct text line = {0};
    progress_format(&line, state, terminal_width(progress->stream), progress->colour);
    if (!line.failed) {
        fprintf(progress->stream, "\r%s\x1b[K", line.data);
        fflush(progress->stream);
        progress->drawn = true;
        progress->last_draw_s = now;
    }
    text_free(&line);
}

void progress_generation(struct progress *progress, const struct generation *generation,
                         const struct progress_state *state)
{
    if (progress->terminal)
        return;
    struct text line = {0};
    progress_format_generation(&line, generation, state, clock_utc_us());
    if (!line.failed) {
        fputs(line.data, progress->stream);
        fflush(progress->stream);
    }
    text_free(&line);
}

void progress_clear(struct progress *progress)
{
    if (!progress->drawn)
        return;
    fputs("\r\x1b[K", progress->stream);
    fflush(progress->stream);
    progress->drawn = false;
    progress->last_draw_s = -INFINITY;
}
