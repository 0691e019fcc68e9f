/* Predictions of training times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "pipeline/base/rng.h"
#include "stages/pace.h"

static struct pace_sample sample(const char *device, int64_t macs, double images, double seconds,
                                 double rest_s)
{
    struct pace_sample s = {.macs = macs, .images = images, .seconds = seconds, .rest_s = rest_s};
    strncpy(s.device, device, sizeof s.device - 1);
    return s;
}

static bool near(double a, double b)
{
    return fabs(a - b) <= 1e-6 * fabs(b);
}

static void test_nothing_is_known(void **state)
{
    (void)state;
    struct pace pace;
    pace_fit(&pace, NULL, 0, "cpu");
    assert_int_equal(pace.samples, 0);
    assert_true(isnan(pace_seconds(&pace, 1000, 10)));
    struct pace_slot slot = {pace, 5};
    assert_true(isnan(pace_place(&slot, 1, 1000, 10)));
    assert_true(slot.free_s == 5);
}

/* Exact costs are found again, and predicted with the least margin. */
static void test_a_line_is_found(void **state)
{
    (void)state;
    struct pace pace;
    struct pace_sample samples[20];
    for (int i = 0; i < 20; i++) {
        int64_t macs = 1000000 + 500000 * i;
        double images = 10000 + 1000 * (i % 3);
        samples[i] = sample("cpu", macs, images, images * (1e-5 + 2e-11 * (double)macs),
                            i == 0  ? 40
                            : i % 2 ? NAN
                                    : 0.5);
    }
    pace_fit(&pace, samples, 20, "cpu");
    assert_int_equal(pace.samples, 20);
    assert_true(near(pace.image_s, 1e-5) && near(pace.mac_s, 2e-11));
    assert_true(pace.training_s == 0.5); /* the first one, which waited for compilers, is alone */
    assert_true(near(pace_seconds(&pace, 3000000, 50000), 1.1 * (0.5 + 50000 * 7e-5)));
}

/* One genome tells of others that they cost the same; small and large ones never less than 0. */
static void test_few_or_odd_samples(void **state)
{
    (void)state;
    struct pace pace;
    struct pace_sample one = sample("cpu", 1000000, 1000, 2, 0.25);
    pace_fit(&pace, &one, 1, "cpu");
    assert_true(near(pace_seconds(&pace, 5000000, 2000), 1.5 * (0.25 + 4)));
    /* The larger the faster. */
    struct pace_sample odd[] = {sample("cpu", 1000000, 1000, 2, NAN),
                                sample("cpu", 9000000, 1000, 1, NAN)};
    pace_fit(&pace, odd, 2, "cpu");
    assert_true(pace.mac_s == 0 && pace.image_s >= 1e-3 && pace.image_s <= 2e-3);
    /* Far more than in proportion. */
    struct pace_sample steep[] = {sample("cpu", 1000000, 1000, 1, NAN),
                                  sample("cpu", 2000000, 1000, 9, NAN)};
    pace_fit(&pace, steep, 2, "cpu");
    assert_true(pace.image_s == 0 && pace.mac_s > 0);
    assert_true(pace.margin == 2);
}

static void test_devices_differ(void **state)
{
    (void)state;
    struct pace pace;
    struct pace_sample samples[8];
    for (int i = 0; i < 8; i++)
        samples[i] = sample(i % 2 ? "gpu" : "cpu", 1000000 * (1 + i / 2), 1000,
                            (i % 2 ? 0.1 : 1.0) * (1 + i / 2), 0);
    pace_fit(&pace, samples, 8, "gpu");
    assert_true(near(pace_seconds(&pace, 2000000, 1000), 1.1 * 0.2));
    pace_fit(&pace, samples, 8, "cpu");
    assert_true(near(pace_seconds(&pace, 2000000, 1000), 1.1 * 2));
    /* Of a third one nothing is known: all samples speak, with a wide margin. */
    pace_fit(&pace, samples, 8, "other");
    assert_int_equal(pace.samples, 8);
    assert_true(pace.margin > 1.5);
}

/* Noise of 10 % makes a margin under which nearly all fall. */
static void test_margin_covers_noise(void **state)
{
    (void)state;
    enum { COUNT = 400 };
    struct pace pace;
    static struct pace_sample samples[COUNT];
    struct rng rng;
    rng_seed(&rng, 7);
    for (int i = 0; i < COUNT; i++) {
        int64_t macs = 1000000 + (int64_t)rng_below(&rng, 20000000);
        double noise = 0.9 + 0.2 * rng_uniform(&rng);
        samples[i] = sample("cpu", macs, 1000, noise * (0.01 + 1e-8 * (double)macs), 0);
    }
    pace_fit(&pace, samples, COUNT, "cpu");
    int over = 0;
    for (int i = 0; i < COUNT; i++)
        over += samples[i].seconds > pace_seconds(&pace, samples[i].macs, 1000);
    assert_true(over < COUNT / 50);
    assert_true(pace.margin < 1.2);
}

static void test_place_on_the_slot_that_ends_first(void **state)
{
    (void)state;
    const struct pace slow = {.samples = 1, .image_s = 2, .margin = 1};
    const struct pace fast = {.samples = 1, .image_s = 1, .margin = 1};
    struct pace_slot slots[] = {{slow, 0}, {fast, 3}, {fast, 3}};
    assert_true(pace_place(slots, 3, 1, 2) == 4); /* at once on the slow one */
    assert_true(pace_place(slots, 3, 1, 2) == 5);
    assert_true(pace_place(slots, 3, 1, 2) == 5);
    assert_true(pace_place(slots, 3, 1, 4) == 9);
    assert_true(slots[0].free_s == 4 && slots[1].free_s == 9 && slots[2].free_s == 5);
}

static struct candidate attempt(int64_t start_s, double duration_s, enum candidate_status status)
{
    return (struct candidate){
        .started_utc_us = start_s * 1000000, .duration_s = duration_s, .status = status};
}

static void test_time_spent(void **state)
{
    (void)state;
    struct candidate list[] = {
        attempt(130, 10, CANDIDATE_DIVERGED), attempt(100, 10, CANDIDATE_DONE),
        attempt(105, 10, CANDIDATE_DONE),     attempt(107, 2, CANDIDATE_DONE),
        attempt(200, 999, CANDIDATE_LOST),    attempt(300, NAN, CANDIDATE_RUNNING),
        attempt(0, 50, CANDIDATE_STOPPED),
    };
    assert_true(near(pace_spent_s(list, 7), 25));
    assert_true(pace_spent_s(NULL, 0) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_known),
        cmocka_unit_test(test_a_line_is_found),
        cmocka_unit_test(test_few_or_odd_samples),
        cmocka_unit_test(test_devices_differ),
        cmocka_unit_test(test_margin_covers_noise),
        cmocka_unit_test(test_place_on_the_slot_that_ends_first),
        cmocka_unit_test(test_time_spent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
