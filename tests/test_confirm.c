/* stages/confirm: a finalist on the default OpenCL device, on small made-up data. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <math.h>
#include <unistd.h>

#include <cmocka.h>

#include "pipeline/base/rng.h"
#include "stages/confirm.h"

enum { SIDE = 9, CLASSES = 3, TRAINING = 240, TEST = 61 };

static char dir[] = "/tmp/clade-test-confirm-XXXXXX";
static struct settings settings;
static struct device *device;
static struct images images;
static struct trainer trainer;
static struct genome genome;

static void path_of(char path[128], const char *name)
{
    snprintf(path, 128, "%s/%s", dir, name);
}

static void write_idx(const char *name, const uint32_t *sizes, int dimensions, const uint8_t *data)
{
    char path[128];
    path_of(path, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    uint8_t magic[4] = {0, 0, 8, (uint8_t)dimensions};
    fwrite(magic, 1, 4, file);
    size_t bytes = 1;
    for (int i = 0; i < dimensions; i++) {
        uint8_t size[4] = {(uint8_t)(sizes[i] >> 24), (uint8_t)(sizes[i] >> 16),
                           (uint8_t)(sizes[i] >> 8), (uint8_t)sizes[i]};
        fwrite(size, 1, 4, file);
        bytes *= sizes[i];
    }
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

/* Noise with a bright band of three rows that tells the class. */
static void write_data(const char *image_name, const char *label_name, uint32_t count, int side,
                       int classes, uint64_t seed)
{
    size_t bytes = (size_t)(side * side);
    uint8_t *pixels = malloc(count * bytes), *labels = malloc(count);
    assert_true(pixels != NULL && labels != NULL);
    struct rng rng;
    rng_seed(&rng, seed);
    for (uint32_t i = 0; i < count; i++) {
        labels[i] = (uint8_t)(i % (uint32_t)classes);
        for (size_t p = 0; p < bytes; p++) {
            size_t row = p / (size_t)side;
            pixels[i * bytes + p] = (uint8_t)rng_below(&rng, 80);
            if (row / 3 == labels[i])
                pixels[i * bytes + p] = (uint8_t)(pixels[i * bytes + p] + 120);
        }
    }
    uint32_t sizes[] = {count, (uint32_t)side, (uint32_t)side};
    write_idx(image_name, sizes, 3, pixels);
    write_idx(label_name, sizes, 1, labels);
    free(pixels);
    free(labels);
}

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(dir));
    settings_defaults(&settings, NULL);
    strcpy(settings.data.dir, dir);
    strcpy(settings.data.train_images, "train-images");
    strcpy(settings.data.train_labels, "train-labels");
    strcpy(settings.data.test_images, "test-images");
    strcpy(settings.data.test_labels, "test-labels");
    settings.data.classes = CLASSES;
    settings.data.validation_images = 60;
    settings.training.batch = 16;
    settings.training.epochs = 1;
    settings.confirm.epochs = 6;
    settings.confirm.train_images = 150;
    write_data("train-images", "train-labels", TRAINING, SIDE, CLASSES, 1);
    write_data("test-images", "test-labels", TEST, SIDE, CLASSES, 2);
    assert_int_equal(genome_parse(&genome, "RC8k3:relu-NC9k3:gelu-RC16k3:relu-FC64:relu"),
                     ERR_NONE);
    assert_int_equal(images_load_training(&images, &settings.data), ERR_NONE);
    assert_int_equal(device_open(&device, 0, 0, 0, 1), ERR_NONE);
    assert_int_equal(trainer_create(&trainer, device, &images, &settings.data), ERR_NONE);
    return 0;
}

/* One member's weights on the test images. */
static enum error score(struct confirmation *result, const struct train_member *member)
{
    const struct model model = {.genome = *member->genome,
                                .shape = images.shape,
                                .mean = images.mean,
                                .std = images.std,
                                .weights = member->weights};
    struct images test;
    *result = (struct confirmation){0};
    enum error err = confirm_read_test(&test, &images.shape, &settings.data);
    if (err != ERR_NONE)
        return err;
    err = confirm_score(result, device, &model, &test, &settings, NULL);
    images_free(&test);
    return err;
}

/* Trains and scores one; the weights of what it returns are to be freed. */
static struct train_member confirm_one(struct confirmation *result, uint64_t seed,
                                       train_watch *watch, void *user)
{
    struct train_member member = {.genome = &genome, .seed = seed};
    assert_int_equal(confirm_train(&member, 1, &trainer, &settings, watch, user), ERR_NONE);
    assert_int_equal(member.err, ERR_NONE);
    assert_int_equal(score(result, &member), ERR_NONE);
    return member;
}

/* In proportion to the passes over images: 6 x 150 of 1 x what there is. */
static void has_a_time_limit(void **state)
{
    (void)state;
    struct settings limited = settings;
    struct train_member member = {.genome = &genome, .seed = 1};
    assert_true(confirm_time_limit_s(&limited, 300) == 0);
    limited.devices.time_limit_s = 100;
    assert_true(confirm_time_limit_s(&limited, 300) == 300);
    limited.training.train_images = 1000; /* more than there are */
    assert_true(confirm_time_limit_s(&limited, 300) == 300);
    limited.training.train_images = 50;
    assert_true(confirm_time_limit_s(&limited, 300) == 1800);
    limited.devices.time_limit_s = 1e-9;
    assert_int_equal(confirm_train(&member, 1, &trainer, &limited, NULL, NULL), ERR_NONE);
    assert_int_equal(member.err, ERR_TIMEOUT);
    assert_null(member.weights);
}

static int tear_down(void **state)
{
    (void)state;
    static const char *const names[] = {"train-images", "train-labels", "test-images",
                                        "test-labels"};
    trainer_destroy(&trainer);
    device_close(device); /* asserts that no buffer is left, also after failures */
    images_free(&images);
    for (size_t i = 0; i < 4; i++) {
        char path[128];
        path_of(path, names[i]);
        unlink(path);
    }
    return rmdir(dir);
}

static bool count_epochs(const struct train_progress *progress, void *user)
{
    int *epochs = user;
    assert_int_equal(progress->epoch, ++*epochs);
    return true;
}

static void scores_the_test_images(void **state)
{
    (void)state;
    struct confirmation result;
    int epochs = 0;
    struct train_member member = confirm_one(&result, 5, count_epochs, &epochs);
    assert_int_equal(epochs, 6);
    assert_int_equal(member.result.epochs, 6);
    assert_int_equal(member.result.train_images, 150);
    assert_int_equal(result.classes, CLASSES);
    assert_int_equal(result.test_images, TEST);
    assert_true(genome_equal(&result.genome, &genome));
    assert_true(result.test_accuracy >=
                0.9); /* an easy task: it did learn, and on the right data */
    assert_true(isfinite(result.test_loss) && result.test_loss >= 0);
    assert_true(member.result.duration_s > 0 && member.result.images_per_s > 0);

    /* Predictions, matrix and accuracy say the same. The true class of image i is i % CLASSES. */
    uint32_t confusion[CLASSES * CLASSES] = {0}, correct = 0;
    for (uint32_t i = 0; i < TEST; i++) {
        assert_in_range(result.predictions[i], 0, CLASSES - 1);
        confusion[i % CLASSES * CLASSES + result.predictions[i]]++;
        correct += result.predictions[i] == i % CLASSES;
        assert_int_equal(result.labels[i], i % CLASSES);
    }
    assert_memory_equal(confusion, result.confusion, sizeof confusion);
    assert_true(fabs(result.test_accuracy - (double)correct / TEST) < 1e-12);

    /* The weights are those of the deployed network: they score the validation images the same. */
    struct network *network;
    struct pass_result again;
    struct training_settings training = confirm_training(&settings);
    training.norm = NORM_NONE;
    assert_int_equal(
        network_create(&network, device, &genome, &images.shape, &training, settings.devices.conv),
        ERR_NONE);
    assert_int_equal(network_write_parameters(network, member.weights), ERR_NONE);
    assert_int_equal(network_evaluate(network, trainer.store, trainer.split.validation,
                                      trainer.split.validation_count, &again, NULL),
                     ERR_NONE);
    network_destroy(network);
    assert_true(again.accuracy == member.result.validation.accuracy);
    assert_true(again.loss == member.result.validation.loss);
    free(member.weights);
    confirmation_free(&result);
    assert_null(result.predictions);
}

static void equal_seeds_give_equal_results(void **state)
{
    (void)state;
    struct confirmation a, b, other;
    struct train_member one = confirm_one(&a, 5, NULL, NULL);
    struct train_member two = confirm_one(&b, 5, NULL, NULL);
    struct train_member three = confirm_one(&other, 6, NULL, NULL);
    assert_true(a.test_loss == b.test_loss && one.result.train.loss == two.result.train.loss);
    assert_memory_equal(a.predictions, b.predictions, TEST);
    assert_true(a.test_loss != other.test_loss);
    confirmation_free(&a);
    confirmation_free(&b);
    confirmation_free(&other);
    free(one.weights);
    free(two.weights);
    free(three.weights);
}

static void replicates_may_train_as_a_pack(void **state)
{
    (void)state;
    enum { COUNT = 3 };
    struct train_member members[COUNT];
    struct confirmation packed, alone;
    size_t parameters = (size_t)genome_cost(&genome, &images.shape).parameters;
    for (int i = 0; i < COUNT; i++)
        members[i] = (struct train_member){.genome = &genome, .seed = (uint64_t)(5 + i)};
    assert_int_equal(confirm_train(members, COUNT, &trainer, &settings, NULL, NULL), 0);
    for (int i = 0; i < COUNT; i++) {
        struct train_member one = confirm_one(&alone, members[i].seed, NULL, NULL);
        assert_int_equal(members[i].err, ERR_NONE);
        assert_int_equal(score(&packed, &members[i]), ERR_NONE);
        assert_true(members[i].result.train.loss == one.result.train.loss);
        assert_true(members[i].result.validation.accuracy == one.result.validation.accuracy);
        assert_true(packed.test_loss == alone.test_loss);
        assert_memory_equal(packed.predictions, alone.predictions, TEST);
        assert_memory_equal(members[i].weights, one.weights, parameters * sizeof *one.weights);
        free(one.weights);
        free(members[i].weights);
        confirmation_free(&alone);
        confirmation_free(&packed);
    }
}

static void seeds_differ(void **state)
{
    (void)state;
    uint64_t seeds[24];
    int n = 0;
    for (uint64_t run = 1; run <= 2; run++)
        for (int64_t candidate = 0; candidate < 4; candidate++)
            for (int replicate = 0; replicate < 3; replicate++)
                seeds[n++] = confirm_seed(run, candidate, replicate);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++)
            assert_true(seeds[i] != seeds[j]);
    assert_true(confirm_seed(1, 2, 1) == confirm_seed(1, 2, 1));
}

static void expect_test_refused(const char *part)
{
    struct images test = {0};
    assert_int_equal(confirm_read_test(&test, &images.shape, &settings.data), ERR_DATA);
    assert_non_null(strstr(error_message(), part));
    assert_null(test.pixels);
}

static bool stop(const struct train_progress *progress, void *user)
{
    (void)progress;
    (void)user;
    return false;
}

static void reports_what_went_wrong(void **state)
{
    (void)state;
    struct settings kept = settings;
    struct confirmation result;
    struct train_member members[2] = {{.genome = &genome, .seed = 5}, {.genome = &genome}};
    settings.confirm.epochs = 1;
    assert_int_equal(confirm_train(members, 2, &trainer, &settings, stop, NULL), ERR_STOPPED);
    for (int i = 0; i < 2; i++)
        assert_null(members[i].weights);
    settings.training.learning_rate = 1e30;
    assert_int_equal(confirm_train(members, 2, &trainer, &settings, NULL, NULL), ERR_NONE);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(members[i].err, ERR_DIVERGED);
        assert_null(members[i].weights);
    }
    settings.training.learning_rate = kept.training.learning_rate;

    /* Training has no need of the test files. */
    strcpy(settings.data.test_images, "absent");
    assert_int_equal(confirm_train(members, 1, &trainer, &settings, NULL, NULL), ERR_NONE);
    assert_int_equal(members[0].err, ERR_NONE);
    expect_test_refused("absent");
    strcpy(settings.data.test_images, kept.data.test_images);
    write_data("test-images", "test-labels", TEST, SIDE + 1, CLASSES, 2);
    expect_test_refused("10x10x1");
    settings.data.classes = 0; /* taken from each file */
    write_data("test-images", "test-labels", TEST, SIDE, CLASSES + 1, 2);
    expect_test_refused("label 3");

    /* A test file that lacks the last class fits. */
    write_data("test-images", "test-labels", TEST, SIDE, CLASSES - 1, 2);
    assert_int_equal(score(&result, &members[0]), ERR_NONE);
    assert_int_equal(result.classes, CLASSES);
    confirmation_free(&result);

    /* Weights that give no number. */
    members[0].weights[0] = NAN;
    assert_int_equal(score(&result, &members[0]), ERR_DIVERGED);
    assert_null(result.predictions);
    free(members[0].weights);
    settings = kept;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_the_test_images),
        cmocka_unit_test(equal_seeds_give_equal_results),
        cmocka_unit_test(replicates_may_train_as_a_pack),
        cmocka_unit_test(seeds_differ),
        cmocka_unit_test(has_a_time_limit),
        cmocka_unit_test(reports_what_went_wrong),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
