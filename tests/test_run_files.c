/* outputs/run_files and outputs/runs_file: the files of a hand-made run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <math.h>
#include <unistd.h>

#include <cmocka.h>

#include "outputs/file.h"
#include "outputs/run_files.h"
#include "outputs/runs_file.h"
#include "tests/report_fixture.h"

static char *read_file(const char *dir, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        fail_msg("%s is not there", path);
    enum { MOST = 1000000 };
    char *content = calloc(1, MOST);
    assert_non_null(content);
    assert_in_range(fread(content, 1, MOST - 1, file), 1, MOST - 2);
    fclose(file);
    return content;
}

static int lines_of(const char *content)
{
    int n = 0;
    for (; (content = strstr(content, "\r\n")) != NULL; content++)
        n++;
    return n;
}

static void write_all_files(const char *dir, struct run *run)
{
    struct report report;
    assert_int_equal(report_make(&report, &run->input), ERR_NONE);
    assert_int_equal(run_files_settings(dir, &run->settings, &run->origins), ERR_NONE);
    for (int g = 0; g < 2; g++)
        assert_int_equal(run_files_generation(dir, &report, g), ERR_NONE);
    assert_int_equal(run_files_tables(dir, &report), ERR_NONE);
    assert_int_equal(run_files_report(dir, &report), ERR_NONE);
    report_free(&report);
}

static void fills_a_directory(void **state)
{
    (void)state;
    static const char *const names[] = {"settings.ini",
                                        "generations/gen_0000.csv",
                                        "generations/gen_0001.csv",
                                        "candidates.csv",
                                        "generations.csv",
                                        "pareto.csv",
                                        "report.md",
                                        "best_genome.txt",
                                        "devices.csv",
                                        "epochs.csv",
                                        "candidates.csv-metadata.json",
                                        "generations.csv-metadata.json",
                                        "pareto.csv-metadata.json",
                                        "devices.csv-metadata.json",
                                        "epochs.csv-metadata.json",
                                        "operators.csv",
                                        "operators.csv-metadata.json",
                                        "finalists.csv",
                                        "finalists.csv-metadata.json",
                                        "report.html"};
    /* Rows and the header; for the others, files without CRLF. */
    static const int lines[] = {0, 4, 4, 8, 3, 6, 0, 0, 2, 3, 0, 0, 0, 0, 0, 8, 0, 2, 0, 0};
    enum { FILES = sizeof names / sizeof names[0] };
    struct run *run = make_run();
    char dir[] = "/tmp/clade-test-report-XXXXXX";
    assert_non_null(mkdtemp(dir));
    char *first[FILES];
    write_all_files(dir, run);
    for (int i = 0; i < FILES; i++) {
        first[i] = read_file(dir, names[i]);
        assert_int_equal(lines_of(first[i]), lines[i]);
    }
    assert_string_equal(first[7], "NC32k3:relu-RC16k3:relu-NC64k3:relu-RC32k3:relu-FC64:relu\n");
    /* The last attempt stands in the generation, every attempt in candidates.csv. */
    assert_null(strstr(first[2], "\"lost\""));
    assert_non_null(strstr(first[2], "\"diverged\""));
    assert_non_null(strstr(first[3], "\"lost\""));
    assert_null(strstr(first[3], "\"running\""));

    /* Again: the same bytes, and the effective settings read back. */
    write_all_files(dir, run);
    for (int i = 0; i < FILES; i++) {
        char *again = read_file(dir, names[i]);
        assert_string_equal(first[i], again);
        free(again);
        free(first[i]);
    }
    struct settings settings;
    char path[256];
    snprintf(path, sizeof path, "%s/settings.ini", dir);
    settings_defaults(&settings, &run->origins);
    assert_int_equal(settings_read_file(&settings, &run->origins, path), ERR_NONE);
    assert_int_equal(settings.search.cycles, 7);

    for (int i = 0; i < FILES; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        assert_int_equal(unlink(path), 0);
    }
    snprintf(path, sizeof path, "%s/generations", dir);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(dir), 0); /* nothing else was left */
    free(run);
}

static void names_the_file_that_fails(void **state)
{
    (void)state;
    struct run *run = make_run();
    struct report report;
    assert_int_equal(report_make(&report, &run->input), ERR_NONE);
    static const char dir[] = "/nonexistent/run";
    assert_int_equal(run_files_settings(dir, &run->settings, NULL), ERR_OUTPUT);
    assert_non_null(strstr(error_message(), "/nonexistent/run/settings.ini"));
    assert_int_equal(run_files_generation(dir, &report, 0), ERR_OUTPUT);
    assert_non_null(strstr(error_message(), "/nonexistent/run/generations"));
    assert_int_equal(run_files_tables(dir, &report), ERR_OUTPUT);
    assert_non_null(strstr(error_message(), "/nonexistent/run/candidates.csv"));
    assert_int_equal(run_files_report(dir, &report), ERR_OUTPUT);
    assert_non_null(strstr(error_message(), "/nonexistent/run/report.md"));
    assert_int_equal(run_files_workbook(dir, &report), ERR_OUTPUT);
    assert_non_null(strstr(error_message(), "/nonexistent/run/results.xlsx"));
    char endless[5000];
    memset(endless, 'x', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    assert_int_equal(run_files_report(endless, &report), ERR_OUTPUT);
    report_free(&report);
    free(run);
}

/* runs.csv of `parent` as it is now. */
static char *update_runs(const char *parent, struct run *run, const char *name,
                         enum csv_dialect dialect, int cycles)
{
    struct report report;
    run->input.run = name;
    run->settings.outputs.dialect = dialect;
    run->settings.search.cycles = cycles;
    assert_int_equal(report_make(&report, &run->input), ERR_NONE);
    assert_int_equal(runs_file_update(parent, &report), ERR_NONE);
    report_free(&report);
    return read_file(parent, "runs.csv");
}

static void keeps_a_row_a_run(void **state)
{
    (void)state;
    struct run *run = make_run();
    char dir[] = "/tmp/clade-test-report-XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    char *one = update_runs(dir, run, "night_1", CSV_RFC4180, 7);
    assert_int_equal(lines_of(one), 2);
    assert_non_null(strstr(one, "\r\n1,\"night_1\",2026-01-31T02:15:00,\"confirmed\","));
    char *two = update_runs(dir, run, "=2", CSV_RFC4180, 7);
    assert_int_equal(lines_of(two), 3);
    assert_memory_equal(two, one, strlen(one)); /* the other row is as it was */
    assert_non_null(strstr(two, "\r\n1,\"'=2\","));

    /* Again, with another number of cycles: in place, not a third row. */
    char *again = update_runs(dir, run, "=2", CSV_RFC4180, 9);
    assert_int_equal(lines_of(again), 3);
    assert_string_not_equal(again, two);
    free(again);
    again = update_runs(dir, run, "=2", CSV_RFC4180, 7);
    assert_string_equal(again, two);
    free(again);

    /* In the other dialect and back: the same bytes. */
    char *eu = update_runs(dir, run, "night_1", CSV_EXCEL_EU, 7);
    assert_non_null(strstr(eu, "schema;run;"));
    assert_non_null(strstr(eu, "\r\n1;\"'=2\";2026-01-31T02:15:00;"));
    assert_null(strstr(eu, "0.9"));
    assert_non_null(strstr(eu, ";0,900000;"));
    again = update_runs(dir, run, "night_1", CSV_RFC4180, 7);
    assert_string_equal(again, two);
    free(again);
    free(eu);
    free(two);
    free(one);

    /* A version with fewer columns wrote the file: its rows stay, with empty cells. */
    snprintf(path, sizeof path, "%s/runs.csv", dir);
    static const char old[] = "schema,run,started_utc\r\n1,\"old\",2025-01-01T00:00:00\r\n";
    assert_int_equal(file_replace(path, old, strlen(old)), ERR_NONE);
    one = update_runs(dir, run, "night_1", CSV_RFC4180, 7);
    assert_int_equal(lines_of(one), 3);
    assert_non_null(strstr(one, "\r\n1,\"old\",2025-01-01T00:00:00,,,"));
    free(one);

    /* Someone else's file is not touched. */
    static const char other[] = "date,miles\r\n2026-01-01,5\r\n";
    struct report report;
    assert_int_equal(file_replace(path, other, strlen(other)), ERR_NONE);
    assert_int_equal(report_make(&report, &run->input), ERR_NONE);
    assert_int_equal(runs_file_update(dir, &report), ERR_DATA);
    assert_non_null(strstr(error_message(), path));
    one = read_file(dir, "runs.csv");
    assert_string_equal(one, other);
    free(one);
    assert_int_equal(runs_file_update("/nonexistent", &report), ERR_OUTPUT);
    report_free(&report);

    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof path, "%s/runs.csv-metadata.json", dir);
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof path, "%s/.runs.csv.lock", dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
    free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_a_directory),
        cmocka_unit_test(keeps_a_row_a_run),
        cmocka_unit_test(names_the_file_that_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
