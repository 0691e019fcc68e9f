#include "cl_kernels/peak.h"

#include "cl_kernels/launch.h"
#include "pipeline/base/clock.h"

extern const char cl_source_peak[];

enum {
    CHAINS = 12, /* as in peak.cl */
    LANES = 16,
    GPU_ITEMS = 256 /* work-items a compute unit of a GPU needs to be full */
};

enum error device_peak_gflops(double *gflops, struct device *device, double seconds)
{
    enum error err = ERR_NONE;
    cl_kernel kernel = NULL;
    cl_mem out = NULL;
    const char *sources[] = {cl_source_peak};
    size_t units = (size_t)device_get_info(device)->compute_units;
    size_t items = device_is_cpu(device) ? units : units * GPU_ITEMS;
    double best = 0.0, start = clock_monotonic_s();
    int rounds = 1000;
    TRY(program_kernel_build(&kernel, device, "peak", sources, 1, "", "peak"));
    TRY(device_buffer(&out, device, items * LANES * sizeof(float)));
    do {
        struct launch launch;
        double begin = clock_monotonic_s();
        launch_start(&launch, device, kernel, "peak");
        launch_buffer(&launch, out);
        launch_int(&launch, rounds);
        TRY(launch_run(&launch, items, 1, 1));
        TRY(device_finish(device));
        double took = clock_monotonic_s() - begin;
        double rate = 2.0 * CHAINS * LANES * (double)items * rounds / took;
        if (rate > best)
            best = rate;
        if (took < seconds / 8.0 && rounds < 1 << 28)
            rounds *= 2;
    } while (clock_monotonic_s() - start < seconds);
    *gflops = 1e-9 * best;
out:
    if (kernel != NULL)
        clReleaseKernel(kernel);
    device_release(device, &out);
    return err;
}
