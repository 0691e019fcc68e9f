/* pipeline/memory: what several runs leave in one file, also at the same time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "pipeline/base/rng.h"
#include "pipeline/memory.h"
#include "stages/inference.h"

static char directory[64], path[128];
static struct settings settings;

static int set_up(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/clade-test-memory-XXXXXX");
    if (mkdtemp(directory) == NULL)
        return 1;
    snprintf(path, sizeof path, "%s/memory.sqlite", directory);
    settings_defaults(&settings, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    static const char *const endings[] = {"", "-wal", "-shm"};
    for (int i = 0; i < 3; i++) {
        char name[160];
        snprintf(name, sizeof name, "%s%s", path, endings[i]);
        unlink(name);
    }
    return rmdir(directory);
}

static struct memory *open_memory(const char *run, int64_t data_check)
{
    struct memory *memory;
    if (memory_open(&memory, path, run, data_check, &settings) != ERR_NONE)
        fail_msg("%s", error_message());
    return memory;
}

static const char *const genomes[] = {"RC8k3:relu-RC16k3:relu-FC64:relu",
                                      "NC8k3:relu-RC8k3:relu-RC16k3:relu-FC64:gelu"};

static struct candidate scored(int64_t id, int genome, uint64_t seed, double accuracy)
{
    struct candidate candidate = {
        .id = id, .status = CANDIDATE_DONE, .seed = seed, .validation_accuracy = accuracy};
    assert_int_equal(genome_parse(&candidate.genome, genomes[genome]), ERR_NONE);
    return candidate;
}

static void add(struct memory *memory, int64_t id, int genome, uint64_t seed, double accuracy)
{
    struct candidate candidate = scored(id, genome, seed, accuracy);
    if (memory_add(memory, &candidate) != ERR_NONE)
        fail_msg("%s", error_message());
}

/* What all runs know. */
static struct remembered find(struct memory *memory, int genome)
{
    struct remembered *list, known = {0};
    size_t count;
    struct candidate candidate = scored(0, genome, 0, 0);
    assert_int_equal(memory_list(&list, &count, memory), ERR_NONE);
    for (size_t i = 0; i < count; i++)
        if (genome_equal(&list[i].genome, &candidate.genome))
            known = list[i];
    free(list);
    return known;
}

static struct remembered earlier(struct memory *memory, int genome)
{
    struct remembered known;
    struct candidate candidate = scored(0, genome, 0, 0);
    assert_int_equal(memory_earlier(&known, memory, &candidate.genome), ERR_NONE);
    assert_true(genome_equal(&known.genome, &candidate.genome));
    return known;
}

static void assert_near(double value, double expected)
{
    if (!(fabs(value - expected) <= 1e-12))
        fail_msg("%.15f is not %.15f", value, expected);
}

/* Mean and variance over several nights; a training counts once, however often it is added. */
static void test_sums_up(void **state)
{
    (void)state;
    static const double scores[] = {0.81, 0.83, 0.79, 0.85, 0.80};
    for (int night = 0; night < 5; night++) {
        char run[32];
        snprintf(run, sizeof run, "night-%d", night);
        struct memory *memory = open_memory(run, 1);
        assert_int_equal(find(memory, 0).count, night);
        add(memory, 7, 0, UINT64_MAX - (uint64_t)night, scores[night]);
        add(memory, 7, 0, UINT64_MAX - (uint64_t)night, scores[night]);
        assert_int_equal(earlier(memory, 0).count, night); /* its own do not count */
        struct remembered known = find(memory, 0);
        struct estimate expected = mean_estimate(scores, (size_t)night + 1);
        assert_int_equal(known.count, night + 1);
        assert_near(known.mean, expected.mean);
        if (night > 0)
            assert_near(sqrt(known.squares / night), expected.deviation);
        assert_int_equal(find(memory, 1).count, 0);
        assert_int_equal(memory_close(memory), ERR_NONE);
    }
    struct memory *memory = open_memory("night-5", 1);
    struct remembered all = find(memory, 0), before = earlier(memory, 0);
    assert_int_equal(before.count, 5);
    assert_near(before.mean, all.mean);
    assert_near(before.squares, all.squares);
    add(memory, 0, 1, 3, 0.5);
    struct remembered *list;
    size_t count;
    assert_int_equal(memory_list(&list, &count, memory), ERR_NONE);
    assert_int_equal(count, 2);
    assert_int_equal(list[0].count, 1); /* in the order of their text: NC before RC */
    assert_int_equal(list[1].count, 5);
    free(list);
    /* The same training from another run says nothing new: equal seeds, equal results. */
    add(memory, 1, 1, 3, 0.5);
    assert_int_equal(find(memory, 1).count, 1);
    assert_int_equal(memory_close(memory), ERR_NONE);
}

/* Scores of other data, or under another recipe, are not seen; those of another search are. */
static void test_keeps_recipes_apart(void **state)
{
    (void)state;
    struct memory *memory = open_memory("a", 1);
    add(memory, 0, 0, 1, 0.8);
    assert_int_equal(memory_close(memory), ERR_NONE);
    memory = open_memory("b", 2);
    assert_int_equal(find(memory, 0).count, 0);
    assert_int_equal(memory_close(memory), ERR_NONE);

    static const char *const others[] = {"training.epochs=9", "training.label_smoothing=0.1",
                                         "data.split_seed=2", "data.validation_images=5000"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        settings_defaults(&settings, NULL);
        assert_int_equal(settings_apply(&settings, NULL, others[i]), ERR_NONE);
        memory = open_memory("c", 1);
        assert_int_equal(find(memory, 0).count, 0);
        add(memory, (int64_t)i, 0, 1, 0.9);
        assert_int_equal(memory_close(memory), ERR_NONE);
    }
    static const char *const same[] = {"search.seed=9", "space.max_layers=5", "confirm.epochs=2",
                                       "devices.slots=1", "data.dir=/elsewhere"};
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        settings_defaults(&settings, NULL);
        assert_int_equal(settings_apply(&settings, NULL, same[i]), ERR_NONE);
        memory = open_memory("d", 1);
        assert_int_equal(find(memory, 0).count, 1);
        assert_near(find(memory, 0).mean, 0.8);
        assert_int_equal(memory_close(memory), ERR_NONE);
    }
}

static void test_seeds_are_fresh(void **state)
{
    (void)state;
    struct memory *memory = open_memory("a", 1);
    struct candidate candidate = scored(0, 0, 0, 0), other = scored(0, 1, 0, 0);
    uint64_t seed = 77, seen[20];
    for (int i = 0; i < 20; i++) {
        assert_int_equal(memory_fresh_seed(&seen[i], memory, &candidate.genome, seed), ERR_NONE);
        for (int j = 0; j < i; j++)
            assert_true(seen[j] != seen[i]);
        add(memory, i, 0, seen[i], 0.5);
    }
    assert_true(seen[0] == seed);
    assert_int_equal(memory_fresh_seed(&seen[0], memory, &other.genome, seed), ERR_NONE);
    assert_true(seen[0] == seed);
    assert_int_equal(memory_close(memory), ERR_NONE);
}

static void await_all(const pid_t *children, int count)
{
    for (int i = 0; i < count; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

/* Several processes, each adding to the same genome: no training is lost, none counted twice. */
static void test_shared(void **state)
{
    (void)state;
    enum { RUNS = 3, EACH = 40 };
    pid_t children[RUNS];
    for (int r = 0; r < RUNS; r++) {
        children[r] = fork();
        assert_true(children[r] >= 0);
        if (children[r] > 0)
            continue;
        char run[16];
        struct memory *memory;
        snprintf(run, sizeof run, "run-%d", r);
        bool good = memory_open(&memory, path, run, 1, &settings) == ERR_NONE;
        for (int i = 0; i < EACH && good; i++) {
            struct candidate candidate = {.id = i,
                                          .status = CANDIDATE_DONE,
                                          .seed = (uint64_t)(1000 * r + i),
                                          .validation_accuracy = 0.01 * (i % 7) + 0.1 * r};
            good = genome_parse(&candidate.genome, genomes[i % 2]) == ERR_NONE &&
                   memory_add(memory, &candidate) == ERR_NONE;
        }
        good = good && memory_close(memory) == ERR_NONE;
        if (!good)
            print_error("%s\n", error_message());
        _exit(good ? 0 : 1);
    }
    await_all(children, RUNS);
    double sums[2] = {0};
    for (int r = 0; r < RUNS; r++)
        for (int i = 0; i < EACH; i++)
            sums[i % 2] += 0.01 * (i % 7) + 0.1 * r;
    struct memory *memory = open_memory("after", 1);
    for (int g = 0; g < 2; g++) {
        struct remembered known = find(memory, g);
        assert_int_equal(known.count, RUNS * EACH / 2);
        assert_near(known.mean, sums[g] / (RUNS * EACH / 2.0));
    }
    assert_int_equal(memory_close(memory), ERR_NONE);
}

/* Runs that start at the same time and find no file: one makes it, the others wait. */
static void test_made_by_several(void **state)
{
    (void)state;
    enum { RUNS = 5, TIMES = 30 };
    for (int i = 0; i < TIMES; i++) {
        pid_t children[RUNS];
        assert_true(unlink(path) == 0 || i == 0);
        for (int r = 0; r < RUNS; r++) {
            children[r] = fork();
            assert_true(children[r] >= 0);
            if (children[r] > 0)
                continue;
            struct memory *memory;
            bool good = memory_open(&memory, path, "run", 1, &settings) == ERR_NONE &&
                        memory_close(memory) == ERR_NONE;
            if (!good)
                print_error("%s\n", error_message());
            _exit(good ? 0 : 1);
        }
        await_all(children, RUNS);
    }
}

static void assert_refused(enum error expected, const char *part)
{
    struct memory *memory;
    assert_int_equal(memory_open(&memory, path, "a", 1, &settings), expected);
    if (strstr(error_message(), part) == NULL || strstr(error_message(), path) == NULL)
        fail_msg("%s", error_message());
}

static void run_sql(const char *sql)
{
    sqlite3 *database;
    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

static void test_refuses_other_files(void **state)
{
    (void)state;
    run_sql("CREATE TABLE notes (text)");
    assert_refused(ERR_DATA, "no memory of clade");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(memory_close(open_memory("a", 1)), ERR_NONE);
    run_sql("PRAGMA user_version = 99");
    assert_refused(ERR_DATA, "version 99");
    assert_int_equal(unlink(path), 0);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < 2000; i++)
        fputs("genome,accuracy\r\n", file);
    assert_int_equal(fclose(file), 0);
    assert_refused(ERR_DATA, "no SQLite file");
    assert_int_equal(unlink(path), 0);
    char kept[sizeof path];
    strcpy(kept, path);
    snprintf(path, sizeof path, "%s/nowhere/memory.sqlite", directory);
    assert_refused(ERR_OUTPUT, "memory.file");
    strcpy(path, kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sums_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_keeps_recipes_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_seeds_are_fresh, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_shared, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_made_by_several, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refuses_other_files, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
