/* The queue of the store: adding jobs, claims, and taking claims back. */
#include "pipeline/store.h"

#include <assert.h>
#include <string.h>

#include "pipeline/base/clock.h"
#include "pipeline/store_internal.h"

static enum error add_job(struct store *store, enum statement statement, const struct job *job)
{
    store_use(store, statement);
    store_bind_int(store, 1, job->kind);
    store_bind_int(store, 2, job->candidate);
    store_bind_int(store, 3, job->replicate);
    store_bind_int(store, 4, job->epochs);
    store_bind_int(store, 5, job->train_images);
    store_bind_int(store, 6, (int64_t)job->seed);
    return store_execute(NULL, store, "queue a job");
}

static enum error add_candidate(struct store *store, const struct candidate *candidate)
{
    char genome[GENOME_TEXT_SIZE];
    genome_format(genome, &candidate->genome);
    store_use(store, STATEMENT_ADD_CANDIDATE);
    store_bind_int(store, 1, candidate->id);
    store_bind_int(store, 2, candidate->generation);
    store_bind_text(store, 3, genome);
    store_bind_text(store, 4, candidate->operator_name);
    if (candidate->parent >= 0)
        store_bind_int(store, 5, candidate->parent);
    store_bind_int(store, 6, candidate->cost.parameters);
    store_bind_int(store, 7, candidate->cost.macs);
    store_bind_int(store, 8, candidate->cost.activations);
    store_bind_int(store, 9, candidate->redraws);
    store_bind_int(store, 10, candidate->earlier);
    store_bind_double(store, 11, candidate->earlier_mean);
    store_bind_double(store, 12, candidate->earlier_deviation);
    store_bind_int(store, 13, candidate->rung);
    return store_execute(NULL, store, "write a candidate");
}

enum error store_add(struct store *store, const struct candidate *candidates, size_t count)
{
    enum error err = store_begin(store);
    if (err != ERR_NONE)
        return err;
    for (size_t i = 0; i < count; i++) {
        const struct candidate *c = &candidates[i];
        TRY(add_candidate(store, c));
        TRY(add_job(store, STATEMENT_ADD_JOB,
                    &(struct job){.kind = c->id < CANDIDATE_BASELINE ? JOB_SEARCH : JOB_BASELINE,
                                  .candidate = c->id,
                                  .epochs = c->epochs,
                                  .train_images = c->train_images,
                                  .seed = c->seed}));
    }
out:
    return store_end(store, err);
}

enum error store_add_confirm(struct store *store, const struct job *jobs, size_t count)
{
    enum error err = store_begin(store);
    if (err != ERR_NONE)
        return err;
    for (size_t i = 0; i < count; i++) {
        struct job job = jobs[i];
        job.kind = JOB_CONFIRM;
        TRY(add_job(store, STATEMENT_ADD_JOB_ONCE, &job));
    }
out:
    return store_end(store, err);
}

enum error store_add_tests(struct store *store)
{
    store_use(store, STATEMENT_ADD_TEST_JOBS);
    return store_execute(NULL, store, "queue the tests");
}

/* The current row of STATEMENT_NEXT_JOB. */
static enum error read_job(struct job *job, struct store *store)
{
    *job = (struct job){.id = store_column_int(store, 0),
                        .kind = (enum job_kind)store_column_int(store, 1),
                        .candidate = store_column_int(store, 2),
                        .replicate = (int)store_column_int(store, 3),
                        .attempt = (int)store_column_int(store, 4),
                        .epochs = (int)store_column_int(store, 6),
                        .train_images = (int)store_column_int(store, 7),
                        .seed = (uint64_t)store_column_int(store, 8),
                        .rung = (int)store_column_int(store, 9),
                        .goes_on_from = -1};
    char operator_name[CANDIDATE_OPERATOR_SIZE];
    store_column_text(operator_name, sizeof operator_name, store, 10);
    if (job->kind != JOB_CONFIRM && job->kind != JOB_TEST &&
        strcmp(operator_name, CANDIDATE_PROMOTE) == 0)
        job->goes_on_from = store_column_int(store, 11);
    return store_column_genome(&job->genome, store, 5);
}

/* Whether two jobs may train in one pack. */
static bool match(const struct job *a, const struct job *b)
{
    return a->attempt == 1 && b->attempt == 1 && a->kind == b->kind && a->epochs == b->epochs &&
           a->train_images == b->train_images && genome_same_shape(&a->genome, &b->genome);
}

/* `most`, or what is there for each worker when that is less. */
static enum error share_of_queue(int *most, struct store *store)
{
    bool row;
    store_use(store, STATEMENT_SHARE_OF_QUEUE);
    enum error err = store_step(&row, store, "count jobs and workers");
    if (err != ERR_NONE)
        return err;
    int64_t jobs = store_column_int(store, 0), workers = store_column_int(store, 1);
    if (workers > 0 && (jobs + workers - 1) / workers < *most)
        *most = (int)((jobs + workers - 1) / workers);
    return ERR_NONE;
}

static enum error next_jobs(struct job *jobs, int *count, struct store *store, int64_t worker,
                            int most)
{
    enum error err = ERR_NONE;
    bool found;
    store_use(store, STATEMENT_NEXT_JOB);
    store_bind_int(store, 1, worker);
    do {
        struct job job;
        TRY(store_step(&found, store, "look for a job"));
        if (!found)
            break;
        TRY(read_job(&job, store));
        if (*count == 0 || match(&job, &jobs[0]))
            jobs[(*count)++] = job;
    } while (*count < most && jobs[0].attempt == 1);
out:
    return err;
}

enum error store_claim_pack(struct job jobs[PACK_MAX], int *count, struct store *store,
                            int64_t worker, int most)
{
    assert(most >= 1 && most <= PACK_MAX);
    int found = 0;
    *count = 0;
    enum error err = store_begin(store);
    if (err != ERR_NONE)
        return err;
    if (most > 1)
        TRY(share_of_queue(&most, store));
    TRY(next_jobs(jobs, &found, store, worker, most));
    for (int i = 0; i < found; i++) {
        int changes;
        store_use(store, STATEMENT_TAKE_JOB);
        store_bind_int(store, 1, jobs[i].id);
        TRY(store_execute(&changes, store, "claim a job"));
        assert(changes == 1);
        store_use(store, STATEMENT_ADD_ATTEMPT);
        store_bind_int(store, 1, jobs[i].id);
        store_bind_int(store, 2, jobs[i].attempt);
        store_bind_int(store, 3, worker);
        store_bind_int(store, 4, clock_utc_us());
        TRY(store_execute(NULL, store, "claim a job"));
    }
out:
    err = store_end(store, err);
    *count = err == ERR_NONE ? found : 0;
    return err;
}

enum error store_claim(struct job *job, bool *found, struct store *store, int64_t worker)
{
    struct job jobs[PACK_MAX];
    int count;
    enum error err = store_claim_pack(jobs, &count, store, worker, 1);
    *found = count == 1;
    if (*found)
        *job = jobs[0];
    return err;
}

enum error store_end_job(struct store *store, int64_t job, enum candidate_status status)
{
    int changes;
    store_use(store, STATEMENT_END_JOB);
    store_bind_int(store, 1, job);
    store_bind_text(store, 2, candidate_status_name(status));
    enum error err = store_execute(&changes, store, "end a job");
    assert(err != ERR_NONE || changes == 1);
    return err;
}

struct claim {
    int64_t job;
    int attempt;
    int64_t started_utc_us;
};

static enum error held_claim(struct claim *claim, bool *found, struct store *store, int64_t worker)
{
    store_use(store, STATEMENT_HELD_JOB);
    store_bind_int(store, 1, worker);
    enum error err = store_step(found, store, "look for a claim");
    if (err == ERR_NONE && *found)
        *claim = (struct claim){.job = store_column_int(store, 0),
                                .attempt = (int)store_column_int(store, 1),
                                .started_utc_us = store_column_int(store, 2)};
    return err;
}

/* Attempts at the job that ended with the death of their worker. */
static enum error count_guilty(int *count, struct store *store, int64_t job)
{
    bool row;
    store_use(store, STATEMENT_COUNT_GUILTY);
    store_bind_int(store, 1, job);
    enum error err = store_step(&row, store, "count attempts");
    *count = row ? (int)store_column_int(store, 0) : 0;
    return err;
}

static enum error count_held(int *count, struct store *store, int64_t worker)
{
    bool row;
    store_use(store, STATEMENT_COUNT_HELD);
    store_bind_int(store, 1, worker);
    enum error err = store_step(&row, store, "count claims");
    *count = row ? (int)store_column_int(store, 0) : 0;
    return err;
}

static enum error take_back(enum release *what, struct store *store, const struct claim *claim,
                            const char *ending, bool guilty, int retries)
{
    enum error err = ERR_NONE;
    int lost = 0;
    TRY(count_guilty(&lost, store, claim->job));
    bool failed = guilty && lost + 1 > retries;
    store_use(store, STATEMENT_LOSE_ATTEMPT);
    store_bind_int(store, 1, claim->job);
    store_bind_int(store, 2, claim->attempt);
    store_bind_text(store, 3, candidate_status_name(failed ? CANDIDATE_FAILED : CANDIDATE_LOST));
    store_bind_int(store, 4, guilty);
    store_bind_text(store, 5, ending);
    store_bind_double(store, 6, 1e-6 * (double)(clock_utc_us() - claim->started_utc_us));
    TRY(store_execute(NULL, store, "take a claim back"));
    TRY(store_end_job(store, claim->job, failed ? CANDIDATE_FAILED : CANDIDATE_QUEUED));
    *what = failed ? RELEASE_FAILED : RELEASE_QUEUED;
out:
    return err;
}

/* Inside a transaction. *held: how many claims were taken back. */
static enum error release(enum release *what, int64_t *job, int *held, struct store *store,
                          int64_t worker, const char *ending, bool guilty, int retries)
{
    enum error err = ERR_NONE;
    struct claim claim;
    bool found;
    *what = RELEASE_NOTHING;
    *job = -1;
    store_use(store, STATEMENT_CLOSE_WORKER);
    store_bind_int(store, 1, worker);
    store_bind_int(store, 2, clock_utc_us());
    store_bind_text(store, 3, ending);
    TRY(store_execute(NULL, store, "close a worker"));
    TRY(count_held(held, store, worker));
    for (int i = 0; i < *held; i++) {
        TRY(held_claim(&claim, &found, store, worker));
        assert(found);
        TRY(take_back(what, store, &claim, ending, guilty && *held == 1, retries));
        if (i == 0)
            *job = claim.job;
    }
out:
    return err;
}

enum error store_release(enum release *what, int64_t *job, struct store *store, int64_t worker,
                         const char *ending, bool guilty, int retries)
{
    int64_t ignored;
    int held;
    enum error err = store_begin(store);
    if (err != ERR_NONE)
        return err;
    err =
        release(what, job != NULL ? job : &ignored, &held, store, worker, ending, guilty, retries);
    return store_end(store, err);
}

enum error store_recover(int *requeued, struct store *store)
{
    int count = 0;
    enum error err = store_begin(store);
    if (err != ERR_NONE)
        return err;
    for (;;) {
        bool row;
        enum release what;
        int64_t job;
        int held;
        store_use(store, STATEMENT_OPEN_WORKERS);
        TRY(store_step(&row, store, "look for workers"));
        if (!row)
            break;
        int64_t worker = store_column_int(store, 0);
        TRY(release(&what, &job, &held, store, worker, "run was interrupted", false, 0));
        count += held;
    }
out:
    err = store_end(store, err);
    if (requeued != NULL)
        *requeued = count;
    return err;
}

enum error store_set_deadlines(struct store *store, int64_t deadline_utc_us,
                               int64_t search_deadline_utc_us)
{
    store_use(store, STATEMENT_SET_DEADLINES);
    store_bind_int(store, 1, deadline_utc_us);
    store_bind_int(store, 2, search_deadline_utc_us);
    return store_execute(NULL, store, "write the deadline");
}

enum error store_end_search(struct store *store)
{
    enum error err = store_begin(store);
    if (err != ERR_NONE)
        return err;
    store_use(store, STATEMENT_END_SEARCH);
    store_bind_int(store, 1, clock_utc_us());
    TRY(store_execute(NULL, store, "end the search"));
    store_use(store, STATEMENT_STOP_JOBS);
    store_bind_int(store, 1, JOB_SEARCH);
    TRY(store_execute(NULL, store, "end the search"));
out:
    return store_end(store, err);
}

enum error store_count(struct store_counts *counts, struct store *store, enum job_kind kind)
{
    enum error err = ERR_NONE;
    bool row;
    *counts = (struct store_counts){0};
    store_use(store, STATEMENT_COUNT_JOBS);
    store_bind_int(store, 1, kind);
    for (;;) {
        enum candidate_status status;
        TRY(store_step(&row, store, "count jobs"));
        if (!row)
            break;
        TRY(store_column_status(&status, store, 0));
        int64_t n = store_column_int(store, 1);
        counts->status[status] = n;
        counts->total += n;
        if (status != CANDIDATE_QUEUED && status != CANDIDATE_RUNNING)
            counts->final += n;
    }
out:
    return err;
}

enum error store_end_baseline(struct store *store)
{
    store_use(store, STATEMENT_STOP_JOBS);
    store_bind_int(store, 1, JOB_BASELINE);
    return store_execute(NULL, store, "end the random search");
}
