/* A network's plan: layouts, buffers and ops from a genome. */
#include "cl_kernels/network_internal.h"

#include <assert.h>
#include <stdlib.h>

/* Whether the backward pass needs more than the output, for any member. */
static bool keeps_slope(const struct network *net, const struct network_layer *layer)
{
    bool keeps = false;
    for (int i = 0; i < net->members; i++)
        keeps = keeps || layer->activations[i] == ACT_SWISH || layer->activations[i] == ACT_GELU;
    return keeps;
}

bool network_normalises(const struct network *net)
{
    return net->training.norm == NORM_BATCH;
}

cl_mem network_kept(const struct network_layer *layer)
{
    return layer->slopes != NULL ? layer->slopes : layer->y;
}

/* Shapes, layouts and activations of all layers; touches no device. */
static void plan_layers(struct network *net, const struct genome *genomes)
{
    const struct genome *g = &net->genome;
    int height = net->shape.height, width = net->shape.width, channels = net->shape.channels;
    net->input = layout_make_image(height, width, channels, g->layers[0].kernel / 2);
    net->layer_count = g->layer_count;
    for (int i = 0; i < g->layer_count; i++) {
        const struct layer *gene = &g->layers[i];
        struct network_layer *layer = &net->layers[i];
        int stride = gene->kind == LAYER_REDUCTION ? 2 : 1;
        layer->shape = (struct conv_shape){channels, gene->filters, gene->kernel, stride};
        for (int k = 0; k < net->members; k++)
            layer->activations[k] = genomes[k].layers[i].activation;
        height = (height + stride - 1) / stride;
        width = (width + stride - 1) / stride;
        channels = gene->filters;
        int next_kernel = i + 1 < g->layer_count ? g->layers[i + 1].kernel : 1;
        layer->output = layout_make(height, width, channels, next_kernel / 2);
        layer->gradient = layout_make(height, width, channels, gene->kernel / 2);
    }
}

static uint64_t buffer_bytes(const struct layout *layout, int batch)
{
    return sizeof(float) * (uint64_t)layout_floats(layout, batch);
}

static struct conv_plan layer_plan(const struct network *net, int i)
{
    const struct network_layer *layer = &net->layers[i];
    struct conv_plan plan = {
        .shape = layer->shape,
        .input = i > 0 ? net->layers[i - 1].output : net->input,
        .output = layer->output,
        .gradient = layer->gradient,
        .family = net->family,
        .batch = net->training.batch,
        .members = net->members,
    };
    if (i > 0)
        plan.input_gradient = net->layers[i - 1].gradient;
    return plan;
}

/* Bytes of a plan and of its largest buffer. `weights` counts floats of a member's flat parameters
   and `transposed` of their copy. */
static uint64_t plan_bytes(const struct network *net, uint64_t weights, uint64_t transposed,
                           uint64_t *largest)
{
    int batch = net->training.batch, images = net->members * batch;
    uint64_t members = (uint64_t)net->members;
    uint64_t total = buffer_bytes(&net->input, images);
    size_t scratch[SCRATCH_COUNT] = {0};
    *largest = total;
    for (int i = 0; i < net->layer_count; i++) {
        const struct network_layer *layer = &net->layers[i];
        uint64_t y = buffer_bytes(&layer->output, images);
        uint64_t dy = buffer_bytes(&layer->gradient, images);
        total += y + dy + (keeps_slope(net, layer) ? y : 0);
        if (network_normalises(net)) {
            bool below_reduction = i + 1 < net->layer_count && net->layers[i + 1].shape.stride == 2;
            total += y + norm_bytes(&layer->output, batch, net->members, below_reduction ? 4 : 1);
        }
        if (y > *largest)
            *largest = y;
        if (dy > *largest)
            *largest = dy;
        struct conv_plan plan = layer_plan(net, i);
        conv_scratch(scratch, net->device, &plan);
    }
    for (int i = 0; i < SCRATCH_COUNT; i++)
        total += scratch[i];
    total += head_bytes(&net->layers[net->layer_count - 1].output, net->shape.classes, batch,
                        net->members);
    /* parameters, two moments, gradients, folded and averaged parameters; the transposed copy and
       its places */
    uint64_t copies = (uint64_t)(3 + net->splits + (network_normalises(net) ? 1 : 0) +
                                 (net->training.average == AVERAGE_EMA ? 1 : 0));
    total += sizeof(float) * (members * (weights * copies + transposed) + transposed);
    uint64_t gradients = sizeof(float) * members * weights * (uint64_t)net->splits;
    if (gradients > *largest)
        *largest = gradients;
    return total;
}

static enum error check_size(const struct network *net, uint64_t bytes, uint64_t largest)
{
    const struct device_info *info = device_get_info(net->device);
    /* Kernels index with 32-bit ints. */
    uint64_t limit = info->max_buffer_bytes;
    if (limit > sizeof(float) * (uint64_t)INT32_MAX)
        limit = sizeof(float) * (uint64_t)INT32_MAX;
    if (bytes > info->global_bytes || largest > limit)
        return error_set(ERR_TOO_BIG,
                         "the network needs %llu MB with a largest buffer of %llu MB, but device "
                         "%s has %llu MB and allows buffers of %llu MB: reduce training.batch or "
                         "space.max_parameters",
                         (unsigned long long)(bytes >> 20), (unsigned long long)(largest >> 20),
                         info->name, (unsigned long long)(info->global_bytes >> 20),
                         (unsigned long long)(limit >> 20));
    return ERR_NONE;
}

static uint64_t in_groups(int channels, int least)
{
    int lanes = layout_lanes(channels), unit = lanes > least ? lanes : least;
    return (uint64_t)((channels + unit - 1) / unit * unit);
}

/* Before any weight group is known: weights as if packed in whole blocks. */
static uint64_t estimated_weights(const struct network *net, uint64_t *transposed)
{
    uint64_t total = 0;
    *transposed = 0;
    for (int i = 0; i < net->layer_count; i++) {
        const struct conv_shape *s = &net->layers[i].shape;
        uint64_t taps = (uint64_t)(s->kernel * s->kernel);
        /* The least group of the tiled family; the others' are blocks. */
        int least = net->family == CONV_TILED ? 16 : 1;
        uint64_t to = in_groups(s->channels_out, least), from = in_groups(s->channels_in, least);
        total += taps * (uint64_t)s->channels_in * to + to;
        if (i > 0)
            *transposed += taps * (uint64_t)s->channels_out * from;
    }
    uint64_t classes = (uint64_t)head_classes_stride(net->shape.classes);
    uint64_t last = (uint64_t)net->layers[net->layer_count - 1].shape.channels_out;
    return total + (last + 1) * GENOME_HEAD_UNITS + (GENOME_HEAD_UNITS + 1) * classes;
}

static void prepare(struct network *net, const struct genome *genomes, int members,
                    const struct image_shape *shape, const struct training_settings *training,
                    enum conv_family family)
{
    net->genome = genomes[0];
    net->members = members;
    for (int i = 0; i < members; i++) {
        assert(genome_same_shape(&genomes[i], &genomes[0]));
        net->head_activations[i] = genomes[i].head;
    }
    net->shape = *shape;
    net->training = *training;
    net->family = family;
    plan_layers(net, genomes);
    for (int i = 0; i < net->layer_count; i++) {
        struct conv_plan plan = layer_plan(net, i);
        int splits = conv_plan_splits(net->device, &plan);
        if (splits > net->splits)
            net->splits = splits;
    }
}

uint64_t network_bytes(const struct genome *genomes, int members, const struct image_shape *shape,
                       const struct training_settings *training, enum conv_family family,
                       struct device *device)
{
    struct network *net = calloc(1, sizeof *net);
    if (net == NULL)
        return 0;
    net->device = device;
    prepare(net, genomes, members, shape, training, family);
    uint64_t transposed, largest;
    uint64_t weights = estimated_weights(net, &transposed);
    uint64_t bytes = plan_bytes(net, weights, transposed, &largest);
    free(net);
    return bytes;
}

static size_t round_16(size_t floats)
{
    return (floats + 15) / 16 * 16;
}

static enum error create_convolutions(struct network *net)
{
    for (int i = 0; i < net->layer_count; i++) {
        struct network_layer *layer = &net->layers[i];
        struct conv_plan plan = layer_plan(net, i);
        enum error err = conv_create(&layer->conv, net->device, &plan);
        if (err != ERR_NONE)
            return err;
    }
    return ERR_NONE;
}

/* Gives every part its place in the flat parameters, weights first. */
static void place_parameters(struct network *net, struct head_plan *head)
{
    size_t at = 0, transposed = 0;
    for (int i = 0; i < net->layer_count; i++) {
        struct network_layer *layer = &net->layers[i];
        layer->weights = at;
        at += round_16(conv_weight_floats(layer->conv));
        if (i > 0) {
            layer->transposed = transposed;
            transposed += round_16(conv_transposed_floats(layer->conv));
        }
    }
    size_t classes = (size_t)head_classes_stride(net->shape.classes);
    head->weights_1 = at;
    at += (size_t)head->input.channels * GENOME_HEAD_UNITS;
    head->weights_2 = at;
    at += GENOME_HEAD_UNITS * classes;
    net->decay_end = at;
    for (int i = 0; i < net->layer_count; i++) {
        struct network_layer *layer = &net->layers[i];
        size_t group = (size_t)conv_group(layer->conv);
        size_t channels = round_16(((size_t)layer->shape.channels_out + group - 1) / group * group);
        layer->bias = at;
        at += channels;
        if (network_normalises(net)) {
            layer->gamma = at;
            at += channels;
        }
    }
    head->bias_1 = at;
    at += GENOME_HEAD_UNITS;
    head->bias_2 = at;
    at += classes;
    head->member_stride = at;
    net->floats = at;
    net->transposed_floats = transposed;
}

static enum error create_buffers(struct network *net)
{
    enum error err = ERR_NONE;
    int images = net->members * net->training.batch;
    TRY(device_buffer(&net->x, net->device, buffer_bytes(&net->input, images)));
    for (int i = 0; i < net->layer_count; i++) {
        struct network_layer *layer = &net->layers[i];
        TRY(device_buffer(&layer->y, net->device, buffer_bytes(&layer->output, images)));
        TRY(device_buffer(&layer->dy, net->device, buffer_bytes(&layer->gradient, images)));
        if (keeps_slope(net, layer))
            TRY(device_buffer(&layer->slopes, net->device, buffer_bytes(&layer->output, images)));
        if (network_normalises(net))
            TRY(device_buffer(&layer->z, net->device, buffer_bytes(&layer->output, images)));
    }
    size_t members = (size_t)net->members, bytes = members * net->floats * sizeof(float);
    size_t transposed = net->transposed_floats;
    TRY(device_buffer(&net->parameters, net->device, bytes));
    TRY(device_buffer(&net->gradients, net->device, bytes * (size_t)net->splits));
    if (network_normalises(net))
        TRY(device_buffer(&net->folded, net->device, bytes));
    TRY(device_buffer(&net->augment_seeds, net->device, members * sizeof(cl_uint)));
    if (transposed > 0) {
        TRY(device_buffer(&net->transposed, net->device, members * transposed * sizeof(float)));
        TRY(device_buffer(&net->places, net->device, transposed * sizeof(cl_int)));
    }
out:
    return err;
}

static enum error create_norms(struct network *net)
{
    for (int i = 0; i < net->layer_count && network_normalises(net); i++) {
        struct network_layer *layer = &net->layers[i];
        struct norm_plan plan = {
            .z = layer->output,
            .y = layer->output,
            .dy = layer->gradient,
            .each = layer->activations,
            .batch = net->training.batch,
            .members = net->members,
            .parts = i + 1 < net->layer_count ? conv_parts(net->layers[i + 1].conv) : 0,
            .forward_sums = conv_parts(layer->conv) > 0,
            .gamma = layer->gamma,
            .beta = layer->bias,
            .member_stride = net->floats,
        };
        enum error err = norm_create(&layer->norm, net->device, &plan);
        if (err != ERR_NONE)
            return err;
    }
    return ERR_NONE;
}

/* Fills net->places: which flat parameter each float of the transposed copy is. */
static enum error write_places(struct network *net)
{
    if (net->transposed_floats == 0)
        return ERR_NONE;
    cl_int *places = malloc(net->transposed_floats * sizeof *places);
    if (places == NULL)
        return error_set(ERR_INTERNAL, "out of memory for %zu weight places",
                         net->transposed_floats);
    for (size_t i = 0; i < net->transposed_floats; i++)
        places[i] = -1;
    for (int i = 1; i < net->layer_count; i++) {
        const struct network_layer *layer = &net->layers[i];
        const struct conv_shape *s = &layer->shape;
        for (int to = 0; to < s->channels_out; to++)
            for (int from = 0; from < s->channels_in; from++)
                for (int tap = 0; tap < s->kernel * s->kernel; tap++)
                    places[layer->transposed + conv_transposed_place(layer->conv, to, from, tap)] =
                        (cl_int)(layer->weights + conv_weight_place(layer->conv, to, from, tap));
    }
    enum error err =
        device_write(net->device, net->places, 0, places, net->transposed_floats * sizeof *places);
    free(places);
    return err;
}

enum error network_transpose(struct network *net)
{
    if (net->transposed_floats == 0)
        return ERR_NONE;
    return optimizer_transpose(&net->optimizer, net->parameters, net->places, net->transposed,
                               net->transposed_floats);
}

enum error network_create(struct network **out, struct device *device, const struct genome *genome,
                          const struct image_shape *shape, const struct training_settings *training,
                          enum conv_family family)
{
    return network_create_pack(out, device, genome, 1, shape, training, family);
}

enum error network_create_pack(struct network **out, struct device *device,
                               const struct genome *genomes, int members,
                               const struct image_shape *shape,
                               const struct training_settings *training, enum conv_family family)
{
    assert(members >= 1 && members <= PACK_MAX);
    enum error err = ERR_NONE;
    struct network *net = calloc(1, sizeof *net);
    if (net == NULL)
        return error_set(ERR_INTERNAL, "out of memory for a network");
    net->device = device;
    prepare(net, genomes, members, shape, training, family);
    uint64_t largest, transposed;
    uint64_t weights = estimated_weights(net, &transposed);
    uint64_t bytes = plan_bytes(net, weights, transposed, &largest);
    TRY(check_size(net, bytes, largest));
    TRY(create_convolutions(net));

    const struct network_layer *last = &net->layers[net->layer_count - 1];
    struct head_plan head = {
        .input = last->output,
        .gradient = last->gradient,
        .each_below = last->activations,
        .each = net->head_activations,
        .classes = shape->classes,
        .batch = training->batch,
        .members = members,
        .smoothing = (float)training->label_smoothing,
    };
    place_parameters(net, &head);
    bytes = plan_bytes(net, net->floats, net->transposed_floats, &largest);
    TRY(check_size(net, bytes, largest));
    TRY(create_buffers(net));
    TRY(create_norms(net));
    TRY(batch_assembler_create(&net->assembler, device, &net->input));
    if (augment_wanted(training))
        TRY(augmenter_create(&net->augmenter, device, &net->input, training));
    TRY(head_create(&net->head, device, &head));
    TRY(optimizer_create(&net->optimizer, device, training, net->floats, net->decay_end,
                         net->splits, members));
    TRY(write_places(net));
    *out = net;
    return ERR_NONE;
out:
    network_destroy(net);
    return err;
}

void network_destroy(struct network *net)
{
    if (net == NULL)
        return;
    cl_mem *buffers[] = {&net->order,      &net->statistics, &net->places,
                         &net->transposed, &net->parameters, &net->gradients,
                         &net->folded,     &net->x,          &net->augment_seeds};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        device_release(net->device, buffers[i]);
    optimizer_destroy(&net->optimizer);
    head_destroy(&net->head);
    augmenter_destroy(&net->augmenter);
    batch_assembler_destroy(&net->assembler);
    for (int i = 0; i < net->layer_count; i++) {
        struct network_layer *layer = &net->layers[i];
        device_release(net->device, &layer->y);
        device_release(net->device, &layer->dy);
        device_release(net->device, &layer->slopes);
        device_release(net->device, &layer->z);
        norm_destroy(&layer->norm);
        conv_destroy(layer->conv);
    }
    free(net);
}

double network_flops_per_image(const struct genome *genome, const struct image_shape *shape)
{
    double macs = (double)genome_cost(genome, shape).macs;
    double first = (double)genome_layer_cost(genome, shape, 0).macs;
    return 2.0 * (3.0 * macs - first);
}
