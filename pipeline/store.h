/*
 * The store: one SQLite file that holds a run. Settings, queue, results, learning curves, workers
 * and events are here; populations, generations and CSV files are derived from it.
 *
 * Words: a *job* is one training that has to be done, a candidate of the search or one replicate of
 * a finalist at confirm, or the test of what such a replicate gave. An *attempt* is one try at a
 * job by one worker. A job is queued, running, or final (done, diverged, too_big, timeout, failed,
 * stopped); an attempt is running or ended (the same words, and `lost`).
 *
 * Crash safety. A process may be killed, and the machine may lose power, at any instruction.
 *
 *  1. Every change is one transaction, begun with BEGIN IMMEDIATE, in WAL mode. store_create() and
 *     store_commit() run with synchronous=FULL: when they return, the result survives a power cut,
 *     and so does everything before it, since the log is one sequence. The others run with
 *     synchronous=NORMAL, without an fsync: what a power cut takes from the end of the log are
 *     proposals (made again, the same), claims and learning curves of trainings that are lost with
 *     the power anyway. A killed process loses nothing in either case.
 *  2. Schema, settings and data fingerprint are written in one transaction. A file without them
 *     is not a store, and store_open() says so.
 *  3. A job is in the file, queued, before any worker can see it. (kind, candidate, replicate) is
 *     unique, so writing a proposal twice is refused by the file itself.
 *  4. A claim moves jobs from queued to running and inserts their attempts in one transaction. A
 *     unique index allows one running attempt a job: two workers never hold the same job.
 *  5. A commit is accepted only while its attempt is still running under the same worker. Result,
 *     predictions, weights and the job's final state are one transaction. A worker that lost its
 *     claim is told so and changes nothing.
 *  6. A final job stays as it is: a trigger aborts any statement that would change its state. So
 *     a result exists exactly once, and never changes.
 *  7. Claims are taken back only from workers that are dead or about to be: the supervisor
 *     releases one worker after its death; store_recover(), called under the lock of the run
 *     directory, releases all. Both close the worker's row, and a worker whose row is closed
 *     cannot claim: an orphan that still runs for a moment can neither commit nor claim.
 *  8. A test is queued only when no training is queued or running: a trigger aborts it else. So no
 *     training can know what the test images say.
 *  9. Every prefix of the sequence of transactions is a state from which a run goes on.
 *
 * A store object belongs to one thread; any number of processes may open the same file. All
 * functions report ERR_OUTPUT when the file cannot be written, ERR_DATA when it is damaged,
 * ERR_BUSY when another process kept it locked for 60 s, ERR_INTERNAL when out of memory.
 */
#ifndef CLADE_PIPELINE_STORE_H
#define CLADE_PIPELINE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "inputs/candidate.h"
#include "inputs/genome.h"
#include "inputs/records.h"
#include "pipeline/base/error.h"
#include "pipeline/base/log.h"
#include "pipeline/base/text.h"

struct store;

enum { STORE_NAME_SIZE = 128 };

/* What is fixed when a run is made. */
struct store_run {
    char name[STORE_NAME_SIZE];
    int64_t created_utc_us;
    struct image_shape shape;
    int64_t training_images; /* in the file */
    int64_t data_check;      /* fingerprint of the training images and labels */
    float mean, std;         /* of pixels / 255 in the file */
    /* Not fixed, and not written by store_create(): */
    int64_t deadline_utc_us;        /* of the run, as it was begun or resumed last; 0: none */
    int64_t search_deadline_utc_us; /* of its search alone; 0: none */
    int64_t search_ended_utc_us;    /* 0: it may go on */
};

/* Makes the file, which must not exist. `settings` is the INI text of settings_print(). */
enum error store_create(struct store **out, const char *path, const struct store_run *run,
                        const char *settings);

/*
 * Opens an existing store. ERR_DATA, with the reason, when the file is missing, is not a store of
 * clade, comes from a newer version or is damaged. `verify` reads the whole file to find damage.
 * Where nothing can be written it can be read, and changes fail.
 */
enum error store_open(struct store **out, const char *path, bool verify);

/* NULL is allowed. */
enum error store_close(struct store *store);

enum error store_read_run(struct store_run *run, struct store *store);
enum error store_read_settings(struct text *ini, struct store *store);

/* ---- jobs ---- */

/* JOB_BASELINE: of a candidate of the random search, whose ids begin at CANDIDATE_BASELINE.
   JOB_TEST: the network that a confirm job gave meets the test images. */
enum job_kind { JOB_SEARCH, JOB_CONFIRM, JOB_BASELINE, JOB_TEST, JOB_KIND_COUNT };

/* Something to be done, as a worker gets it. */
struct job {
    int64_t id;
    enum job_kind kind;
    int64_t candidate;
    int replicate; /* 0 but for JOB_CONFIRM and JOB_TEST */
    int attempt;   /* 1.. */
    struct genome genome;
    int epochs;       /* 0 for JOB_TEST */
    int train_images; /* 0: all that are not validation images */
    uint64_t seed;
    int rung;             /* of the candidate */
    int64_t goes_on_from; /* the candidate with whose parameters it begins; -1: none */
};

/* Writes `count` proposals as queued jobs in one transaction. Of each candidate id, generation,
   genome, operator_name, parent, rung, redraws, earlier*, cost, epochs, train_images and seed are
   used.
 */
enum error store_add(struct store *store, const struct candidate *candidates, size_t count);

/* Writes confirm jobs of existing candidates; of each job candidate, replicate, epochs,
   train_images and seed are used. Those that exist already stay as they are. */
enum error store_add_confirm(struct store *store, const struct job *jobs, size_t count);

/* Writes a test job for each confirm job that is done; those that exist already stay as they are.
   Only when all trainings have ended. */
enum error store_add_tests(struct store *store);

/* The queued job with the lowest id is now `worker`'s; *found is false when there is none or when
   the worker's row is closed. */
enum error store_claim(struct job *job, bool *found, struct store *store, int64_t worker);

/*
 * The same for jobs that may train as a pack: the queued job with the lowest id, and others of its
 * kind, epochs, train_images and shape (genome_same_shape()), in the order of id; *count is 0 when
 * there is none. At most `most` (1..PACK_MAX), and no more than this worker's share of the queue,
 * so that others do not idle. A job that was tried before is always alone: when a pack dies, who
 * killed it is seen at the next attempt.
 */
enum error store_claim_pack(struct job jobs[PACK_MAX], int *count, struct store *store,
                            int64_t worker, int most);

/* One point of a learning curve; epoch counts from 1. Dropped when the claim is lost. */
struct epoch {
    int epoch;
    double train_loss, train_accuracy;
    double seconds, images_per_s;
};

enum error store_add_epoch(struct store *store, int64_t worker, const struct job *job,
                           const struct epoch *epoch);

/* What an attempt gave. */
struct job_result {
    enum candidate_status status; /* DONE, DIVERGED, TOO_BIG or TIMEOUT */
    const char *message;          /* why, when not DONE; NULL: none */
    double duration_s;
    int train_images; /* really trained on; 0: unknown */
    /* DONE only: */
    double train_loss, validation_loss, validation_accuracy; /* accuracy: 0..1; of a test NAN */
    double images_per_s, gflops;
    /* DONE and JOB_TEST only: the test part of it is kept. */
    const struct confirmation *confirmation;
    /* DONE and JOB_CONFIRM only. */
    const float *weights; /* [weight_count], in canonical order */
    size_t weight_count;
    /* DONE, JOB_SEARCH and JOB_BASELINE only; NULL: nothing goes on from here. As
       network_read_parameters(). */
    const float *state;
    size_t state_count;
    bool keep_start; /* another one is going to go on from where this one began */
};

/* *accepted is false when the worker no longer holds the claim; nothing is changed then. */
enum error store_commit(bool *accepted, struct store *store, int64_t worker, const struct job *job,
                        const struct job_result *result);

/* The parameters with which `candidate` ended, as its commit gave them; ERR_DATA when they are not
   there. They are until what goes on from them has ended, but for keep_start, or
   store_drop_states(). Freed with free(). */
enum error store_read_state(float **state, size_t *count, struct store *store, int64_t candidate);

/* Those of candidates first..last, from which nothing goes on any more. */
enum error store_drop_states(struct store *store, int64_t first, int64_t last);

/* What became of the claims that a dead worker held. */
enum release { RELEASE_NOTHING, RELEASE_QUEUED, RELEASE_FAILED };

/*
 * Closes a worker's row with `ending` (a short text) and takes back what it held. `guilty` says
 * that the worker died of its own: such attempts count, and the job fails for good when there are
 * more than `retries` of them. Attempts that were stopped from outside do not count, nor do those
 * of a pack. `job` gets the id of the (first) job concerned, -1 if none; may be NULL.
 */
enum error store_release(enum release *what, int64_t *job, struct store *store, int64_t worker,
                         const char *ending, bool guilty, int retries);

/* Closes every open worker row and queues every running job again (not guilty). Only under the
   lock of the run directory. *requeued may be NULL. */
enum error store_recover(int *requeued, struct store *store);

struct store_counts {
    int64_t status[CANDIDATE_STATUS_COUNT]; /* jobs in this state */
    int64_t total;
    int64_t final; /* done, diverged, too_big, timeout, failed, stopped */
};

enum error store_count(struct store_counts *counts, struct store *store, enum job_kind kind);

/* ---- time ---- */

/* What store_read_run() says of the times at which the run and its search have to end. */
enum error store_set_deadlines(struct store *store, int64_t deadline_utc_us,
                               int64_t search_deadline_utc_us);

/* The search is over: notes when, the first time, and ends as `stopped` what is still queued of it.
   Jobs that are running stay so. */
enum error store_end_search(struct store *store);

/* Ends as `stopped` what is still queued of the random search. */
enum error store_end_baseline(struct store *store);

/* Of all trainings that are done, confirmations too, and of the epochs of those that are running.
   First epochs, which may wait for compilers, count only where there is no second one.
 *list is freed with free(). */
enum error store_read_pace(struct pace_sample **list, size_t *count, struct store *store);

/* ---- reading ---- */

/* All candidates of the search in the order of id, each with its state and its latest attempt
   (attempt 0 when there was none yet). *list is freed with free(); NULL when there is none. */
enum error store_read_candidates(struct candidate **list, size_t *count, struct store *store);

/* The same of the random search. */
enum error store_read_baseline(struct candidate **list, size_t *count, struct store *store);

/* A candidate of either; ERR_DATA when there is no such candidate. */
enum error store_read_candidate(struct candidate *candidate, struct store *store, int64_t id);

/* All attempts at search jobs, in the order of (candidate, attempt); attempts that still run are
   left out. */
enum error store_read_attempts(struct candidate **list, size_t *count, struct store *store);

/* The same at those of the random search. */
enum error store_read_baseline_attempts(struct candidate **list, size_t *count,
                                        struct store *store);

/* The confirm jobs that are done, in the order of job id, each with its test if that is done. Freed
   with store_free_confirmations(). */
enum error store_read_confirmations(struct confirmation **list, size_t *count, struct store *store);
void store_free_confirmations(struct confirmation *list, size_t count);

/* The trained parameters of a confirm job that is done; ERR_DATA when there are none. Freed with
   free(). */
enum error store_read_weights(float **weights, size_t *count, struct store *store,
                              int64_t candidate, int replicate);

/* The learning curve of an attempt. Freed with free(). */
enum error store_read_epochs(struct epoch **list, size_t *count, struct store *store, int64_t job,
                             int attempt);

/* The learning curves of all attempts that ended, in the order of (job, attempt, epoch). Freed with
   free(). */
enum error store_read_curves(struct epoch_record **list, size_t *count, struct store *store);

/* ---- workers and events ---- */

enum { WORKER_ENDING_SIZE = 64 };

struct worker_row {
    int64_t id; /* 1.. in the order of start, one a process */
    int slot;
    char device[CANDIDATE_DEVICE_SIZE];
    int64_t started_utc_us, ended_utc_us; /* ended: 0 while the row is open */
    char ending[WORKER_ENDING_SIZE];
    int64_t committed; /* jobs */
};

/* What the tuner chose for a device (cl_kernels/tuning.h), by tuning_key(); the first that is added
   for a key stays, so that a run's workers use one, whenever they start. `text` stays as it is when
   there is none. */
enum error store_add_tuning(struct store *store, const char *key, const char *text);
enum error store_read_tuning(struct text *text, struct store *store, const char *key);

/* Opens a row for a worker that is about to be started. */
enum error store_add_worker(int64_t *worker, struct store *store, int slot,
                            const struct device_version *device);

/* What the workers' rows say of devices, each once, in the order of the first worker. *list is
   freed with free(). */
enum error store_read_versions(struct device_version **list, size_t *count, struct store *store);

enum error store_read_workers(struct worker_row **list, size_t *count, struct store *store);

enum error store_add_event(struct store *store, enum log_level level, const char *text);

#endif
