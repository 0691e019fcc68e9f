/* clade predict: what a best genome says of images. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inputs/class_names.h"
#include "inputs/pictures.h"
#include "outputs/csv.h"
#include "pipeline/command.h"
#include "pipeline/slots.h"
#include "pipeline/weights.h"
#include "stages/predict.h"

enum { OPTION_DEVICE = 1 };

static void put_header(struct csv_rows *rows, int classes)
{
    static const char *const names[] = {"file", "image", "predicted", "class_name", "probability"};
    char name[32];
    csv_begin(rows);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        csv_put_name(rows, names[i]);
    for (int c = 0; c < classes; c++) {
        snprintf(name, sizeof name, "probability_%d", c);
        csv_put_name(rows, name);
    }
    csv_end_row(rows);
}

static void put_row(struct csv_rows *rows, const char *path, uint32_t image,
                    const struct model *model, const float *logits)
{
    char name[CLASS_NAME_SIZE];
    int classes = model->shape.classes, predicted = predict_class(logits, classes);
    class_name(name, model->class_names, predicted);
    csv_put_text(rows, path);
    csv_put_integer(rows, image);
    csv_put_integer(rows, predicted);
    csv_put_text(rows, name);
    csv_put_number(rows, predict_probability(logits, classes, predicted));
    for (int c = 0; c < classes; c++)
        csv_put_number(rows, predict_probability(logits, classes, c));
    csv_end_row(rows);
}

/* *device is opened when the first file was read: before that, most mistakes have been seen. */
static enum error predict_file(struct csv_rows *rows, const char *path, struct device **device,
                               const struct model *model, const struct settings *settings)
{
    enum error err = ERR_NONE;
    struct pictures pictures = {0};
    struct pass_result pass;
    uint8_t *labels = NULL;
    float *logits = NULL;
    TRY(pictures_read(&pictures, path, &model->shape));
    labels = calloc(pictures.count, 1); /* unknown; the loss against them is not used */
    if (labels == NULL) {
        err = error_set(ERR_INTERNAL, "out of memory for %" PRIu32 " images", pictures.count);
        goto out;
    }
    const struct images images = {.shape = model->shape,
                                  .count = pictures.count,
                                  .pixels = pictures.pixels,
                                  .labels = labels};
    if (*device == NULL)
        TRY(slot_open_whole(device, &settings->devices));
    TRY(predict_logits(&logits, &pass, *device, model, &images, settings));
    for (uint32_t i = 0; i < pictures.count; i++)
        put_row(rows, path, i, model, logits + (size_t)i * (size_t)model->shape.classes);
out:
    free(logits);
    free(labels);
    pictures_free(&pictures);
    return err;
}

static enum error run(struct arguments *arguments)
{
    enum error err = ERR_NONE;
    struct settings settings;
    struct model model = {0};
    struct device *device = NULL;
    struct csv_rows rows = {0};
    const char *chosen = NULL;
    for (;;) {
        int id;
        const char *value;
        TRY(command_next(&id, &value, arguments));
        if (id == 0)
            break;
        chosen = value;
    }
    settings_defaults(&settings, NULL);
    TRY(weights_load(&model, &settings, arguments->operands[0]));
    if (chosen != NULL)
        TRY(command_setting(&settings, arguments, OPTION_DEVICE, "devices.use", chosen));
    put_header(&rows, model.shape.classes);
    for (int i = 1; i < arguments->operand_count; i++)
        TRY(predict_file(&rows, arguments->operands[i], &device, &model, &settings));
    TRY(text_status(&rows.text));
    fwrite(rows.text.data, 1, rows.text.length, stdout);
out:
    csv_free_rows(&rows);
    device_close(device);
    model_free(&model);
    return err;
}

static const struct option_row options[] = {
    {"device", OPTION_DEVICE, "I", "index as 'clade devices' shows it (devices.use)"},
    {0},
};

const struct command command_predict = {
    .name = "predict",
    .operands = "WEIGHTS|DIR IMAGES...",
    .summary = "Classify images with a best genome",
    .examples = "clade predict runs/20260131-021500 shoe.png shirt.png\n"
                "clade predict best_genome.safetensors t10k-images-idx3-ubyte.gz > classes.csv\n",
    .text =
        "IMAGES are IDX files, plain or gzip, or PNG, of the size that the network was trained\n"
        "on. Prints CSV, a row an image: its file and number there (from 0), the class, its\n"
        "name and probability, and the probability of every class.\n",
    .options = options,
    .least = 2,
    .most = INT_MAX,
    .run = run,
};
