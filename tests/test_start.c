/*
 * What starting costs is paid for what is used, and told: kernels are compiled once, with a line
 * that says so, on a terminal and elsewhere; CLBlast prepares nothing before it is needed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/clade_process.h"

#define GENOME "RC16k3:relu-NC16k3:relu-RC16k1:relu-FC64:relu"

static char directory[64];

/* Caches of the tests' own, the driver's kept from test to test, for compiling takes seconds. */
static int set_up(void **state)
{
    (void)state;
    char cache[96];
    clade_directory(directory);
    clade_write_search(directory);
    snprintf(cache, sizeof cache, "%s/clade", directory);
    setenv("XDG_CACHE_HOME", cache, 1);
    snprintf(cache, sizeof cache, "%s/pocl", directory);
    setenv("POCL_CACHE_DIR", cache, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unsetenv("XDG_CACHE_HOME");
    unsetenv("POCL_CACHE_DIR");
    clade_remove(directory);
    return 0;
}

static int empty_cache(void **state)
{
    (void)state;
    clade_remove(getenv("XDG_CACHE_HOME"));
    return 0;
}

static int count_lines(const char *text, const char *start)
{
    int count = 0;
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        count += strncmp(line, start, strlen(start)) == 0;
        if (*line == '\0')
            break;
    }
    return count;
}

/* Kernels of CLBlast's products in PoCL's cache, which names directories after kernels. */
static int count_products(void)
{
    char command[256];
    int count = -1;
    snprintf(command, sizeof command, "mkdir -p '%s/pocl'; find '%s/pocl' -name 'Xgemm*' | wc -l",
             directory, directory);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_int_equal(fscanf(pipe, "%d", &count), 1);
    assert_int_equal(pclose(pipe), 0);
    return count;
}

static const struct clade_result *train(const char *more)
{
    const struct clade_result *result =
        clade("train " GENOME " --settings %s/search.ini --epochs 1 %s", directory, more);
    clade_assert_fine(result);
    assert_non_null(strstr(result->err, "epoch 1/1: "));
    return result;
}

static void test_compiling_is_told(void **state)
{
    (void)state;
    const struct clade_result *result = train("");
    const char *first = strstr(result->err, "clade: compiling conv_vector for ");
    assert_non_null(first);
    assert_true(first < strstr(result->err, "epoch 1/1: "));
    assert_true(count_lines(result->err, "clade: compiling ") >= 3);
    assert_null(strstr(result->out, "compiling"));
    /* Not twice in a row. */
    const char *second = strstr(first + 1, "\nclade: ");
    assert_non_null(second);
    assert_int_not_equal(strncmp(second + 1, first, strlen("clade: compiling conv_vector")), 0);
    /* It is kept: nothing to tell the next time. */
    assert_int_equal(count_lines(train("")->err, "clade: "), 0);
}

static void test_compiling_is_told_on_a_terminal(void **state)
{
    (void)state;
    char command[512], text[4096];
    snprintf(command, sizeof command,
             "script -qec '%s train " GENOME " --settings %s/search.ini --epochs 1' /dev/null "
             "</dev/null",
             CLADE_BINARY, directory);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    text[fread(text, 1, sizeof text - 1, pipe)] = '\0';
    assert_int_equal(pclose(pipe), 0);
    const char *first = strstr(text, "clade: compiling conv_vector for ");
    assert_non_null(first);
    assert_true(first < strstr(text, "epoch 1/1: "));
}

static void test_clblast_sleeps_until_used(void **state)
{
    (void)state;
    assert_null(strstr(train("")->err, "CLBlast"));
    assert_int_equal(count_products(), 0);
    const struct clade_result *result = train("--conv clblast");
    assert_non_null(strstr(result->err, "clade: CLBlast prepares its kernels for "));
    if (strstr(result->out, "pthread-") != NULL) /* PoCL's name of the device */
        assert_in_range(count_products(), 1, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compiling_is_told),
        cmocka_unit_test_setup(test_compiling_is_told_on_a_terminal, empty_cache),
        cmocka_unit_test(test_clblast_sleeps_until_used),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
