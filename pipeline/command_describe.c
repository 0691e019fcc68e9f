/* clade describe: a genome's layers, sizes and costs. No device is opened. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "inputs/genome.h"
#include "pipeline/command.h"
#include "pipeline/command_settings.h"
#include "pipeline/listing.h"

enum { OPTION_FORMAT = 1, OPTION_SHAPE, OPTION_CLASSES };

static const struct listing_column columns[] = {
    {"genome", NULL, 0},
    {"layer", "layer", 0},
    {"output_height", NULL, 0},
    {"output_width", NULL, 0},
    {"output_channels", NULL, 0},
    {NULL, "output", 0},
    {"parameters", "parameters", 0},
    {"macs", "macs", 0},
};

/* Row `index` of genome_layer_cost() in words. */
static void layer_name(char name[64], const struct genome *genome, int index)
{
    if (index < genome->layer_count) {
        const struct layer *layer = &genome->layers[index];
        snprintf(name, 64, "%s%dk%d:%s", layer->kind == LAYER_NORMAL ? "NC" : "RC", layer->filters,
                 layer->kernel, activation_name(layer->activation));
    } else if (index == genome->layer_count) {
        snprintf(name, 64, "average pooling");
    } else if (index == genome->layer_count + 1) {
        snprintf(name, 64, "FC%d:%s", GENOME_HEAD_UNITS, activation_name(genome->head));
    } else {
        snprintf(name, 64, "classes");
    }
}

static enum error print(const struct genome *genome, const struct image_shape *shape,
                        enum format format)
{
    char canonical[GENOME_TEXT_SIZE], name[64], output[64];
    struct listing listing;
    genome_format(canonical, genome);
    struct genome_cost cost = genome_cost(genome, shape);
    listing_begin(&listing, format, columns, sizeof columns / sizeof columns[0]);
    for (int i = 0; i < genome->layer_count + 3; i++) {
        struct layer_cost layer = genome_layer_cost(genome, shape, i);
        layer_name(name, genome, i);
        snprintf(output, sizeof output, "%dx%dx%d", layer.height, layer.width, layer.channels);
        listing_text(&listing, canonical);
        listing_text(&listing, name);
        listing_integer(&listing, layer.height);
        listing_integer(&listing, layer.width);
        listing_integer(&listing, layer.channels);
        listing_text(&listing, output);
        listing_integer(&listing, layer.parameters);
        listing_integer(&listing, layer.macs);
    }
    enum error err = listing_print(&listing);
    if (err == ERR_NONE && format == FORMAT_TEXT)
        printf("\n"
               "genome       %s\n"
               "input        %dx%dx%d, %d classes\n"
               "parameters   %" PRId64 "\n"
               "macs         %" PRId64 " for one image, forward\n"
               "activations  %" PRId64 " for one image\n",
               canonical, shape->height, shape->width, shape->channels, shape->classes,
               cost.parameters, cost.macs, cost.activations);
    return err;
}

static enum error run(struct arguments *arguments)
{
    enum error err = ERR_NONE;
    enum format format = FORMAT_TEXT;
    struct image_shape shape = {.height = 28, .width = 28, .channels = 1, .classes = 10};
    struct genome genome;
    int id;
    const char *value;
    long long number;
    for (;;) {
        TRY(command_next(&id, &value, arguments));
        if (id == 0)
            break;
        if (id == OPTION_FORMAT)
            TRY(format_parse(&format, value));
        if (id == OPTION_SHAPE)
            TRY(shape_parse(&shape, arguments, value));
        if (id == OPTION_CLASSES) {
            TRY(command_integer(&number, arguments, id, value, 1, 256));
            shape.classes = (int)number;
        }
    }
    TRY(genome_parse(&genome, arguments->operands[0]));
    TRY(print(&genome, &shape, format));
out:
    return err;
}

static const struct option_row options[] = {
    {"format", OPTION_FORMAT, "text|csv", "a table for reading, or CSV"},
    {"shape", OPTION_SHAPE, "HxWxC", "size of the images: height, width, channels (28x28x1)"},
    {"classes", OPTION_CLASSES, "N", "classes of the data (10)"},
    {0},
};

const struct command command_describe = {
    .name = "describe",
    .operands = "GENOME",
    .summary = "Show a genome's layers, parameters and multiply-accumulates",
    .examples = "clade describe NC32k3:relu-RC64k3:relu-RC128k3:relu-FC64:relu\n"
                "clade describe --shape 32x32x3 --format csv NC8k3:relu-RC8k3:relu-RC8k3:relu-"
                "FC64:relu\n",
    .text = "A genome is layers joined by '-': NC (stride 1) or RC (stride 2, exactly two), the\n"
            "filters, k and the kernel, ':' and the activation (relu, sigmoid, tanh, swish,\n"
            "gelu); last FC64 and its activation. No device is opened.\n",
    .options = options,
    .least = 1,
    .most = 1,
    .run = run,
};
