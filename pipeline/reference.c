#include "pipeline/reference.h"

#include <stdlib.h>

#include "cl_kernels/twins.h"

static void activate(double *x, size_t count, enum activation activation)
{
    for (size_t i = 0; i < count; i++)
        x[i] = twin_activation(activation, x[i]);
}

static void swap(double **a, double **b)
{
    double *kept = *a;
    *a = *b;
    *b = kept;
}

/* Values of the widest layer, the image included. */
static size_t widest(const struct model *model)
{
    size_t most = GENOME_HEAD_UNITS + (size_t)model->shape.classes;
    size_t image =
        (size_t)model->shape.height * (size_t)model->shape.width * (size_t)model->shape.channels;
    most = image > most ? image : most;
    for (int i = 0; i < model->genome.layer_count; i++) {
        struct layer_cost cost = genome_layer_cost(&model->genome, &model->shape, i);
        size_t values = (size_t)cost.height * (size_t)cost.width * (size_t)cost.channels;
        most = values > most ? values : most;
    }
    return most;
}

static void normalise(double *x, const struct model *model, const uint8_t *pixels)
{
    int area = model->shape.height * model->shape.width, channels = model->shape.channels;
    for (int c = 0; c < channels; c++)
        for (int i = 0; i < area; i++)
            *x++ = (pixels[i * channels + c] / 255.0 - (double)model->mean) / (double)model->std;
}

enum error reference_logits(float *logits, const struct model *model, const uint8_t *pixels)
{
    const struct genome *genome = &model->genome;
    size_t most = widest(model);
    double *x = calloc(most, sizeof *x), *y = calloc(most, sizeof *y);
    double *weights = malloc(model->weight_count * sizeof *weights);
    enum error err = ERR_NONE;
    if (x == NULL || y == NULL || weights == NULL) {
        err = error_set(ERR_INTERNAL, "out of memory for a network of %zu weights",
                        model->weight_count);
        goto out;
    }
    for (size_t i = 0; i < model->weight_count; i++)
        weights[i] = (double)model->weights[i];
    struct model_tensor tensors[MODEL_TENSORS_MAX];
    int count = model_tensors(tensors, genome, &model->shape);
    struct layer_cost in = {.height = model->shape.height,
                            .width = model->shape.width,
                            .channels = model->shape.channels};
    normalise(x, model, pixels);
    for (int i = 0; i < genome->layer_count; i++) {
        const struct layer *layer = &genome->layers[i];
        const struct twin_conv conv = {.shape = {.channels_in = in.channels,
                                                 .channels_out = layer->filters,
                                                 .kernel = layer->kernel,
                                                 .stride = layer->kind == LAYER_REDUCTION ? 2 : 1},
                                       .images = 1,
                                       .height = in.height,
                                       .width = in.width};
        twin_conv_forward(&conv, x, weights + tensors[2 * i].first,
                          weights + tensors[2 * i + 1].first, y);
        in = genome_layer_cost(genome, &model->shape, i);
        activate(y, (size_t)in.height * (size_t)in.width * (size_t)in.channels, layer->activation);
        swap(&x, &y);
    }
    twin_pool_forward(1, in.channels, in.height * in.width, x, y);
    twin_dense_forward(1, in.channels, GENOME_HEAD_UNITS, y, weights + tensors[count - 4].first,
                       weights + tensors[count - 3].first, x);
    activate(x, GENOME_HEAD_UNITS, genome->head);
    twin_dense_forward(1, GENOME_HEAD_UNITS, model->shape.classes, x,
                       weights + tensors[count - 2].first, weights + tensors[count - 1].first, y);
    for (int c = 0; c < model->shape.classes; c++)
        logits[c] = (float)y[c];
out:
    free(weights);
    free(y);
    free(x);
    return err;
}
