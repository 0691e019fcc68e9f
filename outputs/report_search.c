/* The sections of report.md on how the search went. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "outputs/report_text.h"

static void put_interval(struct text *out, const char *format, const struct interval *interval)
{
    if (isnan(interval->low) || isnan(interval->high)) {
        text_append(out, " |");
        return;
    }
    text_append(out, " (");
    report_put_number(out, format, interval->low);
    text_append(out, " to ");
    report_put_number(out, format, interval->high);
    text_append(out, ") |");
}

static void put_operators(struct text *out, const struct report *report)
{
    if (report->operator_count == 0)
        return;
    text_append(out,
                "## Operators\n\n"
                "Each child against its parent, with 95 % intervals. Parents were chosen because "
                "their score was high, so they are flattered and children look worse: compare "
                "operators with each other, not with 0. `operators.csv` has the same numbers.\n\n"
                "| operator | candidates | failed | better than the parent | change in accuracy | "
                "change in parameters |\n|---|--:|--:|---|---|---|\n");
    for (size_t i = 0; i < report->operator_count; i++) {
        const struct operator_credit *credit = &report->operators[i];
        text_printf(out, "| %s | %d | %d |", credit->name, credit->uses, credit->failed);
        if (credit->compared == 0) {
            text_append(out, " - | - | - |\n");
            continue;
        }
        text_printf(out, " %d of %d", credit->better, credit->compared);
        put_interval(out, "%.2f", &credit->better_interval);
        report_put_number(out, " %+.4f", credit->accuracy_change.mean);
        put_interval(out, "%+.4f", &credit->accuracy_change.interval);
        report_put_number(out, " %+.0f", credit->parameter_change.mean);
        put_interval(out, "%+.0f", &credit->parameter_change.interval);
        text_append(out, "\n");
    }
    if (report->settings->search.adapt == ADAPT_BANDIT)
        text_printf(out,
                    "\nOperators were drawn by their successes among the %d latest children, but "
                    "for a share of %.2f.\n",
                    report->settings->search.adapt_window, report->settings->search.adapt_floor);
    text_append(out, "\n");
}

static void put_rungs(struct text *out, const struct report *report)
{
    if (report->rung_count == 0)
        return;
    text_append(
        out, "## Rungs\n\n"
             "Candidates begin on the lowest rung; the best of each band of parameters go on from "
             "their weights. The correlations are those of a rung's scores with the same "
             "candidates' on the next one. `rungs.csv` has the same numbers.\n\n"
             "| rung | epochs | images | scored | promoted | pairs | Spearman | Kendall |\n"
             "|--:|--:|--:|--:|--:|--:|--:|--:|\n");
    for (size_t i = 0; i < report->rung_count; i++) {
        const struct rung_record *rung = &report->rungs[i];
        text_printf(out, "| %d | %d |", rung->rung, rung->epochs);
        if (rung->train_images > 0)
            text_printf(out, " %d |", rung->train_images);
        else
            text_append(out, " all |");
        text_printf(out, " %d | %d | %d | ", rung->scored, rung->promoted, rung->pairs);
        report_put_number(out, "%.3f", rung->spearman.statistic);
        text_append(out, " | ");
        report_put_number(out, "%.3f", rung->kendall.statistic);
        text_append(out, " |\n");
    }
    text_append(out, "\n");
    for (size_t i = 0; i < report->rung_count; i++)
        if (report->rungs[i].off)
            text_printf(out,
                        "Rung %zu is switched off: its scores tell too little of those of the next "
                        "one (fidelity.min_correlation = %.2f).\n\n",
                        i, report->settings->search.fidelity.min_correlation);
}

static void put_duplicates(struct text *out, const struct report *report)
{
    const struct search_settings *search = &report->settings->search;
    text_append(out, "## Duplicates\n\n");
    if (search->duplicates == DUPLICATES_AVOID)
        text_printf(out,
                    "%" PRId64 " genomes that had been proposed before were drawn again, for %d "
                    "candidates; ",
                    report->redraws, report->redrawn);
    text_printf(out, "%d candidates have a genome that an earlier one has%s.\n\n", report->repeated,
                report->repeated > 0 ? ", and were trained under a seed of their own" : "");
}

static void put_memory(struct text *out, const struct report *report)
{
    if (strcmp(report->settings->memory.file, MEMORY_NONE) == 0)
        return;
    text_printf(out,
                "## Earlier nights\n\n%d candidates have a genome that earlier runs had trained on "
                "the same data with the same recipe; all were trained again, under new seeds.",
                report->known);
    if (report->known > 0) {
        report_put_number(out, " Their scores differ from the earlier means by %+.4f on average",
                          report->known_change.mean);
        if (report->known > 1) {
            report_put_number(out, " (95 %% interval %+.4f", report->known_change.interval.low);
            report_put_number(out, " to %+.4f;", report->known_change.interval.high);
            report_put_number(out, " standard deviation %.4f)", report->known_change.deviation);
        }
        text_append(out, ".");
    }
    if (report->best_trainings.count > 0) {
        text_printf(
            out, "\n\nThe best genome has had %zu trainings in all:", report->best_trainings.count);
        report_put_number(out, " mean validation accuracy %.4f", report->best_trainings.mean);
        report_put_number(out, " (95 %% interval %.4f", report->best_trainings.interval.low);
        report_put_number(out, " to %.4f).", report->best_trainings.interval.high);
    }
    text_append(out, "\n\n");
}

void report_put_search(struct text *out, const struct report *report)
{
    put_operators(out, report);
    put_rungs(out, report);
    if (report->ended > 0)
        put_duplicates(out, report);
    put_memory(out, report);
}
