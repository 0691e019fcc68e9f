/* Workers that crash, fail, hang and diverge. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "pipeline/base/error.h"
#include "pipeline/store.h"
#include "tests/clade_process.h"

static char directory[64];

static int set_up(void **state)
{
    (void)state;
    clade_directory(directory);
    clade_write_search(directory);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unsetenv("CLADE_FAULT");
    clade_remove(directory);
    return 0;
}

static bool exists(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return access(path, F_OK) == 0;
}

struct attempts {
    int by_status[CANDIDATE_STATUS_COUNT]; /* of one candidate */
};

static struct attempts read_attempts(int64_t id)
{
    char path[128];
    struct attempts attempts = {{0}};
    struct store *store;
    struct candidate *list;
    size_t count;
    snprintf(path, sizeof path, "%s/run/store.sqlite", directory);
    assert_int_equal(store_open(&store, path, true), ERR_NONE);
    assert_int_equal(store_read_attempts(&list, &count, store), ERR_NONE);
    for (size_t i = 0; i < count; i++)
        if (list[i].id == id)
            attempts.by_status[list[i].status]++;
    free(list);
    assert_int_equal(store_close(store), ERR_NONE);
    return attempts;
}

static void test_worker_crash_is_retried(void **state)
{
    (void)state;
    setenv("CLADE_FAULT", "crash_once:1", 1);
    clade_assert_fine(
        clade("run %s/search.ini --set search.cycles=4 --out %s/run", directory, directory));
    struct attempts attempts = read_attempts(1);
    assert_int_equal(attempts.by_status[CANDIDATE_LOST], 1);
    assert_int_equal(attempts.by_status[CANDIDATE_DONE], 1);
}

static void test_device_failure_is_retried(void **state)
{
    (void)state;
    setenv("CLADE_FAULT", "device_once:1", 1);
    clade_assert_fine(
        clade("run %s/search.ini --set search.cycles=4 --out %s/run", directory, directory));
    assert_int_equal(read_attempts(1).by_status[CANDIDATE_LOST], 1);
    assert_int_equal(read_attempts(1).by_status[CANDIDATE_DONE], 1);
}

static void test_candidate_that_always_crashes(void **state)
{
    (void)state;
    setenv("CLADE_FAULT", "crash:2", 1);
    clade_assert_fine(clade("run %s/search.ini --set devices.retries=1 --set devices.slots=1 --out "
                            "%s/run",
                            directory, directory));
    struct attempts attempts = read_attempts(2);
    assert_int_equal(attempts.by_status[CANDIDATE_LOST], 1);
    assert_int_equal(attempts.by_status[CANDIDATE_FAILED], 1);
    const struct clade_result *result = clade("status %s/run --format csv", directory);
    assert_non_null(strstr(result->out, "\"finished\""));
}

static void test_no_slot_is_left(void **state)
{
    (void)state;
    setenv("CLADE_FAULT", "device:*", 1);
    const struct clade_result *result = clade(
        "run %s/search.ini --set devices.retries=0 --set devices.slots=1 --set search.cycles=20 "
        "--set search.population=20 --out %s/run",
        directory, directory);
    assert_int_equal(result->status, error_exit_code(ERR_DEVICE));
    assert_non_null(strstr(result->err, "--resume"));
    unsetenv("CLADE_FAULT");
    clade_assert_fine(clade("run --resume %s/run", directory));
}

static void test_hanging_worker_is_killed(void **state)
{
    (void)state;
    setenv("CLADE_FAULT", "hang_once:0", 1);
    clade_assert_fine(clade("run %s/search.ini --set devices.time_limit_s=4 --set "
                            "devices.slots=1 --set search.cycles=3 --out %s/run",
                            directory, directory));
    assert_int_equal(read_attempts(0).by_status[CANDIDATE_TIMEOUT], 1);
    assert_int_equal(read_attempts(1).by_status[CANDIDATE_DONE], 1);
}

static void test_full_disk(void **state)
{
    (void)state;
    char command[1024];
    snprintf(
        command, sizeof command,
        "ulimit -f 200; %s run %s/search.ini --set search.cycles=100000 --out %s/run 2> %s/err "
        "> /dev/null; test $? = %d && grep -q '^clade: .*resume' %s/err",
        CLADE_BINARY, directory, directory, directory, error_exit_code(ERR_OUTPUT), directory);
    assert_int_equal(system(command), 0);
    clade_assert_fine(clade("status %s/run", directory));
    pid_t pid = clade_start("run --resume %s/run", directory);
    assert_int_equal(clade_wait(pid, 5), -1); /* it goes on */
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(clade_wait(pid, 20), error_exit_code(ERR_STOPPED));
}

static void test_diverging_and_too_slow_candidates(void **state)
{
    (void)state;
    const struct clade_result *result =
        clade("run %s/search.ini --set training.learning_rate=100 --set training.optimizer=sgd "
              "--set training.norm=none --set training.schedule=constant --set "
              "training.weight_decay=10 --set training.epochs=40 "
              "--set search.cycles=3 --out %s/run",
              directory, directory);
    if (result->status != error_exit_code(ERR_DIVERGED))
        fail_msg("exit code %d: %s%s", result->status, result->err, result->out);
    assert_non_null(strstr(result->err, "diverged"));
    for (int64_t id = 0; id < 3; id++)
        assert_int_equal(read_attempts(id).by_status[CANDIDATE_DIVERGED], 1);
    assert_true(exists("run/generations/gen_0000.csv"));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_worker_crash_is_retried),           CASE(test_device_failure_is_retried),
        CASE(test_candidate_that_always_crashes),     CASE(test_no_slot_is_left),
        CASE(test_hanging_worker_is_killed),          CASE(test_full_disk),
        CASE(test_diverging_and_too_slow_candidates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
