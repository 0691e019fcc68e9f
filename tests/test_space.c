/* The search space: membership, emptiness, and the distribution of random genomes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "inputs/space.h"
#include "inputs/space_walk.h"

static const struct image_shape fashion = {28, 28, 1, 10};

static struct space_settings default_limits(void)
{
    struct settings settings;
    settings_defaults(&settings, NULL);
    return settings.space;
}

static struct space make_space(const struct space_settings *limits)
{
    struct space space;
    if (space_init(&space, limits, &fashion) != ERR_NONE)
        fail_msg("%s", error_message());
    return space;
}

static void test_contains(void **state)
{
    (void)state;
    struct space_settings limits = default_limits();
    limits.max_parameters = 70000;
    limits.max_macs = 12000000;
    limits.max_activations = 60000;
    struct space space = make_space(&limits);
    static const struct {
        const char *genome, *why; /* NULL: inside */
    } cases[] = {
        {"NC32k3:relu-RC32k3:relu-RC64k3:relu-NC48k3:relu-FC64:relu", NULL},
        {"RC32k3:relu-RC64k3:relu-FC64:relu", "min_layers"},
        {"RC8k1:relu-RC8k1:relu-NC8k1:relu-NC8k1:relu-NC8k1:relu-NC8k1:relu-NC8k1:relu-NC8k1:relu-"
         "NC8k1:relu-FC64:relu",
         "max_layers"},
        {"RC9k3:relu-RC32k3:relu-NC48k3:relu-FC64:relu", "filters"},
        {"RC8k7:relu-RC32k3:relu-NC48k3:relu-FC64:relu", "kernels"},
        {"RC64k3:relu-RC128k3:relu-NC48k1:relu-FC64:relu", "max_parameters"},
        {"NC32k5:relu-NC32k5:relu-RC8k1:relu-RC8k1:relu-FC64:relu", "max_macs"},
        {"NC96k1:relu-RC8k1:relu-RC8k1:relu-FC64:relu", "max_activations"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct genome genome;
        const char *why = "none";
        assert_int_equal(genome_parse(&genome, cases[i].genome), ERR_NONE);
        assert_int_equal(space_contains(&space, &genome, &why), cases[i].why == NULL);
        if (cases[i].why != NULL && strstr(why, cases[i].why) == NULL)
            fail_msg("%s: %s", cases[i].genome, why);
        assert_int_equal(space_contains(&space, &genome, NULL), cases[i].why == NULL);
    }
    struct genome genome;
    space.limits.activations = (struct int_list){1, {ACT_RELU}};
    assert_int_equal(genome_parse(&genome, "RC8k1:relu-RC8k1:relu-NC8k1:relu-FC64:gelu"), ERR_NONE);
    assert_false(space_contains(&space, &genome, NULL));
    assert_int_equal(genome_parse(&genome, "RC8k1:relu-RC8k1:gelu-NC8k1:relu-FC64:relu"), ERR_NONE);
    assert_false(space_contains(&space, &genome, NULL));
}

static void assert_empty(const struct space_settings *limits, const char *a, const char *b)
{
    struct space space;
    assert_int_equal(space_init(&space, limits, &fashion), ERR_USAGE);
    if (strstr(error_message(), a) == NULL || strstr(error_message(), b) == NULL)
        fail_msg("wanted %s ... %s, got %s", a, b, error_message());
}

static void test_empty(void **state)
{
    (void)state;
    struct space_settings limits = default_limits();
    /* Three layers of 8 filters, 1x1: 16 + 72 + 72, dense 576, output 650: 1386 parameters. */
    limits.max_parameters = 1385;
    assert_empty(&limits, "RC8k1:relu-RC8k1:relu-NC8k1:relu-FC64:relu, has 1386 parameters",
                 "max_parameters = 1385");
    limits.max_parameters = 1386;
    struct space space = make_space(&limits);
    assert_int_equal(space.most_layers, 3);
    /* 14*14*8 + 7*7*64 + 7*7*64 + 8*64 + 640: 8992 multiply-accumulates. */
    limits.max_parameters = 0;
    limits.max_macs = 8991;
    assert_empty(&limits, "has 8992 multiply-accumulates", "max_macs = 8991");
    limits.max_macs = 8992;
    space = make_space(&limits);
    assert_int_equal(space.most_layers, 3);
    /* 14*14*8 + 7*7*8 + 7*7*8 output values. */
    limits.max_macs = 0;
    limits.max_activations = 2351;
    assert_empty(&limits, "has 2352 activations", "max_activations = 2351");
    limits.max_activations = 2352;
    space = make_space(&limits);
    assert_int_equal(space.most_layers, 3);
    limits = default_limits();
    limits.min_layers = 9;
    assert_empty(&limits, "min_layers = 9", "max_layers = 8");
    limits = default_limits();
    limits.kernels.count = 0;
    assert_empty(&limits, "kernels", "");
}

/* A one-genome space gives that genome, through rejection or through shrinking. */
static void test_tight(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 3);
    struct space_settings limits = default_limits();
    limits.activations = (struct int_list){1, {ACT_TANH}};
    limits.max_parameters = 1386;
    limits.max_macs = 8992;
    for (int i = 0; i < 2; i++) {
        struct space space = make_space(&limits);
        for (int j = 0; j < 20; j++) {
            struct genome genome;
            char text[GENOME_TEXT_SIZE];
            space_random_genome(&space, &rng, &genome);
            genome_format(text, &genome);
            assert_string_equal(text, "RC8k1:tanh-RC8k1:tanh-NC8k1:tanh-FC64:tanh");
        }
        /* The same through activations, with kernels that they do not depend on. */
        limits.kernels = (struct int_list){1, {1}};
        limits.max_parameters = limits.max_macs = 0;
        limits.max_activations = 2352;
    }
}

/* Always inside, whatever the limits are; equal seeds give equal genomes. */
static void test_always_inside(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 4);
    int refused = 0;
    for (int i = 0; i < 300; i++) {
        struct space_settings limits = default_limits();
        limits.min_layers = 2 + (int)rng_below(&rng, 8);
        limits.max_layers = limits.min_layers + (int)rng_below(&rng, 8);
        for (int j = 0; j < limits.filters.count; j++)
            limits.filters.values[j] = 1 + (int)rng_below(&rng, 40) * limits.filters.count + j;
        limits.max_parameters =
            rng_below(&rng, 2) ? (int64_t)pow(10, 3 + 4 * rng_uniform(&rng)) : 0;
        limits.max_macs = rng_below(&rng, 2) ? (int64_t)pow(10, 4 + 4 * rng_uniform(&rng)) : 0;
        limits.max_activations =
            rng_below(&rng, 2) ? (int64_t)pow(10, 3.5 + 2 * rng_uniform(&rng)) : 0;
        struct space space;
        if (space_init(&space, &limits, &fashion) != ERR_NONE) {
            refused++;
            continue;
        }
        for (int j = 0; j < 5; j++) {
            struct genome genome, again;
            const char *why = "";
            struct rng same = rng;
            space_random_genome(&space, &rng, &genome);
            space_random_genome(&space, &same, &again);
            assert_true(genome_equal(&genome, &again));
            if (!space_contains(&space, &genome, &why))
                fail_msg("%s", why);
        }
    }
    assert_true(refused > 10 && refused < 250);
}

/* Pearson's statistic of `n` counts against a uniform distribution, in units of its standard
   deviation from its mean. */
static double deviation(const int *counts, int n, int total)
{
    double expected = (double)total / n, statistic = 0;
    for (int i = 0; i < n; i++)
        statistic += (counts[i] - expected) * (counts[i] - expected) / expected;
    return (statistic - (n - 1)) / sqrt(2.0 * (n - 1));
}

static void test_uniform(void **state)
{
    (void)state;
    enum { DRAWS = 60000 };
    struct space_settings limits = default_limits();
    struct space space = make_space(&limits);
    int layers[6] = {0}, pairs[28] = {0}, filters[10] = {0}, kernels[3] = {0};
    int activations[ACT_COUNT] = {0}, heads[ACT_COUNT] = {0}, joint[30] = {0};
    int eights = 0, all = 0;
    struct rng rng;
    rng_seed(&rng, 6);
    for (int i = 0; i < DRAWS; i++) {
        struct genome genome;
        space_random_genome(&space, &rng, &genome);
        layers[genome.layer_count - 3]++;
        heads[genome.head]++;
        int first = -1, second = -1;
        for (int l = 0; l < genome.layer_count; l++) {
            const struct layer *layer = &genome.layers[l];
            int f = 0;
            while (limits.filters.values[f] != layer->filters)
                f++;
            filters[f]++;
            kernels[layer->kernel / 2]++;
            activations[layer->activation]++;
            joint[f * 3 + layer->kernel / 2]++;
            all++;
            if (layer->kind == LAYER_REDUCTION)
                *(first < 0 ? &first : &second) = l;
        }
        if (genome.layer_count == 8) {
            pairs[second * (second - 1) / 2 + first]++;
            eights++;
        }
    }
    assert_true(deviation(layers, 6, DRAWS) < 5);
    assert_true(deviation(heads, ACT_COUNT, DRAWS) < 5);
    assert_true(deviation(pairs, 28, eights) < 5);
    assert_true(deviation(filters, 10, all) < 5);
    assert_true(deviation(kernels, 3, all) < 5);
    assert_true(deviation(activations, ACT_COUNT, all) < 5);
    assert_true(deviation(joint, 30, all) < 5);
}

/* Under a limit, every genome of a layer count that fits is equally likely. */
static void test_uniform_under_limit(void **state)
{
    (void)state;
    enum { DRAWS = 40000, GENOMES = 3 * 64 };
    struct space_settings limits = default_limits();
    limits.max_layers = 3;
    limits.filters = (struct int_list){4, {1, 5, 20, 300}};
    limits.kernels = (struct int_list){1, {3}};
    limits.activations = (struct int_list){1, {ACT_RELU}};
    limits.max_parameters = 30000;
    struct space space = make_space(&limits);
    int counts[GENOMES] = {0};
    struct rng rng;
    rng_seed(&rng, 7);
    for (int i = 0; i < DRAWS; i++) {
        struct genome genome;
        space_random_genome(&space, &rng, &genome);
        int index = 0, place = 0; /* of the filter counts; of the NC layer */
        for (int l = 0; l < 3; l++) {
            int f = 0;
            while (limits.filters.values[f] != genome.layers[l].filters)
                f++;
            index = 4 * index + f;
            if (genome.layers[l].kind == LAYER_NORMAL)
                place = l;
        }
        counts[place * 64 + index]++;
    }
    /* Count, by enumeration, what fits. */
    int kept[GENOMES], fitting = 0;
    for (int place = 0; place < 3; place++) {
        for (int index = 0; index < 64; index++) {
            struct genome genome = {.layer_count = 3};
            int digits[3] = {index / 16, index / 4 % 4, index % 4};
            for (int l = 0; l < 3; l++)
                genome.layers[l] = (struct layer){l == place ? LAYER_NORMAL : LAYER_REDUCTION,
                                                  limits.filters.values[digits[l]], 3, ACT_RELU};
            if (space_contains(&space, &genome, NULL))
                kept[fitting++] = counts[place * 64 + index];
            else
                assert_int_equal(counts[place * 64 + index], 0);
        }
    }
    assert_true(fitting > 60 && fitting < 170);
    assert_true(deviation(kept, fitting, DRAWS) < 5);
}

/* As many as the formula says, all different and inside; a limit leaves those that keep to it. */
static void test_walk(void **state)
{
    (void)state;
    struct space_settings limits = default_limits();
    limits.min_layers = 2;
    limits.max_layers = 4;
    limits.filters = (struct int_list){2, {16, 8}};
    limits.kernels = (struct int_list){1, {3}};
    limits.activations = (struct int_list){2, {ACT_TANH, ACT_RELU}};
    struct space space = make_space(&limits);
    struct genome *all, *fitting;
    size_t count, fitting_count, expected = 0;
    assert_int_equal(space_list(&all, &count, &space), ERR_NONE);
    assert_int_equal(count, 2 * (1 * 16 + 3 * 64 + 6 * 256));
    assert_true(space_size(&limits) == (double)count);
    char text[GENOME_TEXT_SIZE];
    genome_format(text, &all[0]);
    assert_string_equal(text, "RC16k3:tanh-RC16k3:tanh-FC64:tanh");
    genome_format(text, &all[1]);
    assert_string_equal(text, "RC16k3:tanh-RC16k3:tanh-FC64:relu");
    genome_format(text, &all[count - 1]);
    assert_string_equal(text, "NC8k3:relu-NC8k3:relu-RC8k3:relu-RC8k3:relu-FC64:relu");

    limits.max_parameters = 4000;
    struct space smaller = make_space(&limits);
    assert_int_equal(space_list(&fitting, &fitting_count, &smaller), ERR_NONE);
    for (size_t i = 0; i < count; i++) {
        assert_true(space_contains(&space, &all[i], NULL));
        for (size_t j = 0; j < i; j += 1 + j / 7)
            assert_false(genome_equal(&all[i], &all[j]));
        if (space_contains(&smaller, &all[i], NULL))
            assert_true(genome_equal(&all[i], &fitting[expected++]));
    }
    assert_int_equal(fitting_count, expected);
    assert_true(expected > 100 && expected < count);
    free(all);
    free(fitting);

    limits = default_limits();
    space = make_space(&limits);
    assert_int_equal(space_list(&all, &count, &space), ERR_USAGE);
    assert_true(space_size(&limits) > 1e18);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contains), cmocka_unit_test(test_empty),
        cmocka_unit_test(test_tight),    cmocka_unit_test(test_always_inside),
        cmocka_unit_test(test_uniform),  cmocka_unit_test(test_uniform_under_limit),
        cmocka_unit_test(test_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
