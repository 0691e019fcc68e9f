/*
 * Tools for comparing kernels with their CPU twins, for device_self_test() and the tests: host
 * arrays and device buffers that live until the check ends, tensors in and out of the blocked
 * layout, and the largest error so far.
 */
#ifndef CLADE_CL_KERNELS_CHECK_H
#define CLADE_CL_KERNELS_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cl_kernels/device.h"
#include "cl_kernels/layout.h"
#include "pipeline/base/rng.h"

enum { CHECK_SHAPE_SIZE = 96, CHECK_BLOCKS_MAX = 128 };

struct check {
    struct device *device;
    const char *op;               /* "convolution (vector)" */
    char shape[CHECK_SHAPE_SIZE]; /* "17 -> 33, k3 s2, 28x28, 2 images" */
    struct rng rng;
    /* The value that is worst off: its error in units of what is allowed. */
    double worst;
    const char *worst_what;
    size_t worst_place;
    double worst_got, worst_expected;
    void *blocks[CHECK_BLOCKS_MAX];
    int block_count;
    cl_mem buffers[CHECK_BLOCKS_MAX];
    int buffer_count;
};

/* `op` must outlive the check; the rest is the shape, printf format. */
void check_start(struct check *check, struct device *device, const char *op, const char *format,
                 ...) __attribute__((format(printf, 4, 5)));

/* Frees everything. Returns `err` if that is an error; else ERR_NO_DEVICE when a value was off by
   more than is allowed, naming device, op, shape and the worst value. */
enum error check_end(struct check *check, enum error err);

/*
 * Compares one value. Allowed is 2e-6 * size + 5e-7 * (1 + |expected|), `size` being the sum of the
 * magnitudes of the terms of a sum (0 for what is not a sum): single precision has 6e-8, a sum of n
 * terms in any order loses about sqrt(n) of that, and the approximations of activation.cl are good
 * to a few 1e-7. A NaN is infinitely wrong.
 */
void check_value(struct check *check, const char *what, size_t place, double got, double expected,
                 double size);

/* Counts as infinitely wrong unless `condition` holds. */
void check_that(struct check *check, bool condition, const char *what, size_t place);

/* Host arrays: zeros; normal values times `scale`, rounded to float; magnitudes of `values`. */
enum error check_doubles(double **out, struct check *check, size_t count);
enum error check_floats(float **out, struct check *check, size_t count);
enum error check_random(double **out, struct check *check, size_t count, double scale);
enum error check_magnitudes(double **out, struct check *check, const double *values, size_t count);

/* Device buffers: zeros; copies of floats. */
enum error check_buffer(cl_mem *out, struct check *check, size_t floats);
enum error check_upload(cl_mem *out, struct check *check, const float *values, size_t count);
enum error check_download(float **out, struct check *check, cl_mem buffer, size_t count);

/* A tensor in its layout: room for `batch` images; the first `images` come from `nchw`, which may
   be NULL: zeros. */
enum error check_tensor(cl_mem *out, struct check *check, const struct layout *layout, int batch,
                        int images, const double *nchw);

/*
 * The first `images` images as doubles. Everything around them must still be zero: borders, further
 * images, slack, and with `clean_lanes` the lanes past the last channel.
 */
enum error check_read_tensor(double **out, struct check *check, const struct layout *layout,
                             int batch, int images, cl_mem buffer, bool clean_lanes);

#endif
