/* What device.c and device_list.c share: OpenCL's own handles behind the indices. */
#ifndef CLADE_CL_KERNELS_DEVICE_QUERY_H
#define CLADE_CL_KERNELS_DEVICE_QUERY_H

#include "cl_kernels/device.h"

/* All platforms, and all devices of one; freed by the caller with free(). None is an empty list
   (NULL, 0), not an error. */
enum error device_platforms(cl_platform_id **platforms, cl_uint *count);
enum error device_ids(cl_device_id **ids, cl_uint *count, cl_platform_id platform);

/* Fills in all but `platform` and `device`; texts are appended to what *info holds. */
enum error device_query(struct device_info *info, cl_platform_id platform, cl_device_id id);

#endif
