/* The tuner's part for CLBlast: which parameters its products run fastest with on this device. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cl_kernels/check.h"
#include "cl_kernels/conv_family.h"
#include "cl_kernels/tuner.h"
#include "cl_kernels/tuning.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"

enum { SIZES_MAX = 6, ROUNDS = 3 };

static const double clearly = 0.97;     /* of the time with CLBlast's own parameters */
static const double flops_wanted = 3e8; /* of a product, on a compute unit of a CPU */

/* c[m][n] = op(a)[m][k] * b[k][n] */
struct product {
    size_t m, n, k;
    bool transposed;
};

struct work {
    struct device *device;
    struct product sizes[SIZES_MAX];
    int size_count;
    double flops; /* of all of them */
    cl_mem a, b, c;
};

/* Whether CLBlast may get convolutions of the class, by wish or because the tuner finds it fastest.
 */
static bool concerns(const struct device *device, const struct tune_class *class)
{
    bool open = class->family == CONV_AUTO && !device_is_cpu(device);
    struct conv_plan plan = tune_class_plan(class, open ? CONV_CLBLAST : class->family);
    return conv_family_by_rule(device, &plan) == CONV_CLBLAST;
}

/* The products of the first classes: forward, and the weight gradient, whose sums are long. */
static void choose_sizes(struct work *w, const struct tune_class *classes, size_t count)
{
    for (size_t i = 0; i < count && w->size_count + 2 <= SIZES_MAX; i++) {
        const struct tune_class *class = &classes[i];
        if (!concerns(w->device, class))
            continue;
        size_t taps = (size_t)(class->kernel * class->kernel * class->channels_in);
        size_t outputs = (size_t) class->channels_out;
        struct conv_plan plan = tune_class_plan(class, CONV_CLBLAST);
        double rows = (double)plan.output.height * plan.output.width * class->batch;
        if (device_is_cpu(w->device))
            rows = fmin(rows, ceil(flops_wanted * device_get_info(w->device)->compute_units /
                                   (2.0 * (double)(taps * outputs))));
        size_t pixels = (size_t)rows;
        w->sizes[w->size_count++] = (struct product){pixels, outputs, taps, false};
        w->sizes[w->size_count++] = (struct product){taps, outputs, pixels, true};
        w->flops += 4.0 * rows * (double)(taps * outputs);
    }
}

static enum error make_buffers(struct work *w)
{
    enum error err = ERR_NONE;
    size_t a = 0, b = 0, c = 0;
    for (int i = 0; i < w->size_count; i++) {
        const struct product *p = &w->sizes[i];
        a = p->m * p->k > a ? p->m * p->k : a;
        b = p->k * p->n > b ? p->k * p->n : b;
        c = p->m * p->n > c ? p->m * p->n : c;
    }
    TRY(device_buffer(&w->a, w->device, a * sizeof(float)));
    TRY(device_buffer(&w->b, w->device, b * sizeof(float)));
    TRY(device_buffer(&w->c, w->device, c * sizeof(float)));
out:
    return err;
}

static enum error check_product(struct work *w, const struct product *p, bool accumulate)
{
    enum error err = ERR_NONE;
    struct check check;
    double *a, *b, *c;
    float *floats, *got;
    struct matrix matrices[3];
    size_t rows = p->transposed ? p->k : p->m, columns = p->transposed ? p->m : p->k;
    check_start(&check, w->device, "product (clblast)", "%zu x %zu x %zu", p->m, p->n, p->k);
    TRY(check_random(&a, &check, rows * columns, 1));
    TRY(check_random(&b, &check, p->k * p->n, 1));
    TRY(check_random(&c, &check, p->m * p->n, 1));
    const double *sources[] = {a, b, c};
    const size_t counts[] = {rows * columns, p->k * p->n, p->m * p->n};
    const size_t strides[] = {columns, p->n, p->n};
    for (int i = 0; i < 3; i++) {
        TRY(check_floats(&floats, &check, counts[i]));
        for (size_t k = 0; k < counts[i]; k++)
            floats[k] = (float)sources[i][k];
        matrices[i] = (struct matrix){.stride = strides[i]};
        TRY(check_upload(&matrices[i].buffer, &check, floats, counts[i]));
    }
    TRY(gemm_multiply(w->device, p->m, p->n, p->k, &matrices[0], p->transposed, &matrices[1],
                      accumulate, &matrices[2]));
    TRY(check_download(&got, &check, matrices[2].buffer, counts[2]));
    for (size_t m = 0; m < p->m; m++)
        for (size_t n = 0; n < p->n; n++) {
            double sum = accumulate ? c[m * p->n + n] : 0, size = fabs(sum);
            for (size_t k = 0; k < p->k; k++) {
                double term = a[p->transposed ? k * p->m + m : m * p->k + k] * b[k * p->n + n];
                sum += term;
                size += fabs(term);
            }
            size_t place = m * p->n + n;
            check_value(&check, "c", place, (double)got[place], sum, size);
        }
out:
    return check_end(&check, err);
}

/* Ragged ones, both forms, with and without a sum that is there already. */
static enum error check_set(struct work *w)
{
    static const struct product ragged[] = {{133, 24, 75, false}, {75, 24, 261, true}};
    enum error err = ERR_NONE;
    for (int i = 0; i < 4 && err == ERR_NONE; i++)
        err = check_product(w, &ragged[i % 2], i >= 2);
    return err;
}

/* The shortest times of all sizes together; the first round compiles. */
static enum error time_set(double *seconds, struct work *w)
{
    enum error err = ERR_NONE;
    *seconds = 0;
    for (int i = 0; i < w->size_count; i++) {
        const struct product *p = &w->sizes[i];
        struct matrix a = {w->a, 0, p->transposed ? p->m : p->k}, b = {w->b, 0, p->n},
                      c = {w->c, 0, p->n};
        double best = INFINITY;
        for (int round = 0; round <= ROUNDS; round++) {
            double begin = clock_monotonic_s();
            TRY(gemm_multiply(w->device, p->m, p->n, p->k, &a, p->transposed, &b, false, &c));
            TRY(device_finish(w->device));
            if (round > 0)
                best = fmin(best, clock_monotonic_s() - begin);
        }
        *seconds += best;
    }
out:
    return err;
}

static enum error try_set(struct tune_product *product, struct work *w)
{
    enum error err = ERR_NONE;
    double seconds;
    TRY(gemm_use(w->device, product->set));
    TRY(check_set(w));
    TRY(time_set(&seconds, w));
    product->gflops = 1e-9 * w->flops / seconds;
out:
    if (err == ERR_NONE || err == ERR_INTERNAL)
        return err;
    product->status = TUNE_DISQUALIFIED;
    snprintf(product->reason, sizeof product->reason, "%s", error_message());
    for (char *at = product->reason; *at != '\0'; at++)
        if (*at == ',' || *at == '"' || *at < ' ')
            *at = ' ';
    return ERR_NONE;
}

/* CLBlast's own, unless another is clearly faster, or it is wrong. */
static void choose(struct tuning *tuning)
{
    int best = 0;
    for (int i = 1; i < tuning->product_count; i++) {
        double rival = tuning->products[best].gflops;
        if (best == 0)
            rival /= clearly;
        if (tuning->products[i].status == TUNE_OK && tuning->products[i].gflops > rival)
            best = i;
    }
    tuning->products[best].chosen = true;
}

/* Classes in which CLBlast was timed with other parameters: they are to be timed again. */
static void forget_classes(struct tuning *tuning)
{
    for (size_t i = 0; i < tuning->count;) {
        struct tune_class class = tuning->rows[i].class;
        if (tuning->rows[i].family == CONV_CLBLAST) {
            tuning_remove(tuning, &class);
            i = 0;
        } else {
            i++;
        }
    }
}

enum error tuner_products(struct tuning *tuning, struct device *device,
                          const struct tune_class *classes, size_t count, double seconds)
{
    enum error err = ERR_NONE;
    double deadline_s = clock_monotonic_s() + seconds;
    struct work w = {.device = device};
    int sets[GEMM_SETS_MAX + 1] = {GEMM_OWN};
    int before = tuning_product(tuning);
    choose_sizes(&w, classes, count);
    if (w.size_count == 0)
        return ERR_NONE;
    int set_count = 1 + gemm_sets(sets + 1, device_is_cpu(device));
    log_event(LOG_INFO, "tuning CLBlast for %s, about %.0f s; this is done once",
              device_get_info(device)->name, seconds);
    TRY(make_buffers(&w));
    tuning->product_count = 0;
    for (int i = 0; i < set_count; i++) {
        struct tune_product *product = &tuning->products[tuning->product_count++];
        *product = (struct tune_product){.set = sets[i], .status = TUNE_UNTIMED};
        if (i > 0 && clock_monotonic_s() >= deadline_s)
            continue;
        product->status = TUNE_OK;
        TRY(try_set(product, &w));
    }
    choose(tuning);
    if (tuning_product(tuning) != before)
        forget_classes(tuning);
out:
    device_release(device, &w.a);
    device_release(device, &w.b);
    device_release(device, &w.c);
    return err;
}
