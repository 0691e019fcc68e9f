/* Runs whose slots train several candidates at once, against runs that train one by one: the same
   results, whatever dies, hangs or diverges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "pipeline/base/error.h"
#include "pipeline/store.h"
#include "tests/clade_process.h"

/* A space of one shape: genomes differ in their activations only. */
static const char options[] =
    "--set space.min_layers=2 --set space.max_layers=2 --set space.filters=8 --set "
    "space.kernels=3 --set space.activations=relu,sigmoid,tanh --set search.algorithm=random "
    "--set search.population=3 --set search.cycles=6 --set search.in_flight=6 --set "
    "devices.slots=1 --set devices.retries=0 --set confirm.seeds=3";

static char directory[64];

static int set_up(void **state)
{
    (void)state;
    clade_directory(directory);
    clade_write_search(directory);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unsetenv("CLADE_FAULT");
    clade_remove(directory);
    return 0;
}

static const struct clade_result *run(const char *name, int pack, const char *more)
{
    return clade("run %s/search.ini %s --set devices.pack=%d --out %s/%s%s", directory, options,
                 pack, directory, name, more);
}

static struct store *open_run(const char *name)
{
    char path[160];
    struct store *store;
    snprintf(path, sizeof path, "%s/%s/store.sqlite", directory, name);
    assert_int_equal(store_open(&store, path, true), ERR_NONE);
    return store;
}

static struct candidate *read_candidates(size_t *count, const char *name)
{
    struct candidate *list;
    struct store *store = open_run(name);
    assert_int_equal(store_read_candidates(&list, count, store), ERR_NONE);
    assert_int_equal(store_close(store), ERR_NONE);
    return list;
}

static bool log_holds(const char *name, const char *text)
{
    char command[256];
    snprintf(command, sizeof command, "grep -q '%s' %s/%s/log.txt", text, directory, name);
    return system(command) == 0;
}

/* Scores have equal bits; candidate `but` may differ (-1: none). */
static void assert_same_candidates(const char *a_name, const char *b_name, int64_t but)
{
    size_t a_count, b_count;
    struct candidate *a = read_candidates(&a_count, a_name), *b = read_candidates(&b_count, b_name);
    assert_int_equal(a_count, b_count);
    for (size_t i = 0; i < a_count; i++) {
        assert_true(genome_equal(&a[i].genome, &b[i].genome));
        if (a[i].id == but)
            continue;
        assert_int_equal(a[i].status, b[i].status);
        if (a[i].status != CANDIDATE_DONE)
            continue;
        assert_true(a[i].train_loss == b[i].train_loss);
        assert_true(a[i].validation_loss == b[i].validation_loss);
        assert_true(a[i].validation_accuracy == b[i].validation_accuracy);
    }
    free(a);
    free(b);
}

static void assert_same_weights(struct store *a, struct store *b, const struct confirmation *of)
{
    float *weights_a, *weights_b;
    size_t count_a, count_b;
    assert_int_equal(store_read_weights(&weights_a, &count_a, a, of->candidate, of->replicate),
                     ERR_NONE);
    assert_int_equal(store_read_weights(&weights_b, &count_b, b, of->candidate, of->replicate),
                     ERR_NONE);
    assert_int_equal(count_a, count_b);
    assert_memory_equal(weights_a, weights_b, count_a * sizeof *weights_a);
    free(weights_a);
    free(weights_b);
}

/* Predictions, losses and weights of all three. */
static void assert_same_confirmations(const char *a_name, const char *b_name)
{
    struct store *a = open_run(a_name), *b = open_run(b_name);
    struct confirmation *list_a, *list_b;
    size_t count_a, count_b;
    assert_int_equal(store_read_confirmations(&list_a, &count_a, a), ERR_NONE);
    assert_int_equal(store_read_confirmations(&list_b, &count_b, b), ERR_NONE);
    assert_int_equal(count_a, 3);
    assert_int_equal(count_b, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(list_a[i].replicate, list_b[i].replicate);
        assert_int_equal(list_a[i].seed, list_b[i].seed);
        assert_true(list_a[i].test_loss == list_b[i].test_loss);
        assert_memory_equal(list_a[i].predictions, list_b[i].predictions, 60);
        assert_same_weights(a, b, &list_a[i]);
    }
    store_free_confirmations(list_a, count_a);
    store_free_confirmations(list_b, count_b);
    assert_int_equal(store_close(a), ERR_NONE);
    assert_int_equal(store_close(b), ERR_NONE);
}

static void test_same_bytes(void **state)
{
    (void)state;
    clade_assert_fine(run("alone", 1, ""));
    clade_assert_fine(run("packs", 3, ""));
    assert_false(log_holds("alone", "trains a pack"));
    assert_true(log_holds("packs", "trains a pack of 3 from c000000"));
    assert_same_candidates("alone", "packs", -1);
    assert_same_confirmations("alone", "packs");
}

/* With retries = 0: a pack's death is nobody's fault. */
static void test_worker_dies_in_a_pack(void **state)
{
    (void)state;
    clade_assert_fine(run("alone", 1, ""));
    setenv("CLADE_FAULT", "crash_once:1", 1);
    clade_assert_fine(run("crash", 3, ""));
    assert_true(log_holds("crash", "what it trained is queued again"));
    assert_same_candidates("alone", "crash", -1);
    assert_same_confirmations("alone", "crash");
    setenv("CLADE_FAULT", "device_once:2", 1);
    clade_assert_fine(run("device", 3, ""));
    assert_true(log_holds("device", "what it trained is queued again"));
    assert_same_candidates("alone", "device", -1);
}

/* Only the one that kills its workers fails. */
static void test_killer_in_a_pack(void **state)
{
    (void)state;
    clade_assert_fine(run("alone", 1, " --set confirm.seeds=0"));
    setenv("CLADE_FAULT", "crash:4", 1);
    clade_assert_fine(run("packs", 3, " --set confirm.seeds=0"));
    assert_same_candidates("alone", "packs", 4);
    size_t count;
    struct candidate *list = read_candidates(&count, "packs");
    assert_int_equal(list[4].status, CANDIDATE_FAILED);
    assert_int_equal(list[4].attempt, 2);
    free(list);
}

/* The pack is killed at the end of its time; then the one that hangs is killed alone. */
static void test_hang_in_a_pack(void **state)
{
    (void)state;
    clade_assert_fine(run("alone", 1, " --set confirm.seeds=0 --set search.cycles=3"));
    setenv("CLADE_FAULT", "hang:1", 1);
    clade_assert_fine(run("packs", 2,
                          " --set confirm.seeds=0 --set search.cycles=3 --set "
                          "devices.time_limit_s=2"));
    assert_same_candidates("alone", "packs", 1);
    size_t count;
    struct candidate *list = read_candidates(&count, "packs");
    assert_int_equal(list[1].status, CANDIDATE_TIMEOUT);
    free(list);
}

/* Weights grow tenfold a step: through several layers of relu that overflows, behind a sigmoid it
   does not yet. */
static void test_member_diverges(void **state)
{
    (void)state;
    static const char more[] =
        " --set space.activations=relu,sigmoid --set training.optimizer=sgd --set "
        "training.norm=none --set training.schedule=constant --set training.learning_rate=11 "
        "--set training.weight_decay=1 --set training.epochs=2 --set confirm.seeds=0";
    run("alone", 1, more);
    run("packs", 6, more);
    assert_true(log_holds("packs", "trains a pack"));
    assert_same_candidates("alone", "packs", -1);
    size_t count;
    int diverged = 0, done = 0;
    struct candidate *list = read_candidates(&count, "packs");
    for (size_t i = 0; i < count; i++) {
        diverged += list[i].status == CANDIDATE_DIVERGED;
        done += list[i].status == CANDIDATE_DONE;
    }
    free(list);
    print_message("%d diverged, %d are done\n", diverged, done);
    assert_true(diverged > 0 && done > 0);
}

/* All of a pack that takes too long end so. */
static void test_time_limit(void **state)
{
    (void)state;
    const struct clade_result *result =
        run("packs", 3, " --set training.epochs=1000 --set devices.time_limit_s=0.02");
    assert_int_equal(result->status, error_exit_code(ERR_DIVERGED)); /* none has a score */
    size_t count;
    struct candidate *list = read_candidates(&count, "packs");
    for (size_t i = 0; i < count; i++)
        assert_int_equal(list[i].status, CANDIDATE_TIMEOUT);
    assert_int_equal(count, 6);
    free(list);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_same_bytes),     CASE(test_worker_dies_in_a_pack), CASE(test_killer_in_a_pack),
        CASE(test_hang_in_a_pack), CASE(test_member_diverges),       CASE(test_time_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
