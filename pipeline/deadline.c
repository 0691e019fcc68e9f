#include "pipeline/deadline.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"
#include "pipeline/pipeline.h"
#include "stages/baseline.h"
#include "stages/finalists.h"
#include "stages/objective.h"
#include "stages/pace.h"
#include "stages/train.h"

/* What the report takes: it is written as after a generation, with the workbook. */
static double report_time(const struct deadline *d)
{
    return 1 + 3 * d->write_s;
}

/* What the search leaves of the time besides confirm: for the report, for the tables that are
   written when the search ends, and for workers that have to start again. */
static double closing_time(const struct deadline *d)
{
    return report_time(d) + 6 + 2 * d->write_s;
}

/* Each worker reads the test files, and the weights of each network are read and its results
   written. */
static const double test_files_s = 1, test_rest_s = 0.2;

/* Test files hold about so many images for each training image. */
static const double test_share = 1.0 / 6;

enum error deadline_begin(struct run *run)
{
    enum error err = ERR_NONE;
    const struct settings *settings = &run->settings;
    struct candidate *attempts = NULL;
    size_t count = 0;
    double now_s = clock_monotonic_s();
    int64_t now_us = clock_utc_us();
    struct deadline *d = &run->deadline;
    *d = (struct deadline){.end_s = INFINITY,
                           .search_s = INFINITY,
                           .search_limit_s = INFINITY,
                           .baseline_limit_s = INFINITY,
                           .confirm_s = NAN,
                           .confirm_end_s = NAN};
    if (settings->deadline.budget_s > 0)
        d->end_s = run->began_s + settings->deadline.budget_s;
    if (settings->deadline.until >= 0) {
        int64_t began_us = now_us - (int64_t)(1e6 * (now_s - run->began_s));
        int64_t until_us = clock_next_local(settings->deadline.until, began_us);
        d->end_s = fmin(d->end_s, now_s + 1e-6 * (double)(until_us - now_us));
    }
    if (settings->search.budget_s > 0) {
        TRY(store_read_attempts(&attempts, &count, run->store));
        d->search_s = now_s + settings->search.budget_s - pace_spent_s(attempts, count);
    }
    d->search_limit_s = fmin(d->search_s, d->end_s - closing_time(d));
    run->info.deadline_utc_us =
        isfinite(d->end_s) ? now_us + (int64_t)(1e6 * (d->end_s - now_s)) : 0;
    run->info.search_deadline_utc_us =
        isfinite(d->search_s) ? now_us + (int64_t)(1e6 * (d->search_s - now_s)) : 0;
    TRY(store_set_deadlines(run->store, run->info.deadline_utc_us,
                            run->info.search_deadline_utc_us));
out:
    free(attempts);
    return err;
}

static double images_of(const struct run *run, int epochs, int train_images)
{
    return train_passes(epochs, train_images,
                        run->info.training_images - run->settings.data.validation_images);
}

/* The first trainings wait for compilers and caches, and a search that is closed stays closed:
   until each slot has ended so many, predictions are taken by half. */
enum { TRAININGS_TO_TRUST = 3 };

static bool is_doubtful(const struct run *run, const struct pace_sample *samples, size_t count)
{
    size_t trainings = 0;
    for (size_t i = 0; i < count; i++)
        trainings += isnan(samples[i].rest_s) ? 0 : 1;
    return trainings < TRAININGS_TO_TRUST * run->slot_count;
}

/* The slots as they are now: free, each with the pace of its device. */
static enum error read_slots(struct pace_slot **slots, struct run *run)
{
    struct pace_sample *samples;
    size_t count;
    *slots = calloc(run->slot_count, sizeof **slots);
    if (*slots == NULL)
        return error_set(ERR_INTERNAL, "out of memory for %zu slots", run->slot_count);
    enum error err = store_read_pace(&samples, &count, run->store);
    if (err != ERR_NONE)
        return err;
    double now = clock_monotonic_s(), trust = is_doubtful(run, samples, count) ? 0.5 : 1;
    for (size_t i = 0; i < run->slot_count; i++) {
        const char *device = run->slots[i].device.info.name;
        bool same = i > 0 && strcmp(device, run->slots[i - 1].device.info.name) == 0;
        (*slots)[i].free_s = now;
        if (same) {
            (*slots)[i].pace = (*slots)[i - 1].pace;
        } else {
            pace_fit(&(*slots)[i].pace, samples, count, device);
            (*slots)[i].pace.margin *= trust;
        }
    }
    free(samples);
    return ERR_NONE;
}

static int larger_first(const void *a, const void *b)
{
    const struct finalist *x = a, *y = b;
    int64_t p = x->candidate->cost.macs, q = y->candidate->cost.macs;
    return (p < q) - (p > q);
}

/* What confirm takes on slots that are all free, when the largest finalist may still become as
   large as `macs`; 0 when there is nothing to confirm, NAN when it is not known. */
static enum error confirm_time(double *seconds, const struct run *run,
                               const struct pace_slot *slots, int64_t macs)
{
    enum error err = ERR_NONE;
    const struct confirm_settings *confirm = &run->settings.confirm;
    struct finalist *finalists = NULL;
    size_t count = 0;
    struct pace_slot *free_slots = calloc(run->slot_count, sizeof *free_slots);
    if (free_slots == NULL) {
        err = error_set(ERR_INTERNAL, "out of memory for %zu slots", run->slot_count);
        goto out;
    }
    for (size_t i = 0; i < run->slot_count; i++)
        free_slots[i].pace = slots[i].pace;
    TRY(finalists_choose(&finalists, &count, run->history, run->history_count, &run->settings));
    if (count > 0)
        qsort(finalists, count, sizeof *finalists, larger_first);
    double images = images_of(run, confirm->epochs, confirm->train_images) +
                    test_share * (double)run->info.training_images / 3;
    *seconds = 0;
    /* Those of a random search are not known yet: as many, as large. */
    int trainings = confirm->seeds * (confirm->baseline == BASELINE_RANDOM ? 2 : 1);
    for (size_t i = 0; i < count; i++) {
        int64_t own = finalists[i].candidate->cost.macs;
        for (int j = 0; j < trainings; j++) {
            double end =
                pace_place(free_slots, run->slot_count, i == 0 && macs > own ? macs : own, images);
            *seconds = isnan(end) ? NAN : fmax(*seconds, end);
        }
    }
    if (count > 0)
        *seconds +=
            test_files_s + test_rest_s * ceil((double)count * trainings / (double)run->slot_count);
out:
    free(finalists);
    free(free_slots);
    return err;
}

/* What the random search beside the search takes, when one more candidate ends: all slots share its
   candidates, which are as large as those of the first population, and train like those of the
   search. 0 when there is none; NAN when it is not known. */
static double baseline_time(const struct run *run, const struct pace_slot *slots)
{
    int64_t own = 1 - baseline_shared(&run->settings.search);
    double macs = 0, images = 0, per_s = 0;
    int random = 0;
    if (run->settings.confirm.baseline == BASELINE_NONE)
        return 0;
    for (size_t i = 0; i < run->history_count; i++) {
        const struct candidate *c = &run->history[i];
        own += c->status != CANDIDATE_QUEUED && c->status != CANDIDATE_STOPPED;
        images += images_of(run, c->epochs, c->train_images);
        macs += c->generation == 0 ? (double)c->cost.macs : 0;
        random += c->generation == 0;
    }
    if (own <= 0)
        return 0;
    images /= (double)run->history_count;
    for (size_t i = 0; i < run->slot_count; i++)
        per_s += 1 / pace_seconds(&slots[i].pace, (int64_t)(macs / random), images);
    return (double)own / per_s;
}

/* Baseline and confirm together. */
static enum error time_after_search(double *seconds, const struct run *run,
                                    const struct pace_slot *slots, int64_t macs)
{
    enum error err = confirm_time(seconds, run, slots, macs);
    *seconds += baseline_time(run, slots);
    return err;
}

/* Running candidates hold the slots of their device until their predicted end. *macs is the most
   of them. */
static void seat_running(struct pace_slot *slots, int64_t *macs, const struct run *run)
{
    double now = clock_monotonic_s();
    int64_t now_us = clock_utc_us();
    bool *taken = calloc(run->slot_count, sizeof *taken);
    *macs = 0;
    for (size_t i = 0; taken != NULL && i < run->history_count; i++) {
        const struct candidate *c = &run->history[i];
        if (c->status != CANDIDATE_RUNNING)
            continue;
        *macs = c->cost.macs > *macs ? c->cost.macs : *macs;
        for (size_t j = 0; j < run->slot_count; j++) {
            if (taken[j] || strcmp(run->slots[j].device.info.name, c->device) != 0)
                continue;
            double takes = pace_seconds(&slots[j].pace, c->cost.macs,
                                        images_of(run, c->epochs, c->train_images));
            double left = takes - 1e-6 * (double)(now_us - c->started_utc_us);
            slots[j].free_s = now + fmax(left, 0);
            taken[j] = true;
            break;
        }
    }
    free(taken);
}

static const struct candidate *first_queued(const struct run *run)
{
    for (size_t i = 0; i < run->history_count; i++)
        if (run->history[i].status == CANDIDATE_QUEUED)
            return &run->history[i];
    return NULL;
}

static enum error close_search(struct run *run)
{
    if (!run->closed)
        log_event(LOG_INFO, "what is left of the time is kept for the trainings that have begun "
                            "and for confirm: no further candidate is handed out");
    run->closed = true;
    return store_end_search(run->store);
}

enum error deadline_plan(struct run *run)
{
    enum error err = ERR_NONE;
    struct deadline *d = &run->deadline;
    struct pace_slot *slots = NULL;
    int64_t running_macs;
    if (isinf(d->end_s) && isinf(d->search_s))
        return ERR_NONE;
    if (run->closed)
        return close_search(run); /* a job may have come back to the queue */
    TRY(read_slots(&slots, run));
    seat_running(slots, &running_macs, run);
    TRY(time_after_search(&d->confirm_s, run, slots, running_macs));
    double kept_s = closing_time(d) + (isnan(d->confirm_s) ? 0 : d->confirm_s);
    d->search_limit_s = fmin(d->search_s, d->end_s - kept_s);
    const struct candidate *next = first_queued(run);
    if (next == NULL ||
        objective_best(run->history, run->history_count, -1, &run->settings.search) == NULL)
        goto out;
    int64_t macs = next->cost.macs > running_macs ? next->cost.macs : running_macs;
    double confirm_s;
    TRY(time_after_search(&confirm_s, run, slots, macs));
    double end = pace_place(slots, run->slot_count, next->cost.macs,
                            images_of(run, next->epochs, next->train_images));
    if (!isnan(end) &&
        (end > d->search_s || (!isnan(confirm_s) && end + confirm_s + closing_time(d) > d->end_s)))
        TRY(close_search(run));
out:
    free(slots);
    return err;
}

enum error deadline_check_score(const struct run *run)
{
    int64_t ended = 0;
    for (size_t i = 0; i < run->history_count; i++)
        ended += run->history[i].status != CANDIDATE_QUEUED &&
                 run->history[i].status != CANDIDATE_RUNNING;
    if (ended == (int64_t)run->history_count ||
        objective_best(run->history, run->history_count, -1, &run->settings.search) != NULL)
        return ERR_NONE;
    return error_set(ERR_STOPPED,
                     "the time was up before any candidate had a score; go on with more of it: "
                     "clade run --resume %s --budget 1h",
                     run->directory);
}

enum error deadline_begin_baseline(struct run *run)
{
    enum error err = ERR_NONE;
    struct deadline *d = &run->deadline;
    struct pace_slot *slots = NULL;
    TRY(read_slots(&slots, run));
    TRY(confirm_time(&d->confirm_s, run, slots, 0));
    d->baseline_limit_s = d->end_s - closing_time(d) - (isnan(d->confirm_s) ? 0 : d->confirm_s);
out:
    free(slots);
    return err;
}

bool deadline_baseline_is_over(void *user)
{
    const struct run *run = user;
    return clock_monotonic_s() >= run->deadline.baseline_limit_s;
}

enum error deadline_begin_confirm(struct run *run)
{
    enum error err = ERR_NONE;
    struct deadline *d = &run->deadline;
    struct pace_slot *slots = NULL;
    char needs[CLOCK_DURATION_SIZE], left[CLOCK_DURATION_SIZE];
    TRY(read_slots(&slots, run));
    TRY(confirm_time(&d->confirm_s, run, slots, 0));
    double now = clock_monotonic_s();
    d->confirm_end_s = now + d->confirm_s;
    clock_duration_text(needs, d->confirm_s);
    clock_duration_text(left, d->end_s - now);
    if (d->confirm_end_s > d->end_s)
        log_event(LOG_WARNING, "confirm may take %s, and %s are left", needs, left);
out:
    free(slots);
    return err;
}

bool deadline_search_is_over(void *user)
{
    const struct run *run = user;
    return clock_monotonic_s() >= run->deadline.search_limit_s;
}

bool deadline_is_over(void *user)
{
    const struct run *run = user;
    return clock_monotonic_s() >= run->deadline.end_s - report_time(&run->deadline);
}

enum error deadline_is_cut(const struct run *run, enum job_kind kind)
{
    struct store_counts counts;
    enum error err = store_count(&counts, run->store, kind);
    if (err != ERR_NONE || counts.final == counts.total)
        return err;
    return error_set(ERR_STOPPED,
                     "the time was up with %" PRId64 " of %" PRId64 " %s done; go on with: "
                     "clade run --resume %s",
                     counts.final, counts.total, kind == JOB_CONFIRM ? "confirmations" : "tests",
                     run->directory);
}

double deadline_search_left_s(const struct run *run, double search_s)
{
    const struct deadline *d = &run->deadline;
    double now = clock_monotonic_s();
    double left = fmin(search_s, d->search_limit_s - now); /* fmin() ignores a NAN */
    left += isnan(d->confirm_s) ? 0 : d->confirm_s;
    return isinf(left) ? NAN : fmin(left, d->end_s - now);
}

double deadline_confirm_left_s(const struct run *run)
{
    const struct deadline *d = &run->deadline;
    double end = fmin(d->confirm_end_s, d->end_s);
    return isfinite(end) ? fmax(end - clock_monotonic_s(), 0) : NAN;
}
