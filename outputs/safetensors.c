#include "outputs/safetensors.h"

#include <inttypes.h>
#include <math.h>

#include "outputs/file.h"
#include "outputs/floats.h"
#include "outputs/json.h"

static void metadata(struct text *out, const struct model *model)
{
    char genome[GENOME_TEXT_SIZE];
    struct text names = {0};
    const struct image_shape *shape = &model->shape;
    genome_format(genome, &model->genome);
    model_class_names(&names, model);
    text_printf(out,
                "{\"__metadata__\":{\"format\":\"clade 1\",\"genome\":\"%s\",\"image\":\"%dx%dx%d\""
                ",\"classes\":\"%d\",\"pixel_mean\":\"%.9g\",\"pixel_std\":\"%.9g\"",
                genome, shape->height, shape->width, shape->channels, shape->classes,
                (double)model->mean, (double)model->std);
    if (!isnan(model->test_accuracy))
        text_printf(out, ",\"test_accuracy\":\"%.17g\"", model->test_accuracy);
    text_append(out, ",\"class_names\":");
    json_string(out, names.data != NULL ? names.data : "");
    text_append(out, "}");
    out->failed = out->failed || names.failed;
    text_free(&names);
}

enum error safetensors_write(const char *path, const struct model *model)
{
    struct text header = {0}, file = {0};
    struct model_tensor tensors[MODEL_TENSORS_MAX];
    int count = model_tensors(tensors, &model->genome, &model->shape);
    metadata(&header, model);
    for (int i = 0; i < count; i++) {
        const struct model_tensor *tensor = &tensors[i];
        text_printf(&header, ",\"%s\":{\"dtype\":\"F32\",\"shape\":[", tensor->name);
        for (int d = 0; d < tensor->dimensions; d++)
            text_printf(&header, d == 0 ? "%" PRId64 : ",%" PRId64, tensor->size[d]);
        text_printf(&header, "],\"data_offsets\":[%zu,%zu]}", tensor->first * sizeof(float),
                    (tensor->first + tensor->count) * sizeof(float));
    }
    text_append(&header, "}");
    while (header.length % 8 != 0 && !header.failed)
        text_append(&header, " ");
    for (int shift = 0; shift < 64; shift += 8) {
        char byte = (char)((uint64_t)header.length >> shift & 0xff);
        text_append_n(&file, &byte, 1);
    }
    if (!header.failed)
        text_append_n(&file, header.data, header.length);
    floats_append(&file, model->weights, model->weight_count);
    file.failed = file.failed || header.failed;
    enum error err = file_replace_text(path, &file);
    text_free(&header);
    text_free(&file);
    return err;
}
