/* Tunings as tables and text: classes, what is applied to a plan, reading back, damage anywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "cl_kernels/tuning.h"
#include "tests/tuning_fixture.h"

static struct device *device;

static void ok(enum error err)
{
    if (err != ERR_NONE)
        fail_msg("%s: %s", error_name(err), error_message());
}

static void assert_same_row(const struct tune_row *a, const struct tune_row *b)
{
    assert_true(tune_class_equal(&a->class, &b->class));
    assert_int_equal(a->pass, b->pass);
    assert_int_equal(a->family, b->family);
    assert_int_equal(a->group, b->group);
    assert_int_equal(a->tile, b->tile);
    assert_int_equal(a->status, b->status);
    assert_int_equal(a->chosen, b->chosen);
    assert_true(a->gflops == b->gflops);
    assert_string_equal(a->reason, b->reason);
}

static void test_text_round_trip(void **state)
{
    (void)state;
    struct tuning tuning = tuning_fixture(), back = {0};
    struct text text = {0};
    const char *why;
    char key[TUNING_KEY_SIZE];
    ok(tuning_format(&text, &tuning, "abc"));
    tuning_text_key(key, text.data);
    assert_string_equal(key, "abc");
    ok(tuning_parse(&back, text.data, "abc", &why));
    ok(tuning_parse(&back, text.data, NULL, &why));
    assert_int_equal(back.count, tuning.count);
    for (size_t i = 0; i < back.count; i++)
        assert_same_row(&back.rows[i], &tuning.rows[i]);
    assert_int_equal(back.product_count, 3);
    for (int i = 0; i < back.product_count; i++) {
        const struct tune_product *a = &back.products[i], *b = &tuning.products[i];
        assert_int_equal(a->set, b->set);
        assert_int_equal(a->status, b->status);
        assert_int_equal(a->chosen, b->chosen);
        assert_true(a->gflops == b->gflops);
        assert_string_equal(a->reason, b->reason);
    }
    assert_int_equal(tuning_product(&back), 2);
    assert_int_equal(tuning_product(&(struct tuning){0}), GEMM_OWN);
    assert_int_equal(tuning_parse(&back, text.data, "abd", &why), ERR_DATA);
    assert_non_null(strstr(why, "something else"));
    assert_int_equal(back.count, tuning.count); /* stays as it was */
    /* cut off anywhere, and one bit changed anywhere */
    for (size_t at = 0; at < text.length; at++) {
        char kept = text.data[at];
        text.data[at] = '\0';
        assert_int_equal(tuning_parse(&back, text.data, "abc", &why), ERR_DATA);
        assert_non_null(why);
        text.data[at] = (char)(kept ^ 1);
        assert_int_equal(tuning_parse(&back, text.data, "abc", &why), ERR_DATA);
        text.data[at] = kept;
    }
    ok(tuning_parse(&back, text.data, "abc", &why));
    text_free(&text);
    tuning_free(&back);
    tuning_free(&tuning);
}

static void test_classes(void **state)
{
    (void)state;
    struct conv_plan plan = tune_class_plan(&tuning_wide, CONV_VECTOR);
    struct tune_class class = tune_class_of(&plan);
    assert_true(tune_class_equal(&class, &tuning_wide));
    /* 90 channels stand with 64, 31 with 32; batches with the next power of two */
    plan = (struct conv_plan){.shape = {31, 90, 3, 1},
                              .input = layout_make_image(7, 7, 31, 1),
                              .output = layout_make(7, 7, 90, 0),
                              .family = CONV_VECTOR,
                              .batch = 3};
    class = tune_class_of(&plan);
    assert_true(tune_class_equal(&class, &tuning_wide));
    /* every class is its own class */
    for (int channels = 1; channels <= 511; channels++) {
        plan.shape.channels_in = plan.shape.channels_out = channels;
        plan.input = layout_make_image(7, 7, channels, 1);
        plan.output = layout_make(7, 7, channels, 0);
        class = tune_class_of(&plan);
        struct conv_plan of_class = tune_class_plan(&class, CONV_VECTOR);
        struct tune_class again = tune_class_of(&of_class);
        assert_true(tune_class_equal(&again, &class));
        assert_int_equal(of_class.input.lanes, plan.input.lanes);
        assert_int_equal(of_class.output.lanes, plan.output.lanes);
    }
}

static void test_what_is_applied(void **state)
{
    (void)state;
    struct tuning tuning = tuning_fixture();
    struct conv_plan plan = tune_class_plan(&tuning_wide, CONV_VECTOR);
    assert_true(tuning_apply(&tuning, device, &plan));
    assert_int_equal(plan.tiles.group, 4);
    assert_int_equal(plan.tiles.group_transposed, 2);
    assert_int_equal(plan.tiles.weight_gradient, 4);
    /* 80 channels are 5 blocks: no groups of 4 there, so its rule's tiles */
    plan = tune_class_plan(&tuning_wide, CONV_VECTOR);
    plan.output = plan.gradient = layout_make(7, 7, 80, 1);
    plan.shape.channels_out = 80;
    assert_true(tuning_apply(&tuning, device, &plan));
    assert_int_equal(plan.tiles.group, 0);
    /* tiles that no variant has, a family that cannot do it, a class that is not there */
    tuning.rows[0].tile = 5;
    plan = tune_class_plan(&tuning_wide, CONV_VECTOR);
    assert_true(tuning_apply(&tuning, device, &plan));
    assert_int_equal(plan.tiles.forward, 0);
    tuning_free(&tuning);
    tuning_fixture_add(&tuning, &tuning_narrow, TUNE_FORWARD, CONV_WINOGRAD, 1, 8);
    plan = tune_class_plan(&tuning_narrow, CONV_AUTO);
    assert_false(tuning_apply(&tuning, device, &plan));
    assert_int_equal(plan.family, CONV_AUTO);
    plan = tune_class_plan(&tuning_wide, CONV_VECTOR);
    assert_false(tuning_apply(&tuning, device, &plan));
    tuning_free(&tuning);
}

static int open_device(void **state)
{
    (void)state;
    if (device_open(&device, 0, 0, 0, 1) == ERR_NONE)
        return 0;
    print_error("%s\n", error_message());
    return 1;
}

static int close_device(void **state)
{
    (void)state;
    device_close(device);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_round_trip),
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_what_is_applied),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
