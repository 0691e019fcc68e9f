/* A search over rungs on a slice of Fashion-MNIST: kill -9 between rungs, and the same result. */
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "pipeline/base/clock.h"
#include "pipeline/store.h"
#include "tests/clade_process.h"

enum { CANDIDATES = 24, RUNGS = 3 };

static const char search[] = "[data]\n"
                             "validation_images = 500\n"
                             "[space]\n"
                             "max_layers = 4\n"
                             "filters = 4 8\n"
                             "kernels = 1 3\n"
                             "activations = relu\n"
                             "[search]\n"
                             "population = 5\n"
                             "sample = 2\n"
                             "cycles = 24\n"
                             "in_flight = 2\n"
                             "[training]\n"
                             "batch = 32\n"
                             "[fidelity]\n"
                             "rungs = 1x640 2x640 2x1280\n"
                             "eta = 2\n"
                             "bands = 1500 2500\n"
                             "[confirm]\n"
                             "epochs = 1\n"
                             "finalists = 1\n"
                             "bands = 0\n"
                             "train_images = 640\n";

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

static size_t read_candidates(struct candidate **list, const char *name)
{
    size_t count;
    struct store *store = clade_open_store(directory, name);
    if (store == NULL)
        return 0;
    assert_int_equal(store_read_candidates(list, &count, store), ERR_NONE);
    assert_int_equal(store_close(store), ERR_NONE);
    return count;
}

/* Promotions of which it is true that they have ended, or that they are running. */
static int count_promotions(const char *name, bool ended)
{
    struct candidate *list = NULL;
    size_t count = read_candidates(&list, name);
    int found = 0;
    for (size_t i = 0; i < count; i++)
        found += list[i].rung > 0 &&
                 (ended ? list[i].status == CANDIDATE_DONE : list[i].status == CANDIDATE_RUNNING);
    free(list);
    return found;
}

static int64_t assert_climbed(const char *name)
{
    struct candidate *list;
    int64_t rungs[RUNGS] = {0};
    static const int epochs[RUNGS] = {1, 2, 2}, images[RUNGS] = {640, 640, 1280};
    assert_int_equal(read_candidates(&list, name), CANDIDATES);
    double above = 0, below = 0;
    for (size_t i = 0; i < CANDIDATES; i++) {
        const struct candidate *c = &list[i];
        assert_int_equal(c->status, CANDIDATE_DONE);
        assert_in_range(c->rung, 0, RUNGS - 1);
        rungs[c->rung]++;
        assert_int_equal(c->epochs, epochs[c->rung]);
        assert_int_equal(c->train_images, images[c->rung]);
        if (c->rung == 0)
            continue;
        assert_string_equal(c->operator_name, CANDIDATE_PROMOTE);
        assert_int_equal(list[c->parent].rung, c->rung - 1);
        above += c->train_loss;
        below += list[c->parent].train_loss;
    }
    assert_true(rungs[0] > rungs[1] && rungs[1] > rungs[2] && rungs[2] >= 1);
    /* They go on from what they had learned. */
    assert_true(above < below);
    free(list);
    return rungs[1];
}

static void test_kill_9_between_rungs(void **state)
{
    (void)state;
    enum { KILLS = 3 };
    struct candidate *a, *b;
    clade_assert_fine(clade("run %s/search.ini --out %s/calm", directory, directory));
    int64_t second = assert_climbed("calm");
    char command[512], expected[64];
    snprintf(command, sizeof command,
             "cd %s/calm && test $(grep -c . rungs.csv) = %d && grep -q '## Rungs' report.md && "
             "grep -q '>Rungs<' report.html && grep -q '\"promote\"' candidates.csv && "
             "! grep -q '\"promote\"' operators.csv",
             directory, RUNGS + 1);
    assert_int_equal(system(command), 0);
    snprintf(expected, sizeof expected, ",1,2,640,%d,", (int)second);
    snprintf(command, sizeof command, "grep -q '%s' %s/calm/rungs.csv", expected, directory);
    assert_int_equal(system(command), 0);
    /* The parameters are gone when nothing goes on from them any more. */
    struct store *store = clade_open_store(directory, "calm");
    float *parameters;
    size_t n;
    for (int64_t id = 0; id < CANDIDATES; id++)
        assert_int_equal(store_read_state(&parameters, &n, store, id), ERR_DATA);
    assert_int_equal(store_close(store), ERR_NONE);

    for (int i = 0; i < KILLS; i++) {
        pid_t pid = i == 0 ? clade_start("run %s/search.ini --out %s/killed", directory, directory)
                           : clade_start("run --resume %s/killed", directory);
        /* Now and then while one is on its way up, whose parameters must be there again. */
        for (double end = clock_monotonic_s() + 200;
             count_promotions("killed", true) < 2 * i ||
             (i % 2 == 0 && count_promotions("killed", false) == 0);) {
            assert_true(clock_monotonic_s() < end);
            if (clade_wait(pid, 0.005) != -1)
                break;
        }
        kill(pid, SIGKILL);
        clade_wait(pid, 10);
    }
    clade_assert_fine(clade("run --resume %s/killed", directory));
    assert_int_equal(assert_climbed("killed"), second);
    assert_int_equal(read_candidates(&a, "calm"), CANDIDATES);
    assert_int_equal(read_candidates(&b, "killed"), CANDIDATES);
    for (size_t i = 0; i < CANDIDATES; i++) {
        assert_true(genome_equal(&a[i].genome, &b[i].genome));
        assert_int_equal(a[i].parent, b[i].parent);
        assert_int_equal(a[i].rung, b[i].rung);
        assert_true(a[i].train_loss == b[i].train_loss);
        assert_true(a[i].validation_accuracy == b[i].validation_accuracy);
    }
    free(a);
    free(b);
    snprintf(command, sizeof command,
             "tail -n +2 %s/calm/rungs.csv | cut -d, -f3- > %s/a && "
             "tail -n +2 %s/killed/rungs.csv | cut -d, -f3- | cmp - %s/a",
             directory, directory, directory, directory);
    assert_int_equal(system(command), 0);
}

static void test_a_rung_is_switched_off(void **state)
{
    (void)state;
    /* No correlation is that high. */
    clade_assert_fine(clade("run %s/search.ini --set fidelity.min_correlation=1 --set "
                            "fidelity.min_pairs=3 --set search.algorithm=random --out %s/run",
                            directory, directory));
    char command[512];
    snprintf(command, sizeof command,
             "cd %s/run && grep -q 'rung 0 is switched off: the rank correlation' log.txt && "
             "grep -q 'Rung 0 is switched off' report.md && "
             "grep -q '^1,\"run\",0,.*,1.$' rungs.csv",
             directory);
    assert_int_equal(system(command), 0);
    /* Later candidates begin above it. */
    struct candidate *list;
    size_t count = read_candidates(&list, "run");
    int begun = 0;
    for (size_t i = 0; i < count; i++)
        begun += list[i].rung > 0 && strcmp(list[i].operator_name, "random") == 0;
    assert_true(begun >= 1);
    free(list);
}

/* The value of a row of `clade check`. */
static double forecast(const char *row, const char *options)
{
    char begin[64];
    double value;
    const struct clade_result *result =
        clade("check %s/search.ini --samples 2 --seconds 0.2 --format csv %s", directory, options);
    clade_assert_fine(result);
    snprintf(begin, sizeof begin, "\n\"%s\",\"ok\",", row);
    const char *at = strstr(result->out, begin);
    assert_non_null(at);
    assert_int_equal(sscanf(at + strlen(begin), "%lf", &value), 1);
    return value;
}

static int64_t passes(const struct candidate *list, size_t count)
{
    int64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (int64_t)list[i].epochs * list[i].train_images;
    return sum;
}

static void test_check_knows_rungs(void **state)
{
    (void)state;
    struct candidate *list;
    clade_assert_fine(clade("run %s/search.ini --out %s/run", directory, directory));
    assert_int_equal(read_candidates(&list, "run"), CANDIDATES);
    double real = (double)passes(list, CANDIDATES) / CANDIDATES;
    double said = forecast("rungs", "");
    /* A third, which one search may differ from the mean of many; without rungs it is 640. */
    if (fabs(said - real) > 0.33 * real)
        fail_msg("%.0f passes over images a training, forecast %.0f", real, said);
    free(list);

    /* The time is that of the trainings that there are: 1 x 640 for most, 10 x 59500 for some. */
    const char *const rungs = "--set fidelity.rungs=1x640,10xall --set data.validation_images=100";
    double mean = forecast("rungs", rungs);
    double longer = forecast("search time", rungs);
    double shorter = forecast("search time", "--set fidelity.rungs=none --set training.epochs=1 "
                                             "--set training.train_images=640 "
                                             "--set data.validation_images=100");
    assert_true(mean > 0.3 * 10 * 59900 && mean < 0.5 * 10 * 59900);
    assert_true(longer / shorter > 0.5 * mean / 640 && longer / shorter < 2 * mean / 640);
}

/* The random search of "both" by number: those it shares with the search, then its own. *count of
   them, in an array that is to be freed. */
static struct candidate *read_random(size_t *count, const char *name)
{
    enum { SHARED = 5 };
    struct candidate *search_list, *own;
    size_t own_count;
    struct store *store = clade_open_store(directory, name);
    assert_non_null(store);
    assert_int_equal(store_read_candidates(&search_list, count, store), ERR_NONE);
    assert_int_equal(store_read_baseline(&own, &own_count, store), ERR_NONE);
    assert_int_equal(store_close(store), ERR_NONE);
    struct candidate *all = calloc(SHARED + own_count, sizeof *all);
    assert_non_null(all);
    memcpy(all, search_list, SHARED * sizeof *all);
    for (size_t i = 0; i < own_count; i++) {
        assert_int_equal(own[i].id, CANDIDATE_BASELINE + SHARED + (int64_t)i);
        all[SHARED + i] = own[i];
        if (own[i].parent >= CANDIDATE_BASELINE)
            all[SHARED + i].parent -= CANDIDATE_BASELINE;
    }
    free(search_list);
    free(own);
    *count = SHARED + own_count;
    return all;
}

/* The random search beside a search is the one that search.algorithm = random is, promotions too,
   with as much training as the search, also when the run is killed in it. */
static void test_the_random_search_climbs_too(void **state)
{
    (void)state;
    struct candidate *a, *b, *searched;
    size_t a_count, b_count, count = 0;
    int promoted = 0, from_shared = 0;
    clade_assert_fine(clade("run %s/search.ini --set search.algorithm=random --set "
                            "search.cycles=32 --out %s/random",
                            directory, directory));
    pid_t pid = clade_start("run %s/search.ini --set confirm.baseline=random --out %s/both",
                            directory, directory);
    for (double end = clock_monotonic_s() + 200; count < 12;
         nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL)) {
        assert_true(clock_monotonic_s() < end);
        struct store *store = clade_open_store(directory, "both");
        struct store_counts counts = {0};
        if (store != NULL) {
            assert_int_equal(store_count(&counts, store, JOB_BASELINE), ERR_NONE);
            assert_int_equal(store_close(store), ERR_NONE);
        }
        count = (size_t)counts.final;
    }
    kill(pid, SIGKILL);
    assert_int_equal(clade_wait(pid, 20), 128 + SIGKILL);
    clade_assert_fine(clade("run --resume %s/both", directory));

    a_count = read_candidates(&a, "random");
    b = read_random(&b_count, "both");
    assert_int_equal(read_candidates(&searched, "both"), CANDIDATES);
    assert_in_range(b_count, CANDIDATES / 2, a_count);
    for (size_t i = 0; i < b_count; i++) {
        assert_int_equal(b[i].status, CANDIDATE_DONE);
        assert_true(genome_equal(&a[i].genome, &b[i].genome));
        assert_int_equal(a[i].parent, b[i].parent);
        assert_int_equal(a[i].rung, b[i].rung);
        assert_true(a[i].train_loss == b[i].train_loss);
        assert_true(a[i].validation_accuracy == b[i].validation_accuracy);
        promoted += b[i].rung > 0;
        from_shared += b[i].rung > 0 && b[i].parent < 5;
    }
    assert_true(promoted >= 4 && from_shared >= 1);
    assert_true(passes(b, b_count) >= passes(searched, CANDIDATES));
    assert_true(passes(b, b_count - 1) < passes(searched, CANDIDATES));
    free(a);
    free(b);
    free(searched);

    struct store *store = clade_open_store(directory, "both");
    float *parameters;
    size_t n;
    for (int64_t id = 0; id < CANDIDATES; id++) {
        assert_int_equal(store_read_state(&parameters, &n, store, id), ERR_DATA);
        assert_int_equal(store_read_state(&parameters, &n, store, CANDIDATE_BASELINE + id),
                         ERR_DATA);
    }
    assert_int_equal(store_close(store), ERR_NONE);
    char command[512];
    snprintf(command, sizeof command,
             "cd %s/both && grep -q '^\\*\\*Better than random: ' report.md && "
             "grep -q '\"promote\"' baseline.csv",
             directory);
    assert_int_equal(system(command), 0);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_kill_9_between_rungs),
        CASE(test_a_rung_is_switched_off),
        CASE(test_check_knows_rungs),
        CASE(test_the_random_search_climbs_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
