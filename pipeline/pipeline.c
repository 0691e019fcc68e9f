#include "pipeline/pipeline.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"
#include "pipeline/results.h"
#include "stages/confirm.h"
#include "stages/evolve.h"
#include "stages/objective.h"
#include "stages/statistics.h"

static enum error run_populate(struct run *run);
static enum error run_evolve(struct run *run);
static enum error run_confirm(struct run *run);
static enum error run_report(struct run *run);

/* The pipeline, in order. */
static const struct {
    const char *name;
    enum error (*run)(struct run *run);
} stages[] = {
    {"populate", run_populate}, /* the first P candidates are written, random ones */
    {"evolve", run_evolve},     /* all are trained; children are proposed as results come in */
    {"confirm", run_confirm},   /* the best is trained again and meets the test images */
    {"report", run_report},     /* tables and report are written */
};

/* ---- history ---- */

static enum error append_history(struct run *run, const struct candidate *candidate)
{
    if (run->history_count == run->history_capacity) {
        size_t capacity = run->history_capacity > 0 ? 2 * run->history_capacity : 64;
        struct candidate *history = realloc(run->history, capacity * sizeof *history);
        if (history == NULL)
            return error_set(ERR_INTERNAL, "out of memory for %zu candidates", capacity);
        run->history = history;
        run->history_capacity = capacity;
    }
    run->history[run->history_count++] = *candidate;
    return ERR_NONE;
}

static enum error load_history(struct run *run)
{
    free(run->history);
    enum error err = store_read_candidates(&run->history, &run->history_count, run->store);
    run->history_capacity = run->history_count;
    for (size_t i = 0; i < run->history_count; i++)
        run->ended_at_start += candidate_ended(&run->history[i]);
    return err;
}

static enum error refresh_history(struct run *run)
{
    enum error err = ERR_NONE;
    for (size_t i = 0; i < run->history_count; i++)
        if (!candidate_ended(&run->history[i]))
            TRY(store_read_candidate(&run->history[i], run->store, run->history[i].id));
out:
    return err;
}

static void count_history(const struct run *run, int64_t *ended, int64_t *waiting, int64_t *failed)
{
    *ended = *waiting = *failed = 0;
    for (size_t i = 0; i < run->history_count; i++) {
        const struct candidate *c = &run->history[i];
        *waiting += c->status == CANDIDATE_QUEUED;
        *ended += candidate_ended(c);
        *failed += candidate_ended(c) && c->status != CANDIDATE_DONE;
    }
}

/* Candidate number `history_count`, written to the store as queued. */
static enum error propose(struct run *run)
{
    enum error err = ERR_NONE;
    struct candidate next;
    TRY(evolve_propose(&next, &run->space, &run->settings.search, (int64_t)run->history_count,
                       run->history, run->history_count));
    next.epochs = run->settings.training.epochs;
    next.train_images = run->settings.training.train_images;
    TRY(store_add(run->store, &next, 1));
    TRY(append_history(run, &next));
out:
    return err;
}

/* ---- the stages ---- */

static enum error run_populate(struct run *run)
{
    enum error err = ERR_NONE;
    int first = run->settings.search.population;
    if (first > run->settings.search.cycles)
        first = run->settings.search.cycles;
    while ((int64_t)run->history_count < first)
        TRY(propose(run));
out:
    return err;
}

static void search_progress(struct progress_state *state, const struct run *run,
                            double images_per_s)
{
    int64_t ended, waiting, failed;
    count_history(run, &ended, &waiting, &failed);
    const struct candidate *best =
        objective_best(run->history, run->history_count, -1, &run->settings.search);
    int64_t here = ended - run->ended_at_start;
    double passed_s = clock_monotonic_s() - run->began_s;
    int64_t left = run->settings.search.cycles - ended;
    *state = (struct progress_state){
        .stage = "search",
        .done = ended,
        .total = run->settings.search.cycles,
        .failed = failed,
        .best_accuracy = best != NULL ? best->validation_accuracy : NAN,
        .best_parameters = best != NULL ? best->cost.parameters : 0,
        .images_per_s = images_per_s,
        .left_s = here > 0 ? passed_s / (double)here * (double)left : NAN,
    };
}

static void search_tick(double images_per_s, void *user)
{
    struct run *run = user;
    struct progress_state state;
    search_progress(&state, run, images_per_s);
    progress_draw(&run->progress, &state);
}

/* Writes the files of generations that have become complete. */
static enum error write_generations(struct run *run)
{
    enum error err = ERR_NONE;
    struct results results;
    struct progress_state state;
    int complete = 0;
    TRY(results_load(&results, run->store));
    TRY(results_write(&results, run->directory, run->generations_written, &complete));
    search_progress(&state, run, NAN);
    for (int i = run->generations_written; i < complete; i++)
        progress_generation(&run->progress, &results.report.generations[i], &state);
    run->generations_written = complete;
out:
    results_free(&results);
    return err;
}

static bool next_generation_is_complete(const struct run *run)
{
    int64_t size = run->settings.search.population;
    int64_t first = run->generations_written * size;
    int64_t end = first + size;
    if (end > run->settings.search.cycles)
        end = run->settings.search.cycles;
    if (first >= end || (int64_t)run->history_count < end)
        return false;
    for (int64_t i = first; i < end; i++)
        if (!candidate_ended(&run->history[i]))
            return false;
    return true;
}

static enum error search_advance(bool *finished, void *user)
{
    enum error err = ERR_NONE;
    struct run *run = user;
    const struct search_settings *search = &run->settings.search;
    int64_t ended, waiting, failed;
    TRY(refresh_history(run));
    count_history(run, &ended, &waiting, &failed);
    /* As deep a queue as there are slots: a worker that is done finds the next candidate at once,
       and no candidate is proposed long before it is needed. */
    while ((int64_t)run->history_count < search->cycles && waiting < (int64_t)run->slot_count &&
           evolve_ready((int64_t)run->history_count, search, run->history, run->history_count)) {
        TRY(propose(run));
        waiting++;
    }
    if (next_generation_is_complete(run))
        TRY(write_generations(run));
    *finished = ended == search->cycles;
out:
    return err;
}

static enum error need_supervisor(struct run *run)
{
    if (run->supervisor != NULL)
        return ERR_NONE;
    return supervisor_create(&run->supervisor,
                             &(struct supervisor_plan){
                                 .directory = run->directory,
                                 .store = run->store,
                                 .slots = run->slots,
                                 .slot_count = run->slot_count,
                                 .retries = run->settings.devices.retries,
                                 .time_limit_s = run->settings.devices.time_limit_s,
                                 .log = run->log,
                             });
}

static enum error run_evolve(struct run *run)
{
    enum error err = ERR_NONE;
    int64_t ended, waiting, failed;
    count_history(run, &ended, &waiting, &failed);
    if (ended < run->settings.search.cycles) {
        TRY(need_supervisor(run));
        TRY(supervisor_work(run->supervisor,
                            &(struct supervisor_hooks){search_advance, search_tick, run}));
    }
out:
    progress_clear(&run->progress);
    return err;
}

static enum error confirm_advance(bool *finished, void *user)
{
    struct run *run = user;
    struct store_counts counts;
    enum error err = store_count(&counts, run->store, JOB_CONFIRM);
    *finished = err == ERR_NONE && counts.final == counts.total;
    return err;
}

static void confirm_tick(double images_per_s, void *user)
{
    struct run *run = user;
    const struct candidate *best =
        objective_best(run->history, run->history_count, -1, &run->settings.search);
    struct store_counts counts;
    if (store_count(&counts, run->store, JOB_CONFIRM) != ERR_NONE)
        return;
    progress_draw(&run->progress,
                  &(struct progress_state){.stage = "confirm",
                                           .done = counts.final,
                                           .total = counts.total,
                                           .best_accuracy = best->validation_accuracy,
                                           .best_parameters = best->cost.parameters,
                                           .images_per_s = images_per_s,
                                           .left_s = NAN});
}

static enum error no_score(const struct run *run)
{
    const struct candidate *last = &run->history[run->history_count - 1];
    return error_set(ERR_DIVERGED,
                     "none of %zu candidates has a score (the last one: %s); look at "
                     "%s/candidates.csv, lower training.learning_rate or space.max_parameters",
                     run->history_count, candidate_status_name(last->status), run->directory);
}

static enum error run_confirm(struct run *run)
{
    enum error err = ERR_NONE;
    bool finished;
    const struct candidate *best =
        objective_best(run->history, run->history_count, -1, &run->settings.search);
    if (best == NULL)
        return no_score(run);
    for (int i = 0; i < run->settings.confirm.seeds; i++)
        TRY(store_add_confirm(
            run->store,
            &(struct job){.candidate = best->id,
                          .replicate = i,
                          .epochs = run->settings.confirm.epochs,
                          .train_images = run->settings.confirm.train_images,
                          .seed = confirm_seed(run->settings.search.seed, best->id, i)},
            1));
    TRY(confirm_advance(&finished, run));
    if (!finished) {
        TRY(need_supervisor(run));
        TRY(supervisor_work(run->supervisor,
                            &(struct supervisor_hooks){confirm_advance, confirm_tick, run}));
    }
out:
    progress_clear(&run->progress);
    return err;
}

/* `confirmed`: the confirm stage is over. */
static enum error write_results(struct run *run, bool confirmed)
{
    enum error err = ERR_NONE;
    struct results results;
    TRY(results_load(&results, run->store));
    TRY(results_write(&results, run->directory, 0, &run->generations_written));
    /* The directory above may be someone else's: a run does not fail for its sake. */
    if (results_write_run_row(&results, run->directory) != ERR_NONE)
        log_event(LOG_WARNING, "no row in runs.csv: %s", error_message());
    if (confirmed && results.confirmation_count == 0)
        err =
            error_set(ERR_DEVICE,
                      "the best genome could not be confirmed: all %d trainings of it failed; see "
                      "%s/log.txt",
                      run->settings.confirm.seeds, run->directory);
out:
    results_free(&results);
    return err;
}

static enum error run_report(struct run *run)
{
    return write_results(run, true);
}

/* After an early end the tables show what there is; the error that ended the run is what counts. */
static enum error write_tables_after(struct run *run, enum error err)
{
    char message[1024];
    snprintf(message, sizeof message, "%s", error_message());
    log_event(LOG_ERROR, "%s", message);
    store_add_event(run->store, LOG_ERROR, message);
    write_results(run, false);
    return error_set(err, "%s", message);
}

enum error pipeline_run(struct run *run)
{
    run->began_s = clock_monotonic_s();
    enum error err = load_history(run);
    if (err != ERR_NONE)
        return err;
    for (size_t i = 0; i < sizeof stages / sizeof stages[0] && err == ERR_NONE; i++) {
        log_event(LOG_INFO, "stage %s", stages[i].name);
        err = stages[i].run(run);
    }
    if (err != ERR_NONE && err != ERR_OUTPUT)
        err = write_tables_after(run, err);
    enum error closed = supervisor_destroy(run->supervisor);
    run->supervisor = NULL;
    return err != ERR_NONE ? err : closed;
}
