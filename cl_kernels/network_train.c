/* Passes over images: forward, backward, step. Nothing waits on the host before a pass ends. */
#include "cl_kernels/network_internal.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

static struct span at(cl_mem buffer, size_t offset)
{
    return (struct span){buffer, offset};
}

/* Evaluation runs the deployed network. */
static cl_mem deployed(const struct network *net, bool train)
{
    return !train && network_normalises(net) ? net->folded : net->parameters;
}

enum error network_run_batch(struct network *net, struct image_store *images, int first, int count,
                             bool train, int64_t step)
{
    if (train && augment_wanted(&net->training))
        return augment_batch(&net->augmenter, images, net->order, first, count, net->augment_seed,
                             (uint32_t)step, net->x);
    return batch_assemble(&net->assembler, images, net->order, first, count, net->x);
}

enum error network_run_forward(struct network *net, int i, int count, bool train)
{
    struct network_layer *layer = &net->layers[i];
    cl_mem x = i > 0 ? net->layers[i - 1].y : net->x;
    if (train && network_normalises(net)) {
        struct conv_epilogue plain = {
            .activation = ACT_COUNT,
            .sums = layer->norm.plan.forward_sums ? layer->norm.sums : NULL,
        };
        enum error err = conv_forward(layer->conv, x, at(net->parameters, layer->weights), &plain,
                                      layer->z, count);
        if (err != ERR_NONE)
            return err;
        return norm_forward(&layer->norm, layer->z, net->parameters, layer->y, layer->slopes,
                            count);
    }
    cl_mem parameters = deployed(net, train);
    struct conv_epilogue epilogue = {
        .bias = at(parameters, layer->bias),
        .activation = layer->activation,
        .derivative = train ? layer->slopes : NULL,
    };
    return conv_forward(layer->conv, x, at(parameters, layer->weights), &epilogue, layer->y, count);
}

enum error network_run_head(struct network *net, struct image_store *images, int first, int count,
                            bool train)
{
    struct network_layer *last = &net->layers[net->layer_count - 1];
    return head_run(&net->head, last->y, network_kept(last), deployed(net, train), net->order,
                    images->labels, first, count, train ? last->dy : NULL, net->gradients);
}

enum error network_run_weight_gradient(struct network *net, int i, int count)
{
    struct network_layer *layer = &net->layers[i];
    struct span db = at(net->gradients, layer->bias);
    if (network_normalises(net)) {
        enum error err = norm_gradient(&layer->norm, layer->z, net->parameters, layer->dy,
                                       net->gradients, count);
        if (err != ERR_NONE)
            return err;
        db = at(NULL, 0);
    }
    return conv_weight_gradient(layer->conv, i > 0 ? net->layers[i - 1].y : net->x, layer->dy,
                                at(net->gradients, layer->weights), db, net->floats, count);
}

enum error network_run_input_gradient(struct network *net, int i, int count)
{
    struct network_layer *layer = &net->layers[i], *below = &net->layers[i - 1];
    struct conv_chain chain = {
        .activation = below->activation,
        .kept = network_kept(below),
        .layout = below->output,
    };
    if (network_normalises(net) && below->norm.plan.parts > 0) {
        chain.sums = below->norm.sums;
        chain.means = below->norm.statistics;
        chain.z = below->z;
        chain.z_layout = below->output;
    }
    return conv_input_gradient(layer->conv, layer->dy, at(net->transposed, layer->transposed),
                               &chain, below->dy, count);
}

static enum error forward(struct network *net, struct image_store *images, int first, int count,
                          bool train, int64_t step)
{
    enum error err = ERR_NONE;
    TRY(network_run_batch(net, images, first, count, train, step));
    for (int i = 0; i < net->layer_count; i++)
        TRY(network_run_forward(net, i, count, train));
    TRY(network_run_head(net, images, first, count, train));
out:
    return err;
}

static enum error backward(struct network *net, int count)
{
    enum error err = ERR_NONE;
    for (int i = net->layer_count - 1; i >= 0; i--) {
        TRY(network_run_weight_gradient(net, i, count));
        if (i > 0)
            TRY(network_run_input_gradient(net, i, count));
    }
out:
    return err;
}

/* A buffer of at least `bytes`; contents are not kept when it grows. */
static enum error grow(struct network *net, cl_mem *buffer, size_t *capacity, size_t bytes)
{
    if (bytes <= *capacity)
        return ERR_NONE;
    device_release(net->device, buffer);
    *capacity = 0;
    enum error err = device_buffer(buffer, net->device, bytes);
    if (err == ERR_NONE)
        *capacity = bytes;
    return err;
}

/* Room for a pass, and the order on its way to the device: it is read until the pass ends. */
static enum error start_pass(struct network *net, const uint32_t *order, uint32_t count,
                             size_t steps)
{
    enum error err = ERR_NONE;
    size_t bytes = count * sizeof *order;
    TRY(grow(net, &net->order, &net->order_capacity, bytes));
    TRY(grow(net, &net->statistics, &net->statistics_capacity, steps * sizeof(cl_float2)));
    TRY(device_check(clEnqueueWriteBuffer(device_queue(net->device), net->order, CL_FALSE, 0, bytes,
                                          order, 0, NULL, NULL),
                     "write the order of images"));
out:
    return err;
}

static enum error end_pass(struct network *net, uint32_t count, size_t steps,
                           struct pass_result *result)
{
    cl_float2 *statistics = malloc(steps * sizeof *statistics);
    if (statistics == NULL)
        return error_set(ERR_INTERNAL, "out of memory for %zu steps", steps);
    enum error err =
        device_read(net->device, net->statistics, 0, statistics, steps * sizeof *statistics);
    double loss = 0.0, hits = 0.0;
    if (err == ERR_NONE)
        for (size_t i = 0; i < steps; i++) {
            loss += (double)statistics[i].s[0];
            hits += (double)statistics[i].s[1];
        }
    free(statistics);
    if (err != ERR_NONE)
        return err;
    *result = (struct pass_result){loss / count, hits / count, count};
    if (!isfinite(loss))
        return error_set(ERR_DIVERGED, "the loss is not finite (%g)", loss);
    return ERR_NONE;
}

enum error network_fold(struct network *net)
{
    if (!network_normalises(net))
        return ERR_NONE;
    enum error err =
        device_check(clEnqueueCopyBuffer(device_queue(net->device), net->parameters, net->folded, 0,
                                         0, net->floats * sizeof(float), 0, NULL, NULL),
                     "copy the parameters");
    for (int i = 0; i < net->layer_count && err == ERR_NONE; i++) {
        struct network_layer *layer = &net->layers[i];
        err = norm_fold(&layer->norm, layer->conv, net->parameters, layer->weights, net->folded);
    }
    return err;
}

enum error network_train(struct network *net, struct image_store *images, const uint32_t *order,
                         uint32_t count, int64_t step, int64_t total_steps,
                         struct pass_result *result)
{
    assert(count > 0);
    enum error err = ERR_NONE;
    uint32_t batch = (uint32_t)net->training.batch;
    size_t steps = (count + batch - 1) / batch;
    TRY(start_pass(net, order, count, steps));
    for (size_t i = 0; i < steps; i++) {
        uint32_t first = (uint32_t)i * batch;
        int images_now = (int)(count - first < batch ? count - first : batch);
        TRY(forward(net, images, (int)first, images_now, true, step + (int64_t)i));
        TRY(head_statistics(&net->head, net->statistics, (int)i, images_now));
        TRY(backward(net, images_now));
        TRY(optimizer_run(&net->optimizer, net->parameters, net->gradients, step + (int64_t)i,
                          total_steps));
        TRY(network_transpose(net));
        TRY(device_check(clFlush(device_queue(net->device)), "flush the queue"));
    }
    return end_pass(net, count, steps, result);
out:
    device_finish(net->device); /* `order` may still be read */
    return err;
}

enum error network_evaluate(struct network *net, struct image_store *images, const uint32_t *order,
                            uint32_t count, struct pass_result *result, float *logits)
{
    assert(count > 0);
    enum error err = ERR_NONE;
    uint32_t batch = (uint32_t)net->training.batch;
    size_t steps = (count + batch - 1) / batch;
    int classes = net->shape.classes, stride = net->head.classes_stride;
    float *padded = NULL;
    if (logits != NULL) {
        padded = malloc(sizeof *padded * batch * (size_t)stride);
        if (padded == NULL)
            return error_set(ERR_INTERNAL, "out of memory for the logits of a batch");
    }
    TRY(start_pass(net, order, count, steps));
    TRY(network_fold(net));
    for (size_t i = 0; i < steps; i++) {
        uint32_t first = (uint32_t)i * batch;
        uint32_t images_now = count - first < batch ? count - first : batch;
        TRY(forward(net, images, (int)first, (int)images_now, false, 0));
        TRY(head_statistics(&net->head, net->statistics, (int)i, (int)images_now));
        TRY(device_check(clFlush(device_queue(net->device)), "flush the queue"));
        if (logits == NULL)
            continue;
        TRY(device_read(net->device, net->head.logits, 0, padded,
                        sizeof *padded * images_now * (size_t)stride));
        for (uint32_t n = 0; n < images_now; n++)
            for (int k = 0; k < classes; k++)
                logits[(size_t)(first + n) * (size_t)classes + (size_t)k] =
                    padded[(size_t)n * (size_t)stride + (size_t)k];
    }
    err = end_pass(net, count, steps, result);
    free(padded);
    return err;
out:
    device_finish(net->device);
    free(padded);
    return err;
}
