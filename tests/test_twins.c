/* The CPU twins against central finite differences in double, and against values worked out by
   hand or with PyTorch 1.13. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cl_kernels/twins.h"
#include "pipeline/base/rng.h"

static double *random_values(size_t count, uint64_t seed)
{
    struct rng rng;
    double *values = malloc(count * sizeof *values);
    assert_non_null(values);
    rng_seed(&rng, seed);
    for (size_t i = 0; i < count; i++)
        values[i] = rng_normal(&rng);
    return values;
}

static double dot(const double *a, const double *b, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

static void assert_near(double got, double expected, double tolerance)
{
    if (!(fabs(got - expected) <= tolerance * (1.0 + fabs(expected))))
        fail_msg("got %.12g, expected %.12g", got, expected);
}

/* A function of an array whose gradient is claimed; `user` is passed through. */
typedef double scalar_function(const double *values, void *user);

/* Every entry of `gradient` against (f(v + h) - f(v - h)) / 2h. */
static void check_gradient(scalar_function *f, void *user, double *values, const double *gradient,
                           size_t count, double h, double tolerance)
{
    for (size_t i = 0; i < count; i++) {
        double kept = values[i];
        values[i] = kept + h;
        double above = f(values, user);
        values[i] = kept - h;
        double below = f(values, user);
        values[i] = kept;
        assert_near(gradient[i], (above - below) / (2 * h), tolerance);
    }
}

/* f = <r, conv(x, w, b)>: its gradients are the backward passes for dy = r. */
struct conv_case {
    struct twin_conv conv;
    double *x, *w, *b, *r, *y;
    size_t x_count, w_count, y_count;
};

static double conv_of_x(const double *x, void *user)
{
    struct conv_case *c = user;
    twin_conv_forward(&c->conv, x, c->w, c->b, c->y);
    return dot(c->y, c->r, c->y_count);
}

static double conv_of_w(const double *w, void *user)
{
    struct conv_case *c = user;
    twin_conv_forward(&c->conv, c->x, w, c->b, c->y);
    return dot(c->y, c->r, c->y_count);
}

static double conv_of_b(const double *b, void *user)
{
    struct conv_case *c = user;
    twin_conv_forward(&c->conv, c->x, c->w, b, c->y);
    return dot(c->y, c->r, c->y_count);
}

static void check_conv(struct twin_conv conv)
{
    const struct conv_shape *s = &conv.shape;
    struct conv_case c = {.conv = conv};
    c.x_count = (size_t)(conv.images * s->channels_in * conv.height * conv.width);
    c.w_count = (size_t)(s->channels_out * s->channels_in * s->kernel * s->kernel);
    c.y_count =
        (size_t)(conv.images * s->channels_out * twin_conv_height(&conv) * twin_conv_width(&conv));
    c.x = random_values(c.x_count, 1);
    c.w = random_values(c.w_count, 2);
    c.b = random_values((size_t)s->channels_out, 3);
    c.r = random_values(c.y_count, 4);
    c.y = random_values(c.y_count, 5);
    double *dx = random_values(c.x_count, 6), *dw = random_values(c.w_count, 7);
    double *db = random_values((size_t)s->channels_out, 8);
    twin_conv_input_gradient(&conv, c.r, c.w, dx);
    twin_conv_weight_gradient(&conv, c.x, c.r, dw, db);
    /* Linear in each argument: the difference quotient is exact but for rounding. */
    check_gradient(conv_of_x, &c, c.x, dx, c.x_count, 0.5, 1e-10);
    check_gradient(conv_of_w, &c, c.w, dw, c.w_count, 0.5, 1e-10);
    check_gradient(conv_of_b, &c, c.b, db, (size_t)s->channels_out, 0.5, 1e-10);
    free(c.x);
    free(c.w);
    free(c.b);
    free(c.r);
    free(c.y);
    free(dx);
    free(dw);
    free(db);
}

static void test_conv_gradients(void **state)
{
    (void)state;
    static const int kernels[] = {1, 3, 5, 7};
    for (int k = 0; k < 4; k++)
        for (int stride = 1; stride <= 2; stride++) {
            check_conv((struct twin_conv){{2, 3, kernels[k], stride}, 2, 5, 4});
            check_conv((struct twin_conv){{1, 2, kernels[k], stride}, 1, 1, 2});
        }
}

/* A 3x3 kernel of ones on an image of ones counts the pixels under it. */
static void test_conv_by_hand(void **state)
{
    (void)state;
    double x[12], w[9], y[12], bias = 0.5;
    for (int i = 0; i < 12; i++)
        x[i] = 1;
    for (int i = 0; i < 9; i++)
        w[i] = 1;
    struct twin_conv conv = {{1, 1, 3, 1}, 1, 3, 4};
    twin_conv_forward(&conv, x, w, &bias, y);
    static const double expected[] = {4.5, 6.5, 6.5, 4.5, 6.5, 9.5, 9.5, 6.5, 4.5, 6.5, 6.5, 4.5};
    for (int i = 0; i < 12; i++)
        assert_near(y[i], expected[i], 1e-15);
    conv.shape.stride = 2;
    twin_conv_forward(&conv, x, w, NULL, y);
    static const double halved[] = {4, 6, 4, 6};
    assert_int_equal(twin_conv_height(&conv) * twin_conv_width(&conv), 4);
    for (int i = 0; i < 4; i++)
        assert_near(y[i], halved[i], 1e-15);
    /* Not symmetric: the tap at row 0, column 2 sees the pixel above and to the right. */
    for (int i = 0; i < 12; i++)
        x[i] = i;
    memset(w, 0, sizeof w);
    w[2] = 1;
    conv.shape.stride = 1;
    twin_conv_forward(&conv, x, w, NULL, y);
    assert_near(y[4], 1, 1e-15);
    assert_near(y[7], 0, 1e-15);
}

static double activation_at(const double *x, void *user)
{
    return twin_activation(*(enum activation *)user, *x);
}

static void test_activations(void **state)
{
    (void)state;
    /* torch.nn.functional at 1.5 and -0.7 */
    static const double at[] = {1.5, -0.7};
    static const double values[ACT_COUNT + 1][2] = {
        [ACT_RELU] = {1.5, 0},
        [ACT_SIGMOID] = {0.8175744761936437, 0.3318122278318339},
        [ACT_TANH] = {0.9051482536448664, -0.6043677771171635},
        [ACT_SWISH] = {1.2263617142904655, -0.2322685594822837},
        [ACT_GELU] = {1.399789198096713, -0.1693745565561511},
        [ACT_COUNT] = {1.5, -0.7},
    };
    for (enum activation a = 0; a <= ACT_COUNT; a++) {
        for (int i = 0; i < 2; i++)
            assert_near(twin_activation(a, at[i]), values[a][i], 1e-12);
        for (double x = -6.05; x < 6.1; x += 0.1) {
            double slope = twin_activation_derivative(a, x), point = x;
            check_gradient(activation_at, &a, &point, &slope, 1, 1e-5, 1e-9);
        }
        assert_true(isnan(twin_activation(a, NAN)));
    }
    assert_true(twin_activation_derivative(ACT_RELU, 0.0) == 0.0);
}

struct dense_case {
    int images, inputs, outputs;
    double *x, *w, *b, *r, *y;
};

static double dense_of_x(const double *x, void *user)
{
    struct dense_case *c = user;
    twin_dense_forward(c->images, c->inputs, c->outputs, x, c->w, c->b, c->y);
    return dot(c->y, c->r, (size_t)(c->images * c->outputs));
}

static double dense_of_w(const double *w, void *user)
{
    struct dense_case *c = user;
    twin_dense_forward(c->images, c->inputs, c->outputs, c->x, w, c->b, c->y);
    return dot(c->y, c->r, (size_t)(c->images * c->outputs));
}

static double dense_of_b(const double *b, void *user)
{
    struct dense_case *c = user;
    twin_dense_forward(c->images, c->inputs, c->outputs, c->x, c->w, b, c->y);
    return dot(c->y, c->r, (size_t)(c->images * c->outputs));
}

static void test_dense(void **state)
{
    (void)state;
    struct dense_case c = {.images = 3, .inputs = 5, .outputs = 4};
    c.x = random_values(15, 1);
    c.w = random_values(20, 2);
    c.b = random_values(4, 3);
    c.r = random_values(12, 4);
    c.y = random_values(12, 5);
    double dx[15], dw[20], db[4];
    twin_dense_input_gradient(3, 5, 4, c.r, c.w, dx);
    twin_dense_weight_gradient(3, 5, 4, c.x, c.r, dw, db);
    check_gradient(dense_of_x, &c, c.x, dx, 15, 0.5, 1e-12);
    check_gradient(dense_of_w, &c, c.w, dw, 20, 0.5, 1e-12);
    check_gradient(dense_of_b, &c, c.b, db, 4, 0.5, 1e-12);
    /* One image, one output: a scalar product. */
    twin_dense_forward(1, 5, 1, c.x, c.w, c.b, c.y);
    assert_near(c.y[0], dot(c.x, c.w, 5) + c.b[0], 1e-15);
    free(c.x);
    free(c.w);
    free(c.b);
    free(c.r);
    free(c.y);
}

static void test_pool(void **state)
{
    (void)state;
    static const double x[] = {1, 2, 3, 6, -1, -2, -3, 0};
    double y[2], dx[8];
    twin_pool_forward(1, 2, 4, x, y);
    assert_near(y[0], 3, 1e-15);
    assert_near(y[1], -1.5, 1e-15);
    twin_pool_input_gradient(1, 2, 4, y, dx);
    for (int i = 0; i < 8; i++)
        assert_near(dx[i], i < 4 ? 0.75 : -0.375, 1e-15);
}

enum { LOSS_IMAGES = 3, LOSS_CLASSES = 4 };

struct loss_case {
    uint8_t labels[LOSS_IMAGES];
    double smoothing;
};

/* The smoothed loss, as its definition has it: a mean over the losses for every class. */
static double loss_of_logits(const double *logits, void *user)
{
    const struct loss_case *c = user;
    int correct;
    double loss = (1 - c->smoothing) * twin_softmax_loss(LOSS_IMAGES, LOSS_CLASSES, 0, logits,
                                                         c->labels, NULL, &correct);
    for (uint8_t k = 0; k < LOSS_CLASSES; k++) {
        const uint8_t all[LOSS_IMAGES] = {k, k, k};
        loss += c->smoothing / LOSS_CLASSES *
                twin_softmax_loss(LOSS_IMAGES, LOSS_CLASSES, 0, logits, all, NULL, &correct);
    }
    return loss;
}

static void test_softmax_loss(void **state)
{
    (void)state;
    double *logits = random_values(12, 9), gradient[12];
    int correct;
    for (int i = 0; i < 3; i++) {
        struct loss_case c = {{2, 0, 3}, 0.15 * i};
        twin_softmax_loss(LOSS_IMAGES, LOSS_CLASSES, c.smoothing, logits, c.labels, gradient,
                          &correct);
        check_gradient(loss_of_logits, &c, logits, gradient, 12, 1e-5, 1e-9);
    }
    free(logits);
    /* Equal logits: loss log(classes), the first class counts as the answer. */
    const uint8_t labels[] = {2, 0, 3};
    double equal[12] = {0};
    assert_near(twin_softmax_loss(3, 4, 0, equal, labels, NULL, &correct), log(4), 1e-15);
    assert_int_equal(correct, 1);
    /* Logits that overflow exp() alone. */
    double large[12] = {0, 0, 1000, 0, 0, 1000, 0, 0, 0, 0, 0, 1000};
    assert_near(twin_softmax_loss(3, 4, 0, large, labels, gradient, &correct), 1000.0 / 3, 1e-12);
    assert_int_equal(correct, 2);
    large[5] = NAN;
    assert_true(isnan(twin_softmax_loss(3, 4, 0, large, labels, NULL, &correct)));
}

/* Two steps of torch.optim on p = (1, -2) with gradients (0.5, 0.25), then (-1, 0). */
static void check_optimizer(enum optimizer optimizer, const double expected[2])
{
    struct twin_step step = {.optimizer = optimizer,
                             .learning_rate = 0.1,
                             .weight_decay = 0.05,
                             .momentum = 0.9,
                             .beta1 = 0.9,
                             .beta2 = 0.99,
                             .epsilon = 1e-8};
    double p[] = {1, -2}, m[2] = {0}, v[2] = {0};
    static const double gradients[2][2] = {{0.5, 0.25}, {-1, 0}};
    for (step.step = 1; step.step <= 2; step.step++)
        twin_optimizer_step(&step, 2, p, gradients[step.step - 1], m, v);
    assert_near(p[0], expected[0], 1e-12);
    assert_near(p[1], expected[1], 1e-12);
}

static void test_optimizers(void **state)
{
    (void)state;
    check_optimizer(OPTIMIZER_ADAMW, (const double[]){0.9270857728617226, -2.1467080069403233});
    check_optimizer(OPTIMIZER_ADAM, (const double[]){0.9310290928897204, -2.1122059562710573});
    check_optimizer(OPTIMIZER_SGD, (const double[]){0.990775, -2.018425});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv_gradients), cmocka_unit_test(test_conv_by_hand),
        cmocka_unit_test(test_activations),    cmocka_unit_test(test_dense),
        cmocka_unit_test(test_pool),           cmocka_unit_test(test_softmax_loss),
        cmocka_unit_test(test_optimizers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
