#include "cl_kernels/profile.h"

#include <stdlib.h>

#include "cl_kernels/network_internal.h"
#include "pipeline/base/clock.h"

enum { RUNS_MIN = 3, RUNS_MAX = 101 };

const char *profile_operation_name(enum profile_operation operation)
{
    static const char *const names[] = {"batch",          "forward",       "norm",
                                        "head",           "norm_gradient", "weight_gradient",
                                        "input_gradient", "optimizer"};
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
        return network_run_convolution(net, row->layer, batch, true);
    case PROFILE_NORM:
        return network_run_norm(net, row->layer, batch);
    case PROFILE_HEAD:
        return network_run_head(net, images, 0, batch, true);
    case PROFILE_NORM_GRADIENT:
        return network_run_norm_gradient(net, row->layer, batch);
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

static int add(struct profile_row rows[PROFILE_ROWS_MAX], int n, enum profile_operation operation,
               int layer)
{
    rows[n] = (struct profile_row){.operation = operation, .layer = layer};
    return n + 1;
}

/* In the order of a step. */
static int list_operations(struct profile_row rows[PROFILE_ROWS_MAX], const struct network *net)
{
    bool norm = network_normalises(net);
    int n = add(rows, 0, PROFILE_BATCH, -1);
    for (int i = 0; i < net->layer_count; i++) {
        n = add(rows, n, PROFILE_FORWARD, i);
        if (norm)
            n = add(rows, n, PROFILE_NORM, i);
    }
    n = add(rows, n, PROFILE_HEAD, -1);
    for (int i = net->layer_count - 1; i >= 0; i--) {
        if (norm)
            n = add(rows, n, PROFILE_NORM_GRADIENT, i);
        n = add(rows, n, PROFILE_WEIGHT_GRADIENT, i);
        if (i > 0)
            n = add(rows, n, PROFILE_INPUT_GRADIENT, i);
    }
    return add(rows, n, PROFILE_OPTIMIZER, -1);
}

/* Whether its multiply-accumulates are those of its layer. */
static bool counts(enum profile_operation operation)
{
    return operation == PROFILE_FORWARD || operation == PROFILE_WEIGHT_GRADIENT ||
           operation == PROFILE_INPUT_GRADIENT;
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

    n = list_operations(rows, net);
    for (int i = 0; i < n; i++) {
        if (counts(rows[i].operation))
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
