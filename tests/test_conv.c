/*
 * Every convolution family against the CPU twins, through conv.h: odd channel counts and sizes, all
 * kernels and strides, ragged batches, every activation, halos wider than needed. What is checked,
 * and within which tolerance, stands in cl_kernels/check_conv.h and check.h.
 *
 *     test_conv [FAMILY]     one family, or all
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cl_kernels/check_conv.h"
#include "cl_kernels/conv_family.h"
#include "cl_kernels/device.h"
#include "pipeline/base/rng.h"

static struct device *device;

static void ok(enum error err)
{
    if (err != ERR_NONE)
        fail_msg("%s: %s", error_name(err), error_message());
}

static void run(enum conv_family family, const struct conv_case *c)
{
    char text[CHECK_SHAPE_SIZE];
    struct conv_outcome outcome;
    conv_case_text(text, c);
    enum error err = conv_check(device, family, NULL, c, &outcome);
    print_message("%s: %s: %.3f of the allowed error\n", conv_family_name(family), text,
                  outcome.worst);
    ok(err);
}

static const struct conv_case cases[] = {
    {{1, 8, 3, 1}, 28, 28, 2, 2, ACT_RELU, 0},       {{1, 33, 5, 2}, 28, 28, 1, 1, ACT_GELU, 0},
    {{3, 17, 3, 1}, 32, 32, 1, 1, ACT_SIGMOID, 0},   {{3, 24, 7, 2}, 32, 32, 3, 2, ACT_RELU, 1},
    {{8, 1, 3, 1}, 7, 7, 5, 3, ACT_TANH, 0},         {{8, 48, 3, 2}, 7, 7, 4, 4, ACT_SWISH, 0},
    {{17, 3, 5, 1}, 7, 7, 3, 3, ACT_GELU, 0},        {{17, 33, 3, 2}, 28, 28, 2, 1, ACT_SWISH, 0},
    {{24, 24, 1, 1}, 7, 7, 9, 9, ACT_SIGMOID, 0},    {{24, 48, 1, 2}, 7, 7, 2, 2, ACT_RELU, 2},
    {{33, 17, 3, 1}, 7, 9, 2, 2, ACT_COUNT, 1},      {{33, 8, 7, 1}, 9, 5, 2, 2, ACT_TANH, 0},
    {{48, 33, 5, 2}, 14, 11, 2, 1, ACT_RELU, 1},     {{48, 48, 3, 1}, 14, 14, 2, 2, ACT_GELU, 0},
    {{16, 64, 3, 1}, 7, 7, 8, 5, ACT_RELU, 0},       {{80, 72, 3, 1}, 4, 4, 3, 3, ACT_SWISH, 0},
    {{1, 1, 1, 2}, 1, 1, 1, 1, ACT_TANH, 0},         {{2, 5, 7, 2}, 2, 1, 2, 2, ACT_SIGMOID, 0},
    {{17, 24, 3, 1}, 4, 7, 1, 1, ACT_RELU, 0},  /* winograd has fewer squares than a tile */
    {{48, 1, 5, 1}, 32, 32, 9, 9, ACT_RELU, 0}, /* clblast works it off in two chunks of images */
    {{16, 9, 3, 1}, 41, 43, 2, 2, ACT_GELU, 1},      {{24, 40, 5, 1}, 21, 19, 3, 2, ACT_TANH, 0},
    {{64, 64, 3, 1}, 2, 2, 16, 16, ACT_RELU, 0},     {{48, 64, 5, 1}, 2, 3, 9, 9, ACT_TANH, 0},
    {{64, 48, 3, 1}, 2, 7, 32, 32, ACT_SWISH, 0},    {{64, 64, 3, 1}, 1, 1, 16, 16, ACT_RELU, 0},
    {{96, 128, 3, 1}, 2, 14, 128, 128, ACT_RELU, 0}, {{64, 64, 3, 1}, 4, 5, 16, 16, ACT_RELU, 0},
    {{64, 48, 5, 1}, 4, 4, 32, 32, ACT_GELU, 0},     {{128, 64, 3, 1}, 4, 4, 128, 128, ACT_RELU, 0},
    {{8, 16, 5, 2}, 28, 28, 5, 4, ACT_SWISH, 0},     {{17, 24, 5, 2}, 15, 9, 3, 3, ACT_RELU, 1},
    {{40, 72, 5, 2}, 7, 8, 9, 9, ACT_TANH, 0},       {{33, 17, 5, 2}, 6, 7, 16, 16, ACT_RELU, 0},
    {{96, 64, 5, 2}, 14, 14, 32, 32, ACT_RELU, 0},   {{16, 9, 5, 2}, 83, 86, 2, 2, ACT_GELU, 0},
};

static void test_cases(void **state)
{
    enum conv_family family = *(const enum conv_family *)*state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        run(family, &cases[i]);
}

static int one_of(struct rng *rng, const int *values, size_t count)
{
    return values[rng_below(rng, count)];
}

/* Small random cases, the same every time. */
static void test_random_cases(void **state)
{
    enum conv_family family = *(const enum conv_family *)*state;
    static const int channels[] = {1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 23, 31, 32, 40, 65};
    static const int kernels[] = {1, 3, 5, 7};
    struct rng rng;
    rng_seed(&rng, 20260101);
    for (int i = 0; i < 12; i++) {
        struct conv_case c;
        c.shape.channels_in = one_of(&rng, channels, 15);
        c.shape.channels_out = one_of(&rng, channels, 15);
        c.shape.kernel = one_of(&rng, kernels, 4);
        c.shape.stride = 1 + (int)rng_below(&rng, 2);
        c.height = 1 + (int)rng_below(&rng, 12);
        c.width = 1 + (int)rng_below(&rng, 19);
        c.batch = 1 + (int)rng_below(&rng, 5);
        c.images = 1 + (int)rng_below(&rng, (uint64_t)c.batch);
        c.activation = (enum activation)rng_below(&rng, ACT_COUNT + 1);
        c.extra_halo = (int)rng_below(&rng, 3);
        run(family, &c);
    }
}

/* The family that does the case when `family` is asked for; its variants are those that can be
 * used. */
static int list_variants(struct conv_tiles variants[CONV_VARIANTS_MAX], enum conv_family family,
                         const struct conv_case *c)
{
    const struct conv_shape *s = &c->shape;
    int height = (c->height + s->stride - 1) / s->stride;
    int width = (c->width + s->stride - 1) / s->stride, halo = s->kernel / 2 + c->extra_halo;
    struct conv_plan plan = {
        .shape = *s,
        .input = layout_make_image(c->height, c->width, s->channels_in, halo),
        .output = layout_make(height, width, s->channels_out, 1 + c->extra_halo),
        .gradient = layout_make(height, width, s->channels_out, halo),
        .input_gradient = layout_make(c->height, c->width, s->channels_in, c->extra_halo),
        .family = family,
        .batch = c->batch,
    };
    plan.family = conv_family_by_rule(device, &plan);
    return conv_variants(variants, device, &plan);
}

/* Tiles change no bit of any result: every variant, and tiles put together from several. Groups of
   1 to 4 blocks, blocks of 8 and of 16, a batch that several items share. */
static void test_tiles(void **state)
{
    enum conv_family family = *(const enum conv_family *)*state;
    static const struct conv_case tiled_cases[] = {
        {{33, 64, 3, 1}, 7, 9, 5, 4, ACT_RELU, 0},   {{64, 33, 3, 2}, 9, 14, 3, 2, ACT_SWISH, 1},
        {{3, 96, 5, 2}, 11, 12, 2, 2, ACT_TANH, 0},  {{72, 40, 1, 1}, 5, 6, 3, 3, ACT_SIGMOID, 0},
        {{24, 17, 3, 1}, 5, 28, 2, 1, ACT_GELU, 2},  {{33, 64, 5, 2}, 13, 18, 5, 4, ACT_RELU, 0},
        {{9, 64, 5, 1}, 7, 9, 17, 16, ACT_SWISH, 0},
    };
    int most = 0;
    for (size_t i = 0; i < sizeof tiled_cases / sizeof *tiled_cases; i++) {
        const struct conv_case *c = &tiled_cases[i];
        struct conv_tiles variants[CONV_VARIANTS_MAX];
        struct conv_outcome rule, outcome;
        char text[CHECK_SHAPE_SIZE];
        int count = list_variants(variants, family, c);
        conv_case_text(text, c);
        ok(conv_check(device, family, NULL, c, &rule));
        for (int v = 0; v < count; v++) {
            struct conv_tiles tiles = variants[v];
            if (v % 2 == 1) { /* of two variants */
                tiles.group_transposed = variants[count - 1].group_transposed;
                tiles.input_gradient = variants[count - 1].input_gradient;
            }
            print_message("%s: %s: group %d, %d, forward %d, gradients %d, %d\n",
                          conv_family_name(family), text, tiles.group, tiles.group_transposed,
                          tiles.forward, tiles.input_gradient, tiles.weight_gradient);
            ok(conv_check(device, family, &tiles, c, &outcome));
            assert_true(outcome.digest == rule.digest);
        }
        most = count > most ? count : most;
    }
    assert_true(most > 1 || family == CONV_CLBLAST);
}

/* Winograd's large tiles (conv_winograd_plan.c), 7 pixels of a side: in 5x5, and where a batch has
   enough pixels in the weight gradient. Small ones do the same, in other bits. */
static void test_large_tiles(void **state)
{
    enum conv_family family = *(const enum conv_family *)*state;
    static const struct {
        struct conv_case c;
        int side, weight_side;
    } large[] = {
        {{{31, 33, 5, 1}, 14, 14, 6, 6, ACT_GELU, 0}, 7, 7},
        {{{48, 8, 5, 1}, 7, 9, 17, 16, ACT_RELU, 1}, 7, 7},
        {{{17, 40, 5, 1}, 28, 29, 2, 2, ACT_TANH, 0}, 7, 7},
        {{{65, 24, 5, 1}, 5, 11, 6, 5, ACT_SIGMOID, 0}, 7, 6},
        {{{33, 17, 3, 1}, 14, 13, 6, 6, ACT_RELU, 0}, 6, 7},
        {{{8, 40, 3, 1}, 9, 10, 12, 11, ACT_SWISH, 0}, 6, 7},
        {{{24, 33, 5, 2}, 28, 27, 6, 5, ACT_RELU, 0}, 6, 7},
    };
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        const struct conv_case *c = &large[i].c;
        const struct conv_tiles small_tiles = {.side = 6, .weight_side = 6};
        struct conv_tiles variants[CONV_VARIANTS_MAX];
        struct conv_outcome rule, small;
        list_variants(variants, family, c);
        assert_int_equal(variants[0].side, large[i].side);
        assert_int_equal(variants[0].weight_side, large[i].weight_side);
        ok(conv_check(device, family, NULL, c, &rule));
        ok(conv_check(device, family, &small_tiles, c, &small));
        assert_true(small.digest != rule.digest);
    }
}

/* A NaN in the input reaches the output, whatever the activation: a diverged network is seen. */
static void test_nan_is_seen(void **state)
{
    enum conv_family family = *(const enum conv_family *)*state;
    enum { SIDE = 7, CHANNELS = 8 };
    struct conv_plan plan = {.shape = {CHANNELS, CHANNELS, 3, 1},
                             .input = layout_make(SIDE, SIDE, CHANNELS, 1),
                             .output = layout_make(SIDE, SIDE, CHANNELS, 0),
                             .gradient = layout_make(SIDE, SIDE, CHANNELS, 1),
                             .input_gradient = layout_make(SIDE, SIDE, CHANNELS, 0),
                             .family = family,
                             .batch = 1};
    double x[CHANNELS * SIDE * SIDE] = {0};
    x[12] = NAN;
    for (enum activation a = 0; a <= ACT_COUNT; a++) {
        struct check check;
        struct conv *conv;
        struct conv_epilogue epilogue = {.activation = a};
        cl_mem x_buffer, y, weights;
        double *got;
        check_start(&check, device, "NaN", "%d", (int)a);
        ok(conv_create(&conv, device, &plan));
        ok(check_buffer(&weights, &check, conv_weight_floats(conv)));
        ok(check_tensor(&x_buffer, &check, &plan.input, 1, 1, x));
        ok(check_tensor(&y, &check, &plan.output, 1, 1, NULL));
        ok(conv_forward(conv, x_buffer, (struct span){.buffer = weights}, &epilogue, y, 1));
        ok(check_read_tensor(&got, &check, &plan.output, 1, 1, y, false));
        assert_true(isnan(got[12]) != 0);
        assert_true(isnan(got[40]) == 0);
        conv_destroy(conv);
        ok(check_end(&check, ERR_NONE));
    }
}

static int open_device(void **state)
{
    (void)state;
    if (device_open(&device, 0, 0, 0, 1) == ERR_NONE)
        return 0;
    print_error("%s\n", error_message());
    return 1;
}

/* Closing asserts that no buffer is left. */
static int close_device(void **state)
{
    (void)state;
    device_close(device);
    return 0;
}

int main(int argc, char **argv)
{
    static enum conv_family families[] = {CONV_VECTOR, CONV_TILED, CONV_CLBLAST, CONV_WINOGRAD};
    static const struct {
        const char *name;
        CMUnitTestFunction function;
    } kinds[] = {{"cases", test_cases},
                 {"random cases", test_random_cases},
                 {"tiles", test_tiles},
                 {"NaN is seen", test_nan_is_seen},
                 {"large tiles", test_large_tiles}}; /* the last: winograd's */
    enum { KINDS = sizeof kinds / sizeof *kinds, FAMILIES = sizeof families / sizeof *families };
    int failures = 0, found = 0;
    for (int f = 0; f < FAMILIES; f++) {
        const char *family = conv_family_name(families[f]);
        if (argc > 1 && strcmp(argv[1], family) != 0)
            continue;
        found++;
        struct CMUnitTest tests[KINDS];
        size_t count = families[f] == CONV_WINOGRAD ? KINDS : KINDS - 1;
        for (size_t k = 0; k < count; k++)
            tests[k] =
                (struct CMUnitTest){kinds[k].name, kinds[k].function, NULL, NULL, &families[f]};
        failures += _cmocka_run_group_tests(family, tests, count, open_device, close_device);
    }
    return failures > 0 || found == 0;
}
