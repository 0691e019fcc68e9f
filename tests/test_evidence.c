/* clade table build, clade compare and clade ablate, as a user runs them. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "inputs/score_table.h"
#include "pipeline/base/error.h"
#include "tests/clade_process.h"

/* Four genomes: two kernels for each of two layers. */
static const char search[] = "[data]\n"
                             "validation_images = 500\n"
                             "[space]\n"
                             "min_layers = 2\n"
                             "max_layers = 2\n"
                             "filters = 4\n"
                             "kernels = 1 3\n"
                             "activations = relu\n"
                             "[search]\n"
                             "population = 2\n"
                             "sample = 2\n"
                             "in_flight = 2\n"
                             "[training]\n"
                             "epochs = 1\n"
                             "batch = 32\n"
                             "train_images = 512\n"
                             "[devices]\n"
                             "slots = 2\n";

static char directory[64];

static int set_up(void **state)
{
    (void)state;
    clade_directory(directory);
    clade_write_text(directory, "small.ini", search);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    clade_remove(directory);
    return 0;
}

static void assert_fails(const struct clade_result *result, enum error err, const char *part)
{
    if (result->status != error_exit_code(err) || strstr(result->err, part) == NULL)
        fail_msg("exit code %d, wanted %s; %s", result->status, part, result->err);
}

/* Every genome under every seed, once; what could not be written is written by --resume. */
static void test_build(void **state)
{
    (void)state;
    char path[128];
    struct score_table table;
    snprintf(path, sizeof path, "%s/table.csv", directory);
    assert_fails(clade("table build %s/small.ini --seeds 2 --run %s/run --out %s/no/table.csv",
                       directory, directory, directory),
                 ERR_OUTPUT, "no/table.csv");
    const struct clade_result *result =
        clade("table build --resume %s/run --out %s", directory, path);
    clade_assert_fine(result);
    assert_non_null(strstr(result->out, "8 of 4 genomes"));
    if (score_table_read(&table, path) != ERR_NONE)
        fail_msg("%s", error_message());
    assert_int_equal(table.count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(table.genomes[i].count, 2);
        for (size_t j = 0; j < 2; j++)
            assert_true(table.genomes[i].scores[j] > 0.05);
        /* Two seeds, two trainings. */
        assert_true(table.genomes[i].scores[0] != table.genomes[i].scores[1]);
    }
    score_table_free(&table);
    result = clade("compare %s/small.ini --table %s --at 1,4 --repeats 10 --algorithms grid,random",
                   directory, path);
    clade_assert_fine(result);
    assert_non_null(strstr(result->out, "grid"));
}

/* The scores of both tables, whatever the seconds. */
static void assert_same_scores(const char *a, const char *b)
{
    struct score_table first, second;
    if (score_table_read(&first, a) != ERR_NONE || score_table_read(&second, b) != ERR_NONE)
        fail_msg("%s", error_message());
    assert_int_equal(first.count, second.count);
    for (size_t i = 0; i < first.count; i++) {
        const struct genome_scores *scores = &first.genomes[i];
        const struct genome_scores *same = score_table_find(&second, &scores->genome);
        assert_non_null(same);
        assert_int_equal(scores->count, same->count);
        assert_memory_equal(scores->scores, same->scores, scores->count * sizeof *scores->scores);
    }
    score_table_free(&first);
    score_table_free(&second);
}

/* Killed in the middle and resumed, it is the table of a run that nobody killed. */
static void test_build_killed(void **state)
{
    (void)state;
    char killed[128], whole[128];
    snprintf(killed, sizeof killed, "%s/killed.csv", directory);
    snprintf(whole, sizeof whole, "%s/whole.csv", directory);
    pid_t pid = clade_start("table build %s/small.ini --seeds 10 --run %s/killed --out %s",
                            directory, directory, killed);
    bool some = false;
    for (int i = 0; i < 600 && !some; i++) {
        usleep(50000);
        some = strstr(clade("status %s/killed", directory)->out, " done") != NULL;
    }
    assert_true(some);
    kill(pid, SIGKILL);
    assert_int_equal(clade_wait(pid, 60), 128 + SIGKILL);
    assert_int_not_equal(access(killed, F_OK), 0);
    clade_assert_fine(clade("table build --resume %s/killed --out %s", directory, killed));
    clade_assert_fine(clade("table build %s/small.ini --seeds 10 --run %s/whole --out %s",
                            directory, directory, whole));
    assert_same_scores(killed, whole);
}

static int count_lines(const char *text)
{
    int n = 0;
    for (; (text = strchr(text, '\n')) != NULL; text++)
        n++;
    return n;
}

static void test_compare(void **state)
{
    (void)state;
    static const char base[] = "compare tests/fixtures/table.ini --table tests/fixtures/table.csv "
                               "--at 10,40 --repeats 20";
    const struct clade_result *result = clade("%s", base);
    clade_assert_fine(result);
    assert_int_equal(strncmp(result->out, "algorithm  evaluations", 22), 0);
    assert_non_null(strstr(result->out, "trainings that did not choose it"));
    result = clade("%s --format csv --algorithms aging,random", base);
    clade_assert_fine(result);
    assert_int_equal(count_lines(result->out), 5);
    assert_non_null(strstr(result->out, "\"aging\",10,20,0."));
    char *first = strdup(result->out);
    /* Deterministic, and another with another seed. */
    assert_string_equal(clade("%s --format csv --algorithms aging,random", base)->out, first);
    assert_string_not_equal(clade("%s --format csv --algorithms aging,random --seed 2", base)->out,
                            first);
    free(first);
    result = clade("%s --format markdown --set search.objective=pareto", base);
    clade_assert_fine(result);
    assert_non_null(strstr(result->out, "| 40 | elitist | 0."));
    assert_non_null(strstr(result->out, "area under the front"));
    assert_non_null(strstr(result->out, "20 searches of each algorithm"));
}

static void test_ablate(void **state)
{
    (void)state;
    static const char base[] = "ablate tests/fixtures/table.ini --table tests/fixtures/table.csv "
                               "--at 10,40 --repeats 20";
    const struct clade_result *result = clade("%s", base);
    clade_assert_fine(result);
    assert_non_null(strstr(result->out, "without filters"));
    result = clade("%s --format csv --set search.weight_add=0", base);
    clade_assert_fine(result);
    assert_int_equal(count_lines(result->out), 1 + 2 * 6); /* all, and without five */
    assert_non_null(strstr(result->out, "\"without remove\",40,20,0."));
    assert_null(strstr(result->out, "without add"));
    char *first = strdup(result->out);
    assert_string_equal(clade("%s --format csv --set search.weight_add=0", base)->out, first);
    free(first);
    result = clade("%s --format markdown", base);
    clade_assert_fine(result);
    assert_non_null(strstr(result->out, "| 40 | without layer | 0."));
    assert_non_null(strstr(result->out, "20 searches each"));
}

/* Real searches on a slice of real data; what was there is not trained again. */
static void test_ablate_live(void **state)
{
    (void)state;
    char command[512];
    snprintf(command, sizeof command,
             "ablate %s/small.ini --runs %s/runs --repeats 2 --at 2,4 --format csv "
             "--set space.max_layers=3 --set search.weight_swap=0 --set search.weight_inversion=0 "
             "--set search.weight_filters=0 --set search.weight_remove=0",
             directory, directory);
    const struct clade_result *result = clade("%s", command);
    clade_assert_fine(result);
    assert_int_equal(count_lines(result->out), 1 + 2 * 3);
    assert_non_null(strstr(result->out, "\"without layer\",4,2,0."));
    char *first = strdup(result->out);
    /* Equal seeds: the first population is the same in all variants of a repeat. */
    char check[512];
    snprintf(check, sizeof check,
             "set -e; cd %s/runs; test $(ls -d */ | wc -l) = 6; for v in layer add; do "
             "for r in 1 2; do for f in $r-all $r-without-$v; do "
             "grep '\"done\"' $f/candidates.csv | head -n 2 | cut -d, -f7,16,19 > $f.first; done; "
             "test -s $r-all.first; cmp $r-all.first $r-without-$v.first; done; done; "
             "rm *.first; ! cmp -s 1-all/candidates.csv 2-all/candidates.csv",
             directory);
    assert_int_equal(system(check), 0);
    result = clade("%s", command);
    clade_assert_fine(result);
    assert_string_equal(result->out, first);
    free(first);
    assert_fails(clade("%s --seed 2", command), ERR_USAGE, "another seed");
}

static void test_mistakes(void **state)
{
    (void)state;
#define BASE "compare tests/fixtures/table.ini --table tests/fixtures/table.csv "
    assert_fails(clade("compare tests/fixtures/table.ini"), ERR_USAGE, "--table");
    assert_fails(clade(BASE "--algorithms agin"), ERR_USAGE, "did you mean aging?");
    assert_fails(clade(BASE "--algorithms aging,aging"), ERR_USAGE, "twice");
    assert_fails(clade(BASE "--at 20,10"), ERR_USAGE, "rising");
    assert_fails(clade(BASE "--at 0"), ERR_USAGE, "--at");
    assert_fails(clade(BASE "--set space.filters=4,8,16"), ERR_DATA, "no scores for");
    assert_fails(clade("compare inputs/searches/quick.ini --table tests/fixtures/table.csv"),
                 ERR_USAGE, "can be listed");
    assert_fails(clade("compare tests/fixtures/table.ini --table /no/table.csv"), ERR_DATA,
                 "/no/table.csv");
    assert_fails(clade("ablate tests/fixtures/table.ini"), ERR_USAGE, "--table");
    assert_fails(clade("ablate tests/fixtures/table.ini --table x.csv --runs y"), ERR_USAGE,
                 "either");
    assert_fails(clade("ablate tests/fixtures/table.ini --table tests/fixtures/table.csv --at 9,8"),
                 ERR_USAGE, "rising");
    assert_fails(clade("ablate tests/fixtures/table.ini --table tests/fixtures/table.csv "
                       "--set search.algorithm=random"),
                 ERR_USAGE, "no mutation");
    assert_fails(
        clade("ablate tests/fixtures/table.ini --runs %s/y --set search.budget=1h", directory),
        ERR_USAGE, "search.cycles");
    assert_fails(clade("table make x.ini --out y.csv"), ERR_USAGE, "clade table build");
    assert_fails(clade("table build inputs/searches/table.ini"), ERR_USAGE, "--out");
    assert_fails(clade("table build --out y.csv"), ERR_USAGE, "--resume");
    assert_fails(clade("table build inputs/searches/quick.ini --out y.csv"), ERR_USAGE,
                 "can be listed");
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {CASE(test_build),       CASE(test_build_killed),
                                       CASE(test_compare),     CASE(test_ablate),
                                       CASE(test_ablate_live), CASE(test_mistakes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
