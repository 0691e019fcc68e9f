#include "cl_kernels/twins.h"

#include <math.h>
#include <string.h>

int twin_conv_height(const struct twin_conv *conv)
{
    return (conv->height + conv->shape.stride - 1) / conv->shape.stride;
}

int twin_conv_width(const struct twin_conv *conv)
{
    return (conv->width + conv->shape.stride - 1) / conv->shape.stride;
}

/* The tensors of one pass: what it reads, and what it adds to. */
struct pass {
    const double *x, *dy, *w;
    double *sum;
};

/* `count` outputs of a row meet one tap: y[y + k] <-> x[x + k * stride], weight w. */
struct segment {
    size_t x, y, w;
    int count, stride;
};

static void add_forward(const struct pass *pass, const struct segment *s)
{
    for (int k = 0; k < s->count; k++)
        pass->sum[s->y + (size_t)k] += pass->x[s->x + (size_t)(k * s->stride)] * pass->w[s->w];
}

static void add_input_gradient(const struct pass *pass, const struct segment *s)
{
    for (int k = 0; k < s->count; k++)
        pass->sum[s->x + (size_t)(k * s->stride)] += pass->dy[s->y + (size_t)k] * pass->w[s->w];
}

static void add_weight_gradient(const struct pass *pass, const struct segment *s)
{
    for (int k = 0; k < s->count; k++)
        pass->sum[s->w] += pass->x[s->x + (size_t)(k * s->stride)] * pass->dy[s->y + (size_t)k];
}

/* The outputs first..last-1 of a side whose tap `tap` is inside the image. */
static void inside(int *first, int *last, int side, int out_side, int tap, int pad, int stride)
{
    *first = 0;
    *last = out_side;
    while (*first < *last && *first * stride + tap - pad < 0)
        ++*first;
    while (*last > *first && (*last - 1) * stride + tap - pad >= side)
        --*last;
}

/* Calls `add` for every meeting of an output row, an input channel and a tap. */
static void walk(const struct twin_conv *c, const struct pass *pass,
                 void add(const struct pass *, const struct segment *))
{
    const struct conv_shape *s = &c->shape;
    int out_height = twin_conv_height(c), out_width = twin_conv_width(c), pad = s->kernel / 2;
    for (int o = 0; o < s->channels_out; o++)
        for (int i = 0; i < s->channels_in; i++)
            for (int tap = 0; tap < s->kernel * s->kernel; tap++) {
                int tap_y = tap / s->kernel, tap_x = tap % s->kernel;
                int row, rows, column, columns;
                inside(&row, &rows, c->height, out_height, tap_y, pad, s->stride);
                inside(&column, &columns, c->width, out_width, tap_x, pad, s->stride);
                if (columns == column)
                    continue;
                struct segment segment = {.count = columns - column, .stride = s->stride};
                segment.w =
                    (size_t)((o * s->channels_in + i) * s->kernel * s->kernel) + (size_t)tap;
                for (int n = 0; n < c->images; n++)
                    for (int y = row; y < rows; y++) {
                        size_t x_row = (size_t)(n * s->channels_in + i) * (size_t)c->height +
                                       (size_t)(y * s->stride + tap_y - pad);
                        size_t y_row =
                            (size_t)(n * s->channels_out + o) * (size_t)out_height + (size_t)y;
                        segment.x =
                            x_row * (size_t)c->width + (size_t)(column * s->stride + tap_x - pad);
                        segment.y = y_row * (size_t)out_width + (size_t)column;
                        add(pass, &segment);
                    }
            }
}

void twin_conv_forward(const struct twin_conv *conv, const double *x, const double *w,
                       const double *bias, double *y)
{
    int plane = twin_conv_height(conv) * twin_conv_width(conv);
    int channels = conv->shape.channels_out;
    for (size_t i = 0; i < (size_t)conv->images * (size_t)channels * (size_t)plane; i++)
        y[i] = bias != NULL ? bias[i / (size_t)plane % (size_t)channels] : 0.0;
    walk(conv, &(struct pass){.x = x, .w = w, .sum = y}, add_forward);
}

void twin_conv_input_gradient(const struct twin_conv *conv, const double *dy, const double *w,
                              double *dx)
{
    size_t values = (size_t)conv->images * (size_t)conv->shape.channels_in * (size_t)conv->height *
                    (size_t)conv->width;
    memset(dx, 0, values * sizeof *dx);
    walk(conv, &(struct pass){.dy = dy, .w = w, .sum = dx}, add_input_gradient);
}

void twin_conv_weight_gradient(const struct twin_conv *conv, const double *x, const double *dy,
                               double *dw, double *db)
{
    const struct conv_shape *s = &conv->shape;
    int plane = twin_conv_height(conv) * twin_conv_width(conv);
    memset(dw, 0, sizeof *dw * (size_t)(s->channels_out * s->channels_in * s->kernel * s->kernel));
    memset(db, 0, sizeof *db * (size_t)s->channels_out);
    walk(conv, &(struct pass){.x = x, .dy = dy, .sum = dw}, add_weight_gradient);
    for (int n = 0; n < conv->images; n++)
        for (int o = 0; o < s->channels_out; o++)
            for (int i = 0; i < plane; i++)
                db[o] += *dy++;
}

static double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

/* Of the standard normal distribution. */
static double distribution(double x)
{
    return 0.5 * erfc(-x / sqrt(2.0));
}

static double density(double x)
{
    return exp(-0.5 * x * x) / sqrt(2.0 * 3.14159265358979323846);
}

double twin_activation(enum activation activation, double x)
{
    switch (activation) {
    case ACT_RELU:
        return x < 0.0 ? 0.0 : x; /* NaN stays NaN */
    case ACT_SIGMOID:
        return sigmoid(x);
    case ACT_TANH:
        return tanh(x);
    case ACT_SWISH:
        return x * sigmoid(x);
    case ACT_GELU:
        return x * distribution(x);
    default:
        return x;
    }
}

double twin_activation_derivative(enum activation activation, double x)
{
    double s;
    switch (activation) {
    case ACT_RELU:
        return x > 0.0 ? 1.0 : 0.0;
    case ACT_SIGMOID:
        s = sigmoid(x);
        return s * (1.0 - s);
    case ACT_TANH:
        return 1.0 - tanh(x) * tanh(x);
    case ACT_SWISH:
        s = sigmoid(x);
        return s + x * s * (1.0 - s);
    case ACT_GELU:
        return distribution(x) + x * density(x);
    default:
        return 1.0;
    }
}

void twin_pool_forward(int images, int channels, int pixels, const double *x, double *y)
{
    for (int k = 0; k < images * channels; k++) {
        y[k] = 0;
        for (int i = 0; i < pixels; i++)
            y[k] += x[k * pixels + i];
        y[k] /= pixels;
    }
}

void twin_pool_input_gradient(int images, int channels, int pixels, const double *dy, double *dx)
{
    for (int k = 0; k < images * channels; k++)
        for (int i = 0; i < pixels; i++)
            dx[k * pixels + i] = dy[k] / pixels;
}

void twin_dense_forward(int images, int inputs, int outputs, const double *x, const double *w,
                        const double *bias, double *y)
{
    for (int n = 0; n < images; n++)
        for (int o = 0; o < outputs; o++) {
            double sum = bias[o];
            for (int i = 0; i < inputs; i++)
                sum += x[n * inputs + i] * w[o * inputs + i];
            y[n * outputs + o] = sum;
        }
}

void twin_dense_input_gradient(int images, int inputs, int outputs, const double *dy,
                               const double *w, double *dx)
{
    for (int n = 0; n < images; n++)
        for (int i = 0; i < inputs; i++) {
            double sum = 0;
            for (int o = 0; o < outputs; o++)
                sum += dy[n * outputs + o] * w[o * inputs + i];
            dx[n * inputs + i] = sum;
        }
}

void twin_dense_weight_gradient(int images, int inputs, int outputs, const double *x,
                                const double *dy, double *dw, double *db)
{
    for (int o = 0; o < outputs; o++) {
        db[o] = 0;
        for (int n = 0; n < images; n++)
            db[o] += dy[n * outputs + o];
        for (int i = 0; i < inputs; i++) {
            double sum = 0;
            for (int n = 0; n < images; n++)
                sum += x[n * inputs + i] * dy[n * outputs + o];
            dw[o * inputs + i] = sum;
        }
    }
}

double twin_softmax_loss(int images, int classes, double smoothing, const double *logits,
                         const uint8_t *labels, double *dlogits, int *correct)
{
    double loss = 0;
    *correct = 0;
    for (int n = 0; n < images; n++) {
        const double *row = logits + (size_t)n * (size_t)classes;
        int best = 0;
        double sum = 0;
        for (int k = 1; k < classes; k++)
            if (row[k] > row[best])
                best = k;
        for (int k = 0; k < classes; k++)
            sum += exp(row[k] - row[best]);
        loss += log(sum) + row[best] - row[labels[n]];
        *correct += best == labels[n];
        for (int k = 0; dlogits != NULL && k < classes; k++) {
            double target = (k == labels[n]) * (1.0 - smoothing) + smoothing / classes;
            dlogits[(size_t)n * (size_t)classes + (size_t)k] =
                (exp(row[k] - row[best]) / sum - target) / images;
        }
    }
    return loss / images;
}

void twin_optimizer_step(const struct twin_step *step, size_t count, double *p, const double *g,
                         double *m, double *v)
{
    double lr = step->learning_rate;
    double correction1 = 1.0 - pow(step->beta1, (double)step->step);
    double correction2 = 1.0 - pow(step->beta2, (double)step->step);
    for (size_t i = 0; i < count; i++) {
        double gradient = g[i];
        if (step->optimizer == OPTIMIZER_ADAMW)
            p[i] -= lr * step->weight_decay * p[i];
        else
            gradient += step->weight_decay * p[i];
        if (step->optimizer == OPTIMIZER_SGD) {
            m[i] = step->momentum * m[i] + gradient;
            p[i] -= lr * m[i];
            continue;
        }
        m[i] = step->beta1 * m[i] + (1.0 - step->beta1) * gradient;
        v[i] = step->beta2 * v[i] + (1.0 - step->beta2) * gradient * gradient;
        p[i] -= lr * (m[i] / correction1) / (sqrt(v[i] / correction2) + step->epsilon);
    }
}

/* Mean and 1 / sqrt(variance + epsilon) of channel c. */
static void norm_statistics(int images, int channels, int pixels, double epsilon, const double *z,
                            int c, double *mean, double *deviation)
{
    double count = (double)images * pixels, sum = 0.0, square = 0.0;
    for (int n = 0; n < images; n++)
        for (int p = 0; p < pixels; p++)
            sum += z[(n * channels + c) * pixels + p];
    *mean = sum / count;
    for (int n = 0; n < images; n++)
        for (int p = 0; p < pixels; p++) {
            double d = z[(n * channels + c) * pixels + p] - *mean;
            square += d * d;
        }
    *deviation = 1.0 / sqrt(square / count + epsilon);
}

void twin_norm_forward(int images, int channels, int pixels, double epsilon, const double *z,
                       const double *gamma, const double *beta, double *u, double *mean,
                       double *deviation)
{
    for (int c = 0; c < channels; c++) {
        norm_statistics(images, channels, pixels, epsilon, z, c, &mean[c], &deviation[c]);
        for (int n = 0; n < images; n++)
            for (int p = 0; p < pixels; p++) {
                int i = (n * channels + c) * pixels + p;
                u[i] = gamma[c] * (z[i] - mean[c]) * deviation[c] + beta[c];
            }
    }
}

void twin_norm_gradient(int images, int channels, int pixels, double epsilon, const double *z,
                        const double *gamma, const double *du, double *dz, double *dgamma,
                        double *dbeta)
{
    double count = (double)images * pixels;
    for (int c = 0; c < channels; c++) {
        double mean, deviation;
        norm_statistics(images, channels, pixels, epsilon, z, c, &mean, &deviation);
        dgamma[c] = dbeta[c] = 0.0;
        for (int n = 0; n < images; n++)
            for (int p = 0; p < pixels; p++) {
                int i = (n * channels + c) * pixels + p;
                dbeta[c] += du[i];
                dgamma[c] += du[i] * (z[i] - mean) * deviation;
            }
        for (int n = 0; n < images; n++)
            for (int p = 0; p < pixels; p++) {
                int i = (n * channels + c) * pixels + p;
                double v = (z[i] - mean) * deviation;
                dz[i] = gamma[c] * deviation * (du[i] - dbeta[c] / count - v * dgamma[c] / count);
            }
    }
}

void twin_average_step(double decay, size_t count, const double *p, double *average)
{
    for (size_t i = 0; i < count; i++)
        average[i] = decay * average[i] + (1 - decay) * p[i];
}
