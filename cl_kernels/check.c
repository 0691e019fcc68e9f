#include "cl_kernels/check.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void check_start(struct check *check, struct device *device, const char *op, const char *format,
                 ...)
{
    *check = (struct check){.device = device, .op = op};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(check->shape, sizeof check->shape, format, arguments);
    va_end(arguments);
    rng_seed(&check->rng, 20260131);
}

enum error check_end(struct check *check, enum error err)
{
    for (int i = 0; i < check->buffer_count; i++)
        device_release(check->device, &check->buffers[i]);
    for (int i = 0; i < check->block_count; i++)
        free(check->blocks[i]);
    check->buffer_count = check->block_count = 0;
    if (err != ERR_NONE || check->worst <= 1)
        return err;
    return error_set(ERR_NO_DEVICE,
                     "self-test: %s (%s) on %s: %s[%zu] is %.9g, should be %.9g: %.3g times the "
                     "allowed error; the driver or the device computes wrongly, leave it out of "
                     "devices.use",
                     check->op, check->shape, device_get_info(check->device)->name,
                     check->worst_what, check->worst_place, check->worst_got, check->worst_expected,
                     check->worst);
}

void check_value(struct check *check, const char *what, size_t place, double got, double expected,
                 double size)
{
    double ratio = fabs(got - expected) / (2e-6 * size + 5e-7 * (1 + fabs(expected)));
    if (ratio <= check->worst)
        return;
    check->worst = isnan(ratio) ? INFINITY : ratio;
    check->worst_what = what;
    check->worst_place = place;
    check->worst_got = got;
    check->worst_expected = expected;
}

void check_that(struct check *check, bool condition, const char *what, size_t place)
{
    if (!condition)
        check_value(check, what, place, NAN, 0, 0);
}

/* Zeroed memory that check_end() frees. */
static enum error allocate(void **out, struct check *check, size_t count, size_t size)
{
    assert(check->block_count < CHECK_BLOCKS_MAX);
    *out = calloc(count > 0 ? count : 1, size);
    if (*out == NULL)
        return error_set(ERR_INTERNAL, "out of memory for a self-test array of %zu values", count);
    check->blocks[check->block_count++] = *out;
    return ERR_NONE;
}

enum error check_doubles(double **out, struct check *check, size_t count)
{
    void *block = NULL;
    enum error err = allocate(&block, check, count, sizeof **out);
    *out = block;
    return err;
}

enum error check_floats(float **out, struct check *check, size_t count)
{
    void *block = NULL;
    enum error err = allocate(&block, check, count, sizeof **out);
    *out = block;
    return err;
}

enum error check_random(double **out, struct check *check, size_t count, double scale)
{
    enum error err = check_doubles(out, check, count);
    for (size_t i = 0; err == ERR_NONE && i < count; i++)
        (*out)[i] = (float)(rng_normal(&check->rng) * scale);
    return err;
}

enum error check_magnitudes(double **out, struct check *check, const double *values, size_t count)
{
    enum error err = check_doubles(out, check, count);
    for (size_t i = 0; err == ERR_NONE && i < count; i++)
        (*out)[i] = fabs(values[i]);
    return err;
}

enum error check_buffer(cl_mem *out, struct check *check, size_t floats)
{
    assert(check->buffer_count < CHECK_BLOCKS_MAX);
    enum error err = device_buffer(out, check->device, floats * sizeof(float));
    if (err == ERR_NONE)
        check->buffers[check->buffer_count++] = *out;
    return err;
}

enum error check_upload(cl_mem *out, struct check *check, const float *values, size_t count)
{
    enum error err = check_buffer(out, check, count);
    if (err != ERR_NONE)
        return err;
    return device_write(check->device, *out, 0, values, count * sizeof *values);
}

enum error check_download(float **out, struct check *check, cl_mem buffer, size_t count)
{
    enum error err = check_floats(out, check, count);
    if (err != ERR_NONE)
        return err;
    return device_read(check->device, buffer, 0, *out, count * sizeof **out);
}

static size_t values_of(const struct layout *l, int images)
{
    return (size_t)images * (size_t)(l->channels * l->height * l->width);
}

enum error check_tensor(cl_mem *out, struct check *check, const struct layout *layout, int batch,
                        int images, const double *nchw)
{
    enum error err = ERR_NONE;
    float *plain, *blocked;
    size_t count = values_of(layout, images), floats = layout_floats(layout, batch);
    if (nchw == NULL)
        return check_buffer(out, check, floats);
    TRY(check_floats(&plain, check, count));
    TRY(check_floats(&blocked, check, floats));
    for (size_t i = 0; i < count; i++)
        plain[i] = (float)nchw[i];
    layout_pack(layout, images, plain, blocked);
    TRY(check_upload(out, check, blocked, floats));
out:
    return err;
}

/* Whether float `i` of a buffer holds a value of a channel of one of the images; *lane_only tells
   that it would, but for its lane. */
static bool is_value(const struct layout *l, int images, size_t i, bool *lane_only)
{
    int columns = l->width + 2 * l->halo, rows = l->height + 2 * l->halo;
    int column = (int)(i / (size_t)l->lanes % (size_t)columns) - l->halo;
    int row = (int)(i / l->row % (size_t)rows) - l->halo;
    int channel = (int)(i / l->block % (size_t)l->blocks) * l->lanes + (int)(i % (size_t)l->lanes);
    bool inside = i / l->image < (size_t)images && row >= 0 && row < l->height && column >= 0 &&
                  column < l->width;
    *lane_only = inside && channel >= l->channels;
    return inside && channel < l->channels;
}

enum error check_read_tensor(double **out, struct check *check, const struct layout *layout,
                             int batch, int images, cl_mem buffer, bool clean_lanes)
{
    enum error err = ERR_NONE;
    float *plain, *blocked;
    size_t count = values_of(layout, images), floats = layout_floats(layout, batch);
    TRY(check_doubles(out, check, count));
    TRY(check_floats(&plain, check, count));
    TRY(check_download(&blocked, check, buffer, floats));
    layout_unpack(layout, images, blocked, plain);
    for (size_t i = 0; i < count; i++)
        (*out)[i] = plain[i];
    for (size_t i = 0; i < floats; i++) {
        bool lane_only;
        if (!is_value(layout, images, i, &lane_only) && (clean_lanes || !lane_only))
            check_that(check, blocked[i] == 0.0f, "float outside the result", i);
    }
out:
    return err;
}
