#include "outputs/report_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "pipeline/base/clock.h"

/* Text from outside (device and run names), so that it cannot change the page's structure. */
void report_put_outside(struct text *out, const char *s)
{
    for (; *s != '\0'; s++) {
        if ((unsigned char)*s < 0x20)
            text_append(out, " ");
        else if (*s == '<')
            text_append(out, "&lt;");
        else {
            if (strchr("\\`*_[]|#", *s) != NULL)
                text_append(out, "\\");
            text_append_n(out, s, 1);
        }
    }
}

void report_class_name(char name[CLASS_NAME_SIZE], const struct report *report, int index)
{
    class_name(name, class_names_of(&report->settings->data, report->shape.classes), index);
}

void report_put_class(struct text *out, const struct report *report, int index)
{
    char name[CLASS_NAME_SIZE];
    report_class_name(name, report, index);
    report_put_outside(out, name);
}

void report_put_count(struct text *out, int64_t value)
{
    char digits[32];
    int n = snprintf(digits, sizeof digits, "%" PRId64, value);
    for (int i = 0; i < n; i++) {
        if (i > 0 && digits[i - 1] != '-' && (n - i) % 3 == 0)
            text_append(out, ",");
        text_append_n(out, digits + i, 1);
    }
}

void report_put_number(struct text *out, const char *format, double value)
{
    char text[64];
    if (isnan(value)) {
        text_append(out, "-");
        return;
    }
    snprintf(text, sizeof text, format, value);
    text_append(out, text);
}

void report_put_genome(struct text *out, const struct genome *genome)
{
    char text[GENOME_TEXT_SIZE];
    genome_format(text, genome);
    text_printf(out, "`%s`", text);
}

void report_put_ended(struct text *out, const struct report *report)
{
    text_printf(out, "%d", report->ended);
    if (report->settings->search.cycles > 0)
        text_printf(out, " of %d", report->settings->search.cycles);
    text_append(out, " candidates have ended");
}

void report_put_duration(struct text *out, double seconds)
{
    char text[CLOCK_DURATION_SIZE];
    clock_duration_text(text, seconds);
    text_append(out, text);
}
