#include "outputs/report_data.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "outputs/json.h"

enum { OPERATORS_MAX = 32 };

/* Candidates that are shown, and what the columns have to say of them. */
struct points {
    const struct candidate **list;
    size_t count;
    size_t scored;
};

static char activation_letter(enum activation activation)
{
    return activation_name(activation)[0];
}

/* "N16k3r-R32k3g-r": the page makes the canonical text of it. Swish is "w". */
static void put_short_genome(struct text *out, const struct genome *genome)
{
    for (int i = 0; i < genome->layer_count; i++) {
        const struct layer *layer = &genome->layers[i];
        char a = layer->activation == ACT_SWISH ? 'w' : activation_letter(layer->activation);
        text_printf(out, "%c%dk%d%c-", layer->kind == LAYER_REDUCTION ? 'R' : 'N', layer->filters,
                    layer->kernel, a);
    }
    char head = genome->head == ACT_SWISH ? 'w' : activation_letter(genome->head);
    text_append_n(out, &head, 1);
}

static bool on_front(const struct report *report, const struct candidate *candidate)
{
    for (size_t i = 0; i < report->front_count; i++)
        if (report->front[i] == candidate)
            return true;
    return false;
}

static bool choose(struct points *points, const struct report *report)
{
    *points = (struct points){0};
    for (size_t i = 0; i < report->candidate_count; i++)
        points->scored += report->candidates[i].status == CANDIDATE_DONE;
    points->list = calloc(points->scored + 1, sizeof(const struct candidate *));
    if (points->list == NULL)
        return false;
    size_t step = (points->scored + REPORT_POINTS_MAX - 1) / REPORT_POINTS_MAX, seen = 0;
    double best = -1;
    for (size_t i = 0; i < report->candidate_count; i++) {
        const struct candidate *candidate = &report->candidates[i];
        if (candidate->status != CANDIDATE_DONE)
            continue;
        bool better = candidate->validation_accuracy > best;
        if (better)
            best = candidate->validation_accuracy;
        if (seen++ % step == 0 || better || candidate == report->best ||
            on_front(report, candidate))
            points->list[points->count++] = candidate;
    }
    return true;
}

static void put_operators(struct text *out, const struct points *points)
{
    const char *names[OPERATORS_MAX];
    size_t count = 0;
    text_append(out, ",\"op\":[");
    for (size_t i = 0; i < points->count; i++) {
        size_t o = 0;
        while (o < count && strcmp(names[o], points->list[i]->operator_name) != 0)
            o++;
        if (o == count && count < OPERATORS_MAX)
            names[count++] = points->list[i]->operator_name;
        text_printf(out, "%s%zu", i > 0 ? "," : "", o);
    }
    text_append(out, "],\"opNames\":[");
    for (size_t o = 0; o < count; o++) {
        text_append(out, o > 0 ? "," : "");
        json_string(out, names[o]);
    }
    text_append(out, "]");
}

static void put_genomes(struct text *out, const struct points *points)
{
    /* Which of them fit: the latest, which evolution has made good. */
    size_t from = points->count, bytes = 0;
    while (from > 0) {
        bytes += (size_t)points->list[from - 1]->genome.layer_count * 7 + 4;
        if (bytes > REPORT_GENOME_BYTES)
            break;
        from--;
    }
    text_append(out, ",\"genome\":\"");
    for (size_t i = 0; i < points->count; i++) {
        text_append(out, i > 0 ? " " : "");
        if (i >= from)
            put_short_genome(out, &points->list[i]->genome);
    }
    text_append(out, "\"");
}

static void put_points(struct text *out, const struct report *report, const struct points *points)
{
    const char *comma = "";
    text_printf(out, "\"scored\":%zu,\"id\":[", points->scored);
    for (size_t i = 0; i < points->count; i++)
        text_printf(out, "%s%" PRId64, i > 0 ? "," : "", points->list[i]->id);
    text_append(out, "],\"gen\":[");
    for (size_t i = 0; i < points->count; i++)
        text_printf(out, "%s%d", i > 0 ? "," : "", points->list[i]->generation);
    text_append(out, "],\"p\":[");
    for (size_t i = 0; i < points->count; i++)
        text_printf(out, "%s%" PRId64, i > 0 ? "," : "", points->list[i]->cost.parameters);
    text_append(out, "],\"a\":[");
    for (size_t i = 0; i < points->count; i++) {
        text_append(out, i > 0 ? "," : "");
        json_number(out, points->list[i]->validation_accuracy, 5);
    }
    text_append(out, "]");
    put_operators(out, points);
    put_genomes(out, points);
    text_append(out, ",\"front\":[");
    for (size_t i = 0; i < points->count; i++)
        if (on_front(report, points->list[i])) {
            text_printf(out, "%s%zu", comma, i);
            comma = ",";
        }
    text_printf(out, "],\"best\":%" PRId64, report->best != NULL ? report->best->id : -1);
}

static void put_generations(struct text *out, const struct report *report)
{
    text_append(out, ",\"generations\":[");
    size_t step = (report->generation_count + 1999) / 2000;
    for (size_t i = 0; i < report->generation_count; i += step) {
        const struct generation *g = &report->generations[i];
        text_printf(out, "%s[%d,", i > 0 ? "," : "", g->number);
        json_number(out, g->best, 5);
        text_append(out, ",");
        json_number(out, g->mean, 5);
        text_append(out, ",");
        json_number(out, g->worst, 5);
        text_append(out, "]");
    }
    text_printf(out, "],\"population\":%d", report->settings->search.population);
}

/* One curve a confirmation: [[candidate, replicate], [loss, ...], [accuracy, ...]]. */
static void put_curves(struct text *out, const struct report *report)
{
    text_append(out, ",\"curves\":[");
    const char *comma = "";
    size_t at = 0;
    while (at < report->epoch_count) {
        const struct epoch_record *first = &report->epochs[at];
        size_t end = at;
        while (end < report->epoch_count && report->epochs[end].confirm == first->confirm &&
               report->epochs[end].candidate == first->candidate &&
               report->epochs[end].replicate == first->replicate &&
               report->epochs[end].attempt == first->attempt)
            end++;
        if (first->confirm) {
            text_printf(out, "%s[[%" PRId64 ",%d],[", comma, first->candidate, first->replicate);
            comma = ",";
            for (size_t i = at; i < end; i++) {
                text_append(out, i > at ? "," : "");
                json_number(out, report->epochs[i].train_loss, 5);
            }
            text_append(out, "],[");
            for (size_t i = at; i < end; i++) {
                text_append(out, i > at ? "," : "");
                json_number(out, report->epochs[i].train_accuracy, 5);
            }
            text_append(out, "]]");
        }
        at = end;
    }
    text_append(out, "]");
}

static void put_credit(struct text *out, const struct report *report)
{
    text_append(out, ",\"operators\":[");
    for (size_t i = 0; i < report->operator_count; i++) {
        const struct operator_credit *credit = &report->operators[i];
        text_append(out, i > 0 ? ",[" : "[");
        json_string(out, credit->name);
        text_append(out, ",");
        json_number(out, credit->compared > 0 ? (double)credit->better / credit->compared : NAN, 4);
        text_append(out, ",");
        json_number(out, credit->better_interval.low, 4);
        text_append(out, ",");
        json_number(out, credit->better_interval.high, 4);
        text_printf(out, ",%d]", credit->compared);
    }
    text_append(out, "]");
}

static void put_timeline(struct text *out, const struct report *report)
{
    text_append(out, ",\"lanes\":[");
    for (size_t i = 0; i < report->lane_count; i++) {
        text_append(out, i > 0 ? ",[" : "[");
        json_string(out, report->lanes[i].device);
        text_printf(out, ",%d,", report->lanes[i].number);
        json_number(out, report->lanes[i].busy_s, 6);
        text_append(out, ",");
        json_number(out, report->lanes[i].failed_s, 6);
        text_append(out, "]");
    }
    text_append(out, "],\"spans\":[");
    for (size_t i = 0; i < report->span_count; i++) {
        const struct timeline_span *span = &report->spans[i];
        text_printf(out, "%s[%d,%d,%.1f,%.1f]", i > 0 ? "," : "", span->lane, (int)span->kind,
                    span->from_s, span->to_s);
    }
    text_append(out, "],\"seconds\":");
    json_number(out, report->timeline_s, 9);
}

void report_data(struct text *out, const struct report *report)
{
    struct points points;
    if (!choose(&points, report)) {
        out->failed = true;
        return;
    }
    text_append(out, "{");
    put_points(out, report, &points);
    put_generations(out, report);
    put_curves(out, report);
    put_credit(out, report);
    put_timeline(out, report);
    text_append(out, "}");
    free(points.list);
}
