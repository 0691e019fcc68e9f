/* The stages confirm and test: finalists train again, then they meet the test images. */
#include <stdlib.h>

#include "pipeline/run_progress.h"
#include "pipeline/run_stages.h"
#include "stages/baseline.h"
#include "stages/confirm.h"
#include "stages/finalists.h"
#include "stages/objective.h"

/* A stage whose jobs are all there when it begins. */
struct stage {
    struct run *run;
    enum job_kind kind;
    const char *name;
    enum error (*tell)(struct run *run); /* that it begins */
    bool told;
};

static enum error stage_advance(bool *finished, void *user)
{
    const struct stage *stage = user;
    struct store_counts counts;
    enum error err = store_count(&counts, stage->run->store, stage->kind);
    if (err == ERR_NONE && stage->told && stage->kind == JOB_CONFIRM)
        err = run_tell_confirmed(stage->run, &counts);
    *finished = err == ERR_NONE && counts.final == counts.total;
    return err;
}

static void stage_tick(double images_per_s, void *user)
{
    const struct stage *stage = user;
    struct run *run = stage->run;
    const struct candidate *best =
        objective_best(run->history, run->history_count, -1, &run->settings.search);
    struct store_counts counts;
    if (store_count(&counts, run->store, stage->kind) != ERR_NONE)
        return;
    run_draw(run, &(struct progress_state){.stage = stage->name,
                                           .done = counts.final,
                                           .total = counts.total,
                                           .best_accuracy = best->validation_accuracy,
                                           .best_parameters = best->cost.parameters,
                                           .images_per_s = images_per_s,
                                           .left_s = deadline_confirm_left_s(run)});
}

static bool stage_is_over(void *user)
{
    const struct stage *stage = user;
    return deadline_is_over(stage->run);
}

/* ERR_STOPPED when the time was up before its jobs had ended. */
static enum error work(struct stage *stage)
{
    enum error err = ERR_NONE;
    TRY(stage->tell(stage->run));
    stage->told = true;
    TRY(run_need_supervisor(stage->run));
    TRY(supervisor_work(
        stage->run->supervisor,
        &(struct supervisor_hooks){stage_advance, stage_tick, stage_is_over, stage}));
    TRY(deadline_is_cut(stage->run, stage->kind));
out:
    return err;
}

static enum error no_score(const struct run *run)
{
    const struct candidate *last = &run->history[run->history_count - 1];
    return error_set(ERR_DIVERGED,
                     "none of %zu candidates has a score (the last one: %s); look at "
                     "%s/candidates.csv, lower training.learning_rate or space.max_parameters",
                     run->history_count, candidate_status_name(last->status), run->directory);
}

/* Confirm jobs for candidate number `number` of its search, which the store has under `id`. */
static enum error queue_finalist(struct run *run, int64_t number, int64_t id)
{
    enum error err = ERR_NONE;
    const struct confirm_settings *confirm = &run->settings.confirm;
    for (int i = 0; i < confirm->seeds; i++)
        TRY(store_add_confirm(
            run->store,
            &(struct job){.candidate = id,
                          .replicate = i,
                          .epochs = confirm->epochs,
                          .train_images = confirm->train_images,
                          .seed = confirm_seed(run->settings.search.seed, number, i)},
            1));
out:
    return err;
}

static enum error queue_finalists(size_t *count, struct run *run, bool baseline)
{
    enum error err = ERR_NONE;
    struct finalist *list = NULL;
    TRY(finalists_choose(&list, count, baseline ? run->baseline : run->history,
                         baseline ? run->baseline_count : run->history_count, &run->settings));
    for (size_t i = 0; i < *count; i++) {
        int64_t number = list[i].candidate->id;
        TRY(queue_finalist(run, number,
                           baseline ? baseline_id(number, &run->settings.search) : number));
    }
out:
    free(list);
    return err;
}

enum error run_confirm(struct run *run)
{
    enum error err = ERR_NONE;
    struct stage stage = {run, JOB_CONFIRM, "confirm", run_tell_confirm, false};
    bool finished;
    size_t count;
    TRY(queue_finalists(&count, run, false));
    if (count == 0) {
        err = no_score(run);
        goto out;
    }
    if (run->settings.confirm.baseline == BASELINE_RANDOM)
        TRY(queue_finalists(&count, run, true));
    TRY(stage_advance(&finished, &stage));
    if (!finished) {
        TRY(deadline_begin_confirm(run));
        TRY(work(&stage));
    }
out:
    progress_clear(&run->progress);
    return err;
}

enum error run_test(struct run *run)
{
    enum error err = ERR_NONE;
    struct stage stage = {run, JOB_TEST, "test", run_tell_test, false};
    bool finished;
    TRY(store_add_tests(run->store));
    TRY(stage_advance(&finished, &stage));
    if (!finished)
        TRY(work(&stage));
out:
    progress_clear(&run->progress);
    return err;
}
