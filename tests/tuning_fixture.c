#include "tests/tuning_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

const struct tune_class tuning_wide = {.family = CONV_VECTOR,
                                       .kernel = 3,
                                       .stride = 1,
                                       .channels_in = 32,
                                       .channels_out = 64,
                                       .height = 7,
                                       .width = 7,
                                       .batch = 16};
const struct tune_class tuning_narrow = {.family = CONV_AUTO,
                                         .kernel = 1,
                                         .stride = 2,
                                         .channels_in = 8,
                                         .channels_out = 8,
                                         .height = 5,
                                         .width = 5,
                                         .batch = 16};

void tuning_fixture_add(struct tuning *tuning, const struct tune_class *class, enum tune_pass pass,
                        enum conv_family family, int group, int tile)
{
    struct tune_row row = {.class = *class,
                           .pass = pass,
                           .family = family,
                           .group = group,
                           .tile = tile,
                           .chosen = true,
                           .gflops = 12.25};
    assert_int_equal(tuning_add(tuning, &row), ERR_NONE);
}

struct tuning tuning_fixture(void)
{
    struct tuning tuning = {0};
    struct tune_row wrong = {.class = tuning_narrow,
                             .pass = TUNE_FORWARD,
                             .family = CONV_WINOGRAD,
                             .group = 4,
                             .tile = 7,
                             .status = TUNE_DISQUALIFIED,
                             .reason = "y[3] is 1 should be 2"};
    tuning_fixture_add(&tuning, &tuning_wide, TUNE_FORWARD, CONV_VECTOR, 4, 7);
    tuning_fixture_add(&tuning, &tuning_wide, TUNE_INPUT_GRADIENT, CONV_VECTOR, 2, 7);
    tuning_fixture_add(&tuning, &tuning_wide, TUNE_WEIGHT_GRADIENT, CONV_VECTOR, 4, 4);
    assert_int_equal(tuning_add(&tuning, &wrong), ERR_NONE);
    tuning.products[tuning.product_count++] = (struct tune_product){.set = GEMM_OWN, .gflops = 3.5};
    tuning.products[tuning.product_count++] =
        (struct tune_product){.set = 2, .gflops = 40.25, .chosen = true};
    tuning.products[tuning.product_count++] = (struct tune_product){
        .set = 1, .status = TUNE_DISQUALIFIED, .reason = "c[3] is 1 should be 2"};
    return tuning;
}
