/* stages/report, and the pages that outputs/ makes of it, on a hand-made run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <math.h>

#include <cmocka.h>

#include "outputs/report_html.h"
#include "outputs/report_markdown.h"
#include "stages/statistics.h"
#include "tests/report_fixture.h"

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

static void writes_the_report(void **state)
{
    (void)state;
    struct run *run = make_run();
    struct report report;
    struct text text = {0};
    static const struct device_version version = {"PoCL | cpu", "Portable", "OpenCL 3.0 <b>", "3.1",
                                                  "a_b"};
    run->input.versions = &version;
    run->input.version_count = 1;
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
    assert_has(&text, "| PoCL \\| cpu | Portable | OpenCL 3.0 &lt;b> | 3.1 | a\\_b |\n");
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
    static const struct device_version version = {"</script><b>", "<i>", "OpenCL 3.0", "3.1 & more",
                                                  "<script>"};
    run->input.versions = &version;
    run->input.version_count = 1;
    run->input.run = "a</title>&";
    strcpy(run->settings.data.class_names, "<i>,b|c,2,3,4,5,6,7,8,9");
    struct miss miss = {77, 0, 6, 0.875};
    uint8_t pixels[28 * 28] = {255};
    struct confirmation *winner = &run->confirmations[1];
    winner->misses = &miss;
    winner->miss_pixels = pixels;
    winner->miss_count = 1;
    winner->miss_size = sizeof pixels;
    assert_int_equal(report_make(&report, &run->input), ERR_NONE);
    report_html(&text, &report);
    assert_int_equal(text_status(&text), ERR_NONE);
    assert_has(&text, "<h1>Run a&#60;/title&#62;&#38;</h1>");
    assert_has(&text, "<b>0.9500</b><span>test accuracy");
    assert_has(&text, "<b>35,450</b><span>parameters");
    assert_has(&text, "<td>&#60;/script&#62;&#60;b&#62;</td>");
    assert_has(&text, "<td>&#60;/script&#62;&#60;b&#62;</td><td>&#60;i&#62;</td><td>OpenCL 3.0</td>"
                      "<td>3.1 &#38; more</td><td>&#60;script&#62;</td></tr>");
    assert_has(&text, "\"\\u003c/script\\u003e\\u003cb\\u003e\"");
    assert_has(&text, "\" alt=\"test image 77\"");
    assert_has(&text, "<b>&#60;i&#62;</b><span>said 6</span><span>87.5 %</span></li>");
    assert_has(&text, "<td>c000005</td><td class=\"n\">1</td><td class=\"n\">1</td>"
                      "<td class=\"n\">0.5000</td>");
    assert_has(&text, "<td class=\"n\">#0</td><td class=\"n\">32 s");
    assert_has(&text, "<td>diverged</td><td class=\"n\">1</td>");
    assert_has(&text, "\"id\":[0,1,2,3,5]");
    assert_has(&text, "N32k3r-R16k3r-N64k3r-R32k3r-r\"");
    assert_null(strstr(text.data, "</script><b>"));
    assert_has(&text, "<td>&#60;i&#62;</td><td class=\"n\">10</td>");
    assert_null(strstr(text.data, "<i>"));
    text_free(&text);
    report_markdown(&text, &report);
    assert_has(&text, "\n| &lt;i> | 10 | 5 |");
    assert_has(&text, "\n| b\\|c | 10 | 10 |");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_is_known),
        cmocka_unit_test(works_on_a_run_without_scores),
        cmocka_unit_test(passes_on_a_broken_lineage),
        cmocka_unit_test(writes_the_report),
        cmocka_unit_test(lists_confusions_of_many_classes),
        cmocka_unit_test(writes_the_page),
        cmocka_unit_test(lays_a_timeline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
