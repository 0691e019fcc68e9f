/* The last step of whole runs on real data: the test files are read when every training has ended,
   and what may happen meanwhile. */
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

#include "inputs/settings.h"
#include "pipeline/base/clock.h"
#include "pipeline/store.h"
#include "tests/clade_process.h"

static const char search[] = "[data]\n"
                             "validation_images = 300\n"
                             "[space]\n"
                             "max_layers = 4\n"
                             "filters = 4 8\n"
                             "kernels = 1 3\n"
                             "activations = relu\n"
                             "[search]\n"
                             "population = 3\n"
                             "sample = 2\n"
                             "cycles = 6\n"
                             "in_flight = 2\n"
                             "[training]\n"
                             "epochs = 1\n"
                             "batch = 64\n"
                             "train_images = 640\n"
                             "[confirm]\n"
                             "epochs = 1\n"
                             "seeds = 2\n"
                             "train_images = 640\n"
                             "finalists = 2\n"
                             "baseline = random\n"
                             "[devices]\n"
                             "retries = 1\n";

static char directory[64];

/* The run "whole", undisturbed, and the data of Fashion-MNIST by its own names. */
static int set_up(void **state)
{
    (void)state;
    char command[SETTINGS_PATH_SIZE + 256];
    struct settings settings;
    clade_directory(directory);
    settings_defaults(&settings, NULL);
    snprintf(command, sizeof command, "mkdir %s/data && ln -s %s/*.gz %s/data", directory,
             settings.data.dir, directory);
    assert_int_equal(system(command), 0);
    char text[1024];
    snprintf(text, sizeof text, "%.*sdir = %s/data\n%s", 7, search, directory, search + 7);
    clade_write_text(directory, "search.ini", text);
    clade_assert_fine(clade("run %s/search.ini --out %s/whole", directory, directory));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    clade_remove(directory);
    return 0;
}

/* So that a test that failed leaves nothing to the next one. */
static int put_right(void **state)
{
    (void)state;
    char command[256];
    unsetenv("CLADE_FAULT");
    snprintf(command, sizeof command,
             "cd %s/data && if test -d away; then mv away/* . && rmdir away; fi", directory);
    return system(command);
}

static struct store_counts count_jobs(const char *name, enum job_kind kind)
{
    struct store_counts counts = {0};
    struct store *store = clade_open_store(directory, name);
    if (store != NULL) {
        assert_int_equal(store_count(&counts, store, kind), ERR_NONE);
        assert_int_equal(store_close(store), ERR_NONE);
    }
    return counts;
}

/* Until so many jobs of this kind have this status. */
static void wait_for(const char *name, enum job_kind kind, enum candidate_status status,
                     int64_t wanted)
{
    double end = clock_monotonic_s() + 200;
    while (count_jobs(name, kind).status[status] < wanted) {
        assert_true(clock_monotonic_s() < end);
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
}

static void assert_command(const char *format, const char *name)
{
    char command[1024];
    int n = snprintf(command, sizeof command, "cd %s/%s && ", directory, name);
    snprintf(command + n, sizeof command - (size_t)n, "%s", format);
    if (system(command) != 0)
        fail_msg("does not hold: %s", command);
}

/* All confirmed and tested, with the numbers of the run "whole". */
static void assert_same_result(const char *name)
{
    struct store_counts confirm = count_jobs(name, JOB_CONFIRM), test = count_jobs(name, JOB_TEST);
    assert_true(confirm.total >= 4);
    assert_int_equal(confirm.status[CANDIDATE_DONE], confirm.total);
    assert_int_equal(test.status[CANDIDATE_DONE], confirm.total);
    assert_command("cut -d, -f3- finalists.csv > ../a && cut -d, -f3- ../whole/finalists.csv > "
                   "../b && cmp ../a ../b && cmp best_genome.safetensors "
                   "../whole/best_genome.safetensors && ! grep -q 'not read yet' report.md",
                   name);
}

/* Trained and not tested: what all files say of it. */
static void assert_untested(const char *name)
{
    struct store_counts confirm = count_jobs(name, JOB_CONFIRM), test = count_jobs(name, JOB_TEST);
    assert_true(confirm.total >= 4);
    assert_int_equal(confirm.status[CANDIDATE_DONE], confirm.total);
    assert_int_equal(test.total, confirm.total);
    assert_int_equal(test.final, 0);
    const struct clade_result *result = clade("status %s/%s", directory, name);
    char line[64];
    snprintf(line, sizeof line, "test       0 of %d networks", (int)test.total);
    clade_assert_fine(result);
    assert_non_null(strstr(result->out, line));
    assert_non_null(strstr(result->out, "6 of 6 candidates"));
    assert_non_null(strstr(result->out, ", stopped"));
    assert_null(strstr(result->out, "better than random"));
    assert_command("grep -q 'not tested yet' report.md && grep -q 'not read yet' report.md && "
                   "grep -q 'not read yet' report.html && "
                   "! grep -qi '[^a-z]nan[^a-z]' report.md finalists.csv && "
                   "test -s best_genome.safetensors",
                   name);
    result = clade("report %s/%s", directory, name);
    clade_assert_fine(result);
}

/* They are not there while the run trains, so nothing that it does can depend on them. */
static void test_files_are_read_when_all_is_trained(void **state)
{
    (void)state;
    pid_t pid = clade_start("run %s/search.ini --out %s/away", directory, directory);
    wait_for("away", JOB_SEARCH, CANDIDATE_DONE, 1);
    assert_true(count_jobs("away", JOB_SEARCH).final < 6);
    assert_command("mkdir away && mv t10k-* away", "data");
    assert_int_equal(clade_wait(pid, 200), error_exit_code(ERR_DATA));
    assert_untested("away");
    clade_assert_run_refused(clade("run --resume %s/away", directory), ERR_DATA, "t10k-labels");
    assert_command("mv away/* . && rmdir away", "data");
    clade_assert_fine(clade("run --resume %s/away", directory));
    assert_same_result("away");
}

static void a_test_file_that_is_not_there_is_seen_before_the_search(void **state)
{
    (void)state;
    clade_assert_run_refused(
        clade("run %s/search.ini --set data.test_images=absent --out %s/refused", directory,
              directory),
        ERR_DATA, "absent");
    clade_write_text(directory, "data/empty", "");
    clade_assert_run_refused(
        clade("run %s/search.ini --set data.test_labels=empty --out %s/refused", directory,
              directory),
        ERR_DATA, "empty");
    clade_assert_run_refused(
        clade("run %s/search.ini --set data.test_labels=/ --out %s/refused", directory, directory),
        ERR_DATA, "a directory");
    assert_command("test ! -e refused", ".");
}

/* What is in it is seen at the end, when all that was trained is kept. */
static void a_damaged_test_file_costs_no_training(void **state)
{
    (void)state;
    assert_command("head -c 1000 t10k-images-idx3-ubyte.gz > cut", "data");
    const struct clade_result *result =
        clade("run %s/search.ini --set data.test_images=cut --out %s/cut", directory, directory);
    assert_int_equal(result->status, error_exit_code(ERR_DATA));
    assert_non_null(strstr(result->err, "data/cut: byte"));
    assert_untested("cut");
    assert_command("cp -f t10k-images-idx3-ubyte.gz cut", "data");
    clade_assert_fine(clade("run --resume %s/cut", directory));
    assert_same_result("cut");
}

/* Until a worker hangs in the test. */
static pid_t start_and_hang(const char *name, const char *fault)
{
    setenv("CLADE_FAULT", fault, 1);
    pid_t pid = clade_start("run %s/search.ini --out %s/%s", directory, directory, name);
    wait_for(name, JOB_TEST, CANDIDATE_RUNNING, 1);
    unsetenv("CLADE_FAULT");
    return pid;
}

static void a_killed_test_goes_on(void **state)
{
    (void)state;
    pid_t pid = start_and_hang("killed", "hang_test:*");
    const struct clade_result *result = clade("status %s/killed", directory);
    clade_assert_fine(result);
    assert_non_null(strstr(result->out, "testing"));
    kill(pid, SIGKILL);
    assert_int_equal(clade_wait(pid, 20), 128 + SIGKILL);
    clade_assert_fine(clade("run --resume %s/killed", directory));
    assert_same_result("killed");
}

/* The candidate of the confirm job that comes last. */
static int64_t last_confirmed(const char *name)
{
    struct confirmation *list;
    size_t count;
    struct store *store = clade_open_store(directory, name);
    assert_non_null(store);
    assert_int_equal(store_read_confirmations(&list, &count, store), ERR_NONE);
    assert_true(count > 0);
    int64_t candidate = list[count - 1].candidate;
    store_free_confirmations(list, count);
    assert_int_equal(store_close(store), ERR_NONE);
    return candidate;
}

/* kill -9 when some are tested: only the others still are. */
static void a_test_that_is_half_done_goes_on(void **state)
{
    (void)state;
    char fault[64];
    snprintf(fault, sizeof fault, "hang_test:%d", (int)last_confirmed("whole"));
    pid_t pid = start_and_hang("half", fault);
    wait_for("half", JOB_TEST, CANDIDATE_DONE, 2);
    kill(pid, SIGKILL);
    assert_int_equal(clade_wait(pid, 20), 128 + SIGKILL);
    struct store_counts test = count_jobs("half", JOB_TEST);
    assert_true(test.final < test.total);
    clade_assert_fine(clade("run --resume %s/half", directory));
    assert_same_result("half");
}

static void a_signal_stops_the_test(void **state)
{
    (void)state;
    pid_t pid = start_and_hang("signal", "hang_test:*");
    kill(pid, SIGINT);
    assert_int_equal(clade_wait(pid, 60), error_exit_code(ERR_STOPPED));
    assert_untested("signal");
    clade_assert_fine(clade("run --resume %s/signal", directory));
    assert_same_result("signal");
}

static void the_deadline_stops_the_test(void **state)
{
    (void)state;
    pid_t pid = start_and_hang("late", "hang_test:*");
    kill(pid, SIGKILL);
    assert_int_equal(clade_wait(pid, 20), 128 + SIGKILL);
    setenv("CLADE_FAULT", "hang_test:*", 1);
    const struct clade_result *result = clade("run --resume %s/late --budget 8s", directory);
    assert_int_equal(result->status, error_exit_code(ERR_STOPPED));
    assert_non_null(strstr(result->err, "the time was up with 0 of "));
    unsetenv("CLADE_FAULT");
    assert_untested("late");
    clade_assert_fine(clade("run --resume %s/late --budget 10m", directory));
    assert_same_result("late");
}

/* A driver that crashes takes its worker with it, not the run, and no training. */
static void a_crash_in_the_test_takes_a_worker(void **state)
{
    (void)state;
    setenv("CLADE_FAULT", "crash_test_once:*", 1);
    clade_assert_fine(clade("run %s/search.ini --out %s/crash", directory, directory));
    assert_same_result("crash");
    assert_command("test $(grep -ci 'warning worker .* ended' log.txt) -ge 1", "crash");

    setenv("CLADE_FAULT", "crash_test:*", 1);
    const struct clade_result *result =
        clade("run %s/search.ini --out %s/crashes", directory, directory);
    assert_int_equal(result->status, error_exit_code(ERR_DEVICE));
    assert_command("grep -q 'not tested yet' report.md", "crashes");
}

#define CASE(test) cmocka_unit_test_teardown(test, put_right)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_test_file_that_is_not_there_is_seen_before_the_search),
        CASE(test_files_are_read_when_all_is_trained),
        CASE(a_damaged_test_file_costs_no_training),
        CASE(a_killed_test_goes_on),
        CASE(a_test_that_is_half_done_goes_on),
        CASE(a_signal_stops_the_test),
        CASE(the_deadline_stops_the_test),
        CASE(a_crash_in_the_test_takes_a_worker),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
