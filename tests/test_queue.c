/* The queue of the store: claims are exclusive, results exist once, whatever dies. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "pipeline/base/rng.h"
#include "tests/store_fixture.h"

static void test_claim_is_exclusive_and_commit_needs_it(void **state)
{
    (void)state;
    struct store *a = fixture_create(), *b;
    OK(store_open(&b, fixture_path, false));
    fixture_add(a, 0, 2);
    int64_t worker_a = fixture_worker(a), worker_b = fixture_worker(b);
    struct job job_a = fixture_claim(a, worker_a), job_b = fixture_claim(b, worker_b);
    assert_int_equal(job_a.candidate, 0);
    assert_int_equal(job_b.candidate, 1);
    assert_true(fixture_nothing_to_claim(a, worker_a));

    struct job_result result = fixture_done(0.5);
    assert_false(fixture_commit(b, worker_b, &job_a, &result)); /* not its job */
    struct job other_attempt = job_a;
    other_attempt.attempt = 2;
    assert_false(fixture_commit(a, worker_a, &other_attempt, &result));
    assert_int_equal(fixture_count(a, CANDIDATE_RUNNING), 2);

    /* b is taken for dead; its late commit and epoch change nothing. */
    enum release what;
    int64_t job;
    OK(store_release(&what, &job, a, worker_b, "killed", true, 2));
    assert_int_equal(what, RELEASE_QUEUED);
    assert_int_equal(job, job_b.id);
    assert_false(fixture_commit(b, worker_b, &job_b, &result));
    OK(store_add_epoch(b, worker_b, &job_b, &(struct epoch){1, 1, 1, 1, 1}));
    struct epoch *epochs;
    size_t count;
    OK(store_read_epochs(&epochs, &count, b, job_b.id, 1));
    assert_int_equal(count, 0);
    assert_true(fixture_nothing_to_claim(b, worker_b)); /* its row is closed */

    assert_true(fixture_commit(a, worker_a, &job_a, &result));
    assert_false(fixture_commit(a, worker_a, &job_a, &result)); /* once */
    struct job again = fixture_claim(a, worker_a);
    assert_int_equal(again.candidate, 1);
    assert_int_equal(again.attempt, 2);
    assert_true(fixture_commit(a, worker_a, &again, &result));
    OK(store_release(&what, NULL, a, worker_a, "", false, 2));
    assert_int_equal(what, RELEASE_NOTHING);
    OK(store_close(b));
    OK(store_close(a));
}

static void test_retries(void **state)
{
    (void)state;
    struct store *store = fixture_create();
    fixture_add(store, 0, 1);
    enum release what;
    /* Interrupted attempts do not count. */
    for (int i = 0; i < 5; i++) {
        int64_t worker = fixture_worker(store);
        fixture_claim(store, worker);
        OK(store_release(&what, NULL, store, worker, "stopped", false, 1));
        assert_int_equal(what, RELEASE_QUEUED);
    }
    for (int i = 0; i < 2; i++) {
        int64_t worker = fixture_worker(store);
        fixture_claim(store, worker);
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
    int64_t worker = fixture_worker(store);
    assert_true(fixture_nothing_to_claim(store, worker));
    OK(store_close(store));
}

static void test_recover(void **state)
{
    (void)state;
    struct store *store = fixture_create();
    fixture_add(store, 0, 4);
    int64_t workers[3];
    struct job jobs[3];
    for (int i = 0; i < 3; i++) {
        workers[i] = fixture_worker(store);
        jobs[i] = fixture_claim(store, workers[i]);
    }
    struct job_result result = fixture_done(0.5);
    assert_true(fixture_commit(store, workers[1], &jobs[1], &result));
    OK(store_close(store));
    OK(store_open(&store, fixture_path, true));
    int requeued;
    OK(store_recover(&requeued, store));
    assert_int_equal(requeued, 2);
    assert_int_equal(fixture_count(store, CANDIDATE_QUEUED), 3);
    assert_int_equal(fixture_count(store, CANDIDATE_DONE), 1);
    for (int i = 0; i < 3; i++) {
        assert_false(fixture_commit(store, workers[i], &jobs[i], &result));
        assert_true(fixture_nothing_to_claim(store, workers[i]));
    }
    OK(store_recover(&requeued, store));
    assert_int_equal(requeued, 0);
    int64_t worker = fixture_worker(store);
    assert_int_equal(fixture_claim(store, worker).candidate, 0);
    assert_int_equal(fixture_claim(store, worker).candidate, 2);
    assert_int_equal(fixture_claim(store, worker).candidate, 3);
    OK(store_close(store));
}

static void add(struct store *store, int64_t id, const char *genome, int epochs)
{
    struct candidate c = fixture_candidate(id);
    OK(genome_parse(&c.genome, genome));
    c.epochs = epochs;
    c.train_images = 100;
    OK(store_add(store, &c, 1));
}

#define SHAPE(a, b) "RC8k3:" a "-RC16k3:" b "-FC64:relu"

/* Fails unless a claim of at most `most` gives these candidates; `jobs` gets them. */
static void claim_pack(struct job jobs[PACK_MAX], struct store *store, int64_t worker, int most,
                       int expected_count, const int64_t *expected)
{
    int count;
    OK(store_claim_pack(jobs, &count, store, worker, most));
    assert_int_equal(count, expected_count);
    for (int i = 0; i < count; i++) {
        assert_int_equal(jobs[i].candidate, expected[i]);
        assert_int_equal(jobs[i].epochs, jobs[0].epochs);
    }
}

static void test_packs_have_one_shape(void **state)
{
    (void)state;
    struct store *store = fixture_create();
    struct job jobs[PACK_MAX];
    add(store, 0, SHAPE("relu", "relu"), 2);
    add(store, 1, SHAPE("tanh", "gelu"), 2);
    add(store, 2, "RC8k3:relu-RC24k3:relu-FC64:relu", 2); /* another shape */
    add(store, 3, SHAPE("relu", "relu"), 5);              /* another fidelity */
    add(store, 4, SHAPE("swish", "relu"), 2);
    add(store, 5, SHAPE("relu", "tanh"), 2);
    OK(store_add_confirm(
        store, &(struct job){.candidate = 0, .epochs = 2, .train_images = 100, .seed = 1}, 1));
    int64_t worker = fixture_worker(store);
    claim_pack(jobs, store, worker, 3, 3, (const int64_t[]){0, 1, 4});
    assert_int_equal(fixture_count(store, CANDIDATE_RUNNING), 3);
    /* Each is committed by itself. */
    struct job_result result = fixture_done(0.5);
    assert_true(fixture_commit(store, worker, &jobs[1], &result));
    assert_int_equal(fixture_count(store, CANDIDATE_RUNNING), 2);
    claim_pack(jobs, store, worker, 3, 1, (const int64_t[]){2});
    claim_pack(jobs, store, worker, 3, 1, (const int64_t[]){3});
    claim_pack(jobs, store, worker, 3, 1, (const int64_t[]){5});
    claim_pack(jobs, store, worker, 3, 1, (const int64_t[]){0}); /* to confirm */
    assert_int_equal(jobs[0].kind, JOB_CONFIRM);
    claim_pack(jobs, store, worker, 3, 0, NULL);
    OK(store_close(store));
}

/* No worker takes what others could begin with. */
static void test_packs_share_the_queue(void **state)
{
    (void)state;
    struct store *store = fixture_create();
    struct job jobs[PACK_MAX];
    int64_t workers[3];
    for (int i = 0; i < 7; i++)
        add(store, i, SHAPE("relu", "relu"), 2);
    for (int i = 0; i < 3; i++)
        workers[i] = fixture_worker(store);
    claim_pack(jobs, store, workers[0], PACK_MAX, 3, (const int64_t[]){0, 1, 2});
    claim_pack(jobs, store, workers[1], PACK_MAX, 2, (const int64_t[]){3, 4});
    claim_pack(jobs, store, workers[2], 1, 1, (const int64_t[]){5});
    OK(store_close(store));
}

/* All of a dead worker's pack go back, without blame, and are alone from then on: then the one that
   kills its workers is found. */
static void test_pack_of_a_dead_worker(void **state)
{
    (void)state;
    struct store *store = fixture_create();
    struct job jobs[PACK_MAX];
    enum release what;
    int64_t job;
    for (int i = 0; i < 4; i++)
        add(store, i, SHAPE("relu", "relu"), 2);
    int64_t worker = fixture_worker(store);
    claim_pack(jobs, store, worker, 3, 3, (const int64_t[]){0, 1, 2});
    struct job_result result = fixture_done(0.5);
    assert_true(fixture_commit(store, worker, &jobs[0], &result));
    int64_t first = jobs[1].id;
    struct job late = jobs[2];
    OK(store_release(&what, &job, store, worker, "signal 11", true, 0));
    assert_int_equal(what, RELEASE_QUEUED);
    assert_int_equal(job, first);
    assert_int_equal(fixture_count(store, CANDIDATE_QUEUED), 3);
    assert_false(fixture_commit(store, worker, &late, &result));

    worker = fixture_worker(store);
    claim_pack(jobs, store, worker, 3, 1, (const int64_t[]){1});
    OK(store_release(&what, &job, store, worker, "signal 11", true, 0));
    assert_int_equal(what, RELEASE_FAILED); /* now it was nobody else */
    worker = fixture_worker(store);
    claim_pack(jobs, store, worker, 3, 1, (const int64_t[]){2});
    claim_pack(jobs, store, worker, 3, 1, (const int64_t[]){3});
    int requeued;
    OK(store_recover(&requeued, store));
    assert_int_equal(requeued, 2);
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
    if (store_open(&store, fixture_path, false) != ERR_NONE)
        _exit(1);
    for (;;) {
        struct job job;
        bool found, accepted;
        if (store_claim(&job, &found, store, worker) != ERR_NONE)
            _exit(2);
        if (!found)
            break;
        struct job_result result = fixture_done((double)job.candidate / 1000);
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
    struct store *store = fixture_create();
    for (int i = 0; i < 4; i++)
        fixture_add(store, 50 * i, 50);
    int64_t workers[4];
    for (int i = 0; i < 4; i++)
        workers[i] = fixture_worker(store);
    OK(store_close(store)); /* SQLite connections do not survive fork() */
    pid_t pids[4];
    for (int i = 0; i < 4; i++)
        pids[i] = start_worker(workers[i]);
    for (int i = 0; i < 4; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    OK(store_open(&store, fixture_path, true));
    check_every_candidate_once(store, 200);
    OK(store_close(store));
}

static void test_kill_9_at_any_moment(void **state)
{
    (void)state;
    struct store *store = fixture_create();
    struct rng rng;
    rng_seed(&rng, 7);
    enum { ROUNDS = 12, PER_ROUND = 40 };
    for (int round = 0; round < ROUNDS; round++) {
        fixture_add(store, PER_ROUND * round, PER_ROUND);
        int64_t workers[2] = {fixture_worker(store), fixture_worker(store)};
        OK(store_close(store));
        pid_t pids[2] = {start_worker(workers[0]), start_worker(workers[1])};
        struct timespec pause = {.tv_nsec = 1000000 + (long)rng_below(&rng, 60000000)};
        nanosleep(&pause, NULL);
        for (int i = 0; i < 2; i++) {
            kill(pids[i], SIGKILL);
            assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
        }
        OK(store_open(&store, fixture_path, true));
        OK(store_recover(NULL, store));
        assert_int_equal(fixture_count(store, CANDIDATE_RUNNING), 0);
    }
    int64_t worker = fixture_worker(store);
    OK(store_close(store));
    pid_t pid = start_worker(worker);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    OK(store_open(&store, fixture_path, true));
    check_every_candidate_once(store, ROUNDS * PER_ROUND);
    OK(store_close(store));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_claim_is_exclusive_and_commit_needs_it),
        CASE(test_retries),
        CASE(test_recover),
        CASE(test_packs_have_one_shape),
        CASE(test_packs_share_the_queue),
        CASE(test_pack_of_a_dead_worker),
        CASE(test_many_processes_claim),
        CASE(test_kill_9_at_any_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
