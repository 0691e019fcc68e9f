/* stages/populate: the choice among genomes of earlier nights. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "stages/populate.h"

static const struct image_shape fashion = {28, 28, 1, 10};

static struct settings settings;
static struct space space;

static void start(enum populate populate, int population)
{
    settings_defaults(&settings, NULL);
    settings.search.populate = populate;
    settings.search.population = population;
    assert_int_equal(space_init(&space, &settings.space, &fashion), ERR_NONE);
}

/* `filters` makes it another genome, and its size. */
static struct remembered known(int filters, double mean, int64_t count, double squares)
{
    struct remembered known = {.count = count, .mean = mean, .squares = squares};
    char text[64];
    snprintf(text, sizeof text, "NC%dk3:relu-RC16k3:relu-RC32k3:relu-FC64:relu", filters);
    assert_int_equal(genome_parse(&known.genome, text), ERR_NONE);
    return known;
}

static void assert_chosen(const struct remembered *memory, size_t count, const int *expected,
                          size_t expected_count)
{
    const struct remembered **chosen;
    size_t n;
    assert_int_equal(populate_choose(&chosen, &n, memory, count, &space, &settings.search),
                     ERR_NONE);
    assert_int_equal(n, expected_count);
    for (size_t i = 0; i < n; i++)
        assert_ptr_equal(chosen[i], &memory[expected[i]]);
    free(chosen);
}

static void takes_the_best(void **state)
{
    (void)state;
    /* Number 3 is not in the space: 7 is no filter count of it. Of equal ones the smaller first. */
    struct remembered memory[] = {known(8, 0.80, 1, 0),  known(16, 0.90, 1, 0),
                                  known(64, 0.85, 1, 0), known(7, 0.99, 1, 0),
                                  known(24, 0.85, 1, 0), known(32, 0.70, 1, 0)};
    start(POPULATE_MEMORY, 4);
    assert_chosen(memory, 6, (const int[]){1, 4, 2, 0}, 4);
    start(POPULATE_MEMORY, 20);
    assert_chosen(memory, 6, (const int[]){1, 4, 2, 0, 5}, 5);
    start(POPULATE_MIXED, 5);
    assert_chosen(memory, 6, (const int[]){1, 4, 2}, 3);
    start(POPULATE_RANDOM, 5);
    assert_chosen(memory, 6, NULL, 0);
    start(POPULATE_MEMORY, 5);
    assert_chosen(NULL, 0, NULL, 0);
    /* By the objective: in pareto the ends of the front, then what is between, then the rest. */
    start(POPULATE_MEMORY, 3);
    settings.search.objective = OBJECTIVE_PARETO;
    assert_chosen(memory, 6, (const int[]){1, 0, 4}, 3);
}

/* One training of 0.904 says less than four of 0.900, when trainings scatter by 0.01; and more,
   when they scatter by 0.001. */
static void luck_is_not_taken_for_skill(void **state)
{
    (void)state;
    start(POPULATE_MEMORY, 2);
    struct remembered memory[] = {known(8, 0.904, 1, 0), known(16, 0.900, 4, 3 * 0.01 * 0.01)};
    assert_chosen(memory, 2, (const int[]){1, 0}, 2);
    memory[1].squares = 3 * 0.001 * 0.001;
    assert_chosen(memory, 2, (const int[]){0, 1}, 2);
    /* Where nothing was trained twice, 0.005 is assumed for all: the order is that of the means. */
    memory[1].count = 1;
    assert_chosen(memory, 2, (const int[]){0, 1}, 2);
}

static void places_are_shared_out(void **state)
{
    (void)state;
    size_t index;
    start(POPULATE_MIXED, 7);
    static const int mixed[] = {0, -1, 1, -1, 2, -1, -1}; /* of three */
    for (int64_t id = 0; id < 7; id++) {
        bool takes = populate_takes(&index, id, 3, &settings.search);
        assert_int_equal(takes ? (int)index : -1, mixed[id]);
    }
    start(POPULATE_MEMORY, 7);
    for (int64_t id = 0; id < 7; id++) {
        assert_int_equal(populate_takes(&index, id, 3, &settings.search), id < 3);
        assert_true(id >= 3 || (int64_t)index == id);
    }
    assert_false(populate_takes(&index, 0, 0, &settings.search));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_best),
        cmocka_unit_test(luck_is_not_taken_for_skill),
        cmocka_unit_test(places_are_shared_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
