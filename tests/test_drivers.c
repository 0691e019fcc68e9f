/*
 * Two OpenCL drivers side by side: PoCL, and Intel's runtime for CPUs (script/intel-opencl, without
 * which this is skipped). Each is found and trains as well as the other, in whatever order they
 * come, and one CPU is not given to two candidates because it has two drivers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/clade_process.h"

enum { DRIVERS = 2 };

static const char *const platforms[DRIVERS] = {"Portable Computing Language", "Intel(R) OpenCL"};

static char directory[64]; /* of ICD files */
static char data_directory[64];
static char libraries[DRIVERS][256]; /* lines of ICD files; the second is empty without Intel's */

static void find_intel(void)
{
    glob_t found;
    if (glob(".venv-intel/vendors-*/intel.icd", 0, NULL, &found) != 0)
        return;
    FILE *file = fopen(found.gl_pathv[found.gl_pathc - 1], "r");
    assert_non_null(file);
    assert_non_null(fgets(libraries[1], sizeof libraries[1], file));
    fclose(file);
    globfree(&found);
}

static int set_up(void **state)
{
    (void)state;
    strcpy(libraries[0], "libpocl.so.2\n");
    find_intel();
    clade_directory(data_directory);
    clade_write_search(data_directory);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    clade_remove(data_directory);
    return 0;
}

static int make_directory(void **state)
{
    (void)state;
    clade_directory(directory);
    setenv("OCL_ICD_VENDORS", directory, 1);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    unsetenv("OCL_ICD_VENDORS");
    clade_remove(directory);
    return 0;
}

/* The row of a CSV table after the heading that has `text` in it; NULL when there is none. */
static const char *row_with(const char *table, const char *text)
{
    const char *found = strstr(table, text);
    while (found != NULL && found > table && found[-1] != '\n')
        found--;
    return found;
}

/* What a device answered when it trained a small network. */
struct training {
    char index[8];
    double loss, validation_loss, accuracy;
};

static void train(struct training *training, int driver)
{
    const struct clade_result *result = clade("devices --format csv");
    int platform, device, fields;
    clade_assert_fine(result);
    const char *row = row_with(result->out, platforms[driver]);
    assert_non_null(row);
    assert_int_equal(sscanf(row, "%d,%d", &platform, &device), 2);
    snprintf(training->index, sizeof training->index, "%d.%d", platform, device);
    result = clade("train NC8k3:relu-RC8k3:swish-RC16k5:tanh-FC64:gelu --format csv "
                   "--settings %s/search.ini --device %s",
                   data_directory, training->index);
    clade_assert_fine(result);
    row = strchr(result->out, '\n');
    assert_non_null(row);
    fields = sscanf(row + 1, "\"%*[^\"]\",%*d,\"%*[^\"]\",%*d,%*d,%*d,%lf,%lf,%lf", &training->loss,
                    &training->validation_loss, &training->accuracy);
    assert_int_equal(fields, 3);
}

static void test_order_does_not_matter(void **state)
{
    (void)state;
    if (libraries[1][0] == '\0')
        skip();
    struct training trained[2][DRIVERS];
    for (int order = 0; order < 2; order++) {
        clade_write_text(directory, order == 0 ? "a.icd" : "b.icd", libraries[0]);
        clade_write_text(directory, order == 0 ? "b.icd" : "a.icd", libraries[1]);
        for (int driver = 0; driver < DRIVERS; driver++)
            train(&trained[order][driver], driver);
    }
    for (int driver = 0; driver < DRIVERS; driver++) {
        const struct training *first = &trained[0][driver], *second = &trained[1][driver];
        assert_string_not_equal(first->index, second->index);
        assert_true(first->loss == second->loss);
        assert_true(first->validation_loss == second->validation_loss);
        assert_true(first->accuracy == second->accuracy);
    }
    /* Sums in another order, and other exponentials. */
    assert_true(fabs(trained[0][0].loss - trained[0][1].loss) < 1e-3);
    assert_true(fabs(trained[0][0].validation_loss - trained[0][1].validation_loss) < 1e-3);
}

static void test_one_driver_for_a_processor(void **state)
{
    (void)state;
    if (libraries[1][0] == '\0')
        skip();
    clade_write_text(directory, "a.icd", libraries[1]);
    clade_write_text(directory, "b.icd", libraries[0]);
    const struct clade_result *result = clade("devices --format csv --set devices.slots=2");
    clade_assert_fine(result);
    for (int driver = 0; driver < DRIVERS; driver++) {
        const char *row = row_with(result->out, platforms[driver]);
        assert_non_null(row);
        char line[512];
        snprintf(line, sizeof line, "%.*s", (int)strcspn(row, "\r\n"), row);
        assert_non_null(strstr(line, driver == 1 ? "\",2,\"/" : "\",0,\"/"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order_does_not_matter, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(test_one_driver_for_a_processor, make_directory,
                                        remove_directory),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
