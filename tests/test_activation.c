/*
 * The vector exponential, sigmoid, tanh and normal distribution of activation.cl against the C
 * library in double, over dense grids, with special values.
 *
 * Tolerances, in units of the last place (ulp) of the expected float, or absolute where a result
 * passes through zero: exp 2 ulp, sigmoid 4 ulp, tanh 4 ulp, normal distribution function 3e-7,
 * density 1e-7 (both absolute: they are factors of x, and their tails are squares in an exponent).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cl_kernels/device.h"
#include "cl_kernels/launch.h"

extern const char cl_source_vectors[], cl_source_activation[];

enum { LANES = 16, POINTS = LANES * 4096 };
enum function { EXP, SIGMOID, TANH, CDF, DENSITY, FUNCTIONS };

static const char test_source[] =
    "kernel void evaluate(global const float *x, global float *y, const int count)\n"
    "{\n"
    "    const int i = get_global_id(0);\n"
    "    const float16 v = vload16(i, x);\n"
    "    float16 cdf, pdf;\n"
    "    vector_normal_16(v, &cdf, &pdf);\n"
    "    vstore16(vector_exp_16(v), i, y);\n"
    "    vstore16(vector_sigmoid_16(v), i, y + count);\n"
    "    vstore16(vector_tanh_16(v), i, y + 2 * count);\n"
    "    vstore16(cdf, i, y + 3 * count);\n"
    "    vstore16(pdf, i, y + 4 * count);\n"
    "}\n"
    "kernel void slopes(global const float *x, global float *y, const int kind, const int lanes)\n"
    "{\n"
    "    const int i = get_global_id(0);\n"
    "    float s1; float8 s8; float16 s16;\n"
    "    if (lanes == 1) { y[i] = activate_1(x[i], kind, &s1); }\n"
    "    if (lanes == 8) vstore8(activate_8(vload8(i, x), kind, &s8), i, y);\n"
    "    if (lanes == 16) vstore16(activate_16(vload16(i, x), kind, &s16), i, y);\n"
    "}\n";

static struct device *device;
static cl_mem x_buffer, y_buffer;
static float x[POINTS], y[FUNCTIONS * POINTS];

static void ok(enum error err)
{
    if (err != ERR_NONE)
        fail_msg("%s: %s", error_name(err), error_message());
}

static cl_kernel build(const char *name)
{
    const char *sources[] = {cl_source_vectors, cl_source_activation, test_source};
    cl_kernel kernel;
    ok(program_kernel_build(&kernel, device, "test_activation", sources, 3, "", name));
    return kernel;
}

static void evaluate(void)
{
    cl_kernel kernel = build("evaluate");
    struct launch launch;
    ok(device_write(device, x_buffer, 0, x, sizeof x));
    launch_start(&launch, device, kernel, "evaluate");
    launch_buffer(&launch, x_buffer);
    launch_buffer(&launch, y_buffer);
    launch_int(&launch, POINTS);
    ok(launch_run(&launch, POINTS / LANES, 1, 1));
    ok(device_read(device, y_buffer, 0, y, sizeof y));
    clReleaseKernel(kernel);
}

static double expected(enum function function, double at)
{
    switch (function) {
    case EXP:
        return exp(at);
    case SIGMOID:
        return 1.0 / (1.0 + exp(-at));
    case TANH:
        return tanh(at);
    case CDF:
        return 0.5 * erfc(-at * 0.70710678118654752);
    default:
        return exp(-0.5 * at * at) * 0.39894228040143268;
    }
}

static double ulp(double value)
{
    float f = fabsf((float)value);
    return f < FLT_MIN ? (double)FLT_MIN * (double)FLT_EPSILON
                       : (double)(nextafterf(f, INFINITY) - f);
}

static void check_grid(double low, double high)
{
    static const double ulps[FUNCTIONS] = {2, 4, 4, 0, 0};
    static const double absolute[FUNCTIONS] = {0, 0, 0, 3e-7, 1e-7};
    static const char *const names[FUNCTIONS] = {"exp", "sigmoid", "tanh", "cdf", "density"};
    for (int i = 0; i < POINTS; i++)
        x[i] = (float)(low + (high - low) * i / (POINTS - 1));
    evaluate();
    for (int f = 0; f < FUNCTIONS; f++) {
        double worst = 0, worst_at = 0;
        for (int i = 0; i < POINTS; i++) {
            double value = expected((enum function)f, (double)x[i]);
            if (fabs(value) < 1e-36)
                continue; /* below the normal floats */
            double error = fabs((double)y[f * POINTS + i] - value);
            double share = error / (ulps[f] * ulp(value) + absolute[f]);
            if (!(share <= worst)) {
                worst = share;
                worst_at = (double)x[i];
            }
        }
        if (!(worst <= 1))
            fail_msg("%s(%.9g) is %.2f times its tolerance off", names[f], worst_at, worst);
    }
}

static void test_accuracy(void **state)
{
    (void)state;
    check_grid(-1e-3, 1e-3);
    check_grid(-2, 2);
    check_grid(-12, 12);
    check_grid(-80, 80);
}

static void test_special_values(void **state)
{
    (void)state;
    for (int i = 0; i < POINTS; i++)
        x[i] = 0;
    x[0] = NAN;
    x[1] = 1000;
    x[2] = -1000;
    x[3] = INFINITY;
    x[4] = -INFINITY;
    evaluate();
    for (int f = 0; f < FUNCTIONS; f++)
        assert_true(isnan(y[f * POINTS])); /* a diverged network must be seen */
    for (int i = 1; i <= 3; i += 2) {
        assert_true(y[EXP * POINTS + i] > 1e38f);
        assert_true(y[SIGMOID * POINTS + i] == 1.0f && y[TANH * POINTS + i] == 1.0f);
        assert_true(y[CDF * POINTS + i] == 1.0f);
    }
    for (int i = 2; i <= 4; i += 2) {
        assert_true(y[EXP * POINTS + i] >= 0.0f && y[EXP * POINTS + i] < 1e-37f);
        assert_true(y[SIGMOID * POINTS + i] < 1e-37f && y[TANH * POINTS + i] == -1.0f);
        assert_true(fabsf(y[CDF * POINTS + i]) < 1e-30f);
    }
    assert_true(y[EXP * POINTS + 5] == 1.0f && y[SIGMOID * POINTS + 5] == 0.5f);
    assert_true(y[TANH * POINTS + 5] == 0.0f);
}

/* One, eight and sixteen lanes are the same function to a rounding; NaN passes through all. */
static void test_widths_agree(void **state)
{
    (void)state;
    static float results[3][POINTS];
    static const int lanes[3] = {1, 8, 16};
    cl_kernel kernel = build("slopes");
    for (int i = 0; i < POINTS; i++)
        x[i] = (float)(-9.0 + 18.0 * i / (POINTS - 1));
    x[7] = NAN;
    ok(device_write(device, x_buffer, 0, x, sizeof x));
    for (int kind = 0; kind < ACT_COUNT; kind++) {
        for (int w = 0; w < 3; w++) {
            struct launch launch;
            launch_start(&launch, device, kernel, "slopes");
            launch_buffer(&launch, x_buffer);
            launch_buffer(&launch, y_buffer);
            launch_int(&launch, kind);
            launch_int(&launch, lanes[w]);
            ok(launch_run(&launch, (size_t)(POINTS / lanes[w]), 1, 1));
            ok(device_read(device, y_buffer, 0, results[w], sizeof results[w]));
            assert_true(isnan(results[w][7]));
        }
        for (int i = 0; i < POINTS; i++)
            for (int w = 0; w < 2 && i != 7; w++)
                if (!(fabsf(results[w][i] - results[2][i]) <= 1e-7f * (1 + fabsf(results[2][i]))))
                    fail_msg("activation %d at %g: %g with %d lanes, %g with 16", kind,
                             (double)x[i], (double)results[w][i], lanes[w], (double)results[2][i]);
    }
    clReleaseKernel(kernel);
}

static int open_device(void **state)
{
    (void)state;
    if (device_open(&device, 0, 0, 0, 1) != ERR_NONE ||
        device_buffer(&x_buffer, device, sizeof x) != ERR_NONE)
        return -1;
    return device_buffer(&y_buffer, device, sizeof y) == ERR_NONE ? 0 : -1;
}

static int close_device(void **state)
{
    (void)state;
    device_release(device, &x_buffer);
    device_release(device, &y_buffer);
    device_close(device);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accuracy),
        cmocka_unit_test(test_special_values),
        cmocka_unit_test(test_widths_agree),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
