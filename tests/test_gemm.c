/* Matrix products through CLBlast: odd sizes, offsets, strides, transposition, accumulation, all
   sets of parameters, and the errors it may give. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <clblast_c.h>
#include <math.h>
#include <string.h>

#include "cl_kernels/check.h"
#include "cl_kernels/gemm.h"
#include "tests/sgemm_wrap.h"

static struct device *device;

static void ok(enum error err)
{
    if (err != ERR_NONE)
        fail_msg("%s: %s", error_name(err), error_message());
}

/* rows x columns at `offset`, `stride` apart, in a buffer whose other floats are 7. */
static struct matrix upload(struct check *check, size_t rows, size_t columns, size_t offset,
                            size_t stride, const double *values)
{
    struct matrix matrix = {NULL, offset, stride};
    size_t floats = offset + rows * stride + 5;
    float *all;
    ok(check_floats(&all, check, floats));
    for (size_t i = 0; i < floats; i++)
        all[i] = 7;
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++)
            all[offset + r * stride + c] = (float)values[r * columns + c];
    ok(check_upload(&matrix.buffer, check, all, floats));
    return matrix;
}

static void check_product(size_t m, size_t n, size_t k, bool transposed, bool accumulate)
{
    struct check check;
    double *a, *b, *c;
    float *got;
    check_start(&check, device, "product", "%zu x %zu x %zu", m, n, k);
    ok(check_random(&a, &check, m * k, 1));
    ok(check_random(&b, &check, k * n, 1));
    ok(check_random(&c, &check, m * n, 1));
    struct matrix a_matrix =
        transposed ? upload(&check, k, m, 3, m + 2, a) : upload(&check, m, k, 0, k, a);
    struct matrix b_matrix = upload(&check, k, n, 16, n + 1, b);
    struct matrix c_matrix = upload(&check, m, n, 9, n + 3, c);
    ok(gemm_multiply(device, m, n, k, &a_matrix, transposed, &b_matrix, accumulate, &c_matrix));
    size_t floats = 9 + m * (n + 3) + 5;
    ok(check_download(&got, &check, c_matrix.buffer, floats));
    for (size_t row = 0; row < m; row++)
        for (size_t column = 0; column < n; column++) {
            double sum = accumulate ? c[row * n + column] : 0, size = fabs(sum);
            for (size_t i = 0; i < k; i++) {
                double term = a[transposed ? i * m + row : row * k + i] * b[i * n + column];
                sum += term;
                size += fabs(term);
            }
            size_t place = 9 + row * (n + 3) + column;
            check_value(&check, "c", row * n + column, (double)got[place], sum, size);
            got[place] = 7;
        }
    for (size_t i = 0; i < floats; i++)
        check_that(&check, got[i] == 7, "float outside the product", i);
    ok(check_end(&check, ERR_NONE));
}

static void test_products(void **state)
{
    (void)state;
    static const size_t sizes[][3] = {{1, 1, 1},    {1, 8, 3},    {5, 7, 9},
                                      {49, 16, 27}, {64, 64, 64}, {129, 33, 65},
                                      {513, 24, 9}, {9, 16, 784}, {200, 264, 17}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int form = 0; form < 4; form++)
            check_product(sizes[i][0], sizes[i][1], sizes[i][2], form & 1, form & 2);
}

/* After test_products: there is no way back to CLBlast's own. */
static void test_sets(void **state)
{
    (void)state;
    int sets[2 * GEMM_SETS_MAX];
    int count = gemm_sets(sets, true);
    count += gemm_sets(sets + count, false);
    assert_true(count >= 6);
    assert_int_equal(gemm_set_find("own"), GEMM_OWN);
    assert_int_equal(gemm_set_find("8x16x32"), -1);
    ok(gemm_use(device, GEMM_OWN));
    for (int i = 0; i < count; i++) {
        char name[GEMM_NAME_SIZE];
        gemm_set_name(name, sets[i]);
        assert_int_equal(gemm_set_find(name), sets[i]); /* so no two have the same */
        ok(gemm_use(device, sets[i]));
        check_product(1, 1, 1, false, false);
        check_product(129, 33, 65, false, true);
        check_product(9, 16, 784, true, false);
        check_product(200, 264, 17, true, true);
    }
}

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        CLBlastStatusCode code;
        enum error expected;
        const char *text;
    } cases[] = {
        {CLBlastTempBufferAllocFailure, ERR_TOO_BIG, "CL_MEM_OBJECT_ALLOCATION_FAILURE"},
        {CLBlastOpenCLOutOfResources, ERR_DEVICE, "product of 2 x 2 x 2: CL_OUT_OF_RESOURCES"},
        {CLBlastInvalidLocalMemUsage, ERR_DEVICE, "status -2046; choose another convolution"},
        {CLBlastInsufficientMemoryA, ERR_DEVICE, "status -1011"},
        {CLBlastUnexpectedError, ERR_DEVICE, "status"},
    };
    struct check check;
    double four[4] = {1, 2, 3, 4};
    check_start(&check, device, "errors", "2 x 2");
    struct matrix matrix = upload(&check, 2, 2, 0, 2, four);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sgemm_fault = cases[i].code;
        assert_int_equal(gemm_multiply(device, 2, 2, 2, &matrix, false, &matrix, false, &matrix),
                         cases[i].expected);
        assert_non_null(strstr(error_message(), cases[i].text));
    }
    sgemm_fault = CLBlastSuccess;
    /* CLBlast's own checks: a matrix that is longer than its buffer. */
    struct matrix narrow = {matrix.buffer, 0, 1};
    assert_int_equal(gemm_multiply(device, 2, 2, 2, &narrow, false, &matrix, false, &matrix),
                     ERR_DEVICE);
    ok(check_end(&check, ERR_NONE));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_sets),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
