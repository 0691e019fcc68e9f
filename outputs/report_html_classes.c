/* The sections of report.html on the classes: confusion matrix, scores, images taken wrongly. */
#include <math.h>

#include "outputs/png.h"
#include "outputs/report_html.h"
#include "outputs/report_text.h"

enum { MATRIX_CLASSES_MAX = 20 };

static void put_class(struct text *out, const struct report *report, int index)
{
    char name[CLASS_NAME_SIZE];
    report_class_name(name, report, index);
    html_put(out, name);
}

static void put_class_cell(struct text *out, const char *tag, const struct report *report,
                           int index)
{
    text_printf(out, "<%s>", tag);
    put_class(out, report, index);
    text_printf(out, "</%s>", tag);
}

static void put_matrix(struct text *out, const struct report *report)
{
    int classes = report->winner->classes;
    text_append(out, "<div class=\"scroll\"><table class=\"matrix\"><caption>Test images: true "
                     "class (rows), what the network said (columns)</caption><tr><th></th>");
    for (int p = 0; p < classes; p++)
        put_class_cell(out, "th", report, p);
    text_append(out, "</tr>\n");
    for (int c = 0; c < classes; c++) {
        double images = report->classes[c].images > 0 ? report->classes[c].images : 1;
        text_append(out, "<tr>");
        put_class_cell(out, "th", report, c);
        for (int p = 0; p < classes; p++) {
            uint32_t count = report->winner->confusion[c * classes + p];
            const char *rgb = c == p ? "30,140,70" : "210,60,40";
            double share = count / images;
            text_printf(out, "<td style=\"background:rgba(%s,%.2f)\">%u</td>", rgb,
                        c == p ? 0.6 * share : fmin(0.75, 3 * share), count);
        }
        text_append(out, "</tr>\n");
    }
    text_append(out, "</table></div>\n");
}

/* The images are data: the page names no other file. */
static void put_misses(struct text *out, const struct report *report)
{
    const struct confirmation *winner = report->winner;
    const struct image_shape *shape = &report->shape;
    size_t size = (size_t)shape->height * (size_t)shape->width * (size_t)shape->channels;
    if (winner->miss_count == 0 || winner->miss_size != size)
        return;
    text_printf(out,
                "<h2>Test images it took for another class</h2><p>The %zu of which it was the "
                "surest, with the true class, what it said, and the probability that it gave to "
                "that.</p>\n<ul class=\"misses\">\n",
                winner->miss_count);
    for (size_t i = 0; i < winner->miss_count; i++) {
        const struct miss *miss = &winner->misses[i];
        text_append(out, "<li><img src=\"");
        png_data_uri(out, winner->miss_pixels + i * size, shape->height, shape->width,
                     shape->channels);
        text_printf(out, "\" alt=\"test image %u\" title=\"test image %u\"><b>", miss->image,
                    miss->image);
        put_class(out, report, miss->label);
        text_append(out, "</b><span>said ");
        put_class(out, report, miss->predicted);
        text_printf(out, "</span><span>%.1f %%</span></li>\n", 100 * miss->probability);
    }
    text_append(out, "</ul>\n");
}

void html_put_classes(struct text *out, const struct report *report)
{
    text_append(out, "<h2>Classes</h2>\n");
    if (report->winner->classes <= MATRIX_CLASSES_MAX)
        put_matrix(out, report);
    text_append(out, "<div class=\"scroll\"><table><tr><th>class</th><th class=\"n\">test images"
                     "</th><th class=\"n\">right</th><th class=\"n\">accuracy</th><th "
                     "class=\"n\">95 % interval</th><th>most often taken for</th></tr>\n");
    for (int c = 0; c < report->winner->classes; c++) {
        const struct class_score *score = &report->classes[c];
        text_append(out, "<tr>");
        put_class_cell(out, "td", report, c);
        text_printf(out, "<td class=\"n\">%u</td><td class=\"n\">%u</td><td class=\"n\">",
                    score->images, score->correct);
        report_put_number(out, "%.4f", score->accuracy);
        text_append(out, "</td><td class=\"n\">");
        report_put_number(out, "%.4f to ", score->interval.low);
        report_put_number(out, "%.4f", score->interval.high);
        text_append(out, "</td>");
        if (score->confused_with < 0)
            text_append(out, "<td>-</td>");
        else
            put_class_cell(out, "td", report, score->confused_with);
        text_append(out, "</tr>\n");
    }
    text_append(out, "</table></div>\n");
    put_misses(out, report);
}
