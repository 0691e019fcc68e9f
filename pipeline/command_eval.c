/* clade eval: kept weights, scored again on the test images. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "outputs/file.h"
#include "pipeline/command.h"
#include "pipeline/listing.h"
#include "pipeline/slots.h"
#include "pipeline/weights.h"
#include "stages/confirm.h"

enum {
    OPTION_FORMAT = 1,
    OPTION_SET,
    OPTION_SETTINGS,
    OPTION_DEVICE,
    OPTION_LOGITS,
    CHANGES_MAX = 64
};

struct request {
    enum format format;
    const char *logits;
    struct option_value {
        int id;
        const char *value;
    } changes[CHANGES_MAX]; /* of settings; applied after those of the run */
    int change_count;
};

static enum error read_arguments(struct request *request, struct arguments *arguments)
{
    enum error err = ERR_NONE;
    *request = (struct request){0};
    for (;;) {
        int id;
        const char *value;
        TRY(command_next(&id, &value, arguments));
        if (id == 0)
            return ERR_NONE;
        if (id == OPTION_FORMAT)
            TRY(format_parse(&request->format, value));
        else if (id == OPTION_LOGITS)
            request->logits = value;
        else if (request->change_count == CHANGES_MAX)
            return error_set(ERR_USAGE, "eval: more than %d settings; put them into a file",
                             CHANGES_MAX);
        else
            request->changes[request->change_count++] = (struct option_value){id, value};
    }
out:
    return err;
}

static enum error change_settings(struct settings *settings, const struct request *request,
                                  const struct arguments *arguments)
{
    enum error err = ERR_NONE;
    for (int i = 0; i < request->change_count; i++) {
        const char *value = request->changes[i].value;
        if (request->changes[i].id == OPTION_SETTINGS)
            TRY(settings_read_file(settings, NULL, value));
        else if (request->changes[i].id == OPTION_SET)
            TRY(settings_apply(settings, NULL, value));
        else
            TRY(command_setting(settings, arguments, OPTION_DEVICE, "devices.use", value));
    }
    TRY(settings_check(settings));
out:
    return err;
}

static enum error write_logits(const char *path, const struct confirmation *result,
                               const float *logits)
{
    struct text csv = {0};
    text_append(&csv, "image,label,predicted");
    for (int c = 0; c < result->classes; c++)
        text_printf(&csv, ",logit_%d", c);
    for (uint32_t i = 0; i < result->test_images; i++) {
        text_printf(&csv, "\r\n%" PRIu32 ",%d,%d", i, result->labels[i], result->predictions[i]);
        for (int c = 0; c < result->classes; c++)
            text_printf(&csv, ",%.9e", (double)*logits++);
    }
    text_append(&csv, "\r\n");
    enum error err = file_replace_text(path, &csv);
    text_free(&csv);
    return err;
}

static const struct listing_column columns[] = {
    {"genome", NULL, 0},        {"parameters", NULL, 0}, {"device", NULL, 0},
    {"test_images", NULL, 0},   {"test_loss", NULL, 0},  {"test_accuracy", NULL, 0},
    {"kept_accuracy", NULL, 0},
};

static enum error print_result(const struct request *request, const struct model *model,
                               const struct confirmation *result, const struct device_info *device)
{
    char genome[GENOME_TEXT_SIZE];
    struct listing listing;
    genome_format(genome, &model->genome);
    int64_t parameters = genome_cost(&model->genome, &model->shape).parameters;
    if (request->format == FORMAT_TEXT) {
        printf("genome               %s\n"
               "parameters           %" PRId64 "\n"
               "device               %s\n"
               "test loss            %.4f\n"
               "test accuracy        %.4f of %u images\n",
               genome, parameters, device->name, result->test_loss, result->test_accuracy,
               result->test_images);
        if (!isnan(model->test_accuracy))
            printf("kept with weights    %.4f\n", model->test_accuracy);
        return ERR_NONE;
    }
    listing_begin(&listing, FORMAT_CSV, columns, sizeof columns / sizeof columns[0]);
    listing_text(&listing, genome);
    listing_integer(&listing, parameters);
    listing_text(&listing, device->name);
    listing_integer(&listing, result->test_images);
    listing_number(&listing, result->test_loss);
    listing_number(&listing, result->test_accuracy);
    listing_number(&listing, model->test_accuracy);
    return listing_print(&listing);
}

static enum error run(struct arguments *arguments)
{
    enum error err = ERR_NONE;
    struct request request;
    struct settings settings;
    struct model model = {0};
    struct device *device = NULL;
    struct images test = {0};
    struct confirmation result = {0};
    float *logits = NULL;
    TRY(read_arguments(&request, arguments));
    command_show_log();
    settings_defaults(&settings, NULL);
    TRY(weights_load(&model, &settings, arguments->operands[0]));
    TRY(change_settings(&settings, &request, arguments));
    TRY(slot_open_whole(&device, &settings.devices));
    TRY(confirm_read_test(&test, &model.shape, &settings.data));
    TRY(confirm_score(&result, device, &model, &test, &settings, &logits));
    if (request.logits != NULL)
        TRY(write_logits(request.logits, &result, logits));
    TRY(print_result(&request, &model, &result, device_get_info(device)));
out:
    free(logits);
    confirmation_free(&result);
    images_free(&test);
    device_close(device);
    model_free(&model);
    return err;
}

static const struct option_row options[] = {
    {"device", OPTION_DEVICE, "I", "index as 'clade devices' shows it (devices.use)"},
    {"settings", OPTION_SETTINGS, "FILE.ini", "take settings, such as the test files, from a file"},
    {"set", OPTION_SET, "SECTION.KEY=VALUE", "change one setting; may be repeated"},
    {"logits", OPTION_LOGITS, "FILE.csv", "write label, class and logits of every test image"},
    {"format", OPTION_FORMAT, "text|csv", "the result for reading, or as CSV"},
    {0},
};

const struct command command_eval = {
    .name = "eval",
    .operands = "WEIGHTS|DIR",
    .summary = "Score the weights of a best genome again on the test images",
    .examples = "clade eval runs/20260131-021500\n"
                "clade eval best_genome.safetensors --set data.dir=/data/kmnist --logits out.csv\n",
    .text = "DIR is a run that has ended: its best_genome.safetensors and its settings are used.\n"
            "For a file of weights, --settings and --set name the test files.\n",
    .options = options,
    .least = 1,
    .most = 1,
    .run = run,
};
