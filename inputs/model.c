#include "inputs/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inputs/class_names.h"

void model_free(struct model *model)
{
    free(model->weights);
    *model = (struct model){0};
}

static struct model_tensor *add(struct model_tensor *at, size_t *first, const char *layer,
                                const char *part, int dimensions, const int64_t *size)
{
    *at = (struct model_tensor){.dimensions = dimensions, .first = *first, .count = 1};
    snprintf(at->name, sizeof at->name, "%s.%s", layer, part);
    for (int i = 0; i < dimensions; i++) {
        at->size[i] = size[i];
        at->count *= (size_t)size[i];
    }
    *first += at->count;
    return at + 1;
}

int model_tensors(struct model_tensor tensors[MODEL_TENSORS_MAX], const struct genome *genome,
                  const struct image_shape *shape)
{
    struct model_tensor *at = tensors;
    size_t first = 0;
    int64_t channels = shape->channels, units = GENOME_HEAD_UNITS, classes = shape->classes;
    for (int i = 0; i < genome->layer_count; i++) {
        const struct layer *layer = &genome->layers[i];
        char name[16];
        snprintf(name, sizeof name, "conv%d", i + 1);
        at = add(at, &first, name, "weight", 4,
                 (int64_t[]){layer->filters, channels, layer->kernel, layer->kernel});
        at = add(at, &first, name, "bias", 1, (int64_t[]){layer->filters});
        channels = layer->filters;
    }
    at = add(at, &first, "dense", "weight", 2, (int64_t[]){units, channels});
    at = add(at, &first, "dense", "bias", 1, &units);
    at = add(at, &first, "output", "weight", 2, (int64_t[]){classes, units});
    at = add(at, &first, "output", "bias", 1, &classes);
    return (int)(at - tensors);
}

enum error model_set_class_names(struct model *model, const char *names)
{
    enum error err = class_names_check(names, model->shape.classes);
    if (err != ERR_NONE)
        return err;
    size_t length = strlen(names);
    if (length >= sizeof model->class_names)
        return error_set(ERR_USAGE, "class names: over %d characters", MODEL_NAMES_SIZE - 1);
    memcpy(model->class_names, names, length + 1);
    return ERR_NONE;
}

void model_class_names(struct text *out, const struct model *model)
{
    if (model->class_names[0] != '\0') {
        text_append(out, model->class_names);
        return;
    }
    for (int i = 0; i < model->shape.classes; i++)
        text_printf(out, i == 0 ? "%d" : ",%d", i);
}
