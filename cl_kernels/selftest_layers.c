/* The self-test's larger checks: batch normalisation and the head. */
#include "cl_kernels/selftest_internal.h"

#include <math.h>

#include "cl_kernels/head.h"
#include "cl_kernels/norm.h"
#include "cl_kernels/twins.h"

/* One activation of normalised sums, and back. */
enum error self_test_norm(struct check *check, struct device *device)
{
    enum { IMAGES = 5, BATCH = 7, CHANNELS = 19, SIDE = 6, PIXELS = SIDE * SIDE };
    enum { COUNT = IMAGES * CHANNELS * PIXELS, GAMMA = 16, BETA = GAMMA + 48, FLOATS = BETA + 48 };
    enum error err = ERR_NONE;
    const double epsilon = 1e-5; /* as norm.c */
    struct norm norm = {0};
    double *z, *du, *gamma, *beta, *u, *y, *dz, *dgamma, *dbeta, *mean, *deviation, *got;
    float *flat, *gradients;
    cl_mem z_buffer, y_buffer, dy_buffer, parameters, gradient_buffer;
    struct norm_plan plan = {.z = layout_make(SIDE, SIDE, CHANNELS, 1),
                             .y = layout_make(SIDE, SIDE, CHANNELS, 1),
                             .dy = layout_make(SIDE, SIDE, CHANNELS, 2),
                             .activation = ACT_TANH,
                             .batch = BATCH,
                             .gamma = GAMMA,
                             .beta = BETA};
    check_start(check, device, "batch normalisation", "%d channels, %dx%d, %d images", CHANNELS,
                SIDE, SIDE, IMAGES);
    TRY(check_random(&z, check, COUNT, 2));
    TRY(check_random(&du, check, COUNT, 1));
    TRY(check_random(&gamma, check, CHANNELS, 1));
    TRY(check_random(&beta, check, CHANNELS, 1));
    double **outputs[] = {&u, &y, &dz, &dgamma, &dbeta, &mean, &deviation};
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++)
        TRY(check_doubles(outputs[i], check, COUNT));
    TRY(check_floats(&flat, check, FLOATS));
    for (int i = 0; i < CHANNELS; i++) {
        flat[GAMMA + i] = (float)gamma[i];
        flat[BETA + i] = (float)beta[i];
    }
    TRY(norm_create(&norm, device, &plan));
    TRY(norm_reset(&norm));
    TRY(check_tensor(&z_buffer, check, &plan.z, BATCH, IMAGES, z));
    TRY(check_tensor(&y_buffer, check, &plan.y, BATCH, IMAGES, NULL));
    TRY(check_tensor(&dy_buffer, check, &plan.dy, BATCH, IMAGES, du));
    TRY(check_upload(&parameters, check, flat, FLOATS));
    TRY(check_buffer(&gradient_buffer, check, FLOATS));
    TRY(norm_forward(&norm, z_buffer, parameters, y_buffer, NULL, IMAGES));
    TRY(norm_gradient(&norm, z_buffer, parameters, dy_buffer, gradient_buffer, IMAGES));

    twin_norm_forward(IMAGES, CHANNELS, PIXELS, epsilon, z, gamma, beta, u, mean, deviation);
    twin_norm_gradient(IMAGES, CHANNELS, PIXELS, epsilon, z, gamma, du, dz, dgamma, dbeta);
    /* Sizes: the terms that cancel are no larger than these. */
    TRY(check_read_tensor(&got, check, &plan.y, BATCH, IMAGES, y_buffer, false));
    for (size_t i = 0; i < COUNT; i++)
        check_value(check, "y", i, got[i], twin_activation(ACT_TANH, u[i]), fabs(u[i]) + 1);
    TRY(check_read_tensor(&got, check, &plan.dy, BATCH, IMAGES, dy_buffer, true));
    for (size_t i = 0; i < COUNT; i++)
        check_value(check, "dz", i, got[i], dz[i], fabs(du[i]) + 1);
    TRY(check_download(&gradients, check, gradient_buffer, FLOATS));
    for (size_t i = 0; i < CHANNELS; i++) {
        check_value(check, "dgamma", i, (double)gradients[GAMMA + i], dgamma[i], IMAGES * PIXELS);
        check_value(check, "dbeta", i, (double)gradients[BETA + i], dbeta[i], IMAGES * PIXELS);
    }
out:
    norm_destroy(&norm);
    return err;
}

enum { CLASSES = 11, HIDDEN = GENOME_HEAD_UNITS };

/* What the head computes, by twins; arrays of [IMAGES][...]. */
struct head_twin {
    int images, channels, pixels;
    double *x, *w1, *b1, *w2, *b2; /* in */
    double *pooled, *sums, *hidden, *logits;
    double *d_logits, *d_hidden, *d_pooled, *dx, *dw1, *db1, *dw2, *db2;
    double loss;
    int correct;
};

static enum error head_twin_make(struct head_twin *t, struct check *check)
{
    enum error err = ERR_NONE;
    size_t images = (size_t)t->images, channels = (size_t)t->channels;
    size_t pixels = (size_t)t->pixels;
    const struct {
        double **values;
        size_t count;
        double scale; /* 0: an output */
    } arrays[] = {
        {&t->x, images * channels * pixels, 1},
        {&t->w1, HIDDEN * channels, 0.3},
        {&t->b1, HIDDEN, 0.5},
        {&t->w2, CLASSES * HIDDEN, 0.3},
        {&t->b2, CLASSES, 0.5},
        {&t->pooled, images * channels, 0},
        {&t->sums, images * HIDDEN, 0},
        {&t->hidden, images * HIDDEN, 0},
        {&t->logits, images * CLASSES, 0},
        {&t->d_logits, images * CLASSES, 0},
        {&t->d_hidden, images * HIDDEN, 0},
        {&t->d_pooled, images * channels, 0},
        {&t->dx, images * channels * pixels, 0},
        {&t->dw1, HIDDEN * channels, 0},
        {&t->db1, HIDDEN, 0},
        {&t->dw2, CLASSES * HIDDEN, 0},
        {&t->db2, CLASSES, 0},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        TRY(check_random(arrays[i].values, check, arrays[i].count, arrays[i].scale));
out:
    return err;
}

/* `kept` is the derivative of the layer below. */
static void head_twin_run(struct head_twin *t, enum activation activation, double smoothing,
                          const double *kept, const uint8_t *labels)
{
    int n = t->images, c = t->channels;
    twin_pool_forward(n, c, t->pixels, t->x, t->pooled);
    twin_dense_forward(n, c, HIDDEN, t->pooled, t->w1, t->b1, t->sums);
    for (int i = 0; i < n * HIDDEN; i++)
        t->hidden[i] = twin_activation(activation, t->sums[i]);
    twin_dense_forward(n, HIDDEN, CLASSES, t->hidden, t->w2, t->b2, t->logits);
    t->loss = twin_softmax_loss(n, CLASSES, smoothing, t->logits, labels, t->d_logits, &t->correct);
    twin_dense_input_gradient(n, HIDDEN, CLASSES, t->d_logits, t->w2, t->d_hidden);
    twin_dense_weight_gradient(n, HIDDEN, CLASSES, t->hidden, t->d_logits, t->dw2, t->db2);
    for (int i = 0; i < n * HIDDEN; i++)
        t->d_hidden[i] *= twin_activation_derivative(activation, t->sums[i]);
    twin_dense_input_gradient(n, c, HIDDEN, t->d_hidden, t->w1, t->d_pooled);
    twin_dense_weight_gradient(n, c, HIDDEN, t->pooled, t->d_hidden, t->dw1, t->db1);
    twin_pool_input_gradient(n, c, t->pixels, t->d_pooled, t->dx);
    for (int i = 0; i < n * c * t->pixels; i++)
        t->dx[i] *= kept[i];
}

/* The dense parameters of the twin in the head's places: [input][output], outputs contiguous. */
static void pack_head(const struct head_twin *t, const struct head_plan *plan, const double *w1,
                      const double *b1, const double *w2, const double *b2, float *flat)
{
    size_t stride = (size_t)head_classes_stride(CLASSES), channels = (size_t)t->channels;
    for (size_t j = 0; j < HIDDEN; j++) {
        for (size_t c = 0; c < channels; c++)
            flat[plan->weights_1 + c * HIDDEN + j] = (float)w1[j * channels + c];
        flat[plan->bias_1 + j] = (float)b1[j];
        for (size_t k = 0; k < CLASSES; k++)
            flat[plan->weights_2 + j * stride + k] = (float)w2[k * HIDDEN + j];
    }
    for (size_t k = 0; k < CLASSES; k++)
        flat[plan->bias_2 + k] = (float)b2[k];
}

enum error self_test_head(struct check *check, struct device *device)
{
    enum { IMAGES = 5, BATCH = 6, CHANNELS = 19, HEIGHT = 3, WIDTH = 5, FIRST = 2 };
    enum error err = ERR_NONE;
    const double smoothing = 0.125;
    const size_t stride = (size_t)head_classes_stride(CLASSES);
    struct head_twin t = {.images = IMAGES, .channels = CHANNELS, .pixels = HEIGHT * WIDTH};
    struct head head = {0};
    struct head_plan plan = {.input = layout_make(HEIGHT, WIDTH, CHANNELS, 0),
                             .gradient = layout_make(HEIGHT, WIDTH, CHANNELS, 1),
                             .below = ACT_SWISH,
                             .activation = ACT_GELU,
                             .classes = CLASSES,
                             .batch = BATCH,
                             .smoothing = (float)smoothing,
                             .weights_1 = 0};
    plan.weights_2 = CHANNELS * HIDDEN;
    plan.bias_1 = plan.weights_2 + HIDDEN * stride;
    plan.bias_2 = plan.bias_1 + HIDDEN;
    const size_t floats = plan.bias_2 + stride;
    /* Image n of the batch is image order[FIRST + n], whose label is labels[...]. */
    static const cl_uint order[FIRST + IMAGES] = {0, 0, 3, 1, 4, 2, 0};
    static const uint8_t stored[8] = {4, 0, 10, 7, 4};
    uint8_t labels[IMAGES];
    for (int n = 0; n < IMAGES; n++)
        labels[n] = stored[order[FIRST + n]];

    check_start(check, device, "pooling, dense layers, loss",
                "%d channels, %dx%d, %d classes, %d "
                "images",
                CHANNELS, HEIGHT, WIDTH, CLASSES, IMAGES);
    double *kept, *got;
    float *flat, *expected, *gradients, *logits, statistics[2];
    cl_mem x, kept_buffer, dx, parameters, gradient_buffer, order_buffer, label_buffer, sums;
    TRY(head_twin_make(&t, check));
    TRY(check_random(&kept, check, IMAGES * CHANNELS * HEIGHT * WIDTH, 1));
    TRY(check_floats(&flat, check, floats));
    TRY(check_floats(&expected, check, floats));
    head_twin_run(&t, plan.activation, smoothing, kept, labels);
    pack_head(&t, &plan, t.w1, t.b1, t.w2, t.b2, flat);
    pack_head(&t, &plan, t.dw1, t.db1, t.dw2, t.db2, expected);

    TRY(head_create(&head, device, &plan));
    TRY(check_tensor(&x, check, &plan.input, BATCH, IMAGES, t.x));
    TRY(check_tensor(&kept_buffer, check, &plan.input, BATCH, IMAGES, kept));
    TRY(check_tensor(&dx, check, &plan.gradient, BATCH, IMAGES, NULL));
    TRY(check_upload(&parameters, check, flat, floats));
    TRY(check_buffer(&gradient_buffer, check, floats));
    TRY(check_buffer(&sums, check, 4));
    TRY(check_buffer(&order_buffer, check, FIRST + IMAGES));
    TRY(device_write(device, order_buffer, 0, order, sizeof order));
    TRY(check_buffer(&label_buffer, check, 2));
    TRY(device_write(device, label_buffer, 0, stored, sizeof stored));
    TRY(head_run(&head, x, kept_buffer, parameters, order_buffer, label_buffer, FIRST, IMAGES, dx,
                 gradient_buffer));
    TRY(head_statistics(&head, sums, 1, IMAGES));

    TRY(check_download(&logits, check, head.logits, IMAGES * stride));
    for (size_t i = 0; i < IMAGES * CLASSES; i++)
        check_value(check, "logits", i, (double)logits[i / CLASSES * stride + i % CLASSES],
                    t.logits[i], HIDDEN * 0.1);
    TRY(device_read(device, sums, sizeof statistics, statistics, sizeof statistics));
    check_value(check, "loss", 0, (double)statistics[0], t.loss * IMAGES, IMAGES);
    check_value(check, "hits", 0, (double)statistics[1], t.correct, 0);
    TRY(check_read_tensor(&got, check, &plan.gradient, BATCH, IMAGES, dx, true));
    for (size_t i = 0; i < IMAGES * CHANNELS * HEIGHT * WIDTH; i++)
        check_value(check, "dx", i, got[i], t.dx[i], 0);
    TRY(check_download(&gradients, check, gradient_buffer, floats));
    for (size_t i = 0; i < floats; i++)
        check_value(check, "gradients", i, (double)gradients[i], (double)expected[i], 0.1);
out:
    head_destroy(&head);
    return err;
}
