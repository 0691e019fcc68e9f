#include "stages/timeline.h"

#include <stdlib.h>
#include <string.h>

#include "stages/statistics.h"

/* One training, before it has a lane. */
struct training {
    const char *device;
    int64_t from_us, to_us;
    enum span_kind kind;
};

static int by_start(const void *a, const void *b)
{
    const struct training *x = a, *y = b;
    if (x->from_us != y->from_us)
        return x->from_us < y->from_us ? -1 : 1;
    return x->to_us < y->to_us ? -1 : x->to_us > y->to_us;
}

static size_t collect_attempts(struct training *list, const struct candidate *attempts,
                               size_t attempt_count)
{
    size_t count = 0;
    for (size_t i = 0; i < attempt_count; i++) {
        const struct candidate *c = &attempts[i];
        if (c->started_utc_us <= 0 || c->status == CANDIDATE_RUNNING)
            continue;
        list[count++] = (struct training){c->device, c->started_utc_us, attempt_end_us(c),
                                          c->status == CANDIDATE_DONE ? SPAN_SEARCH : SPAN_FAILED};
    }
    return count;
}

static size_t collect(struct training *list, const struct report *report)
{
    size_t count = collect_attempts(list, report->candidates, report->candidate_count);
    count += collect_attempts(list + count, report->baseline, report->baseline_count);
    for (size_t i = 0; i < report->confirmation_count; i++) {
        const struct confirmation *c = &report->confirmations[i];
        if (c->started_utc_us > 0 && c->duration_s >= 0)
            list[count++] =
                (struct training){c->device, c->started_utc_us,
                                  c->started_utc_us + (int64_t)(1e6 * c->duration_s), SPAN_CONFIRM};
    }
    qsort(list, count, sizeof *list, by_start);
    return count;
}

/* The lane for a training that starts at from_s; a new one when none is free. Clocks of two
   processes differ by a moment, so a start may lie a little before the end before it. */
static struct lane *lane_for(struct report *report, const char *device, double from_s)
{
    static const double slack_s = 0.05;
    int number = 0;
    for (size_t i = 0; i < report->lane_count; i++) {
        struct lane *lane = &report->lanes[i];
        if (strcmp(lane->device, device) != 0)
            continue;
        if (report->spans[lane->last].to_s <= from_s + slack_s)
            return lane;
        number++;
    }
    struct lane *lane = &report->lanes[report->lane_count++];
    *lane = (struct lane){.number = number, .last = SIZE_MAX};
    memcpy(lane->device, device, sizeof lane->device);
    return lane;
}

static void lay(struct report *report, const struct training *training, int64_t zero_us,
                double resolution_s)
{
    struct timeline_span span = {.kind = training->kind,
                                 .from_s = 1e-6 * (double)(training->from_us - zero_us),
                                 .to_s = 1e-6 * (double)(training->to_us - zero_us)};
    struct lane *lane = lane_for(report, training->device, span.from_s);
    span.lane = (int)(lane - report->lanes);
    double seconds = span.to_s - span.from_s;
    lane->busy_s += span.kind == SPAN_FAILED ? 0 : seconds;
    lane->failed_s += span.kind == SPAN_FAILED ? seconds : 0;
    struct timeline_span *last = lane->last == SIZE_MAX ? NULL : &report->spans[lane->last];
    if (last != NULL && last->kind == span.kind && span.from_s - last->to_s < resolution_s) {
        last->to_s = span.to_s;
        return;
    }
    lane->last = report->span_count;
    report->spans[report->span_count++] = span;
}

enum error timeline_make(struct report *report)
{
    size_t most = report->candidate_count + report->baseline_count + report->confirmation_count;
    if (most == 0)
        return ERR_NONE;
    struct training *list = calloc(most, sizeof *list);
    report->spans = calloc(most, sizeof *report->spans);
    report->lanes = calloc(most, sizeof *report->lanes);
    if (list == NULL || report->spans == NULL || report->lanes == NULL) {
        free(list);
        return error_set(ERR_INTERNAL, "out of memory for the timeline of %zu trainings", most);
    }
    size_t count = collect(list, report);
    int64_t end_us = 0;
    for (size_t i = 0; i < count; i++)
        end_us = list[i].to_us > end_us ? list[i].to_us : end_us;
    if (count > 0)
        report->timeline_s = 1e-6 * (double)(end_us - list[0].from_us);
    for (size_t i = 0; i < count; i++)
        lay(report, &list[i], list[0].from_us, report->timeline_s / 2000);
    free(list);
    return ERR_NONE;
}
