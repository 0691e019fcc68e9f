#include "cl_kernels/check_conv.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cl_kernels/check.h"
#include "cl_kernels/twins.h"

enum { GAP = 48 }; /* floats before each part of a parameter buffer: spans have offsets */

/* One case: its convolution, and what goes in, NCHW. */
struct conv_check {
    struct check check;
    const struct conv_case *c;
    struct twin_conv twin;
    struct conv_plan plan;
    struct conv *conv;
    size_t x_count, y_count, w_count;
    double *x, *w, *bias, *dy;
    double *abs_x, *abs_w, *abs_dy; /* their magnitudes */
    uint64_t digest;
};

/* FNV-1a over values, which floats are exactly. */
static void digest(struct conv_check *k, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    for (int i = 0; i < 8; i++)
        k->digest = (k->digest ^ (bits >> 8 * i & 0xff)) * 0x100000001b3u;
}

static bool keeps_derivative(enum activation activation)
{
    return activation == ACT_SWISH || activation == ACT_GELU;
}

void conv_case_text(char text[CHECK_SHAPE_SIZE], const struct conv_case *c)
{
    snprintf(text, CHECK_SHAPE_SIZE, "%d -> %d, k%d s%d, %dx%d, %d of %d images, %s, halo +%d",
             c->shape.channels_in, c->shape.channels_out, c->shape.kernel, c->shape.stride,
             c->height, c->width, c->images, c->batch,
             c->activation == ACT_COUNT ? "no activation" : activation_name(c->activation),
             c->extra_halo);
}

static enum error start(struct conv_check *k, struct device *device, enum conv_family family,
                        const struct conv_tiles *tiles, const struct conv_case *c)
{
    enum error err = ERR_NONE;
    const struct conv_shape *s = &c->shape;
    static const char *const ops[CONV_FAMILY_COUNT] = {[CONV_AUTO] = "convolution",
                                                       [CONV_VECTOR] = "convolution (vector)",
                                                       [CONV_TILED] = "convolution (tiled)",
                                                       [CONV_CLBLAST] = "convolution (clblast)",
                                                       [CONV_WINOGRAD] = "convolution (winograd)"};
    *k = (struct conv_check){
        .c = c, .twin = {*s, c->images, c->height, c->width}, .digest = 0xcbf29ce484222325u};
    char shape[CHECK_SHAPE_SIZE];
    conv_case_text(shape, c);
    check_start(&k->check, device, ops[family], "%s", shape);
    int out_height = twin_conv_height(&k->twin), out_width = twin_conv_width(&k->twin);
    int halo = s->kernel / 2 + c->extra_halo;
    k->plan = (struct conv_plan){
        .shape = *s,
        .input = layout_make_image(c->height, c->width, s->channels_in, halo),
        .output = layout_make(out_height, out_width, s->channels_out, 1 + c->extra_halo),
        .gradient = layout_make(out_height, out_width, s->channels_out, halo),
        .input_gradient = layout_make(c->height, c->width, s->channels_in, c->extra_halo),
        .family = family,
        .batch = c->batch,
    };
    if (tiles != NULL)
        k->plan.tiles = *tiles;
    TRY(conv_create(&k->conv, device, &k->plan));
    k->x_count = (size_t)c->images * (size_t)(s->channels_in * c->height * c->width);
    k->y_count = (size_t)c->images * (size_t)(s->channels_out * out_height * out_width);
    k->w_count = (size_t)(s->channels_out * s->channels_in * s->kernel * s->kernel);
    double w_scale = 1 / sqrt(s->channels_in * s->kernel * s->kernel);
    TRY(check_random(&k->x, &k->check, k->x_count, 1));
    TRY(check_random(&k->w, &k->check, k->w_count, w_scale));
    TRY(check_random(&k->bias, &k->check, (size_t)s->channels_out, 1));
    TRY(check_random(&k->dy, &k->check, k->y_count, 1));
    TRY(check_magnitudes(&k->abs_x, &k->check, k->x, k->x_count));
    TRY(check_magnitudes(&k->abs_w, &k->check, k->w, k->w_count));
    TRY(check_magnitudes(&k->abs_dy, &k->check, k->dy, k->y_count));
out:
    return err;
}

/* Compares a tensor in device memory with `count` twin values; `got` may be NULL. */
static enum error compare(struct conv_check *k, const char *what, const struct layout *layout,
                          cl_mem buffer, bool clean_lanes, const double *expected,
                          const double *sizes, size_t count, double **got)
{
    double *values;
    enum error err = check_read_tensor(&values, &k->check, layout, k->c->batch, k->c->images,
                                       buffer, clean_lanes);
    if (err != ERR_NONE)
        return err;
    for (size_t i = 0; i < count; i++) {
        check_value(&k->check, what, i, values[i], expected[i], sizes[i]);
        digest(k, values[i]);
    }
    if (got != NULL)
        *got = values;
    return ERR_NONE;
}

static size_t padded_to_group(const struct conv_check *k)
{
    int group = conv_group(k->conv);
    return (size_t)((k->c->shape.channels_out + group - 1) / group * group);
}

/* [gap | packed weights | gap | bias]; places that hold no weight are zero. */
static enum error upload_weights(struct conv_check *k, struct span *weights, struct span *bias)
{
    enum error err = ERR_NONE;
    const struct conv_shape *s = &k->c->shape;
    int taps = s->kernel * s->kernel;
    size_t w_floats = conv_weight_floats(k->conv), floats = w_floats + padded_to_group(k) + 2 * GAP;
    float *values;
    TRY(check_floats(&values, &k->check, floats));
    *weights = (struct span){.offset = GAP};
    *bias = (struct span){.offset = 2 * GAP + w_floats};
    for (int o = 0; o < s->channels_out; o++) {
        values[bias->offset + (size_t)o] = (float)k->bias[o];
        for (int i = 0; i < s->channels_in; i++)
            for (int tap = 0; tap < taps; tap++)
                values[GAP + conv_weight_place(k->conv, o, i, tap)] =
                    (float)k->w[(o * s->channels_in + i) * taps + tap];
    }
    TRY(check_upload(&weights->buffer, &k->check, values, floats));
    bias->buffer = weights->buffer;
out:
    return err;
}

static enum error upload_transposed(struct conv_check *k, struct span *weights)
{
    enum error err = ERR_NONE;
    const struct conv_shape *s = &k->c->shape;
    int taps = s->kernel * s->kernel;
    size_t floats = conv_transposed_floats(k->conv) + GAP;
    float *values;
    TRY(check_floats(&values, &k->check, floats));
    for (int o = 0; o < s->channels_out; o++)
        for (int i = 0; i < s->channels_in; i++)
            for (int tap = 0; tap < taps; tap++)
                values[GAP + conv_transposed_place(k->conv, o, i, tap)] =
                    (float)k->w[(o * s->channels_in + i) * taps + tap];
    *weights = (struct span){.offset = GAP};
    TRY(check_upload(&weights->buffer, &k->check, values, floats));
out:
    return err;
}

static size_t sums_floats(const struct layout *l, int parts)
{
    return (size_t)parts * 2 * (size_t)(l->blocks * l->lanes);
}

/* Partial sums for batch normalisation, added over the parts: of v, and of v * other (NCHW). */
static enum error compare_sums(struct conv_check *k, const struct layout *l, cl_mem sums, int parts,
                               const double *v, const double *other)
{
    enum error err = ERR_NONE;
    int channels = l->blocks * l->lanes, plane = l->height * l->width;
    float *got;
    TRY(check_download(&got, &k->check, sums, sums_floats(l, parts)));
    for (int c = 0; c < l->channels; c++) {
        double expected[2] = {0}, sizes[2] = {0}, found[2] = {0};
        for (int n = 0; n < k->c->images; n++)
            for (int i = 0; i < plane; i++) {
                size_t at = (size_t)((n * l->channels + c) * plane + i);
                double values[2] = {v[at], v[at] * other[at]};
                for (int which = 0; which < 2; which++) {
                    expected[which] += values[which];
                    sizes[which] += fabs(values[which]);
                }
            }
        for (int part = 0; part < parts; part++)
            for (int which = 0; which < 2; which++)
                found[which] += got[(size_t)((2 * part + which) * channels + c)];
        digest(k, found[0]);
        digest(k, found[1]);
        check_value(&k->check, "sums", (size_t)c, found[0], expected[0], sizes[0]);
        check_value(&k->check, "sums of products", (size_t)c, found[1], expected[1], sizes[1]);
    }
out:
    return err;
}

static enum error forward(struct conv_check *k)
{
    enum error err = ERR_NONE;
    const struct conv_case *c = k->c;
    const struct layout *l = &k->plan.output;
    struct conv_epilogue epilogue = {.activation = c->activation};
    struct conv_epilogue plain = {.activation = ACT_COUNT};
    struct span weights;
    cl_mem x, y;
    double *sums, *sizes, *values, *slopes, *got;
    TRY(upload_weights(k, &weights, &epilogue.bias));
    TRY(check_tensor(&x, &k->check, &k->plan.input, c->batch, c->images, k->x));
    TRY(check_tensor(&y, &k->check, l, c->batch, c->images, NULL));
    if (keeps_derivative(c->activation))
        TRY(check_tensor(&epilogue.derivative, &k->check, l, c->batch, c->images, NULL));
    TRY(check_doubles(&sums, &k->check, k->y_count));
    TRY(check_doubles(&sizes, &k->check, k->y_count));
    TRY(check_doubles(&values, &k->check, k->y_count));
    TRY(check_doubles(&slopes, &k->check, k->y_count));
    twin_conv_forward(&k->twin, k->abs_x, k->abs_w, NULL, sizes);
    twin_conv_forward(&k->twin, k->x, k->w, k->bias, sums);
    for (size_t i = 0; i < k->y_count; i++) {
        values[i] = twin_activation(c->activation, sums[i]);
        slopes[i] = twin_activation_derivative(c->activation, sums[i]);
    }
    TRY(conv_forward(k->conv, x, weights, &epilogue, y, c->images));
    TRY(compare(k, "y", l, y, false, values, sizes, k->y_count, NULL));
    if (epilogue.derivative != NULL)
        TRY(compare(k, "derivative", l, epilogue.derivative, false, slopes, sizes, k->y_count,
                    NULL));
    /* Without bias and activation the plain sums are left. */
    if (conv_parts(k->conv) > 0)
        TRY(check_buffer(&plain.sums, &k->check, sums_floats(l, c->images)));
    twin_conv_forward(&k->twin, k->x, k->w, NULL, sums);
    TRY(conv_forward(k->conv, x, weights, &plain, y, c->images));
    TRY(compare(k, "plain y", l, y, false, sums, sizes, k->y_count, &got));
    if (plain.sums != NULL)
        TRY(compare_sums(k, l, plain.sums, c->images, got, got));
out:
    return err;
}

/* The input gradient with batch normalisation below, whose z is `below`. */
static enum error chain_sums(struct conv_check *k, cl_mem dy, struct span transposed,
                             struct conv_chain *chain, const double *below, cl_mem dx)
{
    enum error err = ERR_NONE;
    const struct layout *l = &k->plan.input_gradient;
    int parts = k->c->images * conv_parts(k->conv), channels = l->blocks * l->lanes;
    float *means;
    double *centred, *got;
    TRY(check_floats(&means, &k->check, (size_t)channels));
    TRY(check_doubles(&centred, &k->check, k->x_count));
    for (int i = 0; i < l->channels; i++)
        means[i] = (float)(i % 5 - 2) / 4;
    for (size_t i = 0; i < k->x_count; i++)
        centred[i] =
            below[i] - (double)means[i / (size_t)(l->height * l->width) % (size_t)l->channels];
    chain->z_layout = layout_make(l->height, l->width, l->channels, 2);
    TRY(check_upload(&chain->means, &k->check, means, (size_t)channels));
    TRY(check_tensor(&chain->z, &k->check, &chain->z_layout, k->c->batch, k->c->images, below));
    TRY(check_buffer(&chain->sums, &k->check, sums_floats(l, parts)));
    TRY(conv_input_gradient(k->conv, dy, transposed, chain, dx, k->c->images));
    TRY(check_read_tensor(&got, &k->check, l, k->c->batch, k->c->images, dx, true));
    TRY(compare_sums(k, l, chain->sums, parts, got, centred));
out:
    return err;
}

static enum error input_gradient(struct conv_check *k)
{
    enum error err = ERR_NONE;
    const struct conv_case *c = k->c;
    const struct layout *l = &k->plan.input_gradient;
    struct conv_chain chain = {.activation = c->activation,
                               .layout = layout_make(c->height, c->width, c->shape.channels_in, 3)};
    struct span transposed;
    cl_mem dy, dx;
    /* The layer below: its sums, what it kept of them, and what follows. */
    double *below, *kept, *chained, *sums, *sizes;
    TRY(check_random(&below, &k->check, k->x_count, 1.5));
    TRY(check_doubles(&kept, &k->check, k->x_count));
    TRY(check_doubles(&chained, &k->check, k->x_count));
    TRY(check_doubles(&sums, &k->check, k->x_count));
    TRY(check_doubles(&sizes, &k->check, k->x_count));
    twin_conv_input_gradient(&k->twin, k->dy, k->w, sums);
    twin_conv_input_gradient(&k->twin, k->abs_dy, k->abs_w, sizes);
    for (size_t i = 0; i < k->x_count; i++) {
        double slope = twin_activation_derivative(c->activation, below[i]);
        kept[i] =
            keeps_derivative(c->activation) ? slope : twin_activation(c->activation, below[i]);
        chained[i] = sums[i] * slope;
    }
    TRY(upload_transposed(k, &transposed));
    TRY(check_tensor(&dy, &k->check, &k->plan.gradient, c->batch, c->images, k->dy));
    TRY(check_tensor(&dx, &k->check, l, c->batch, c->images, NULL));
    TRY(check_tensor(&chain.kept, &k->check, &chain.layout, c->batch, c->images, kept));
    TRY(conv_input_gradient(k->conv, dy, transposed, &chain, dx, c->images));
    TRY(compare(k, "dx", l, dx, true, chained, sizes, k->x_count, NULL));
    TRY(conv_input_gradient(k->conv, dy, transposed, NULL, dx, c->images));
    TRY(compare(k, "plain dx", l, dx, true, sums, sizes, k->x_count, NULL));
    if (conv_parts(k->conv) > 0)
        TRY(chain_sums(k, dy, transposed, &chain, below, dx));
out:
    return err;
}

/* The partial gradients, added in order: [gap | dw | gap | db]. The buffer starts full of ones:
   what is not overwritten is seen. */
static enum error run_weight_gradient(struct conv_check *k, cl_mem x, cl_mem dy, bool biased,
                                      float **out)
{
    enum error err = ERR_NONE;
    int splits = conv_splits(k->conv);
    size_t w_floats = conv_weight_floats(k->conv);
    size_t stride = w_floats + padded_to_group(k) + 2 * GAP, all = stride * (size_t)splits;
    struct span dw = {.offset = GAP}, db = {.offset = 2 * GAP + w_floats};
    float *ones, *partial;
    TRY(check_floats(&ones, &k->check, all));
    TRY(check_floats(out, &k->check, stride));
    for (size_t i = 0; i < all; i++)
        ones[i] = 1;
    TRY(check_upload(&dw.buffer, &k->check, ones, all));
    if (biased)
        db.buffer = dw.buffer;
    TRY(conv_weight_gradient(k->conv, x, dy, dw, db, stride, k->c->images));
    TRY(check_download(&partial, &k->check, dw.buffer, all));
    for (int split = 0; split < splits; split++)
        for (size_t i = 0; i < stride; i++)
            (*out)[i] += partial[(size_t)split * stride + i];
    for (size_t i = 0; i < GAP; i++) {
        check_that(&k->check, (*out)[i] == (float)splits, "float before dw", i);
        check_that(&k->check, (*out)[GAP + w_floats + i] == (float)splits, "float after dw", i);
    }
out:
    return err;
}

static void compare_weight_gradient(struct conv_check *k, const float *got, const double *dw,
                                    const double *w_sizes)
{
    const struct conv_shape *s = &k->c->shape;
    int taps = s->kernel * s->kernel;
    double found = 0, all = 0;
    for (int o = 0; o < s->channels_out; o++)
        for (int i = 0; i < s->channels_in; i++)
            for (int tap = 0; tap < taps; tap++) {
                size_t place = (size_t)((o * s->channels_in + i) * taps + tap);
                double value = (double)got[GAP + conv_weight_place(k->conv, o, i, tap)];
                check_value(&k->check, "dw", place, value, dw[place], w_sizes[place]);
                digest(k, value);
                found += fabs(value);
            }
    /* Places that hold no weight get exact zeros, so that the optimizer leaves them alone. */
    for (size_t i = 0; i < conv_weight_floats(k->conv); i++)
        all += fabs((double)got[GAP + i]);
    check_that(&k->check, fabs(all - found) <= 1e-9 * found, "sum of dw outside the weights", 0);
}

static enum error weight_gradient(struct conv_check *k)
{
    enum error err = ERR_NONE;
    const struct conv_case *c = k->c;
    size_t outputs = (size_t)c->shape.channels_out;
    size_t db_at = 2 * GAP + conv_weight_floats(k->conv);
    cl_mem x, dy;
    float *got, *again;
    double *dw, *db, *w_sizes, *b_sizes;
    TRY(check_tensor(&x, &k->check, &k->plan.input, c->batch, c->images, k->x));
    TRY(check_tensor(&dy, &k->check, &k->plan.gradient, c->batch, c->images, k->dy));
    TRY(check_doubles(&dw, &k->check, k->w_count));
    TRY(check_doubles(&w_sizes, &k->check, k->w_count));
    TRY(check_doubles(&db, &k->check, outputs));
    TRY(check_doubles(&b_sizes, &k->check, outputs));
    twin_conv_weight_gradient(&k->twin, k->x, k->dy, dw, db);
    twin_conv_weight_gradient(&k->twin, k->abs_x, k->abs_dy, w_sizes, b_sizes);
    TRY(run_weight_gradient(k, x, dy, true, &got));
    compare_weight_gradient(k, got, dw, w_sizes);
    for (size_t o = 0; o < outputs; o++) {
        check_value(&k->check, "db", o, got[db_at + o], db[o], b_sizes[o]);
        digest(k, got[db_at + o]);
    }
    TRY(run_weight_gradient(k, x, dy, true, &again));
    check_that(&k->check, memcmp(got, again, (db_at + outputs) * sizeof *got) == 0,
               "the same bytes twice", 0);
    /* The bias is not always wanted; then its place keeps the ones. */
    TRY(run_weight_gradient(k, x, dy, false, &again));
    check_that(&k->check, memcmp(got, again, db_at * sizeof *got) == 0, "dw without db", 0);
    for (size_t o = 0; o < outputs; o++)
        check_that(&k->check, again[db_at + o] == (float)conv_splits(k->conv), "unwanted db", o);
out:
    return err;
}

enum error conv_check(struct device *device, enum conv_family family,
                      const struct conv_tiles *tiles, const struct conv_case *c,
                      struct conv_outcome *outcome)
{
    enum error err = ERR_NONE;
    struct conv_check k;
    TRY(start(&k, device, family, tiles, c));
    TRY(forward(&k));
    TRY(input_gradient(&k));
    TRY(weight_gradient(&k));
out:
    conv_destroy(k.conv);
    if (outcome != NULL)
        *outcome = (struct conv_outcome){k.check.worst, k.digest};
    return check_end(&k.check, err);
}
