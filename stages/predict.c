#include "stages/predict.h"

#include <math.h>
#include <stdlib.h>

int predict_class(const float *logits, int classes)
{
    int best = 0;
    for (int i = 1; i < classes; i++)
        if (logits[i] > logits[best])
            best = i;
    return best;
}

double predict_probability(const float *logits, int classes, int index)
{
    double top = (double)logits[predict_class(logits, classes)], sum = 0;
    for (int i = 0; i < classes; i++)
        sum += exp((double)logits[i] - top);
    return exp((double)logits[index] - top) / sum;
}

enum error predict_logits(float **logits, struct pass_result *pass, struct device *device,
                          const struct model *model, const struct images *images,
                          const struct settings *settings)
{
    enum error err = ERR_NONE;
    struct images shown = *images;
    struct image_store *store = NULL;
    struct network *network = NULL;
    uint32_t *order = malloc(images->count * sizeof *order);
    float *scores = malloc(images->count * (size_t)model->shape.classes * sizeof *scores);
    if (order == NULL || scores == NULL) {
        err = error_set(ERR_INTERNAL, "out of memory for the scores of %u images", images->count);
        goto out;
    }
    for (uint32_t i = 0; i < images->count; i++)
        order[i] = i;
    shown.shape.classes = model->shape.classes;
    shown.mean = model->mean;
    shown.std = model->std;
    TRY(image_store_create(&store, device, &shown));
    struct training_settings deployed = settings->training;
    deployed.norm = NORM_NONE; /* a model has it folded into its weights */
    TRY(network_create(&network, device, &model->genome, &model->shape, &deployed,
                       settings->devices.conv));
    TRY(network_write_parameters(network, model->weights));
    TRY(network_evaluate(network, store, order, images->count, pass, scores));
    *logits = scores;
    scores = NULL;
out:
    network_destroy(network);
    image_store_destroy(store);
    free(scores);
    free(order);
    return err;
}
