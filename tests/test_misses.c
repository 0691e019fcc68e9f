/* stages/misses: which of the wrong test images are kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <math.h>

#include <cmocka.h>

#include "stages/misses.h"

enum { CLASSES = 3, IMAGES = 100 };

/* Image i is of class 0; the network says 1 + i % 2 of every image but each tenth. */
static void choose(struct confirmation *result, float *logits, int side)
{
    static uint8_t labels[IMAGES], predictions[IMAGES];
    size_t size = (size_t)side * (size_t)side;
    uint8_t *pixels = malloc(IMAGES * size);
    assert_non_null(pixels);
    struct images test = {
        .shape = {side, side, 1, CLASSES}, .count = IMAGES, .pixels = pixels, .labels = labels};
    for (int i = 0; i < IMAGES; i++) {
        predictions[i] = (uint8_t)(i % 10 == 0 ? 0 : 1 + i % 2);
        memset(pixels + (size_t)i * size, i, size);
    }
    *result = (struct confirmation){.predictions = predictions};
    assert_int_equal(misses_choose(result, &test, logits), ERR_NONE);
    free(pixels);
}

static void keeps_the_surest(void **state)
{
    (void)state;
    float logits[IMAGES * CLASSES] = {0};
    struct confirmation result;
    for (int i = 0; i < IMAGES; i++)
        logits[i * CLASSES + (i % 10 == 0 ? 0 : 1 + i % 2)] = (float)(i * 37 % IMAGES) / 10;
    choose(&result, logits, 4);
    assert_int_equal(result.miss_count, MISSES_MAX);
    assert_int_equal(result.miss_size, 16);
    double last = 1;
    for (size_t i = 0; i < result.miss_count; i++) {
        const struct miss *miss = &result.misses[i];
        assert_int_equal(miss->label, 0);
        assert_int_equal(miss->predicted, 1 + miss->image % 2);
        assert_int_equal(result.miss_pixels[i * 16 + 15], miss->image);
        double logit = (double)logits[(int)miss->image * CLASSES + miss->predicted];
        assert_true(fabs(miss->probability - exp(logit) / (exp(logit) + 2)) < 1e-9);
        assert_true(miss->probability <= last);
        last = miss->probability;
    }
    /* No wrong image that was left out is surer than the last one. */
    int surer = 0;
    for (int i = 0; i < IMAGES; i++) {
        double logit = (double)logits[i * CLASSES + 1 + i % 2];
        surer += i % 10 != 0 && exp(logit) / (exp(logit) + 2) > last + 1e-12;
    }
    assert_int_equal(surer, MISSES_MAX - 1);
    free(result.misses);
    free(result.miss_pixels);
}

static void keeps_the_earlier_of_equals(void **state)
{
    (void)state;
    float logits[IMAGES * CLASSES];
    struct confirmation result;
    for (int i = 0; i < IMAGES * CLASSES; i++)
        logits[i] = 80; /* as large as that, and the sum does not overflow */
    choose(&result, logits, 1);
    assert_int_equal(result.miss_count, MISSES_MAX);
    for (size_t i = 1; i < result.miss_count; i++)
        assert_true(result.misses[i].image > result.misses[i - 1].image);
    assert_int_equal(result.misses[0].image, 1);
    assert_true(fabs(result.misses[0].probability - 1.0 / 3) < 1e-9);
    free(result.misses);
    free(result.miss_pixels);
}

static void keeps_fewer_large_ones(void **state)
{
    (void)state;
    float logits[IMAGES * CLASSES] = {0};
    struct confirmation result;
    choose(&result, logits, 200); /* 40,000 bytes each */
    assert_int_equal(result.miss_count, 5);
    free(result.misses);
    free(result.miss_pixels);
    choose(&result, logits, 448);
    assert_int_equal(result.miss_count, 0);
    assert_null(result.misses);
    assert_null(result.miss_pixels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_the_surest),
        cmocka_unit_test(keeps_the_earlier_of_equals),
        cmocka_unit_test(keeps_fewer_large_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
