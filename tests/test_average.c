/* The moving average of the weights: the kernel against its twin, and what is scored with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cl_kernels/network.h"
#include "cl_kernels/optimizer.h"
#include "cl_kernels/twins.h"
#include "pipeline/base/rng.h"

enum { SIDE = 9, CLASSES = 3, IMAGES = 22, BATCH = 4, STEPS = 7, MEMBERS = 2 };

static struct device *device;
static struct images images;
static struct image_store *store;

static void ok(enum error err)
{
    if (err != ERR_NONE)
        fail_msg("%s: %s", error_name(err), error_message());
}

static int set_up(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 4);
    ok(device_open(&device, 0, 0, 0, 1));
    images =
        (struct images){.shape = {.height = SIDE, .width = SIDE, .channels = 1, .classes = CLASSES},
                        .count = IMAGES,
                        .mean = 0.5f,
                        .std = 0.3f};
    images.pixels = malloc(IMAGES * SIDE * SIDE);
    images.labels = malloc(IMAGES);
    assert_true(images.pixels != NULL && images.labels != NULL);
    for (int i = 0; i < IMAGES * SIDE * SIDE; i++)
        images.pixels[i] = (uint8_t)rng_below(&rng, 256);
    for (int i = 0; i < IMAGES; i++)
        images.labels[i] = (uint8_t)rng_below(&rng, CLASSES);
    ok(image_store_create(&store, device, &images));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    image_store_destroy(store);
    device_close(device); /* asserts that no buffer is left */
    free(images.pixels);
    free(images.labels);
    return 0;
}

static struct training_settings settings_with(enum norm_kind norm, enum average average)
{
    struct settings settings;
    settings_defaults(&settings, NULL);
    settings.training.batch = BATCH;
    settings.training.norm = norm;
    settings.training.schedule = SCHEDULE_CONSTANT;
    settings.training.average = average;
    settings.training.average_decay = 0.3; /* reached at the fourth step */
    return settings.training;
}

static struct network *make(const struct training_settings *training)
{
    struct network *network;
    struct genome genomes[MEMBERS];
    ok(genome_parse(&genomes[0], "NC9k3:relu-RC17k3:gelu-RC8k1:tanh-FC64:relu"));
    genomes[1] = genomes[0];
    ok(network_create_pack(&network, device, genomes, MEMBERS, &images.shape, training,
                           CONV_VECTOR));
    ok(network_initialise(network, (const uint64_t[MEMBERS]){5, 6}));
    return network;
}

/* [MEMBERS][count] */
static void make_order(uint32_t *order, uint32_t first, uint32_t count)
{
    for (uint32_t member = 0; member < MEMBERS; member++)
        for (uint32_t i = 0; i < count; i++)
            order[member * count + i] = ((first + i) * 5 + member) % IMAGES;
}

static float *read_parameters(struct network *network, size_t *count)
{
    *count = MEMBERS * (size_t)network_parameter_count(network);
    float *parameters = malloc(*count * sizeof *parameters);
    assert_non_null(parameters);
    ok(network_read_parameters(network, parameters));
    return parameters;
}

/* After STEPS steps; *twin, malloc'ed, is the average of what the parameters were after each. */
static struct network *train(const struct training_settings *training, double **twin)
{
    struct network *network = make(training);
    struct pass_result results[MEMBERS];
    uint32_t order[MEMBERS * BATCH];
    for (int64_t step = 0; step < STEPS; step++) {
        size_t count;
        make_order(order, (uint32_t)step * BATCH, BATCH);
        ok(network_train(network, store, order, BATCH, step, STEPS, results));
        float *now = read_parameters(network, &count);
        double *values = malloc(count * sizeof *values);
        if (step == 0)
            *twin = calloc(count, sizeof **twin);
        assert_true(values != NULL && *twin != NULL);
        for (size_t i = 0; i < count; i++)
            values[i] = now[i];
        twin_average_step(average_decay(training, step), count, values, *twin);
        free(values);
        free(now);
    }
    return network;
}

static void decay_grows(void **state)
{
    (void)state;
    const struct training_settings settings = {.average_decay = 0.99};
    assert_true(average_decay(&settings, 0) == 0); /* the first step is the average */
    assert_true(fabs(average_decay(&settings, 1) - 0.1) < 1e-15);
    assert_true(fabs(average_decay(&settings, 9) - 0.5) < 1e-15);
    assert_true(average_decay(&settings, 890) < 0.99);
    assert_true(average_decay(&settings, 892) == 0.99);
}

static void the_average_is_the_twins(void **state)
{
    (void)state;
    static const enum norm_kind norms[] = {NORM_BATCH, NORM_NONE};
    for (int n = 0; n < 2; n++) {
        struct training_settings training = settings_with(norms[n], AVERAGE_EMA);
        double *twin = NULL;
        uint32_t order[MEMBERS * IMAGES];
        size_t count;
        double moved = 0;
        struct network *network = train(&training, &twin);
        float *last = read_parameters(network, &count);
        make_order(order, 0, IMAGES);
        ok(network_use_average(network, store, order, IMAGES));
        float *average = read_parameters(network, &count);
        for (size_t i = 0; i < count; i++) {
            if (!(fabs(average[i] - twin[i]) <= 1e-6 * (1 + fabs(twin[i]))))
                fail_msg("[%zu]: %.9g, twin %.9g", i, (double)average[i], twin[i]);
            moved = fmax(moved, fabs(average[i] - last[i]));
        }
        assert_true(moved > 1e-4); /* it is not the last step */
        network_destroy(network);
        free(average);
        free(last);
        free(twin);
    }
}

/* Without averaging, a training is the same to the bit as with it. */
static void training_does_not_feel_it(void **state)
{
    (void)state;
    struct training_settings with = settings_with(NORM_BATCH, AVERAGE_EMA);
    struct training_settings without = settings_with(NORM_BATCH, AVERAGE_NONE);
    double *twin = NULL;
    size_t count;
    struct network *a = train(&with, &twin);
    free(twin);
    struct network *b = train(&without, &twin);
    free(twin);
    float *x = read_parameters(a, &count), *y = read_parameters(b, &count);
    assert_memory_equal(x, y, count * sizeof *x);
    free(x);
    free(y);
    network_destroy(a);
    network_destroy(b);
}

/*
 * The statistics are those of the averaged weights: a network that has these weights and only sees
 * the same batches, with a learning rate of 0, scores alike. The deployed weights do, too.
 */
static void statistics_are_of_the_average(void **state)
{
    (void)state;
    struct training_settings training = settings_with(NORM_BATCH, AVERAGE_EMA);
    double *twin = NULL;
    uint32_t order[MEMBERS * IMAGES];
    size_t count;
    struct pass_result before[MEMBERS], after[MEMBERS], again[MEMBERS], plain[MEMBERS];
    struct network *network = train(&training, &twin);
    free(twin);
    make_order(order, 0, IMAGES);
    ok(network_evaluate(network, store, order, IMAGES, before, NULL));
    ok(network_use_average(network, store, order, IMAGES));
    ok(network_evaluate(network, store, order, IMAGES, after, NULL));

    struct training_settings still = settings_with(NORM_BATCH, AVERAGE_NONE);
    still.learning_rate = 0;
    struct network *other = make(&still);
    float *average = read_parameters(network, &count);
    ok(network_write_parameters(other, average));
    ok(network_train(other, store, order, IMAGES, 0, STEPS, again));
    ok(network_evaluate(other, store, order, IMAGES, again, NULL));

    struct training_settings none = settings_with(NORM_NONE, AVERAGE_NONE);
    struct network *deployed = make(&none);
    ok(network_read_deployed(network, average));
    ok(network_write_parameters(deployed, average));
    ok(network_evaluate(deployed, store, order, IMAGES, plain, NULL));
    for (int i = 0; i < MEMBERS; i++) {
        assert_true(after[i].loss == again[i].loss);
        assert_true(fabs(after[i].loss - plain[i].loss) < 1e-5);
        assert_true(fabs(after[i].loss - before[i].loss) > 1e-4);
    }
    free(average);
    network_destroy(network);
    network_destroy(other);
    network_destroy(deployed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decay_grows),
        cmocka_unit_test(the_average_is_the_twins),
        cmocka_unit_test(training_does_not_feel_it),
        cmocka_unit_test(statistics_are_of_the_average),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
