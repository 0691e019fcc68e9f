/* clade bench: training speed on the slots that a run would use. */
#include <stdio.h>
#include <stdlib.h>

#include "pipeline/bench_operations.h"
#include "pipeline/command.h"
#include "pipeline/listing.h"
#include "pipeline/measure.h"
#include "pipeline/tune.h"
#include "stages/train.h"

enum {
    OPTION_GENOME = 1,
    OPTION_OPS,
    OPTION_BATCH,
    OPTION_SECONDS,
    OPTION_CONV,
    OPTION_NO_TUNE,
    OPTION_WORKERS,
    OPTION_PACK,
    OPTION_SET,
    OPTION_FORMAT
};

enum { GENOMES_MAX = 64 };

static const double peak_seconds = 1;

static const struct image_shape shape = {.height = 28, .width = 28, .channels = 1, .classes = 10};

static const char *const default_genomes[] = {
    "NC32k3:relu-RC64k3:relu-NC64k3:relu-RC128k3:relu-NC64k3:relu-FC64:relu",
    "NC32k3:relu-RC32k3:relu-RC64k3:relu-NC48k3:relu-FC64:relu",
    "RC16k5:tanh-NC32k3:sigmoid-NC32k1:relu-RC64k3:swish-NC128k3:gelu-FC64:relu",
    "RC64k3:relu-NC128k3:relu-RC256k3:relu-NC256k3:relu-NC256k3:relu-FC64:relu",
};

struct request {
    enum format format;
    bool operations;
    struct settings settings;
    double seconds;
    long long workers; /* 0: one a slot */
    struct genome genomes[GENOMES_MAX];
    int genome_count;
};

static enum error add_genome(struct request *request, const char *text)
{
    if (request->genome_count == GENOMES_MAX)
        return error_set(ERR_USAGE, "bench: more than %d genomes", GENOMES_MAX);
    return genome_parse(&request->genomes[request->genome_count++], text);
}

static enum error read_arguments(struct request *request, struct arguments *arguments)
{
    enum error err = ERR_NONE;
    request->seconds = 5;
    settings_defaults(&request->settings, NULL);
    for (;;) {
        int id;
        const char *value;
        TRY(command_next(&id, &value, arguments));
        switch (id) {
        case OPTION_GENOME:
            TRY(add_genome(request, value));
            break;
        case OPTION_OPS:
            request->operations = true;
            break;
        case OPTION_BATCH:
            TRY(command_setting(&request->settings, arguments, id, "training.batch", value));
            break;
        case OPTION_SECONDS:
            TRY(command_real(&request->seconds, arguments, id, value, 0.1, 3600));
            break;
        case OPTION_WORKERS:
            TRY(command_integer(&request->workers, arguments, id, value, 1, 4096));
            break;
        case OPTION_NO_TUNE:
            request->settings.devices.tune = TUNE_OFF;
            break;
        case OPTION_PACK:
            TRY(command_setting(&request->settings, arguments, id, "devices.pack", value));
            break;
        case OPTION_CONV:
            TRY(command_setting(&request->settings, arguments, id, "devices.conv", value));
            break;
        case OPTION_SET:
            TRY(settings_apply(&request->settings, NULL, value));
            break;
        case OPTION_FORMAT:
            TRY(format_parse(&request->format, value));
            break;
        }
        if (id == 0)
            break;
    }
    if (request->genome_count == 0)
        for (size_t i = 0; i < sizeof default_genomes / sizeof default_genomes[0]; i++)
            TRY(add_genome(request, default_genomes[i]));
out:
    return err;
}

static const struct listing_column columns[] = {
    {"genome", "genome", 0},  {"parameters", "parameters", 0},
    {"batch", "batch", 0},    {"images_per_s", "images/s", 0},
    {"gflops", "GFLOP/s", 1}, {"peak_gflops", "peak", 1},
    {"slots", "slots", 0},    {"conv", NULL, 0},
    {"device", NULL, 0},      {"status", NULL, 0},
    {"pack", "pack", 0},
};

static void put_row(struct listing *listing, const struct request *request,
                    const struct genome *genome, const struct measured *measured, double peak,
                    const struct slot *slots, size_t slot_count)
{
    char text[GENOME_TEXT_SIZE];
    genome_format(text, genome);
    listing_text(listing, text);
    listing_integer(listing, genome_cost(genome, &shape).parameters);
    listing_integer(listing, request->settings.training.batch);
    if (measured != NULL) {
        listing_number(listing, measured->images_per_s);
        listing_number(listing, measured->gflops);
    } else {
        listing_missing(listing);
        listing_missing(listing);
    }
    listing_number(listing, peak);
    listing_integer(listing, (int64_t)slot_count);
    listing_text(listing, conv_family_name(request->settings.devices.conv));
    listing_text(listing, slots[0].device.info.name);
    listing_text(listing, measured != NULL ? "ok" : "too_big");
    listing_integer(listing,
                    train_pack_size(&slots[0].device.info, request->settings.devices.pack));
}

static enum error measure_genomes(const struct request *request, struct measure *measure,
                                  double peak, const struct slot *slots, size_t slot_count)
{
    enum error err = ERR_NONE;
    struct listing listing;
    listing_begin(&listing, request->format, columns, sizeof columns / sizeof columns[0]);
    for (int i = 0; i < request->genome_count && err == ERR_NONE; i++) {
        struct measured measured;
        err = measure_training(&measured, measure, &request->genomes[i], request->seconds);
        if (err == ERR_NONE || err == ERR_TOO_BIG) {
            put_row(&listing, request, &request->genomes[i], err == ERR_NONE ? &measured : NULL,
                    peak, slots, slot_count);
            err = ERR_NONE;
        }
    }
    enum error printed = listing_print(&listing);
    return err != ERR_NONE ? err : printed;
}

static enum error run(struct arguments *arguments)
{
    enum error err = ERR_NONE;
    struct request request = {0};
    struct slot *slots = NULL;
    size_t slot_count;
    struct tune_list kinds = {0};
    struct measure *measure = NULL;
    double peak;
    TRY(read_arguments(&request, arguments));
    command_show_log();
    TRY(slots_find(&slots, &slot_count, NULL, NULL, &request.settings.devices));
    if (request.workers > 0 && (size_t)request.workers < slot_count)
        slot_count = (size_t)request.workers;
    for (int i = 0; i < request.genome_count; i++)
        TRY(tune_list_genome(&kinds, &request.genomes[i], &shape, request.settings.training.batch,
                             request.settings.devices.conv));
    tune_slots(slots, slot_count, &kinds);
    TRY(measure_begin(&measure, slots, slot_count, &shape, &request.settings.training,
                      &request.settings.devices));
    TRY(measure_peak(&peak, measure, peak_seconds));
    if (request.operations) {
        struct bench_operations bench = {
            .format = request.format,
            .batch = request.settings.training.batch,
            .slot_count = slot_count,
            .peak_gflops = peak,
            .conv = conv_family_name(request.settings.devices.conv),
            .device = slots[0].device.info.name,
            .seconds = request.seconds,
        };
        err = bench_operations(&bench, measure, request.genomes, request.genome_count);
    } else {
        err = measure_genomes(&request, measure, peak, slots, slot_count);
    }
out:
    measure_end(measure);
    tune_list_free(&kinds);
    free(slots);
    return err;
}

static const struct option_row options[] = {
    {"genome", OPTION_GENOME, "G", "what to train; may be repeated (four examples)"},
    {"ops", OPTION_OPS, NULL, "time the operations of a step, the longest first"},
    {"batch", OPTION_BATCH, "N", "images in a step (training.batch)"},
    {"seconds", OPTION_SECONDS, "S", "time for each genome, after a warm-up (5)"},
    {"conv", OPTION_CONV, "FAMILY", "auto, vector, winograd, tiled or clblast (devices.conv)"},
    {"no-tune", OPTION_NO_TUNE, NULL, "families and tiles by rule (devices.tune=off)"},
    {"workers", OPTION_WORKERS, "N", "use the first N slots only, leave the others idle"},
    {"pack", OPTION_PACK, "N", "train N networks at once on each slot (devices.pack)"},
    {"set", OPTION_SET, "SECTION.KEY=VALUE", "change one setting; may be repeated"},
    {"format", OPTION_FORMAT, "text|csv", "a table for reading, or CSV"},
    {0},
};

const struct command command_bench = {
    .name = "bench",
    .operands = "",
    .summary = "Measure training speed on the slots that a run would use",
    .examples = "clade bench\n"
                "clade bench --genome RC8k3:relu-RC16k3:relu-FC64:relu --batch 64 --seconds 10\n"
                "clade bench --ops --genome RC8k3:relu-RC16k3:relu-FC64:relu\n"
                "clade bench --pack 4 --genome RC8k3:relu-RC16k3:relu-FC64:relu\n"
                "clade bench --set devices.slots=1 --conv tiled --format csv\n",
    .text =
        "Images/s are summed over the slots, which train at the same time, and over packs, on\n"
        "noise of 28x28x1. GFLOP/s count the convolutions' and dense layers' forward pass, input\n"
        "gradient (except the first layer's) and weight gradient, two for a\n"
        "multiply-accumulate; the peak is the measured rate of fused multiply-adds. --ops: one\n"
        "operation at a time and waited for, all slots together; ms are those of a slot's batch,\n"
        "GFLOP/s are summed over the slots.\n",
    .options = options,
    .least = 0,
    .most = 0,
    .run = run,
};
