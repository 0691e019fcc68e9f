/* What trainings and tests leave in the store: learning curves, results, weights. */
#include "pipeline/store.h"

#include <assert.h>
#include <math.h>

#include "pipeline/store_internal.h"

enum error store_add_epoch(struct store *store, int64_t worker, const struct job *job,
                           const struct epoch *epoch)
{
    store_use(store, STATEMENT_ADD_EPOCH);
    store_bind_int(store, 1, job->id);
    store_bind_int(store, 2, job->attempt);
    store_bind_int(store, 3, epoch->epoch);
    store_bind_double(store, 4, epoch->train_loss);
    store_bind_double(store, 5, epoch->train_accuracy);
    store_bind_double(store, 6, epoch->seconds);
    store_bind_double(store, 7, epoch->images_per_s);
    store_bind_int(store, 8, worker);
    return store_execute(NULL, store, "write an epoch");
}

static enum error end_attempt(int *changes, struct store *store, int64_t worker,
                              const struct job *job, const struct job_result *result)
{
    bool done = result->status == CANDIDATE_DONE;
    store_use(store, STATEMENT_END_ATTEMPT);
    store_bind_int(store, 1, job->id);
    store_bind_int(store, 2, job->attempt);
    store_bind_int(store, 3, worker);
    store_bind_text(store, 4, candidate_status_name(result->status));
    store_bind_text(store, 5, result->message);
    store_bind_double(store, 6, result->duration_s);
    if (result->train_images > 0)
        store_bind_int(store, 7, result->train_images);
    store_bind_double(store, 8, done ? result->train_loss : NAN);
    store_bind_double(store, 9, done ? result->validation_loss : NAN);
    store_bind_double(store, 10, done ? result->validation_accuracy : NAN);
    store_bind_double(store, 11, done ? result->images_per_s : NAN);
    store_bind_double(store, 12, done ? result->gflops : NAN);
    return store_execute(changes, store, "commit a result");
}

static enum error add_weights(struct store *store, int64_t job, const struct job_result *result)
{
    store_use(store, STATEMENT_ADD_WEIGHTS);
    store_bind_int(store, 1, job);
    store_bind_blob(store, 2, result->weights, result->weight_count * sizeof *result->weights);
    return store_execute(NULL, store, "write weights");
}

static enum error add_test(struct store *store, int64_t job, const struct confirmation *c)
{
    enum error err = ERR_NONE;
    size_t classes = (size_t)c->classes;
    store_use(store, STATEMENT_ADD_TEST);
    store_bind_int(store, 1, job);
    store_bind_double(store, 2, c->test_loss);
    store_bind_double(store, 3, c->test_accuracy);
    store_bind_int(store, 4, c->classes);
    store_bind_blob(store, 5, c->predictions, c->test_images);
    store_bind_blob(store, 6, c->confusion, classes * classes * sizeof *c->confusion);
    store_bind_blob(store, 7, c->miss_pixels, c->miss_count * c->miss_size);
    store_bind_blob(store, 8, c->labels, c->test_images);
    TRY(store_execute(NULL, store, "write test results"));
    for (size_t i = 0; i < c->miss_count; i++) {
        const struct miss *miss = &c->misses[i];
        store_use(store, STATEMENT_ADD_MISS);
        store_bind_int(store, 1, job);
        store_bind_int(store, 2, (int64_t)i);
        store_bind_int(store, 3, miss->image);
        store_bind_int(store, 4, miss->label);
        store_bind_int(store, 5, miss->predicted);
        store_bind_double(store, 6, miss->probability);
        TRY(store_execute(NULL, store, "write a test image"));
    }
out:
    return err;
}

/* What a later rung may go on from; what this one went on from is used up. */
static enum error keep_state(struct store *store, const struct job *job,
                             const struct job_result *result)
{
    enum error err = ERR_NONE;
    if (job->goes_on_from >= 0 && !result->keep_start) {
        store_use(store, STATEMENT_DROP_STATE);
        store_bind_int(store, 1, job->goes_on_from);
        TRY(store_execute(NULL, store, "drop used parameters"));
    }
    if (result->state != NULL && result->status == CANDIDATE_DONE) {
        store_use(store, STATEMENT_ADD_STATE);
        store_bind_int(store, 1, job->id);
        store_bind_blob(store, 2, result->state, result->state_count * sizeof *result->state);
        TRY(store_execute(NULL, store, "keep parameters"));
    }
out:
    return err;
}

enum error store_drop_states(struct store *store, int64_t first, int64_t last)
{
    store_use(store, STATEMENT_DROP_STATES);
    store_bind_int(store, 1, first);
    store_bind_int(store, 2, last);
    return store_execute(NULL, store, "drop parameters");
}

enum error store_commit(bool *accepted, struct store *store, int64_t worker, const struct job *job,
                        const struct job_result *result)
{
    assert(result->status == CANDIDATE_DONE || result->status == CANDIDATE_DIVERGED ||
           result->status == CANDIDATE_TOO_BIG || result->status == CANDIDATE_TIMEOUT);
    *accepted = false;
    enum error err = store_set_durable(store, true);
    if (err == ERR_NONE)
        err = store_begin(store);
    if (err != ERR_NONE)
        return err;
    int changes = 0;
    TRY(end_attempt(&changes, store, worker, job, result));
    if (changes == 1) {
        TRY(store_end_job(store, job->id, result->status));
        TRY(keep_state(store, job, result));
        if (job->kind == JOB_CONFIRM && result->status == CANDIDATE_DONE)
            TRY(add_weights(store, job->id, result));
        if (job->kind == JOB_TEST && result->status == CANDIDATE_DONE)
            TRY(add_test(store, job->id, result->confirmation));
    }
out:
    err = store_end(store, err);
    *accepted = err == ERR_NONE && changes == 1;
    enum error reset = store_set_durable(store, false);
    return err != ERR_NONE ? err : reset;
}
