/* The tables of report.html. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "outputs/report_html.h"
#include "outputs/report_markdown.h"
#include "outputs/report_text.h"

enum { ROWS_SHOWN = 60 };

static void put_number_cell(struct text *out, const char *format, double value)
{
    text_append(out, "<td class=\"n\">");
    report_put_number(out, format, value);
    text_append(out, "</td>");
}

static void put_count_cell(struct text *out, int64_t value)
{
    text_append(out, "<td class=\"n\">");
    report_put_count(out, value);
    text_append(out, "</td>");
}

static void put_genome_cell(struct text *out, const struct genome *genome)
{
    text_append(out, "<td class=\"genome\">");
    html_put_genome(out, genome);
    text_append(out, "</td>");
}

static void put_box(struct text *out, const char *kind, const char *title, const char *detail,
                    const struct layer_cost *cost)
{
    text_printf(out, "<li class=\"%s\"><b>%s</b>%s%s%d &#215; %d &#215; %d<br>", kind, title,
                detail, detail[0] != '\0' ? "<br>" : "", cost->height, cost->width, cost->channels);
    report_put_count(out, cost->parameters);
    text_append(out, " parameters</li>\n");
}

void html_put_layers(struct text *out, const struct report *report)
{
    const struct genome *genome = &report->best->genome;
    const struct image_shape *shape = &report->shape;
    struct layer_cost input = {
        .height = shape->height, .width = shape->width, .channels = shape->channels};
    char title[64], detail[64];
    text_append(out, "<h2>Layers of the best genome</h2>\n<ol class=\"layers\">");
    put_box(out, "", "input", "", &input);
    for (int i = 0; i < genome->layer_count + 3; i++) {
        struct layer_cost cost = genome_layer_cost(genome, shape, i);
        if (i < genome->layer_count) {
            const struct layer *layer = &genome->layers[i];
            bool reduce = layer->kind == LAYER_REDUCTION;
            snprintf(title, sizeof title, "conv %d &#215; %d%s", layer->kernel, layer->kernel,
                     reduce ? ", stride 2" : "");
            put_box(out, reduce ? "reduce" : "conv", title, activation_name(layer->activation),
                    &cost);
        } else if (i == genome->layer_count) {
            put_box(out, "", "average pooling", "", &cost);
        } else {
            bool last = i == genome->layer_count + 2;
            snprintf(detail, sizeof detail, "%s",
                     last ? "one unit a class" : activation_name(genome->head));
            put_box(out, "dense", "dense", detail, &cost);
        }
    }
    text_append(out, "</ol><p class=\"dim\">Each box: output height &#215; width &#215; channels, "
                     "and parameters (weights and biases).</p>\n");
}

static void put_candidate_row(struct text *out, const struct candidate *candidate)
{
    text_printf(out, "<tr><td>c%06" PRId64 "</td><td class=\"n\">%d</td><td>", candidate->id,
                candidate->generation);
    html_put(out, candidate->operator_name);
    text_append(out, "</td>");
    put_number_cell(out, "%.4f",
                    candidate->status == CANDIDATE_DONE ? candidate->validation_accuracy : NAN);
    put_count_cell(out, candidate->cost.parameters);
    put_count_cell(out, candidate->cost.macs);
    put_genome_cell(out, &candidate->genome);
    text_append(out, "</tr>\n");
}

static const char candidate_head[] =
    "<div class=\"scroll\"><table><tr><th>candidate</th><th class=\"n\">generation</th>"
    "<th>operator</th><th class=\"n\">validation accuracy</th><th class=\"n\">parameters</th>"
    "<th class=\"n\">multiply-accumulates</th><th>genome</th></tr>\n";

void html_put_lineage(struct text *out, const struct report *report)
{
    text_append(out, "<h2>Lineage of the best genome</h2><p>From its random ancestor, a mutation "
                     "a step.</p>\n");
    text_append(out, candidate_head);
    size_t count = report->lineage_count;
    for (size_t i = count; i-- > 0;) {
        bool hidden = count > ROWS_SHOWN && i >= ROWS_SHOWN / 2 && i < count - ROWS_SHOWN / 2;
        if (!hidden)
            put_candidate_row(out, report->lineage[i]);
        else if (i == ROWS_SHOWN / 2)
            text_printf(out, "<tr><td colspan=\"7\">%zu steps between them</td></tr>\n",
                        count - ROWS_SHOWN);
    }
    text_append(out, "</table></div>\n");
}

void html_put_front(struct text *out, const struct report *report)
{
    size_t from = report->front_count > ROWS_SHOWN ? report->front_count - ROWS_SHOWN : 0;
    text_append(out, "<details><summary>The Pareto front as a table");
    if (from > 0)
        text_printf(out, " (the last %d of %zu; <code>pareto.csv</code> has all)", ROWS_SHOWN,
                    report->front_count);
    text_append(out, "</summary>");
    text_append(out, candidate_head);
    for (size_t i = from; i < report->front_count; i++)
        put_candidate_row(out, report->front[i]);
    text_append(out, "</table></div></details>\n");
}

void html_put_generations(struct text *out, const struct report *report)
{
    size_t count = report->generation_count, from = count > ROWS_SHOWN ? count - ROWS_SHOWN : 0;
    text_append(out, "<details><summary>The generations as a table");
    if (from > 0)
        text_printf(out, " (the last %d of %zu; <code>generations.csv</code> has all)", ROWS_SHOWN,
                    count);
    text_append(out, "</summary><div class=\"scroll\"><table><tr><th class=\"n\">generation</th>"
                     "<th class=\"n\">with a score</th><th class=\"n\">failed</th><th "
                     "class=\"n\">best accuracy</th><th class=\"n\">mean</th><th "
                     "class=\"n\">median</th><th class=\"n\">worst</th><th class=\"n\">minutes "
                     "since start</th></tr>\n");
    for (size_t i = from; i < count; i++) {
        const struct generation *g = &report->generations[i];
        text_printf(out,
                    "<tr><td class=\"n\">%d</td><td class=\"n\">%d</td><td class=\"n\">%d</td>",
                    g->number, g->evaluated, g->failed);
        put_number_cell(out, "%.4f", g->best);
        put_number_cell(out, "%.4f", g->mean);
        put_number_cell(out, "%.4f", g->median);
        put_number_cell(out, "%.4f", g->worst);
        put_number_cell(out, "%.1f", g->elapsed_s / 60);
        text_append(out, "</tr>\n");
    }
    text_append(out, "</table></div></details>\n");
}

/* Whether two epochs are of one confirmation. */
static bool same_curve(const struct epoch_record *a, const struct epoch_record *b)
{
    return a->confirm && b->confirm && a->candidate == b->candidate &&
           a->replicate == b->replicate && a->attempt == b->attempt;
}

void html_put_curves(struct text *out, const struct report *report)
{
    int rows = 0;
    text_append(out, "<details><summary>The learning curves as a table</summary>"
                     "<div class=\"scroll\"><table><tr><th>candidate</th><th class=\"n\">seed</th>"
                     "<th class=\"n\">epoch</th><th class=\"n\">training loss (nats)</th>"
                     "<th class=\"n\">training accuracy</th><th class=\"n\">seconds</th></tr>\n");
    for (size_t i = 0; i < report->epoch_count; i++) {
        const struct epoch_record *epoch = &report->epochs[i];
        bool last = i + 1 == report->epoch_count || !same_curve(epoch, epoch + 1);
        if (!epoch->confirm || (rows++ >= ROWS_SHOWN && !last))
            continue;
        text_printf(out,
                    "<tr><td>c%06" PRId64 "</td><td class=\"n\">%d</td><td class=\"n\">%d</td>",
                    epoch->candidate, epoch->replicate + 1, epoch->epoch);
        put_number_cell(out, "%.4f", epoch->train_loss);
        put_number_cell(out, "%.4f", epoch->train_accuracy);
        put_number_cell(out, "%.1f", epoch->seconds);
        text_append(out, "</tr>\n");
    }
    text_append(out, "</table></div>");
    if (rows > ROWS_SHOWN)
        text_append(out, "<p class=\"dim\">Of the later ones the last epoch is here; "
                         "<code>epochs.csv</code> has all.</p>");
    text_append(out, "</details>\n");
}

void html_put_operators(struct text *out, const struct report *report)
{
    text_append(out,
                "<p class=\"dim\">Parents were chosen for high scores, so most children are "
                "worse: compare operators with each other.</p><div class=\"scroll\"><table>"
                "<tr><th>operator</th><th class=\"n\">uses</th><th class=\"n\">failed</th><th "
                "class=\"n\">compared</th><th class=\"n\">better</th><th class=\"n\">change of "
                "accuracy</th><th class=\"n\">change of parameters</th></tr>\n");
    for (size_t i = 0; i < report->operator_count; i++) {
        const struct operator_credit *credit = &report->operators[i];
        text_append(out, "<tr><td>");
        html_put(out, credit->name);
        text_printf(out,
                    "</td><td class=\"n\">%d</td><td class=\"n\">%d</td><td class=\"n\">%d"
                    "</td><td class=\"n\">%d</td>",
                    credit->uses, credit->failed, credit->compared, credit->better);
        put_number_cell(out, "%+.4f", credit->accuracy_change.mean);
        put_number_cell(out, "%+.0f", credit->parameter_change.mean);
        text_append(out, "</tr>\n");
    }
    text_append(out, "</table></div>\n");
}

void html_put_rungs(struct text *out, const struct report *report)
{
    if (report->rung_count == 0)
        return;
    text_append(out,
                "<h2>Rungs</h2><p class=\"dim\">Rank correlations of a rung's scores with the same "
                "candidates' on the next one.</p><div class=\"scroll\"><table><tr><th "
                "class=\"n\">rung</th><th class=\"n\">epochs</th><th class=\"n\">images</th><th "
                "class=\"n\">scored</th><th class=\"n\">promoted</th><th class=\"n\">Spearman</th>"
                "<th class=\"n\">Kendall</th><th>state</th></tr>\n");
    for (size_t i = 0; i < report->rung_count; i++) {
        const struct rung_record *rung = &report->rungs[i];
        text_printf(out, "<tr><td class=\"n\">%d</td><td class=\"n\">%d</td><td class=\"n\">",
                    rung->rung, rung->epochs);
        if (rung->train_images > 0)
            report_put_count(out, rung->train_images);
        else
            text_append(out, "all");
        text_printf(out, "</td><td class=\"n\">%d</td><td class=\"n\">%d</td>", rung->scored,
                    rung->promoted);
        put_number_cell(out, "%.3f", rung->spearman.statistic);
        put_number_cell(out, "%.3f", rung->kendall.statistic);
        text_printf(out, "<td>%s</td></tr>\n", rung->off ? "switched off" : "on");
    }
    text_append(out, "</table></div>\n");
}

/* What the timeline shows, for readers without scripts. */
static void put_slots(struct text *out, const struct report *report)
{
    text_append(out, "<details><summary>The slots as a table</summary><div class=\"scroll\"><table>"
                     "<tr><th>device</th><th class=\"n\">slot</th><th class=\"n\">trained</th>"
                     "<th class=\"n\">failed</th><th class=\"n\">idle</th></tr>\n");
    for (size_t i = 0; i < report->lane_count; i++) {
        const struct lane *lane = &report->lanes[i];
        text_append(out, "<tr><td>");
        html_put(out, lane->device);
        text_printf(out, "</td><td class=\"n\">#%d</td><td class=\"n\">", lane->number);
        report_put_duration(out, lane->busy_s);
        text_append(out, "</td><td class=\"n\">");
        report_put_duration(out, lane->failed_s);
        text_append(out, "</td><td class=\"n\">");
        report_put_duration(out, fmax(0, report->timeline_s - lane->busy_s - lane->failed_s));
        text_append(out, "</td></tr>\n");
    }
    text_append(out, "</table></div></details>\n");
}

static void put_failures(struct text *out, const struct report *report)
{
    static const struct {
        enum candidate_status status;
        const char *meaning;
    } kinds[] = {{CANDIDATE_DIVERGED, "the loss was not finite"},
                 {CANDIDATE_TOO_BIG, "did not fit in the device's memory"},
                 {CANDIDATE_TIMEOUT, "took longer than devices.time_limit_s"},
                 {CANDIDATE_LOST, "the worker died; tried again"},
                 {CANDIDATE_FAILED, "lost too often; given up"}};
    text_append(out, "<h2>Failures</h2><div class=\"scroll\"><table><tr><th>kind</th><th "
                     "class=\"n\">attempts</th><th>meaning</th></tr>\n");
    int sum = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        int count = report->attempts[kinds[i].status];
        sum += count;
        if (count > 0)
            text_printf(out, "<tr><td>%s</td><td class=\"n\">%d</td><td>%s</td></tr>\n",
                        candidate_status_name(kinds[i].status), count, kinds[i].meaning);
    }
    text_append(out, sum == 0 ? "<tr><td>none</td><td class=\"n\">0</td><td></td></tr>\n" : "");
    text_append(out, "</table></div>\n");
}

void html_put_versions(struct text *out, const struct report *report)
{
    if (report->device_count == 0)
        return;
    text_append(out,
                "<div class=\"scroll\"><table><tr><th>device</th><th>platform</th><th>platform "
                "version</th><th>driver version</th><th>device version</th></tr>\n");
    for (size_t i = 0; i < report->device_count; i++) {
        const struct device_usage *device = &report->devices[i];
        const char *const texts[] = {device->name, device->platform, device->platform_version,
                                     device->driver_version, device->device_version};
        text_append(out, "<tr>");
        for (size_t j = 0; j < sizeof texts / sizeof texts[0]; j++) {
            text_append(out, "<td>");
            html_put(out, texts[j]);
            text_append(out, "</td>");
        }
        text_append(out, "</tr>\n");
    }
    text_append(out, "</table></div>\n");
}

void html_put_devices(struct text *out, const struct report *report)
{
    text_append(out, "<h2>Devices</h2><p class=\"key dim\">Time in each slot:<span "
                     "style=\"background:var(--accent)\"></span>search<span "
                     "style=\"background:var(--good)\"></span>confirmation<span "
                     "style=\"background:var(--bad)\"></span>failed<span style=\"background:"
                     "var(--box);border:1px solid var(--line)\"></span>idle</p>"
                     "<div id=\"timeline\"></div>\n<div class=\"scroll\"><table><tr><th>device</th>"
                     "<th class=\"n\">workers</th><th class=\"n\">attempts</th><th "
                     "class=\"n\">failed</th><th class=\"n\">busy, summed</th><th class=\"n\">"
                     "images/s a worker</th></tr>\n");
    for (size_t i = 0; i < report->device_count; i++) {
        const struct device_usage *device = &report->devices[i];
        text_append(out, "<tr><td>");
        html_put(out, device->name);
        text_printf(out,
                    "</td><td class=\"n\">%d</td><td class=\"n\">%d</td><td class=\"n\">%d"
                    "</td><td class=\"n\">",
                    device->workers, device->attempts, device->failed);
        report_put_duration(out, device->busy_s);
        text_append(out, "</td>");
        put_number_cell(out, "%.0f", device->images_per_s);
        text_append(out, "</tr>\n");
    }
    text_append(out, "</table></div>\n");
    if (report->lane_count > 0)
        put_slots(out, report);
    put_failures(out, report);
}
