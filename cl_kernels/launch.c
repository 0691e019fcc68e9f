#include "cl_kernels/launch.h"

#include <stdio.h>

#include "cl_kernels/program.h"

void launch_start(struct launch *launch, struct device *device, cl_kernel kernel, const char *name)
{
    *launch = (struct launch){.device = device, .kernel = kernel, .name = name};
}

void launch_struct(struct launch *launch, const void *value, size_t size)
{
    if (launch->code == CL_SUCCESS)
        launch->code = clSetKernelArg(launch->kernel, launch->argument, size, value);
    if (launch->code == CL_SUCCESS)
        launch->argument++;
}

void launch_buffer(struct launch *launch, cl_mem buffer)
{
    launch_struct(launch, &buffer, sizeof buffer);
}

void launch_int(struct launch *launch, int value)
{
    cl_int argument = value;
    launch_struct(launch, &argument, sizeof argument);
}

void launch_float(struct launch *launch, float value)
{
    launch_struct(launch, &value, sizeof value);
}

enum error launch_run_local(struct launch *launch, const size_t global[3], const size_t *local)
{
    char act[96];
    if (launch->code != CL_SUCCESS) {
        snprintf(act, sizeof act, "set argument %u of %s", (unsigned)launch->argument,
                 launch->name);
        return device_check(launch->code, act);
    }
    cl_int code = clEnqueueNDRangeKernel(device_queue(launch->device), launch->kernel, 3, NULL,
                                         global, local, 0, NULL, NULL);
    if (code == CL_SUCCESS)
        return ERR_NONE;
    snprintf(act, sizeof act, "enqueue %s", launch->name);
    return device_check(code, act);
}

enum error launch_run(struct launch *launch, size_t x, size_t y, size_t z)
{
    static const size_t local[3] = {1, 1, 1};
    const size_t global[3] = {x, y, z};
    return launch_run_local(launch, global, local);
}

enum error program_kernel_build(cl_kernel *out, struct device *device, const char *program_name,
                                const char *const *sources, size_t count, const char *options,
                                const char *kernel_name)
{
    cl_program program;
    enum error err = program_build(&program, device, program_name, sources, count, options);
    if (err != ERR_NONE)
        return err;
    err = program_kernel(out, program, kernel_name);
    clReleaseProgram(program);
    return err;
}
