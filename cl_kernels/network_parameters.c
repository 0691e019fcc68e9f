/* Parameters of a network in canonical order: initial values, reading, writing. */
#include "cl_kernels/network_internal.h"

#include <math.h>
#include <stdlib.h>

#include "pipeline/base/rng.h"

int64_t network_deployed_count(const struct network *net)
{
    return genome_cost(&net->genome, &net->shape).parameters;
}

int64_t network_parameter_count(const struct network *net)
{
    int64_t count = network_deployed_count(net);
    for (int i = 0; i < net->layer_count && network_normalises(net); i++)
        count += net->layers[i].shape.channels_out;
    return count;
}

/*
 * Copies between canonical and flat order: to_flat writes flat[place] = canonical[i], otherwise
 * canonical[i] = flat[place].
 */
static void copy_part(float *canonical, float *flat, bool to_flat)
{
    if (to_flat)
        *flat = *canonical;
    else
        *canonical = *flat;
}

static void copy_parameters(const struct network *net, float *canonical, float *flat, bool to_flat,
                            bool gammas)
{
    for (int i = 0; i < net->layer_count; i++) {
        const struct network_layer *layer = &net->layers[i];
        const struct conv_shape *s = &layer->shape;
        for (int to = 0; to < s->channels_out; to++)
            for (int from = 0; from < s->channels_in; from++)
                for (int tap = 0; tap < s->kernel * s->kernel; tap++)
                    copy_part(canonical++,
                              flat + layer->weights + conv_weight_place(layer->conv, to, from, tap),
                              to_flat);
        for (int to = 0; gammas && to < s->channels_out; to++)
            copy_part(canonical++, flat + layer->gamma + to, to_flat);
        for (int to = 0; to < s->channels_out; to++)
            copy_part(canonical++, flat + layer->bias + to, to_flat);
    }
    const struct head_plan *head = &net->head.plan;
    int channels = head->input.channels, stride = net->head.classes_stride;
    for (int j = 0; j < GENOME_HEAD_UNITS; j++)
        for (int c = 0; c < channels; c++)
            copy_part(canonical++, flat + head->weights_1 + c * GENOME_HEAD_UNITS + j, to_flat);
    for (int j = 0; j < GENOME_HEAD_UNITS; j++)
        copy_part(canonical++, flat + head->bias_1 + j, to_flat);
    for (int k = 0; k < net->shape.classes; k++)
        for (int j = 0; j < GENOME_HEAD_UNITS; j++)
            copy_part(canonical++, flat + head->weights_2 + j * stride + k, to_flat);
    for (int k = 0; k < net->shape.classes; k++)
        copy_part(canonical++, flat + head->bias_2 + k, to_flat);
}

/* The same for all members; `gammas`: whether they are among the canonical ones. */
static void copy_members(const struct network *net, float *canonical, float *flat, bool to_flat,
                         bool gammas)
{
    size_t count = (size_t)(gammas ? network_parameter_count(net) : network_deployed_count(net));
    for (size_t i = 0; i < (size_t)net->members; i++)
        copy_parameters(net, canonical + i * count, flat + i * net->floats, to_flat, gammas);
}

/* `floats` for each member. */
static enum error allocate(float **out, const struct network *net, size_t floats)
{
    *out = calloc((size_t)net->members * floats, sizeof **out);
    if (*out == NULL)
        return error_set(ERR_INTERNAL, "out of memory for %d times %zu parameters", net->members,
                         floats);
    return ERR_NONE;
}

static size_t flat_bytes(const struct network *net)
{
    return (size_t)net->members * net->floats * sizeof(float);
}

enum error network_read_parameters(struct network *net, float *parameters)
{
    float *flat;
    enum error err = allocate(&flat, net, net->floats);
    if (err != ERR_NONE)
        return err;
    err = device_read(net->device, net->parameters, 0, flat, flat_bytes(net));
    if (err == ERR_NONE)
        copy_members(net, parameters, flat, false, network_normalises(net));
    free(flat);
    return err;
}

enum error network_read_deployed(struct network *net, float *parameters)
{
    enum error err = ERR_NONE;
    float *flat = NULL;
    TRY(allocate(&flat, net, net->floats));
    TRY(network_fold(net));
    TRY(device_read(net->device, network_normalises(net) ? net->folded : net->parameters, 0, flat,
                    flat_bytes(net)));
    copy_members(net, parameters, flat, false, false);
out:
    free(flat);
    return err;
}

enum error network_read_gradients(struct network *net, float *gradients)
{
    enum error err = ERR_NONE;
    float *sum = NULL, *partial = NULL;
    size_t bytes = flat_bytes(net);
    TRY(allocate(&sum, net, net->floats));
    TRY(allocate(&partial, net, net->floats));
    for (int s = 0; s < net->splits; s++) {
        TRY(device_read(net->device, net->gradients, (size_t)s * bytes, partial, bytes));
        for (size_t i = 0; i < bytes / sizeof *sum; i++)
            sum[i] += partial[i];
    }
    copy_members(net, gradients, sum, false, network_normalises(net));
out:
    free(partial);
    free(sum);
    return err;
}

enum error network_write_parameters(struct network *net, const float *parameters)
{
    enum error err = ERR_NONE;
    size_t count = (size_t)network_parameter_count(net);
    float *flat = NULL, *canonical = NULL;
    TRY(allocate(&flat, net, net->floats));
    TRY(allocate(&canonical, net, count));
    for (size_t i = 0; i < (size_t)net->members * count; i++)
        canonical[i] = parameters[i];
    copy_members(net, canonical, flat, true, network_normalises(net));
    TRY(device_write(net->device, net->parameters, 0, flat, flat_bytes(net)));
    TRY(optimizer_reset(&net->optimizer));
    for (int i = 0; i < net->layer_count && network_normalises(net); i++)
        TRY(norm_reset(&net->layers[i].norm));
    TRY(network_transpose(net));
out:
    free(canonical);
    free(flat);
    return err;
}

/* Standard deviation of a layer's first weights. */
static double weight_deviation(enum activation activation, int fan_in, int fan_out)
{
    if (activation == ACT_SIGMOID || activation == ACT_TANH)
        return sqrt(2.0 / (fan_in + fan_out));
    return sqrt(2.0 / fan_in);
}

static float *draw(float *to, size_t weights, double deviation, size_t biases, struct rng *rng)
{
    for (size_t i = 0; i < weights; i++)
        *to++ = (float)(deviation * rng_normal(rng));
    return to + biases; /* zero from calloc */
}

/* One member's; `to` is all zeros. */
static void initialise(const struct network *net, int member, float *to, cl_uint *augment_seed,
                       uint64_t seed)
{
    struct rng rng;
    rng_seed(&rng, seed);
    *augment_seed = (cl_uint)rng_next(&rng);
    for (int i = 0; i < net->layer_count; i++) {
        const struct conv_shape *s = &net->layers[i].shape;
        int taps = s->kernel * s->kernel;
        to = draw(to, (size_t)(taps * s->channels_in * s->channels_out),
                  weight_deviation(net->layers[i].activations[member], taps * s->channels_in,
                                   taps * s->channels_out),
                  0, &rng);
        for (int c = 0; c < s->channels_out && network_normalises(net); c++)
            *to++ = 1.0f;
        to += s->channels_out;
    }
    int channels = net->head.plan.input.channels, classes = net->shape.classes;
    to = draw(to, (size_t)(channels * GENOME_HEAD_UNITS),
              weight_deviation(net->head_activations[member], channels, GENOME_HEAD_UNITS),
              GENOME_HEAD_UNITS, &rng);
    draw(to, (size_t)(GENOME_HEAD_UNITS * classes),
         weight_deviation(ACT_TANH, GENOME_HEAD_UNITS, classes), (size_t)classes, &rng);
}

enum error network_initialise(struct network *net, const uint64_t *seeds)
{
    enum error err = ERR_NONE;
    size_t count = (size_t)network_parameter_count(net), members = (size_t)net->members;
    float *canonical = NULL;
    cl_uint *augment_seeds = calloc(members, sizeof *augment_seeds);
    if (augment_seeds == NULL)
        return error_set(ERR_INTERNAL, "out of memory for %zu seeds", members);
    TRY(allocate(&canonical, net, count));
    for (int i = 0; i < net->members; i++)
        initialise(net, i, canonical + (size_t)i * count, &augment_seeds[i], seeds[i]);
    TRY(network_write_parameters(net, canonical));
    TRY(device_write(net->device, net->augment_seeds, 0, augment_seeds,
                     members * sizeof *augment_seeds));
out:
    free(canonical);
    free(augment_seeds);
    return err;
}
