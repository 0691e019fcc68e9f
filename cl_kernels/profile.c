#include "cl_kernels/profile.h"

#include <stdlib.h>

#include "cl_kernels/network_internal.h"
#include "pipeline/base/clock.h"

enum { RUNS_MIN = 3, RUNS_MAX = 101 };

const char *profile_operation_name(enum profile_operation operation)
{
    static const char *const names[] = {"batch",           "forward",        "head",
                                        "weight_gradient", "input_gradient", "optimizer"};
    return names[operation];
}

static enum error run(struct network *net, struct image_store *images,
                      const struct profile_row *row)
{
    int batch = net->training.batch;
    enum error err = ERR_NONE;
    switch (row->operation) {
    case PROFILE_BATCH:
        return network_run_batch(net, images, 0, batch, true, 0);
    case PROFILE_FORWARD:
        return network_run_forward(net, row->layer, batch, true);
    case PROFILE_HEAD:
        return network_run_head(net, images, 0, batch, true);
    case PROFILE_WEIGHT_GRADIENT:
        return network_run_weight_gradient(net, row->layer, batch);
    case PROFILE_INPUT_GRADIENT:
        return network_run_input_gradient(net, row->layer, batch);
    default:
        err = optimizer_run(&net->optimizer, net->parameters, net->gradients, 0, 1);
        return err == ERR_NONE ? network_transpose(net) : err;
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static enum error measure(struct network *net, struct image_store *images, struct profile_row *row,
                          double seconds)
{
    enum error err = ERR_NONE;
    double times[RUNS_MAX];
    int runs = 0;
    TRY(run(net, images, row)); /* the first run may compile */
    TRY(device_finish(net->device));
    double start = clock_monotonic_s(), now = start;
    while (runs < RUNS_MAX && (runs < RUNS_MIN || now - start < seconds)) {
        double begin = now;
        TRY(run(net, images, row));
        TRY(device_finish(net->device));
        now = clock_monotonic_s();
        times[runs++] = now - begin;
    }
    qsort(times, (size_t)runs, sizeof *times, compare);
    row->seconds = times[runs / 2];
out:
    return err;
}

enum error network_profile(struct profile_row rows[PROFILE_ROWS_MAX], int *count,
                           struct network *net, struct image_store *images, double seconds)
{
    enum error err = ERR_NONE;
    uint32_t members = (uint32_t)net->members, batch = (uint32_t)net->training.batch;
    int n = 0;
    struct pass_result *results = malloc(members * sizeof *results);
    uint32_t *order = malloc(members * batch * sizeof *order);
    if (results == NULL || order == NULL) {
        err = error_set(ERR_INTERNAL, "out of memory for the order of %u images", members * batch);
        goto out;
    }
    for (uint32_t i = 0; i < members * batch; i++)
        order[i] = i % batch % images->count;
    TRY(network_train(net, images, order, batch, 0, 1, results));

    rows[n++] = (struct profile_row){.operation = PROFILE_BATCH, .layer = -1};
    for (int i = 0; i < net->layer_count; i++)
        rows[n++] = (struct profile_row){.operation = PROFILE_FORWARD, .layer = i};
    rows[n++] = (struct profile_row){.operation = PROFILE_HEAD, .layer = -1};
    for (int i = net->layer_count - 1; i >= 0; i--) {
        rows[n++] = (struct profile_row){.operation = PROFILE_WEIGHT_GRADIENT, .layer = i};
        if (i > 0)
            rows[n++] = (struct profile_row){.operation = PROFILE_INPUT_GRADIENT, .layer = i};
    }
    rows[n++] = (struct profile_row){.operation = PROFILE_OPTIMIZER, .layer = -1};
    for (int i = 0; i < n; i++) {
        if (rows[i].layer >= 0)
            rows[i].flops =
                2.0 * members * batch *
                (double)genome_layer_cost(&net->genome, &net->shape, rows[i].layer).macs;
        TRY(measure(net, images, &rows[i], seconds / n));
    }
    *count = n;
out:
    free(order);
    free(results);
    return err;
}
