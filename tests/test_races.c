/*
 * The kernels on Oclgrind, a simulator that reports data races, invalid accesses and wrong API
 * calls: local memory and barriers on a device that, unlike PoCL's, does not run a work-group in
 * one thread. CMake tells where its driver is (OCLGRIND_ICD).
 *
 *     test_races                  all operations
 *     test_races ITEMS BYTES      the tiled convolutions, on a device that allows so many
 * work-items in a group and bytes of local memory
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cl_kernels/check_conv.h"
#include "cl_kernels/launch.h"
#include "cl_kernels/network.h"
#include "cl_kernels/selftest.h"

static struct device *device;
static char directory[] = "/tmp/clade-test-races-XXXXXX";
static char icd_path[64], log_path[64];
static size_t most_items; /* 0: the simulator's own limits */
static uint64_t local_bytes;

static void ok(enum error err)
{
    if (err != ERR_NONE)
        fail_msg("%s: %s", error_name(err), error_message());
}

/* What the simulator has reported since the last call, at most `size` bytes. */
static size_t reports(char *text, size_t size)
{
    static long seen;
    FILE *file = fopen(log_path, "r");
    if (file == NULL)
        return 0;
    assert_int_equal(fseek(file, seen, SEEK_SET), 0);
    size_t length = fread(text, 1, size - 1, file);
    text[length] = '\0';
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    seen = ftell(file);
    assert_int_equal(fclose(file), 0);
    return length;
}

static void assert_no_report(void)
{
    static char text[4096];
    ok(device_finish(device));
    if (reports(text, sizeof text) > 0)
        fail_msg("the simulator reports: %s", text);
}

/* Neighbours pass a value through local memory without a barrier. */
static void test_a_race_is_reported(void **state)
{
    (void)state;
    const char *source = "kernel void racy(global int *x) {\n"
                         "    local int shared[4];\n"
                         "    int i = get_local_id(0);\n"
                         "    shared[i] = i;\n"
                         "    x[i] = shared[(i + 1) % 4];\n"
                         "}\n";
    static char text[4096];
    cl_kernel kernel;
    cl_mem buffer;
    struct launch launch;
    ok(device_buffer(&buffer, device, 64));
    ok(program_kernel_build(&kernel, device, "racy", &source, 1, "", "racy"));
    launch_start(&launch, device, kernel, "racy");
    launch_buffer(&launch, buffer);
    ok(launch_run_local(&launch, (const size_t[3]){4, 1, 1}, (const size_t[3]){4, 1, 1}));
    ok(device_finish(device));
    assert_true(reports(text, sizeof text) > 0);
    assert_non_null(strstr(text, "race"));
    clReleaseKernel(kernel);
    device_release(device, &buffer);
}

/* Small: the simulator interprets every instruction. All strides, splits of the batch, and tiles
   with work-items past the end. */
static void test_tiled(void **state)
{
    (void)state;
    static const struct conv_case cases[] = {
        {{1, 3, 3, 1}, 5, 4, 2, 2, ACT_RELU, 0},  {{3, 17, 3, 2}, 5, 3, 3, 2, ACT_SWISH, 0},
        {{17, 5, 1, 1}, 9, 8, 1, 1, ACT_TANH, 1}, {{2, 33, 5, 2}, 4, 4, 2, 1, ACT_GELU, 0},
        {{9, 8, 1, 2}, 3, 5, 2, 2, ACT_COUNT, 0}, {{1, 1, 7, 1}, 3, 3, 9, 8, ACT_SIGMOID, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ok(conv_check(device, CONV_TILED, NULL, &cases[i], NULL));
        assert_no_report();
    }
}

/* No races are to be found in Winograd's kernels, but what they read or write outside is. */
static void test_winograd(void **state)
{
    (void)state;
    static const struct conv_case cases[] = {
        {{8, 9, 3, 1}, 5, 4, 2, 1, ACT_SWISH, 0},
        {{9, 8, 5, 1}, 7, 7, 2, 2, ACT_RELU, 0},
        {{8, 8, 5, 2}, 7, 8, 1, 1, ACT_TANH, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ok(conv_check(device, CONV_WINOGRAD, NULL, &cases[i], NULL));
        assert_no_report();
    }
}

/* Every other kernel of ours. */
static void test_all_operations(void **state)
{
    (void)state;
    ok(device_self_test(device, CONV_VECTOR, NULL, NULL));
    assert_no_report();
}

enum { STORED = 3, SIDE = 4, MEMBERS = 2, PARAMETERS_MOST = 2048 };

/* Trains members first .. first + count of a pack over all images, the last batch ragged. */
static void train_pack(struct image_store *store, const struct genome *genomes,
                       enum conv_family family, enum norm_kind norm, int first, int count,
                       float parameters[][PARAMETERS_MOST])
{
    static const uint32_t order[MEMBERS][STORED] = {{0, 1, 2}, {2, 0, 1}};
    static const uint64_t seeds[MEMBERS] = {1, 2};
    const struct image_shape shape = {SIDE, SIDE, 1, 2};
    const struct training_settings training = {.batch = 2,
                                               .norm = norm,
                                               .learning_rate = 0.01,
                                               .beta1 = 0.9,
                                               .beta2 = 0.999,
                                               .epsilon = 1e-8,
                                               .flip = 1,
                                               .clip = 0.1};
    static float values[MEMBERS * PARAMETERS_MOST];
    struct pass_result results[MEMBERS];
    struct network *net;
    ok(network_create_pack(&net, device, genomes + first, count, &shape, &training, family));
    ok(network_initialise(net, seeds + first));
    ok(network_train(net, store, order[first], STORED, 0, 2, results));
    ok(network_evaluate(net, store, order[first], STORED, results, NULL));
    size_t each = (size_t)network_parameter_count(net);
    assert_true(each <= PARAMETERS_MOST);
    ok(network_read_parameters(net, values));
    for (size_t i = 0; i < (size_t)count; i++)
        memcpy(parameters[i], values + i * each, each * sizeof *values);
    network_destroy(net);
    assert_no_report();
}

/* Several networks in each launch: every kernel with its dimension for the members. */
static void test_packs(void **state)
{
    (void)state;
    static const enum conv_family families[] = {CONV_VECTOR, CONV_TILED};
    static const enum norm_kind norms[] = {NORM_NONE, NORM_BATCH};
    static float alone[MEMBERS][PARAMETERS_MOST], packed[MEMBERS][PARAMETERS_MOST];
    static uint8_t pixels[STORED * SIDE * SIDE], labels[STORED] = {0, 1, 1};
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(i * 89);
    struct images images = {.shape = {SIDE, SIDE, 1, 2},
                            .count = STORED,
                            .pixels = pixels,
                            .labels = labels,
                            .mean = 0.5f,
                            .std = 0.25f};
    struct genome genomes[MEMBERS];
    struct image_store *store;
    ok(genome_parse(&genomes[0], "RC3k3:swish-RC9k3:relu-FC64:tanh"));
    ok(genome_parse(&genomes[1], "RC3k3:tanh-RC9k3:gelu-FC64:relu"));
    ok(image_store_create(&store, device, &images));
    for (int f = 0; f < 2; f++)
        for (int k = 0; k < 2; k++) {
            for (int i = 0; i < MEMBERS; i++)
                train_pack(store, genomes, families[f], norms[k], i, 1, alone + i);
            train_pack(store, genomes, families[f], norms[k], 0, MEMBERS, packed);
            assert_memory_equal(packed, alone, sizeof packed);
        }
    image_store_destroy(store);
}

static int open_device(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL)
        return 1;
    snprintf(icd_path, sizeof icd_path, "%s/oclgrind.icd", directory);
    snprintf(log_path, sizeof log_path, "%s/log", directory);
    FILE *icd = fopen(icd_path, "w");
    if (icd == NULL)
        return 1;
    fprintf(icd, "%s\n", OCLGRIND_ICD);
    if (fclose(icd) != 0)
        return 1;
    setenv("OCL_ICD_VENDORS", directory, 1);
    setenv("OCLGRIND_DATA_RACES", "1", 1);
    setenv("OCLGRIND_CHECK_API", "1", 1);
    setenv("OCLGRIND_LOG", log_path, 1);
    setenv("XDG_CACHE_HOME", directory, 1);
    if (device_open(&device, 0, 0, 0, 1) != ERR_NONE) {
        print_error("%s\n", error_message());
        return 1;
    }
    const struct device_info *info = device_get_info(device);
    bool limited =
        most_items == 0 || (info->max_work_group == most_items && info->local_bytes == local_bytes);
    return strstr(info->name, "Oclgrind") == NULL || !limited;
}

static int close_device(void **state)
{
    (void)state;
    char command[64];
    device_close(device);
    snprintf(command, sizeof command, "rm -r '%s'", directory);
    return system(command);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(test_a_race_is_reported),
        cmocka_unit_test(test_tiled),
        cmocka_unit_test(test_winograd),
        cmocka_unit_test(test_all_operations),
        cmocka_unit_test(test_packs),
    };
    const struct CMUnitTest limited[] = {cmocka_unit_test(test_tiled)};
    if (argc != 3)
        return cmocka_run_group_tests(all, open_device, close_device);
    setenv("OCLGRIND_MAX_WGSIZE", argv[1], 1);
    setenv("OCLGRIND_LOCAL_MEM_SIZE", argv[2], 1);
    most_items = (size_t)atol(argv[1]);
    local_bytes = (uint64_t)atol(argv[2]);
    return cmocka_run_group_tests(limited, open_device, close_device);
}
