#include "stages/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stages/baseline.h"
#include "stages/credit.h"
#include "stages/fidelity.h"
#include "stages/finalists.h"
#include "stages/inference.h"
#include "stages/objective.h"
#include "stages/statistics.h"
#include "stages/timeline.h"

static int by_parameters(const void *a, const void *b)
{
    const struct finalist *x = a, *y = b;
    if (x->baseline != y->baseline)
        return x->baseline ? 1 : -1;
    if (x->candidate->cost.parameters != y->candidate->cost.parameters)
        return x->candidate->cost.parameters < y->candidate->cost.parameters ? -1 : 1;
    return (x->candidate->id > y->candidate->id) - (x->candidate->id < y->candidate->id);
}

/* The finalists of one of the searches behind those in report->finalists. */
static enum error add_finalists(struct report *report, const struct candidate *candidates,
                                size_t count, bool baseline)
{
    enum error err = ERR_NONE;
    struct finalist *list = NULL, *all;
    size_t n = 0;
    TRY(finalists_choose(&list, &n, candidates, count, report->settings));
    for (size_t i = 0; i < n; i++) {
        list[i].baseline = baseline;
        if (baseline) /* into arrays that stay */
            list[i].candidate = list[i].candidate->id < CANDIDATE_BASELINE
                                    ? find_candidate(report->candidates, report->candidate_count,
                                                     list[i].candidate->id)
                                    : find_candidate(report->baseline, report->baseline_count,
                                                     list[i].candidate->id);
    }
    all = realloc(report->finalists, (report->finalist_count + n + 1) * sizeof *all);
    if (all == NULL) {
        err = error_set(ERR_INTERNAL, "out of memory for %zu finalists", n);
        goto out;
    }
    if (n > 0)
        memcpy(all + report->finalist_count, list, n * sizeof *all);
    report->finalists = all;
    report->finalist_count += n;
out:
    free(list);
    return err;
}

/* The random search, as far as it got. */
static enum error add_baseline(struct report *report)
{
    enum error err = ERR_NONE;
    struct candidate *all = NULL;
    size_t count = 0;
    TRY(baseline_join(&all, &count, report->candidates, report->candidate_count, report->baseline,
                      report->baseline_count, &report->settings->search));
    for (size_t i = 0; i < count; i++)
        report->baseline_ended += candidate_ended(&all[i]) && all[i].status != CANDIDATE_STOPPED;
    if (report->confirmation_count > 0)
        TRY(add_finalists(report, all, count, true));
out:
    free(all);
    return err;
}

static enum error take_winner(struct report *report)
{
    const struct confirmation *winner = report->first->deployed;
    report->best = report->first->candidate;
    if (winner->test_images == 0)
        return ERR_NONE;
    report->winner = winner;
    report->replicates = report->first->tested;
    report->test_mean = report->first->test.mean;
    report->test_lowest = report->first->test_lowest;
    report->test_highest = report->first->test_highest;
    report->test_interval =
        wilson_interval(winner->test_accuracy * winner->test_images, winner->test_images);
    return score_classes(&report->classes, winner->confusion, winner->classes);
}

/* No candidate is a finalist for good while the search goes on. */
static enum error take_finalists(struct report *report)
{
    enum error err = ERR_NONE;
    const struct settings *settings = report->settings;
    report->against_second = finalists_compare(NULL, NULL);
    report->rank = (struct rank_test){NAN, NAN, NAN};
    report->test_mean = report->test_lowest = report->test_highest = NAN;
    if (report->confirmation_count > 0)
        TRY(add_finalists(report, report->candidates, report->candidate_count, false));
    if (settings->confirm.baseline == BASELINE_RANDOM)
        TRY(add_baseline(report));
    size_t count = report->finalist_count;
    if (count == 0)
        goto out;
    finalists_confirm(report->finalists, count, report->confirmations, report->confirmation_count);
    qsort(report->finalists, count, sizeof *report->finalists, by_parameters);
    finalists_rank(report->finalists, count, &settings->search);
    report->first = finalists_at(1, report->finalists, count);
    report->second = finalists_at(2, report->finalists, count);
    report->against_second = finalists_compare(report->first, report->second);
    TRY(finalists_correlate(&report->rank, &report->ranked, report->finalists, count));
    if (settings->confirm.baseline == BASELINE_RANDOM)
        TRY(baseline_duels(&report->duels, &report->duel_count, report->finalists, count,
                           &settings->confirm));
    if (report->first != NULL)
        TRY(take_winner(report));
out:
    return err;
}

static void take_comparison(struct report *report)
{
    const struct candidate *best = report->best, *first = report->first_best;
    report->gain = report->parameter_ratio = NAN;
    report->gain_interval = (struct interval){NAN, NAN};
    if (best == NULL || first == NULL)
        return;
    double images = report->settings->data.validation_images;
    report->gain = best->validation_accuracy - first->validation_accuracy;
    report->gain_interval = newcombe_interval(best->validation_accuracy * images, images,
                                              first->validation_accuracy * images, images);
    report->parameter_ratio = (double)best->cost.parameters / (double)first->cost.parameters;
}

static void take_totals(struct report *report)
{
    int64_t first = INT64_MAX, last = INT64_MIN;
    for (size_t i = 0; i < report->candidate_count; i++) {
        const struct candidate *candidate = &report->candidates[i];
        report->attempts[candidate->status]++;
        report->ended += candidate_ended(candidate);
        if (candidate->status == CANDIDATE_DONE) {
            report->evaluated++;
            report->trained_images += (double)candidate->epochs * candidate->train_images;
        }
        if (candidate->started_utc_us <= 0 || candidate->status == CANDIDATE_RUNNING)
            continue;
        int64_t end = attempt_end_us(candidate);
        first = candidate->started_utc_us < first ? candidate->started_utc_us : first;
        last = end > last ? end : last;
        report->busy_s += attempt_seconds(candidate);
    }
    report->first_start_us = last > first ? first : 0;
    report->elapsed_s = last > first ? 1e-6 * (double)(last - first) : 0;
    report->images_per_s = report->elapsed_s > 0 ? report->trained_images / report->elapsed_s : NAN;
    for (size_t i = 0; i < report->confirmation_count; i++)
        report->confirm_s += report->confirmations[i].duration_s;
}

static int by_genome(const void *a, const void *b)
{
    const struct candidate *x = *(const struct candidate *const *)a;
    const struct candidate *y = *(const struct candidate *const *)b;
    return genome_compare(&x->genome, &y->genome);
}

static enum error take_duplicates(struct report *report)
{
    size_t count = 0;
    const struct candidate **list =
        malloc((report->candidate_count + 1) * sizeof(const struct candidate *));
    if (list == NULL)
        return error_set(ERR_INTERNAL, "out of memory while comparing %zu candidates",
                         report->candidate_count);
    for (size_t i = 0; i < report->candidate_count; i++) {
        const struct candidate *candidate = &report->candidates[i];
        if ((i > 0 && candidate->id == candidate[-1].id) ||
            strcmp(candidate->operator_name, CANDIDATE_PROMOTE) == 0)
            continue;
        list[count++] = candidate;
        report->redrawn += candidate->redraws > 0;
        report->redraws += candidate->redraws;
    }
    qsort(list, count, sizeof(const struct candidate *), by_genome);
    for (size_t i = 1; i < count; i++)
        report->repeated += genome_equal(&list[i]->genome, &list[i - 1]->genome);
    free(list);
    return ERR_NONE;
}

/* Scores of this run against those of earlier ones. */
static enum error take_memory(struct report *report)
{
    int rungs = report->settings->search.fidelity.rungs.count,
        last_rung = rungs > 0 ? rungs - 1 : 0;
    double *changes = malloc((report->candidate_count + 1) * sizeof *changes);
    if (changes == NULL)
        return error_set(ERR_INTERNAL, "out of memory while summing up %zu candidates",
                         report->candidate_count);
    for (size_t i = 0; i < report->candidate_count; i++) {
        const struct candidate *candidate = &report->candidates[i];
        /* Earlier runs kept scores of the last rung. */
        if (candidate->status == CANDIDATE_DONE && candidate->earlier > 0 &&
            candidate->rung == last_rung)
            changes[report->known++] = candidate->validation_accuracy - candidate->earlier_mean;
    }
    report->known_change = mean_estimate(changes, (size_t)report->known);
    free(changes);
    const struct candidate *best = report->best;
    if (best == NULL || best->earlier == 0 || best->rung != last_rung)
        return ERR_NONE;
    double n = (double)best->earlier, step = best->validation_accuracy - best->earlier_mean;
    double squares = n > 1 ? best->earlier_deviation * best->earlier_deviation * (n - 1) : 0;
    report->best_trainings =
        estimate_from_sums((size_t)best->earlier + 1, best->earlier_mean + step / (n + 1),
                           squares + step * step * n / (n + 1));
    return ERR_NONE;
}

enum error report_make(struct report *report, const struct report_input *input)
{
    enum error err = ERR_NONE;
    const struct candidate *candidates = input->candidates;
    size_t count = input->candidate_count;
    const struct search_settings *search = &input->settings->search;
    struct ladder ladder;
    *report = (struct report){.run = input->run,
                              .version = input->version,
                              .search_ended = input->search_ended,
                              .settings = input->settings,
                              .shape = input->shape,
                              .candidates = candidates,
                              .candidate_count = count,
                              .baseline = input->baseline,
                              .baseline_count = input->baseline_count,
                              .confirmations = input->confirmations,
                              .confirmation_count = input->confirmation_count,
                              .epochs = input->epochs,
                              .epoch_count = input->epoch_count};
    report->found = report->best = objective_best(candidates, count, -1, search);
    report->first_best = objective_best(candidates, count, 0, search);
    TRY(take_finalists(report));
    take_comparison(report);
    take_totals(report);
    if (report->best != NULL)
        TRY(lineage_of(&report->lineage, &report->lineage_count, candidates, count,
                       report->best->id));
    TRY(objective_front(&report->front, &report->front_count, candidates, count, search));
    TRY(summarise_generations(&report->generations, &report->generation_count, candidates, count));
    TRY(credit_operators(&report->operators, &report->operator_count, candidates, count, search));
    TRY(ladder_make(&ladder, candidates, count, search));
    report->rung_count = (size_t)search->fidelity.rungs.count;
    memcpy(report->rungs, ladder.records, sizeof report->rungs);
    TRY(take_duplicates(report));
    TRY(timeline_make(report));
    TRY(take_memory(report));
    TRY(summarise_devices(&report->devices, &report->device_count, candidates, count));
    describe_devices(report->devices, report->device_count, input->versions, input->version_count);
out:
    if (err != ERR_NONE)
        report_free(report);
    return err;
}

void report_free(struct report *report)
{
    free(report->finalists);
    free(report->duels);
    free(report->classes);
    free(report->lineage);
    free(report->front);
    free(report->generations);
    free(report->devices);
    free(report->lanes);
    free(report->spans);
    free(report->operators);
    *report = (struct report){0};
}
