/* The learning rate of a step, against PyTorch's OneCycleLR. The steps themselves are compared with
   their twins by the self-test, and whole trainings by test_network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

#include "cl_kernels/optimizer.h"

static void test_one_cycle(void **state)
{
    (void)state;
    /* torch.optim.lr_scheduler.OneCycleLR(max_lr=0.02, total_steps, pct_start=warmup) */
    static const struct {
        int64_t total;
        double warmup;
        int64_t step;
        double rate;
    } cases[] = {
        {10, 0.3, 0, 0.000799999999999999},
        {10, 0.3, 1, 0.0104},
        {10, 0.3, 2, 0.02},
        {10, 0.3, 5, 0.0122252404387258},
        {10, 0.3, 8, 0.000990387359730526},
        {10, 0.3, 9, 8e-08},
        {7, 0.25, 0, 0.000799999999999999},
        {7, 0.25, 1, 0.0198883087090182},
        {7, 0.25, 2, 0.0173305293962234},
        {7, 0.25, 3, 0.0122252404387258},
        {7, 0.25, 5, 0.00173768530639103},
        {7, 0.25, 6, 8e-08},
        {40, 0.5, 0, 0.000799999999999999},
        {40, 0.5, 1, 0.000930931487333864},
        {40, 0.5, 2, 0.00132015447967391},
        {40, 0.5, 20, 0.0198768838984178},
        {40, 0.5, 38, 0.000123196101582247},
        {40, 0.5, 39, 8e-08},
        {3, 0.34, 0, 0.000799999999999999},
        {3, 0.34, 1, 0.0101586990037095},
        {3, 0.34, 2, 8e-08},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct training_settings settings = {
            .schedule = SCHEDULE_ONE_CYCLE, .learning_rate = 0.02, .warmup = cases[i].warmup};
        double rate = learning_rate(&settings, cases[i].step, cases[i].total);
        if (!(fabs(rate - cases[i].rate) <= 1e-12))
            fail_msg("step %d of %d: %.15g, PyTorch %.15g", (int)cases[i].step, (int)cases[i].total,
                     rate, cases[i].rate);
    }
}

/* Any number of steps, any warm-up: within the cycle's bounds, and not above the peak. */
static void test_edges(void **state)
{
    (void)state;
    static const double warmups[] = {0, 0.01, 0.3, 0.99, 1};
    for (int w = 0; w < 5; w++)
        for (int64_t total = 1; total <= 12; total++)
            for (int64_t step = 0; step < total; step++) {
                const struct training_settings settings = {
                    .schedule = SCHEDULE_ONE_CYCLE, .learning_rate = 3, .warmup = warmups[w]};
                double rate = learning_rate(&settings, step, total);
                assert_true(rate >= 3 / 25e4 * (1 - 1e-12) && rate <= 3 * (1 + 1e-12));
            }
    const struct training_settings constant = {.schedule = SCHEDULE_CONSTANT, .learning_rate = 3};
    assert_true(learning_rate(&constant, 0, 10) == 3);
    assert_true(learning_rate(&constant, 9, 10) == 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_cycle),
        cmocka_unit_test(test_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
