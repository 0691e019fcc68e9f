/*
 * Every convolution family against the CPU twins, through conv.h: odd channel counts and sizes, all
 * kernels and strides, ragged batches, every activation, halos wider than needed.
 *
 * Tolerance: a result is a sum of products; with S the same sum over absolute values,
 * |got - twin| <= 4e-6 S + 1e-6 (1 + |twin|). Single precision has 6e-8; sums of n terms in any
 * order lose about sqrt(n) of that; the second term is for the approximations of activation.cl.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cl_kernels/conv.h"
#include "cl_kernels/device.h"
#include "cl_kernels/twins.h"
#include "pipeline/base/rng.h"

static const enum conv_family families[] = {CONV_VECTOR, CONV_TILED, CONV_CLBLAST};
enum { FAMILIES = sizeof families / sizeof *families };

static struct device *device;

static void ok(enum error err)
{
    if (err != ERR_NONE)
        fail_msg("%s: %s", error_name(err), error_message());
}

struct conv_case {
    struct conv_shape shape;
    int height, width;
    int batch, images; /* made for, and in the call */
    enum activation activation;
    int extra_halo;
};

/* Everything of one case on the host, and its convolution. */
struct setup {
    struct conv_case c;
    struct twin_conv twin;
    struct conv_plan plan;
    struct conv *conv;
    size_t x_count, y_count, w_count; /* in NCHW, of `images` */
    double *x, *w, *bias, *dy;
};

static double *doubles(size_t count)
{
    double *values = calloc(count, sizeof *values);
    assert_non_null(values);
    return values;
}

/* Values that a float holds exactly. */
static double *random_values(struct rng *rng, size_t count, double scale)
{
    double *values = doubles(count);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(rng_normal(rng) * scale);
    return values;
}

static double *absolute(const double *values, size_t count)
{
    double *result = doubles(count);
    for (size_t i = 0; i < count; i++)
        result[i] = fabs(values[i]);
    return result;
}

static void assert_close(const char *what, size_t place, double got, double expected, double sum)
{
    if (!(fabs(got - expected) <= 4e-6 * sum + 1e-6 * (1 + fabs(expected))))
        fail_msg("%s[%zu]: got %.9g, twin %.9g", what, place, got, expected);
}

static struct setup make(enum conv_family family, struct conv_case c)
{
    const struct conv_shape *s = &c.shape;
    struct setup t = {.c = c, .twin = {*s, c.images, c.height, c.width}};
    int out_height = twin_conv_height(&t.twin), out_width = twin_conv_width(&t.twin);
    int halo = s->kernel / 2 + c.extra_halo;
    t.plan = (struct conv_plan){
        .shape = *s,
        .input = s->channels_in < 8 ? layout_make_image(c.height, c.width, s->channels_in, halo)
                                    : layout_make(c.height, c.width, s->channels_in, halo),
        .output = layout_make(out_height, out_width, s->channels_out, 1 + c.extra_halo),
        .gradient = layout_make(out_height, out_width, s->channels_out, halo),
        .input_gradient = layout_make(c.height, c.width, s->channels_in, c.extra_halo),
        .family = family,
        .batch = c.batch,
    };
    ok(conv_create(&t.conv, device, &t.plan));
    t.x_count = (size_t)(c.images * s->channels_in * c.height * c.width);
    t.y_count = (size_t)(c.images * s->channels_out * out_height * out_width);
    t.w_count = (size_t)(s->channels_out * s->channels_in * s->kernel * s->kernel);
    struct rng rng;
    rng_seed(&rng, 7 + t.x_count + t.w_count);
    t.x = random_values(&rng, t.x_count, 1);
    t.w = random_values(&rng, t.w_count, 1 / sqrt(s->channels_in * s->kernel * s->kernel));
    t.bias = random_values(&rng, (size_t)s->channels_out, 1);
    t.dy = random_values(&rng, t.y_count, 1);
    return t;
}

static void drop(struct setup *t)
{
    conv_destroy(t->conv);
    free(t->x);
    free(t->w);
    free(t->bias);
    free(t->dy);
}

static size_t floats_of(const struct setup *t, const struct layout *layout)
{
    return layout_floats(layout, t->c.batch);
}

/* A device buffer of the whole batch in `layout` with the given images in it; zeros elsewhere. */
static cl_mem upload(const struct setup *t, const struct layout *layout, const double *nchw)
{
    size_t floats = floats_of(t, layout);
    size_t count = (size_t)(t->c.images * layout->channels * layout->height * layout->width);
    float *plain = calloc(count, sizeof *plain), *blocked = calloc(floats, sizeof *blocked);
    assert_non_null(plain);
    assert_non_null(blocked);
    for (size_t i = 0; i < count; i++)
        plain[i] = (float)nchw[i];
    layout_pack(layout, t->c.images, plain, blocked);
    cl_mem buffer;
    ok(device_buffer(&buffer, device, floats * sizeof(float)));
    ok(device_write(device, buffer, 0, blocked, floats * sizeof(float)));
    free(plain);
    free(blocked);
    return buffer;
}

static cl_mem new_buffer(const struct setup *t, const struct layout *layout)
{
    cl_mem buffer;
    ok(device_buffer(&buffer, device, floats_of(t, layout) * sizeof(float)));
    return buffer;
}

/*
 * The images of a buffer as NCHW doubles. Everything outside them must still be zero: borders,
 * images that were not asked for and the slack. Lanes past the last channel are zero too where
 * `clean_lanes`, else anything.
 */
static double *download(const struct setup *t, const struct layout *l, cl_mem buffer,
                        bool clean_lanes)
{
    size_t floats = floats_of(t, l);
    size_t count = (size_t)(t->c.images * l->channels * l->height * l->width);
    float *blocked = calloc(floats, sizeof *blocked), *plain = calloc(count, sizeof *plain);
    assert_non_null(blocked);
    assert_non_null(plain);
    ok(device_read(device, buffer, 0, blocked, floats * sizeof(float)));
    layout_unpack(l, t->c.images, blocked, plain);
    double *result = doubles(count);
    for (size_t i = 0; i < count; i++)
        result[i] = plain[i];
    int columns = l->width + 2 * l->halo;
    for (size_t i = 0; i < floats; i++) {
        int lane = (int)(i % (size_t)l->lanes);
        int column = (int)(i / (size_t)l->lanes % (size_t)columns) - l->halo;
        int row = (int)(i / l->row % (size_t)(l->height + 2 * l->halo)) - l->halo;
        int block = (int)(i / l->block % (size_t)l->blocks);
        bool inside = i / l->image < (size_t)t->c.images && row >= 0 && row < l->height &&
                      column >= 0 && column < l->width;
        bool channel = block * l->lanes + lane < l->channels;
        if ((!inside || (!channel && clean_lanes)) && blocked[i] != 0.0f)
            fail_msg("wrote %g outside the result, at float %zu", (double)blocked[i], i);
    }
    free(blocked);
    free(plain);
    return result;
}

enum { GAP = 48 }; /* floats before each part of a parameter buffer: spans have offsets */

/* [gap | packed weights | gap | bias]; the packed places that hold no weight are zero. */
static cl_mem upload_weights(const struct setup *t, struct span *weights, struct span *bias)
{
    const struct conv_shape *s = &t->c.shape;
    int group = conv_group(t->conv), taps = s->kernel * s->kernel;
    size_t w_floats = conv_weight_floats(t->conv);
    size_t bias_floats = (size_t)((s->channels_out + group - 1) / group * group);
    size_t floats = w_floats + bias_floats + 2 * GAP;
    float *values = calloc(floats, sizeof *values);
    assert_non_null(values);
    *weights = (struct span){NULL, GAP};
    *bias = (struct span){NULL, 2 * GAP + w_floats};
    for (int o = 0; o < s->channels_out; o++) {
        values[bias->offset + (size_t)o] = (float)t->bias[o];
        for (int i = 0; i < s->channels_in; i++)
            for (int tap = 0; tap < taps; tap++) {
                size_t place = conv_weight_place(t->conv, o, i, tap);
                assert_true(place < w_floats);
                values[GAP + place] = (float)t->w[(o * s->channels_in + i) * taps + tap];
            }
    }
    cl_mem buffer;
    ok(device_buffer(&buffer, device, floats * sizeof(float)));
    ok(device_write(device, buffer, 0, values, floats * sizeof(float)));
    free(values);
    weights->buffer = bias->buffer = buffer;
    return buffer;
}

static cl_mem upload_transposed(const struct setup *t, struct span *weights)
{
    const struct conv_shape *s = &t->c.shape;
    int taps = s->kernel * s->kernel;
    size_t floats = conv_transposed_floats(t->conv) + GAP;
    float *values = calloc(floats, sizeof *values);
    assert_non_null(values);
    for (int o = 0; o < s->channels_out; o++)
        for (int i = 0; i < s->channels_in; i++)
            for (int tap = 0; tap < taps; tap++)
                values[GAP + conv_transposed_place(t->conv, o, i, tap)] =
                    (float)t->w[(o * s->channels_in + i) * taps + tap];
    cl_mem buffer;
    ok(device_buffer(&buffer, device, floats * sizeof(float)));
    ok(device_write(device, buffer, 0, values, floats * sizeof(float)));
    free(values);
    *weights = (struct span){buffer, GAP};
    return buffer;
}

static bool keeps_derivative(enum activation activation)
{
    return activation == ACT_SWISH || activation == ACT_GELU;
}

/*
 * The partial sums for batch normalisation, added over the parts: first of v[channel], then of
 * v * other. Both are NCHW.
 */
static void check_sums(const struct setup *t, const struct layout *l, cl_mem sums, int parts,
                       const double *v, const double *other)
{
    int channels = l->blocks * l->lanes, plane = l->height * l->width;
    size_t floats = (size_t)(parts * 2 * channels);
    float *got = calloc(floats, sizeof *got);
    assert_non_null(got);
    ok(device_read(device, sums, 0, got, floats * sizeof *got));
    for (int c = 0; c < l->channels; c++) {
        double expected[2] = {0}, sizes[2] = {0}, found[2] = {0};
        for (int n = 0; n < t->c.images; n++)
            for (int i = 0; i < plane; i++) {
                size_t at = (size_t)((n * l->channels + c) * plane + i);
                double values[2] = {v[at], v[at] * other[at]};
                for (int k = 0; k < 2; k++) {
                    expected[k] += values[k];
                    sizes[k] += fabs(values[k]);
                }
            }
        for (int part = 0; part < parts; part++)
            for (int k = 0; k < 2; k++)
                found[k] += got[(size_t)((2 * part + k) * channels + c)];
        assert_close("sums", (size_t)c, found[0], expected[0], sizes[0]);
        assert_close("sums of products", (size_t)c, found[1], expected[1], sizes[1]);
    }
    free(got);
}

static cl_mem sums_buffer(const struct layout *l, int parts)
{
    cl_mem buffer;
    size_t floats = (size_t)(parts * 2 * l->blocks * l->lanes);
    ok(device_buffer(&buffer, device, floats * sizeof(float)));
    return buffer;
}

static void check_forward(struct setup *t)
{
    enum activation activation = t->c.activation;
    struct conv_epilogue epilogue = {.activation = activation};
    struct span weights;
    cl_mem parameters = upload_weights(t, &weights, &epilogue.bias);
    cl_mem x = upload(t, &t->plan.input, t->x), y = new_buffer(t, &t->plan.output);
    cl_mem slopes = NULL;
    if (keeps_derivative(activation))
        slopes = epilogue.derivative = new_buffer(t, &t->plan.output);
    ok(conv_forward(t->conv, x, weights, &epilogue, y, t->c.images));

    double *sums = doubles(t->y_count), *sizes = doubles(t->y_count);
    double *abs_x = absolute(t->x, t->x_count), *abs_w = absolute(t->w, t->w_count);
    twin_conv_forward(&t->twin, t->x, t->w, t->bias, sums);
    twin_conv_forward(&t->twin, abs_x, abs_w, NULL, sizes);
    double *got = download(t, &t->plan.output, y, false);
    for (size_t i = 0; i < t->y_count; i++)
        assert_close("y", i, got[i], twin_activation(activation, sums[i]), sizes[i]);
    free(got);
    if (slopes != NULL) {
        got = download(t, &t->plan.output, slopes, false);
        for (size_t i = 0; i < t->y_count; i++)
            assert_close("derivative", i, got[i], twin_activation_derivative(activation, sums[i]),
                         sizes[i]);
        free(got);
    }
    /* Without bias and activation the plain sums are left. */
    struct conv_epilogue plain = {.activation = ACT_COUNT};
    if (conv_parts(t->conv) > 0)
        plain.sums = sums_buffer(&t->plan.output, t->c.images);
    ok(conv_forward(t->conv, x, weights, &plain, y, t->c.images));
    twin_conv_forward(&t->twin, t->x, t->w, NULL, sums);
    got = download(t, &t->plan.output, y, false);
    for (size_t i = 0; i < t->y_count; i++)
        assert_close("plain y", i, got[i], sums[i], sizes[i]);
    if (plain.sums != NULL)
        check_sums(t, &t->plan.output, plain.sums, t->c.images, got, got);
    device_release(device, &plain.sums);
    free(got);
    free(sums);
    free(sizes);
    free(abs_x);
    free(abs_w);
    device_release(device, &parameters);
    device_release(device, &x);
    device_release(device, &y);
    device_release(device, &slopes);
}

/* With batch normalisation below: `below` plays its z. */
static void check_chain_sums(struct setup *t, cl_mem dy, struct span transposed,
                             struct conv_chain *chain, const double *below, cl_mem dx)
{
    const struct layout *l = &t->plan.input_gradient;
    int parts = t->c.images * conv_parts(t->conv), channels = l->blocks * l->lanes;
    float *means = calloc((size_t)channels, sizeof *means);
    double *centred = doubles(t->x_count);
    assert_non_null(means);
    for (int c = 0; c < l->channels; c++)
        means[c] = (float)(c % 5 - 2) / 4;
    for (size_t i = 0; i < t->x_count; i++)
        centred[i] = below[i] - means[i / (size_t)(l->height * l->width) % (size_t)l->channels];
    ok(device_buffer(&chain->means, device, (size_t)channels * sizeof *means));
    ok(device_write(device, chain->means, 0, means, (size_t)channels * sizeof *means));
    chain->z_layout = layout_make(l->height, l->width, l->channels, 2);
    chain->z = upload(t, &chain->z_layout, below);
    chain->sums = sums_buffer(l, parts);
    ok(conv_input_gradient(t->conv, dy, transposed, chain, dx, t->c.images));
    double *got = download(t, l, dx, true);
    check_sums(t, l, chain->sums, parts, got, centred);
    free(got);
    free(means);
    free(centred);
    device_release(device, &chain->means);
    device_release(device, &chain->z);
    device_release(device, &chain->sums);
}

static void check_input_gradient(struct setup *t)
{
    enum activation activation = t->c.activation;
    const struct conv_case *c = &t->c;
    struct rng rng;
    rng_seed(&rng, 99);
    /* The layer below: its sums, and what it kept of them. */
    double *below = random_values(&rng, t->x_count, 1.5), *kept = doubles(t->x_count);
    double *slopes = doubles(t->x_count);
    for (size_t i = 0; i < t->x_count; i++) {
        double value = twin_activation(activation, below[i]);
        slopes[i] = twin_activation_derivative(activation, below[i]);
        kept[i] = (float)(keeps_derivative(activation) ? slopes[i] : value);
    }
    struct conv_chain chain = {.activation = activation,
                               .layout = layout_make(c->height, c->width, c->shape.channels_in, 3)};
    struct span transposed;
    cl_mem weights = upload_transposed(t, &transposed);
    cl_mem dy = upload(t, &t->plan.gradient, t->dy);
    cl_mem dx = new_buffer(t, &t->plan.input_gradient);
    cl_mem kept_buffer = chain.kept = upload(t, &chain.layout, kept);
    ok(conv_input_gradient(t->conv, dy, transposed, &chain, dx, c->images));

    double *sums = doubles(t->x_count), *sizes = doubles(t->x_count);
    double *abs_dy = absolute(t->dy, t->y_count), *abs_w = absolute(t->w, t->w_count);
    twin_conv_input_gradient(&t->twin, t->dy, t->w, sums);
    twin_conv_input_gradient(&t->twin, abs_dy, abs_w, sizes);
    double *got = download(t, &t->plan.input_gradient, dx, true);
    for (size_t i = 0; i < t->x_count; i++)
        assert_close("dx", i, got[i], sums[i] * slopes[i], sizes[i]);
    free(got);
    /* And without a layer below. */
    ok(conv_input_gradient(t->conv, dy, transposed, NULL, dx, c->images));
    got = download(t, &t->plan.input_gradient, dx, true);
    for (size_t i = 0; i < t->x_count; i++)
        assert_close("plain dx", i, got[i], sums[i], sizes[i]);
    free(got);
    if (conv_parts(t->conv) > 0)
        check_chain_sums(t, dy, transposed, &chain, below, dx);
    free(below);
    free(kept);
    free(slopes);
    free(sums);
    free(sizes);
    free(abs_dy);
    free(abs_w);
    device_release(device, &weights);
    device_release(device, &dy);
    device_release(device, &dx);
    device_release(device, &kept_buffer);
}

/* The partial gradients, added in order: [gap | dw | gap | db]. The buffer starts full of ones:
   what is not overwritten is seen. */
static float *run_weight_gradient(struct setup *t, cl_mem x, cl_mem dy, bool biased, size_t *dw_at,
                                  size_t *db_at)
{
    int group = conv_group(t->conv), splits = conv_splits(t->conv);
    size_t w_floats = conv_weight_floats(t->conv);
    size_t bias_floats = (size_t)((t->c.shape.channels_out + group - 1) / group * group);
    size_t stride = w_floats + bias_floats + 2 * GAP;
    float *all = malloc(stride * (size_t)splits * sizeof *all);
    float *sum = calloc(stride, sizeof *sum);
    assert_non_null(all);
    assert_non_null(sum);
    *dw_at = GAP;
    *db_at = 2 * GAP + w_floats;
    for (size_t i = 0; i < stride * (size_t)splits; i++)
        all[i] = 1;
    cl_mem gradients;
    ok(device_buffer(&gradients, device, stride * (size_t)splits * sizeof(float)));
    ok(device_write(device, gradients, 0, all, stride * (size_t)splits * sizeof(float)));
    ok(conv_weight_gradient(t->conv, x, dy, (struct span){gradients, *dw_at},
                            biased ? (struct span){gradients, *db_at} : (struct span){NULL, 0},
                            stride, t->c.images));
    ok(device_read(device, gradients, 0, all, stride * (size_t)splits * sizeof(float)));
    for (int split = 0; split < splits; split++)
        for (size_t i = 0; i < stride; i++)
            sum[i] += all[(size_t)split * stride + i];
    for (size_t i = 0; i < GAP; i++) {
        assert_true(sum[i] == (float)splits);
        assert_true(sum[GAP + w_floats + i] == (float)splits);
    }
    device_release(device, &gradients);
    free(all);
    return sum;
}

static void check_weight_gradient(struct setup *t)
{
    const struct conv_shape *s = &t->c.shape;
    int taps = s->kernel * s->kernel;
    cl_mem x = upload(t, &t->plan.input, t->x), dy = upload(t, &t->plan.gradient, t->dy);
    size_t dw_at, db_at;
    float *got = run_weight_gradient(t, x, dy, true, &dw_at, &db_at);
    float *again = run_weight_gradient(t, x, dy, true, &dw_at, &db_at);
    assert_memory_equal(got, again, (db_at + (size_t)s->channels_out) * sizeof *got);
    free(again);
    /* The bias is not always wanted; then its place keeps the ones. */
    again = run_weight_gradient(t, x, dy, false, &dw_at, &db_at);
    assert_memory_equal(got, again, db_at * sizeof *got);
    for (int o = 0; o < s->channels_out; o++)
        assert_true(again[db_at + (size_t)o] == (float)conv_splits(t->conv));

    double *dw = doubles(t->w_count), *w_sizes = doubles(t->w_count);
    double *db = doubles((size_t)s->channels_out), *b_sizes = doubles((size_t)s->channels_out);
    double *abs_x = absolute(t->x, t->x_count), *abs_dy = absolute(t->dy, t->y_count);
    twin_conv_weight_gradient(&t->twin, t->x, t->dy, dw, db);
    twin_conv_weight_gradient(&t->twin, abs_x, abs_dy, w_sizes, b_sizes);
    double found = 0;
    for (int o = 0; o < s->channels_out; o++) {
        assert_close("db", (size_t)o, got[db_at + (size_t)o], db[o], b_sizes[o]);
        for (int i = 0; i < s->channels_in; i++)
            for (int tap = 0; tap < taps; tap++) {
                size_t place = (size_t)((o * s->channels_in + i) * taps + tap);
                double value = got[dw_at + conv_weight_place(t->conv, o, i, tap)];
                assert_close("dw", place, value, dw[place], w_sizes[place]);
                found += fabs(value);
            }
    }
    /* Places that hold no weight get exact zeros, so that the optimizer leaves them alone. */
    double all = 0;
    for (size_t i = 0; i < conv_weight_floats(t->conv); i++)
        all += fabs((double)got[dw_at + i]);
    assert_true(fabs(all - found) <= 1e-9 * found);
    free(got);
    free(again);
    free(dw);
    free(db);
    free(w_sizes);
    free(b_sizes);
    free(abs_x);
    free(abs_dy);
    device_release(device, &x);
    device_release(device, &dy);
}

static void check_case(enum conv_family family, struct conv_case c)
{
    print_message("%s: %d -> %d, k%d s%d, %dx%d, %d of %d, %s, halo +%d\n",
                  conv_family_name(family), c.shape.channels_in, c.shape.channels_out,
                  c.shape.kernel, c.shape.stride, c.height, c.width, c.images, c.batch,
                  c.activation == ACT_COUNT ? "none" : activation_name(c.activation), c.extra_halo);
    struct setup t = make(family, c);
    check_forward(&t);
    check_input_gradient(&t);
    check_weight_gradient(&t);
    drop(&t);
}

static const struct conv_case cases[] = {
    {{1, 8, 3, 1}, 28, 28, 2, 2, ACT_RELU, 0},     {{1, 33, 5, 2}, 28, 28, 1, 1, ACT_GELU, 0},
    {{3, 17, 3, 1}, 32, 32, 1, 1, ACT_SIGMOID, 0}, {{3, 24, 7, 2}, 32, 32, 3, 2, ACT_RELU, 1},
    {{8, 1, 3, 1}, 7, 7, 5, 3, ACT_TANH, 0},       {{8, 48, 3, 2}, 7, 7, 4, 4, ACT_SWISH, 0},
    {{17, 3, 5, 1}, 7, 7, 3, 3, ACT_GELU, 0},      {{17, 33, 3, 2}, 28, 28, 2, 1, ACT_SWISH, 0},
    {{24, 24, 1, 1}, 7, 7, 9, 9, ACT_SIGMOID, 0},  {{24, 48, 1, 2}, 7, 7, 2, 2, ACT_RELU, 2},
    {{33, 17, 3, 1}, 7, 9, 2, 2, ACT_COUNT, 1},    {{33, 8, 7, 1}, 9, 5, 2, 2, ACT_TANH, 0},
    {{48, 33, 5, 2}, 14, 11, 2, 1, ACT_RELU, 1},   {{48, 48, 3, 1}, 14, 14, 2, 2, ACT_GELU, 0},
    {{16, 64, 3, 1}, 7, 7, 8, 5, ACT_RELU, 0},     {{80, 72, 3, 1}, 4, 4, 3, 3, ACT_SWISH, 0},
    {{1, 1, 1, 2}, 1, 1, 1, 1, ACT_TANH, 0},       {{2, 5, 7, 2}, 2, 1, 2, 2, ACT_SIGMOID, 0},
};

static void test_cases(void **state)
{
    enum conv_family family = *(const enum conv_family *)*state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_case(family, cases[i]);
}

static int one_of(struct rng *rng, const int *values, size_t count)
{
    return values[rng_below(rng, count)];
}

/* Small random cases, the same every time. */
static void test_random_cases(void **state)
{
    enum conv_family family = *(const enum conv_family *)*state;
    static const int channels[] = {1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 23, 31, 32, 40, 65};
    static const int kernels[] = {1, 3, 5, 7};
    struct rng rng;
    rng_seed(&rng, 20260101);
    for (int i = 0; i < 16; i++) {
        struct conv_case c;
        c.shape.channels_in = one_of(&rng, channels, 15);
        c.shape.channels_out = one_of(&rng, channels, 15);
        c.shape.kernel = one_of(&rng, kernels, 4);
        c.shape.stride = 1 + (int)rng_below(&rng, 2);
        c.height = 1 + (int)rng_below(&rng, 12);
        c.width = 1 + (int)rng_below(&rng, 19);
        c.batch = 1 + (int)rng_below(&rng, 5);
        c.images = 1 + (int)rng_below(&rng, (uint64_t)c.batch);
        c.activation = (enum activation)rng_below(&rng, ACT_COUNT + 1);
        c.extra_halo = (int)rng_below(&rng, 3);
        check_case(family, c);
    }
}

/* A NaN in the input must reach the output, whatever the activation: a diverged network is seen. */
static void test_nan_is_seen(void **state)
{
    enum conv_family family = *(const enum conv_family *)*state;
    for (enum activation a = 0; a <= ACT_COUNT; a++) {
        struct setup t = make(family, (struct conv_case){{3, 8, 3, 1}, 5, 5, 1, 1, a, 0});
        struct conv_epilogue epilogue = {.activation = a};
        struct span weights;
        cl_mem parameters = upload_weights(&t, &weights, &epilogue.bias);
        t.x[12] = NAN;
        cl_mem x = upload(&t, &t.plan.input, t.x), y = new_buffer(&t, &t.plan.output);
        ok(conv_forward(t.conv, x, weights, &epilogue, y, 1));
        double *got = download(&t, &t.plan.output, y, false);
        assert_true(isnan(got[12]));
        free(got);
        device_release(device, &parameters);
        device_release(device, &x);
        device_release(device, &y);
        drop(&t);
    }
}

static int open_device(void **state)
{
    (void)state;
    if (device_open(&device, 0, 0, 0, 1) == ERR_NONE)
        return 0;
    print_error("%s\n", error_message());
    return 1;
}

/* Closing asserts that no buffer is left. */
static int close_device(void **state)
{
    (void)state;
    device_close(device);
    return 0;
}

int main(void)
{
    static enum conv_family states[FAMILIES];
    struct CMUnitTest tests[3 * FAMILIES];
    static char names[3 * FAMILIES][64];
    static const struct {
        const char *name;
        CMUnitTestFunction function;
    } kinds[] = {{"cases", test_cases},
                 {"random cases", test_random_cases},
                 {"NaN is seen", test_nan_is_seen}};
    for (int f = 0; f < FAMILIES; f++) {
        states[f] = families[f];
        for (int k = 0; k < 3; k++) {
            snprintf(names[3 * f + k], sizeof names[0], "%s: %s", conv_family_name(families[f]),
                     kinds[k].name);
            tests[3 * f + k] =
                (struct CMUnitTest){names[3 * f + k], kinds[k].function, NULL, NULL, &states[f]};
        }
    }
    return cmocka_run_group_tests(tests, open_device, close_device);
}
