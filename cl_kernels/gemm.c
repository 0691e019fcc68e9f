#include "cl_kernels/gemm.h"

#include <assert.h>
#include <clblast_c.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "pipeline/base/log.h"

/* CLBlast's names: tile of a work-group, its work-items (dim, also as they load a and b), vectors,
   steps of k that are unrolled, and whether a and b go through local memory. */
struct gemm_set {
    bool cpu;
    int m, n, k, dim_m, dim_n, vector_m, vector_n, unrolled, local;
};

/* For CPUs one work-item is a work-group: its tile stays in registers, and there is no barrier to
   split loops at. The others are usual for GPUs, from little local memory to 32 KiB. */
static const struct gemm_set sets_table[] = {
    {true, 8, 16, 32, 1, 1, 8, 8, 4, 0},      {true, 16, 32, 32, 1, 1, 8, 8, 2, 0},
    {true, 64, 64, 32, 8, 8, 8, 8, 2, 0},     {false, 64, 64, 16, 16, 16, 4, 4, 2, 1},
    {false, 128, 64, 16, 16, 16, 4, 4, 2, 1}, {false, 128, 128, 32, 16, 16, 4, 4, 2, 1},
    {false, 32, 64, 16, 8, 8, 4, 4, 2, 0},
};
enum { SETS = sizeof sets_table / sizeof *sets_table };
_Static_assert((int)SETS <= (int)GEMM_SETS_MAX, "a list holds all sets");

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool announced;
/* What gemm_use() did last: the same again would compile everything again. */
static cl_device_id used_on;
static int used = GEMM_OWN;

/* Codes above -1000 are OpenCL's own. */
static enum error check(CLBlastStatusCode code, const char *act, size_t m, size_t n, size_t k)
{
    char text[96];
    snprintf(text, sizeof text, "%s of %zu x %zu x %zu", act, m, n, k);
    if (code == CLBlastSuccess)
        return ERR_NONE;
    if (code > -1000 && code < 0)
        return device_check((cl_int)code, text);
    return error_set(ERR_DEVICE,
                     "CLBlast: %s: status %d; choose another convolution family with --conv", text,
                     (int)code);
}

int gemm_sets(int sets[GEMM_SETS_MAX], bool cpu)
{
    int count = 0;
    for (int i = 0; i < SETS; i++)
        if (sets_table[i].cpu == cpu)
            sets[count++] = i + 1;
    return count;
}

void gemm_set_name(char name[GEMM_NAME_SIZE], int set)
{
    assert(set >= GEMM_OWN && set <= SETS);
    if (set == GEMM_OWN) {
        strcpy(name, "own");
        return;
    }
    const struct gemm_set *s = &sets_table[set - 1];
    snprintf(name, GEMM_NAME_SIZE, "%dx%dx%d/%dx%d/%dx%d%s", s->m, s->n, s->k, s->dim_m, s->dim_n,
             s->vector_m, s->vector_n, s->local ? "/local" : "");
}

int gemm_set_find(const char *name)
{
    for (int set = GEMM_OWN; set <= SETS; set++) {
        char candidate[GEMM_NAME_SIZE];
        gemm_set_name(candidate, set);
        if (strcmp(candidate, name) == 0)
            return set;
    }
    return -1;
}

/* CLBlast wants all parameters of a kernel at once. The kernel for small products has other ones:
   it is switched off, as it does not gain where this one is tuned. */
static enum error override(const struct device *device, const struct gemm_set *s)
{
    enum error err = ERR_NONE;
    const char *names[] = {"GEMMK", "KREG", "KWG", "KWI", "MDIMA", "MDIMC", "MWG", "NDIMB",
                           "NDIMC", "NWG",  "SA",  "SB",  "STRM",  "STRN",  "VWM", "VWN"};
    const size_t values[] = {0,
                             1,
                             (size_t)s->k,
                             (size_t)s->unrolled,
                             (size_t)s->dim_m,
                             (size_t)s->dim_m,
                             (size_t)s->m,
                             (size_t)s->dim_n,
                             (size_t)s->dim_n,
                             (size_t)s->n,
                             (size_t)s->local,
                             (size_t)s->local,
                             0,
                             0,
                             (size_t)s->vector_m,
                             (size_t)s->vector_n};
    const char *smallest[] = {"XGEMM_MIN_INDIRECT_SIZE"};
    TRY(check(CLBlastOverrideParameters(device_id(device), "Xgemm", CLBlastPrecisionSingle,
                                        sizeof names / sizeof *names, names, values),
              "parameters of a tile", (size_t)s->m, (size_t)s->n, (size_t)s->k));
    TRY(check(CLBlastOverrideParameters(device_id(device), "GemmRoutine", CLBlastPrecisionSingle, 1,
                                        smallest, (const size_t[]){1}),
              "smallest product with a tile", (size_t)s->m, (size_t)s->n, (size_t)s->k));
out:
    return err;
}

enum error gemm_use(struct device *device, int set)
{
    assert(set >= GEMM_OWN && set <= SETS);
    pthread_mutex_lock(&lock);
    enum error err = ERR_NONE;
    if (set != GEMM_OWN && (set != used || device_id(device) != used_on)) {
        err = override(device, &sets_table[set - 1]);
        used = err == ERR_NONE ? set : GEMM_OWN;
        used_on = device_id(device);
    }
    pthread_mutex_unlock(&lock);
    return err;
}

static enum error multiply(struct device *device, size_t m, size_t n, size_t k,
                           const struct matrix *a, bool transposed, const struct matrix *b,
                           bool accumulate, const struct matrix *c)
{
    enum error err = ERR_NONE;
    const CLBlastLayout rows = CLBlastLayoutRowMajor;
    const CLBlastTranspose as_it_is = CLBlastTransposeNo;
    const CLBlastTranspose a_form = transposed ? CLBlastTransposeYes : CLBlastTransposeNo;
    cl_command_queue queue = device_queue(device);
    cl_mem scratch = NULL;
    size_t scratch_bytes = 0;
    /* Left alone, CLBlast allocates at every product that needs padding. */
    TRY(check(CLBlastSGemmTempBufferSize(rows, a_form, as_it_is, m, n, k, a->offset, a->stride,
                                         b->offset, b->stride, c->offset, c->stride, &queue,
                                         &scratch_bytes),
              "size of a product", m, n, k));
    if (scratch_bytes > 0)
        TRY(device_scratch(&scratch, device, SCRATCH_GEMM, scratch_bytes));
    TRY(check(CLBlastSgemmWithTempBuffer(rows, a_form, as_it_is, m, n, k, 1.0f, a->buffer,
                                         a->offset, a->stride, b->buffer, b->offset, b->stride,
                                         accumulate ? 1.0f : 0.0f, c->buffer, c->offset, c->stride,
                                         &queue, NULL, scratch),
              "product", m, n, k));
out:
    return err;
}

enum error gemm_multiply(struct device *device, size_t m, size_t n, size_t k,
                         const struct matrix *a, bool transposed, const struct matrix *b,
                         bool accumulate, const struct matrix *c)
{
    pthread_mutex_lock(&lock);
    if (!announced) {
        announced = true;
        log_event(LOG_INFO, "CLBlast prepares its kernels for %s; the first time takes seconds",
                  device_get_info(device)->name);
    }
    enum error err = multiply(device, m, n, k, a, transposed, b, accumulate, c);
    pthread_mutex_unlock(&lock);
    return err;
}
