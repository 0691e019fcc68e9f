/* report.md: what the confirmations say. */
#include <inttypes.h>
#include <math.h>

#include "outputs/report_text.h"

/* "-" where there is none. */
static void put_range(struct text *out, double low, double high)
{
    if (isnan(low) || isnan(high))
        text_append(out, "-");
    else
        text_printf(out, "%.4f to %.4f", low, high);
    text_append(out, " | ");
}

static void put_row(struct text *out, const struct finalist *finalist)
{
    const struct candidate *candidate = finalist->candidate;
    text_append(out, "| ");
    if (finalist->place > 0)
        text_printf(out, "%d", finalist->place);
    else
        text_append(out, "-");
    text_printf(out, " | c%06" PRId64 " | ", candidate->id);
    report_put_count(out, candidate->cost.parameters);
    text_append(out, " | ");
    if (finalist->band > 0)
        report_put_count(out, finalist->band);
    else
        text_append(out, "-");
    text_printf(out, " | %.4f | %d | ", candidate->validation_accuracy, finalist->trained);
    report_put_number(out, "%.4f", finalist->validation_mean);
    text_append(out, " | ");
    report_put_number(out, finalist->place == 1 ? "**%.4f**" : "%.4f", finalist->test.mean);
    text_append(out, " | ");
    put_range(out, finalist->test.interval.low, finalist->test.interval.high);
    put_range(out, finalist->test_lowest, finalist->test_highest);
    report_put_genome(out, &candidate->genome);
    text_append(out, " |\n");
}

/* The deployed networks of the winner and another one on the same images. */
static void put_comparison(struct text *out, const struct paired_test *test, const char *other,
                           uint32_t images)
{
    if (isnan(test->p))
        return;
    text_printf(out,
                "Of %u test images %u are classified right by the winner's network alone, and %u "
                "by that of %s alone: a difference of %+.4f (95 %% interval %+.4f to %+.4f; "
                "McNemar's exact test, p = %.2g). ",
                images, test->only_a, test->only_b, other, test->difference, test->interval.low,
                test->interval.high, test->p);
    text_append(out, test->p >= 0.05 ? "That one of the two is better is not shown.\n\n"
                     : test->difference > 0
                         ? "The winner's is the better one.\n\n"
                         : "The winner's is the worse one: it had won on the validation "
                           "images.\n\n");
}

static void put_correlation(struct text *out, const struct report *report)
{
    if (isnan(report->rank.statistic)) {
        text_append(out, "How well the search's scores rank the finalists cannot be told: it takes "
                         "three that differ (`confirm.finalists`).\n\n");
        return;
    }
    text_printf(out,
                "The scores of the search and the mean test accuracies of the %zu finalists have a "
                "rank correlation of %+.2f (Spearman, p = %.2g; 1: the search ranked them right, "
                "0: its scores say nothing).\n\n",
                report->ranked, report->rank.statistic, report->rank.p);
}

void report_put_finalists(struct text *out, const struct report *report)
{
    if (report->first == NULL)
        return;
    text_append(out, "## Finalists\n\nEach was trained again, from new weights, once a seed, and "
                     "then met the test images. The place is by the mean *validation* accuracy of "
                     "these trainings; the test images chose nothing. The interval is that of the "
                     "mean over the seeds (95 %, Student).\n\n"
                     "| place | candidate | parameters | limit | validation, search | seeds | "
                     "validation, mean | test, mean | interval | lowest to highest | genome |\n"
                     "|--:|---|--:|--:|--:|--:|--:|--:|---|---|---|\n");
    for (size_t i = 0; i < report->finalist_count; i++)
        put_row(out, &report->finalists[i]);
    text_append(out, "\n");
    if (report->found != report->best)
        text_printf(out,
                    "The search had put c%06" PRId64 " first; trained again, c%06" PRId64
                    " is better.\n\n",
                    report->found->id, report->best->id);
    put_comparison(out, &report->against_second, "the runner-up", report->winner->test_images);
    if (report->finalist_count > 1)
        put_correlation(out, report);
}
