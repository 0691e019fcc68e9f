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
 * Sets of parameters for CLBlast's product kernel, besides those of its own database, which knows
 * few CPUs and no GPU newer than itself. Names say the tile of a work-group
 * (m x n x k), the work-items in it and the vectors they load: "64x64x16/16x16/4x4", and "/local"
 * when tiles go through local memory.
 */
enum { GEMM_OWN = 0, GEMM_SETS_MAX = 8, GEMM_NAME_SIZE = 48 };

/* Sets 1, 2, ... that may suit a CPU or another device; the number of them. */
int gemm_sets(int sets[GEMM_SETS_MAX], bool cpu);

void gemm_set_name(char name[GEMM_NAME_SIZE], int set); /* "own" for GEMM_OWN */
int gemm_set_find(const char *name);                    /* -1: there is none */

/*
 * Products on the device use the set from now on; CLBlast compiles it at the next one. Through its
 * C interface there is no way back to its own in this process: GEMM_OWN changes nothing. ERR_DEVICE
 * when CLBlast does not take the set.
 */
enum error gemm_use(struct device *device, int set);

/*
 * c[m][n] = op(a)[m][k] * b[k][n], added to c when `accumulate`. `transposed`: a is stored as
 * a[k][m]. Enqueues on the device's queue; nothing waits. m, n, k > 0. Safe from any thread, one
 * at a time inside: CLBlast 1.5 is not safe on first use.
 */
enum error gemm_multiply(struct device *device, size_t m, size_t n, size_t k,
                         const struct matrix *a, bool transposed, const struct matrix *b,
                         bool accumulate, const struct matrix *c);

#endif
