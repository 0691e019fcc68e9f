/* stages/objective: definitions checked by brute force, invariances as properties, and the crowding
   distance by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pipeline/base/rng.h"
#include "stages/objective.h"
#include "stages/statistics.h"

enum { MOST = 40 };

static struct search_settings with(enum objective objective, int costs)
{
    struct settings settings;
    settings_defaults(&settings, NULL);
    settings.search.objective = objective;
    settings.search.costs =
        (struct int_list){costs, {COST_PARAMETERS, COST_MACS, COST_ACTIVATIONS}};
    return settings.search;
}

static struct candidate scored(int64_t id, double accuracy, int64_t parameters, int64_t macs)
{
    return (struct candidate){.id = id,
                              .status = CANDIDATE_DONE,
                              .parent = -1,
                              .cost = {parameters, macs, 1},
                              .validation_accuracy = accuracy};
}

/* Coarse values, so that there are ties of every kind. */
static size_t random_members(struct candidate all[MOST], const struct candidate *members[MOST],
                             struct rng *rng, int steps)
{
    size_t count = rng_below(rng, MOST);
    for (size_t i = 0; i < count; i++) {
        all[i] = scored((int64_t)i, (double)rng_below(rng, (uint64_t)steps) / steps,
                        1 + (int64_t)rng_below(rng, (uint64_t)steps),
                        1 + (int64_t)rng_below(rng, (uint64_t)steps));
        members[i] = &all[i];
    }
    return count;
}

static void shuffle(const struct candidate **members, size_t count, struct rng *rng)
{
    uint32_t order[MOST];
    const struct candidate *copy[MOST];
    for (size_t i = 0; i < count; i++) {
        order[i] = (uint32_t)i;
        copy[i] = members[i];
    }
    rng_shuffle(rng, order, count);
    for (size_t i = 0; i < count; i++)
        members[i] = copy[order[i]];
}

static void weighted_value(void **state)
{
    (void)state;
    struct search_settings search = with(OBJECTIVE_WEIGHTED, 1);
    search.target_parameters = 1000;
    search.size_exponent = -0.5;
    struct candidate at = scored(0, 0.8, 1000, 1), quarter = scored(1, 0.8, 250, 1);
    struct candidate large = scored(2, 0.9, 4000, 1);
    assert_true(fabs(objective_value(&at, &search) - 0.8) < 1e-12);
    assert_true(fabs(objective_value(&quarter, &search) - 1.6) < 1e-12);
    assert_true(fabs(objective_value(&large, &search) - 0.45) < 1e-12);
    assert_true(objective_better(&at, &large, &search));
    assert_true(objective_improves(&quarter, &at, &search));
    assert_false(objective_improves(&at, &at, &search));
    search.objective = OBJECTIVE_ACCURACY;
    assert_true(objective_value(&large, &search) == 0.9);
    assert_true(objective_better(&large, &at, &search));
    /* With exponent 0 the two objectives are one. */
    search.objective = OBJECTIVE_WEIGHTED;
    search.size_exponent = 0;
    assert_true(objective_value(&large, &search) == 0.9);
}

/* Domination is a strict partial order, and agrees with its definition. */
static void domination_is_an_order(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 1);
    for (int costs = 1; costs <= 2; costs++) {
        struct search_settings search = with(OBJECTIVE_PARETO, costs);
        for (int round = 0; round < 2000; round++) {
            struct candidate c[3];
            for (int i = 0; i < 3; i++)
                c[i] = scored(i, (double)rng_below(&rng, 3), 1 + (int64_t)rng_below(&rng, 3),
                              1 + (int64_t)rng_below(&rng, 3));
            bool ab = objective_dominates(&c[0], &c[1], &search);
            bool ba = objective_dominates(&c[1], &c[0], &search);
            bool bc = objective_dominates(&c[1], &c[2], &search);
            assert_false(objective_dominates(&c[0], &c[0], &search));
            assert_false(ab && ba);
            assert_false(ab && bc && !objective_dominates(&c[0], &c[2], &search));
            bool worse = c[0].validation_accuracy < c[1].validation_accuracy ||
                         c[0].cost.parameters > c[1].cost.parameters ||
                         (costs == 2 && c[0].cost.macs > c[1].cost.macs);
            bool equal = c[0].validation_accuracy == c[1].validation_accuracy &&
                         c[0].cost.parameters == c[1].cost.parameters &&
                         (costs == 1 || c[0].cost.macs == c[1].cost.macs);
            assert_int_equal(ab, !worse && !equal);
            assert_int_equal(objective_improves(&c[0], &c[1], &search), ab);
        }
    }
}

/* Ranks as NSGA-II defines them: take away what nobody dominates, count, again. */
static void ranks_match_peeling(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 2);
    int highest = 0;
    for (int round = 0; round < 300; round++) {
        struct search_settings search = with(OBJECTIVE_ACCURACY, 1 + round % 2);
        struct candidate all[MOST];
        const struct candidate *members[MOST];
        struct standing standings[MOST];
        size_t count = random_members(all, members, &rng, 2 + round % 17);
        assert_int_equal(objective_stand(standings, members, count, &search), ERR_NONE);
        int ranks[MOST];
        for (size_t i = 0; i < count; i++)
            ranks[i] = -1;
        size_t left = count;
        for (int rank = 0; left > 0; rank++) {
            bool peeled[MOST];
            for (size_t i = 0; i < count; i++) {
                peeled[i] = ranks[i] < 0;
                for (size_t j = 0; j < count && peeled[i]; j++)
                    peeled[i] = ranks[j] >= 0 || !objective_dominates(&all[j], &all[i], &search);
            }
            for (size_t i = 0; i < count; i++) {
                if (peeled[i]) {
                    ranks[i] = rank;
                    left--;
                }
            }
            highest = rank > highest ? rank : highest;
        }
        for (size_t i = 0; i < count; i++)
            assert_int_equal(standings[i].rank, ranks[i]);
    }
    assert_true(highest > 5);
}

/* Five on one front and one behind it. Accuracies 0.5 to 0.9, parameters 1, 2, 4, 8, 64: in
   logarithms 0, 1, 2, 3, 6 of 6. */
static void crowding_by_hand(void **state)
{
    (void)state;
    struct search_settings search = with(OBJECTIVE_PARETO, 1);
    struct candidate all[] = {scored(0, 0.6, 2, 1), scored(1, 0.9, 64, 1), scored(2, 0.5, 1, 1),
                              scored(3, 0.8, 8, 1), scored(4, 0.7, 4, 1),  scored(5, 0.4, 9, 1)};
    const struct candidate *members[6];
    struct standing standings[6];
    for (int i = 0; i < 6; i++)
        members[i] = &all[i];
    assert_int_equal(objective_stand(standings, members, 6, &search), ERR_NONE);
    static const double expected[] = {0.5 + 2.0 / 6, INFINITY,      INFINITY,
                                      0.5 + 4.0 / 6, 0.5 + 2.0 / 6, 0};
    for (int i = 0; i < 6; i++) {
        assert_int_equal(standings[i].rank, i == 5);
        assert_true(standings[i].crowding == expected[i] ||
                    fabs(standings[i].crowding - expected[i]) < 1e-12);
    }
    size_t first_front;
    assert_int_equal(objective_sort(members, 6, &search, &first_front), ERR_NONE);
    assert_int_equal(first_front, 5);
    static const int order[] = {1, 2, 3, 4, 0, 5};
    for (int i = 0; i < 6; i++)
        assert_int_equal(members[i]->id, order[i]);
}

/* For each objective: the order agrees with the definition between any two, does not depend on the
   order of the input, and loses nobody. */
static void order_is_total(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 3);
    for (int round = 0; round < 300; round++) {
        struct search_settings search = with((enum objective)(round % 3), 1 + round / 3 % 2);
        struct candidate all[MOST];
        const struct candidate *members[MOST], *again[MOST];
        struct standing standings[MOST];
        size_t count = random_members(all, members, &rng, 2 + round % 11), front;
        assert_int_equal(objective_stand(standings, members, count, &search), ERR_NONE);
        memcpy(again, members, sizeof again);
        shuffle(again, count, &rng);
        assert_int_equal(objective_sort(members, count, &search, &front), ERR_NONE);
        assert_int_equal(objective_sort(again, count, &search, NULL), ERR_NONE);
        bool seen[MOST] = {false};
        for (size_t i = 0; i < count; i++) {
            assert_ptr_equal(members[i], again[i]);
            assert_false(seen[members[i]->id]);
            seen[members[i]->id] = true;
            if (i == 0)
                continue;
            const struct candidate *a = members[i - 1], *b = members[i];
            const struct standing *x = &standings[a->id], *y = &standings[b->id];
            if (search.objective != OBJECTIVE_PARETO) {
                assert_true(objective_better(a, b, &search));
                continue;
            }
            assert_true(x->rank <= y->rank);
            if (x->rank == y->rank)
                assert_true(x->crowding >= y->crowding);
            if (x->rank == y->rank && x->crowding == y->crowding)
                assert_true(candidate_better(a, b));
            assert_int_equal(i < front, y->rank == 0);
        }
        if (search.objective != OBJECTIVE_PARETO)
            assert_int_equal(front, count > 0);
    }
}

/* Ranks stay, whatever rising function a cost goes through; distances stay under factors. */
static void units_do_not_matter(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 4);
    for (int round = 0; round < 100; round++) {
        struct search_settings search = with(OBJECTIVE_PARETO, 2);
        struct candidate all[MOST];
        const struct candidate *members[MOST];
        struct standing before[MOST], after[MOST];
        size_t count = random_members(all, members, &rng, 20);
        assert_int_equal(objective_stand(before, members, count, &search), ERR_NONE);
        for (size_t i = 0; i < count; i++)
            all[i].cost.macs *= 1024;
        assert_int_equal(objective_stand(after, members, count, &search), ERR_NONE);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(before[i].rank, after[i].rank);
            assert_true(before[i].crowding == after[i].crowding ||
                        fabs(before[i].crowding - after[i].crowding) < 1e-9);
        }
        for (size_t i = 0; i < count; i++)
            all[i].cost.parameters =
                all[i].cost.parameters * all[i].cost.parameters * all[i].cost.parameters + 5;
        assert_int_equal(objective_stand(after, members, count, &search), ERR_NONE);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(before[i].rank, after[i].rank);
    }
}

/* Whether b is at least as good as a everywhere, and better somewhere or older. */
static bool beats(const struct candidate *b, const struct candidate *a,
                  const struct search_settings *search)
{
    bool equal = b->validation_accuracy == a->validation_accuracy &&
                 b->cost.parameters == a->cost.parameters &&
                 (search->costs.count == 1 || b->cost.macs == a->cost.macs);
    return equal ? b->id < a->id : objective_dominates(b, a, search);
}

static void front_matches_brute_force(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 7);
    for (int round = 0; round < 300; round++) {
        struct search_settings search = with(OBJECTIVE_ACCURACY, 1 + round % 2);
        struct candidate all[MOST];
        const struct candidate *members[MOST];
        size_t count = random_members(all, members, &rng, 2 + round % 17);
        for (size_t i = 0; i < count; i++)
            if (rng_below(&rng, 8) == 0)
                all[i].status = CANDIDATE_TIMEOUT;
        const struct candidate **front;
        size_t front_count;
        assert_int_equal(objective_front(&front, &front_count, all, count, &search), ERR_NONE);
        size_t expected = 0;
        for (size_t i = 0; i < count; i++) {
            bool stays = all[i].status == CANDIDATE_DONE;
            for (size_t j = 0; j < count; j++)
                if (j != i && all[j].status == CANDIDATE_DONE && beats(&all[j], &all[i], &search))
                    stays = false;
            bool found = false;
            for (size_t k = 0; k < front_count; k++)
                found = found || front[k] == &all[i];
            assert_int_equal(stays, found);
            expected += stays;
        }
        assert_int_equal(front_count, expected);
        for (size_t k = 1; k < front_count; k++) {
            const struct candidate *a = front[k - 1], *b = front[k];
            assert_true(a->cost.parameters <= b->cost.parameters);
            if (search.costs.count == 1)
                assert_true(a->cost.parameters < b->cost.parameters &&
                            a->validation_accuracy < b->validation_accuracy);
        }
        free(front);
    }
}

static void best_of_a_generation(void **state)
{
    (void)state;
    struct search_settings search = with(OBJECTIVE_WEIGHTED, 1);
    struct candidate all[] = {scored(0, 0.9, 1000000, 1), scored(1, 0.88, 1000, 1),
                              scored(2, 0.95, 100, 1), scored(3, 0.5, 900, 1)};
    all[2].status = CANDIDATE_DIVERGED;
    all[3].generation = 1;
    assert_ptr_equal(objective_best(all, 4, -1, &search), &all[1]);
    assert_ptr_equal(objective_best(all, 4, 1, &search), &all[3]);
    assert_null(objective_best(all, 4, 2, &search));
    search.objective = OBJECTIVE_ACCURACY;
    assert_ptr_equal(objective_best(all, 4, -1, &search), &all[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weighted_value),       cmocka_unit_test(domination_is_an_order),
        cmocka_unit_test(ranks_match_peeling),  cmocka_unit_test(crowding_by_hand),
        cmocka_unit_test(order_is_total),       cmocka_unit_test(units_do_not_matter),
        cmocka_unit_test(best_of_a_generation), cmocka_unit_test(front_matches_brute_force),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
