/*
 * Batch normalisation: the twin against finite differences, the kernels against the twin with sums
 * made apart and by the convolution, and the folded network against the one it came from.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cl_kernels/network.h"
#include "cl_kernels/norm.h"
#include "cl_kernels/twins.h"
#include "pipeline/base/rng.h"

static const double epsilon = 1e-5; /* as norm.c */
static struct device *device;

static void ok(enum error err)
{
    if (err != ERR_NONE)
        fail_msg("%s: %s", error_name(err), error_message());
}

static double *zeros(size_t count)
{
    double *values = calloc(count, sizeof *values);
    assert_non_null(values);
    return values;
}

/* Values that a float holds exactly. */
static double *normal_values(struct rng *rng, size_t count, double mean, double deviation)
{
    double *values = zeros(count);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(mean + deviation * rng_normal(rng));
    return values;
}

static void assert_near(const char *what, size_t place, double got, double expected, double size)
{
    if (!(fabs(got - expected) <= 2e-5 * (size + fabs(expected))))
        fail_msg("%s[%zu]: got %.9g, twin %.9g", what, place, got, expected);
}

static void test_twin_gradient(void **state)
{
    (void)state;
    enum { IMAGES = 3, CHANNELS = 2, PIXELS = 4, COUNT = IMAGES * CHANNELS * PIXELS };
    struct rng rng;
    rng_seed(&rng, 5);
    double *z = normal_values(&rng, COUNT, 1, 2), *du = normal_values(&rng, COUNT, 0, 1);
    double *gamma = normal_values(&rng, CHANNELS, 1, 0.5);
    double *beta = normal_values(&rng, CHANNELS, 0, 1);
    double u[COUNT], dz[COUNT], dgamma[CHANNELS], dbeta[CHANNELS], mean[CHANNELS], dev[CHANNELS];
    twin_norm_gradient(IMAGES, CHANNELS, PIXELS, epsilon, z, gamma, du, dz, dgamma, dbeta);
    double *inputs[] = {z, gamma, beta};
    const double *gradients[] = {dz, dgamma, dbeta};
    const int counts[] = {COUNT, CHANNELS, CHANNELS};
    for (int which = 0; which < 3; which++)
        for (int i = 0; i < counts[which]; i++) {
            const double h = 1e-5, kept = inputs[which][i];
            double loss[2];
            for (int side = 0; side < 2; side++) {
                inputs[which][i] = kept + (side ? h : -h);
                twin_norm_forward(IMAGES, CHANNELS, PIXELS, epsilon, z, gamma, beta, u, mean, dev);
                loss[side] = 0;
                for (int k = 0; k < COUNT; k++)
                    loss[side] += u[k] * du[k];
            }
            inputs[which][i] = kept;
            assert_true(fabs((loss[1] - loss[0]) / (2 * h) - gradients[which][i]) < 1e-7);
        }
    free(z);
    free(du);
    free(gamma);
    free(beta);
}

static cl_mem upload(const struct layout *layout, int batch, int images, const double *nchw)
{
    size_t floats = layout_floats(layout, batch);
    size_t count = (size_t)(images * layout->channels * layout->height * layout->width);
    float *plain = calloc(count, sizeof *plain), *blocked = calloc(floats, sizeof *blocked);
    assert_true(plain != NULL && blocked != NULL);
    for (size_t i = 0; i < count; i++)
        plain[i] = (float)nchw[i];
    layout_pack(layout, images, plain, blocked);
    cl_mem buffer;
    ok(device_buffer(&buffer, device, floats * sizeof(float)));
    ok(device_write(device, buffer, 0, blocked, floats * sizeof(float)));
    free(plain);
    free(blocked);
    return buffer;
}

static float *download(const struct layout *layout, int batch, int images, cl_mem buffer)
{
    size_t floats = layout_floats(layout, batch);
    float *plain =
        calloc((size_t)(images * layout->channels * layout->height * layout->width), sizeof *plain);
    float *blocked = malloc(floats * sizeof *blocked);
    assert_true(plain != NULL && blocked != NULL);
    ok(device_read(device, buffer, 0, blocked, floats * sizeof(float)));
    layout_unpack(layout, images, blocked, plain);
    free(blocked);
    return plain;
}

static void check_kernels(int channels, int height, int width, int images, enum activation act)
{
    const int batch = 9, pixels = height * width;
    size_t count = (size_t)(images * channels * pixels), c_count = (size_t)channels;
    struct rng rng;
    rng_seed(&rng, (uint64_t)(channels * 100 + images));
    struct layout z_layout = layout_make(height, width, channels, 1);
    struct norm_plan plan = {
        .z = z_layout,
        .y = z_layout,
        .dy = layout_make(height, width, channels, 2),
        .activation = act,
        .batch = batch,
        .gamma = 64,
        .beta = 64 + 64,
    };
    double *z = normal_values(&rng, count, 0.5, 2), *du = normal_values(&rng, count, 0.1, 1);
    double *gamma = normal_values(&rng, c_count, 1, 0.3);
    double *beta = normal_values(&rng, c_count, 0, 0.5);
    double *u = zeros(count), *dz = zeros(count), *mean = zeros(c_count), *dev = zeros(c_count);
    double *dgamma = zeros(c_count), *dbeta = zeros(c_count);
    twin_norm_forward(images, channels, pixels, epsilon, z, gamma, beta, u, mean, dev);
    twin_norm_gradient(images, channels, pixels, epsilon, z, gamma, du, dz, dgamma, dbeta);

    float parameters[192] = {0}, gradients[192];
    for (int c = 0; c < channels; c++) {
        parameters[plan.gamma + (size_t)c] = (float)gamma[c];
        parameters[plan.beta + (size_t)c] = (float)beta[c];
    }
    struct norm norm;
    cl_mem p_buffer, g_buffer;
    ok(norm_create(&norm, device, &plan));
    ok(norm_reset(&norm));
    ok(device_buffer(&p_buffer, device, sizeof parameters));
    ok(device_buffer(&g_buffer, device, sizeof gradients));
    ok(device_write(device, p_buffer, 0, parameters, sizeof parameters));
    cl_mem z_buffer = upload(&plan.z, batch, images, z);
    cl_mem dy_buffer = upload(&plan.dy, batch, images, du);
    cl_mem y_buffer = upload(&plan.y, batch, images, dz),
           slopes = upload(&plan.y, batch, images, dz);

    ok(norm_forward(&norm, z_buffer, p_buffer, y_buffer, slopes, images));
    float *y = download(&plan.y, batch, images, y_buffer);
    float *slope = download(&plan.y, batch, images, slopes);
    for (size_t i = 0; i < count; i++) {
        assert_near("y", i, (double)y[i], twin_activation(act, u[i]), 1);
        /* What is kept: the derivative, or the output where that is enough. */
        if (act == ACT_SWISH || act == ACT_GELU)
            assert_near("slope", i, (double)slope[i], twin_activation_derivative(act, u[i]), 1);
        else
            assert_true(slope[i] == y[i]);
    }
    float *statistics = malloc(4 * sizeof(float) * (size_t)(z_layout.blocks * z_layout.lanes));
    assert_non_null(statistics);
    size_t stride = (size_t)(z_layout.blocks * z_layout.lanes);
    ok(device_read(device, norm.statistics, 0, statistics, 4 * sizeof(float) * stride));
    for (size_t c = 0; c < c_count; c++) {
        double n = images * pixels, variance = 1 / (dev[c] * dev[c]) - epsilon;
        double unbiased = n > 1 ? variance * n / (n - 1) : variance;
        assert_near("mean", c, (double)statistics[c], mean[c], 2);
        assert_near("running mean", c, (double)statistics[2 * stride + c], 0.1 * mean[c], 2);
        assert_near("running variance", c, (double)statistics[3 * stride + c], 0.9 + 0.1 * unbiased,
                    4);
    }

    ok(norm_gradient(&norm, z_buffer, p_buffer, dy_buffer, g_buffer, images));
    float *got = download(&plan.dy, batch, images, dy_buffer);
    ok(device_read(device, g_buffer, 0, gradients, sizeof gradients));
    for (size_t i = 0; i < count; i++)
        assert_near("dz", i, (double)got[i], dz[i], 1);
    for (size_t c = 0; c < c_count; c++) {
        assert_near("dgamma", c, (double)gradients[plan.gamma + c], dgamma[c], 8);
        assert_near("dbeta", c, (double)gradients[plan.beta + c], dbeta[c], 8);
    }
    norm_destroy(&norm);
    cl_mem *buffers[] = {&p_buffer, &g_buffer, &z_buffer, &dy_buffer, &y_buffer, &slopes};
    for (size_t i = 0; i < 6; i++)
        device_release(device, buffers[i]);
    free(statistics);
    free(y);
    free(slope);
    free(got);
    double *all[] = {z, du, gamma, beta, u, dz, mean, dev, dgamma, dbeta};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void test_kernels(void **state)
{
    (void)state;
    const int channels[] = {1, 3, 8, 17, 24, 33, 48};
    for (size_t i = 0; i < sizeof channels / sizeof *channels; i++) {
        check_kernels(channels[i], 5, 7, 5, (enum activation)(i % ACT_COUNT));
        check_kernels(channels[i], 4, 4, 9, (enum activation)((i + 1) % ACT_COUNT));
        check_kernels(channels[i], 14, 14, 1, (enum activation)((i + 2) % ACT_COUNT));
    }
}

/* Sums by the convolution equal sums made apart: whole networks on either path agree. */
static struct images random_images(int count, int side, int classes)
{
    struct images images = {
        .shape = {side, side, 1, classes}, .count = (uint32_t)count, .mean = 0.5f, .std = 0.3f};
    size_t bytes = (size_t)(count * side * side);
    images.pixels = malloc(bytes);
    images.labels = malloc((size_t)count);
    assert_true(images.pixels != NULL && images.labels != NULL);
    struct rng rng;
    rng_seed(&rng, 11);
    for (size_t i = 0; i < bytes; i++)
        images.pixels[i] = (uint8_t)rng_below(&rng, 256);
    for (int i = 0; i < count; i++)
        images.labels[i] = (uint8_t)rng_below(&rng, (uint64_t)classes);
    return images;
}

static const char *const genomes[] = {
    "NC8k3:relu-RC24k3:swish-RC17k5:gelu-NC16k1:tanh-FC64:relu",
    "RC16k5:sigmoid-NC33k3:relu-RC8k3:tanh-FC64:swish",
};

enum { IMAGES = 21, STEPS = 3 };

struct trained {
    struct network *network;
    float *gradients, *deployed, *logits;
};

static struct trained train(const char *text, enum conv_family family,
                            const struct training_settings *training, struct images *images,
                            struct image_store *store)
{
    struct trained t = {0};
    struct genome genome;
    struct pass_result result;
    uint32_t order[IMAGES];
    for (uint32_t i = 0; i < IMAGES; i++)
        order[i] = (i * 5) % IMAGES;
    ok(genome_parse(&genome, text));
    ok(network_create(&t.network, device, &genome, &images->shape, training, family));
    ok(network_initialise(t.network, &(uint64_t){3}));
    ok(network_train(t.network, store, order, IMAGES, 0, STEPS, &result));
    t.gradients = calloc((size_t)network_parameter_count(t.network), sizeof(float));
    t.deployed = calloc((size_t)network_deployed_count(t.network), sizeof(float));
    t.logits = calloc((size_t)(IMAGES * images->shape.classes), sizeof(float));
    assert_true(t.gradients != NULL && t.deployed != NULL && t.logits != NULL);
    ok(network_read_gradients(t.network, t.gradients));
    ok(network_evaluate(t.network, store, order, IMAGES, &result, t.logits));
    ok(network_read_deployed(t.network, t.deployed));
    return t;
}

static void drop(struct trained *t)
{
    network_destroy(t->network);
    free(t->gradients);
    free(t->deployed);
    free(t->logits);
}

static struct training_settings settings_with(enum norm_kind norm)
{
    struct settings settings;
    settings_defaults(&settings, NULL);
    settings.training.batch = 8; /* 21 images: the last batch is ragged */
    settings.training.norm = norm;
    return settings.training;
}

static void test_folding(void **state)
{
    (void)state;
    struct images images = random_images(IMAGES, 12, 4);
    struct image_store *store;
    ok(image_store_create(&store, device, &images));
    for (size_t g = 0; g < sizeof genomes / sizeof *genomes; g++) {
        struct training_settings batch = settings_with(NORM_BATCH), none = settings_with(NORM_NONE);
        struct trained trained = train(genomes[g], CONV_VECTOR, &batch, &images, store);
        struct trained plain = train(genomes[g], CONV_VECTOR, &none, &images, store);
        struct pass_result result;
        uint32_t order[IMAGES];
        for (uint32_t i = 0; i < IMAGES; i++)
            order[i] = (i * 5) % IMAGES;
        assert_int_equal(network_deployed_count(trained.network),
                         network_parameter_count(plain.network));
        ok(network_write_parameters(plain.network, trained.deployed));
        ok(network_evaluate(plain.network, store, order, IMAGES, &result, plain.logits));
        for (int i = 0; i < IMAGES * images.shape.classes; i++)
            assert_true(fabsf(plain.logits[i] - trained.logits[i]) < 1e-5f);
        drop(&trained);
        drop(&plain);
    }
    image_store_destroy(store);
    free(images.pixels);
    free(images.labels);
}

/* The vector family makes the sums itself, the others leave it to norm.cl. */
static void test_sums_of_families(void **state)
{
    (void)state;
    struct images images = random_images(IMAGES, 12, 4);
    struct image_store *store;
    ok(image_store_create(&store, device, &images));
    struct training_settings batch = settings_with(NORM_BATCH);
    for (size_t g = 0; g < sizeof genomes / sizeof *genomes; g++) {
        struct trained one = train(genomes[g], CONV_VECTOR, &batch, &images, store);
        struct trained other = train(genomes[g], CONV_TILED, &batch, &images, store);
        double largest = 0;
        for (int64_t i = 0; i < network_parameter_count(one.network); i++)
            largest = fmax(largest, fabs((double)one.gradients[i]));
        assert_true(largest > 1e-3);
        for (int64_t i = 0; i < network_parameter_count(one.network); i++)
            assert_true(fabs((double)(one.gradients[i] - other.gradients[i])) < 1e-3 * largest);
        drop(&one);
        drop(&other);
    }
    image_store_destroy(store);
    free(images.pixels);
    free(images.labels);
}

static int open_device(void **state)
{
    (void)state;
    return device_open(&device, 0, 0, 0, 1) == ERR_NONE ? 0 : -1;
}

static int close_device(void **state)
{
    (void)state;
    device_close(device);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_twin_gradient),
        cmocka_unit_test(test_kernels),
        cmocka_unit_test(test_folding),
        cmocka_unit_test(test_sums_of_families),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
