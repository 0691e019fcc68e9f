/* Genomes: the text both ways, strictness, and costs worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "inputs/genome.h"
#include "pipeline/base/rng.h"

static const struct image_shape fashion = {28, 28, 1, 10};

static const struct {
    const char *text;
    int64_t parameters;
} bench[] = {
    {"NC32k3:relu-RC64k3:relu-NC64k3:relu-RC128k3:relu-NC64k3:relu-FC64:relu", 208202},
    {"NC32k3:relu-RC32k3:relu-RC64k3:relu-NC48k3:relu-FC64:relu", 59546},
    {"RC16k5:tanh-NC32k3:sigmoid-NC32k1:relu-RC64k3:swish-NC128k3:gelu-FC64:relu", 107370},
    {"RC64k3:relu-NC128k3:relu-RC256k3:relu-NC256k3:relu-NC256k3:relu-FC64:relu", 1566922},
};

static struct genome parse(const char *text)
{
    struct genome genome;
    if (genome_parse(&genome, text) != ERR_NONE)
        fail_msg("%s", error_message());
    return genome;
}

static void test_bench_genomes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bench / sizeof bench[0]; i++) {
        struct genome genome = parse(bench[i].text);
        assert_int_equal(genome_cost(&genome, &fashion).parameters, bench[i].parameters);
        char text[GENOME_TEXT_SIZE];
        genome_format(text, &genome);
        assert_string_equal(text, bench[i].text);
    }
}

static void test_layer_costs(void **state)
{
    (void)state;
    struct genome genome = parse("RC3k5:gelu-NC4k1:tanh-RC5k7:swish-FC64:sigmoid");
    assert_int_equal(genome.layer_count, 3);
    assert_int_equal(genome.layers[0].kind, LAYER_REDUCTION);
    assert_int_equal(genome.layers[2].kernel, 7);
    assert_int_equal(genome.layers[2].activation, ACT_SWISH);
    assert_int_equal(genome.head, ACT_SIGMOID);

    struct image_shape odd = {7, 5, 2, 3};
    static const struct layer_cost expected[] = {
        {4, 3, 3, 3 * (2 * 25 + 1), 4 * 3 * 3 * 2 * 25},
        {4, 3, 4, 4 * (3 + 1), 4 * 3 * 4 * 3},
        {2, 2, 5, 5 * (4 * 49 + 1), 2 * 2 * 5 * 4 * 49},
        {1, 1, 5, 0, 0},
        {1, 1, 64, 64 * (5 + 1), 64 * 5},
        {1, 1, 3, 3 * (64 + 1), 3 * 64},
    };
    int64_t parameters = 0, macs = 0;
    for (int i = 0; i < 6; i++) {
        struct layer_cost cost = genome_layer_cost(&genome, &odd, i);
        assert_int_equal(cost.height, expected[i].height);
        assert_int_equal(cost.width, expected[i].width);
        assert_int_equal(cost.channels, expected[i].channels);
        assert_int_equal(cost.parameters, expected[i].parameters);
        assert_int_equal(cost.macs, expected[i].macs);
        parameters += cost.parameters;
        macs += cost.macs;
    }
    struct genome_cost total = genome_cost(&genome, &odd);
    assert_int_equal(total.parameters, parameters);
    assert_int_equal(total.macs, macs);
    assert_int_equal(total.activations, 4 * 3 * 3 + 4 * 3 * 4 + 2 * 2 * 5);
}

/* Each text is refused; the message names the column and holds the word. */
static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int column;
        const char *word;
    } bad[] = {
        {"", 1, "the text ends"},
        {"FC64:relu", 1, "two reduction layers"},
        {"RC8k3:relu-FC64:relu", 12, "a second reduction layer"},
        {"RC8k3:relu-RC8k3:relu-RC8k3:relu-FC64:relu", 23, "exactly 2"},
        {"NC0k3:relu-RC8k3:relu-RC8k3:relu-FC64:relu", 3, "1 to 511"},
        {"RC8k3:relu-RC512k3:relu-FC64:relu", 14, "1 to 511"},
        {"RC8k3:relu-RC08k3:relu-FC64:relu", 14, "1 to 511"},
        {"RC8k3:relu-RC99999999999999999999k3:relu-FC64:relu", 14, "1 to 511"},
        {"RC8k3:relu-RC-8k3:relu-FC64:relu", 14, "1 to 511"},
        {"RC8k2:relu-RC8k3:relu-FC64:relu", 5, "1, 3, 5 or 7"},
        {"RC8k9:relu-RC8k3:relu-FC64:relu", 5, "1, 3, 5 or 7"},
        {"RC8k:relu-RC8k3:relu-FC64:relu", 5, "1, 3, 5 or 7"},
        {"RC8:relu-RC8k3:relu-FC64:relu", 4, "kernel"},
        {"RC8k3-RC8k3:relu-FC64:relu", 6, "activation"},
        {"RC8k3:mish-RC8k3:relu-FC64:relu", 7, "relu, sigmoid, tanh, swish or gelu"},
        {"RC8k3:relux-RC8k3:relu-FC64:relu", 7, "activation"},
        {"RC8k3:rellu-RC8k3:relu-FC64:relu", 7, "gelu; did you mean relu?), found \"rellu-"},
        {"RC8k3:Relu-RC8k3:relu-FC64:relu", 7, "gelu; did you mean relu?)"},
        {"RC8k3:xxxxxxxxxxxxxxxxxxxxxxxx-RC8k3:relu-FC64:relu", 7, "or gelu), found"},
        {"RC8k3:relu-RC8k3:relu-FC64:tan", 28, "gelu; did you mean tanh?)"},
        {"rc8k3:relu-RC8k3:relu-FC64:relu", 1, "NC or RC"},
        {" RC8k3:relu-RC8k3:relu-FC64:relu", 1, "NC or RC"},
        {"RC8k3:relu-RC8k3:relu-FC32:relu", 23, "FC64:"},
        {"RC8k3:relu-RC8k3:relu", 22, "the text ends"},
        {"RC8k3:relu-RC8k3:relu-", 23, "the text ends"},
        {"RC8k3:relu-RC8k3:relu-FC64:", 28, "the text ends"},
        {"RC8k3:relu-RC8k3:relu-FC64:relu ", 32, "the end of the text"},
        {"RC8k3:relu-RC8k3:relu-FC64:relu-NC8k3:relu", 32, "the end of the text"},
        {"RC8k3:relu-RC8k3:relu-FC64:relu\n", 32, "\"?\""},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct genome genome = {.layer_count = -7};
        assert_int_equal(genome_parse(&genome, bad[i].text), ERR_USAGE);
        assert_int_equal(genome.layer_count, -7);
        char column[32];
        snprintf(column, sizeof column, "column %d:", bad[i].column);
        if (strstr(error_message(), column) == NULL || strstr(error_message(), bad[i].word) == NULL)
            fail_msg("\"%s\" gave: %s", bad[i].text, error_message());
    }
}

static void test_long_text(void **state)
{
    (void)state;
    enum { LENGTH = 100000 };
    char *text = malloc(LENGTH + 1);
    assert_non_null(text);
    memset(text, 'N', LENGTH);
    text[LENGTH] = '\0';
    struct genome genome;
    assert_int_equal(genome_parse(&genome, text), ERR_USAGE);
    assert_true(strlen(error_message()) < 200);
    memset(text, '1', LENGTH);
    memcpy(text, "RC", 2);
    assert_int_equal(genome_parse(&genome, text), ERR_USAGE);
    for (int i = 0; i < LENGTH; i++)
        text[i] = "NC8k3:relu-"[i % 11];
    assert_int_equal(genome_parse(&genome, text), ERR_USAGE);
    assert_non_null(strstr(error_message(), "at most 64 layers"));
    assert_true(strlen(error_message()) < 200);
    free(text);
}

static struct genome random_genome(struct rng *rng)
{
    struct genome genome = {.head = (enum activation)rng_below(rng, ACT_COUNT)};
    genome.layer_count = 2 + (int)rng_below(rng, GENOME_MAX_LAYERS - 1);
    for (int i = 0; i < genome.layer_count; i++)
        genome.layers[i] = (struct layer){LAYER_NORMAL, 1 + (int)rng_below(rng, GENOME_MAX_FILTERS),
                                          1 + 2 * (int)rng_below(rng, 4),
                                          (enum activation)rng_below(rng, ACT_COUNT)};
    int first = (int)rng_below(rng, (uint64_t)genome.layer_count - 1);
    genome.layers[first].kind = LAYER_REDUCTION;
    genome.layers[genome.layer_count - 1].kind = LAYER_REDUCTION;
    return genome;
}

static void test_round_trip(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 1);
    for (int i = 0; i < 2000; i++) {
        struct genome genome = random_genome(&rng);
        char text[GENOME_TEXT_SIZE], again[GENOME_TEXT_SIZE];
        genome_format(text, &genome);
        struct genome parsed = parse(text);
        assert_true(genome_equal(&genome, &parsed));
        genome_format(again, &parsed);
        assert_string_equal(text, again);

        struct genome changed = parsed;
        struct layer *layer = &changed.layers[rng_below(&rng, (uint64_t)changed.layer_count)];
        layer->filters = layer->filters == 1 ? 2 : layer->filters - 1;
        assert_false(genome_equal(&changed, &parsed));
    }
}

/* 0 only for equals, and one order whichever is asked for: what sorting needs. */
static void test_order(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    static struct genome list[COUNT];
    struct rng rng;
    rng_seed(&rng, 2);
    for (int i = 0; i < COUNT; i++)
        list[i] = i % 4 == 3 ? list[i - 1] : random_genome(&rng);
    list[1] = list[0];
    list[1].head = (list[0].head + 1) % ACT_COUNT;
    for (int i = 0; i < COUNT; i++) {
        for (int j = 0; j < COUNT; j++) {
            int order = genome_compare(&list[i], &list[j]);
            assert_int_equal(order == 0, genome_equal(&list[i], &list[j]));
            assert_int_equal(order, -genome_compare(&list[j], &list[i]));
            int other = genome_compare(&list[j], &list[(i + j) % COUNT]);
            if (order > 0 && other > 0)
                assert_true(genome_compare(&list[i], &list[(i + j) % COUNT]) > 0);
        }
    }
}

/* No byte change of a valid text may crash the parser or be read as the same genome. */
static void test_every_byte_matters(void **state)
{
    (void)state;
    struct genome original = parse(bench[2].text);
    char text[GENOME_TEXT_SIZE];
    size_t length = strlen(bench[2].text);
    for (size_t i = 0; i <= length; i++) {
        for (int byte = 1; byte < 256; byte++) {
            strcpy(text, bench[2].text);
            if (text[i] == (char)byte)
                continue;
            text[i] = (char)byte;
            text[length + 1] = '\0';
            struct genome genome;
            if (genome_parse(&genome, text) == ERR_NONE)
                assert_false(genome_equal(&genome, &original));
        }
    }
}

/* The longest canonical text fits, and the largest costs do not overflow. */
static void test_largest(void **state)
{
    (void)state;
    struct genome genome = {.layer_count = GENOME_MAX_LAYERS, .head = ACT_SIGMOID};
    for (int i = 0; i < GENOME_MAX_LAYERS; i++)
        genome.layers[i] = (struct layer){i < 2 ? LAYER_REDUCTION : LAYER_NORMAL,
                                          GENOME_MAX_FILTERS, 7, ACT_SIGMOID};
    char text[GENOME_TEXT_SIZE];
    genome_format(text, &genome);
    struct genome parsed = parse(text);
    assert_true(genome_equal(&genome, &parsed));
    struct image_shape large = {4096, 4096, 4, 256};
    struct genome_cost cost = genome_cost(&genome, &large);
    int64_t layer = (int64_t)511 * 511 * 49 * 1024 * 1024;
    assert_true(cost.macs > 62 * layer);
    assert_true(cost.parameters > 62 * (int64_t)511 * 511 * 49);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bench_genomes), cmocka_unit_test(test_layer_costs),
        cmocka_unit_test(test_refused),       cmocka_unit_test(test_long_text),
        cmocka_unit_test(test_round_trip),    cmocka_unit_test(test_every_byte_matters),
        cmocka_unit_test(test_order),         cmocka_unit_test(test_largest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
