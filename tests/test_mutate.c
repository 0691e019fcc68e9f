/* Mutations: each child differs from its parent, is inside the space and changes only what its
   mutation says; a mutation is refused exactly when no such child exists. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <string.h>
#include <cmocka.h>

#include "stages/mutate.h"

static const struct image_shape fashion = {28, 28, 1, 10};

typedef bool mutation_function(struct genome *, const struct space *, const struct genome *,
                               struct rng *);

static mutation_function *const mutations[MUTATION_COUNT] = {
    mutate_swap, mutate_inversion, mutate_filters, mutate_layer, mutate_add, mutate_remove};

static bool layer_equal(const struct layer *a, const struct layer *b)
{
    return a->kind == b->kind && a->filters == b->filters && a->kernel == b->kernel &&
           a->activation == b->activation;
}

/* Whether `longer` without one normal layer is `shorter`. */
static bool one_more(const struct genome *longer, const struct genome *shorter)
{
    if (longer->layer_count != shorter->layer_count + 1 || longer->head != shorter->head)
        return false;
    for (int out = 0; out < longer->layer_count; out++) {
        bool same = longer->layers[out].kind == LAYER_NORMAL;
        for (int i = 0; i < shorter->layer_count; i++)
            same = same && layer_equal(&shorter->layers[i], &longer->layers[i + (i >= out)]);
        if (same)
            return true;
    }
    return false;
}

/* Whether `b` may be made of `a` by the mutation, worked out from the texts alone. */
static bool related(enum mutation mutation, const struct genome *a, const struct genome *b)
{
    if (mutation == MUTATION_ADD)
        return one_more(b, a);
    if (mutation == MUTATION_REMOVE)
        return one_more(a, b);
    if (a->layer_count != b->layer_count || genome_equal(a, b))
        return false;
    int first = -1, last = -1, changed = 0;
    for (int i = 0; i < a->layer_count; i++) {
        if (!layer_equal(&a->layers[i], &b->layers[i])) {
            first = first < 0 ? i : first;
            last = i;
            changed++;
        }
    }
    if (mutation == MUTATION_LAYER && a->head != b->head)
        return changed == 0;
    if (a->head != b->head)
        return false;
    switch (mutation) {
    case MUTATION_SWAP:
        return changed == 2 && layer_equal(&a->layers[first], &b->layers[last]) &&
               layer_equal(&a->layers[last], &b->layers[first]);
    case MUTATION_INVERSION:
        for (int i = first; i <= last; i++) {
            if (!layer_equal(&a->layers[i], &b->layers[first + last - i]))
                return false;
        }
        return true;
    case MUTATION_FILTERS: {
        struct layer layer = b->layers[first];
        layer.filters = a->layers[first].filters;
        return changed == 1 && layer_equal(&layer, &a->layers[first]);
    }
    default:
        return changed == 1 && a->layers[first].kind == b->layers[first].kind;
    }
}

static struct space default_space(int64_t max_parameters, int64_t max_macs)
{
    struct settings settings;
    struct space space;
    settings_defaults(&settings, NULL);
    settings.space.max_parameters = max_parameters;
    settings.space.max_macs = max_macs;
    if (space_init(&space, &settings.space, &fashion) != ERR_NONE)
        fail_msg("%s", error_message());
    return space;
}

static void check_children(enum mutation mutation)
{
    static const int64_t limits[][2] = {{0, 0}, {60000, 0}, {0, 3000000}, {8000, 500000}};
    struct rng rng;
    rng_seed(&rng, 10 + mutation);
    for (int l = 0; l < 4; l++) {
        struct space space = default_space(limits[l][0], limits[l][1]);
        int made = 0;
        for (int i = 0; i < 1500; i++) {
            struct genome parent, kept, child, again;
            const char *why = "";
            space_random_genome(&space, &rng, &parent);
            kept = parent;
            struct rng same = rng;
            memset(&child, 0, sizeof child);
            if (!mutations[mutation](&child, &space, &parent, &rng)) {
                assert_int_equal(child.layer_count, 0);
                continue;
            }
            made++;
            assert_true(genome_equal(&parent, &kept));
            assert_false(genome_equal(&child, &parent));
            if (!space_contains(&space, &child, &why))
                fail_msg("%s", why);
            assert_true(related(mutation, &parent, &child));
            assert_true(mutations[mutation](&again, &space, &parent, &same));
            assert_true(genome_equal(&child, &again));
        }
        assert_true(made > 500);
    }
}

static void test_swap(void **state)
{
    (void)state;
    check_children(MUTATION_SWAP);
}

static void test_inversion(void **state)
{
    (void)state;
    check_children(MUTATION_INVERSION);
}

static void test_filters(void **state)
{
    (void)state;
    check_children(MUTATION_FILTERS);
}

static void test_layer(void **state)
{
    (void)state;
    check_children(MUTATION_LAYER);
}

static void test_add(void **state)
{
    (void)state;
    check_children(MUTATION_ADD);
}

static void test_remove(void **state)
{
    (void)state;
    check_children(MUTATION_REMOVE);
}

enum { SMALL = 416 }; /* genomes of the small space: 4^2 * 2 + 3 * 4^3 * 2 */

static struct space small_space(int64_t max_parameters)
{
    struct space space = default_space(0, 0);
    space.limits.min_layers = 2;
    space.limits.max_layers = space.most_layers = 3;
    space.limits.filters = (struct int_list){2, {3, 90}};
    space.limits.kernels = (struct int_list){1, {3}};
    space.limits.activations = (struct int_list){2, {ACT_GELU, ACT_RELU}};
    space.limits.max_parameters = max_parameters;
    return space;
}

static int enumerate(struct genome genomes[SMALL], const struct space *space)
{
    int n = 0;
    for (int layers = 2; layers <= 3; layers++) {
        for (int normal = 0; normal < (layers == 2 ? 1 : 3); normal++) {
            for (int code = 0; code < 2 << 2 * layers; code++) {
                struct genome *genome = &genomes[n];
                *genome = (struct genome){.layer_count = layers};
                genome->head = code & 1 ? ACT_RELU : ACT_GELU;
                for (int i = 0; i < layers; i++)
                    genome->layers[i] =
                        (struct layer){layers == 3 && i == normal ? LAYER_NORMAL : LAYER_REDUCTION,
                                       code >> (2 * i + 1) & 1 ? 90 : 3, 3,
                                       code >> (2 * i + 2) & 1 ? ACT_RELU : ACT_GELU};
                n += space_contains(space, genome, NULL);
            }
        }
    }
    return n;
}

/* In a space small enough to list: the children are exactly those that the relation allows, and
   none where it allows none. */
static void test_reaches_exactly(void **state)
{
    (void)state;
    static struct genome genomes[SMALL];
    struct rng rng;
    rng_seed(&rng, 20);
    static const int64_t limits[] = {0, 80000, 7000};
    int refused = 0, reached = 0;
    for (int l = 0; l < 3; l++) {
        struct space space = small_space(limits[l]);
        int n = enumerate(genomes, &space);
        assert_true(l == 0 ? n == SMALL : n > 30 && n < SMALL);
        for (int p = 0; p < n; p += 3) {
            for (int m = 0; m < MUTATION_COUNT; m++) {
                bool allowed[SMALL], found[SMALL] = {false};
                int count = 0;
                for (int c = 0; c < n; c++) {
                    allowed[c] = related((enum mutation)m, &genomes[p], &genomes[c]);
                    count += allowed[c];
                }
                for (int i = 0; i < 1 + 12 * count; i++) {
                    struct genome child;
                    if (!mutations[m](&child, &space, &genomes[p], &rng)) {
                        assert_int_equal(count, 0);
                        refused++;
                        continue;
                    }
                    int c = 0;
                    while (c < n && !genome_equal(&genomes[c], &child))
                        c++;
                    assert_true(c < n && allowed[c]);
                    reached += !found[c];
                    found[c] = true;
                }
                /* 12 draws a child: e^-12 each to be missed; seeds are fixed. */
                for (int c = 0; c < n; c++)
                    assert_true(found[c] == allowed[c]);
            }
        }
    }
    assert_true(refused > 100 && reached > 1000);
}

static void test_weights(void **state)
{
    (void)state;
    enum { DRAWS = 20000 };
    struct space space = default_space(0, 0);
    struct rng rng;
    rng_seed(&rng, 30);
    struct genome parent, child;
    assert_int_equal(genome_parse(&parent, "NC32k3:relu-RC32k3:relu-RC64k3:relu-NC48k3:relu-"
                                           "FC64:relu"),
                     ERR_NONE);
    const double weights[MUTATION_COUNT] = {1, 0, 3, 0.5, 0, 0.5};
    int used[MUTATION_COUNT] = {0};
    for (int i = 0; i < DRAWS; i++) {
        enum mutation mutation;
        assert_true(mutate(&child, &mutation, &space, weights, &parent, &rng));
        used[mutation]++;
        assert_true(related(mutation, &parent, &child));
    }
    for (int m = 0; m < MUTATION_COUNT; m++) {
        double expected = DRAWS * weights[m] / 5;
        assert_true(fabs(used[m] - expected) <= 5 * sqrt(expected));
    }
}

/* Inserted and replaced layers are uniform over the lists, and so are places and the head. */
static void test_uniform_choices(void **state)
{
    (void)state;
    enum { DRAWS = 60000, COMBINATIONS = 150 };
    struct space space = default_space(0, 0);
    struct rng rng;
    rng_seed(&rng, 33);
    struct genome parent, child;
    assert_int_equal(genome_parse(&parent, "NC8k1:relu-RC24k3:tanh-RC256k5:gelu-FC64:relu"),
                     ERR_NONE);
    for (int replace = 0; replace < 2; replace++) {
        int layers[COMBINATIONS] = {0}, places[4] = {0};
        for (int i = 0; i < DRAWS; i++) {
            assert_true(replace ? mutate_layer(&child, &space, &parent, &rng)
                                : mutate_add(&child, &space, &parent, &rng));
            int place = 0, f = 0;
            while (place < 3 && layer_equal(&child.layers[place], &parent.layers[place]))
                place++;
            places[place]++;
            if (replace && place == 3)
                continue; /* the head */
            const struct layer *layer = &child.layers[place];
            while (space.limits.filters.values[f] != layer->filters)
                f++;
            layers[(f * 3 + layer->kernel / 2) * 5 + (int)layer->activation]++;
        }
        /* Replaced: 149 other layers in each of 3 places, 4 of 5 activations in the head. */
        double all = replace ? 3 * 149 + 120 : 4 * 150;
        double head = DRAWS * (replace ? 120 : 150) / all, layer = DRAWS * 149 / all;
        double each = DRAWS * (replace ? 3 : 4) / all;
        assert_true(fabs(places[3] - head) < 5 * sqrt(head));
        for (int i = 0; i < 3; i++)
            assert_true(fabs(places[i] - layer) < 5 * sqrt(layer));
        for (int i = 0; i < COMBINATIONS; i++) {
            bool parents = i == 0 || i == (2 * 3 + 1) * 5 + 2 || i == (9 * 3 + 2) * 5 + 4;
            assert_true(fabs(layers[i] - each) < 5 * sqrt(each) || (replace && parents));
        }
    }
}

/* Where one choice in hundreds is inside, random draws miss it often: it is found all the same. */
static void test_rare_choice(void **state)
{
    (void)state;
    struct space space = default_space(0, 0);
    struct rng rng;
    rng_seed(&rng, 34);
    struct genome parent, child;
    assert_int_equal(genome_parse(&parent, "NC8k1:relu-RC8k1:relu-RC8k1:relu-FC64:relu"), ERR_NONE);
    space.limits.filters.count = SETTINGS_LIST_MAX;
    for (int i = 0; i < SETTINGS_LIST_MAX; i++)
        space.limits.filters.values[i] = 8 + i;
    space.limits.kernels = (struct int_list){4, {7, 5, 3, 1}};
    space.limits.max_parameters = genome_cost(&parent, &fashion).parameters + 8 * (8 + 1);
    for (int i = 0; i < 100; i++) {
        assert_true(mutate_add(&child, &space, &parent, &rng));
        assert_true(related(MUTATION_ADD, &parent, &child));
        assert_true(space_contains(&space, &child, NULL));
    }
    space.limits.max_parameters--;
    assert_false(mutate_add(&child, &space, &parent, &rng));
}

/* What is impossible is left out; when all is, mutate() says so. */
static void test_impossible(void **state)
{
    (void)state;
    struct space space = default_space(0, 0);
    struct rng rng;
    rng_seed(&rng, 31);
    struct genome parent, child = {.layer_count = -1};
    enum mutation mutation = MUTATION_COUNT;
    assert_int_equal(genome_parse(&parent, "RC8k3:relu-RC8k3:relu-FC64:relu"), ERR_NONE);
    space.limits.min_layers = space.limits.max_layers = space.most_layers = 2;
    const double all[MUTATION_COUNT] = {1, 1, 1, 1, 1, 1};
    int filters = 0;
    for (int i = 0; i < 200; i++) {
        assert_true(mutate(&child, &mutation, &space, all, &parent, &rng));
        assert_true(mutation == MUTATION_FILTERS || mutation == MUTATION_LAYER);
        filters += mutation == MUTATION_FILTERS;
    }
    assert_true(filters > 60 && filters < 140);
    child.layer_count = -1;
    mutation = MUTATION_COUNT;
    const double some[MUTATION_COUNT] = {1, 1, 0, 0, 1, 1};
    assert_false(mutate(&child, &mutation, &space, some, &parent, &rng));
    const double none[MUTATION_COUNT] = {0};
    assert_false(mutate(&child, &mutation, &space, none, &parent, &rng));
    assert_int_equal(child.layer_count, -1);
    assert_int_equal(mutation, MUTATION_COUNT);
}

/* At the largest layer count there is, nothing is written past the end. */
static void test_most_layers(void **state)
{
    (void)state;
    struct settings settings;
    struct space space;
    settings_defaults(&settings, NULL);
    settings.space.min_layers = settings.space.max_layers = GENOME_MAX_LAYERS;
    assert_int_equal(space_init(&space, &settings.space, &fashion), ERR_NONE);
    struct rng rng;
    rng_seed(&rng, 32);
    struct genome parent, child;
    space_random_genome(&space, &rng, &parent);
    assert_false(mutate_add(&child, &space, &parent, &rng));
    assert_false(mutate_remove(&child, &space, &parent, &rng));
    for (int m = MUTATION_SWAP; m <= MUTATION_LAYER; m++) {
        assert_true(mutations[m](&child, &space, &parent, &rng));
        assert_true(related((enum mutation)m, &parent, &child));
    }
    space.limits.min_layers--;
    assert_true(mutate_remove(&child, &space, &parent, &rng));
    assert_true(related(MUTATION_REMOVE, &parent, &child));
    assert_true(mutate_add(&parent, &space, &child, &rng));
    assert_true(related(MUTATION_ADD, &child, &parent));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_swap),
        cmocka_unit_test(test_inversion),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_layer),
        cmocka_unit_test(test_add),
        cmocka_unit_test(test_remove),
        cmocka_unit_test(test_reaches_exactly),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_uniform_choices),
        cmocka_unit_test(test_rare_choice),
        cmocka_unit_test(test_impossible),
        cmocka_unit_test(test_most_layers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
