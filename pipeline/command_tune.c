/* clade tune: times families and tiles of convolutions, and shows what was chosen. */
#include <stdio.h>
#include <stdlib.h>

#include "cl_kernels/tuning.h"
#include "inputs/dataset.h"
#include "pipeline/command.h"
#include "pipeline/command_settings.h"
#include "pipeline/listing.h"
#include "pipeline/tune.h"

enum {
    OPTION_GENOME = 1,
    OPTION_SHAPE,
    OPTION_DEVICE,
    OPTION_BATCH,
    OPTION_CONV,
    OPTION_SECONDS,
    OPTION_FORCE,
    OPTION_WHOLE,
    OPTION_SET,
    OPTION_FORMAT
};

enum { GENOMES_MAX = 64 };

struct request {
    enum format format;
    struct settings settings;
    struct image_shape shape;
    struct tune_wish wish;
    bool whole; /* the whole device, as clade train uses it */
    struct genome genomes[GENOMES_MAX];
    int genome_count;
};

static enum error read_arguments(struct request *request, struct arguments *arguments)
{
    enum error err = ERR_NONE;
    struct assignments assignments = {0};
    request->shape = (struct image_shape){.height = 28, .width = 28, .channels = 1, .classes = 10};
    request->wish = (struct tune_wish){.seconds = 30, .untimed = true, .products = true};
    for (;;) {
        int id;
        const char *value;
        TRY(command_next(&id, &value, arguments));
        switch (id) {
        case OPTION_GENOME:
            if (request->genome_count == GENOMES_MAX)
                return error_set(ERR_USAGE, "tune: more than %d genomes", GENOMES_MAX);
            TRY(genome_parse(&request->genomes[request->genome_count++], value));
            break;
        case OPTION_SHAPE:
            TRY(shape_parse(&request->shape, arguments, value));
            break;
        case OPTION_DEVICE:
            TRY(assignments_add(&assignments, arguments, id, "devices.use", value));
            break;
        case OPTION_BATCH:
            TRY(assignments_add(&assignments, arguments, id, "training.batch", value));
            break;
        case OPTION_CONV:
            TRY(assignments_add(&assignments, arguments, id, "devices.conv", value));
            break;
        case OPTION_SECONDS:
            TRY(command_real(&request->wish.seconds, arguments, id, value, 0.01, 3600));
            break;
        case OPTION_FORCE:
            request->wish.again = true;
            break;
        case OPTION_WHOLE:
            request->whole = true;
            break;
        case OPTION_SET:
            TRY(assignments_add(&assignments, arguments, id, NULL, value));
            break;
        case OPTION_FORMAT:
            TRY(format_parse(&request->format, value));
            break;
        }
        if (id == 0)
            break;
    }
    const char *search = arguments->operand_count > 0 ? arguments->operands[0] : NULL;
    TRY(assignments_settings(&request->settings, NULL, search, &assignments));
out:
    return err;
}

static const struct listing_column columns[] = {
    {"device", NULL, 0},     {"family_asked", NULL, 0}, {"kernel", "kernel", 0},
    {"stride", "stride", 0}, {"channels_in", "in", 0},  {"channels_out", "out", 0},
    {"height", "height", 0}, {"width", "width", 0},     {"batch", "batch", 0},
    {"pass", "pass", 0},     {"family", "family", 0},   {"group", "group", 0},
    {"tile", "tile", 0},     {"gflops", "GFLOP/s", 1},  {"status", "status", 0},
    {"chosen", "chosen", 0}, {"reason", "reason", 0},   {"parameters", "parameters", 0},
};

static void put_result(struct listing *listing, enum tune_status status, double gflops, bool chosen,
                       const char *reason)
{
    if (status == TUNE_OK)
        listing_number(listing, gflops);
    else
        listing_missing(listing);
    listing_text(listing, tune_status_name(status));
    if (listing->format == FORMAT_CSV)
        listing_integer(listing, chosen);
    else
        listing_text(listing, chosen ? "yes" : "");
    listing_text(listing, reason);
}

static void put_row(struct listing *listing, const char *device, const struct tune_row *row)
{
    const struct tune_class *c = &row->class;
    listing_text(listing, device);
    listing_text(listing, conv_family_name(c->family));
    const int numbers[] = {c->kernel, c->stride, c->channels_in, c->channels_out,
                           c->height, c->width,  c->batch};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        listing_integer(listing, numbers[i]);
    listing_text(listing, tune_pass_name(row->pass));
    listing_text(listing, conv_family_name(row->family));
    const int tiles[] = {row->group, row->tile};
    for (int i = 0; i < 2; i++)
        if (tiles[i] > 0)
            listing_integer(listing, tiles[i]);
        else
            listing_missing(listing);
    put_result(listing, row->status, row->gflops, row->chosen, row->reason);
    listing_text(listing, "");
}

/* A row without a class: CLBlast has one set of parameters for all. */
static void put_product(struct listing *listing, const char *device,
                        const struct tune_product *product)
{
    char name[GEMM_NAME_SIZE];
    gemm_set_name(name, product->set);
    listing_text(listing, device);
    listing_text(listing, "");
    for (int i = 0; i < 7; i++)
        listing_missing(listing);
    listing_text(listing, "product");
    listing_text(listing, conv_family_name(CONV_CLBLAST));
    for (int i = 0; i < 2; i++)
        listing_missing(listing);
    put_result(listing, product->status, product->gflops, product->chosen, product->reason);
    listing_text(listing, name);
}

/* The rows of the request's classes; others that the device's file has are left out. Then
   CLBlast's products, where it was ever asked about them. */
static enum error show(struct listing *listing, const char *device, const char *text,
                       const struct tune_list *list)
{
    const char *why;
    struct tuning tuning = {0};
    enum error err = tuning_parse(&tuning, text, NULL, &why);
    if (err != ERR_NONE)
        return err;
    for (size_t i = 0; i < tuning.count; i++)
        for (size_t k = 0; k < list->count; k++)
            if (tune_class_equal(&tuning.rows[i].class, &list->classes[k]))
                put_row(listing, device, &tuning.rows[i]);
    for (int i = 0; i < tuning.product_count; i++)
        put_product(listing, device, &tuning.products[i]);
    tuning_free(&tuning);
    return ERR_NONE;
}

static enum error make_list(struct tune_list *list, const struct request *request)
{
    enum error err = ERR_NONE;
    const struct settings *s = &request->settings;
    struct space space;
    for (int i = 0; i < request->genome_count; i++)
        TRY(tune_list_genome(list, &request->genomes[i], &request->shape, s->training.batch,
                             s->devices.conv));
    if (request->genome_count == 0) {
        TRY(space_init(&space, &s->space, &request->shape));
        TRY(tune_list_space(list, &space, s->training.batch, s->devices.conv));
    }
out:
    return err;
}

static enum error run(struct arguments *arguments)
{
    enum error err = ERR_NONE;
    static struct request request;
    struct slot *slots = NULL;
    size_t slot_count;
    struct tune_list list = {0};
    struct listing listing = {0};
    bool any = false;
    TRY(read_arguments(&request, arguments));
    command_show_log();
    TRY(make_list(&list, &request));
    TRY(slots_find(&slots, &slot_count, NULL, NULL, &request.settings.devices));
    listing_begin(&listing, request.format, columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < slot_count; i++) {
        struct tuned tuned;
        struct slot slot = slots[i];
        if (slots_on(slots, i, &slot.device) > 0)
            continue;
        if (request.whole)
            slot.part = 0, slot.parts = 1;
        if (tune_slot(&tuned, &slot, &list, &request.wish) && tuned.text.length > 0) {
            any = true;
            err = show(&listing, slot.device.info.name, tuned.text.data, &list);
        }
        text_free(&tuned.text);
        TRY(err);
    }
    if (!any) {
        err = error_set(ERR_DEVICE, "tune: no device was tuned; the lines above say why");
        goto out;
    }
    err = listing_print(&listing);
out:
    listing_free(&listing);
    tune_list_free(&list);
    free(slots);
    return err;
}

static const struct option_row options[] = {
    {"genome", OPTION_GENOME, "G", "its convolutions; may be repeated (those of the search space)"},
    {"shape", OPTION_SHAPE, "HxWxC", "of an image (28x28x1)"},
    {"device", OPTION_DEVICE, "I", "index as 'clade devices' shows it (devices.use)"},
    {"batch", OPTION_BATCH, "N", "images in a step (training.batch)"},
    {"conv", OPTION_CONV, "FAMILY", "tiles of one family (devices.conv)"},
    {"seconds", OPTION_SECONDS, "S", "time for each device (30)"},
    {"force", OPTION_FORCE, NULL, "time again what was timed before"},
    {"whole", OPTION_WHOLE, NULL, "the whole device, as clade train uses it, not one slot"},
    {"set", OPTION_SET, "SECTION.KEY=VALUE", "change one setting; may be repeated"},
    {"format", OPTION_FORMAT, "text|csv", "a table for reading, or CSV"},
    {0},
};

const struct command command_tune = {
    .name = "tune",
    .operands = "[SEARCH.ini]",
    .summary = "Time convolution kernels on the devices, and keep what is fastest",
    .examples = "clade tune\n"
                "clade tune inputs/searches/nightly.ini --seconds 120\n"
                "clade tune --genome NC32k3:relu-RC64k3:relu-RC64k3:relu-FC64:relu --format csv\n",
    .text =
        "Training does this by itself when it first meets a device, for a few seconds\n"
        "(devices.tune); this command takes longer, and shows it. Convolutions are put into\n"
        "classes by kernel, stride, blocks of channels, size and batch, those with the most\n"
        "work first; a class for which there was no time goes by rule. group and tile are\n"
        "vectors and pixels (weight_gradient: input channels) of a register tile; for the\n"
        "tiled family, channels and pixels of a work-group's. Where CLBlast may be used, on a\n"
        "GPU or because it is asked for, sets of parameters for its products are timed before,\n"
        "with as much time again; the fastest holds for the whole device. A candidate with wrong "
        "results is\n"
        "disqualified. The choice is kept in ~/.cache/clade (XDG_CACHE_HOME), for the device,\n"
        "its driver's version and these kernels.\n",
    .options = options,
    .least = 0,
    .most = 1,
    .run = run,
};
