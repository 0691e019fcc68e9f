/* inputs/score_table: what it reads, finds and refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "inputs/score_table.h"

static char path[64];

static int set_up(void **state)
{
    (void)state;
    strcpy(path, "/tmp/clade-test-table-XXXXXX");
    int file = mkstemp(path);
    return file < 0 ? 1 : close(file);
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(path);
}

static void write_file(const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static const struct genome_scores *find(const struct score_table *table, const char *text)
{
    struct genome genome;
    assert_int_equal(genome_parse(&genome, text), ERR_NONE);
    return score_table_find(table, &genome);
}

#define ONE   "RC8k3:relu-RC16k3:relu-FC64:relu"
#define TWO   "RC8k3:relu-RC16k3:relu-FC64:tanh"
#define THREE "NC8k3:relu-RC8k3:relu-RC16k3:relu-FC64:relu"

/* Columns in any order, also ones that do not count; trainings of a genome in several rows. */
static void test_reads(void **state)
{
    (void)state;
    struct score_table table;
    write_file("run,status,note,genome,validation_accuracy\r\n"
               "\"n\",\"done\",\"a, \"\"b\"\"\",\"" ONE "\",0.500000\r\n"
               "\"n\",\"done\",,\"" TWO "\",0.750000\r\n"
               "\"n\",\"lost\",,\"" ONE "\",\r\n"
               "\"n\",\"diverged\",,\"" ONE "\",\r\n"
               "\"n\",\"done\",,\"" ONE "\",6.250000e-04");
    if (score_table_read(&table, path) != ERR_NONE)
        fail_msg("%s", error_message());
    assert_int_equal(table.count, 2);
    const struct genome_scores *one = find(&table, ONE), *two = find(&table, TWO);
    assert_ptr_equal(one, &table.genomes[0]);
    assert_int_equal(one->count, 3);
    assert_true(one->scores[0] == 0.5 && isnan(one->scores[1]) && one->scores[2] == 6.25e-4);
    assert_int_equal(two->count, 1);
    assert_null(find(&table, THREE));
    score_table_free(&table);
    assert_int_equal(table.count, 0);
    assert_null(find(&table, ONE));
}

/* Many genomes: none is lost when the hash table grows. */
static void test_many(void **state)
{
    (void)state;
    struct score_table table;
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "genome,status,validation_accuracy\n");
    for (int i = 0; i < 1500; i++)
        fprintf(file, "RC%dk3:relu-RC%dk%d:relu-FC64:relu,done,%f\n", 1 + i % 500, 1 + i / 500,
                i % 2 ? 1 : 3, i / 2000.0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(score_table_read(&table, path), ERR_NONE);
    assert_int_equal(table.count, 1500);
    for (int i = 0; i < 1500; i++) {
        char text[64];
        snprintf(text, sizeof text, "RC%dk3:relu-RC%dk%d:relu-FC64:relu", 1 + i % 500, 1 + i / 500,
                 i % 2 ? 1 : 3);
        const struct genome_scores *scores = find(&table, text);
        assert_non_null(scores);
        assert_int_equal(scores->count, 1);
        assert_true(fabs(scores->scores[0] - i / 2000.0) < 1e-6);
    }
    score_table_free(&table);
}

static void assert_refused(const char *text, const char *part)
{
    struct score_table table;
    write_file(text);
    assert_int_equal(score_table_read(&table, path), ERR_DATA);
    if (strstr(error_message(), part) == NULL || strstr(error_message(), path) == NULL)
        fail_msg("wanted %s, got %s", part, error_message());
    assert_int_equal(table.count, 0);
    assert_null(table.genomes);
}

static void test_refuses(void **state)
{
    (void)state;
    assert_refused("", "no scores");
    assert_refused("genome,status,validation_accuracy\n", "no scores");
    assert_refused("genome,status\n" ONE ",done\n", "no column validation_accuracy");
    assert_refused("genome;status;validation_accuracy\n", "no column genome");
    assert_refused("genome,status,validation_accuracy\n" ONE ",done,0.5\nRC8k3:rel,done,0.5\n",
                   "line 3: genome, column 7");
    assert_refused("genome,status,validation_accuracy\n" ONE ",done,\n", "line 2");
    assert_refused("genome,status,validation_accuracy\n" ONE ",done,1.01\n", "'1.01'");
    assert_refused("genome,status,validation_accuracy\n" ONE ",done,nan\n", "'nan'");
    assert_refused("genome,status,validation_accuracy\n\"" ONE "\"x,done,0.5\n", "line 2");
    assert_refused("genome,status,validation_accuracy\n\"" ONE, "line 2");
    struct score_table table;
    assert_int_equal(score_table_read(&table, "/no/such/table.csv"), ERR_DATA);
    assert_non_null(strstr(error_message(), "/no/such/table.csv"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_reads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refuses, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
