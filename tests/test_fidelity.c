/* Rungs: promotion, the order of parents, rungs that are switched off; all from results alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "stages/evolve.h"
#include "stages/fidelity.h"
#include "stages/rehearse.h"
#include "stages/objective.h"

enum { MOST = 300 };

static const struct image_shape fashion = {28, 28, 1, 10};

static struct candidate list[MOST];
static size_t count;
static struct settings settings;
static struct search_settings *search;

static int start(void **state)
{
    (void)state;
    settings_defaults(&settings, NULL);
    search = &settings.search;
    assert_int_equal(settings_apply(&settings, NULL, "fidelity.rungs=1x10000, 3x54000 5xall"), 0);
    assert_int_equal(settings_apply(&settings, NULL, "fidelity.bands=100000 10000"), 0);
    assert_int_equal(settings_apply(&settings, NULL, "search.objective=pareto"), 0);
    search->fidelity.eta = 3;
    search->fidelity.min_pairs = 5;
    count = 0;
    return 0;
}

static struct candidate *append(int rung, int64_t parameters, double accuracy)
{
    struct candidate *c = &list[count];
    assert_true(count < MOST);
    *c = (struct candidate){.id = (int64_t)count,
                            .attempt = 1,
                            .status = CANDIDATE_DONE,
                            .parent = -1,
                            .rung = rung,
                            .cost = {.parameters = parameters, .macs = parameters},
                            .validation_accuracy = accuracy};
    strcpy(c->operator_name, "random");
    count++;
    return c;
}

static struct candidate *promote(const struct candidate *from, int rung, double accuracy)
{
    struct candidate *c = append(rung, from->cost.parameters, accuracy);
    c->parent = from->id;
    strcpy(c->operator_name, CANDIDATE_PROMOTE);
    return c;
}

static struct ladder ladder_of(size_t visible)
{
    struct ladder ladder;
    assert_int_equal(ladder_make(&ladder, list, visible, search), ERR_NONE);
    return ladder;
}

/* The id that is promoted and its rung; -1: none. */
static int64_t next_of(size_t visible, int *rung)
{
    const struct candidate *chosen;
    struct ladder ladder = ladder_of(visible);
    assert_int_equal(ladder_promote(&chosen, rung, &ladder, list, visible, count, search),
                     ERR_NONE);
    return chosen != NULL ? chosen->id : -1;
}

static void test_settings(void **state)
{
    (void)state;
    struct text text = {0};
    assert_int_equal(search->fidelity.rungs.count, 3);
    assert_int_equal(fidelity_rung(&settings, 1).epochs, 3);
    assert_int_equal(fidelity_rung(&settings, 1).train_images, 54000);
    assert_int_equal(fidelity_rung(&settings, 2).train_images, 0);
    assert_true(settings_get(&text, &settings, "fidelity.rungs"));
    assert_string_equal(text.data, "1x10000 3x54000 5xall");
    text_free(&text);
    static const char *const wrong[] = {"",
                                        "1",
                                        "x100",
                                        "0x100",
                                        "1x0",
                                        "1x-5",
                                        "1x100y",
                                        "1x100;",
                                        "1xALL",
                                        "none 1x5",
                                        "1x1 1x1 1x1 1x1 1x1 1x1 1x1 1x1 1x1"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char assignment[128] = "fidelity.rungs=";
        strcat(assignment, wrong[i]);
        if (settings_apply(&settings, NULL, assignment) != ERR_USAGE)
            fail_msg("'%s' was taken", wrong[i]);
    }
    assert_int_equal(settings_apply(&settings, NULL, "fidelity.rungs=none"), ERR_NONE);
    assert_int_equal(search->fidelity.rungs.count, 0);
    assert_int_equal(fidelity_rung(&settings, 0).epochs, settings.training.epochs);
    assert_int_equal(settings_apply(&settings, NULL, "fidelity.rungs=1xall"), ERR_NONE);
    search->algorithm = ALGORITHM_GRID;
    settings.space.max_layers = 3;
    assert_int_equal(settings_check(&settings), ERR_USAGE);
    search->algorithm = ALGORITHM_AGING;
    assert_int_equal(settings_check(&settings), ERR_NONE);
    settings.confirm.baseline = BASELINE_RANDOM;
    assert_int_equal(settings_check(&settings), ERR_NONE);
}

/* The shares of a rehearsal are those of a search whose every rung is full. */
static void test_rehearsal(void **state)
{
    (void)state;
    struct space space;
    double share[RUNGS_MAX];
    const struct image_shape shape = {28, 28, 1, 10};
    assert_int_equal(space_init(&space, &settings.space, &shape), ERR_NONE);
    search->cycles = 300;
    assert_int_equal(rehearse_rungs(share, &space, search), ERR_NONE);
    assert_true(fabs(share[0] + share[1] + share[2] - 1) < 1e-9);
    /* One of three goes on, and some that were overtaken. */
    for (int r = 0; r + 1 < 3; r++) {
        assert_true(share[r + 1] >= 0.28 * share[r]);
        assert_true(share[r + 1] <= 0.55 * share[r]);
    }
    search->fidelity.rungs.count = 0;
    assert_int_equal(rehearse_rungs(share, &space, search), ERR_NONE);
    assert_true(fabs(share[0] - 1) < 1e-9);
}

/* One of three in each band, whatever the other bands do. */
static void test_bands_are_apart(void **state)
{
    (void)state;
    int rung;
    for (int i = 0; i < 6; i++)
        append(0, 150000 + i, 0.90 + 0.001 * i); /* large ones, the last one the best */
    append(0, 5000, 0.60);
    append(0, 5001, 0.50);
    assert_int_equal(next_of(count, &rung), 5); /* six are enough for two of the large ones */
    append(0, 5002, 0.40);
    /* The small band is looked at first, but its turn comes either way. */
    assert_int_equal(next_of(count, &rung), 6);
    assert_int_equal(rung, 1);
    promote(&list[6], 1, 0.7);
    assert_int_equal(next_of(count, &rung), 5);
    promote(&list[5], 1, 0.95)->status = CANDIDATE_RUNNING; /* handed out is promoted */
    assert_int_equal(next_of(count, &rung), 0);             /* not dominated: the smallest */
    promote(&list[0], 1, NAN)->status = CANDIDATE_DIVERGED; /* and so is what failed */
    assert_int_equal(next_of(count, &rung), -1);
}

/* Accuracy against parameters: of two on the front both are before one that is dominated. */
static void test_dominated_ones_stand_behind(void **state)
{
    (void)state;
    int rung;
    search->fidelity.eta = 2;
    append(0, 20000, 0.80); /* the front: small, */
    append(0, 60000, 0.85); /* and good */
    append(0, 30000, 0.79);
    append(0, 70000, 0.84);
    int64_t first = next_of(count, &rung);
    assert_in_range(first, 0, 1);
    promote(&list[first], 1, 0.9);
    assert_int_equal(next_of(count, &rung), 1 - first);
    promote(&list[1 - first], 1, 0.88);
    /* Higher rungs go first: two of them on rung 1 give one for rung 2. */
    int64_t higher = next_of(count, &rung);
    assert_in_range(higher, 4, 5);
    assert_int_equal(rung, 2);
    promote(&list[higher], 2, 0.9);
    assert_int_equal(next_of(count, &rung), -1);
}

/* What is not visible yet counts as promoted, not as a result. */
static void test_only_visible_results_count(void **state)
{
    (void)state;
    int rung;
    append(0, 20000, 0.80);
    append(0, 20001, 0.70);
    append(0, 20002, 0.60);
    append(0, 20003, 0.99);
    assert_int_equal(next_of(2, &rung), -1);
    assert_int_equal(next_of(3, &rung), 0);
    assert_int_equal(next_of(4, &rung), 3);
    promote(&list[3], 1, 0.99);
    assert_int_equal(next_of(3, &rung), 0);
    assert_int_equal(next_of(4, &rung), -1);
}

static void test_order_of_parents(void **state)
{
    (void)state;
    search->objective = OBJECTIVE_ACCURACY;
    for (int i = 0; i < 6; i++)
        append(0, 20000, 0.90 - 0.01 * i);
    promote(&list[1], 1, 0.50); /* worse than all at rung 0: says nothing of them */
    promote(&list[3], 1, 0.60);
    promote(&list[4], 1, 0.55);
    promote(&list[8], 2, 0.10); /* from 4 */
    promote(&list[6], 2, 0.20); /* from 1 */
    /* Of places 1, 3, 4: rung 1 says 3, 4, 1; rung 2 then that 1 is before 4. */
    static const int64_t expected[] = {0, 3, 2, 1, 4, 5};
    const struct candidate *members[6] = {&list[5], &list[3], &list[0],
                                          &list[1], &list[4], &list[2]};
    struct ladder ladder = ladder_of(count);
    size_t front;
    assert_int_equal(ladder_sort(members, 6, &ladder, list, count, search, &front), ERR_NONE);
    assert_int_equal(front, 1);
    for (int i = 0; i < 6; i++)
        assert_int_equal(members[i]->id, expected[i]);
}

/* The best, and the front, are of the highest rung. */
static void test_low_rungs_are_not_the_best(void **state)
{
    (void)state;
    const struct candidate **front;
    size_t n;
    append(0, 20000, 0.99);
    append(0, 90000, 0.80);
    promote(&list[1], 1, 0.85);
    assert_int_equal(objective_best(list, count, -1, search)->id, 2);
    assert_int_equal(objective_front(&front, &n, list, count, search), ERR_NONE);
    assert_int_equal(n, 1);
    assert_int_equal(front[0]->id, 2);
    free(front);
    list[2].status = CANDIDATE_DIVERGED;
    assert_int_equal(objective_best(list, count, -1, search)->id, 0);
}

static void test_a_rung_is_switched_off(void **state)
{
    (void)state;
    int rung;
    search->fidelity.min_correlation = 0.2;
    for (int i = 0; i < 12; i++)
        append(0, 20000, 0.5 + 0.01 * i);
    for (int i = 0; i < 4; i++)
        promote(&list[i], 1, 0.9 - 0.01 * i); /* the order turned around */
    struct ladder ladder = ladder_of(count);
    assert_int_equal(ladder.records[0].pairs, 4);
    assert_int_equal(ladder.records[0].promoted, 4);
    assert_true(ladder.records[0].spearman.statistic == -1);
    assert_false(ladder.records[0].off); /* too few pairs */
    promote(&list[4], 1, 0.8);
    ladder = ladder_of(count);
    assert_true(ladder.records[0].off);
    assert_true(ladder.records[0].kendall.statistic == -1);
    assert_int_equal(ladder.first, 1);
    assert_false(ladder.records[2].off); /* the last one never */
    /* Nobody is promoted from it; from the next one they are, to the last. */
    assert_int_equal(next_of(count, &rung), 12);
    assert_int_equal(rung, 2);
    promote(&list[12], 2, 0.95);
    assert_int_equal(next_of(count, &rung), -1);
    /* New candidates begin on rung 1, and parents are those that have a score there. */
    struct space space;
    struct candidate next;
    assert_int_equal(space_init(&space, &settings.space, &fashion), ERR_NONE);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(genome_parse(&list[i].genome, "RC8k3:relu-RC16k3:relu-FC64:relu"), 0);
    search->population = 4;
    search->sample = 2;
    search->in_flight = 1;
    assert_int_equal(evolve_propose(&next, &space, search, (int64_t)count, list, count), ERR_NONE);
    assert_int_equal(next.rung, 1);
    assert_in_range(next.parent, 12, 16);
    /* With a correlation again it is on. */
    for (int i = 5; i < 12; i++)
        promote(&list[i], 1, 0.91 + 0.01 * i);
    assert_false(ladder_of(count).records[0].off);
    search->fidelity.min_correlation = -1;
    list[12].validation_accuracy = 0.1;
    assert_int_equal(ladder_of(count).first, 0);
}

/* Candidate k depends on what is visible to it, not on when others end. */
static void test_proposals_are_pure(void **state)
{
    (void)state;
    struct space space;
    struct candidate next, again;
    search->population = 4;
    search->sample = 2;
    search->in_flight = 3;
    search->fidelity.eta = 2;
    search->fidelity.min_correlation = -1;
    settings.space.max_layers = 5;
    assert_int_equal(space_init(&space, &settings.space, &fashion), ERR_NONE);
    int promotions = 0;
    for (int64_t k = 0; k < 80; k++) {
        assert_int_equal(evolve_propose(&next, &space, search, k, list, count), ERR_NONE);
        /* The two before it may have ended or not: it is all the same. */
        struct candidate kept[2];
        for (int i = 0; i < 2 && (int64_t)count > i; i++) {
            kept[i] = list[count - 1 - (size_t)i];
            list[count - 1 - (size_t)i].status = CANDIDATE_QUEUED;
            list[count - 1 - (size_t)i].validation_accuracy = NAN;
        }
        assert_int_equal(evolve_propose(&again, &space, search, k, list, count), ERR_NONE);
        for (int i = 0; i < 2 && (int64_t)count > i; i++)
            list[count - 1 - (size_t)i] = kept[i];
        assert_true(genome_equal(&next.genome, &again.genome));
        assert_int_equal(next.parent, again.parent);
        assert_int_equal(next.rung, again.rung);
        assert_string_equal(next.operator_name, again.operator_name);
        bool promoted = strcmp(next.operator_name, CANDIDATE_PROMOTE) == 0;
        if (promoted) {
            promotions++;
            assert_true(k >= 4);
            assert_true(genome_equal(&next.genome, &list[next.parent].genome));
            assert_int_equal(next.rung, list[next.parent].rung + 1);
            for (size_t i = 0; i < count; i++)
                assert_true(strcmp(list[i].operator_name, CANDIDATE_PROMOTE) != 0 ||
                            list[i].parent != next.parent);
        } else {
            assert_int_equal(next.rung, 0);
        }
        next.status = k % 7 == 6 ? CANDIDATE_DIVERGED : CANDIDATE_DONE;
        next.validation_accuracy =
            k % 7 == 6 ? NAN : 0.5 + 0.1 * next.rung + 0.001 * (double)(k * 37 % 100);
        list[count++] = next;
    }
    assert_in_range(promotions, 15, 60);
}

#define CASE(test) cmocka_unit_test_setup(test, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_settings),
        CASE(test_rehearsal),
        CASE(test_bands_are_apart),
        CASE(test_dominated_ones_stand_behind),
        CASE(test_only_visible_results_count),
        CASE(test_order_of_parents),
        CASE(test_low_rungs_are_not_the_best),
        CASE(test_a_rung_is_switched_off),
        CASE(test_proposals_are_pure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
