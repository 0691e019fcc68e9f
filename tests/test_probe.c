/* Drivers that crash are rows, and the devices of the others can still be used. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pipeline/probe.h"
#include "pipeline/slots.h"
#include "tests/clade_process.h"

static char directory[64];

static int set_up(void **state)
{
    (void)state;
    clade_directory(directory);
    setenv("OCL_ICD_VENDORS", directory, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unsetenv("OCL_ICD_VENDORS");
    clade_remove(directory);
    return 0;
}

static void test_crashing_drivers_are_rows(void **state)
{
    (void)state;
    clade_write_text(directory, "a_crash.icd", FAULT_CRASH_DRIVER "\n");
    clade_write_text(directory, "b_exit.icd", FAULT_EXIT_DRIVER "\n");
    clade_write_text(directory, "pocl.icd", "libpocl.so.2\n");
    clade_write_text(directory, "readme.txt", "not a driver\n");
    struct probed *devices;
    size_t count;
    assert_int_equal(probe_devices(&devices, &count), ERR_NONE);
    assert_true(count >= 3);
    assert_non_null(strstr(devices[0].failure, "a_crash.icd"));
    assert_non_null(strstr(devices[0].failure, "signal 9"));
    assert_non_null(strstr(devices[1].failure, "b_exit.icd"));
    assert_non_null(strstr(devices[1].failure, "exit code 3"));
    assert_string_equal(devices[2].failure, "");
    assert_non_null(strstr(devices[2].driver, "/pocl.icd"));
    assert_int_equal(devices[2].info.platform, 0);

    struct settings settings;
    struct slot *slots;
    size_t slot_count;
    settings_defaults(&settings, NULL);
    settings.devices.slots = 2;
    assert_int_equal(slots_plan(&slots, &slot_count, devices, count, &settings.devices), ERR_NONE);
    assert_int_equal(slot_count, 2);
    assert_string_equal(slots[0].device.driver, devices[2].driver);
    free(slots);
    free(devices);

    const struct clade_result *result = clade("devices");
    assert_int_equal(result->status, 0);
    assert_non_null(strstr(result->out, "a_crash.icd crashed"));
    assert_non_null(strstr(result->out, "0.0"));
    /* Workers load the good driver only. */
    result = clade("bench --seconds 0.1 --genome RC8k3:relu-RC8k3:relu-FC64:relu");
    assert_int_equal(result->status, 0);
}

static void test_only_broken_drivers(void **state)
{
    (void)state;
    clade_write_text(directory, "a.icd", FAULT_CRASH_DRIVER "\n");
    const struct clade_result *result = clade("devices");
    assert_int_equal(result->status, error_exit_code(ERR_NO_DEVICE));
    assert_non_null(strstr(result->out, "crashed"));
    assert_non_null(strstr(result->err, "a.icd crashed"));
}

/* ---- slots ---- */

static struct probed fake(int platform, int device, cl_device_type type, int units)
{
    struct probed probed = {
        .info = {.platform = platform, .device = device, .type = type, .compute_units = units}};
    return probed;
}

static size_t plan(const char *use, int slots, enum error expected)
{
    struct probed devices[5] = {fake(0, 0, CL_DEVICE_TYPE_GPU, 40),
                                fake(1, 0, CL_DEVICE_TYPE_CPU, 1),
                                fake(2, 0, CL_DEVICE_TYPE_CPU, 1),
                                fake(2, 1, CL_DEVICE_TYPE_GPU, 20),
                                {.failure = "driver x.icd crashed"}};
    struct device_settings settings = {.slots = slots};
    struct slot *list;
    size_t count;
    snprintf(settings.use, sizeof settings.use, "%s", use);
    assert_int_equal(slots_plan(&list, &count, devices, 5, &settings), expected);
    for (size_t i = 0; i < count; i++) {
        bool cpu = (list[i].device.info.type & CL_DEVICE_TYPE_CPU) != 0;
        assert_int_equal(list[i].parts, cpu && slots > 0 ? slots : 1);
        assert_in_range(list[i].part, 0, list[i].parts - 1);
    }
    free(list);
    return count;
}

static void test_slots(void **state)
{
    (void)state;
    assert_int_equal(plan("all", 0, ERR_NONE), 3); /* two GPUs, one of the two CPU platforms */
    assert_int_equal(plan("all", 4, ERR_NONE), 2 + 4);
    assert_int_equal(plan("gpu", 4, ERR_NONE), 2);
    assert_int_equal(plan("cpu", 3, ERR_NONE), 3);
    assert_int_equal(plan("2.0", 3, ERR_NONE), 3);
    assert_int_equal(plan("0.0, 2.0,1.0", 3, ERR_NONE), 1 + 3 + 3);
    assert_int_equal(plan("2.1", 0, ERR_NONE), 1);
    assert_int_equal(plan("3.0", 0, ERR_NO_DEVICE), 0);
    assert_int_equal(plan("0.0,0.1", 0, ERR_NO_DEVICE), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_crashing_drivers_are_rows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_only_broken_drivers, set_up, tear_down),
        cmocka_unit_test(test_slots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
