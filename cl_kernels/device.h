/*
 * OpenCL devices: listing, opening one slot of one, and the limits that plans must keep to.
 *
 * A slot is what one worker trains on: a whole GPU, or one core of a CPU device. An index names a
 * device as "platform.device", e.g. "0.0"; both count from 0. Here a platform's number is its place
 * in the order of this process's loader; what users see and type are the numbers of
 * pipeline/probe.h, which do not depend on the loader.
 */
#ifndef CLADE_CL_KERNELS_DEVICE_H
#define CLADE_CL_KERNELS_DEVICE_H

#include <CL/cl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "inputs/settings.h"
#include "pipeline/base/error.h"

enum { DEVICE_TEXT_SIZE = 128 };

struct device_info {
    int platform, device;
    /* Texts of the driver, with control characters and quotes replaced: */
    char platform_name[DEVICE_TEXT_SIZE];
    char platform_version[DEVICE_TEXT_SIZE]; /* CL_PLATFORM_VERSION */
    char name[DEVICE_TEXT_SIZE];
    char driver[DEVICE_TEXT_SIZE];
    char version[DEVICE_TEXT_SIZE]; /* CL_DEVICE_VERSION */
    cl_device_type type;
    int compute_units;
    uint64_t global_bytes, max_buffer_bytes, local_bytes;
    size_t max_work_group;
    int vector_floats;  /* of its registers; 0: not known */
    bool can_partition; /* into sub-devices of one compute unit */
};

/*
 * Lists every device of every platform in this process; a driver that crashes takes the process
 * with it, so commands call it through a probing child process (pipeline/probe.h). *list is freed
 * by the caller with free(). No platform at all is an empty list, not an error.
 */
enum error device_list(struct device_info **list, size_t *count);

struct device; /* context, in-order queue, built programs */

/*
 * Opens slot `part` of `parts` of a device. parts == 1: the whole device. parts > 1: one share
 * of a CPU device; the caller (the worker) has set the process's environment and affinity before
 * the first OpenCL call (device_prepare_slot).
 */
enum error device_open(struct device **out, int platform, int device, int part, int parts);
void device_close(struct device *device); /* NULL is allowed */

/* Before the first OpenCL call of a process that will be one of `parts` shares of a CPU device:
   pins it to a core and tells known drivers to use one thread. No effect for parts == 1, or when
   the environment says CLADE_SHARE=sub-devices: OpenCL's way, slower where it was measured
   (docs/drivers.md). */
void device_prepare_slot(int part, int parts);

/* Borrowed. */
const struct device_info *device_get_info(const struct device *device);
cl_context device_context(const struct device *device);
cl_command_queue device_queue(const struct device *device);
cl_device_id device_id(const struct device *device);
bool device_is_cpu(const struct device *device);
uint64_t device_bytes(const struct device *device); /* of the buffers below that are alive */

/* Buffers are counted, so that a leak is seen: device_close() asserts that none is left. A zero
   `bytes` is not allowed. ERR_TOO_BIG when the device has not the memory, ERR_DEVICE otherwise.
   The buffer is filled with zeros. */
enum error device_buffer(cl_mem *out, struct device *device, size_t bytes);

/* A buffer of host memory, only read by kernels. A CPU device uses `data` in place where its driver
   allows that, so it must stay as it is until the buffer is released; other devices copy it now.
   Counted and released as above. */
enum error device_buffer_of(cl_mem *out, struct device *device, void *data, size_t bytes);

void device_release(struct device *device, cl_mem *buffer); /* sets it to NULL; NULL is allowed */

/*
 * A buffer of at least `bytes` bytes that all users of the in-order queue share, one a purpose:
 * whoever writes it must have enqueued its reads before anyone else asks for it. Its contents are
 * anything. Borrowed until the next call for the same purpose, which may replace it by a larger
 * one; the device owns it. Errors as device_buffer().
 */
enum device_scratch {
    SCRATCH_OPERANDS,
    SCRATCH_GEMM,
    SCRATCH_WINOGRAD_TILES,
    SCRATCH_WINOGRAD_WEIGHTS,
    SCRATCH_COUNT
};
enum error device_scratch(cl_mem *out, struct device *device, enum device_scratch purpose,
                          size_t bytes);

/* Blocking copies of `bytes` bytes at `offset` bytes. */
enum error device_write(struct device *device, cl_mem buffer, size_t offset, const void *data,
                        size_t bytes);
enum error device_read(struct device *device, cl_mem buffer, size_t offset, void *data,
                       size_t bytes);
enum error device_finish(struct device *device);

/* What the tuner chose for the device (tuning.h), which conv_create() looks at; NULL: rules alone.
   The device owns it. */
struct tuning;
enum { TUNING_KEY_SIZE = 33 };
void device_set_tuning(struct device *device, struct tuning *tuning);
const struct tuning *device_tuning(const struct device *device);

/* A program that was built on this device in this process, by an id of 128 bits; NULL when there is
   none. Borrowed. device_keep_program() takes a reference of its own, or does nothing when there
   is no memory for it. For program.c. */
cl_program device_find_program(const struct device *device, const uint64_t id[2]);
void device_keep_program(struct device *device, const uint64_t id[2], cl_program program);

/* Turns a failed OpenCL call into an error: ERR_TOO_BIG for memory, ERR_DEVICE for the rest.
   `act` says what was tried: "enqueue conv_gather". CL_SUCCESS gives ERR_NONE. */
enum error device_check(cl_int code, const char *act);

/* "CL_OUT_OF_RESOURCES" for -5, and so on. */
const char *device_code_name(cl_int code);

#endif
