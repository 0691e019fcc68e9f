/* The self-test of devices: it passes on the device of the test machine, covers every operation,
   and finds a kernel that computes wrongly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "cl_kernels/selftest.h"
#include "cl_kernels/twins.h"

static struct device *device;

static void ok(enum error err)
{
    if (err != ERR_NONE)
        fail_msg("%s: %s", error_name(err), error_message());
}

/* What twin is told to be off by a little: the kernels are then wrong by as much. */
static const char *wrong_twin = "";

void __real_twin_conv_forward(const struct twin_conv *, const double *, const double *,
                              const double *, double *);
void __wrap_twin_conv_forward(const struct twin_conv *, const double *, const double *,
                              const double *, double *);
void __wrap_twin_conv_forward(const struct twin_conv *conv, const double *x, const double *w,
                              const double *bias, double *y)
{
    __real_twin_conv_forward(conv, x, w, bias, y);
    if (strcmp(wrong_twin, "conv") == 0)
        y[1] += 1e-3;
}

void __real_twin_optimizer_step(const struct twin_step *, size_t, double *, const double *,
                                double *, double *);
void __wrap_twin_optimizer_step(const struct twin_step *, size_t, double *, const double *,
                                double *, double *);
void __wrap_twin_optimizer_step(const struct twin_step *step, size_t count, double *p,
                                const double *g, double *m, double *v)
{
    __real_twin_optimizer_step(step, count, p, g, m, v);
    if (strcmp(wrong_twin, "optimizer") == 0)
        p[count - 1] *= 1.0001;
}

struct seen {
    int convolutions, others;
    double worst;
};

static void watch(const char *op, const char *shape, double worst, void *user)
{
    struct seen *seen = user;
    print_message("%s (%s): %.3f of the allowed error\n", op, shape, worst);
    if (strncmp(op, "convolution", 11) == 0)
        seen->convolutions++;
    else
        seen->others++;
    if (worst > seen->worst)
        seen->worst = worst;
}

static void test_passes(void **state)
{
    (void)state;
    struct seen all = {0}, one = {0};
    ok(device_self_test(device, CONV_AUTO, watch, &all));
    assert_true(all.worst > 0 && all.worst <= 1);
    assert_int_equal(all.others, 6);
    ok(device_self_test(device, CONV_VECTOR, watch, &one));
    assert_int_equal(one.others, 6);
    int families = CONV_FAMILY_COUNT - CONV_VECTOR;
    assert_int_equal(all.convolutions, families * one.convolutions);
    ok(device_self_test(device, CONV_VECTOR, NULL, NULL));
}

/* A wrong result names device, operation, shape and value. */
static void expect_failure(const char *twin, const char *op)
{
    wrong_twin = twin;
    assert_int_equal(device_self_test(device, CONV_VECTOR, NULL, NULL), ERR_NO_DEVICE);
    wrong_twin = "";
    assert_non_null(strstr(error_message(), op));
    assert_non_null(strstr(error_message(), device_get_info(device)->name));
    assert_non_null(strstr(error_message(), "times the allowed error"));
}

static void test_wrong_results_are_found(void **state)
{
    (void)state;
    expect_failure("conv", "convolution (vector) (1 -> 17, k3 s1");
    expect_failure("optimizer", "optimizers (3 steps");
}

static int open_device(void **state)
{
    (void)state;
    if (device_open(&device, 0, 0, 0, 1) == ERR_NONE)
        return 0;
    print_error("%s\n", error_message());
    return 1;
}

/* Closing asserts that no buffer is left, after failures too. */
static int close_device(void **state)
{
    (void)state;
    device_close(device);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_passes),
        cmocka_unit_test(test_wrong_results_are_found),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
