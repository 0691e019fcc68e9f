/* report.html: what the confirmations say. */
#include <math.h>

#include "outputs/report_html.h"
#include "outputs/report_text.h"

static void put_number(struct text *out, const char *format, double value)
{
    text_append(out, "<td class=\"n\">");
    report_put_number(out, format, value);
    text_append(out, "</td>");
}

static void put_count(struct text *out, int64_t value)
{
    text_append(out, "<td class=\"n\">");
    if (value > 0)
        report_put_count(out, value);
    else
        text_append(out, "-");
    text_append(out, "</td>");
}

static void put_range(struct text *out, const char *format, double low, double high)
{
    text_append(out, "<td class=\"n\">");
    if (isnan(low) || isnan(high)) {
        text_append(out, "-");
    } else {
        report_put_number(out, format, low);
        text_append(out, " to ");
        report_put_number(out, format, high);
    }
    text_append(out, "</td>");
}

static void put_label(struct text *out, const struct finalist *finalist)
{
    char label[CANDIDATE_LABEL_SIZE];
    candidate_label(label, finalist->candidate->id);
    text_printf(out, "<td>%s</td>", label);
}

/* Two rows, since a genome has no room behind so many numbers. */
static void put_row(struct text *out, const struct finalist *finalist)
{
    text_append(out, "<tr class=\"upper\">");
    put_count(out, finalist->place);
    text_printf(out, "<td>%s</td>", finalist->baseline ? "random" : "search");
    put_label(out, finalist);
    put_count(out, finalist->candidate->cost.parameters);
    put_count(out, finalist->band);
    put_number(out, "%.4f", finalist->candidate->validation_accuracy);
    put_count(out, finalist->trained);
    put_number(out, "%.4f", finalist->validation_mean);
    put_number(out, finalist->place == 1 ? "<b>%.4f</b>" : "%.4f", finalist->test.mean);
    put_range(out, "%.4f", finalist->test.interval.low, finalist->test.interval.high);
    put_range(out, "%.4f", finalist->test_lowest, finalist->test_highest);
    text_append(out, "</tr><tr><td></td><td class=\"genome\" colspan=\"10\">");
    html_put_genome(out, &finalist->candidate->genome);
    text_append(out, "</td></tr>\n");
}

static void put_side(struct text *out, const struct finalist *finalist)
{
    if (finalist == NULL) {
        text_append(out, "<td>-</td><td class=\"n\">-</td><td class=\"n\">-</td>");
        return;
    }
    put_label(out, finalist);
    put_count(out, finalist->candidate->cost.parameters);
    put_number(out, "%.4f", finalist->test.mean);
}

static void put_duels(struct text *out, const struct report *report)
{
    text_append(out, "<div class=\"scroll\"><table><tr><th class=\"n\">parameters at most</th>"
                     "<th>search</th><th class=\"n\">parameters</th><th class=\"n\">test, mean"
                     "</th><th>random</th><th class=\"n\">parameters</th><th class=\"n\">test, "
                     "mean</th><th class=\"n\">difference</th><th class=\"n\">95 % interval</th>"
                     "<th class=\"n\">McNemar, p</th><th>better than random</th></tr>\n");
    for (size_t i = 0; i < report->duel_count; i++) {
        const struct duel *duel = &report->duels[i];
        text_append(out, "<tr>");
        put_count(out, duel->limit);
        put_side(out, duel->ours);
        put_side(out, duel->other);
        put_number(out, "%+.4f", duel->difference);
        put_range(out, "%+.4f", duel->seeds.low, duel->seeds.high);
        put_number(out, "%.2g", duel->images.p);
        text_printf(out, "<td>%s</td></tr>\n",
                    isnan(duel->images.p) ? "-" : verdict_name(duel->verdict));
    }
    text_append(out, "</table></div>\n");
}

void html_put_finalists(struct text *out, const struct report *report)
{
    if (report->first == NULL || report->finalist_count < 2)
        return;
    text_append(out,
                "<h2>Finalists</h2><p class=\"dim\">Trained again, once a seed, then scored on "
                "the test images. The place is by the mean validation accuracy; the test "
                "images chose nothing.</p><div class=\"scroll\"><table><tr><th "
                "class=\"n\">place</th><th>of</th><th>candidate</th><th class=\"n\">parameters"
                "</th><th class=\"n\">limit</th><th class=\"n\">validation, search</th><th "
                "class=\"n\">seeds</th><th class=\"n\">validation, mean</th><th "
                "class=\"n\">test, mean</th><th class=\"n\">95 % interval</th><th "
                "class=\"n\">lowest to highest</th></tr>\n");
    for (size_t i = 0; i < report->finalist_count; i++)
        put_row(out, &report->finalists[i]);
    text_append(out, "</table></div>\n<p>");
    if (report->winner == NULL) {
        text_append(out, REPORT_UNTESTED);
    } else {
        if (report->second != NULL)
            report_say_images(out, &report->against_second, "the runner-up",
                              report->winner->test_images);
        text_append(out, " ");
        report_say_ranks(out, report);
    }
    text_append(out, "</p>\n");
    if (report->duel_count == 0)
        return;
    text_append(out, "<h2>Against a random search</h2><p>");
    if (report->winner == NULL) {
        text_append(out, REPORT_UNTESTED);
    } else {
        text_printf(out, "<b>Better than random: %s.</b> ", verdict_name(report->duels[0].verdict));
        report_say_random(out, report);
    }
    text_printf(out, " The random search has %d candidates, the search %d.</p>\n",
                report->baseline_ended, report->ended - report->attempts[CANDIDATE_STOPPED]);
    put_duels(out, report);
}
