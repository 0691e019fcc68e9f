/* clade export: a best genome's weights in forms that other programs use. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "outputs/c_source.h"
#include "outputs/onnx.h"
#include "outputs/safetensors.h"
#include "pipeline/command.h"
#include "pipeline/reference.h"
#include "pipeline/weights.h"

enum { OPTION_ONNX = 1, OPTION_C, OPTION_SAFETENSORS, OPTION_NAMES };

struct request {
    const char *onnx, *c, *safetensors, *names;
};

static bool same(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

static enum error read_arguments(struct request *request, struct arguments *arguments)
{
    enum error err = ERR_NONE;
    *request = (struct request){0};
    for (;;) {
        int id;
        const char *value;
        TRY(command_next(&id, &value, arguments));
        if (id == 0)
            break;
        if (id == OPTION_ONNX)
            request->onnx = value;
        else if (id == OPTION_C)
            request->c = value;
        else if (id == OPTION_SAFETENSORS)
            request->safetensors = value;
        else
            request->names = value;
    }
    if (request->onnx == NULL && request->c == NULL && request->safetensors == NULL)
        return error_set(ERR_USAGE, "export: expected --onnx, --c or --safetensors with a file");
    if (same(request->onnx, request->c) || same(request->onnx, request->safetensors))
        return error_set(ERR_USAGE, "export: two forms cannot be in one file, %s", request->onnx);
    if (same(request->c, request->safetensors))
        return error_set(ERR_USAGE, "export: two forms cannot be in one file, %s", request->c);
out:
    return err;
}

static enum error write_c(const char *path, const struct model *model)
{
    enum error err = ERR_NONE;
    size_t count =
        (size_t)model->shape.height * (size_t)model->shape.width * (size_t)model->shape.channels;
    uint8_t *pixels = malloc(count);
    float *logits = malloc((size_t)model->shape.classes * sizeof *logits);
    if (pixels == NULL || logits == NULL) {
        err = error_set(ERR_INTERNAL, "out of memory while writing %s", path);
        goto out;
    }
    c_source_test_image(pixels, count);
    TRY(reference_logits(logits, model, pixels));
    TRY(c_source_write(path, model, logits, PROGRAM_VERSION));
    printf("%s\n", path);
out:
    free(logits);
    free(pixels);
    return err;
}

static enum error run(struct arguments *arguments)
{
    enum error err = ERR_NONE;
    struct request request;
    struct model model = {0};
    TRY(read_arguments(&request, arguments));
    TRY(weights_load(&model, NULL, arguments->operands[0]));
    if (request.names != NULL)
        TRY(model_set_class_names(&model, request.names));
    if (request.onnx != NULL) {
        TRY(onnx_write(request.onnx, &model, PROGRAM_VERSION));
        printf("%s\n", request.onnx);
    }
    if (request.c != NULL)
        TRY(write_c(request.c, &model));
    if (request.safetensors != NULL) {
        TRY(safetensors_write(request.safetensors, &model));
        printf("%s\n", request.safetensors);
    }
out:
    model_free(&model);
    return err;
}

static const struct option_row options[] = {
    {"onnx", OPTION_ONNX, "FILE", "write it as ONNX (opset 13)"},
    {"c", OPTION_C, "FILE", "write it as one C99 file without dependencies"},
    {"safetensors", OPTION_SAFETENSORS, "FILE", "write its weights"},
    {"class-names", OPTION_NAMES, "A,B,...", "the names of the classes, for all of these"},
    {0},
};

const struct command command_export = {
    .name = "export",
    .operands = "WEIGHTS|DIR",
    .summary = "Write a best genome as ONNX, C or weights",
    .examples = "clade export runs/20260131-021500 --onnx best.onnx --c best.c\n"
                "clade export best_genome.safetensors --onnx best.onnx --class-names cat,dog\n",
    .text = "DIR is a run that has ended: its best_genome.safetensors is used. No device is\n"
            "needed. A file that is there is replaced.\n",
    .options = options,
    .least = 1,
    .most = 1,
    .run = run,
};
