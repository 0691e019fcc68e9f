/* What the confirmations say: the sentences of both reports, and the sections of report.md. */
#include <inttypes.h>
#include <math.h>

#include "outputs/report_text.h"

void report_say_images(struct text *out, const struct paired_test *test, const char *other,
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
    text_append(out, test->p >= 0.05 ? "That one of the two is better is not shown."
                     : test->difference > 0
                         ? "The winner's is the better one."
                         : "The winner's is the worse one: it had won on the validation images.");
}

void report_say_ranks(struct text *out, const struct report *report)
{
    if (isnan(report->rank.statistic)) {
        text_append(out, "How well the scores of the search rank the finalists cannot be told: it "
                         "takes three that differ (confirm.finalists).");
        return;
    }
    text_printf(out,
                "The scores of the search and the mean test accuracies of the %zu finalists have a "
                "rank correlation of %+.2f (Spearman, p = %.2g; 1: the search ranked them right, "
                "0: its scores say nothing).",
                report->ranked, report->rank.statistic, report->rank.p);
}

void report_say_random(struct text *out, const struct report *report)
{
    char ours[CANDIDATE_LABEL_SIZE], other[CANDIDATE_LABEL_SIZE];
    const struct duel *duel = &report->duels[0];
    if (duel->ours == NULL || duel->other == NULL || isnan(duel->difference)) {
        text_append(out, "One of the two has no finalist that could be confirmed and tested.");
        return;
    }
    candidate_label(ours, duel->ours->candidate->id);
    candidate_label(other, duel->other->candidate->id);
    text_printf(out,
                "The mean test accuracy of the winner %s is %.4f with %" PRId64
                " parameters, that of the winner of the random search, %s, %.4f with %" PRId64
                ": a difference of %+.4f",
                ours, duel->ours->test.mean, duel->ours->candidate->cost.parameters, other,
                duel->other->test.mean, duel->other->candidate->cost.parameters, duel->difference);
    if (isnan(duel->seeds.low))
        text_append(out, ". One of them has a single seed, so this speaks of trained networks, not "
                         "of genomes. ");
    else
        text_printf(out, " (95 %% interval %+.4f to %+.4f; Welch, over the seeds). ",
                    duel->seeds.low, duel->seeds.high);
    report_say_images(out, &duel->images, "the random search", duel->ours->deployed->test_images);
}

/* "-" where there is none. */
static void put_range(struct text *out, double low, double high)
{
    if (isnan(low) || isnan(high))
        text_append(out, "-");
    else
        text_printf(out, "%.4f to %.4f", low, high);
    text_append(out, " | ");
}

static void put_label(struct text *out, const struct finalist *finalist)
{
    char label[CANDIDATE_LABEL_SIZE];
    candidate_label(label, finalist->candidate->id);
    text_append(out, label);
}

static void put_row(struct text *out, const struct finalist *finalist)
{
    const struct candidate *candidate = finalist->candidate;
    text_append(out, "| ");
    if (finalist->place > 0)
        text_printf(out, "%d", finalist->place);
    else
        text_append(out, "-");
    text_append(out, " | ");
    put_label(out, finalist);
    text_append(out, " | ");
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

static void put_table(struct text *out, const struct report *report, bool baseline)
{
    text_append(out, "| place | candidate | parameters | limit | validation, search | seeds | "
                     "validation, mean | test, mean | interval | lowest to highest | genome |\n"
                     "|--:|---|--:|--:|--:|--:|--:|--:|---|---|---|\n");
    for (size_t i = 0; i < report->finalist_count; i++)
        if (report->finalists[i].baseline == baseline)
            put_row(out, &report->finalists[i]);
    text_append(out, "\n");
}

static void put_side(struct text *out, const struct finalist *finalist)
{
    if (finalist == NULL) {
        text_append(out, " - | - | - |");
        return;
    }
    text_append(out, " ");
    put_label(out, finalist);
    text_append(out, " | ");
    report_put_count(out, finalist->candidate->cost.parameters);
    report_put_number(out, " | %.4f |", finalist->test.mean);
}

static void put_duel(struct text *out, const struct duel *duel)
{
    text_append(out, "| ");
    if (duel->limit > 0)
        report_put_count(out, duel->limit);
    else
        text_append(out, "all");
    text_append(out, " |");
    put_side(out, duel->ours);
    put_side(out, duel->other);
    text_append(out, " ");
    report_put_number(out, "%+.4f", duel->difference);
    text_append(out, " | ");
    put_range(out, duel->seeds.low, duel->seeds.high);
    report_put_number(out, "%.2g", duel->images.p);
    text_printf(out, " | %s |\n", isnan(duel->images.p) ? "-" : verdict_name(duel->verdict));
}

static void put_baseline(struct text *out, const struct report *report)
{
    if (report->duel_count == 0)
        return;
    text_printf(out,
                "## Against a random search\n\nThe random search has %d candidates, trained like "
                "those of the search (which has %d). Its finalists were chosen and confirmed in "
                "the same way.\n\n",
                report->baseline_ended, report->ended - report->attempts[CANDIDATE_STOPPED]);
    if (report->winner == NULL) {
        text_append(out, REPORT_UNTESTED);
    } else {
        text_printf(out, "**Better than random: %s.** ", verdict_name(report->duels[0].verdict));
        report_say_random(out, report);
    }
    text_append(out, "\n\n\"Yes\" and \"no\" take both: the two networks differ on the test "
                     "images (McNemar, 5 %), and the means over the seeds differ (Welch, 95 %), "
                     "where there are seeds. With a limit, the best of each search within so many "
                     "parameters.\n\n| limit | search | parameters | test, mean | random | "
                     "parameters | test, mean | difference | interval | McNemar, p | better |\n"
                     "|--:|---|--:|--:|---|--:|--:|--:|---|--:|---|\n");
    for (size_t i = 0; i < report->duel_count; i++)
        put_duel(out, &report->duels[i]);
    text_append(out, "\nFinalists of the random search:\n\n");
    put_table(out, report, true);
}

void report_put_finalists(struct text *out, const struct report *report)
{
    if (report->first == NULL)
        return;
    text_append(out, "## Finalists\n\nEach was trained again, from new weights, once a seed; "
                     "when all were, they met the test images. The place is by the mean "
                     "*validation* accuracy of "
                     "these trainings; the test images chose nothing. The interval is that of the "
                     "mean over the seeds (95 %, Student).\n\n");
    put_table(out, report, false);
    if (report->found != report->best)
        text_printf(out,
                    "The search had put c%06" PRId64 " first; trained again, c%06" PRId64
                    " is better.\n\n",
                    report->found->id, report->best->id);
    if (report->winner == NULL)
        text_append(out, REPORT_UNTESTED "\n\n");
    if (report->winner != NULL && report->second != NULL) {
        report_say_images(out, &report->against_second, "the runner-up",
                          report->winner->test_images);
        text_append(out, "\n\n");
    }
    if (report->winner != NULL && report->finalist_count > 1) {
        report_say_ranks(out, report);
        text_append(out, "\n\n");
    }
    put_baseline(out, report);
}
