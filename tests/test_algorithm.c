/* Search algorithms and objectives together: who breeds, what is drawn again, and that every row
   of the table keeps the rules that evolve.h promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stages/algorithm.h"
#include "stages/evolve.h"
#include "stages/objective.h"
#include "stages/populate.h"

static const struct image_shape fashion = {28, 28, 1, 10};

enum { MOST = 300 };

static struct {
    struct search_settings settings;
    struct space space;
    size_t count;
    struct candidate history[MOST];
} search;

static void start(enum algorithm algorithm, int population, int sample, int in_flight)
{
    struct settings settings;
    settings_defaults(&settings, NULL);
    memset(&search, 0, sizeof search);
    search.settings = settings.search;
    search.settings.algorithm = algorithm;
    search.settings.population = population;
    search.settings.sample = sample;
    search.settings.in_flight = in_flight;
    assert_int_equal(space_init(&search.space, &settings.space, &fashion), ERR_NONE);
}

/* A space of 24 genomes: three places of the normal layer, eight choices of filter counts. */
static void small_space(void)
{
    struct space_settings limits = search.space.limits;
    limits.min_layers = limits.max_layers = 3;
    limits.filters = (struct int_list){2, {8, 16}};
    limits.kernels.count = limits.activations.count = 1;
    assert_int_equal(space_init(&search.space, &limits, &fashion), ERR_NONE);
}

static struct candidate propose(int64_t k)
{
    struct candidate next;
    memset(&next, 0xa5, sizeof next);
    assert_int_equal(
        evolve_propose(&next, &search.space, &search.settings, k, search.history, search.count),
        ERR_NONE);
    return next;
}

static struct candidate *append(double accuracy)
{
    struct candidate *row = &search.history[search.count];
    *row = propose((int64_t)search.count);
    row->status = isnan(accuracy) ? CANDIDATE_DIVERGED : CANDIDATE_DONE;
    row->validation_accuracy = accuracy;
    search.count++;
    return row;
}

static bool same(const struct candidate *a, const struct candidate *b)
{
    return a->id == b->id && a->parent == b->parent && a->seed == b->seed &&
           a->redraws == b->redraws && strcmp(a->operator_name, b->operator_name) == 0 &&
           genome_equal(&a->genome, &b->genome);
}

/* Some score that the genome alone decides. */
static double score_of(const struct genome *genome)
{
    double score = 0.5;
    for (int i = 0; i < genome->layer_count; i++)
        score += 0.01 * genome->layers[i].kernel + 0.001 * log2(genome->layers[i].filters) +
                 0.003 * (double)genome->layers[i].activation * (i % 2);
    return score;
}

/* For every algorithm and objective: inside the space, deterministic, blind to what it may not
   see, right about parents, and equal in the first population. */
static void every_algorithm_keeps_the_rules(void **state)
{
    (void)state;
    enum { IN_FLIGHT = 3, CANDIDATES = 70, P = 10 };
    static struct candidate first[P];
    for (int a = 0; a < ALGORITHM_COUNT; a++) {
        if (algorithm_row((enum algorithm)a)->kind == ALGORITHM_LISTED)
            continue;
        for (int objective = 0; objective <= OBJECTIVE_PARETO; objective++) {
            start((enum algorithm)a, P, 3, IN_FLIGHT);
            search.settings.objective = (enum objective)objective;
            for (int64_t k = 0; k < CANDIDATES; k++) {
                struct candidate *row = append(NAN);
                if (k % 9 != 5) {
                    row->status = CANDIDATE_DONE;
                    row->validation_accuracy = score_of(&row->genome);
                }
                assert_true(space_contains(&search.space, &row->genome, NULL));
                assert_true(row->id == k && (row->parent < 0 || row->parent <= k - IN_FLIGHT));
                if (row->parent >= 0) {
                    assert_true(search.history[row->parent].status == CANDIDATE_DONE);
                    assert_false(genome_equal(&search.history[row->parent].genome, &row->genome));
                }
                assert_int_equal(row->parent < 0, strcmp(row->operator_name, "random") == 0);
                if (a == 0 && objective == 0 && k < P)
                    first[k] = *row;
                if (k < P)
                    assert_true(same(row, &first[k]));
            }
            struct candidate before = propose(CANDIDATES), after;
            after = propose(CANDIDATES);
            assert_true(same(&before, &after));
            for (int64_t k = CANDIDATES - IN_FLIGHT + 1; k < CANDIDATES; k++) {
                search.history[k].status = CANDIDATE_DONE;
                search.history[k].validation_accuracy = 1;
            }
            after = propose(CANDIDATES);
            assert_true(same(&before, &after));
            /* Rows of the candidate itself and later ones are no history. */
            append(1);
            after = propose(CANDIDATES);
            assert_true(same(&before, &after));
            bool guided = algorithm_row((enum algorithm)a)->kind == ALGORITHM_GUIDED;
            assert_int_equal(before.parent >= 0, guided);
        }
    }
}

static void words_come_from_the_table(void **state)
{
    (void)state;
    for (int a = 0; a < ALGORITHM_COUNT; a++)
        assert_string_equal(algorithm_row((enum algorithm)a)->name,
                            algorithm_name((enum algorithm)a));
    assert_string_equal(algorithm_name(ALGORITHM_ELITIST), "elitist");
}

/* The best stays, however old; the worst goes. */
static void elitist_keeps_the_best(void **state)
{
    (void)state;
    start(ALGORITHM_ELITIST, 5, 300, 1);
    append(0.95);
    for (int k = 1; k < 40; k++) {
        struct candidate *row = append(0.9 - 0.01 * k);
        if (k >= 5)
            assert_int_equal(row->parent, 0);
    }
    /* With a sample of one every member of the population breeds, and nobody else. */
    search.settings.sample = 1;
    int bred[5] = {0};
    for (uint64_t seed = 0; seed < 500; seed++) {
        search.settings.seed = seed;
        int64_t parent = propose(40).parent;
        assert_true(parent >= 0 && parent < 5);
        bred[parent]++;
    }
    for (int i = 0; i < 5; i++)
        assert_true(bred[i] > 60);
}

static void local_breeds_from_the_best(void **state)
{
    (void)state;
    start(ALGORITHM_LOCAL, 4, 1, 1);
    double best = 0;
    int64_t best_id = -1;
    for (int64_t k = 0; k < 60; k++) {
        struct candidate *row = append(0.5 + 0.001 * (double)(k * 37 % 101));
        if (k >= 4)
            assert_int_equal(row->parent, best_id);
        if (row->validation_accuracy > best) {
            best = row->validation_accuracy;
            best_id = k;
        }
    }
}

/* In `pareto` each member of the front breeds; with a weight on size the small one does. */
static void objectives_choose_parents(void **state)
{
    (void)state;
    start(ALGORITHM_LOCAL, 4, 200, 1);
    static const double accuracies[] = {0.9, 0.8, 0.7, 0.6};
    static const int64_t parameters[] = {4000, 2000, 3000, 1000};
    for (int k = 0; k < 4; k++)
        append(accuracies[k])->cost.parameters = parameters[k];
    int bred[4] = {0};
    search.settings.objective = OBJECTIVE_PARETO;
    for (uint64_t seed = 0; seed < 300; seed++) {
        search.settings.seed = seed;
        bred[propose(4).parent]++;
    }
    assert_int_equal(bred[2], 0); /* number 1 is better and smaller */
    assert_true(bred[0] > 60 && bred[1] > 60 && bred[3] > 60);

    search.settings.objective = OBJECTIVE_ACCURACY;
    assert_int_equal(propose(4).parent, 0);
    search.settings.objective = OBJECTIVE_WEIGHTED;
    search.settings.size_exponent = -1;
    assert_int_equal(propose(4).parent, 3);
    search.settings.size_exponent = -0.2; /* 0.9 / 1.32, 0.8 / 1.15, 0.7 / 1.25, 0.6 */
    assert_int_equal(propose(4).parent, 1);

    /* Evolution too. The ends of the front have an infinite distance, so the middle never wins
       against them in so large a sample; of the two the more accurate does. */
    search.settings.objective = OBJECTIVE_PARETO;
    search.settings.algorithm = ALGORITHM_AGING;
    assert_int_equal(propose(4).parent, 0);
    search.history[0].status = CANDIDATE_FAILED;
    assert_int_equal(propose(4).parent, 1);
}

static int distinct(size_t count)
{
    int n = 0;
    for (size_t i = 0; i < count; i++) {
        bool first = true;
        for (size_t j = 0; j < i && first; j++)
            first = !genome_equal(&search.history[i].genome, &search.history[j].genome);
        n += first;
    }
    return n;
}

static void duplicates_are_avoided(void **state)
{
    (void)state;
    for (int a = 0; a < ALGORITHM_COUNT; a++) {
        if (algorithm_row((enum algorithm)a)->kind == ALGORITHM_LISTED)
            continue;
        start((enum algorithm)a, 6, 2, 4);
        small_space();
        int redraws = 0;
        for (int k = 0; k < 24; k++) {
            struct candidate *row = append(NAN);
            row->status = CANDIDATE_DONE;
            row->validation_accuracy = score_of(&row->genome);
            assert_true(row->redraws >= 0 && row->redraws <= search.settings.redraws);
            redraws += row->redraws;
            /* Before the limit is reached, there is something new. */
            if (row->redraws < search.settings.redraws)
                assert_int_equal(distinct(search.count), distinct(search.count - 1) + 1);
        }
        int avoided = distinct(24);
        assert_true(redraws > 10);
        /* Now that there is no new genome (or nearly), the search still goes on. */
        for (int k = 24; k < 40; k++)
            append(0.5);
        assert_true(search.history[39].redraws == search.settings.redraws);

        start((enum algorithm)a, 6, 2, 4);
        small_space();
        search.settings.duplicates = DUPLICATES_ALLOW;
        for (int k = 0; k < 24; k++) {
            struct candidate *row = append(0.5);
            assert_int_equal(row->redraws, 0);
            for (int j = 0; j < k; j++)
                assert_true(search.history[j].seed != row->seed);
        }
        assert_true(distinct(24) < avoided);
    }
}

/* Local search in a space whose best has few neighbours: random genomes, once they are used up. */
static void local_starts_anew(void **state)
{
    (void)state;
    start(ALGORITHM_LOCAL, 1, 1, 1);
    small_space();
    for (int k = 0; k < MUTATION_COUNT; k++)
        search.settings.mutation_weights[k] = k == MUTATION_FILTERS;
    append(0.9);
    for (int k = 1; k < 4; k++) /* three layers, one other filter count each */
        assert_int_equal(append(0.5)->parent, 0);
    struct candidate *row = append(0.5);
    assert_string_equal(row->operator_name, "random");
    assert_int_equal(row->redraws, search.settings.redraws);
}

/* Each genome once, then each again under another seed, whatever came of the others. */
static void grid_lists_the_space(void **state)
{
    (void)state;
    start(ALGORITHM_GRID, 5, 2, 3);
    small_space();
    for (int k = 0; k < 50; k++) {
        struct candidate *row = append(k % 2 ? NAN : 0.5);
        assert_string_equal(row->operator_name, "grid");
        assert_true(row->parent < 0 && row->redraws == 0);
        assert_true(space_contains(&search.space, &row->genome, NULL));
        if (k < 24)
            assert_int_equal(distinct(search.count), k + 1);
        else
            assert_true(genome_equal(&row->genome, &search.history[k - 24].genome) &&
                        row->seed != search.history[k - 24].seed);
    }
    assert_true(evolve_ready(10, &search.settings, search.history, 10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_algorithm_keeps_the_rules),
        cmocka_unit_test(words_come_from_the_table),
        cmocka_unit_test(elitist_keeps_the_best),
        cmocka_unit_test(local_breeds_from_the_best),
        cmocka_unit_test(objectives_choose_parents),
        cmocka_unit_test(duplicates_are_avoided),
        cmocka_unit_test(local_starts_anew),
        cmocka_unit_test(grid_lists_the_space),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
