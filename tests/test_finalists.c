/* stages/finalists: who is trained again, who wins, and what the confirmations say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <math.h>

#include <cmocka.h>

#include "outputs/report_markdown.h"
#include "stages/finalists.h"
#include "stages/inference.h"
#include "stages/report.h"

enum { CANDIDATES = 12, IMAGES = 40 };

static struct settings settings;
static struct candidate history[CANDIDATES];

/* A front of eight, 0 to 7, each twice as large as the one before; 8 to 11 are not on it. */
static int set_up(void **state)
{
    (void)state;
    static const double accuracies[CANDIDATES] = {0.30, 0.50, 0.70, 0.80, 0.85, 0.88,
                                                  0.90, 0.91, 0.60, 0.79, 0.20, 0.95};
    static const int64_t parameters[CANDIDATES] = {100,  200,   400,   800, 1600, 3200,
                                                   6400, 12800, 12800, 900, 150,  50};
    settings_defaults(&settings, NULL);
    for (int i = 0; i < CANDIDATES; i++) {
        history[i] = (struct candidate){.id = i,
                                        .attempt = 1,
                                        .status = CANDIDATE_DONE,
                                        .parent = -1,
                                        .operator_name = "random",
                                        .validation_accuracy = accuracies[i],
                                        .cost = {parameters[i], 10, 10}};
    }
    history[11].status = CANDIDATE_TIMEOUT; /* its numbers are not to be looked at */
    return 0;
}

static void set_bands(int count, const int *bands)
{
    settings.confirm.bands.count = count;
    memcpy(settings.confirm.bands.values, bands, (size_t)count * sizeof *bands);
}

static void assert_chosen(size_t count, const int64_t *ids)
{
    struct finalist *list;
    size_t n;
    assert_int_equal(finalists_choose(&list, &n, history, CANDIDATES, &settings), ERR_NONE);
    assert_int_equal(n, count);
    assert_true(n <= (size_t)finalists_most(&settings.confirm));
    for (size_t i = 0; i < count; i++)
        assert_int_equal(list[i].candidate->id, ids[i]);
    free(list);
}

#define ASSERT_CHOSEN(...)                                                                         \
    assert_chosen(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (int64_t[]){__VA_ARGS__})

static void spreads_over_the_front(void **state)
{
    (void)state;
    ASSERT_CHOSEN(7); /* the default: the best alone */
    settings.confirm.finalists = 2;
    ASSERT_CHOSEN(7, 3);
    settings.confirm.finalists = 4;
    ASSERT_CHOSEN(7, 5, 3, 1);
    settings.confirm.finalists = 20; /* no more than the front has */
    ASSERT_CHOSEN(7, 6, 5, 4, 3, 2, 1, 0);
}

static void takes_the_best_by_the_objective(void **state)
{
    (void)state;
    settings.search.objective = OBJECTIVE_WEIGHTED;
    settings.search.target_parameters = 1000;
    settings.search.size_exponent = -0.07;
    /* 0.85 x (1600 / 1000)^-0.07 = 0.8225 is the highest. */
    ASSERT_CHOSEN(4);
    settings.confirm.finalists = 3;
    ASSERT_CHOSEN(4, 7, 1); /* it is the most accurate of the middle part */
    settings.search.objective = OBJECTIVE_PARETO;
    ASSERT_CHOSEN(7, 4, 1);
}

static void takes_the_best_within_each_limit(void **state)
{
    (void)state;
    set_bands(4, (int[]){1000, 99, 450, 1000000});
    assert_int_equal(finalists_most(&settings.confirm), 5);
    ASSERT_CHOSEN(7, 2, 3); /* nothing is within 99; the best of all is within a million */
    settings.confirm.finalists = 2;
    ASSERT_CHOSEN(7, 2, 3); /* those of both parts are there already */
    settings.confirm.finalists = 3;
    ASSERT_CHOSEN(7, 2, 3, 4, 1);
    struct finalist *list;
    size_t n;
    assert_int_equal(finalists_choose(&list, &n, history, CANDIDATES, &settings), ERR_NONE);
    static const int64_t bands[] = {1000000, 450, 1000, 1000000, 450};
    static const enum finalist_reason reasons[] = {FINALIST_BEST, FINALIST_BAND, FINALIST_BAND,
                                                   FINALIST_FRONT, FINALIST_FRONT};
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(list[i].band, bands[i]);
        assert_int_equal(list[i].reason, reasons[i]);
        assert_int_equal(list[i].trained, 0);
        assert_true(isnan(list[i].test.mean));
    }
    free(list);
    set_bands(1, (int[]){0});
    ASSERT_CHOSEN(7, 4, 1);
}

static void nothing_is_chosen_of_nothing(void **state)
{
    (void)state;
    set_bands(1, (int[]){1000});
    settings.confirm.finalists = 3;
    for (int i = 0; i < CANDIDATES; i++)
        history[i].status = CANDIDATE_DIVERGED;
    assert_chosen(0, NULL);
}

static uint8_t labels[IMAGES], other_labels[IMAGES], predictions[6][IMAGES];

/* The images from `first` to before `last` are wrong. */
static struct confirmation confirmation(int i, int64_t candidate, int replicate, double validation,
                                        int first, int last)
{
    for (int k = 0; k < IMAGES; k++)
        predictions[i][k] = k >= first && k < last;
    return (struct confirmation){.candidate = candidate,
                                 .replicate = replicate,
                                 .validation_accuracy = validation,
                                 .test_accuracy = 1 - (double)(last - first) / IMAGES,
                                 .test_images = IMAGES,
                                 .predictions = predictions[i],
                                 .labels = labels};
}

static void assert_near(double value, double expected)
{
    if (!(fabs(value - expected) <= 1e-12))
        fail_msg("%.15f is not %.15f", value, expected);
}

static void the_validation_images_choose_the_winner(void **state)
{
    (void)state;
    settings.confirm.finalists = 4; /* 7, 5, 3, 1 */
    struct confirmation list[6] = {
        confirmation(0, 7, 0, 0.92, 0, 8),  confirmation(1, 7, 1, 0.90, 0, 4),
        confirmation(2, 5, 1, 0.91, 6, 16), confirmation(3, 5, 0, 0.93, 4, 10),
        confirmation(4, 3, 0, 0.80, 0, 0), /* the best on the test images, which nobody asks */
        confirmation(5, 6, 0, 0.99, 0, 2), /* of no finalist */
    };
    struct finalist *finalists;
    size_t n;
    assert_int_equal(finalists_choose(&finalists, &n, history, CANDIDATES, &settings), ERR_NONE);
    finalists_confirm(finalists, n, list, 6);
    finalists_rank(finalists, n, &settings.search);
    assert_int_equal(finalists[0].trained, 2);
    assert_near(finalists[0].validation_mean, 0.91);
    assert_near(finalists[0].test.mean, 0.85);
    struct estimate test = mean_estimate((double[]){0.8, 0.9}, 2);
    assert_near(finalists[0].test.deviation, test.deviation);
    assert_near(finalists[0].test.interval.low, test.interval.low);
    assert_near(finalists[0].test.interval.high, test.interval.high);
    assert_near(finalists[0].test_lowest, 0.8);
    assert_near(finalists[0].test_highest, 0.9);
    assert_ptr_equal(finalists[0].deployed, &list[0]); /* by validation, not by test */
    assert_ptr_equal(finalists[1].deployed, &list[3]);
    assert_int_equal(finalists[2].trained, 1);
    assert_true(isnan(finalists[2].test.interval.low));
    assert_null(finalists[3].deployed);

    static const int places[] = {2, 1, 3, 0};
    for (size_t i = 0; i < n; i++)
        assert_int_equal(finalists[i].place, places[i]);
    const struct finalist *first = finalists_at(1, finalists, n);
    const struct finalist *second = finalists_at(2, finalists, n);
    assert_ptr_equal(first, &finalists[1]);
    assert_ptr_equal(second, &finalists[0]);
    assert_null(finalists_at(4, finalists, n));
    /* 4 to 10 are wrong against 0 to 8. */
    struct paired_test pair = finalists_compare(first, second);
    assert_int_equal(pair.only_a, 4);
    assert_int_equal(pair.only_b, 2);
    assert_near(pair.p, mcnemar_counts(4, 2, IMAGES).p);
    assert_true(isnan(finalists_compare(first, &finalists[3]).p));
    assert_true(isnan(finalists_compare(first, NULL).p));
    other_labels[1] = 1;
    list[0].labels = other_labels; /* the test files were changed between */
    assert_true(isnan(finalists_compare(first, second).p));

    struct rank_test rank, expected;
    size_t ranked;
    assert_int_equal(finalists_correlate(&rank, &ranked, finalists, n), ERR_NONE);
    assert_int_equal(ranked, 3);
    assert_int_equal(spearman(&expected, (double[]){0.91, 0.88, 0.80},
                              (double[]){0.85, finalists[1].test.mean, 1.0}, 3),
                     ERR_NONE);
    assert_near(rank.statistic, expected.statistic);

    /* With the size in the objective, the smaller one wins. */
    settings.search.objective = OBJECTIVE_WEIGHTED;
    settings.search.target_parameters = 1000;
    settings.search.size_exponent = -1;
    finalists_rank(finalists, n, &settings.search);
    assert_int_equal(finalists[2].place, 1);
    free(finalists);
}

static void assert_says(const struct text *text, const char *part)
{
    if (strstr(text->data, part) == NULL)
        fail_msg("not in the report: %s\n%s", part, text->data);
}

static void the_report_says_it_in_words(void **state)
{
    (void)state;
    struct report report;
    struct text text = {0};
    for (int i = 0; i < CANDIDATES; i++)
        assert_int_equal(
            genome_parse(&history[i].genome, "RC16k3:relu-NC64k3:relu-RC32k3:relu-FC64:relu"),
            ERR_NONE);
    settings.search.cycles = CANDIDATES;
    settings.confirm.finalists = 4;
    struct confirmation list[4] = {
        confirmation(0, 7, 0, 0.92, 0, 8), confirmation(1, 7, 1, 0.90, 0, 6),
        confirmation(2, 5, 0, 0.93, 4, 10), confirmation(3, 3, 0, 0.80, 0, 12)};
    struct report_input input = {.run = "night",
                                 .version = "0",
                                 .settings = &settings,
                                 .shape = {28, 28, 1, 2},
                                 .candidates = history,
                                 .candidate_count = CANDIDATES,
                                 .confirmations = list,
                                 .confirmation_count = 4};
    uint32_t confusion[4] = {0};
    for (int i = 0; i < 4; i++) {
        list[i].classes = 2;
        list[i].confusion = confusion;
    }
    assert_int_equal(report_make(&report, &input), ERR_NONE);
    assert_int_equal(report.best->id, 5);
    assert_int_equal(report.found->id, 7);
    assert_ptr_equal(report.winner, &list[2]);
    assert_int_equal(report.finalist_count, 4);
    assert_int_equal(report.finalists[0].candidate->id, 1); /* by parameters */
    report_markdown(&text, &report);
    assert_says(&text, "| 1 | c000005 | 3,200 | - | 0.8800 | 1 | 0.9300 | **0.8500** | - | "
                       "0.8500 to 0.8500 |");
    assert_says(&text, "| 2 | c000007 | 12,800 | - | 0.9100 | 2 | 0.9100 | 0.8250 | ");
    assert_says(&text, "| - | c000001 | 200 | - | 0.5000 | 0 | - | - | - | - |");
    assert_says(&text, "The search had put c000007 first; trained again, c000005 is better.");
    assert_says(&text, "Of 40 test images 4 are classified right by the winner's network alone, "
                       "and 2 by that of the runner-up alone: a difference of +0.0500");
    assert_says(&text, "p = 0.69). That one of the two is better is not shown.");
    assert_says(&text, "the 3 finalists have a rank correlation of +0.50 (Spearman");
    assert_null(strstr(text.data, "nan"));
    text_free(&text);
    report_free(&report);

    /* A real difference, and one the wrong way round. */
    list[0] = confirmation(0, 7, 0, 0.92, 0, 30);
    list[0].confusion = confusion;
    list[0].classes = 2;
    assert_int_equal(report_make(&report, &input), ERR_NONE);
    report_markdown(&text, &report);
    assert_says(&text, "The winner's is the better one.");
    text_free(&text);
    report_free(&report);
    list[2].validation_accuracy = 0.90;
    assert_int_equal(report_make(&report, &input), ERR_NONE);
    report_markdown(&text, &report);
    assert_says(&text, "The winner's is the worse one");
    text_free(&text);
    report_free(&report);

    /* One alone has nobody to be compared with. */
    input.confirmation_count = 1;
    settings.confirm.finalists = 1;
    assert_int_equal(report_make(&report, &input), ERR_NONE);
    report_markdown(&text, &report);
    assert_says(&text, "## Finalists");
    assert_null(strstr(text.data, "McNemar"));
    assert_null(strstr(text.data, "rank correlation"));
    text_free(&text);
    report_free(&report);
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(spreads_over_the_front),
        CASE(takes_the_best_by_the_objective),
        CASE(takes_the_best_within_each_limit),
        CASE(nothing_is_chosen_of_nothing),
        CASE(the_validation_images_choose_the_winner),
        CASE(the_report_says_it_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
