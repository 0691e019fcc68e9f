/*
 * Genomes: sequential convolutional networks as one line of text.
 *
 *     genome = layer *( "-" layer ) "-" head
 *     layer  = ( "NC" | "RC" ) filters "k" kernel ":" activation
 *     head   = "FC64:" activation
 *
 * After the convolutions come, unwritten, global average pooling, the dense layer of 64 units
 * (the head) and a dense layer of one unit a class. Convolutions pad kernel/2 zeros on each side,
 * so an output side is ceil(side / stride). Everything here follows from the text alone; no
 * device is touched.
 */
#ifndef CLADE_INPUTS_GENOME_H
#define CLADE_INPUTS_GENOME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pipeline/base/error.h"

enum activation { ACT_RELU, ACT_SIGMOID, ACT_TANH, ACT_SWISH, ACT_GELU, ACT_COUNT };
enum layer_kind { LAYER_NORMAL, LAYER_REDUCTION }; /* NC: stride 1, RC: stride 2 */

enum {
    GENOME_MAX_LAYERS = 64,
    GENOME_MAX_FILTERS = 511,
    GENOME_REDUCTIONS = 2, /* exactly this many RC layers */
    GENOME_HEAD_UNITS = 64,
    GENOME_TEXT_SIZE = 1280 /* the longest canonical text, with its NUL, fits */
};

struct layer {
    enum layer_kind kind;
    int filters; /* 1..GENOME_MAX_FILTERS */
    int kernel;  /* 1, 3, 5 or 7 */
    enum activation activation;
};

struct genome {
    int layer_count; /* 2..GENOME_MAX_LAYERS */
    struct layer layers[GENOME_MAX_LAYERS];
    enum activation head; /* activation of the dense layer of 64 */
};

/* What a network sees and says: sizes come from the data files. */
struct image_shape {
    int height, width, channels;
    int classes;
};

/* One row of `clade describe`. */
struct layer_cost {
    int height, width, channels; /* of the output */
    int64_t parameters;          /* weights and biases */
    int64_t macs;                /* multiply-accumulates for one image, forward */
};

struct genome_cost {
    int64_t parameters;
    int64_t macs;
    int64_t activations; /* output values of all convolutions, one image */
};

/*
 * Parses a whole line strictly; *genome is written only on success. ERR_USAGE names the position
 * (1-based column), what stands there and what was expected. Long input is quoted shortened.
 */
enum error genome_parse(struct genome *genome, const char *text);

/* The canonical text. */
void genome_format(char text[GENOME_TEXT_SIZE], const struct genome *genome);

bool genome_equal(const struct genome *a, const struct genome *b);

/* < 0, 0 when they are equal, > 0: some fixed order, for sorting. */
int genome_compare(const struct genome *a, const struct genome *b);

/* Whether networks of both have the same shapes throughout: all but the activations is equal. */
bool genome_same_shape(const struct genome *a, const struct genome *b);

/* Costs of layer `index`: 0..layer_count-1 the convolutions, then the pooling, the dense layer of
   64 and the dense output layer: layer_count + 3 rows. */
struct layer_cost genome_layer_cost(const struct genome *genome, const struct image_shape *shape,
                                    int index);
struct genome_cost genome_cost(const struct genome *genome, const struct image_shape *shape);

const char *activation_name(enum activation activation);
bool activation_parse(enum activation *activation, const char *name, size_t length);

#endif
