/* The stages populate and evolve: proposing, and having candidates trained. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"
#include "pipeline/deadline.h"
#include "pipeline/results.h"
#include "pipeline/run_memory.h"
#include "pipeline/run_progress.h"
#include "pipeline/run_stages.h"
#include "stages/baseline.h"
#include "stages/evolve.h"
#include "stages/fidelity.h"
#include "stages/objective.h"
#include "stages/populate.h"
#include "stages/statistics.h"

/* All files are written anew, which takes longer the longer the history is, and holds up proposals
   meanwhile. Behind it, for so many times as long, nothing is written. */
enum { WRITING_PAUSE = 20 };

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

enum error run_load_history(struct run *run)
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
    for (size_t i = 0; i < run->history_count; i++) {
        struct candidate *candidate = &run->history[i];
        if (candidate_ended(candidate))
            continue;
        TRY(store_read_candidate(candidate, run->store, candidate->id));
        run_memory_add(run, candidate);
    }
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

/* What a candidate has from the run and not from the algorithm. */
static enum error complete(struct candidate *next, struct run *run)
{
    struct rung rung = fidelity_rung(&run->settings, next->rung);
    next->epochs = rung.epochs;
    next->train_images = rung.train_images;
    return run_memory_recall(run, next);
}

/* Says when a rung is switched off, and on again. */
static enum error note_rungs(struct run *run, const struct ladder *ladder)
{
    enum error err = ERR_NONE;
    char line[256];
    for (int r = 0; r < run->settings.search.fidelity.rungs.count; r++) {
        const struct rung_record *record = &ladder->records[r];
        if (record->off == run->rung_off[r])
            continue;
        run->rung_off[r] = record->off;
        snprintf(
            line, sizeof line,
            "rung %d is switched %s: the rank correlation of its scores with those of the next "
            "one is %.3f, over %d candidates (fidelity.min_correlation = %.3f)",
            r, record->off ? "off" : "on", record->spearman.statistic, record->pairs,
            run->settings.search.fidelity.min_correlation);
        log_event(LOG_WARNING, "%s", line);
        TRY(store_add_event(run->store, LOG_WARNING, line));
    }
out:
    return err;
}

/* Candidate number `history_count`, written to the store as queued. */
static enum error propose(struct run *run)
{
    enum error err = ERR_NONE;
    struct candidate next;
    struct ladder ladder;
    TRY(evolve_propose(&next, &run->space, &run->settings.search, (int64_t)run->history_count,
                       run->history, run->history_count));
    int64_t seen = next.id - run->settings.search.in_flight + 1;
    TRY(ladder_make(&ladder, run->history, seen > 0 ? (size_t)seen : 0, &run->settings.search));
    TRY(note_rungs(run, &ladder));
    TRY(complete(&next, run));
    TRY(store_add(run->store, &next, 1));
    TRY(append_history(run, &next));
out:
    return err;
}

/* A candidate of the first population. */
static enum error propose_first(struct run *run, const struct remembered *const *chosen,
                                size_t chosen_count)
{
    enum error err = ERR_NONE;
    const struct search_settings *search = &run->settings.search;
    struct candidate next;
    size_t index;
    int64_t id = (int64_t)run->history_count;
    if (populate_takes(&index, id, chosen_count, search))
        candidate_new(&next, &run->space, search, id, &chosen[index]->genome, "memory", -1);
    else
        TRY(evolve_propose(&next, &run->space, search, id, run->history, run->history_count));
    TRY(complete(&next, run));
    TRY(append_history(run, &next));
out:
    return err;
}

/* All of the first population is written in one transaction: what the memory gives now may be
   something else when the run is resumed. */
enum error run_populate(struct run *run)
{
    enum error err = ERR_NONE;
    struct remembered *memory = NULL;
    const struct remembered **chosen = NULL;
    size_t count = 0, chosen_count = 0, from = run->history_count;
    size_t first = (size_t)run->settings.search.population;
    if ((int64_t)first > search_cycles(&run->settings.search))
        first = (size_t)search_cycles(&run->settings.search);
    if (from >= first || run->info.search_ended_utc_us != 0)
        return ERR_NONE;
    if (run->memory != NULL)
        TRY(memory_list(&memory, &count, run->memory));
    TRY(populate_choose(&chosen, &chosen_count, memory, count, &run->space, &run->settings.search));
    while (run->history_count < first)
        TRY(propose_first(run, chosen, chosen_count));
    TRY(store_add(run->store, run->history + from, first - from));
out:
    free(chosen);
    free(memory);
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
    int64_t left = search_cycles(&run->settings.search) - ended;
    double left_s = here > 0 ? passed_s / (double)here * (double)left : NAN;
    *state = (struct progress_state){
        .stage = "search",
        .done = ended,
        .total = run->settings.search.cycles,
        .failed = failed,
        .best_accuracy = best != NULL ? best->validation_accuracy : NAN,
        .best_parameters = best != NULL ? best->cost.parameters : 0,
        .images_per_s = images_per_s,
        .left_s = deadline_search_left_s(run, run->settings.search.cycles > 0 ? left_s : NAN),
    };
}

static void search_tick(double images_per_s, void *user)
{
    struct run *run = user;
    struct progress_state state;
    search_progress(&state, run, images_per_s);
    run_draw(run, &state);
}

/* Writes the files of generations that have become complete. */
static enum error write_generations(struct run *run)
{
    enum error err = ERR_NONE;
    struct results results;
    struct progress_state state;
    int complete = 0;
    double began_s = clock_monotonic_s();
    TRY(results_load(&results, run->store));
    TRY(results_write(&results, run->directory, run->generations_written, &complete));
    search_progress(&state, run, NAN);
    for (int i = run->generations_written; i < complete; i++)
        progress_generation(&run->progress, &results.report.generations[i], &state);
    run->generations_written = complete;
out:
    results_free(&results);
    double now_s = clock_monotonic_s();
    run->deadline.write_s = fmax(run->deadline.write_s, now_s - began_s);
    run->write_after_s = now_s + WRITING_PAUSE * (now_s - began_s);
    return err;
}

static bool next_generation_is_complete(const struct run *run)
{
    int64_t size = run->settings.search.population;
    int64_t first = run->generations_written * size;
    int64_t end = first + size;
    if (end > search_cycles(&run->settings.search))
        end = search_cycles(&run->settings.search);
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
    /* As deep a queue as slots take at once: a worker that is done finds the next candidates at
       once, and no candidate is proposed long before it is needed. */
    int64_t places = slots_places(run->slots, run->slot_count, run->settings.devices.pack);
    while ((int64_t)run->history_count < search_cycles(search) && !run->closed &&
           waiting < places &&
           evolve_ready((int64_t)run->history_count, search, run->history, run->history_count)) {
        TRY(propose(run));
        waiting++;
    }
    TRY(deadline_plan(run));
    if (run->closed)
        TRY(refresh_history(run));
    count_history(run, &ended, &waiting, &failed);
    *finished = ended == (run->closed ? (int64_t)run->history_count : search_cycles(search));
    if (next_generation_is_complete(run) &&
        (*finished || clock_monotonic_s() >= run->write_after_s))
        TRY(write_generations(run));
out:
    return err;
}

enum error run_evolve(struct run *run)
{
    enum error err = ERR_NONE;
    int64_t ended, waiting, failed;
    count_history(run, &ended, &waiting, &failed);
    if (ended < search_cycles(&run->settings.search) && run->info.search_ended_utc_us == 0) {
        run_tell_search(run);
        TRY(run_need_supervisor(run));
        TRY(supervisor_work(
            run->supervisor,
            &(struct supervisor_hooks){search_advance, search_tick, deadline_search_is_over, run}));
        TRY(deadline_check_score(run));
    }
    TRY(store_end_search(run->store));
    /* The random search may go on from those that both have. */
    bool goes_on = run->settings.confirm.baseline == BASELINE_RANDOM;
    TRY(store_drop_states(run->store, goes_on ? baseline_shared(&run->settings.search) : 0,
                          CANDIDATE_BASELINE - 1));
    TRY(refresh_history(run));
out:
    progress_clear(&run->progress);
    return err;
}
