/* CLBlast's product as it may go wrong; link with --wrap=CLBlastSgemmWithTempBuffer. */
#ifndef CLADE_TESTS_SGEMM_WRAP_H
#define CLADE_TESTS_SGEMM_WRAP_H

#include <clblast_c.h>

extern CLBlastStatusCode sgemm_fault; /* what the next products return; CLBlastSuccess: they work */
extern float sgemm_scale;             /* products come out so many times too large; 1: right */

#endif
