/*
 * The tuner: what it chooses, whom it disqualifies, what it keeps on disk, and files that are cut
 * off, damaged, foreign, of another version, or cannot be written. Kernels are made wrong by
 * building them with another step between pixels.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cl_kernels/conv_family.h"
#include "cl_kernels/launch.h"
#include "cl_kernels/network.h"
#include "cl_kernels/tuner.h"
#include "cl_kernels/tuning.h"
#include "cl_kernels/tuning_file.h"
#include "pipeline/base/log.h"
#include "tests/tuning_fixture.h"

static struct device *device;
static char directory[] = "/tmp/clade-test-tuner-XXXXXX";

static void ok(enum error err)
{
    if (err != ERR_NONE)
        fail_msg("%s: %s", error_name(err), error_message());
}

/* ---- what is wrapped ---- */

static const char *sabotaged; /* in the options of a program: it gets another step; NULL: none */

enum error __real_program_kernel_build(cl_kernel *, struct device *, const char *,
                                       const char *const *, size_t, const char *, const char *);
enum error __wrap_program_kernel_build(cl_kernel *, struct device *, const char *,
                                       const char *const *, size_t, const char *, const char *);
enum error __wrap_program_kernel_build(cl_kernel *out, struct device *on, const char *name,
                                       const char *const *sources, size_t count,
                                       const char *options, const char *kernel)
{
    char other[256];
    const char *step = strstr(options, "X_STEP=");
    if (sabotaged == NULL || step == NULL || strstr(options, sabotaged) == NULL)
        return __real_program_kernel_build(out, on, name, sources, count, options, kernel);
    snprintf(other, sizeof other, "%.*sX_STEP=1%s", (int)(step - options), options,
             step + strcspn(step, " "));
    return __real_program_kernel_build(out, on, name, sources, count, other, kernel);
}

static enum { RENAME_WORKS, RENAME_FAILS, RENAME_KILLS } renaming;

int __real_rename(const char *, const char *);
int __wrap_rename(const char *, const char *);
int __wrap_rename(const char *from, const char *to)
{
    if (renaming == RENAME_KILLS)
        raise(SIGKILL);
    if (renaming == RENAME_WORKS)
        return __real_rename(from, to);
    errno = EACCES;
    return -1;
}

static int tuned_lines, warnings;
static char last_warning[600];

static void note(enum log_level level, const char *text, void *user)
{
    (void)user;
    tuned_lines += strncmp(text, "tuning ", 7) == 0;
    if (level != LOG_WARNING)
        return;
    warnings++;
    snprintf(last_warning, sizeof last_warning, "%s", text);
}

/* ---- files ---- */

/* The files of the cache whose names hold `part`: how many, and the path of the last. */
static int find_files(char path[512], const char *part)
{
    char folder[300];
    int count = 0;
    snprintf(folder, sizeof folder, "%s/clade", directory);
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return 0;
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
        if (strstr(entry->d_name, part) != NULL) {
            snprintf(path, 512, "%s/%.200s", folder, entry->d_name);
            count++;
        }
    closedir(dir);
    return count;
}

static void erase_tunings(void)
{
    char path[512];
    while (find_files(path, "tune-") > 0)
        assert_int_equal(unlink(path), 0);
}

static void read_whole(struct text *text, const char *path)
{
    char block[4096];
    size_t n;
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    while ((n = fread(block, 1, sizeof block, file)) > 0)
        text_append_n(text, block, n);
    fclose(file);
}

static void write_whole(const char *path, const char *data, size_t length)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
    (void)state;
    erase_tunings();
    sabotaged = NULL;
    renaming = RENAME_WORKS;
    tuned_lines = warnings = 0;
    device_set_tuning(device, NULL);
    log_set_sink(note, NULL);
    return 0;
}

/* ---- timing ---- */

static bool can_differ(const struct tune_row *row)
{
    return row->pass != TUNE_INPUT_GRADIENT || row->class.channels_in >= 8;
}

/* One row of each pass is chosen, and it is fit for it. */
static void assert_chosen(const struct tuning *tuning, const struct tune_class *class)
{
    for (int pass = 0; pass < TUNE_PASS_COUNT; pass++) {
        int chosen = 0;
        for (size_t i = 0; i < tuning->count; i++) {
            const struct tune_row *row = &tuning->rows[i];
            if (!tune_class_equal(&row->class, class) || (int)row->pass != pass)
                continue;
            assert_true(can_differ(row));
            assert_true(row->status == TUNE_OK ? row->gflops > 0 : row->gflops == 0);
            chosen += row->chosen;
            if (row->chosen)
                assert_int_not_equal(row->status, TUNE_DISQUALIFIED);
        }
        assert_int_equal(chosen, 1);
    }
}

static void test_every_variant_is_timed(void **state)
{
    (void)state;
    struct tuning tuning = {0};
    const struct tune_class classes[] = {tuning_wide, tuning_narrow};
    ok(tuner_run(&tuning, device, classes, 2, 600));
    assert_chosen(&tuning, &tuning_wide);
    assert_chosen(&tuning, &tuning_narrow);
    int of_group[5] = {0};
    for (size_t i = 0; i < tuning.count; i++)
        if (tune_class_equal(&tuning.rows[i].class, &tuning_wide)) {
            assert_int_equal(tuning.rows[i].status, TUNE_OK);
            assert_int_equal(tuning.rows[i].family, CONV_VECTOR);
            of_group[tuning.rows[i].group]++;
        }
    assert_true(of_group[2] >= 3 && of_group[4] == 2);
    tuning_free(&tuning);
}

static void test_no_time(void **state)
{
    (void)state;
    struct tuning tuning = {0};
    bool timed;
    ok(tuner_run(&tuning, device, &tuning_wide, 1, 0));
    assert_chosen(&tuning, &tuning_wide);
    assert_true(tuning_has(&tuning, &tuning_wide, &timed));
    assert_false(timed);
    struct conv_plan plan = tune_class_plan(&tuning_wide, CONV_VECTOR);
    assert_true(tuning_apply(&tuning, device, &plan));
    assert_int_equal(plan.family, CONV_VECTOR);
    assert_int_equal(plan.tiles.group, 0);
    /* what is timed later replaces it */
    ok(tuner_run(&tuning, device, &tuning_wide, 1, 600));
    assert_chosen(&tuning, &tuning_wide);
    tuning_has(&tuning, &tuning_wide, &timed);
    assert_true(timed);
    tuning_free(&tuning);
}

/* Of `tuning_wide`, rows with a group of so many vectors. */
static void assert_disqualified(const struct tuning *tuning, int group, bool disqualified)
{
    int seen = 0;
    for (size_t i = 0; i < tuning->count; i++) {
        const struct tune_row *row = &tuning->rows[i];
        if (row->group != group || row->pass == TUNE_INPUT_GRADIENT)
            continue;
        seen++;
        assert_int_equal(row->status, disqualified ? TUNE_DISQUALIFIED : TUNE_OK);
        assert_true(!disqualified || (!row->chosen && strstr(row->reason, "allowed") != NULL));
        assert_null(strpbrk(row->reason, ",\"\n"));
    }
    assert_true(seen > 0);
}

/* A variant with wrong results, and a rule with wrong ones, are never chosen. */
static void test_wrong_results_disqualify(void **state)
{
    (void)state;
    struct tuning tuning = {0};
    sabotaged = "VECTORS=4";
    ok(tuner_run(&tuning, device, &tuning_wide, 1, 600));
    assert_chosen(&tuning, &tuning_wide);
    assert_disqualified(&tuning, 4, true);
    assert_disqualified(&tuning, 2, false);
    sabotaged = "TILE=8"; /* the weight gradient of the rule's group */
    ok(tuner_run(&tuning, device, &tuning_wide, 1, 600));
    assert_chosen(&tuning, &tuning_wide);
    assert_disqualified(&tuning, 2, true);
    assert_disqualified(&tuning, 4, false);
    tuning_free(&tuning);
}

/* Winograd's rounding is that of a whole tile: what is compared must not be smaller than what a
   batch has, or the family that is twice as fast is out. */
static void test_large_kernels_stay(void **state)
{
    (void)state;
    struct tuning tuning = {0};
    for (int side = 7; side <= 28; side *= 2) {
        const struct tune_class class = {.family = CONV_WINOGRAD,
                                         .kernel = 5,
                                         .stride = 1,
                                         .channels_in = 64,
                                         .channels_out = 64,
                                         .height = side,
                                         .width = side,
                                         .batch = 16};
        ok(tuner_run(&tuning, device, &class, 1, 600));
        assert_chosen(&tuning, &class);
    }
    for (size_t i = 0; i < tuning.count; i++)
        if (tuning.rows[i].status != TUNE_OK || tuning.rows[i].family != CONV_WINOGRAD)
            fail_msg("%dx%d: %s", tuning.rows[i].class.height, tuning.rows[i].class.width,
                     tuning.rows[i].reason);
    tuning_free(&tuning);
}

/* ---- disk ---- */

static const struct tuner_request request = {.classes = &tuning_narrow, .count = 1, .seconds = 600};

static void test_kept_on_disk(void **state)
{
    (void)state;
    char path[512];
    ok(tuner_use(device));
    assert_null(device_tuning(device));
    ok(tuner_prepare(device, &request));
    assert_int_equal(tuned_lines, 1);
    assert_int_equal(find_files(path, ".csv"), 1);
    assert_chosen(device_tuning(device), &tuning_narrow);
    struct text first = {0}, second = {0};
    read_whole(&first, path);
    ok(tuner_prepare(device, &request));
    assert_int_equal(tuned_lines, 1); /* nothing was to do */
    read_whole(&second, path);
    assert_string_equal(first.data, second.data);
    struct tuner_request again = request;
    again.again = true;
    ok(tuner_prepare(device, &again));
    assert_int_equal(tuned_lines, 2);
    device_set_tuning(device, NULL);
    ok(tuner_use(device));
    assert_chosen(device_tuning(device), &tuning_narrow);
    assert_int_equal(warnings, 0);
    /* a copy kept elsewhere is good for this device only */
    ok(tuner_use_text(device, first.data));
    struct text foreign = {0};
    ok(tuning_format(&foreign, device_tuning(device), "0123456789abcdef0123456789abcdef"));
    assert_int_equal(tuner_use_text(device, foreign.data), ERR_DATA);
    text_free(&foreign);
    text_free(&first);
    text_free(&second);
}

/* Each time: a line, tuned again, and a good file afterwards. */
static void assert_tuned_again(const char *path, const char *part)
{
    struct tuning tuning;
    warnings = tuned_lines = 0;
    device_set_tuning(device, NULL);
    ok(tuner_use(device));
    assert_null(device_tuning(device));
    assert_int_equal(warnings, 1);
    assert_non_null(strstr(last_warning, part));
    assert_non_null(strstr(last_warning, path));
    ok(tuner_prepare(device, &request));
    assert_int_equal(warnings, 2);
    assert_int_equal(tuned_lines, 1);
    ok(tuning_load(&tuning, device));
    assert_int_equal(warnings, 2);
    assert_chosen(&tuning, &tuning_narrow);
    tuning_free(&tuning);
}

static void test_damaged_and_foreign_files(void **state)
{
    (void)state;
    char path[512];
    ok(tuner_prepare(device, &request));
    assert_int_equal(find_files(path, ".csv"), 1);
    struct text whole = {0}, foreign = {0}, version = {0};
    read_whole(&whole, path);
    write_whole(path, whole.data, whole.length / 2);
    assert_tuned_again(path, "cut off");
    write_whole(path, "", 0);
    assert_tuned_again(path, "not a tuning");
    whole.data[whole.length / 2] ^= 4;
    write_whole(path, whole.data, whole.length);
    assert_tuned_again(path, "");
    write_whole(path, "\0\0\0\0", 4);
    assert_tuned_again(path, "not a tuning");
    ok(tuning_format(&foreign, device_tuning(device), "0123456789abcdef0123456789abcdef"));
    write_whole(path, foreign.data, foreign.length);
    assert_tuned_again(path, "something else");
    text_printf(&version, "clade tuning 0%s", foreign.data + strlen("clade tuning 3"));
    write_whole(path, version.data, version.length);
    assert_tuned_again(path, "another version");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    device_set_tuning(device, NULL);
    warnings = 0;
    ok(tuner_prepare(device, &request)); /* cannot be read, cannot be written: rules */
    assert_null(device_tuning(device));
    assert_int_equal(warnings, 2);
    assert_int_equal(rmdir(path), 0);
    text_free(&whole);
    text_free(&foreign);
    text_free(&version);
}

/* A write that fails, or a process that is killed before it is complete, leaves the old file. */
static void test_interrupted_writes(void **state)
{
    (void)state;
    char path[512];
    struct tuning tuning;
    struct tuner_request again = request;
    again.again = true;
    ok(tuner_prepare(device, &request));
    assert_int_equal(find_files(path, ".csv"), 1);
    struct text before = {0}, after = {0};
    read_whole(&before, path);
    renaming = RENAME_FAILS;
    ok(tuner_prepare(device, &again));
    assert_int_equal(warnings, 1);
    assert_null(device_tuning(device)); /* what is not kept is not used */
    assert_int_equal(find_files(path, ".csv"), 1);
    read_whole(&after, path);
    assert_string_equal(before.data, after.data);

    struct tuning other = tuning_fixture();
    renaming = RENAME_KILLS;
    pid_t pid = fork();
    if (pid == 0) {
        tuning_store(&other, device);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    renaming = RENAME_WORKS;
    assert_int_equal(find_files(path, ".csv"), 2); /* and a temporary one that nobody reads */
    ok(tuning_load(&tuning, device));
    assert_chosen(&tuning, &tuning_narrow);
    assert_false(tuning_has(&tuning, &tuning_wide, NULL));
    tuning_free(&tuning);
    tuning_free(&other);
    text_free(&before);
    text_free(&after);
}

/* A second process waits for the first one's lock. */
static void test_one_at_a_time(void **state)
{
    (void)state;
    int lock = tuning_lock(device), status;
    assert_true(lock >= 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(lock); /* its copy of ours */
        tuning_unlock(tuning_lock(device));
        _exit(7);
    }
    usleep(100000);
    assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
    tuning_unlock(lock);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static void test_no_cache_directory(void **state)
{
    (void)state;
    setenv("XDG_CACHE_HOME", "/dev/null/nowhere", 1);
    ok(tuner_prepare(device, &request));
    setenv("XDG_CACHE_HOME", directory, 1);
    assert_null(device_tuning(device));
    assert_int_equal(tuned_lines, 0);
    assert_int_equal(warnings, 1);
}

/* A table that can be read is used, though no lock can be taken. */
static void test_cache_that_cannot_be_written(void **state)
{
    (void)state;
    char lock[512], table[512];
    ok(tuner_prepare(device, &request));
    assert_int_equal(find_files(table, ".csv"), 1);
    assert_int_equal(find_files(lock, ".lock"), 1);
    assert_int_equal(unlink(lock), 0);
    assert_int_equal(mkdir(lock, 0700), 0); /* root writes wherever there is a file */
    device_set_tuning(device, NULL);
    tuned_lines = 0;
    ok(tuner_prepare(device, &request));
    assert_int_equal(rmdir(lock), 0);
    assert_non_null(device_tuning(device));
    assert_int_equal(tuned_lines, 0);
    assert_int_equal(warnings, 1);
}

/* ---- networks ---- */

enum { IMAGES = 24 };

/* Trains a network of 32 -> 64 and 64 -> 64 channels at 7x7 for three steps; its parameters. */
static float *train(size_t *count)
{
    uint8_t pixels[IMAGES * 28 * 28], labels[IMAGES];
    uint32_t order[IMAGES];
    struct images images = {.shape = {.height = 28, .width = 28, .channels = 1, .classes = 3},
                            .count = IMAGES,
                            .mean = 0.5f,
                            .std = 0.29f,
                            .pixels = pixels,
                            .labels = labels};
    struct settings settings;
    struct genome genome;
    struct image_store *store;
    struct network *net;
    struct pass_result result;
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(i * i % 251);
    for (uint32_t i = 0; i < IMAGES; i++) {
        labels[i] = (uint8_t)(i % 3);
        order[i] = i;
    }
    settings_defaults(&settings, NULL);
    settings.training.batch = 8;
    ok(genome_parse(&genome, "RC16k3:relu-RC32k3:swish-NC64k3:relu-NC64k3:gelu-FC64:relu"));
    ok(image_store_create(&store, device, &images));
    ok(network_create(&net, device, &genome, &images.shape, &settings.training, CONV_AUTO));
    ok(network_initialise(net, &(uint64_t){5}));
    ok(network_train(net, store, order, IMAGES, 0, 3, &result));
    *count = (size_t)network_parameter_count(net);
    float *values = calloc(*count, sizeof *values);
    assert_non_null(values);
    ok(network_read_parameters(net, values));
    network_destroy(net);
    image_store_destroy(store);
    return values;
}

/* Gives the device a tuning with this choice for both convolutions of stride 1. */
static void choose(enum conv_family family, const struct conv_tiles *tiles)
{
    struct tuning *tuning = calloc(1, sizeof *tuning);
    assert_non_null(tuning);
    for (int in = 32; in <= 64; in += 32) {
        struct tune_class class = tuning_wide;
        class.family = CONV_AUTO;
        class.channels_in = in;
        tuning_fixture_add(tuning, &class, TUNE_FORWARD, family, tiles->group, tiles->forward);
        tuning_fixture_add(tuning, &class, TUNE_WEIGHT_GRADIENT, family, tiles->group,
                           tiles->weight_gradient);
        tuning_fixture_add(tuning, &class, TUNE_INPUT_GRADIENT, family, 2, tiles->input_gradient);
    }
    device_set_tuning(device, tuning);
}

/* Tiles change no bit of what is trained; another family changes bits, but no more. */
static void test_networks(void **state)
{
    (void)state;
    struct conv_plan plan = tune_class_plan(&tuning_wide, CONV_WINOGRAD);
    struct conv_tiles variants[CONV_VARIANTS_MAX];
    size_t count;
    float *rule = train(&count), *other;
    int variant_count = conv_variants(variants, device, &plan);
    assert_true(variant_count > 1);
    struct conv_tiles tiles = variants[variant_count - 1];
    tiles.input_gradient = variants[0].input_gradient;
    assert_int_not_equal(tiles.group, variants[0].group);
    choose(CONV_WINOGRAD, &tiles);
    other = train(&count);
    assert_memory_equal(rule, other, count * sizeof *rule);
    free(other);

    plan = tune_class_plan(&tuning_wide, CONV_VECTOR);
    conv_variants(variants, device, &plan);
    choose(CONV_VECTOR, &variants[0]);
    other = train(&count);
    double difference = 0, largest = 0;
    for (size_t i = 0; i < count; i++) {
        difference = fmax(difference, fabs((double)rule[i] - (double)other[i]));
        largest = fmax(largest, fabs((double)rule[i]));
    }
    assert_true(difference > 0 && difference <= 1e-3 * largest);
    free(other);
    free(rule);
}

static int open_device(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL)
        return 1;
    setenv("XDG_CACHE_HOME", directory, 1);
    if (device_open(&device, 0, 0, 0, 1) == ERR_NONE)
        return 0;
    print_error("%s\n", error_message());
    return 1;
}

static int close_device(void **state)
{
    (void)state;
    char path[512];
    device_close(device);
    while (find_files(path, ".") > 0 && strcmp(strrchr(path, '/') + 1, ".") != 0 &&
           strcmp(strrchr(path, '/') + 1, "..") != 0)
        unlink(path);
    return 0;
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup(test, set_up)
    const struct CMUnitTest tests[] = {
        CASE(test_every_variant_is_timed),
        CASE(test_no_time),
        CASE(test_wrong_results_disqualify),
        CASE(test_large_kernels_stay),
        CASE(test_kept_on_disk),
        CASE(test_damaged_and_foreign_files),
        CASE(test_interrupted_writes),
        CASE(test_one_at_a_time),
        CASE(test_no_cache_directory),
        CASE(test_cache_that_cannot_be_written),
        CASE(test_networks),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
