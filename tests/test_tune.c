/* clade tune, and tuning at first use, as a user meets them: what is printed, kept, ignored. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pipeline/store.h"
#include "tests/clade_process.h"

#define GENOME "RC8k3:relu-RC16k3:relu-FC64:relu"

static char directory[64];

static int set_up(void **state)
{
    (void)state;
    clade_directory(directory);
    clade_write_search(directory);
    return setenv("XDG_CACHE_HOME", directory, 1);
}

static int tear_down(void **state)
{
    (void)state;
    clade_remove(directory);
    return 0;
}

/* The one tuning on disk: its name in the cache directory, and its key. */
static void find_tuning(char name[128], char key[64])
{
    char path[128];
    int found = 0;
    snprintf(path, sizeof path, "%s/clade", directory);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
        if (strstr(entry->d_name, ".csv") != NULL) {
            snprintf(name, 128, "clade/%.100s", entry->d_name);
            found += sscanf(entry->d_name, "tune-%63[0-9a-f].csv", key) == 1;
        }
    closedir(dir);
    assert_int_equal(found, 1);
}

static bool tuned(const struct clade_result *result)
{
    return strstr(result->err, "tuning ") != NULL && strstr(result->err, "done once") != NULL;
}

/* Rows of a CSV whose column `name` holds `value`. */
static int count_rows(const char *csv, const char *value)
{
    int count = 0;
    for (const char *at = csv; (at = strstr(at, value)) != NULL; at++)
        count++;
    return count;
}

static void test_what_it_prints(void **state)
{
    (void)state;
    static char first[CLADE_OUTPUT_SIZE];
    const char *line = "tune --shape 8x8x1 --batch 16 --genome " GENOME " --format csv";
    const struct clade_result *result = clade("%s", line);
    clade_assert_fine(result);
    assert_true(tuned(result));
    const char *header = "device,family_asked,kernel,stride,channels_in,channels_out,height,width,"
                         "batch,pass,family,group,tile,gflops,status,chosen,reason,parameters\r\n";
    assert_int_equal(strncmp(result->out, header, strlen(header)), 0);
    /* two classes; the first layer has no input gradient */
    assert_int_equal(count_rows(result->out, ",\"ok\",1,"), 5);
    assert_null(strstr(result->out, "disqualified"));
    snprintf(first, sizeof first, "%s", result->out);
    result = clade("%s", line);
    assert_false(tuned(result));
    assert_string_equal(result->out, first);
    assert_true(tuned(clade("%s --force", line)));
    result = clade("tune --shape 8x8x1 --batch 16 --genome " GENOME);
    assert_false(tuned(result));
    assert_non_null(strstr(result->out, "forward"));
    assert_non_null(strstr(result->out, "yes"));
    clade_assert_refused(clade("tune --batch 0"), ERR_USAGE, "training.batch = 0");
    clade_assert_refused(clade("tune --genome x"), ERR_USAGE, "column 1");
    clade_assert_refused(clade("tune --set devices.tune=yes"), ERR_USAGE, "devices.tune = yes");
}

static const struct clade_result *train(const char *more)
{
    return clade("train " GENOME " --settings %s/search.ini --format csv %s", directory, more);
}

/* Loss and accuracy, without the times behind them. */
static void scores(char text[512], const struct clade_result *result)
{
    const char *row = strstr(result->out, "\r\n");
    assert_non_null(row);
    int commas = 0;
    for (row += 2; *row != '\0' && commas < 9; row++) {
        commas += *row == ',';
        *text++ = *row;
    }
    *text = '\0';
}

static void test_first_use(void **state)
{
    (void)state;
    char by_rule[512], first[512], second[512], name[128], key[64];
    const struct clade_result *result = train("--no-tune");
    clade_assert_fine(result);
    assert_false(tuned(result));
    scores(by_rule, result);
    result = train("");
    clade_assert_fine(result);
    assert_true(tuned(result));
    scores(first, result);
    result = train("");
    assert_false(tuned(result));
    scores(second, result);
    assert_string_equal(first, second);
    find_tuning(name, key);
    /* damaged: a line, tuned again, and good afterwards */
    clade_write_text(directory, name, "clade tuning 3,something\n");
    result = train("");
    clade_assert_fine(result);
    assert_non_null(strstr(result->err, "is ignored"));
    assert_true(tuned(result));
    result = train("");
    clade_assert_fine(result);
    assert_null(strstr(result->err, "is ignored"));
    assert_false(tuned(result));
    clade_write_text(directory, name, "");
    result = train("--no-tune");
    assert_null(strstr(result->err, "ignored"));
    scores(second, result);
    assert_string_equal(by_rule, second);
}

/* CLBlast has parameters for the whole device; they are timed before the classes, and once. */
static void test_products(void **state)
{
    (void)state;
    static char first[CLADE_OUTPUT_SIZE];
    const char *line = "tune --shape 8x8x1 --batch 16 --conv clblast --genome " GENOME
                       " --format csv --seconds 0.01";
    const struct clade_result *result = clade("%s", line);
    clade_assert_fine(result);
    assert_non_null(strstr(result->err, "tuning CLBlast for "));
    assert_int_equal(count_rows(result->out, ",\"product\",\"clblast\",,,"), 4);
    assert_non_null(strstr(result->out, "\"ok\",1,,\"own\"")); /* no time for more */
    result = clade("%s --seconds 120", line);
    clade_assert_fine(result);
    assert_int_equal(count_rows(result->out, ",\"product\",\"clblast\",,,"), 4);
    assert_null(strstr(result->out, "\"untimed\",0"));
    snprintf(first, sizeof first, "%s", result->out);
    result = clade("%s", line);
    assert_false(tuned(result));
    assert_string_equal(result->out, first);
    result =
        clade("train " GENOME " --settings %s/search.ini --conv clblast --format csv", directory);
    clade_assert_fine(result);
}

/* One tunes, the other waits and takes what was chosen. */
static void test_two_at_once(void **state)
{
    (void)state;
    char name[128], key[64];
    const char *line = "tune --shape 8x8x1 --batch 16 --genome " GENOME;
    pid_t a = clade_start("%s", line), b = clade_start("%s", line);
    assert_int_equal(clade_wait(a, 250), 0);
    assert_int_equal(clade_wait(b, 250), 0);
    find_tuning(name, key);
    const struct clade_result *result = clade("%s", line);
    clade_assert_fine(result);
    assert_false(tuned(result));
    assert_null(strstr(result->err, "ignored"));
}

/* What a run uses is in its store, and stays when the file changes. */
static void test_runs(void **state)
{
    (void)state;
    char name[128], key[64], path[128];
    struct store *store;
    struct text text = {0};
    clade_assert_fine(clade("run %s/search.ini --out %s/a", directory, directory));
    find_tuning(name, key);
    snprintf(path, sizeof path, "%s/a/store.sqlite", directory);
    assert_int_equal(store_open(&store, path, true), ERR_NONE);
    assert_int_equal(store_read_tuning(&text, store, key), ERR_NONE);
    assert_non_null(text.data);
    assert_non_null(strstr(text.data, key));
    assert_int_equal(store_close(store), ERR_NONE);
    text_free(&text);
    clade_assert_fine(clade("run %s/search.ini --out %s/b --no-tune", directory, directory));
    snprintf(path, sizeof path, "%s/b/store.sqlite", directory);
    assert_int_equal(store_open(&store, path, true), ERR_NONE);
    assert_int_equal(store_read_tuning(&text, store, key), ERR_NONE);
    assert_int_equal(text.length, 0);
    assert_int_equal(store_close(store), ERR_NONE);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_what_it_prints), CASE(test_first_use), CASE(test_products),
        CASE(test_two_at_once),    CASE(test_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
