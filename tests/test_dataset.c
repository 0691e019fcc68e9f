/* Data files: what is read, everything that can be wrong with a file, the split. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <cmocka.h>

#include "inputs/dataset.h"
#include "inputs/idx.h"
#include "pipeline/base/rng.h"

static char dir[] = "/tmp/clade-dataset-XXXXXX";

/* The n-th allocation from now fails; 0: none. The linker sends malloc here (--wrap). */
static int fail_at;

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_malloc(size_t n)
{
    return fail_at > 0 && --fail_at == 0 ? NULL : __real_malloc(n);
}

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
    return fail_at > 0 && --fail_at == 0 ? NULL : __real_calloc(n, size);
}

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) == NULL;
}

static int remove_dir(void **state)
{
    (void)state;
    static const char *const names[] = {"images", "labels", "images.gz", "labels.gz", "fifo"};
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        unlink(path);
    }
    return rmdir(dir);
}

static const char *in_dir(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void write_file(const char *name, const void *bytes, size_t n)
{
    FILE *file = fopen(in_dir(name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

/* Returns the length of the gzip form of bytes[0..n). */
static size_t compress_to(uint8_t *out, size_t room, const uint8_t *bytes, size_t n)
{
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = (uint8_t *)(uintptr_t)bytes;
    stream.avail_in = (uInt)n;
    stream.next_out = out;
    stream.avail_out = (uInt)room;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t length = stream.total_out;
    deflateEnd(&stream);
    return length;
}

/* Six grey images of 3x2, and their labels. */
enum { COUNT = 6, PIXELS = COUNT * 3 * 2, IMAGES_SIZE = 16 + PIXELS, LABELS_SIZE = 8 + COUNT };
static uint8_t good_images[IMAGES_SIZE] = {0, 0, 8, 3, 0, 0, 0, COUNT, 0, 0, 0, 3, 0, 0, 0, 2};
static uint8_t good_labels[LABELS_SIZE] = {0, 0, 8, 1, 0, 0, 0, COUNT, 0, 1, 2, 2, 1, 0};

static struct data_settings settings_for(const char *images, const char *labels)
{
    struct data_settings settings = {.classes = 3};
    snprintf(settings.dir, sizeof settings.dir, "%s", dir);
    snprintf(settings.train_images, sizeof settings.train_images, "%s", images);
    snprintf(settings.train_labels, sizeof settings.train_labels, "%s", labels);
    return settings;
}

static int write_good(void **state)
{
    (void)state;
    uint8_t packed[512];
    for (int i = 0; i < PIXELS; i++)
        good_images[16 + i] = (uint8_t)(i * 7);
    write_file("images", good_images, sizeof good_images);
    write_file("labels", good_labels, sizeof good_labels);
    write_file("images.gz", packed,
               compress_to(packed, sizeof packed, good_images, sizeof good_images));
    write_file("labels.gz", packed,
               compress_to(packed, sizeof packed, good_labels, sizeof good_labels));
    return 0;
}

static void assert_message(const char *a, const char *b)
{
    if (strstr(error_message(), a) == NULL || strstr(error_message(), b) == NULL)
        fail_msg("wanted %s ... %s\n got %s", a, b, error_message());
}

/* Loading fails with ERR_DATA; the message has both texts; nothing was written. */
static void assert_refused(const char *images_name, const char *labels_name, const char *a,
                           const char *b)
{
    struct data_settings settings = settings_for(images_name, labels_name);
    struct images images = {.count = 77};
    assert_int_equal(images_load_training(&images, &settings), ERR_DATA);
    assert_int_equal(images.count, 77);
    assert_message(a, b);
}

static void test_loads(void **state)
{
    (void)state;
    static const char *const names[][2] = {
        {"images", "labels"}, {"images.gz", "labels"}, {"images.gz", "labels.gz"}};
    for (int i = 0; i < 3; i++) {
        struct data_settings settings = settings_for(names[i][0], names[i][1]);
        struct images images;
        assert_int_equal(images_load_training(&images, &settings), ERR_NONE);
        assert_int_equal(images.count, COUNT);
        assert_int_equal(images.shape.height, 3);
        assert_int_equal(images.shape.width, 2);
        assert_int_equal(images.shape.channels, 1);
        assert_int_equal(images.shape.classes, 3);
        assert_memory_equal(images.pixels, good_images + 16, PIXELS);
        assert_memory_equal(images.labels, good_labels + 8, COUNT);
        double sum = 0, squares = 0;
        for (int p = 0; p < PIXELS; p++)
            sum += images.pixels[p] / 255.0;
        for (int p = 0; p < PIXELS; p++)
            squares += pow(images.pixels[p] / 255.0 - sum / PIXELS, 2);
        assert_true(fabs(images.mean - sum / PIXELS) < 1e-6);
        assert_true(fabs(images.std - sqrt(squares / PIXELS)) < 1e-6);
        images_free(&images);
        assert_null(images.pixels);
    }
    /* Absolute names leave the directory out; the test pair has its own names; 0 classes counts. */
    struct data_settings settings = {.dir = "/nonexistent", .classes = 0};
    snprintf(settings.test_images, sizeof settings.test_images, "%s", in_dir("images"));
    snprintf(settings.test_labels, sizeof settings.test_labels, "%s", in_dir("labels.gz"));
    struct images images;
    assert_int_equal(images_load_test(&images, &settings), ERR_NONE);
    assert_int_equal(images.shape.classes, 3);
    images_free(&images);
}

static void test_channels(void **state)
{
    (void)state;
    uint8_t colour[20 + 2 * 2 * 1 * 3] = {0, 0, 8, 4, 0, 0, 0, 2, 0, 0,
                                          0, 2, 0, 0, 0, 1, 0, 0, 0, 3};
    uint8_t labels[10] = {0, 0, 8, 1, 0, 0, 0, 2, 0, 1};
    write_file("images", colour, sizeof colour);
    write_file("labels", labels, sizeof labels);
    struct data_settings settings = settings_for("images", "labels");
    struct images images;
    assert_int_equal(images_load_training(&images, &settings), ERR_NONE);
    assert_int_equal(images.shape.height, 2);
    assert_int_equal(images.shape.width, 1);
    assert_int_equal(images.shape.channels, 3);
    assert_true(images.std == 1.0f); /* all pixels are equal */
    images_free(&images);
}

static void test_paths(void **state)
{
    (void)state;
    assert_refused("nothing", "labels", "/nothing", "No such file");
    assert_refused("images", "nothing", "/nothing", "No such file");
    assert_refused("", "labels", dir, "is a directory");
    assert_refused("images/x", "labels", "images/x", "Not a directory");
    assert_int_equal(mkfifo(in_dir("fifo"), 0600), 0);
    assert_refused("fifo", "labels", "fifo", "special file");
    assert_refused("/dev/zero", "labels", "/dev/zero", "special file");
    if (geteuid() != 0) {
        chmod(in_dir("images"), 0);
        assert_refused("images", "labels", "images", "Permission denied");
    }
}

static void test_headers(void **state)
{
    (void)state;
    uint8_t bytes[IMAGES_SIZE + 1];
    struct change {
        int at;
        uint8_t value;
        const char *a, *b;
    };
    static const struct change images[] = {
        {0, 1, "byte 0: magic 01000803", "00000803 to 00000804"},
        {2, 13, "byte 0: magic 00000d03", "is it the right file"},
        {3, 1, "byte 0: magic 00000801", "images"},
        {3, 5, "byte 0: magic 00000805", "images"},
        {7, 0, "byte 4: size 1 of 3 is 0", "images"},
        {11, 0, "byte 8: size 2 of 3 is 0", "images"},
        {4, 128, "byte 4: size 1 of 3 is 2147483654", "images"},
        {15, 0, "byte 12: size 3 of 3 is 0", "images"},
        {12, 255, "byte 12: size 3 of 3 is 4278190082", "images"},
        {4, 127, "byte 4: its sizes need 12784238628 bytes", "52 at most"},
        {9, 1, "byte 4: its sizes need 786468 bytes", "52 at most"},
        {7, 5, "should end at byte 46", "goes on"},
    };
    for (size_t i = 0; i < sizeof images / sizeof images[0]; i++) {
        memcpy(bytes, good_images, IMAGES_SIZE);
        bytes[images[i].at] = images[i].value;
        write_file("images", bytes, IMAGES_SIZE);
        assert_refused("images", "labels", images[i].a, images[i].b);
    }
    /* All sizes absurd at once: the product overflows 64 bits. */
    memcpy(bytes, good_images, IMAGES_SIZE);
    memset(bytes + 4, 127, 12);
    write_file("images", bytes, IMAGES_SIZE);
    assert_refused("images", "labels", "images: byte 4", "damaged");
    /* A side that is merely too large, in a gzip file that may well hold it. */
    uint8_t wide[16 + 4097] = {0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 16, 1};
    uint8_t packed[512];
    write_file("images.gz", packed, compress_to(packed, sizeof packed, wide, sizeof wide));
    assert_refused("images.gz", "labels", "byte 12: width 4097", "1 to 4096");

    static const struct change labels[] = {
        {3, 3, "labels: byte 0: magic 00000803", "labels"},
        {7, COUNT - 1, "should end at byte 13", "labels"},
        {7, COUNT + 1, "byte 4: its sizes need 7 bytes", "labels"},
        {8, 3, "labels: byte 8: label 3 is outside the 3 classes", "data.classes"},
        {13, 255, "labels: byte 13: label 255", "3 classes"},
    };
    write_good(NULL);
    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
        memcpy(bytes, good_labels, LABELS_SIZE);
        bytes[labels[i].at] = labels[i].value;
        write_file("labels", bytes, LABELS_SIZE);
        assert_refused("images", "labels", labels[i].a, labels[i].b);
    }
    /* Right in themselves, but not a pair. */
    memcpy(bytes, good_labels, LABELS_SIZE);
    bytes[7] = COUNT - 1;
    write_file("labels", bytes, LABELS_SIZE - 1);
    assert_refused("images", "labels", "6 images", "5 labels");
    struct data_settings settings = settings_for("images", "labels");
    memset(bytes + 8, 0, COUNT);
    bytes[7] = COUNT;
    write_file("labels", bytes, LABELS_SIZE);
    settings.classes = 0;
    struct images loaded;
    assert_int_equal(images_load_training(&loaded, &settings), ERR_DATA);
    assert_message("one class", "labels");
}

/* Cut anywhere, plain or gzip: refused; so is anything added. */
static void test_cut_and_added(void **state)
{
    (void)state;
    uint8_t packed[600];
    size_t length = compress_to(packed, sizeof packed, good_images, sizeof good_images);
    for (size_t n = 0; n < IMAGES_SIZE; n++) {
        write_file("images", good_images, n);
        assert_refused("images", "labels", "images: ", n == 0 ? "empty" : "byte ");
    }
    for (size_t n = 0; n < length; n++) {
        write_file("images.gz", packed, n);
        assert_refused("images.gz", "labels", "images.gz: ", n == 0 ? "empty" : "byte ");
        if (n >= 2) {
            char place[64];
            snprintf(place, sizeof place, "cut off at byte %zu", n);
            assert_message(place, "get the file again");
        }
    }
    char place[64];
    snprintf(place, sizeof place, "other bytes follow at byte %zu;", length);
    for (size_t n = 1; n < 20; n++) {
        memset(packed + length, 'x', n);
        write_file("images.gz", packed, length + n);
        assert_refused("images.gz", "labels", "images.gz: the gzip data", place);
        memset(packed + length, 0, n);
        write_file("images.gz", packed, length + n);
        struct data_settings settings = settings_for("images.gz", "labels");
        struct images images;
        assert_int_equal(images_load_training(&images, &settings), ERR_DATA);
    }
    /* More data, whole as gzip: a second member. And data in two members, which is right. */
    size_t more = compress_to(packed + length, sizeof packed - length, good_images, 1);
    write_file("images.gz", packed, length + more);
    assert_refused("images.gz", "labels", "should end at byte 52", "goes on");
    length = compress_to(packed, sizeof packed, good_images, 30);
    more = compress_to(packed + length, sizeof packed - length, good_images + 30, IMAGES_SIZE - 30);
    write_file("images.gz", packed, length + more);
    struct data_settings settings = settings_for("images.gz", "labels");
    struct images images;
    assert_int_equal(images_load_training(&images, &settings), ERR_NONE);
    assert_memory_equal(images.pixels, good_images + 16, PIXELS);
    images_free(&images);
}

/* Any bit flipped in a gzip file: refused, or (in unused header fields) without effect. */
static void test_flipped_bits(void **state)
{
    (void)state;
    uint8_t packed[512];
    size_t length = compress_to(packed, sizeof packed, good_images, sizeof good_images);
    int refused = 0;
    for (size_t bit = 0; bit < 8 * length; bit++) {
        packed[bit / 8] ^= (uint8_t)(1 << bit % 8);
        write_file("images.gz", packed, length);
        packed[bit / 8] ^= (uint8_t)(1 << bit % 8);
        struct data_settings settings = settings_for("images.gz", "labels");
        struct images images;
        enum error err = images_load_training(&images, &settings);
        if (err == ERR_NONE) {
            assert_memory_equal(images.pixels, good_images + 16, PIXELS);
            /* Flags, time, system; padding between the data and the checksum. */
            assert_true((bit / 8 >= 3 && bit / 8 < 10) || bit / 8 == length - 9);
            images_free(&images);
        } else {
            assert_int_equal(err, ERR_DATA);
            assert_message("images.gz: ", "byte ");
            refused++;
        }
    }
    assert_true(refused > 8 * ((int)length - 11));
}

static void test_no_memory(void **state)
{
    (void)state;
    struct data_settings settings = settings_for("images.gz", "labels");
    struct images images;
    int n = 1;
    for (;; n++) {
        fail_at = n;
        enum error err = images_load_training(&images, &settings);
        bool failed = fail_at == 0;
        fail_at = 0;
        if (!failed) {
            assert_int_equal(err, ERR_NONE);
            break;
        }
        assert_int_equal(err, ERR_INTERNAL);
        assert_message("out of memory", dir);
    }
    assert_true(n >= 4);
    for (n = 1; n <= 3; n++) {
        struct split split;
        fail_at = n;
        assert_int_equal(split_make(&split, &images, 2, 0, 1), ERR_INTERNAL);
        assert_int_equal(fail_at, 0);
    }
    images_free(&images);
}

static void test_pair(void **state)
{
    (void)state;
    struct data_settings settings = settings_for("images", "labels");
    struct images training, test;
    assert_int_equal(images_load_training(&training, &settings), ERR_NONE);
    assert_int_equal(images_load_training(&test, &settings), ERR_NONE);
    assert_int_equal(images_check_test(&test, &training), ERR_NONE);
    training.shape.classes = 2;
    assert_int_equal(images_check_test(&test, &training), ERR_DATA);
    assert_message("byte 10: label 2", "2 classes");
    training.shape.classes = 3;
    training.shape.width = 3;
    assert_int_equal(images_check_test(&test, &training), ERR_DATA);
    assert_message("3x2x1", "3x3x1");
    images_free(&training);
    images_free(&test);
}

/* Checks all that split_make promises for one set of labels. */
static void check_split(const struct images *images, uint32_t wanted, uint32_t limit, uint64_t seed)
{
    struct split split, again;
    assert_int_equal(split_make(&split, images, wanted, limit, seed), ERR_NONE);
    assert_int_equal(split_make(&again, images, wanted, limit, seed), ERR_NONE);
    uint32_t rest = images->count - wanted;
    assert_int_equal(split.validation_count, wanted);
    assert_int_equal(split.train_count, limit != 0 && limit < rest ? limit : rest);
    assert_memory_equal(split.validation, again.validation, wanted * sizeof(uint32_t));
    assert_memory_equal(split.train, again.train, split.train_count * sizeof(uint32_t));

    uint32_t size[256] = {0}, taken[256] = {0};
    bool *seen = calloc(images->count, sizeof *seen);
    assert_non_null(seen);
    for (uint32_t i = 0; i < images->count; i++)
        size[images->labels[i]]++;
    for (uint32_t i = 0; i < wanted + split.train_count; i++) {
        uint32_t index = i < wanted ? split.validation[i] : split.train[i - wanted];
        assert_true(index < images->count);
        assert_false(seen[index]);
        seen[index] = true;
        if (i < wanted)
            taken[images->labels[index]]++;
    }
    for (int c = 0; c < 256; c++) {
        double share = (double)size[c] * wanted / images->count;
        assert_true(fabs(taken[c] - share) < 1);
        assert_true(taken[c] <= size[c]);
    }
    free(seen);
    split_free(&split);
    split_free(&again);
    assert_null(split.train);
}

static void test_split(void **state)
{
    (void)state;
    enum { N = 3001 };
    static uint8_t labels[N];
    struct images images = {.count = N, .labels = labels};
    struct rng rng;
    rng_seed(&rng, 5);
    for (int i = 0; i < N; i++) /* uneven classes, some of one image, some of none */
        labels[i] = (uint8_t)pow(256, rng_uniform(&rng) * rng_uniform(&rng));
    static const uint32_t wanted[] = {1, 2, 9, 10, 300, 1500, 2999, 3000};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        check_split(&images, wanted[i], 0, i);
        check_split(&images, wanted[i], 100, i);
    }
    /* Seeds matter; the limit takes a prefix and leaves the validation images alone. */
    struct split a, b, c;
    assert_int_equal(split_make(&a, &images, 300, 0, 1), ERR_NONE);
    assert_int_equal(split_make(&b, &images, 300, 0, 2), ERR_NONE);
    assert_int_equal(split_make(&c, &images, 300, 1000, 1), ERR_NONE);
    assert_memory_not_equal(a.validation, b.validation, 300 * sizeof(uint32_t));
    assert_memory_equal(a.validation, c.validation, 300 * sizeof(uint32_t));
    assert_memory_equal(a.train, c.train, 1000 * sizeof(uint32_t));
    split_free(&a);
    split_free(&b);
    split_free(&c);

    assert_int_equal(split_make(&a, &images, N, 0, 1), ERR_USAGE);
    assert_message("data.validation_images = 3001", "3001 images");
    assert_int_equal(split_make(&a, &images, 0, 0, 1), ERR_USAGE);
}

static void test_fashion_mnist(void **state)
{
    (void)state;
    struct settings settings;
    settings_defaults(&settings, NULL);
    struct images training, test;
    if (images_load_training(&training, &settings.data) != ERR_NONE ||
        images_load_test(&test, &settings.data) != ERR_NONE)
        fail_msg("%s", error_message());
    assert_int_equal(images_check_test(&test, &training), ERR_NONE);
    assert_int_equal(training.count, 60000);
    assert_int_equal(test.count, 10000);
    assert_int_equal(training.shape.height, 28);
    assert_int_equal(training.shape.width, 28);
    assert_int_equal(training.shape.classes, 10);
    assert_true(fabs(training.mean - 0.2860f) < 1e-4);
    assert_true(fabs(training.std - 0.3530f) < 1e-4);
    struct split split;
    assert_int_equal(split_make(&split, &training, 6000, 0, 1), ERR_NONE);
    int taken[10] = {0};
    for (uint32_t i = 0; i < split.validation_count; i++)
        taken[training.labels[split.validation[i]]]++;
    for (int c = 0; c < 10; c++)
        assert_int_equal(taken[c], 600);
    split_free(&split);
    images_free(&training);
    images_free(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_loads, write_good),
        cmocka_unit_test_setup(test_channels, write_good),
        cmocka_unit_test_setup(test_paths, write_good),
        cmocka_unit_test_setup(test_headers, write_good),
        cmocka_unit_test_setup(test_cut_and_added, write_good),
        cmocka_unit_test_setup(test_flipped_bits, write_good),
        cmocka_unit_test_setup(test_no_memory, write_good),
        cmocka_unit_test_setup(test_pair, write_good),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_fashion_mnist),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
