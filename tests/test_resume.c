/*
 * A search on real data that is killed with kill -9 at five random moments and resumed has every
 * candidate exactly once, the same results as a search that was not disturbed, and files equal to
 * those rebuilt from its store.
 */
#include <math.h>
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
#include "pipeline/base/rng.h"
#include "pipeline/store.h"
#include "tests/clade_process.h"

enum { CANDIDATES = 18, POPULATION = 5, KILLS = 5 };

static const char search[] = "[data]\n"
                             "validation_images = 300\n"
                             "[space]\n"
                             "max_layers = 4\n"
                             "filters = 4 8\n"
                             "kernels = 1 3\n"
                             "activations = relu\n"
                             "[search]\n"
                             "population = 5\n"
                             "sample = 2\n"
                             "cycles = 18\n"
                             "in_flight = 3\n"
                             "[training]\n"
                             "epochs = 1\n"
                             "batch = 64\n"
                             "train_images = 640\n"
                             "[confirm]\n"
                             "epochs = 1\n"
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

/* Candidates that have ended; -1 while there is no store yet. */
static int64_t count_ended(const char *name)
{
    struct store_counts counts;
    struct store *store = clade_open_store(directory, name);
    if (store == NULL)
        return -1;
    assert_int_equal(store_count(&counts, store, JOB_SEARCH), ERR_NONE);
    assert_int_equal(store_close(store), ERR_NONE);
    return counts.final;
}

static void wait_for_ended(const char *name, int64_t wanted, pid_t pid)
{
    for (double end = clock_monotonic_s() + 200; count_ended(name) < wanted;) {
        assert_true(clock_monotonic_s() < end);
        assert_int_equal(clade_wait(pid, 0.02), -1);
    }
}

/* The death of the supervisor is the death of its workers. */
static void assert_no_process_left(const char *name)
{
    char word[128];
    snprintf(word, sizeof word, "%s/%s", directory, name);
    for (double end = clock_monotonic_s() + 10; clade_count_processes(word) > 0;) {
        if (clock_monotonic_s() > end)
            fail_msg("%d processes of a killed run still live", clade_count_processes(word));
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
}

static size_t read_candidates(struct candidate **list, const char *name)
{
    size_t count;
    struct store *store = clade_open_store(directory, name);
    assert_non_null(store);
    assert_int_equal(store_read_candidates(list, &count, store), ERR_NONE);
    assert_int_equal(store_close(store), ERR_NONE);
    return count;
}

/* What a search decides and measures, but for times and places. */
static void assert_same_search(const char *a_name, const char *b_name)
{
    struct candidate *a, *b;
    size_t count = read_candidates(&a, a_name);
    assert_int_equal(count, CANDIDATES);
    assert_int_equal(read_candidates(&b, b_name), CANDIDATES);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(a[i].id, (int64_t)i);
        assert_int_equal(b[i].id, (int64_t)i);
        assert_int_equal(b[i].generation, (int)i / POPULATION);
        assert_true(genome_equal(&a[i].genome, &b[i].genome));
        assert_int_equal(a[i].parent, b[i].parent);
        assert_string_equal(a[i].operator_name, b[i].operator_name);
        assert_true(a[i].seed == b[i].seed);
        assert_int_equal(a[i].status, CANDIDATE_DONE);
        assert_int_equal(b[i].status, CANDIDATE_DONE);
        assert_true(a[i].train_loss == b[i].train_loss);
        assert_true(a[i].validation_loss == b[i].validation_loss);
        assert_true(a[i].validation_accuracy == b[i].validation_accuracy);
    }
    free(a);
    free(b);
}

static void assert_every_candidate_once(const char *name)
{
    struct candidate *list;
    size_t count;
    int done[CANDIDATES] = {0};
    struct store *store = clade_open_store(directory, name);
    assert_int_equal(store_read_attempts(&list, &count, store), ERR_NONE);
    for (size_t i = 0; i < count; i++) {
        assert_in_range(list[i].id, 0, CANDIDATES - 1);
        if (list[i].status == CANDIDATE_DONE)
            done[list[i].id]++;
        else
            assert_int_equal(list[i].status, CANDIDATE_LOST);
    }
    for (int i = 0; i < CANDIDATES; i++)
        assert_int_equal(done[i], 1);
    free(list);
    struct store_counts confirm;
    assert_int_equal(store_count(&confirm, store, JOB_CONFIRM), ERR_NONE);
    assert_int_equal(confirm.total, 2);
    assert_int_equal(confirm.status[CANDIDATE_DONE], 2);
    assert_int_equal(store_close(store), ERR_NONE);
}

static void assert_files_as_rebuilt(const char *name)
{
    static const char *const files[] = {"candidates.csv",
                                        "generations.csv",
                                        "pareto.csv",
                                        "operators.csv",
                                        "report.md",
                                        "best_genome.txt",
                                        "generations/gen_0000.csv",
                                        "generations/gen_0001.csv",
                                        "generations/gen_0002.csv",
                                        "generations/gen_0003.csv"};
    char run[128], rebuilt[128];
    snprintf(run, sizeof run, "%s/%s", directory, name);
    snprintf(rebuilt, sizeof rebuilt, "%s/%s_rebuilt", directory, name);
    assert_int_equal(clade("export-csv %s --out %s", run, rebuilt)->status, 0);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        clade_assert_same_file(run, rebuilt, files[i]);
}

static void test_kill_9_and_resume(void **state)
{
    (void)state;
    const struct clade_result *result =
        clade("run %s/search.ini --out %s/calm", directory, directory);
    if (result->status != 0)
        fail_msg("exit code %d: %s", result->status, result->err);

    struct rng rng;
    rng_seed(&rng, (uint64_t)clock_utc_us());
    for (int i = 0; i < KILLS; i++) {
        pid_t pid = i == 0 ? clade_start("run %s/search.ini --out %s/killed", directory, directory)
                           : clade_start("run --resume %s/killed", directory);
        /* Some progress a round, so that there is something to lose, and then any moment. */
        wait_for_ended("killed", 3 * i, pid);
        nanosleep(&(struct timespec){.tv_nsec = (long)rng_below(&rng, 400000000)}, NULL);
        kill(pid, SIGKILL);
        int status = clade_wait(pid, 10);
        assert_true(status == 128 + SIGKILL || status == 0);
        assert_no_process_left("killed");
        assert_int_equal(clade("status %s/killed", directory)->status, 0);
    }
    result = clade("run --resume %s/killed", directory);
    if (result->status != 0)
        fail_msg("exit code %d: %s", result->status, result->err);
    assert_non_null(strstr(result->out, "test accuracy"));
    assert_every_candidate_once("killed");
    assert_same_search("calm", "killed");
    assert_files_as_rebuilt("killed");
    /* A finished run: nothing to do, the same files. */
    assert_int_equal(clade("run --resume %s/killed", directory)->status, 0);
    assert_every_candidate_once("killed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kill_9_and_resume, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
