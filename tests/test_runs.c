/* Whole runs: what they leave, what they refuse, how they stop. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "pipeline/base/clock.h"
#include "pipeline/base/error.h"
#include "pipeline/run_progress.h"
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
    clade_remove(directory);
    return 0;
}

static bool exists(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return access(path, F_OK) == 0;
}

static void test_train(void **state)
{
    (void)state;
    const struct clade_result *result = clade(
        "train RC8k3:relu-RC16k3:relu-FC64:relu --settings %s/search.ini --epochs 6 --format csv",
        directory);
    clade_assert_fine(result);
    assert_non_null(strstr(result->err, "epoch 6/6"));
    double accuracy;
    const char *row = strchr(result->out, '\n');
    assert_non_null(row);
    assert_int_equal(
        sscanf(row + 1, "%*[^,],%*[^,],%*[^,],%*[^,],%*[^,],%*[^,],%*[^,],%*[^,],%lf", &accuracy),
        1);
    assert_true(accuracy >= 0.6); /* chance is 1/3 */
}

static void test_whole_run(void **state)
{
    (void)state;
    static const char *const files[] = {"candidates.csv",
                                        "generations.csv",
                                        "pareto.csv",
                                        "operators.csv",
                                        "finalists.csv",
                                        "report.md",
                                        "best_genome.txt",
                                        "best_genome.safetensors",
                                        "settings.ini",
                                        "log.txt",
                                        "generations/gen_0000.csv",
                                        "generations/gen_0001.csv",
                                        "generations/gen_0002.csv"};
    const struct clade_result *result =
        clade("run %s/search.ini --out %s/a/b/run", directory, directory);
    clade_assert_fine(result);
    assert_non_null(strstr(result->out, "best genome"));
    assert_non_null(strstr(result->out, "test accuracy"));
    assert_non_null(strstr(result->err, "generation 2"));
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char name[128];
        snprintf(name, sizeof name, "a/b/run/%s", files[i]);
        if (!exists(name))
            fail_msg("%s is missing", name);
    }
    assert_false(exists("a/b/run/generations/gen_0003.csv"));
    result = clade("status %s/a/b/run", directory);
    clade_assert_fine(result);
    assert_non_null(strstr(result->out, "finished"));
    assert_non_null(strstr(result->out, "7 of 7 candidates"));
    /* Its own settings are valid input. */
    clade_assert_fine(clade("run --print-settings %s/a/b/run/settings.ini", directory));
    /* Never overwritten. */
    clade_assert_run_refused(clade("run %s/search.ini --out %s/a/b/run", directory, directory),
                             ERR_USAGE, "not an empty directory");
    clade_assert_run_refused(clade("run %s/search.ini --out %s", directory, directory), ERR_USAGE,
                             "not an empty directory");
}

/* The last two columns of `clade eval --format csv`: found again, and kept with the weights. */
static void read_accuracies(const struct clade_result *result, double *found, double *kept)
{
    clade_assert_fine(result);
    const char *last = strrchr(result->out, ',');
    assert_non_null(last);
    const char *before = last;
    while (before[-1] != ',')
        before--;
    assert_int_equal(sscanf(before, "%lf,%lf", found, kept), 2);
}

static void test_weights_score_the_same_again(void **state)
{
    (void)state;
    double found, kept, again;
    const struct clade_result *result =
        clade("run %s/search.ini --set search.cycles=3 --out %s/run", directory, directory);
    clade_assert_fine(result);
    const char *said = strstr(result->out, "test accuracy");
    assert_non_null(said);
    assert_int_equal(sscanf(said, "test accuracy %lf", &again), 1);
    read_accuracies(clade("eval %s/run --format csv", directory), &found, &kept);
    assert_true(found == kept && found >= 0.34);
    assert_true(again - found < 1e-4 && found - again < 1e-4);
    /* The file by itself, with the data named; the logits agree with the accuracy. */
    read_accuracies(clade("eval %s/run/best_genome.safetensors --settings %s/search.ini "
                          "--format csv --logits %s/logits.csv",
                          directory, directory, directory),
                    &again, &kept);
    assert_true(again == found);
    char command[512];
    snprintf(command, sizeof command,
             "awk -F, 'NR > 1 {n++; right += $2 == $3; best = 4; for (i = 5; i <= NF; i++) "
             "if ($i + 0 > $best + 0) best = i; if (best - 4 != $3) bad = 1} "
             "END {exit !(n == 60 && !bad && right / n - %.9f < 1e-6 && %.9f - right / n < 1e-6)}' "
             "%s/logits.csv",
             found, found, directory);
    assert_int_equal(system(command), 0);
    /* From the store alone, the same bytes. */
    clade_assert_fine(clade("export-csv %s/run --out %s/again", directory, directory));
    char a[128], b[128];
    snprintf(a, sizeof a, "%s/run", directory);
    snprintf(b, sizeof b, "%s/again", directory);
    clade_assert_same_file(a, b, "best_genome.safetensors");
    /* Other data, no weights, damaged weights. */
    clade_assert_refused(clade("eval %s/run/best_genome.safetensors", directory), ERR_DATA,
                         "8x8x1");
    clade_assert_refused(clade("eval %s", directory), ERR_USAGE, "best_genome.safetensors");
    snprintf(a, sizeof a, "%s/run/best_genome.safetensors", directory);
    assert_int_equal(truncate(a, 2000), 0);
    clade_assert_refused(clade("eval %s/run", directory), ERR_DATA, "best_genome.safetensors");
}

static void test_random_search_and_names_by_time(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        clade_assert_fine(
            clade("run %s/search.ini --set search.algorithm=random --set search.cycles=2 "
                  "--set outputs.dir=%s/runs",
                  directory, directory));
    char command[256];
    /* Two runs, and runs.csv with a row of each, and its metadata. */
    snprintf(command, sizeof command,
             "cd %s/runs && test $(ls | wc -l) = 4 && test $(grep -c '\"confirmed\"' runs.csv) = 2",
             directory);
    assert_int_equal(system(command), 0);
}

static void test_other_data_at_resume(void **state)
{
    (void)state;
    clade_assert_fine(
        clade("run %s/search.ini --set search.cycles=3 --out %s/run/.", directory, directory));
    /* The directory has a name, and a wrong time is refused before anything is read or written. */
    clade_assert_refused(clade("run --resume %s/run --until 25:00", directory), ERR_USAGE,
                         "--until: deadline.until = 25:00");
    char command[256], path[128];
    snprintf(command, sizeof command,
             "grep -q '\"run\"' %s/runs.csv && ! grep -q 'goes on' %s/run/log.txt", directory,
             directory);
    assert_int_equal(system(command), 0);
    snprintf(path, sizeof path, "%s/train-images", directory);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, 1000, SEEK_SET), 0);
    assert_int_equal(fputc(0xfe, file), 0xfe);
    assert_int_equal(fclose(file), 0);
    clade_assert_run_refused(clade("run --resume %s/run", directory), ERR_DATA, "not those");
}

static void test_damaged_store(void **state)
{
    (void)state;
    clade_assert_fine(
        clade("run %s/search.ini --set search.cycles=3 --out %s/run", directory, directory));
    char path[128];
    snprintf(path, sizeof path, "%s/run/store.sqlite", directory);
    assert_int_equal(truncate(path, 8192), 0);
    clade_assert_refused(clade("run --resume %s/run", directory), ERR_DATA, "store.sqlite");
    clade_assert_refused(clade("status %s/run", directory), ERR_DATA, "store.sqlite");
    clade_assert_refused(clade("export-csv %s/run --out %s/x", directory, directory), ERR_DATA,
                         "store.sqlite");
    assert_false(exists("x"));
}

/* Whatever stage draws: a log shows that the run is alive. */
static void test_drawing_breaks_a_long_silence(void **state)
{
    (void)state;
    char line[512];
    struct run run = {0};
    struct progress_state now = {
        .stage = "confirm", .done = 2, .total = 6, .best_accuracy = 0.5, .left_s = NAN};
    FILE *file = tmpfile();
    assert_non_null(file);
    progress_init(&run.progress, file, PROGRESS_NORMAL);
    run_draw(&run, &now);
    run.progress.last_line_s -= PROGRESS_SILENCE_S;
    run_draw(&run, &now);
    rewind(file);
    assert_non_null(fgets(line, sizeof line, file));
    assert_non_null(strstr(line, " confirm 2/6, overall best 0.5000 "));
    assert_null(fgets(line, sizeof line, file));
    fclose(file);
}

/* ---- signals and the lock ---- */

static void wait_for_results(int64_t wanted)
{
    char path[128];
    struct store_counts counts = {0};
    snprintf(path, sizeof path, "%s/run/store.sqlite", directory);
    for (double end = clock_monotonic_s() + 200; counts.final < wanted;) {
        struct store *store;
        assert_true(clock_monotonic_s() < end);
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        if (access(path, F_OK) != 0 || store_open(&store, path, false) != ERR_NONE)
            continue;
        assert_int_equal(store_count(&counts, store, JOB_SEARCH), ERR_NONE);
        assert_int_equal(store_close(store), ERR_NONE);
    }
}

static void test_live_directory_and_signal(void **state)
{
    (void)state;
    pid_t pid =
        clade_start("run %s/search.ini --set search.cycles=500 --out %s/run", directory, directory);
    wait_for_results(1);
    clade_assert_refused(clade("run --resume %s/run", directory), ERR_BUSY, "in use by process");
    clade_assert_run_refused(clade("run %s/search.ini --out %s/run", directory, directory),
                             ERR_BUSY, "live run");
    const struct clade_result *result = clade("status %s/run", directory);
    clade_assert_fine(result);
    assert_non_null(strstr(result->out, "searching"));
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(clade_wait(pid, 20), error_exit_code(ERR_STOPPED));
    char word[128];
    snprintf(word, sizeof word, "%s/run", directory);
    assert_int_equal(clade_count_processes(word), 0);
    result = clade("status %s/run --format csv", directory);
    clade_assert_fine(result);
    assert_non_null(strstr(result->out, "\"stopped\""));
    assert_true(exists("run/candidates.csv"));
}

/* report.html and the workbook of a live run, and the same bytes again of one that has ended. */
static void test_report(void **state)
{
    (void)state;
    char command[1024], printed[96];
    snprintf(printed, sizeof printed, "%s/run/report.html\n", directory);
    pid_t pid =
        clade_start("run %s/search.ini --set search.cycles=500 --out %s/run", directory, directory);
    wait_for_results(1);
    const struct clade_result *result = clade("report %s/run", directory);
    clade_assert_fine(result);
    assert_string_equal(result->out, printed);
    assert_int_equal(clade_wait(pid, 0), -1);
    assert_true(exists("run/results.xlsx"));
    snprintf(command, sizeof command,
             "grep -q 'The search is not finished:</b> [1-9][0-9]* of 500' %s/run/report.html && "
             "grep -q 'Best genome so far' %s/run/report.html",
             directory, directory);
    assert_int_equal(system(command), 0);
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(clade_wait(pid, 20), error_exit_code(ERR_STOPPED));

    snprintf(command, sizeof command,
             "mkdir %s/kept && cp %s/run/*.html %s/run/*.csv %s/kept && "
             "rm %s/run/*.html %s/run/*.csv",
             directory, directory, directory, directory, directory, directory);
    assert_int_equal(system(command), 0);
    clade_assert_fine(clade("report %s/run", directory));
    static const char *const files[] = {"report.html", "candidates.csv", "generations.csv",
                                        "epochs.csv"};
    char run[128], kept[128];
    snprintf(run, sizeof run, "%s/run", directory);
    snprintf(kept, sizeof kept, "%s/kept", directory);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        clade_assert_same_file(run, kept, files[i]);
    clade_assert_refused(clade("report %s/kept", directory), ERR_USAGE, "kept");
}

static void test_signal_line_says_how_to_go_on(void **state)
{
    (void)state;
    char command[2048];
    snprintf(command, sizeof command,
             "timeout -s TERM 8 %s run %s/search.ini --set search.cycles=100000 --out %s/run 2> "
             "%s/err >/dev/null; test $? = 124 && tail -n 1 %s/err | grep -q "
             "'^clade: stopped by SIGTERM; go on with: clade run --resume %s/run$'",
             CLADE_BINARY, directory, directory, directory, directory, directory);
    assert_int_equal(system(command), 0);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drawing_breaks_a_long_silence),
        CASE(test_train),
        CASE(test_whole_run),
        CASE(test_weights_score_the_same_again),
        CASE(test_random_search_and_names_by_time),
        CASE(test_other_data_at_resume),
        CASE(test_damaged_store),
        CASE(test_live_directory_and_signal),
        CASE(test_report),
        CASE(test_signal_line_says_how_to_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
