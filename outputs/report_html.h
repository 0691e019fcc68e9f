/*
 * report.html: a run's result for a browser, one file that needs no other and no network, under
 * 3 MB whatever the run's size. Chart.js (MIT) is inside: it gives hover, logarithmic axes and
 * canvases that draw 20,000 points at once, where as many SVG elements would be slow. The timeline
 * and all tables are plain, and readers without scripts have every number in tables.
 * Pure: makes a text.
 */
#ifndef CLADE_OUTPUTS_REPORT_HTML_H
#define CLADE_OUTPUTS_REPORT_HTML_H

#include "inputs/records.h"
#include "pipeline/base/text.h"

/* Appends the page; out of memory shows in text_status(). */
void report_html(struct text *out, const struct report *report);

/* ---- for outputs/report_html*.c ---- */

/* Text for a page: < > & and quotes are escaped, control characters a space, other than ASCII "?".
 */
void html_put(struct text *out, const char *s);
void html_put_genome(struct text *out, const struct genome *genome);

/* The classes of the winner (report_html_classes.c). */
void html_put_classes(struct text *out, const struct report *report);

/* Finalists, and the random search, where there are several (report_html_finalists.c). */
void html_put_finalists(struct text *out, const struct report *report);

/* The sections of tables (report_html_tables.c). */
void html_put_layers(struct text *out, const struct report *report);
void html_put_lineage(struct text *out, const struct report *report);
void html_put_front(struct text *out, const struct report *report);
void html_put_generations(struct text *out, const struct report *report);
void html_put_curves(struct text *out, const struct report *report);
void html_put_operators(struct text *out, const struct report *report);
void html_put_rungs(struct text *out, const struct report *report); /* nothing without rungs */
void html_put_versions(struct text *out, const struct report *report);
void html_put_devices(struct text *out, const struct report *report);

#endif
