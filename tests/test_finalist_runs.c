/* Finalists of whole runs on real data: which are trained, what is left, and resuming in between.
 */
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

static const char search[] = "[data]\n"
                             "validation_images = 300\n"
                             "[space]\n"
                             "max_layers = 4\n"
                             "filters = 4 8 16\n"
                             "kernels = 1 3\n"
                             "activations = relu\n"
                             "[search]\n"
                             "population = 4\n"
                             "sample = 2\n"
                             "cycles = 10\n"
                             "in_flight = 2\n"
                             "objective = pareto\n"
                             "[training]\n"
                             "epochs = 1\n"
                             "batch = 64\n"
                             "train_images = 640\n"
                             "[confirm]\n"
                             "epochs = 1\n"
                             "seeds = 2\n"
                             "train_images = 640\n"
                             "finalists = 2\n"
                             "bands = 2500 5000\n";

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

/* Jobs of a kind that are done; *total is how many there are. */
static int64_t count_jobs(const char *name, enum job_kind kind, int64_t *total)
{
    struct store_counts counts = {0};
    struct store *store = clade_open_store(directory, name);
    if (store != NULL) {
        assert_int_equal(store_count(&counts, store, kind), ERR_NONE);
        assert_int_equal(store_close(store), ERR_NONE);
    }
    *total = counts.total;
    return counts.final;
}

static void wait_for_jobs(const char *name, enum job_kind kind, int64_t wanted)
{
    int64_t total;
    for (double end = clock_monotonic_s() + 200; count_jobs(name, kind, &total) < wanted;) {
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

static void a_killed_run_confirms_the_same(void **state)
{
    (void)state;
    int64_t total;
    clade_assert_fine(clade("run %s/search.ini --out %s/one", directory, directory));
    /* kill -9 when the first confirmation is there, and again after the next. */
    pid_t pid = clade_start("run %s/search.ini --out %s/two", directory, directory);
    for (int64_t wanted = 1; wanted <= 2; wanted++) {
        wait_for_jobs("two", JOB_CONFIRM, wanted);
        kill(pid, SIGKILL);
        assert_int_equal(clade_wait(pid, 20), 128 + SIGKILL);
        if (wanted == 1)
            pid = clade_start("run --resume %s/two", directory);
    }
    clade_assert_fine(clade("run --resume %s/two", directory));
    int64_t done = count_jobs("two", JOB_CONFIRM, &total);
    assert_int_equal(done, total);

    /* Two seeds of each, one winner, and the same numbers but for the run's name. */
    assert_command("awk -F, 'NR > 1 {n++; if ($11 == 2) seeds++; if ($4 == 1) won++; "
                   "if ($6 == 2500 && $8 > 2500) bad = 1} "
                   "END {exit !(n >= 2 && n == seeds && won == 1 && !bad)}' finalists.csv",
                   "one");
    assert_command("cut -d, -f3- finalists.csv > ../a && cut -d, -f3- ../two/finalists.csv > ../b "
                   "&& cmp ../a ../b && cmp best_genome.txt ../two/best_genome.txt",
                   "one");
    assert_command("grep -q '^## Finalists' report.md && grep -q 'McNemar' report.md", "one");

    /* The weights are the winner's: they score the same again. */
    const struct clade_result *result = clade("eval %s/one --format csv", directory);
    clade_assert_fine(result);
    double found = 0, kept = 1;
    const char *last = strrchr(result->out, ',');
    assert_non_null(last);
    while (last[-1] != ',')
        last--;
    assert_int_equal(sscanf(last, "%lf,%lf", &found, &kept), 2);
    assert_true(found == kept && found > 0.1);
}

/* The random search of a run is the one that search.algorithm = random would have been, also when
   the run is killed in it. */
static void the_baseline_is_a_random_search(void **state)
{
    (void)state;
    int64_t total;
    clade_assert_fine(clade("run %s/search.ini --set search.algorithm=random --out %s/random",
                            directory, directory));
    pid_t pid = clade_start("run %s/search.ini --set confirm.baseline=random --out %s/both",
                            directory, directory);
    wait_for_jobs("both", JOB_BASELINE, 2);
    kill(pid, SIGKILL);
    assert_int_equal(clade_wait(pid, 20), 128 + SIGKILL);
    clade_assert_fine(clade("run --resume %s/both", directory));
    assert_int_equal(count_jobs("both", JOB_BASELINE, &total), 6); /* 10 less the population */
    assert_int_equal(total, 6);

    assert_command("grep '\"done\"' candidates.csv | cut -d, -f7,16,19 > ../a && "
                   "(grep '\"done\"' ../both/candidates.csv | head -n 4; "
                   "grep '\"done\"' ../both/baseline.csv) | cut -d, -f7,16,19 > ../b && "
                   "cmp ../a ../b",
                   "random");
    assert_command("tr -d '\\r' < finalists.csv | grep '\"search\"$' | cut -d, -f4-18 > ../a && "
                   "tr -d '\\r' < ../both/finalists.csv | grep '\"random\"$' | cut -d, -f4-18 > "
                   "../b && test -s ../a && cmp ../a ../b",
                   "random");
    assert_command("grep -q '^\\*\\*Better than random: ' report.md && "
                   "grep -q 'Better than random: ' report.html && "
                   "test $(grep -c '^1,' baseline.csv) -ge 6",
                   "both");
    const struct clade_result *result = clade("status %s/both", directory);
    clade_assert_fine(result);
    assert_non_null(strstr(result->out, "random     10 of 10 candidates"));
    assert_non_null(strstr(result->out, "better than random: "));
    assert_non_null(strstr(result->out, "finished"));
}

/* With averaged weights: what is scored in the search, at confirm, and again from the file. */
static void averaged_weights_are_kept(void **state)
{
    (void)state;
    clade_assert_fine(clade("run %s/search.ini --set training.average=ema --set search.cycles=4 "
                            "--set confirm.seeds=1 --out %s/ema",
                            directory, directory));
    clade_assert_fine(clade("run %s/search.ini --set search.cycles=4 --set confirm.seeds=1 "
                            "--out %s/last",
                            directory, directory));
    /* The same trainings, up to the end, where other weights are scored. */
    assert_command("for r in ema last; do grep '\"done\"' ../$r/candidates.csv > ../$r.rows; "
                   "cut -d, -f7,16,17 ../$r.rows > ../$r.trained; "
                   "cut -d, -f18,19 ../$r.rows > ../$r.scored; done; cd .. && "
                   "cmp ema.trained last.trained && ! cmp -s ema.scored last.scored",
                   "ema");
    const struct clade_result *result = clade("eval %s/ema --format csv", directory);
    clade_assert_fine(result);
    double found = 0, kept = 1;
    const char *last = strrchr(result->out, ',');
    assert_non_null(last);
    while (last[-1] != ',')
        last--;
    assert_int_equal(sscanf(last, "%lf,%lf", &found, &kept), 2);
    assert_true(found == kept && found > 0.1);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_killed_run_confirms_the_same),
        CASE(the_baseline_is_a_random_search),
        CASE(averaged_weights_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
