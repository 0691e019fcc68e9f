/* The stage baseline: a random search with as much training, to compare the search with. */
#include <math.h>
#include <stdlib.h>

#include "pipeline/base/log.h"
#include "pipeline/deadline.h"
#include "pipeline/run_progress.h"
#include "pipeline/run_stages.h"
#include "stages/baseline.h"
#include "stages/fidelity.h"
#include "stages/objective.h"
#include "stages/statistics.h"

/* Passes over images, of these candidates. */
static double passes(const struct run *run, const struct candidate *list, size_t count)
{
    return baseline_passes(list, count,
                           run->info.training_images - run->settings.data.validation_images);
}

/* Whether it has all the training that the search had. */
static bool is_spent(const struct run *run)
{
    return passes(run, run->baseline, run->baseline_count) >=
           passes(run, run->history, run->history_count);
}

/* As many as the search has trained; with rungs about so many. */
static size_t count_wanted(const struct run *run)
{
    size_t wanted = 0;
    for (size_t i = 0; i < run->history_count; i++)
        wanted += candidate_ended(&run->history[i]) && run->history[i].status != CANDIDATE_STOPPED;
    return wanted;
}

/* Ids of the store become numbers. */
static void renumber(struct candidate *candidate)
{
    candidate->id -= candidate->id < CANDIDATE_BASELINE ? 0 : CANDIDATE_BASELINE;
    candidate->parent -= candidate->parent < CANDIDATE_BASELINE ? 0 : CANDIDATE_BASELINE;
}

static enum error append(struct run *run, const struct candidate *candidate)
{
    if (run->baseline_count == run->baseline_capacity) {
        size_t capacity = run->baseline_capacity > 0 ? 2 * run->baseline_capacity : 64;
        struct candidate *list = realloc(run->baseline, capacity * sizeof *list);
        if (list == NULL)
            return error_set(ERR_INTERNAL, "out of memory for %zu candidates of the random search",
                             capacity);
        run->baseline = list;
        run->baseline_capacity = capacity;
    }
    run->baseline[run->baseline_count++] = *candidate;
    return ERR_NONE;
}

/* What there is of it: the candidates that it shares with the search, and its own in the store. */
static enum error load(struct run *run)
{
    enum error err = ERR_NONE;
    struct candidate *own = NULL;
    size_t count = 0, shared = (size_t)baseline_shared(&run->settings.search);
    TRY(store_read_baseline(&own, &count, run->store));
    run->baseline_count = 0;
    for (size_t i = 0; i < run->history_count && i < shared; i++)
        TRY(append(run, &run->history[i]));
    for (size_t i = 0; i < count; i++) {
        renumber(&own[i]);
        TRY(append(run, &own[i]));
    }
out:
    free(own);
    return err;
}

static enum error propose(struct run *run)
{
    enum error err = ERR_NONE;
    const struct search_settings *search = &run->settings.search;
    struct candidate next;
    int64_t number = (int64_t)run->baseline_count;
    TRY(baseline_propose(&next, &run->space, search, number, run->baseline, run->baseline_count));
    struct rung rung = fidelity_rung(&run->settings, next.rung);
    next.epochs = rung.epochs;
    next.train_images = rung.train_images;
    TRY(append(run, &next));
    next.id = baseline_id(number, search);
    if (next.parent >= 0)
        next.parent = baseline_id(next.parent, search);
    TRY(store_add(run->store, &next, 1));
out:
    return err;
}

static enum error refresh(struct run *run)
{
    enum error err = ERR_NONE;
    for (size_t i = 0; i < run->baseline_count; i++) {
        struct candidate *candidate = &run->baseline[i];
        int64_t number = candidate->id;
        if (candidate_ended(candidate))
            continue;
        TRY(store_read_candidate(candidate, run->store,
                                 baseline_id(number, &run->settings.search)));
        renumber(candidate);
    }
out:
    return err;
}

static size_t count_status(const struct run *run, enum candidate_status status)
{
    size_t count = 0;
    for (size_t i = 0; i < run->baseline_count; i++)
        count += run->baseline[i].status == status;
    return count;
}

static size_t count_ended(const struct run *run)
{
    size_t ended = 0;
    for (size_t i = 0; i < run->baseline_count; i++)
        ended += candidate_ended(&run->baseline[i]);
    return ended;
}

static bool is_finished(const struct run *run)
{
    return is_spent(run) && count_ended(run) == run->baseline_count;
}

static enum error baseline_advance(bool *finished, void *user)
{
    enum error err = ERR_NONE;
    struct run *run = user;
    TRY(refresh(run));
    size_t waiting = count_status(run, CANDIDATE_QUEUED);
    for (; !is_spent(run) && waiting < run->slot_count && !deadline_baseline_is_over(run) &&
           baseline_ready((int64_t)run->baseline_count, &run->settings.search, run->baseline,
                          run->baseline_count);
         waiting++)
        TRY(propose(run));
    *finished = is_finished(run);
out:
    return err;
}

static void baseline_tick(double images_per_s, void *user)
{
    struct run *run = user;
    const struct candidate *best =
        objective_best(run->baseline, run->baseline_count, -1, &run->settings.search);
    run_draw(run, &(struct progress_state){
                      .stage = "random search",
                      .done = (int64_t)count_ended(run),
                      .total = (int64_t)(is_spent(run) ? run->baseline_count : count_wanted(run)),
                      .best_accuracy = best != NULL ? best->validation_accuracy : NAN,
                      .best_parameters = best != NULL ? best->cost.parameters : 0,
                      .images_per_s = images_per_s,
                      .left_s = NAN});
}

enum error run_baseline(struct run *run)
{
    enum error err = ERR_NONE;
    if (run->settings.confirm.baseline == BASELINE_NONE ||
        objective_best(run->history, run->history_count, -1, &run->settings.search) == NULL)
        return ERR_NONE;
    TRY(load(run));
    if (!is_finished(run) && count_status(run, CANDIDATE_STOPPED) == 0) {
        TRY(deadline_begin_baseline(run));
        run_tell_baseline(run, count_ended(run), count_wanted(run));
        TRY(run_need_supervisor(run));
        TRY(supervisor_work(run->supervisor,
                            &(struct supervisor_hooks){baseline_advance, baseline_tick,
                                                       deadline_baseline_is_over, run}));
        if (!is_finished(run))
            log_event(LOG_WARNING,
                      "no time is left for the random search, but for confirm: %zu of %zu "
                      "candidates have ended",
                      count_ended(run), count_wanted(run));
        TRY(store_end_baseline(run->store));
        TRY(refresh(run));
    }
    TRY(store_drop_states(run->store, 0, INT64_MAX));
out:
    progress_clear(&run->progress);
    return err;
}
