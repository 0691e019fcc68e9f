/* The options that commands share which repeat searches: compare and ablate. */
#ifndef CLADE_PIPELINE_COMMAND_REPEATS_H
#define CLADE_PIPELINE_COMMAND_REPEATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "inputs/genome.h"
#include "pipeline/base/error.h"
#include "pipeline/command.h"
#include "pipeline/command_settings.h"
#include "pipeline/listing.h"

/* Ids of options; a command's own begin at REPEATS_OWN. */
enum {
    REPEATS_TABLE = 1,
    REPEATS_REPEATS,
    REPEATS_AT,
    REPEATS_SEED,
    REPEATS_SET,
    REPEATS_FORMAT,
    REPEATS_SHAPE,
    REPEATS_CLASSES,
    REPEATS_OWN
};

struct repeats_request {
    const char *table; /* NULL: not given */
    bool markdown;
    enum format format; /* unless markdown */
    struct image_shape shape;
    struct assignments assignments;
    /* Where --at, --repeats and --seed go to, in the command's plan; `at` has room for at_most. */
    int *at;
    size_t *at_count, at_most, *repeats;
    uint64_t *seed;
};

/* Takes an option with an id below REPEATS_OWN. ERR_USAGE when its value is wrong. */
enum error repeats_option(struct repeats_request *request, const struct arguments *arguments,
                          int id, const char *value);

#endif
