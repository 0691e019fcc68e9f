/* Runs that end by a time, on a slice of Fashion-MNIST. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "pipeline/base/clock.h"
#include "pipeline/store.h"
#include "tests/clade_process.h"

/* No cycles: only time ends it. */
static const char search[] = "[data]\n"
                             "validation_images = 500\n"
                             "[space]\n"
                             "max_layers = 4\n"
                             "filters = 4 8\n"
                             "kernels = 1 3\n"
                             "activations = relu\n"
                             "[search]\n"
                             "population = 3\n"
                             "sample = 2\n"
                             "in_flight = 2\n"
                             "[training]\n"
                             "epochs = 1\n"
                             "train_images = 640\n"
                             "[confirm]\n"
                             "epochs = 2\n"
                             "seeds = 2\n"
                             "train_images = 640\n";

static char directory[64];

static int set_up(void **state)
{
    (void)state;
    clade_directory(directory);
    clade_write_text(directory, "search.ini", search);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    clade_remove(directory);
    return 0;
}

static struct store_run read_store(struct store_counts *found, struct store_counts *confirmed)
{
    char path[128];
    struct store *store;
    struct store_run run;
    snprintf(path, sizeof path, "%s/run/store.sqlite", directory);
    assert_int_equal(store_open(&store, path, false), ERR_NONE);
    assert_int_equal(store_read_run(&run, store), ERR_NONE);
    assert_int_equal(store_count(found, store, JOB_SEARCH), ERR_NONE);
    assert_int_equal(store_count(confirmed, store, JOB_CONFIRM), ERR_NONE);
    assert_int_equal(store_close(store), ERR_NONE);
    return run;
}

/* Everything that was begun has ended, the best is confirmed, and the report is whole. */
static int64_t assert_complete(const struct clade_result *result)
{
    struct store_counts found, confirmed;
    clade_assert_fine(result);
    assert_non_null(strstr(result->out, "test accuracy"));
    struct store_run run = read_store(&found, &confirmed);
    assert_true(run.search_ended_utc_us > 0);
    assert_int_equal(found.final, found.total);
    assert_true(found.status[CANDIDATE_DONE] >= 1);
    assert_int_equal(confirmed.total, 2);
    assert_int_equal(confirmed.status[CANDIDATE_DONE], 2);
    result = clade("status %s/run", directory);
    clade_assert_fine(result);
    assert_non_null(strstr(result->out, "finished"));
    assert_null(strstr(result->out, "time left"));
    char command[256];
    snprintf(command, sizeof command,
             "cd %s/run && ! grep -q 'not finished' report.md && test -s results.xlsx && "
             "grep -q '\"confirmed\"' ../runs.csv && test -s best_genome.txt",
             directory);
    assert_int_equal(system(command), 0);
    return found.status[CANDIDATE_DONE];
}

static void test_budget(void **state)
{
    (void)state;
    double start_s = clock_monotonic_s();
    const struct clade_result *result =
        clade("run %s/search.ini --budget 40s --out %s/run", directory, directory);
    /* On a machine that is busy with other tests the last training may be late. */
    assert_true(clock_monotonic_s() - start_s < 80);
    int64_t done = assert_complete(result);
    /* A search that has ended is not resumed, with or without time. */
    clade_assert_fine(clade("run --resume %s/run", directory));
    assert_int_equal(assert_complete(clade("run --resume %s/run --budget 1h", directory)), done);
}

/* The random search beside the search has its share of the time. */
static void test_budget_with_a_random_search(void **state)
{
    (void)state;
    struct store_counts found, confirmed, random;
    struct store *store;
    char path[128];
    const struct clade_result *result =
        clade("run %s/search.ini --budget 50s --set confirm.baseline=random --out %s/run",
              directory, directory);
    clade_assert_fine(result);
    read_store(&found, &confirmed);
    snprintf(path, sizeof path, "%s/run/store.sqlite", directory);
    assert_int_equal(store_open(&store, path, false), ERR_NONE);
    assert_int_equal(store_count(&random, store, JOB_BASELINE), ERR_NONE);
    assert_int_equal(store_close(store), ERR_NONE);
    assert_true(random.status[CANDIDATE_DONE] >= 1);
    assert_int_equal(random.final, random.total);
    assert_int_equal(confirmed.final, confirmed.total);
    assert_true(confirmed.total >= 2);
    result = clade("status %s/run", directory);
    clade_assert_fine(result);
    assert_non_null(strstr(result->out, "finished"));
    assert_non_null(strstr(result->out, "better than random: "));
}

static void test_search_budget_goes_on_where_it_was(void **state)
{
    (void)state;
    struct store_counts found = {0}, confirmed;
    pid_t pid =
        clade_start("run %s/search.ini --search-budget 25s --out %s/run", directory, directory);
    for (double end = clock_monotonic_s() + 100; found.status[CANDIDATE_DONE] < 2;) {
        char path[128];
        assert_true(clock_monotonic_s() < end);
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        snprintf(path, sizeof path, "%s/run/best_genome.txt", directory);
        if (access(path, F_OK) == 0)
            read_store(&found, &confirmed);
    }
    const struct clade_result *result = clade("status %s/run", directory);
    clade_assert_fine(result);
    if (strstr(result->out, "of the search") == NULL)
        fail_msg("no time left: %s", result->out);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(clade_wait(pid, 10), 128 + SIGKILL);
    /* What was trained before the kill counts, so there is less than the budget left. */
    assert_complete(clade("run --resume %s/run", directory));
    result = clade("status %s/run --format csv", directory);
    clade_assert_fine(result);
    assert_non_null(strstr(result->out, "\"finished\""));
}

static void test_too_little_time(void **state)
{
    (void)state;
    struct store_counts found, confirmed;
    /* No candidate ends in a second. */
    const struct clade_result *result =
        clade("run %s/search.ini --budget 1s --out %s/run", directory, directory);
    assert_int_equal(result->status, error_exit_code(ERR_STOPPED));
    assert_non_null(strstr(result->err, "before any candidate had a score"));
    assert_int_equal(read_store(&found, &confirmed).search_ended_utc_us, 0);
    assert_int_equal(found.status[CANDIDATE_QUEUED], 3);
    /* With more of it the same run ends well. */
    assert_complete(clade("run --resume %s/run --budget 40s", directory));
}

static void test_confirm_is_cut(void **state)
{
    (void)state;
    struct store_counts found, confirmed;
    /* Hours of confirm: it is begun, and ended by the time. */
    const struct clade_result *result =
        clade("run %s/search.ini --budget 20s --set confirm.epochs=10000 --out %s/run", directory,
              directory);
    assert_int_equal(result->status, error_exit_code(ERR_STOPPED));
    assert_non_null(strstr(result->err, "0 of 2 confirmations"));
    assert_true(read_store(&found, &confirmed).search_ended_utc_us > 0);
    assert_int_equal(confirmed.status[CANDIDATE_QUEUED], 2);
    assert_int_equal(found.final, found.total);
    char path[128];
    snprintf(path, sizeof path, "%s/run/report.html", directory);
    assert_int_equal(access(path, F_OK), 0);
}

static void test_refused(void **state)
{
    (void)state;
    clade_assert_refused(clade("run %s/search.ini --until 25:00", directory), ERR_USAGE, "06:30");
    clade_assert_refused(clade("run %s/search.ini --budget 90", directory), ERR_USAGE, "7h30m");
    clade_assert_refused(clade("run --resume %s --set search.seed=2", directory), ERR_USAGE,
                         "--until");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_budget),
        CASE(test_budget_with_a_random_search),
        CASE(test_search_budget_goes_on_where_it_was),
        CASE(test_too_little_time),
        CASE(test_confirm_is_cut),
        CASE(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
