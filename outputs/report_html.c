#include "outputs/report_html.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "outputs/report_data.h"
#include "outputs/report_text.h"

/* By cmake/embed.cmake. */
extern const char report_chart_js[], report_page_js[], report_page_css[];

void html_put(struct text *out, const char *s)
{
    for (; *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;
        if ((c & 0xc0) == 0x80)
            continue; /* inside a UTF-8 sequence, whose first byte has become the "?" */
        if (c >= 0x80)
            text_append(out, "?");
        else if (c == 0x7f || (c < 0x20 && c != '\n'))
            text_append(out, " ");
        else if (strchr("<>&\"'", c) != NULL)
            text_printf(out, "&#%d;", c);
        else
            text_append_n(out, s, 1);
    }
}

/* Lines may break after a dash. */
void html_put_genome(struct text *out, const struct genome *genome)
{
    char text[GENOME_TEXT_SIZE];
    genome_format(text, genome);
    text_append(out, "<code>");
    for (const char *s = text; *s != '\0'; s++) {
        text_append_n(out, s, 1);
        if (*s == '-')
            text_append(out, "<wbr>");
    }
    text_append(out, "</code>");
}

static void put_fact(struct text *out, const char *format, double value, const char *label)
{
    text_append(out, "<div><b>");
    report_put_number(out, format, value);
    text_printf(out, "</b><span>%s</span></div>", label);
}

static void put_count_fact(struct text *out, int64_t value, const char *label)
{
    text_append(out, "<div><b>");
    report_put_count(out, value);
    text_printf(out, "</b><span>%s</span></div>", label);
}

static void put_test_facts(struct text *out, const struct report *report)
{
    char label[160];
    const struct confirmation *winner = report->winner;
    if (winner == NULL)
        return;
    snprintf(label, sizeof label, "test accuracy (95 %% interval %.4f to %.4f, %u images)",
             report->test_interval.low, report->test_interval.high, winner->test_images);
    put_fact(out, "%.4f", winner->test_accuracy, label);
    if (report->replicates > 1) {
        snprintf(label, sizeof label, "mean test accuracy over %d seeds (%.4f to %.4f)",
                 report->replicates, report->test_lowest, report->test_highest);
        put_fact(out, "%.4f", report->test_mean, label);
    }
}

static void put_verdict(struct text *out, const struct report *report)
{
    const struct candidate *best = report->best;
    text_printf(out, "<section class=\"verdict%s\">", report->winner == NULL ? " open" : "");
    if (report->ended < search_cycles(&report->settings->search) && !report->search_ended) {
        text_append(out, "<p><b>The search is not finished:</b> ");
        report_put_ended(out, report);
        text_append(out, ".</p>");
    }
    if (best == NULL) {
        text_append(out, "<p>No candidate has a score yet, so there is no best genome.</p>"
                         "</section>\n");
        return;
    }
    text_append(out, report->winner != NULL
                         ? "<p><b>Best genome</b>, confirmed: trained again, and scored once on "
                           "test images that chose nothing.</p><p>"
                     : report->first != NULL
                         ? "<p><b>Best genome so far</b>, trained again. " REPORT_UNTESTED "</p><p>"
                         : "<p><b>Best genome so far</b>, not confirmed yet: its accuracy is that "
                           "of the search, which flatters.</p><p>");
    html_put_genome(out, &best->genome);
    text_append(out, "</p><div class=\"facts\">");
    put_test_facts(out, report);
    if (report->winner != NULL && report->duel_count > 0 && report->duels[0].other != NULL)
        text_printf(out, "<div><b>%s</b><span>better than a random search</span></div>",
                    verdict_name(report->duels[0].verdict));
    put_fact(out, "%.4f", best->validation_accuracy, "validation accuracy in the search");
    put_count_fact(out, best->cost.parameters, "parameters");
    put_count_fact(out, best->cost.macs, "multiply-accumulates an image");
    char label[160];
    snprintf(label, sizeof label,
             "validation accuracy over the best of generation 0 (95 %% interval %+.4f to %+.4f)",
             report->gain_interval.low, report->gain_interval.high);
    if (report->first_best != NULL && report->first_best != best)
        put_fact(out, "%+.4f", report->gain, label);
    put_count_fact(out, report->evaluated, "candidates with a score");
    text_append(out, "<div><b>");
    report_put_duration(out, report->elapsed_s);
    text_append(out, "</b><span>search, first start to last end</span></div></div></section>\n");
}

static void put_chart(struct text *out, const char *id, const char *title, const char *label)
{
    text_printf(out,
                "<h2>%s</h2><div class=\"chart\"><canvas id=\"%s\" role=\"img\" "
                "aria-label=\"%s\"></canvas></div>\n",
                title, id, label);
}

static void put_search(struct text *out, const struct report *report)
{
    if (report->best == NULL)
        return;
    put_chart(out, "size", "Accuracy against size",
              "Validation accuracy against parameters, with the Pareto front");
    if (report->evaluated > REPORT_POINTS_MAX)
        text_printf(out,
                    "<p class=\"dim\">Of %d candidates a part is shown; the front and every "
                    "improvement are all there.</p>",
                    report->evaluated);
    html_put_front(out, report);
    put_chart(out, "progress", "Accuracy over the search",
              "Validation accuracy of the candidates in the order of proposal");
    html_put_generations(out, report);
    html_put_lineage(out, report);
    put_chart(out, "operators", "Operators",
              "Share of the children that are better than their parent, an operator a bar");
    html_put_operators(out, report);
    html_put_rungs(out, report);
    bool confirmed = false;
    for (size_t i = 0; i < report->epoch_count; i++)
        confirmed = confirmed || report->epochs[i].confirm;
    if (confirmed) {
        put_chart(out, "curves", "Learning curves of the finalists",
                  "Training loss over the epochs of the confirmations");
        html_put_curves(out, report);
    }
}

static void put_settings(struct text *out, const struct report *report)
{
    struct text ini = {0};
    settings_print(&ini, report->settings, NULL);
    text_append(out, "<h2>Settings and versions</h2><p>clade ");
    html_put(out, report->version);
    text_append(out, ", data from <code>");
    html_put(out, report->settings->data.dir);
    text_append(out, "</code>.</p>\n");
    html_put_versions(out, report);
    text_append(out, "<details><summary>All settings</summary><pre>");
    html_put(out, ini.data != NULL ? ini.data : "");
    text_append(out, "</pre></details>\n");
    out->failed = out->failed || ini.failed;
    text_free(&ini);
}

void report_html(struct text *out, const struct report *report)
{
    text_append(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                     "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                     "style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\">\n"
                     "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                     "<meta name=\"color-scheme\" content=\"light dark\">\n"
                     "<link rel=\"icon\" href=\"data:,\">\n<title>clade: ");
    html_put(out, report->run);
    text_append(out, "</title>\n<style>\n");
    text_append(out, report_page_css);
    text_append(out, "</style></head><body>\n<h1>Run ");
    html_put(out, report->run);
    text_append(out, "</h1>\n");
    put_verdict(out, report);
    text_append(out, "<noscript><p class=\"noscript\">Charts need scripts, which are off; the "
                     "tables have the numbers.</p></noscript>\n");
    html_put_finalists(out, report);
    if (report->best != NULL)
        html_put_layers(out, report);
    if (report->winner != NULL)
        html_put_classes(out, report);
    put_search(out, report);
    html_put_devices(out, report);
    put_settings(out, report);
    text_append(out, "<script type=\"application/json\" id=\"data\">");
    report_data(out, report);
    text_append(out, "</script>\n<script>");
    text_append(out, report_chart_js);
    text_append(out, "</script>\n<script>\n");
    text_append(out, report_page_js);
    text_append(out, "</script>\n</body></html>\n");
}
