#include "outputs/progress.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "pipeline/base/clock.h"

enum { LINE_SIZE = 512, FIXED_LINES = 2 };

/* One line: cut to `width`, control characters as "?", in a colour (NULL: none). */
static void put_line(struct text *out, const char *line, int width, const char *colour)
{
    text_append(out, colour != NULL ? colour : "");
    for (int i = 0; i < width && line[i] != '\0'; i++)
        text_append_n(out, (unsigned char)line[i] < ' ' || line[i] == 0x7f ? "?" : &line[i], 1);
    text_append(out, colour != NULL ? "\x1b[0m\n" : "\n");
}

static void put_found(struct text *out, const struct progress_state *state, int width, bool colour)
{
    char line[LINE_SIZE] = "no score yet";
    size_t n = strlen(line);
    if (!isnan(state->best_accuracy))
        n = (size_t)snprintf(line, sizeof line, "best %.4f (%" PRId64 " parameters)",
                             state->best_accuracy, state->best_parameters);
    if (state->front_size > 0)
        n += (size_t)snprintf(line + n, sizeof line - n, "  front of %" PRId64, state->front_size);
    if (!isnan(state->images_per_s))
        n += (size_t)snprintf(line + n, sizeof line - n, "  %.0f images/s", state->images_per_s);
    if (state->failed > 0)
        snprintf(line + n, sizeof line - n, "  %" PRId64 " failed", state->failed);
    put_line(out, line, width, colour ? "\x1b[32m" : NULL);
}

static void put_slot(struct text *out, const struct progress_slot *slot, size_t number, int width)
{
    char line[LINE_SIZE], speed[32] = "", since[CLOCK_DURATION_SIZE];
    clock_duration_text(since, slot->seconds);
    /* All but the device fits into PROGRESS_BLOCK_WIDTH. */
    if (!isnan(slot->images_per_s))
        snprintf(speed, sizeof speed, "%.0f images/s", slot->images_per_s);
    snprintf(line, sizeof line, "  slot %-3zu %-23s %14s %9s  %s", number, slot->doing, speed,
             since, slot->device);
    put_line(out, line, width, NULL);
}

static void put_event(struct text *out, const struct progress_event *event, int width, bool colour)
{
    char line[LINE_SIZE], now[CLOCK_UTC_SIZE];
    clock_utc_text(now, event->utc_us);
    bool bad = event->level >= LOG_WARNING;
    snprintf(line, sizeof line, "  %s  %s%s", now + 11, bad ? "! " : "", event->text);
    put_line(out, line, width, colour && bad ? "\x1b[33m" : NULL);
}

void progress_format_block(struct text *out, const struct progress_state *state,
                           const struct progress_event *events, size_t event_count, int width,
                           int rows, bool colour)
{
    progress_format_head(out, state, width, colour);
    text_append(out, "\n");
    put_found(out, state, width, colour);
    size_t room = (size_t)(rows > FIXED_LINES + 1 ? rows - FIXED_LINES - 1 : 0);
    size_t kept = event_count < room / 2 ? event_count : room / 2; /* half of it is the slots' */
    room -= kept;
    size_t shown = state->slot_count <= room ? state->slot_count : room > 0 ? room - 1 : 0;
    for (size_t i = 0; i < shown; i++)
        put_slot(out, &state->slots[i], i, width);
    if (shown < state->slot_count && room > 0) {
        char line[LINE_SIZE];
        snprintf(line, sizeof line, "  and %zu more slots", state->slot_count - shown);
        put_line(out, line, width, NULL);
    }
    for (size_t i = event_count - kept; i < event_count; i++)
        put_event(out, &events[i], width, colour);
}
