#include "cl_kernels/optimizer.h"

#include <math.h>

#include "cl_kernels/launch.h"

extern const char cl_source_vectors[], cl_source_optimizer[];

enum { CHUNK = 64, VECTOR = 16 }; /* as in optimizer.cl */

static size_t chunks(size_t floats)
{
    return (floats / VECTOR + CHUNK - 1) / CHUNK;
}

enum error optimizer_create(struct optimizer_state *optimizer, struct device *device,
                            const struct training_settings *settings, size_t floats,
                            size_t decay_end, int splits, int members)
{
    enum error err = ERR_NONE;
    const char *sources[] = {cl_source_vectors, cl_source_optimizer};
    *optimizer = (struct optimizer_state){.device = device,
                                          .settings = *settings,
                                          .floats = floats,
                                          .decay_end = decay_end,
                                          .splits = splits,
                                          .members = members};
    size_t bytes = (size_t)members * floats * sizeof(float);
    TRY(program_kernel_build(&optimizer->step, device, "optimizer", sources, 2, "",
                             "optimizer_step"));
    TRY(program_kernel_build(&optimizer->transpose, device, "optimizer", sources, 2, "",
                             "transpose_weights"));
    TRY(program_kernel_build(&optimizer->squares, device, "optimizer", sources, 2, "",
                             "gradient_squares"));
    if (settings->clip > 0.0)
        TRY(device_buffer(&optimizer->chunk_squares, device,
                          (size_t)members * chunks(floats) * sizeof(float)));
    TRY(device_buffer(&optimizer->first, device, bytes));
    TRY(device_buffer(&optimizer->second, device, bytes));
    if (settings->average == AVERAGE_EMA) {
        TRY(program_kernel_build(&optimizer->blend, device, "optimizer", sources, 2, "",
                                 "average_step"));
        TRY(device_buffer(&optimizer->average, device, bytes));
    }
    return ERR_NONE;
out:
    optimizer_destroy(optimizer);
    return err;
}

void optimizer_destroy(struct optimizer_state *optimizer)
{
    if (optimizer->device == NULL)
        return;
    device_release(optimizer->device, &optimizer->chunk_squares);
    device_release(optimizer->device, &optimizer->first);
    device_release(optimizer->device, &optimizer->second);
    device_release(optimizer->device, &optimizer->average);
    if (optimizer->step != NULL)
        clReleaseKernel(optimizer->step);
    if (optimizer->squares != NULL)
        clReleaseKernel(optimizer->squares);
    if (optimizer->transpose != NULL)
        clReleaseKernel(optimizer->transpose);
    if (optimizer->blend != NULL)
        clReleaseKernel(optimizer->blend);
    *optimizer = (struct optimizer_state){0};
}

enum error optimizer_reset(struct optimizer_state *optimizer)
{
    const float zero = 0.0f;
    size_t bytes = (size_t)optimizer->members * optimizer->floats * sizeof(float);
    cl_mem moments[] = {optimizer->first, optimizer->second, optimizer->average};
    for (int i = 0; i < 3 && moments[i] != NULL; i++) {
        cl_int code = clEnqueueFillBuffer(device_queue(optimizer->device), moments[i], &zero,
                                          sizeof zero, 0, bytes, 0, NULL, NULL);
        if (code != CL_SUCCESS)
            return device_check(code, "clear the optimizer's moments");
    }
    return ERR_NONE;
}

double learning_rate(const struct training_settings *settings, int64_t step, int64_t total_steps)
{
    const double pi = 3.141592653589793, peak = settings->learning_rate;
    if (settings->schedule == SCHEDULE_CONSTANT)
        return peak;
    double climb = settings->warmup * (double)total_steps - 1.0;
    double last = (double)total_steps - 1.0;
    double from, to, share;
    if ((double)step <= climb) {
        from = peak / 25.0;
        to = peak;
        share = climb > 0.0 ? (double)step / climb : 1.0;
    } else {
        from = peak;
        to = peak / 25e4;
        if (climb < 0.0)
            climb = 0.0;
        share = last > climb ? ((double)step - climb) / (last - climb) : 1.0;
    }
    if (share > 1.0)
        share = 1.0;
    return to + (from - to) * 0.5 * (1.0 + cos(pi * share));
}

double average_decay(const struct training_settings *settings, int64_t step)
{
    return fmin(settings->average_decay, (double)step / (9.0 + (double)step));
}

static enum error blend(struct optimizer_state *optimizer, cl_mem parameters, int64_t step)
{
    struct launch launch;
    launch_start(&launch, optimizer->device, optimizer->blend, "average_step");
    launch_buffer(&launch, parameters);
    launch_buffer(&launch, optimizer->average);
    launch_int(&launch, (int)(optimizer->floats / VECTOR));
    launch_float(&launch, (float)(1.0 - average_decay(&optimizer->settings, step)));
    return launch_run(&launch, chunks(optimizer->floats), (size_t)optimizer->members, 1);
}

enum error optimizer_use_average(struct optimizer_state *optimizer, cl_mem parameters)
{
    size_t bytes = (size_t)optimizer->members * optimizer->floats * sizeof(float);
    return device_check(clEnqueueCopyBuffer(device_queue(optimizer->device), optimizer->average,
                                            parameters, 0, 0, bytes, 0, NULL, NULL),
                        "copy the averaged parameters");
}

enum error optimizer_run(struct optimizer_state *optimizer, cl_mem parameters, cl_mem gradients,
                         int64_t step, int64_t total_steps)
{
    const struct training_settings *s = &optimizer->settings;
    double t = (double)(step + 1);
    size_t vectors = optimizer->floats / VECTOR;
    struct launch launch;
    bool clips = s->clip > 0.0;
    if (clips) {
        launch_start(&launch, optimizer->device, optimizer->squares, "gradient_squares");
        launch_buffer(&launch, gradients);
        launch_buffer(&launch, optimizer->chunk_squares);
        launch_int(&launch, (int)vectors);
        launch_int(&launch, optimizer->splits);
        launch_int(&launch, optimizer->members * (int)optimizer->floats);
        enum error err =
            launch_run(&launch, chunks(optimizer->floats), (size_t)optimizer->members, 1);
        if (err != ERR_NONE)
            return err;
    }
    launch_start(&launch, optimizer->device, optimizer->step, "optimizer_step");
    launch_buffer(&launch, parameters);
    launch_buffer(&launch, optimizer->first);
    launch_buffer(&launch, optimizer->second);
    launch_buffer(&launch, gradients);
    launch_buffer(&launch, clips ? optimizer->chunk_squares : gradients);
    launch_float(&launch, (float)s->clip);
    launch_int(&launch, (int)vectors);
    launch_int(&launch, optimizer->splits);
    launch_int(&launch, optimizer->members * (int)optimizer->floats);
    launch_int(&launch, (int)s->optimizer);
    launch_int(&launch, (int)optimizer->decay_end);
    launch_float(&launch, (float)learning_rate(s, step, total_steps));
    launch_float(&launch, (float)s->weight_decay);
    launch_float(&launch, (float)(s->optimizer == OPTIMIZER_SGD ? s->momentum : s->beta1));
    launch_float(&launch, (float)s->beta2);
    launch_float(&launch, (float)s->epsilon);
    launch_float(&launch, (float)(1.0 - pow(s->beta1, t)));
    launch_float(&launch, (float)sqrt(1.0 - pow(s->beta2, t)));
    enum error err = launch_run(&launch, chunks(optimizer->floats), (size_t)optimizer->members, 1);
    return err == ERR_NONE && optimizer->average != NULL ? blend(optimizer, parameters, step) : err;
}

enum error optimizer_transpose(struct optimizer_state *optimizer, cl_mem parameters, cl_mem places,
                               cl_mem transposed, size_t count)
{
    struct launch launch;
    launch_start(&launch, optimizer->device, optimizer->transpose, "transpose_weights");
    launch_buffer(&launch, parameters);
    launch_buffer(&launch, places);
    launch_buffer(&launch, transposed);
    launch_int(&launch, (int)count);
    launch_int(&launch, (int)optimizer->floats);
    return launch_run(&launch, (count + CHUNK * VECTOR - 1) / (CHUNK * VECTOR),
                      (size_t)optimizer->members, 1);
}
