/* stages/report and the files that outputs/ makes of it, on a hand-made run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dirent.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "outputs/file.h"
#include "outputs/report_html.h"
#include "outputs/report_markdown.h"
#include "outputs/run_files.h"
#include "outputs/runs_file.h"
#include "stages/report.h"
#include "stages/statistics.h"

enum { RUN_CANDIDATES = 8 };

/* A small run: two generations of three, one lost attempt, one diverged, one confirmed finalist. */
struct run {
    struct settings settings;
    struct settings_origins origins;
    struct candidate candidates[RUN_CANDIDATES];
    struct confirmation confirmations[3];
    uint32_t confusion[3][100];
    uint8_t predictions[100];
    struct epoch_record epochs[2];
    struct report_input input;
};

static struct candidate candidate(int64_t id, int64_t parent, const char *operator_name,
                                  const char *genome, double accuracy)
{
    struct candidate c = {.id = id,
                          .generation = (int)(id / 3),
                          .attempt = 1,
                          .status = CANDIDATE_DONE,
                          .parent = parent,
                          .epochs = 2,
                          .train_images = 1000,
                          .seed = 7,
                          .train_loss = 0.5,
                          .validation_loss = 0.4,
                          .validation_accuracy = accuracy,
                          .images_per_s = 500,
                          .device = "PoCL | cpu",
                          .worker = (int)(id % 2),
                          .started_utc_us = 1769825700000000 + 10000000 * id,
                          .duration_s = 8};
    struct image_shape shape = {28, 28, 1, 10};
    strcpy(c.operator_name, operator_name);
    assert_int_equal(genome_parse(&c.genome, genome), ERR_NONE);
    c.cost = genome_cost(&c.genome, &shape);
    return c;
}

static void make_confirmation(struct run *run, int i, int64_t id, double validation, int correct)
{
    struct confirmation *c = &run->confirmations[i];
    *c = (struct confirmation){.candidate = id,
                               .replicate = i,
                               .seed = 70 + (uint64_t)i,
                               .genome = run->candidates[5].genome,
                               .epochs = 10,
                               .train_images = 5000,
                               .validation_accuracy = validation,
                               .test_accuracy = correct / 100.0,
                               .duration_s = 100,
                               .classes = 10,
                               .test_images = 100,
                               .predictions = run->predictions,
                               .confusion = run->confusion[i]};
    /* 10 images a class; the wrong ones of class 0 are taken for class 6. */
    for (int k = 0; k < 10; k++)
        run->confusion[i][11 * k] = 10;
    run->confusion[i][0] -= (uint32_t)(100 - correct);
    run->confusion[i][6] += (uint32_t)(100 - correct);
}

static struct run *make_run(void)
{
    struct run *run = calloc(1, sizeof *run);
    assert_non_null(run);
    settings_defaults(&run->settings, &run->origins);
    run->settings.data.validation_images = 1000;
    run->settings.search.population = 3;
    run->settings.search.cycles = 7;
    struct candidate *c = run->candidates;
    c[0] = candidate(0, -1, "random", "RC16k3:relu-RC32k3:relu-FC64:relu", 0.70);
    c[1] = candidate(1, -1, "random", "NC16k3:relu-RC16k3:relu-RC32k3:relu-FC64:relu", 0.80);
    c[2] = candidate(2, -1, "random", "RC8k1:tanh-RC8k1:tanh-FC64:relu", 0.30);
    c[3] = candidate(3, 1, "filters", "NC32k3:relu-RC16k3:relu-RC32k3:relu-FC64:relu", 0.85);
    c[4] = candidate(4, 1, "swap", "RC16k3:relu-NC16k3:relu-RC32k3:relu-FC64:relu", NAN);
    c[4].status = CANDIDATE_LOST;
    c[4].redraws = 3; /* of both its attempts */
    c[5] = c[4];
    c[5].attempt = 2;
    c[5].status = CANDIDATE_DIVERGED;
    c[6] =
        candidate(5, 3, "add", "NC32k3:relu-RC16k3:relu-NC64k3:relu-RC32k3:relu-FC64:relu", 0.90);
    c[7] = candidate(6, 5, "remove", "RC16k3:relu-NC64k3:relu-RC32k3:relu-FC64:relu", NAN);
    c[7].status = CANDIDATE_RUNNING;
    c[7].redraws = 2;
    c[7].genome = c[0].genome;
    make_confirmation(run, 0, 5, 0.91, 97);
    make_confirmation(run, 1, 5, 0.92, 95); /* the winner: by validation, not by test */
    make_confirmation(run, 2, 3, 0.99, 99); /* of a candidate that is best no longer */
    for (int i = 0; i < 2; i++)
        run->epochs[i] = (struct epoch_record){.confirm = i == 1,
                                               .candidate = 5,
                                               .attempt = 1,
                                               .epoch = 1,
                                               .train_loss = 0.5,
                                               .train_accuracy = 0.8,
                                               .seconds = 2,
                                               .images_per_s = 500};
    run->input = (struct report_input){.run = "night_1",
                                       .version = "0.1.0",
                                       .settings = &run->settings,
                                       .shape = {28, 28, 1, 10},
                                       .candidates = c,
                                       .candidate_count = RUN_CANDIDATES,
                                       .confirmations = run->confirmations,
                                       .confirmation_count = 3,
                                       .epochs = run->epochs,
                                       .epoch_count = 2};
    return run;
}

static void assert_near(double value, double expected)
{
    if (!(fabs(value - expected) <= 1e-9))
        fail_msg("%.12f is not %.12f", value, expected);
}

static void says_what_is_known(void **state)
{
    (void)state;
    struct run *run = make_run();
    struct report report;
    assert_int_equal(report_make(&report, &run->input), ERR_NONE);

    assert_ptr_equal(report.best, &run->candidates[6]);
    assert_ptr_equal(report.first_best, &run->candidates[1]);
    assert_near(report.gain, 0.1);
    struct interval gain = newcombe_interval(900, 1000, 800, 1000);
    assert_near(report.gain_interval.low, gain.low);
    assert_near(report.gain_interval.high, gain.high);
    assert_near(report.parameter_ratio, (double)run->candidates[6].cost.parameters /
                                            (double)run->candidates[1].cost.parameters);

    assert_ptr_equal(report.winner, &run->confirmations[1]);
    assert_int_equal(report.replicates, 2);
    assert_near(report.test_mean, 0.96);
    assert_near(report.test_lowest, 0.95);
    assert_near(report.test_highest, 0.97);
    struct interval test = wilson_interval(95, 100);
    assert_near(report.test_interval.low, test.low);
    assert_near(report.test_interval.high, test.high);
    assert_int_equal(report.classes[0].correct, 5);
    assert_int_equal(report.classes[0].confused_with, 6);

    assert_int_equal(report.lineage_count, 3);
    assert_int_equal(report.lineage[0]->id, 5);
    assert_int_equal(report.lineage[1]->id, 3);
    assert_int_equal(report.lineage[2]->id, 1);
    assert_int_equal(report.generation_count, 2);
    assert_int_equal(report.device_count, 1);
    assert_int_equal(report.devices[0].failed, 2);

    assert_int_equal(report.ended, 6);
    assert_int_equal(report.evaluated, 5);
    assert_int_equal(report.attempts[CANDIDATE_LOST], 1);
    assert_int_equal(report.attempts[CANDIDATE_DIVERGED], 1);
    assert_int_equal(report.attempts[CANDIDATE_RUNNING], 1);
    /* The six mutations, and random. */
    assert_int_equal(report.operator_count, 7);
    assert_string_equal(report.operators[MUTATION_ADD].name, "add");
    assert_int_equal(report.operators[MUTATION_ADD].better, 1);
    assert_near(report.operators[MUTATION_ADD].accuracy_change.mean, 0.05);
    assert_int_equal(report.operators[MUTATION_SWAP].failed, 1);
    assert_int_equal(report.operators[6].uses, 3);
    assert_int_equal(report.repeated, 1);
    assert_int_equal(report.redrawn, 2);
    assert_int_equal(report.redraws, 5);
    assert_near(report.elapsed_s, 58);
    assert_near(report.busy_s, 7 * 8);
    assert_near(report.confirm_s, 300);
    assert_near(report.trained_images, 5 * 2000);
    assert_near(report.images_per_s, 10000 / 58.0);
    report_free(&report);
    free(run);
}

static void works_on_a_run_without_scores(void **state)
{
    (void)state;
    struct run *run = make_run();
    struct report report;
    struct text text = {0};
    run->input.candidate_count = 0;
    assert_int_equal(report_make(&report, &run->input), ERR_NONE);
    assert_null(report.best);
    assert_null(report.winner);
    assert_true(isnan(report.gain) && isnan(report.test_mean) && isnan(report.images_per_s));
    report_markdown(&text, &report);
    assert_non_null(strstr(text.data, "No candidate has a score yet"));
    assert_null(strstr(text.data, "nan"));
    report_free(&report);
    text_free(&text);

    run->input.candidate_count = RUN_CANDIDATES;
    for (int i = 0; i < RUN_CANDIDATES; i++)
        run->candidates[i].status = CANDIDATE_TOO_BIG;
    assert_int_equal(report_make(&report, &run->input), ERR_NONE);
    assert_null(report.best);
    report_markdown(&text, &report);
    assert_non_null(strstr(text.data, "| attempts too_big | 8 |"));
    assert_null(strstr(text.data, "nan"));
    report_free(&report);
    text_free(&text);
    free(run);
}

static void passes_on_a_broken_lineage(void **state)
{
    (void)state;
    struct run *run = make_run();
    struct report report;
    run->candidates[3].parent = 4;
    assert_int_equal(report_make(&report, &run->input), ERR_DATA);
    free(run);
}

static void assert_has(const struct text *text, const char *part)
{
    if (strstr(text->data, part) == NULL)
        fail_msg("not in the report: %s\n%s", part, text->data);
}

static void writes_the_report(void **state)
{
    (void)state;
    struct run *run = make_run();
    struct report report;
    struct text text = {0};
    assert_int_equal(report_make(&report, &run->input), ERR_NONE);
    report_markdown(&text, &report);
    assert_int_equal(text_status(&text), ERR_NONE);

    assert_has(&text, "# Best genome of run night\\_1\n");
    assert_has(&text, "The search is not finished: 6 of 7 candidates have ended.");
    assert_has(&text, "\n`NC32k3:relu-RC16k3:relu-NC64k3:relu-RC32k3:relu-FC64:relu`\n");
    assert_has(&text, "| test accuracy | **0.9500** (95 % interval 0.8882 to 0.9785, 100 images)");
    assert_has(&text, "| test accuracy over 2 seeds | mean 0.9600, 0.9500 to 0.9700 |");
    assert_has(&text, "| validation accuracy | 0.9200 after 10 epochs; 0.9000 after 2 in the");
    /* 320 + 4624 + 9280 + 18464 + 33 * 64 + 65 * 10 */
    assert_has(&text, "| parameters | 35,450 |");
    assert_has(&text, "| convolution 3x3, stride 1, relu | 28x28x32 | 320 | 225,792 |");
    assert_has(&text, "| global average pooling | 1x1x32 | 0 |");
    assert_has(&text, "| dense, one unit a class | 1x1x10 | 650 | 640 |");
    assert_has(&text, "| **total** | | **35,450** |");
    assert_has(&text, "| T-shirt/top | 10 | 5 | 0.5000 | 0.2366 to 0.7634 | Shirt |");
    assert_has(&text, "| **T-shirt/top** | **5** | 0 | 0 | 0 | 0 | 0 | 5 | 0 | 0 | 0 |");
    assert_has(&text, "The difference in validation accuracy is +0.1000");
    assert_has(&text, "| c000001 | 0 | random | 0.8000 |");
    assert_has(&text, "| c000005 | 1 | add | 0.9000 | 35,450 |");
    assert_has(&text, "| add | 1 | 0 | 1 of 1 (0.21 to 1.00) | +0.0500 | +23104 |");
    assert_has(&text, "| swap | 1 | 1 | - | - | - |");
    assert_has(&text, "5 genomes that had been proposed before were drawn again, for 2 candidates; "
                      "1 candidates have a genome that an earlier one has, and were trained");
    assert_has(&text, "| attempts lost | 1 |");
    assert_has(&text, "| PoCL \\| cpu | 2 | 7 | 2 | 56 s | 500 |");
    assert_has(&text, "\nclade 0.1.0, with");
    assert_has(&text, "\n[search]\n");
    assert_null(strstr(text.data, "nan"));

    /* The lineage starts with the ancestor. */
    const char *lineage = strstr(text.data, "## Lineage");
    assert_true(strstr(lineage, "| c000001 |") < strstr(lineage, "| c000003 |"));
    assert_true(strstr(lineage, "| c000003 |") < strstr(lineage, "| c000005 |"));
    report_free(&report);
    text_free(&text);
    free(run);
}

static void names_classes_only_when_known(void **state)
{
    (void)state;
    struct run *run = make_run();
    struct report report = {.settings = &run->settings, .shape = {28, 28, 1, 10}};
    char scratch[16];
    strcpy(run->settings.data.dir, "/data/fashion-mnist//");
    assert_string_equal(report_class_name(scratch, &report, 9), "Ankle boot");
    strcpy(run->settings.data.dir, "fashion-mnist");
    assert_string_equal(report_class_name(scratch, &report, 0), "T-shirt/top");
    strcpy(run->settings.data.dir, "/data/not-fashion-mnist");
    assert_string_equal(report_class_name(scratch, &report, 9), "9");
    strcpy(run->settings.data.dir, "/data/mnist");
    assert_string_equal(report_class_name(scratch, &report, 9), "9");
    strcpy(run->settings.data.dir, "/data/fashion-mnist");
    report.shape.classes = 26;
    assert_string_equal(report_class_name(scratch, &report, 25), "25");
    free(run);
}

static void lists_confusions_of_many_classes(void **state)
{
    (void)state;
    struct run *run = make_run();
    struct report report;
    struct text text = {0};
    enum { CLASSES = 47 };
    uint32_t *confusion = calloc(CLASSES * CLASSES, sizeof *confusion);
    assert_non_null(confusion);
    for (int c = 0; c < CLASSES; c++)
        confusion[c * (CLASSES + 1)] = 100;
    confusion[3 * CLASSES + 40] = 30;
    confusion[4 * CLASSES + 5] = 20;
    confusion[40 * CLASSES + 3] = 30;
    struct confirmation *winner = &run->confirmations[1];
    winner->classes = CLASSES;
    winner->confusion = confusion;
    run->input.shape.classes = CLASSES;
    assert_int_equal(report_make(&report, &run->input), ERR_NONE);
    report_markdown(&text, &report);
    assert_has(&text, "|---|---|--:|\n| 3 | 40 | 30 |\n| 40 | 3 | 30 |\n| 4 | 5 | 20 |\n\n");
    report_free(&report);
    text_free(&text);
    free(confusion);
    free(run);
}

/* The page says the same as report.md, with names from outside as text. */
static void writes_the_page(void **state)
{
    (void)state;
    struct run *run = make_run();
    struct report report;
    struct text text = {0};
    strcpy(run->candidates[0].device, "</script><b>");
    run->input.run = "a</title>&";
    assert_int_equal(report_make(&report, &run->input), ERR_NONE);
    report_html(&text, &report);
    assert_int_equal(text_status(&text), ERR_NONE);
    assert_has(&text, "<h1>Run a&#60;/title&#62;&#38;</h1>");
    assert_has(&text, "<b>0.9500</b><span>test accuracy");
    assert_has(&text, "<b>35,450</b><span>parameters");
    assert_has(&text, "<td>&#60;/script&#62;&#60;b&#62;</td>");
    assert_has(&text, "\"\\u003c/script\\u003e\\u003cb\\u003e\"");
    assert_has(&text, "<td>diverged</td><td class=\"n\">1</td>");
    assert_has(&text, "\"id\":[0,1,2,3,5]");
    assert_has(&text, "N32k3r-R16k3r-N64k3r-R32k3r-r\"");
    assert_null(strstr(text.data, "</script><b>"));
    text_free(&text);
    report_free(&report);

    /* Before anything has ended. */
    run->input.candidate_count = run->input.confirmation_count = 0;
    assert_int_equal(report_make(&report, &run->input), ERR_NONE);
    report_html(&text, &report);
    assert_has(&text, "No candidate has a score yet");
    text_free(&text);
    report_free(&report);
    free(run);
}

/* Trainings of one device that overlap lie in lanes of their own. */
static void lays_a_timeline(void **state)
{
    (void)state;
    struct run *run = make_run();
    struct report report;
    run->candidates[1].started_utc_us = run->candidates[0].started_utc_us + 1000000;
    assert_int_equal(report_make(&report, &run->input), ERR_NONE);
    assert_int_equal(report.lane_count, 2);
    assert_near(report.lanes[0].busy_s + report.lanes[1].busy_s, 5 * 8);
    assert_near(report.lanes[0].failed_s + report.lanes[1].failed_s, 2 * 8);
    assert_near(report.timeline_s, 58);
    assert_int_equal(report.spans[0].lane, 0);
    assert_int_equal(report.spans[1].lane, 1);
    assert_near(report.spans[1].from_s, 1);
    assert_near(report.spans[1].to_s, 9);
    report_free(&report);
    free(run);
}

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
                                        "report.html"};
    /* Rows and the header; for the others, files without CRLF. */
    static const int lines[] = {0, 4, 4, 8, 3, 6, 0, 0, 2, 3, 0, 0, 0, 0, 0, 8, 0, 0};
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
    snprintf(path, sizeof path, "%s/.runs.csv.lock", dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
    free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_is_known),
        cmocka_unit_test(works_on_a_run_without_scores),
        cmocka_unit_test(passes_on_a_broken_lineage),
        cmocka_unit_test(writes_the_report),
        cmocka_unit_test(names_classes_only_when_known),
        cmocka_unit_test(lists_confusions_of_many_classes),
        cmocka_unit_test(writes_the_page),
        cmocka_unit_test(lays_a_timeline),
        cmocka_unit_test(fills_a_directory),
        cmocka_unit_test(keeps_a_row_a_run),
        cmocka_unit_test(names_the_file_that_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
