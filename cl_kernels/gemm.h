/*
 * Matrix products through CLBlast; gemm.c is the only file that knows it. CLBlast compiles its
 * kernels at the first product of a shape class (up to 10 s on a cold driver cache) and does
 * nothing before that.
 */
#ifndef CLADE_CL_KERNELS_GEMM_H
#define CLADE_CL_KERNELS_GEMM_H

#include <stdbool.h>

#include "cl_kernels/device.h"

/* A row-major matrix of floats inside a buffer. */
struct matrix {
    cl_mem buffer;
    size_t offset; /* floats */
    size_t stride; /* floats from one row to the next */
};

/*
 * c[m][n] = op(a)[m][k] * b[k][n], added to c when `accumulate`. `transposed`: a is stored as
 * a[k][m]. Enqueues on the device's queue; nothing waits. m, n, k > 0. Safe from any thread, one
 * at a time inside: CLBlast 1.5 is not safe on first use.
 */
enum error gemm_multiply(struct device *device, size_t m, size_t n, size_t k,
                         const struct matrix *a, bool transposed, const struct matrix *b,
                         bool accumulate, const struct matrix *c);

#endif
