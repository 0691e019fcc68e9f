/* The store: rows round trip, claims are exclusive, results exist once, damage is named. */
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "pipeline/base/rng.h"
#include "pipeline/store.h"

#define OK(call) assert_int_equal((call), ERR_NONE)

static char directory[64];
static char path[128];

static int make_directory(void **state)
{
    (void)state;
    /* In memory where that is to be had: what is tested is what processes see. */
    snprintf(directory, sizeof directory, "%s/clade_test_store.XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/store.sqlite", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    static const char *const names[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char file[160];
        snprintf(file, sizeof file, "%s%s", path, names[i]);
        unlink(file);
    }
    return rmdir(directory);
}

static const struct store_run example_run = {
    .name = "20260131-021500",
    .created_utc_us = 1769825700123456,
    .shape = {.height = 28, .width = 27, .channels = 3, .classes = 11},
    .training_images = 60000,
    .data_check = -77,
};

static struct store *create(void)
{
    struct store *store;
    OK(store_create(&store, path, &example_run, "[search]\ncycles = 5\n"));
    return store;
}

static struct candidate example(int64_t id)
{
    struct candidate c = {.id = id,
                          .generation = (int)id / 4,
                          .parent = id < 4 ? -1 : id - 4,
                          .redraws = (int)id % 3,
                          .cost = {.parameters = 1000 + id, .macs = 5000 + id, .activations = 7},
                          .epochs = 3,
                          .train_images = 500,
                          .seed = 0xfedcba9876543210u + (uint64_t)id};
    snprintf(c.operator_name, sizeof c.operator_name, "%s", id < 4 ? "random" : "swap");
    OK(genome_parse(&c.genome, id % 2 ? "RC8k3:relu-RC16k5:gelu-FC64:tanh"
                                      : "NC32k1:swish-RC8k3:relu-RC16k5:sigmoid-FC64:relu"));
    return c;
}

static void add_examples(struct store *store, int64_t first, int64_t count)
{
    struct candidate list[64];
    assert_true(count <= 64);
    for (int64_t i = 0; i < count; i++)
        list[i] = example(first + i);
    OK(store_add(store, list, (size_t)count));
}

static int64_t add_worker(struct store *store)
{
    int64_t worker;
    OK(store_add_worker(&worker, store, 0, "Some CPU, 3.1"));
    return worker;
}

static struct job claim(struct store *store, int64_t worker)
{
    struct job job;
    bool found;
    OK(store_claim(&job, &found, store, worker));
    assert_true(found);
    return job;
}

static bool nothing_to_claim(struct store *store, int64_t worker)
{
    struct job job;
    bool found;
    OK(store_claim(&job, &found, store, worker));
    return !found;
}

static struct job_result done(double accuracy)
{
    return (struct job_result){.status = CANDIDATE_DONE,
                               .duration_s = 1.5,
                               .train_images = 444,
                               .train_loss = 0.5,
                               .validation_loss = 0.25,
                               .validation_accuracy = accuracy,
                               .images_per_s = 1234.5,
                               .gflops = 10};
}

static bool commit(struct store *store, int64_t worker, const struct job *job,
                   const struct job_result *result)
{
    bool accepted;
    OK(store_commit(&accepted, store, worker, job, result));
    return accepted;
}

static int64_t count_of(struct store *store, enum candidate_status status)
{
    struct store_counts counts;
    OK(store_count(&counts, store, JOB_SEARCH));
    return counts.status[status];
}

static void test_run_and_settings(void **state)
{
    (void)state;
    struct store *store = create();
    OK(store_close(store));
    OK(store_open(&store, path, true));
    struct store_run run;
    OK(store_read_run(&run, store));
    assert_string_equal(run.name, example_run.name);
    assert_int_equal(run.created_utc_us, example_run.created_utc_us);
    assert_memory_equal(&run.shape, &example_run.shape, sizeof run.shape);
    assert_int_equal(run.training_images, 60000);
    assert_int_equal(run.data_check, -77);
    struct text ini = {0};
    OK(store_read_settings(&ini, store));
    assert_string_equal(ini.data, "[search]\ncycles = 5\n");
    text_free(&ini);
    OK(store_close(store));
    assert_int_equal(store_create(&store, path, &example_run, ""), ERR_OUTPUT);
}

static void test_rows_round_trip(void **state)
{
    (void)state;
    struct store *store = create();
    add_examples(store, 0, 6);
    struct candidate *list;
    size_t count;
    OK(store_read_candidates(&list, &count, store));
    assert_int_equal(count, 6);
    for (int64_t i = 0; i < 6; i++) {
        struct candidate want = example(i);
        const struct candidate *have = &list[i];
        assert_int_equal(have->id, i);
        assert_int_equal(have->generation, want.generation);
        assert_int_equal(have->attempt, 0);
        assert_int_equal(have->status, CANDIDATE_QUEUED);
        assert_true(genome_equal(&have->genome, &want.genome));
        assert_string_equal(have->operator_name, want.operator_name);
        assert_int_equal(have->parent, want.parent);
        assert_int_equal(have->redraws, want.redraws);
        assert_memory_equal(&have->cost, &want.cost, sizeof want.cost);
        assert_int_equal(have->epochs, 3);
        assert_int_equal(have->train_images, 500);
        assert_true(have->seed == want.seed);
        assert_true(isnan(have->train_loss) && isnan(have->validation_loss) &&
                    isnan(have->validation_accuracy) && isnan(have->images_per_s));
        assert_string_equal(have->device, "");
    }
    free(list);

    int64_t worker = add_worker(store);
    struct job job = claim(store, worker);
    assert_int_equal(job.candidate, 0);
    assert_int_equal(job.kind, JOB_SEARCH);
    assert_int_equal(job.attempt, 1);
    assert_int_equal(job.epochs, 3);
    assert_int_equal(job.train_images, 500);
    assert_true(job.seed == example(0).seed);
    struct candidate first = example(0);
    assert_true(genome_equal(&job.genome, &first.genome));
    struct epoch epoch = {1, 0.75, 0.5, 2, 222};
    OK(store_add_epoch(store, worker, &job, &epoch));
    epoch = (struct epoch){2, NAN, 0.25, 3, 111};
    OK(store_add_epoch(store, worker, &job, &epoch));
    struct job_result result = done(0.8125);
    assert_true(commit(store, worker, &job, &result));

    struct candidate c;
    OK(store_read_candidate(&c, store, 0));
    assert_int_equal(c.status, CANDIDATE_DONE);
    assert_int_equal(c.attempt, 1);
    assert_int_equal(c.train_images, 444);
    assert_true(c.validation_accuracy == 0.8125);
    assert_true(c.validation_loss == 0.25 && c.train_loss == 0.5 && c.images_per_s == 1234.5);
    assert_true(c.duration_s == 1.5);
    assert_string_equal(c.device, "Some CPU, 3.1");
    assert_int_equal(c.worker, worker);
    assert_true(c.started_utc_us > example_run.created_utc_us / 2);
    assert_int_equal(store_read_candidate(&c, store, 6), ERR_DATA);

    struct epoch *epochs;
    OK(store_read_epochs(&epochs, &count, store, job.id, 1));
    assert_int_equal(count, 2);
    assert_int_equal(epochs[0].epoch, 1);
    assert_true(epochs[0].train_loss == 0.75 && epochs[0].images_per_s == 222);
    assert_true(isnan(epochs[1].train_loss) && epochs[1].train_accuracy == 0.25);
    free(epochs);

    struct worker_row *workers;
    OK(store_read_workers(&workers, &count, store));
    assert_int_equal(count, 1);
    assert_int_equal(workers[0].committed, 1);
    assert_int_equal(workers[0].ended_utc_us, 0);
    free(workers);
    OK(store_add_event(store, LOG_WARNING, "it's \"quoted\""));
    OK(store_close(store));
}

static void test_failed_results_have_no_scores(void **state)
{
    (void)state;
    struct store *store = create();
    add_examples(store, 0, 3);
    int64_t worker = add_worker(store);
    static const enum candidate_status ends[] = {CANDIDATE_DIVERGED, CANDIDATE_TOO_BIG,
                                                 CANDIDATE_TIMEOUT};
    for (int i = 0; i < 3; i++) {
        struct job job = claim(store, worker);
        struct job_result result = done(0.9);
        result.status = ends[i];
        result.message = "why";
        assert_true(commit(store, worker, &job, &result));
    }
    struct candidate *list;
    size_t count;
    OK(store_read_attempts(&list, &count, store));
    assert_int_equal(count, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(list[i].status, ends[i]);
        assert_true(isnan(list[i].validation_accuracy) && isnan(list[i].images_per_s));
        assert_true(list[i].duration_s == 1.5);
    }
    free(list);
    OK(store_close(store));
}

static void test_proposals_are_written_once(void **state)
{
    (void)state;
    struct store *store = create();
    add_examples(store, 0, 3);
    /* The second of the two is there already: neither may be written. */
    struct candidate twice[2] = {example(3), example(2)};
    assert_int_not_equal(store_add(store, twice, 2), ERR_NONE);
    assert_int_equal(count_of(store, CANDIDATE_QUEUED), 3);
    add_examples(store, 3, 1);
    assert_int_equal(count_of(store, CANDIDATE_QUEUED), 4);
    /* A child of nobody. */
    struct candidate orphan = example(4);
    orphan.parent = 99;
    assert_int_not_equal(store_add(store, &orphan, 1), ERR_NONE);
    assert_int_equal(count_of(store, CANDIDATE_QUEUED), 4);
    OK(store_close(store));
}

static void test_claim_is_exclusive_and_commit_needs_it(void **state)
{
    (void)state;
    struct store *a = create(), *b;
    OK(store_open(&b, path, false));
    add_examples(a, 0, 2);
    int64_t worker_a = add_worker(a), worker_b = add_worker(b);
    struct job job_a = claim(a, worker_a), job_b = claim(b, worker_b);
    assert_int_equal(job_a.candidate, 0);
    assert_int_equal(job_b.candidate, 1);
    assert_true(nothing_to_claim(a, worker_a));

    struct job_result result = done(0.5);
    assert_false(commit(b, worker_b, &job_a, &result)); /* not its job */
    struct job other_attempt = job_a;
    other_attempt.attempt = 2;
    assert_false(commit(a, worker_a, &other_attempt, &result));
    assert_int_equal(count_of(a, CANDIDATE_RUNNING), 2);

    /* b is taken for dead; its late commit and epoch change nothing. */
    enum release what;
    int64_t job;
    OK(store_release(&what, &job, a, worker_b, "killed", true, 2));
    assert_int_equal(what, RELEASE_QUEUED);
    assert_int_equal(job, job_b.id);
    assert_false(commit(b, worker_b, &job_b, &result));
    OK(store_add_epoch(b, worker_b, &job_b, &(struct epoch){1, 1, 1, 1, 1}));
    struct epoch *epochs;
    size_t count;
    OK(store_read_epochs(&epochs, &count, b, job_b.id, 1));
    assert_int_equal(count, 0);
    assert_true(nothing_to_claim(b, worker_b)); /* its row is closed */

    assert_true(commit(a, worker_a, &job_a, &result));
    assert_false(commit(a, worker_a, &job_a, &result)); /* once */
    struct job again = claim(a, worker_a);
    assert_int_equal(again.candidate, 1);
    assert_int_equal(again.attempt, 2);
    assert_true(commit(a, worker_a, &again, &result));
    OK(store_release(&what, NULL, a, worker_a, "", false, 2));
    assert_int_equal(what, RELEASE_NOTHING);
    OK(store_close(b));
    OK(store_close(a));
}

static void test_retries(void **state)
{
    (void)state;
    struct store *store = create();
    add_examples(store, 0, 1);
    enum release what;
    /* Interrupted attempts do not count. */
    for (int i = 0; i < 5; i++) {
        int64_t worker = add_worker(store);
        claim(store, worker);
        OK(store_release(&what, NULL, store, worker, "stopped", false, 1));
        assert_int_equal(what, RELEASE_QUEUED);
    }
    for (int i = 0; i < 2; i++) {
        int64_t worker = add_worker(store);
        claim(store, worker);
        OK(store_release(&what, NULL, store, worker, "signal 11", true, 1));
        assert_int_equal(what, i == 0 ? RELEASE_QUEUED : RELEASE_FAILED);
    }
    struct candidate *list;
    size_t count;
    OK(store_read_attempts(&list, &count, store));
    assert_int_equal(count, 7);
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(list[i].attempt, (int)i + 1);
        assert_int_equal(list[i].status, i < 6 ? CANDIDATE_LOST : CANDIDATE_FAILED);
    }
    free(list);
    struct candidate c;
    OK(store_read_candidate(&c, store, 0));
    assert_int_equal(c.status, CANDIDATE_FAILED);
    int64_t worker = add_worker(store);
    assert_true(nothing_to_claim(store, worker));
    OK(store_close(store));
}

static void test_recover(void **state)
{
    (void)state;
    struct store *store = create();
    add_examples(store, 0, 4);
    int64_t workers[3];
    struct job jobs[3];
    for (int i = 0; i < 3; i++) {
        workers[i] = add_worker(store);
        jobs[i] = claim(store, workers[i]);
    }
    struct job_result result = done(0.5);
    assert_true(commit(store, workers[1], &jobs[1], &result));
    OK(store_close(store));
    OK(store_open(&store, path, true));
    int requeued;
    OK(store_recover(&requeued, store));
    assert_int_equal(requeued, 2);
    assert_int_equal(count_of(store, CANDIDATE_QUEUED), 3);
    assert_int_equal(count_of(store, CANDIDATE_DONE), 1);
    for (int i = 0; i < 3; i++) {
        assert_false(commit(store, workers[i], &jobs[i], &result));
        assert_true(nothing_to_claim(store, workers[i]));
    }
    OK(store_recover(&requeued, store));
    assert_int_equal(requeued, 0);
    int64_t worker = add_worker(store);
    assert_int_equal(claim(store, worker).candidate, 0);
    assert_int_equal(claim(store, worker).candidate, 2);
    assert_int_equal(claim(store, worker).candidate, 3);
    OK(store_close(store));
}

static void test_final_jobs_are_frozen_by_the_file(void **state)
{
    (void)state;
    struct store *store = create();
    add_examples(store, 0, 1);
    int64_t worker = add_worker(store);
    struct job job = claim(store, worker);
    struct job_result result = done(0.5);
    assert_true(commit(store, worker, &job, &result));
    OK(store_close(store));
    sqlite3 *raw;
    assert_int_equal(sqlite3_open(path, &raw), SQLITE_OK);
    assert_int_not_equal(sqlite3_exec(raw, "UPDATE jobs SET status = 'queued'", NULL, NULL, NULL),
                         SQLITE_OK);
    assert_int_not_equal(
        sqlite3_exec(raw,
                     "INSERT INTO jobs (kind, candidate, replicate, epochs, train_images, seed, "
                     "status, attempts) VALUES (0, 0, 0, 1, 1, 1, 'queued', 0)",
                     NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(raw);
}

static void test_confirm(void **state)
{
    (void)state;
    struct store *store = create();
    add_examples(store, 0, 1);
    int64_t worker = add_worker(store);
    struct job job = claim(store, worker);
    struct job_result result = done(0.5);
    assert_true(commit(store, worker, &job, &result));

    struct job wanted[2] = {
        {.candidate = 0, .replicate = 0, .epochs = 9, .train_images = 0, .seed = 5},
        {.candidate = 0, .replicate = 1, .epochs = 9, .train_images = 0, .seed = UINT64_MAX}};
    OK(store_add_confirm(store, wanted, 2));
    OK(store_add_confirm(store, wanted, 2)); /* as a resumed run does */
    struct store_counts counts;
    OK(store_count(&counts, store, JOB_CONFIRM));
    assert_int_equal(counts.total, 2);
    assert_int_equal(counts.final, 0);

    uint8_t predictions[5] = {0, 1, 2, 1, 0};
    uint32_t confusion[9] = {2, 0, 0, 0, 1, 1, 0, 0, 1};
    float weights[3] = {0.5f, -1.25f, 3e-30f};
    struct confirmation confirmation = {.test_loss = 0.375,
                                        .test_accuracy = 0.8,
                                        .classes = 3,
                                        .test_images = 5,
                                        .predictions = predictions,
                                        .confusion = confusion};
    struct job confirm = claim(store, worker);
    assert_int_equal(confirm.kind, JOB_CONFIRM);
    assert_int_equal(confirm.replicate, 0);
    result.confirmation = &confirmation;
    result.weights = weights;
    result.weight_count = 3;
    assert_true(commit(store, worker, &confirm, &result));
    confirm = claim(store, worker);
    assert_true(confirm.seed == UINT64_MAX);
    result.status = CANDIDATE_DIVERGED;
    assert_true(commit(store, worker, &confirm, &result));
    OK(store_count(&counts, store, JOB_CONFIRM));
    assert_int_equal(counts.final, 2);

    struct confirmation *list;
    size_t count;
    OK(store_read_confirmations(&list, &count, store));
    assert_int_equal(count, 1);
    assert_int_equal(list[0].candidate, 0);
    assert_int_equal(list[0].replicate, 0);
    assert_int_equal(list[0].epochs, 9);
    assert_int_equal(list[0].train_images, 444);
    assert_true(list[0].test_loss == 0.375 && list[0].test_accuracy == 0.8);
    assert_int_equal(list[0].test_images, 5);
    assert_memory_equal(list[0].predictions, predictions, sizeof predictions);
    assert_int_equal(list[0].classes, 3);
    assert_memory_equal(list[0].confusion, confusion, sizeof confusion);
    assert_string_equal(list[0].device, "Some CPU, 3.1");
    struct candidate first = example(0);
    assert_true(genome_equal(&list[0].genome, &first.genome));
    store_free_confirmations(list, count);

    float *read;
    OK(store_read_weights(&read, &count, store, 0, 0));
    assert_int_equal(count, 3);
    assert_memory_equal(read, weights, sizeof weights);
    free(read);
    assert_int_equal(store_read_weights(&read, &count, store, 0, 1), ERR_DATA);
    assert_null(read);
    /* The search's own list does not see confirm. */
    struct candidate *attempts;
    OK(store_read_attempts(&attempts, &count, store));
    assert_int_equal(count, 1);
    free(attempts);
    OK(store_close(store));
}

/* ---- several processes ---- */

/* A worker process: claims and commits until nothing is left. Exit code 0 when all went well. */
static pid_t start_worker(int64_t worker)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    struct store *store;
    if (store_open(&store, path, false) != ERR_NONE)
        _exit(1);
    for (;;) {
        struct job job;
        bool found, accepted;
        if (store_claim(&job, &found, store, worker) != ERR_NONE)
            _exit(2);
        if (!found)
            break;
        struct job_result result = done((double)job.candidate / 1000);
        if (store_add_epoch(store, worker, &job, &(struct epoch){1, 1, 1, 1, 1}) != ERR_NONE ||
            store_commit(&accepted, store, worker, &job, &result) != ERR_NONE || !accepted)
            _exit(3);
    }
    _exit(store_close(store) == ERR_NONE ? 0 : 4);
}

static void check_every_candidate_once(struct store *store, int64_t candidates)
{
    struct store_counts counts;
    OK(store_count(&counts, store, JOB_SEARCH));
    assert_int_equal(counts.total, candidates);
    assert_int_equal(counts.status[CANDIDATE_DONE], candidates);
    struct candidate *list;
    size_t count;
    int64_t seen = 0;
    OK(store_read_attempts(&list, &count, store));
    for (size_t i = 0; i < count; i++) {
        if (list[i].status != CANDIDATE_DONE)
            continue;
        assert_int_equal(list[i].id, seen);
        assert_true(list[i].validation_accuracy == (double)seen / 1000);
        seen++;
    }
    assert_int_equal(seen, candidates);
    free(list);
}

static void test_many_processes_claim(void **state)
{
    (void)state;
    struct store *store = create();
    for (int i = 0; i < 4; i++)
        add_examples(store, 50 * i, 50);
    int64_t workers[4];
    for (int i = 0; i < 4; i++)
        workers[i] = add_worker(store);
    OK(store_close(store)); /* SQLite connections do not survive fork() */
    pid_t pids[4];
    for (int i = 0; i < 4; i++)
        pids[i] = start_worker(workers[i]);
    for (int i = 0; i < 4; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    OK(store_open(&store, path, true));
    check_every_candidate_once(store, 200);
    OK(store_close(store));
}

static void test_kill_9_at_any_moment(void **state)
{
    (void)state;
    struct store *store = create();
    struct rng rng;
    rng_seed(&rng, 7);
    enum { ROUNDS = 12, PER_ROUND = 40 };
    for (int round = 0; round < ROUNDS; round++) {
        add_examples(store, PER_ROUND * round, PER_ROUND);
        int64_t workers[2] = {add_worker(store), add_worker(store)};
        OK(store_close(store));
        pid_t pids[2] = {start_worker(workers[0]), start_worker(workers[1])};
        struct timespec pause = {.tv_nsec = 1000000 + (long)rng_below(&rng, 60000000)};
        nanosleep(&pause, NULL);
        for (int i = 0; i < 2; i++) {
            kill(pids[i], SIGKILL);
            assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
        }
        OK(store_open(&store, path, true));
        OK(store_recover(NULL, store));
        assert_int_equal(count_of(store, CANDIDATE_RUNNING), 0);
    }
    int64_t worker = add_worker(store);
    OK(store_close(store));
    pid_t pid = start_worker(worker);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    OK(store_open(&store, path, true));
    check_every_candidate_once(store, ROUNDS * PER_ROUND);
    OK(store_close(store));
}

/* ---- bad files ---- */

static void assert_refused(const char *part)
{
    struct store *store;
    assert_int_equal(store_open(&store, path, true), ERR_DATA);
    if (strstr(error_message(), part) == NULL || strchr(error_message(), '\n') != NULL)
        fail_msg("unclear message: %s", error_message());
}

static void write_file(const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void run_sql(const char *sql)
{
    sqlite3 *raw;
    assert_int_equal(sqlite3_open(path, &raw), SQLITE_OK);
    assert_int_equal(sqlite3_exec(raw, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(raw);
}

static void test_missing_file(void **state)
{
    (void)state;
    assert_refused("does not exist");
    assert_int_not_equal(access(path, F_OK), 0); /* and nothing was made */
}

static void test_foreign_files(void **state)
{
    (void)state;
    write_file("", 0);
    assert_refused("stopped before it began");
    write_file("genome,accuracy\r\n", 17);
    assert_refused("damaged");
    assert_int_equal(unlink(path), 0);
    run_sql("CREATE TABLE notes (text)");
    assert_refused("not one that clade has written");
}

static void test_newer_version(void **state)
{
    (void)state;
    OK(store_close(create()));
    run_sql("PRAGMA user_version = 1000");
    assert_refused("store version 1000");
}

static void test_lost_pages(void **state)
{
    (void)state;
    struct store *store = create();
    for (int i = 0; i < 4; i++)
        add_examples(store, 50 * i, 50);
    OK(store_close(store));
    struct stat whole;
    assert_int_equal(stat(path, &whole), 0);
    assert_int_equal(truncate(path, whole.st_size / 2 / 4096 * 4096), 0);
    assert_refused("damaged");
}

static void test_overwritten_pages(void **state)
{
    (void)state;
    struct store *store = create();
    for (int i = 0; i < 4; i++)
        add_examples(store, 50 * i, 50);
    OK(store_close(store));
    struct stat whole;
    assert_int_equal(stat(path, &whole), 0);
    int file = open(path, O_WRONLY);
    assert_true(file >= 0);
    static const char junk[1000] = "junk";
    for (off_t at = 4096; at < whole.st_size; at += 4096)
        assert_int_equal(pwrite(file, junk, sizeof junk, at), sizeof junk);
    assert_int_equal(close(file), 0);
    assert_refused("damaged");
}

static void test_unreadable_genome(void **state)
{
    (void)state;
    struct store *store = create();
    add_examples(store, 0, 2);
    OK(store_close(store));
    run_sql("UPDATE candidates SET genome = 'NC0k3:relu' WHERE id = 1");
    OK(store_open(&store, path, true));
    struct candidate *list;
    size_t count;
    assert_int_equal(store_read_candidates(&list, &count, store), ERR_DATA);
    assert_null(list);
    assert_int_equal(count, 0);
    OK(store_close(store));
}

static void test_no_directory(void **state)
{
    (void)state;
    struct store *store;
    assert_int_equal(
        store_create(&store, "/tmp/clade_no_such_directory/store.sqlite", &example_run, ""),
        ERR_OUTPUT);
    assert_non_null(strstr(error_message(), "/tmp/clade_no_such_directory/store.sqlite"));
}

static void test_disk_full(void **state)
{
    (void)state;
    struct store *store = create();
    struct rlimit old, tight = {.rlim_cur = 200000, .rlim_max = RLIM_INFINITY};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    tight.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    enum error err = ERR_NONE;
    int64_t written = 0;
    while (err == ERR_NONE && written < 100000) {
        struct candidate c = example(written);
        err = store_add(store, &c, 1);
        written += err == ERR_NONE;
    }
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(err, ERR_OUTPUT);
    assert_true(written > 0);
    /* Whole candidates, none half, and it goes on once there is room. */
    assert_int_equal(count_of(store, CANDIDATE_QUEUED), written);
    add_examples(store, written, 1);
    OK(store_close(store));
    OK(store_open(&store, path, true));
    assert_int_equal(count_of(store, CANDIDATE_QUEUED), written + 1);
    OK(store_close(store));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_run_and_settings),
        CASE(test_rows_round_trip),
        CASE(test_failed_results_have_no_scores),
        CASE(test_proposals_are_written_once),
        CASE(test_claim_is_exclusive_and_commit_needs_it),
        CASE(test_retries),
        CASE(test_recover),
        CASE(test_final_jobs_are_frozen_by_the_file),
        CASE(test_confirm),
        CASE(test_many_processes_claim),
        CASE(test_kill_9_at_any_moment),
        CASE(test_missing_file),
        CASE(test_foreign_files),
        CASE(test_newer_version),
        CASE(test_lost_pages),
        CASE(test_overwritten_pages),
        CASE(test_unreadable_genome),
        CASE(test_no_directory),
        CASE(test_disk_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
