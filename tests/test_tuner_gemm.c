/*
 * The tuner and CLBlast's parameters: what is timed, chosen, disqualified, kept and used. CLBlast
 * is told lies about what it was told: a wrapped call refuses a set, or makes its products wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <clblast_c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cl_kernels/tuner.h"
#include "cl_kernels/tuning.h"
#include "tests/sgemm_wrap.h"
#include "tests/tuning_fixture.h"

static struct device *device;
static char directory[] = "/tmp/clade-test-tuner-gemm-XXXXXX";

static void ok(enum error err)
{
    if (err != ERR_NONE)
        fail_msg("%s: %s", error_name(err), error_message());
}

/* ---- what is wrapped ---- */

enum { NO_SET = -1 };
static int refused = NO_SET, wrong = NO_SET; /* sets */
static int used = GEMM_OWN, uses;            /* as the real CLBlast was told */

CLBlastStatusCode __real_CLBlastOverrideParameters(const cl_device_id, const char *,
                                                   const CLBlastPrecision, const size_t,
                                                   const char **, const size_t *);
CLBlastStatusCode __wrap_CLBlastOverrideParameters(const cl_device_id, const char *,
                                                   const CLBlastPrecision, const size_t,
                                                   const char **, const size_t *);
CLBlastStatusCode __wrap_CLBlastOverrideParameters(const cl_device_id id, const char *kernel,
                                                   const CLBlastPrecision precision,
                                                   const size_t count, const char **names,
                                                   const size_t *values)
{
    char prefix[GEMM_NAME_SIZE] = "", name[GEMM_NAME_SIZE];
    if (strcmp(kernel, "Xgemm") == 0) {
        size_t m = 0, n = 0, k = 0;
        for (size_t i = 0; i < count; i++) {
            m = strcmp(names[i], "MWG") == 0 ? values[i] : m;
            n = strcmp(names[i], "NWG") == 0 ? values[i] : n;
            k = strcmp(names[i], "KWG") == 0 ? values[i] : k;
        }
        snprintf(prefix, sizeof prefix, "%zux%zux%zu/", m, n, k);
        int sets[GEMM_SETS_MAX], set_count = gemm_sets(sets, true);
        for (int i = 0; i < set_count; i++) {
            gemm_set_name(name, sets[i]);
            if (strncmp(name, prefix, strlen(prefix)) == 0)
                used = sets[i];
        }
        uses++;
        sgemm_scale = used == wrong ? 1.0001f : 1;
        if (used == refused)
            return CLBlastInvalidLocalMemUsage;
    }
    return __real_CLBlastOverrideParameters(id, kernel, precision, count, names, values);
}

/* ---- tests ---- */

static struct tune_class asked(enum conv_family family)
{
    struct tune_class class = tuning_wide;
    class.family = family;
    return class;
}

static void assert_one_chosen(const struct tuning *tuning)
{
    int chosen = 0;
    for (int i = 0; i < tuning->product_count; i++) {
        chosen += tuning->products[i].chosen;
        assert_true(!tuning->products[i].chosen || tuning->products[i].status == TUNE_OK);
        assert_int_equal(tuning->products[i].status == TUNE_OK, tuning->products[i].gflops > 0);
    }
    assert_int_equal(chosen, 1);
}

/* Nobody asked for CLBlast, and on a CPU it is not tried of itself. */
static void test_nothing_to_do(void **state)
{
    (void)state;
    struct tuning tuning = {0};
    struct tune_class classes[] = {asked(CONV_AUTO), asked(CONV_VECTOR)};
    ok(tuner_products(&tuning, device, classes, 2, 600));
    assert_int_equal(tuning.product_count, 0);
    assert_int_equal(uses, 0);
}

static void test_all_are_timed(void **state)
{
    (void)state;
    int sets[GEMM_SETS_MAX], set_count = gemm_sets(sets, true);
    struct tuning tuning = {0};
    struct tune_class class = asked(CONV_CLBLAST);
    /* what was timed with other parameters goes, the rest stays */
    tuning_fixture_add(&tuning, &class, TUNE_FORWARD, CONV_CLBLAST, 0, 0);
    tuning_fixture_add(&tuning, &tuning_wide, TUNE_FORWARD, CONV_VECTOR, 4, 7);
    ok(tuner_products(&tuning, device, &class, 1, 600));
    assert_int_equal(tuning.product_count, 1 + set_count);
    for (int i = 0; i <= set_count; i++) {
        assert_int_equal(tuning.products[i].set, i == 0 ? GEMM_OWN : sets[i - 1]);
        assert_int_equal(tuning.products[i].status, TUNE_OK);
    }
    assert_one_chosen(&tuning);
    assert_int_equal(tuning.count, tuning_product(&tuning) == GEMM_OWN ? 2 : 1);
    assert_true(tuning_has(&tuning, &tuning_wide, NULL));
    tuning_free(&tuning);
}

static void test_bad_ones_are_not_chosen(void **state)
{
    (void)state;
    int sets[GEMM_SETS_MAX];
    struct tuning tuning = {0};
    struct tune_class class = asked(CONV_CLBLAST);
    assert_true(gemm_sets(sets, true) >= 3);
    refused = sets[0];
    wrong = sets[1];
    ok(tuner_products(&tuning, device, &class, 1, 600));
    assert_one_chosen(&tuning);
    assert_int_equal(tuning.products[1].status, TUNE_DISQUALIFIED);
    assert_non_null(strstr(tuning.products[1].reason, "-2046"));
    assert_int_equal(tuning.products[2].status, TUNE_DISQUALIFIED);
    assert_non_null(strstr(tuning.products[2].reason, "product (clblast)"));
    assert_null(strpbrk(tuning.products[2].reason, ",\"\n"));
    tuning_free(&tuning);
}

static void test_time_is_up(void **state)
{
    (void)state;
    struct tuning tuning = {0};
    struct tune_class class = asked(CONV_CLBLAST);
    ok(tuner_products(&tuning, device, &class, 1, 0));
    for (int i = 0; i < tuning.product_count; i++)
        assert_int_equal(tuning.products[i].status, i == 0 ? TUNE_OK : TUNE_UNTIMED);
    assert_int_equal(tuning_product(&tuning), GEMM_OWN);
    tuning_free(&tuning);
}

/* On disk once, and asked for again only while some are untimed. */
static void test_kept_and_used(void **state)
{
    (void)state;
    char key[TUNING_KEY_SIZE];
    struct text text = {0};
    struct tune_class class = asked(CONV_CLBLAST);
    struct tuner_request request = {
        .classes = &class, .count = 1, .seconds = 0, .untimed = true, .products = true};
    ok(tuner_prepare(device, &request));
    assert_int_equal(device_tuning(device)->products[1].status, TUNE_UNTIMED);
    request.seconds = 600;
    ok(tuner_prepare(device, &request));
    assert_one_chosen(device_tuning(device));
    assert_int_equal(device_tuning(device)->products[1].status, TUNE_OK);
    int before = uses;
    double gflops = device_tuning(device)->products[1].gflops;
    ok(tuner_prepare(device, &request));
    assert_true(uses <= before + 1); /* the chosen one at most */
    assert_true(device_tuning(device)->products[1].gflops - gflops < 0.001);
    /* a run's copy: its set, whatever came before */
    int sets[GEMM_SETS_MAX], set_count = gemm_sets(sets, true);
    struct tuning tuning = {.product_count = 1};
    for (int i = 0; i < set_count; i++) {
        tuning.products[0] = (struct tune_product){.set = sets[i], .chosen = true, .gflops = 1};
        text_free(&text);
        tuning_key(key, device);
        ok(tuning_format(&text, &tuning, key));
        ok(tuner_use_text(device, text.data));
        assert_int_equal(used, sets[i]);
    }
    text_free(&text);
}

static int set_up(void **state)
{
    (void)state;
    refused = wrong = NO_SET;
    return 0;
}

static int open_device(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL || setenv("XDG_CACHE_HOME", directory, 1) != 0)
        return 1;
    if (device_open(&device, 0, 0, 0, 1) == ERR_NONE)
        return 0;
    print_error("%s\n", error_message());
    return 1;
}

static int close_device(void **state)
{
    (void)state;
    char command[128];
    device_close(device);
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    return system(command);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup(test, set_up)
    const struct CMUnitTest tests[] = {
        CASE(test_nothing_to_do),
        CASE(test_time_is_up), /* before there are others, from which there is no way back */
        CASE(test_all_are_timed),
        CASE(test_bad_ones_are_not_chosen),
        CASE(test_kept_and_used),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
