/* Passes over images: forward, backward, step. Nothing waits on the host before a pass ends. */
#include "cl_kernels/network_internal.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "pipeline/base/clock.h"

/* A part of the flat parameters, or of what is laid out like them. */
static struct span part(const struct network *net, cl_mem buffer, size_t offset)
{
    return (struct span){buffer, offset, net->floats};
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
        return augment_batch(&net->augmenter, images, net->order, net->members * first, count,
                             net->members, net->augment_seeds, (uint32_t)step, net->x);
    return batch_assemble(&net->assembler, images, net->order, net->members * first,
                          net->members * count, net->x);
}

enum error network_run_convolution(struct network *net, int i, int count, bool train)
{
    struct network_layer *layer = &net->layers[i];
    cl_mem x = i > 0 ? net->layers[i - 1].y : net->x;
    if (train && network_normalises(net)) {
        struct conv_epilogue plain = {
            .activation = ACT_COUNT,
            .sums = layer->norm.plan.forward_sums ? layer->norm.sums : NULL,
        };
        return conv_forward(layer->conv, x, part(net, net->parameters, layer->weights), &plain,
                            layer->z, count);
    }
    cl_mem parameters = deployed(net, train);
    struct conv_epilogue epilogue = {
        .bias = part(net, parameters, layer->bias),
        .activation = layer->activations[0],
        .each = layer->activations,
        .derivative = train ? layer->slopes : NULL,
    };
    return conv_forward(layer->conv, x, part(net, parameters, layer->weights), &epilogue, layer->y,
                        count);
}

enum error network_run_norm(struct network *net, int i, int count)
{
    struct network_layer *layer = &net->layers[i];
    return norm_forward(&layer->norm, layer->z, net->parameters, layer->y, layer->slopes, count);
}

enum error network_run_forward(struct network *net, int i, int count, bool train)
{
    enum error err = network_run_convolution(net, i, count, train);
    if (err == ERR_NONE && train && network_normalises(net))
        err = network_run_norm(net, i, count);
    return err;
}

enum error network_run_head(struct network *net, struct image_store *images, int first, int count,
                            bool train)
{
    struct network_layer *last = &net->layers[net->layer_count - 1];
    return head_run(&net->head, last->y, network_kept(last), deployed(net, train), net->order,
                    images->labels, net->members * first, count, train ? last->dy : NULL,
                    net->gradients);
}

enum error network_run_norm_gradient(struct network *net, int i, int count)
{
    struct network_layer *layer = &net->layers[i];
    return norm_gradient(&layer->norm, layer->z, net->parameters, layer->dy, net->gradients, count);
}

/* The normalisation has a bias of its own, and the convolution's none. */
enum error network_run_weight_gradient(struct network *net, int i, int count)
{
    struct network_layer *layer = &net->layers[i];
    struct span db = part(net, net->gradients, layer->bias);
    if (network_normalises(net))
        db.buffer = NULL;
    return conv_weight_gradient(layer->conv, i > 0 ? net->layers[i - 1].y : net->x, layer->dy,
                                part(net, net->gradients, layer->weights), db,
                                (size_t)net->members * net->floats, count);
}

enum error network_run_input_gradient(struct network *net, int i, int count)
{
    struct network_layer *layer = &net->layers[i], *below = &net->layers[i - 1];
    struct conv_chain chain = {
        .activation = below->activations[0],
        .each = below->activations,
        .kept = network_kept(below),
        .layout = below->output,
    };
    if (network_normalises(net) && below->norm.plan.parts > 0) {
        chain.sums = below->norm.sums;
        chain.means = below->norm.statistics;
        chain.z = below->z;
        chain.z_layout = below->output;
    }
    struct span weights = {net->transposed, layer->transposed, net->transposed_floats};
    return conv_input_gradient(layer->conv, layer->dy, weights, &chain, below->dy, count);
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
        if (network_normalises(net))
            TRY(network_run_norm_gradient(net, i, count));
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

/* Room for a pass over order[members][count], and the order on the device: batch after batch, in
   each the members' shares one after another. */
static enum error start_pass(struct network *net, const uint32_t *order, uint32_t count)
{
    enum error err = ERR_NONE;
    uint32_t members = (uint32_t)net->members, batch = (uint32_t)net->training.batch;
    size_t all = (size_t)members * count, steps = (count + batch - 1) / batch, n = 0;
    uint32_t *batches = malloc(all * sizeof *batches);
    if (batches == NULL)
        return error_set(ERR_INTERNAL, "out of memory for the order of %zu images", all);
    for (uint32_t first = 0; first < count; first += batch)
        for (uint32_t member = 0; member < members; member++)
            for (uint32_t i = first; i < count && i < first + batch; i++)
                batches[n++] = order[(size_t)member * count + i];
    TRY(grow(net, &net->order, &net->order_capacity, all * sizeof *batches));
    TRY(grow(net, &net->statistics, &net->statistics_capacity,
             steps * members * sizeof(cl_float2)));
    TRY(device_write(net->device, net->order, 0, batches, all * sizeof *batches));
out:
    free(batches);
    return err;
}

static enum error end_pass(struct network *net, uint32_t count, struct pass_result *results)
{
    size_t members = (size_t)net->members, batch = (size_t)net->training.batch;
    size_t sums = (count + batch - 1) / batch * members;
    cl_float2 *statistics = malloc(sums * sizeof *statistics);
    if (statistics == NULL)
        return error_set(ERR_INTERNAL, "out of memory for the sums of %zu batches", sums);
    enum error err =
        device_read(net->device, net->statistics, 0, statistics, sums * sizeof *statistics);
    size_t diverged = 0;
    for (size_t member = 0; err == ERR_NONE && member < members; member++) {
        double loss = 0.0, hits = 0.0;
        for (size_t i = member; i < sums; i += members) {
            loss += (double)statistics[i].s[0];
            hits += (double)statistics[i].s[1];
        }
        results[member] = (struct pass_result){loss / count, hits / count, count};
        diverged += isfinite(loss) ? 0 : 1;
    }
    free(statistics);
    if (err == ERR_NONE && diverged == members)
        err = error_set(ERR_DIVERGED, "the loss is not finite (%g)", results[0].loss);
    return err;
}

enum error network_fold(struct network *net)
{
    if (!network_normalises(net))
        return ERR_NONE;
    enum error err = device_check(
        clEnqueueCopyBuffer(device_queue(net->device), net->parameters, net->folded, 0, 0,
                            (size_t)net->members * net->floats * sizeof(float), 0, NULL, NULL),
        "copy the parameters");
    for (int i = 0; i < net->layer_count && err == ERR_NONE; i++) {
        struct network_layer *layer = &net->layers[i];
        err = norm_fold(&layer->norm, layer->conv, net->parameters, layer->weights, net->folded);
    }
    return err;
}

void network_set_end(struct network *net, double until_s)
{
    net->until_s = until_s;
}

/* After every CHECK_STEPS steps: waits until the device has ended those before them, which leaves
   it enough to do, and looks at the time. */
enum { CHECK_STEPS = 8 };

static enum error check_time(struct network *net, cl_event *ended, uint32_t step)
{
    enum error err = ERR_NONE;
    cl_event now = NULL;
    if (net->until_s <= 0 || step % CHECK_STEPS != CHECK_STEPS - 1)
        return ERR_NONE;
    TRY(device_check(clEnqueueMarkerWithWaitList(device_queue(net->device), 0, NULL, &now),
                     "mark a step"));
    if (*ended != NULL) {
        TRY(device_check(clWaitForEvents(1, ended), "wait for a step"));
        clReleaseEvent(*ended);
    }
    *ended = now;
    now = NULL;
    if (clock_monotonic_s() >= net->until_s)
        err = error_set(ERR_TIMEOUT, "the time limit came in step %u of an epoch", step + 1);
out:
    if (now != NULL)
        clReleaseEvent(now);
    return err;
}

enum error network_train(struct network *net, struct image_store *images, const uint32_t *order,
                         uint32_t count, int64_t step, int64_t total_steps,
                         struct pass_result *results)
{
    assert(count > 0);
    enum error err = ERR_NONE;
    uint32_t batch = (uint32_t)net->training.batch;
    cl_event ended = NULL;
    TRY(start_pass(net, order, count));
    for (uint32_t first = 0, i = 0; first < count; first += batch, i++) {
        int images_now = (int)(count - first < batch ? count - first : batch);
        TRY(forward(net, images, (int)first, images_now, true, step + (int64_t)i));
        TRY(head_statistics(&net->head, net->statistics, (int)i, images_now));
        TRY(backward(net, images_now));
        TRY(optimizer_run(&net->optimizer, net->parameters, net->gradients, step + i, total_steps));
        TRY(network_transpose(net));
        TRY(device_check(clFlush(device_queue(net->device)), "flush the queue"));
        TRY(check_time(net, &ended, i));
    }
    TRY(end_pass(net, count, results));
out:
    if (ended != NULL)
        clReleaseEvent(ended);
    return err;
}

enum error network_use_average(struct network *net, struct image_store *images,
                               const uint32_t *order, uint32_t count)
{
    assert(net->training.average == AVERAGE_EMA && count > 0);
    enum error err = ERR_NONE;
    uint32_t batch = (uint32_t)net->training.batch;
    TRY(optimizer_use_average(&net->optimizer, net->parameters));
    TRY(network_transpose(net));
    if (!network_normalises(net))
        return ERR_NONE;
    for (int i = 0; i < net->layer_count; i++)
        TRY(norm_reset(&net->layers[i].norm));
    TRY(start_pass(net, order, count));
    for (uint32_t first = 0, i = 0; first < count && i < AVERAGE_BATCHES; first += batch, i++) {
        int images_now = (int)(count - first < batch ? count - first : batch);
        TRY(forward(net, images, (int)first, images_now, true, (int64_t)i));
        TRY(device_check(clFlush(device_queue(net->device)), "flush the queue"));
    }
out:
    return err;
}

/* The logits of images [first, first + images) of each member, from the device. `padded` has room
   for a batch of all. */
static enum error read_logits(struct network *net, float *padded, size_t first, size_t images,
                              size_t count, float *logits)
{
    size_t classes = (size_t)net->shape.classes, stride = (size_t)net->head.classes_stride;
    size_t members = (size_t)net->members;
    enum error err = device_read(net->device, net->head.logits, 0, padded,
                                 sizeof *padded * members * images * stride);
    if (err != ERR_NONE)
        return err;
    for (size_t member = 0; member < members; member++)
        for (size_t n = 0; n < images; n++)
            for (size_t k = 0; k < classes; k++)
                logits[(member * count + first + n) * classes + k] =
                    padded[(member * images + n) * stride + k];
    return ERR_NONE;
}

enum error network_evaluate(struct network *net, struct image_store *images, const uint32_t *order,
                            uint32_t count, struct pass_result *results, float *logits)
{
    assert(count > 0);
    enum error err = ERR_NONE;
    uint32_t batch = (uint32_t)net->training.batch;
    float *padded = NULL;
    if (logits != NULL) {
        padded = malloc(sizeof *padded * (size_t)net->members * batch *
                        (size_t)net->head.classes_stride);
        if (padded == NULL)
            return error_set(ERR_INTERNAL, "out of memory for the logits of a batch");
    }
    TRY(start_pass(net, order, count));
    TRY(network_fold(net));
    for (uint32_t first = 0, i = 0; first < count; first += batch, i++) {
        uint32_t images_now = count - first < batch ? count - first : batch;
        TRY(forward(net, images, (int)first, (int)images_now, false, 0));
        TRY(head_statistics(&net->head, net->statistics, (int)i, (int)images_now));
        TRY(device_check(clFlush(device_queue(net->device)), "flush the queue"));
        if (logits != NULL)
            TRY(read_logits(net, padded, first, images_now, count, logits));
    }
    TRY(end_pass(net, count, results));
out:
    free(padded);
    return err;
}
