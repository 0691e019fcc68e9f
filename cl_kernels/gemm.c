#include "cl_kernels/gemm.h"

#include <clblast_c.h>
#include <pthread.h>
#include <stdio.h>

#include "pipeline/base/log.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool announced;

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
