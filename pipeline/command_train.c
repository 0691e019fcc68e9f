/* clade train: one genome, trained and scored on the validation images, in this process. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inputs/dataset.h"
#include "pipeline/command.h"
#include "pipeline/listing.h"
#include "pipeline/slots.h"
#include "pipeline/tune.h"
#include "stages/train.h"

enum {
    OPTION_FORMAT = 1,
    OPTION_SET,
    OPTION_SETTINGS,
    OPTION_EPOCHS,
    OPTION_SEED,
    OPTION_IMAGES,
    OPTION_BATCH,
    OPTION_DEVICE,
    OPTION_CONV,
    OPTION_NO_TUNE
};

struct request {
    enum format format;
    struct settings settings;
    uint64_t seed;
    const char *genome;
};

static enum error read_arguments(struct request *request, struct arguments *arguments)
{
    enum error err = ERR_NONE;
    long long number;
    *request = (struct request){.seed = 1};
    settings_defaults(&request->settings, NULL);
    for (;;) {
        int id;
        const char *value;
        TRY(command_next(&id, &value, arguments));
        switch (id) {
        case 0:
            request->genome = arguments->operands[0];
            return settings_check(&request->settings);
        case OPTION_FORMAT:
            TRY(format_parse(&request->format, value));
            break;
        case OPTION_SETTINGS:
            TRY(settings_read_file(&request->settings, NULL, value));
            break;
        case OPTION_SET:
            TRY(settings_apply(&request->settings, NULL, value));
            break;
        case OPTION_SEED:
            TRY(command_integer(&number, arguments, id, value, 0, INT64_MAX));
            request->seed = (uint64_t)number;
            break;
        case OPTION_EPOCHS:
            TRY(command_setting(&request->settings, arguments, id, "training.epochs", value));
            break;
        case OPTION_IMAGES:
            TRY(command_setting(&request->settings, arguments, id, "training.train_images", value));
            break;
        case OPTION_BATCH:
            TRY(command_setting(&request->settings, arguments, id, "training.batch", value));
            break;
        case OPTION_DEVICE:
            TRY(command_setting(&request->settings, arguments, id, "devices.use", value));
            break;
        case OPTION_NO_TUNE:
            request->settings.devices.tune = TUNE_OFF;
            break;
        case OPTION_CONV:
            TRY(command_setting(&request->settings, arguments, id, "devices.conv", value));
            break;
        }
    }
out:
    return err;
}

static bool print_epoch(const struct train_progress *progress, void *user)
{
    (void)user;
    fprintf(stderr, "epoch %d/%d: loss %.4f, training accuracy %.4f, %.0f images/s, %.1f s\n",
            progress->epoch, progress->epochs, progress->train.loss, progress->train.accuracy,
            progress->images_per_s, progress->seconds);
    return true;
}

static const struct listing_column columns[] = {
    {"genome", NULL, 0},     {"parameters", NULL, 0},      {"device", NULL, 0},
    {"epochs", NULL, 0},     {"train_images", NULL, 0},    {"seed", NULL, 0},
    {"train_loss", NULL, 0}, {"validation_loss", NULL, 0}, {"validation_accuracy", NULL, 0},
    {"duration_s", NULL, 0}, {"images_per_s", NULL, 0},    {"gflops", NULL, 0},
};

static enum error print_result(const struct request *request, const struct genome *genome,
                               const struct image_shape *shape, const struct device_info *device,
                               const struct train_result *result)
{
    char canonical[GENOME_TEXT_SIZE];
    struct listing listing;
    genome_format(canonical, genome);
    int64_t parameters = genome_cost(genome, shape).parameters;
    if (request->format == FORMAT_TEXT) {
        printf("genome               %s\n"
               "parameters           %" PRId64 "\n"
               "device               %s\n"
               "training             %d epochs of %u images, seed %" PRIu64 ", loss %.4f\n"
               "validation loss      %.4f\n"
               "validation accuracy  %.4f of %u images\n"
               "speed                %.0f images/s, %.1f GFLOP/s, %.1f s\n",
               canonical, parameters, device->name, result->epochs, result->train_images,
               request->seed, result->train.loss, result->validation.loss,
               result->validation.accuracy, result->validation.count, result->images_per_s,
               result->gflops, result->duration_s);
        return ERR_NONE;
    }
    listing_begin(&listing, FORMAT_CSV, columns, sizeof columns / sizeof columns[0]);
    listing_text(&listing, canonical);
    listing_integer(&listing, parameters);
    listing_text(&listing, device->name);
    listing_integer(&listing, result->epochs);
    listing_integer(&listing, result->train_images);
    listing_integer(&listing, (int64_t)request->seed);
    listing_number(&listing, result->train.loss);
    listing_number(&listing, result->validation.loss);
    listing_number(&listing, result->validation.accuracy);
    listing_number(&listing, result->duration_s);
    listing_number(&listing, result->images_per_s);
    listing_number(&listing, result->gflops);
    return listing_print(&listing);
}

static enum error run(struct arguments *arguments)
{
    enum error err = ERR_NONE;
    struct request request;
    struct genome genome;
    struct images images = {0};
    struct slot slot;
    struct tune_list kinds = {0};
    struct device *device = NULL;
    struct trainer trainer = {0};
    struct train_result result;
    TRY(read_arguments(&request, arguments));
    command_show_log();
    TRY(genome_parse(&genome, request.genome));
    TRY(images_load_training(&images, &request.settings.data));
    TRY(slot_find_whole(&slot, &request.settings.devices));
    TRY(tune_list_genome(&kinds, &genome, &images.shape, request.settings.training.batch,
                         request.settings.devices.conv));
    tune_slots(&slot, 1, &kinds);
    TRY(slot_open(&device, &slot));
    TRY(trainer_create(&trainer, device, &images, &request.settings.data));
    TRY(train_candidate(&result, &trainer, &genome, &request.settings.training,
                        request.settings.devices.conv, request.seed,
                        request.settings.devices.time_limit_s, print_epoch, NULL, NULL));
    TRY(print_result(&request, &genome, &images.shape, device_get_info(device), &result));
out:
    trainer_destroy(&trainer);
    device_close(device);
    tune_list_free(&kinds);
    images_free(&images);
    return err;
}

static const struct option_row options[] = {
    {"epochs", OPTION_EPOCHS, "N", "passes over the images (training.epochs)"},
    {"seed", OPTION_SEED, "S", "of initialisation and shuffling (1)"},
    {"images", OPTION_IMAGES, "N", "training images, 0: all (training.train_images)"},
    {"batch", OPTION_BATCH, "N", "images in a step (training.batch)"},
    {"device", OPTION_DEVICE, "I", "index as 'clade devices' shows it (devices.use)"},
    {"conv", OPTION_CONV, "FAMILY", "auto, vector, winograd, tiled or clblast (devices.conv)"},
    {"no-tune", OPTION_NO_TUNE, NULL, "families and tiles by rule (devices.tune=off)"},
    {"settings", OPTION_SETTINGS, "FILE.ini", "take settings from a file"},
    {"set", OPTION_SET, "SECTION.KEY=VALUE", "change one setting; may be repeated"},
    {"format", OPTION_FORMAT, "text|csv", "the result for reading, or as CSV"},
    {0},
};

const struct command command_train = {
    .name = "train",
    .operands = "GENOME",
    .summary = "Train one genome and score it on the validation images",
    .examples = "clade train NC32k3:relu-RC32k3:relu-RC64k3:relu-NC48k3:relu-FC64:relu --epochs 3\n"
                "clade train RC8k3:relu-RC16k3:relu-FC64:relu --images 6000 --device 0.0\n",
    .text = "Options are applied in the order in which they stand. The whole device is used, not\n"
            "one slot of it. The test images are not opened.\n",
    .options = options,
    .least = 1,
    .most = 1,
    .run = run,
};
