/* Searches on a slice of Fashion-MNIST, through the program: objectives, algorithms, the bandit,
   and a memory that two nights share. */
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

#include "pipeline/store.h"
#include "stages/objective.h"
#include "tests/clade_process.h"

static const char search[] = "[data]\n"
                             "validation_images = 500\n"
                             "[space]\n"
                             "max_layers = 4\n"
                             "filters = 4 8 12\n"
                             "kernels = 1 3\n"
                             "activations = relu tanh\n"
                             "max_macs = 300000\n"
                             "max_activations = 9000\n"
                             "[search]\n"
                             "population = 4\n"
                             "sample = 2\n"
                             "cycles = 10\n"
                             "in_flight = 2\n"
                             "[training]\n"
                             "epochs = 1\n"
                             "batch = 32\n"
                             "train_images = 512\n"
                             "learning_rate = 0.01\n"
                             "[devices]\n"
                             "slots = 2\n"
                             "[confirm]\n"
                             "epochs = 1\n"
                             "train_images = 512\n";

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

/* Runs a search into DIRECTORY/NAME and reads its candidates. */
static struct candidate *run(size_t *count, const char *name, const char *options)
{
    struct candidate *list;
    struct store *store;
    char path[128];
    const struct clade_result *result =
        clade("run %s/search.ini --out %s/%s %s", directory, directory, name, options);
    if (result->status != 0)
        fail_msg("exit code %d: %s", result->status, result->err);
    snprintf(path, sizeof path, "%s/%s/store.sqlite", directory, name);
    assert_int_equal(store_open(&store, path, false), ERR_NONE);
    assert_int_equal(store_read_candidates(&list, count, store), ERR_NONE);
    assert_int_equal(store_close(store), ERR_NONE);
    for (size_t i = 0; i < *count; i++) {
        assert_int_equal(list[i].status, CANDIDATE_DONE);
        assert_true(list[i].cost.macs <= 300000 && list[i].cost.activations <= 9000);
        for (size_t j = 0; j < i; j++)
            assert_true(list[i].redraws > 0 || !genome_equal(&list[i].genome, &list[j].genome));
    }
    return list;
}

static char *read_text(const char *run_name, const char *file)
{
    static char text[64 * 1024];
    char path[160];
    snprintf(path, sizeof path, "%s/%s/%s", directory, run_name, file);
    FILE *stream = fopen(path, "r");
    assert_non_null(stream);
    size_t n = fread(text, 1, sizeof text - 1, stream);
    text[n] = '\0';
    fclose(stream);
    return text;
}

static void test_pareto_elitist_bandit(void **state)
{
    (void)state;
    size_t count;
    struct candidate *list = run(&count, "a",
                                 "--set search.objective=pareto --set search.algorithm=elitist "
                                 "--set search.adapt=bandit --set search.costs=macs,parameters");
    assert_int_equal(count, 10);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(list[i].parent < 0, i < 4);
    /* pareto.csv has as many rows as the front. */
    struct settings settings;
    const struct candidate **front;
    size_t front_count, lines = 0;
    settings_defaults(&settings, NULL);
    settings.search.costs = (struct int_list){2, {COST_MACS, COST_PARAMETERS}};
    assert_int_equal(objective_front(&front, &front_count, list, count, &settings.search),
                     ERR_NONE);
    for (const char *at = read_text("a", "pareto.csv"); (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    assert_int_equal(lines, front_count + 1);
    free(front);
    const char *report = read_text("a", "report.md");
    assert_non_null(strstr(report, "as accurate with as few macs and parameters"));
    assert_non_null(strstr(report, "Operators were drawn by their successes"));
    assert_non_null(strstr(report, "## Duplicates"));
    assert_non_null(strstr(read_text("a", "operators.csv"), "\"random\",4,0,"));
    free(list);
}

static void test_weighted_local(void **state)
{
    (void)state;
    size_t count;
    struct candidate *list =
        run(&count, "a",
            "--set search.objective=weighted --set search.size_exponent=-1 --set "
            "search.target_parameters=2000 --set search.algorithm=local --set search.cycles=7");
    struct settings settings;
    settings_defaults(&settings, NULL);
    settings.search.objective = OBJECTIVE_WEIGHTED;
    settings.search.size_exponent = -1;
    const struct candidate *best = objective_best(list, count, -1, &settings.search);
    char genome[GENOME_TEXT_SIZE];
    genome_format(genome, &best->genome);
    char *kept = read_text("a", "best_genome.txt");
    kept[strcspn(kept, "\n")] = '\0';
    assert_string_equal(kept, genome);
    free(list);
}

/* The second night begins with the best of the first, under new seeds, and both are in the file. */
static void test_memory(void **state)
{
    (void)state;
    char options[300];
    size_t first_count, count, third_count;
    snprintf(options, sizeof options, "--set memory.file=%s/nights.sqlite", directory);
    struct candidate *first = run(&first_count, "first", options);
    for (size_t i = 0; i < first_count; i++)
        assert_true(first[i].earlier == 0 && isnan(first[i].earlier_mean));

    snprintf(options, sizeof options,
             "--set memory.file=%s/nights.sqlite --set search.populate=memory", directory);
    struct candidate *second = run(&count, "second", options);
    struct settings settings;
    settings_defaults(&settings, NULL);
    const struct candidate *best = objective_best(first, first_count, -1, &settings.search);
    assert_true(genome_equal(&second[0].genome, &best->genome));
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(strcmp(second[i].operator_name, "memory") == 0, i < 4);
        for (size_t j = 0; j < first_count; j++) {
            bool same = genome_equal(&second[i].genome, &first[j].genome);
            assert_true(!same || second[i].earlier == 1);
            assert_true(!same || second[i].earlier_mean == first[j].validation_accuracy);
            assert_true(!same || second[i].seed != first[j].seed);
        }
    }
    const char *report = read_text("second", "report.md");
    assert_non_null(strstr(report, "## Earlier nights"));
    assert_non_null(strstr(report, "standard deviation"));
    /* Half and half; a third night sees the first two. */
    snprintf(options, sizeof options,
             "--set memory.file=%s/nights.sqlite --set search.populate=mixed --set search.seed=9 "
             "--set search.cycles=4",
             directory);
    struct candidate *third = run(&third_count, "third", options);
    for (size_t i = 0; i < third_count; i++) {
        int64_t trainings = 0;
        for (size_t j = 0; j < first_count; j++)
            trainings += genome_equal(&third[i].genome, &first[j].genome);
        for (size_t j = 0; j < count; j++)
            trainings += genome_equal(&third[i].genome, &second[j].genome);
        assert_int_equal(third[i].earlier, trainings);
        assert_int_equal(strcmp(third[i].operator_name, "memory") == 0, i % 2 == 0);
        assert_true(trainings > 0 || i % 2 != 0);
    }
    free(first);
    free(second);
    free(third);
    /* A memory that cannot be opened is an error before anything is trained. */
    const struct clade_result *result =
        clade("run %s/search.ini --out %s/x --set memory.file=%s/no/where.sqlite", directory,
              directory, directory);
    assert_int_equal(result->status, error_exit_code(ERR_OUTPUT));
    assert_non_null(strstr(result->err, "memory.file"));
    char made[128];
    snprintf(made, sizeof made, "%s/x", directory);
    assert_int_not_equal(access(made, F_OK), 0); /* and leaves nothing behind */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pareto_elitist_bandit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_weighted_local, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
