#include "tests/sgemm_wrap.h"

CLBlastStatusCode sgemm_fault;
float sgemm_scale = 1;

__typeof__(CLBlastSgemmWithTempBuffer) __real_CLBlastSgemmWithTempBuffer,
    __wrap_CLBlastSgemmWithTempBuffer;

CLBlastStatusCode __wrap_CLBlastSgemmWithTempBuffer(
    const CLBlastLayout layout, const CLBlastTranspose a_form, const CLBlastTranspose b_form,
    const size_t m, const size_t n, const size_t k, const float alpha, const cl_mem a,
    const size_t a_offset, const size_t a_stride, const cl_mem b, const size_t b_offset,
    const size_t b_stride, const float beta, cl_mem c, const size_t c_offset, const size_t c_stride,
    cl_command_queue *queue, cl_event *event, cl_mem temporary)
{
    if (sgemm_fault != CLBlastSuccess)
        return sgemm_fault;
    return __real_CLBlastSgemmWithTempBuffer(layout, a_form, b_form, m, n, k, sgemm_scale * alpha,
                                             a, a_offset, a_stride, b, b_offset, b_stride, beta, c,
                                             c_offset, c_stride, queue, event, temporary);
}
