/*
 * Image classification data in IDX files (http://yann.lecun.com/exdb/mnist, "the IDX file
 * format"), plain or gzip. Size, channels and classes come from the files.
 */
#ifndef CLADE_INPUTS_DATASET_H
#define CLADE_INPUTS_DATASET_H

#include <stdint.h>

#include "inputs/genome.h"
#include "inputs/settings.h"
#include "pipeline/base/error.h"

struct images {
    struct image_shape shape; /* classes = largest label + 1 of this file */
    uint32_t count;
    uint8_t *pixels; /* [count][height][width][channels] */
    uint8_t *labels; /* [count], < classes */
    float mean, std; /* of pixels / 255 over this file; std > 0 */
};

/* Indices into the training file: disjoint, each sorted by nothing in particular but the same
   for equal (file, seed, sizes). */
struct split {
    uint32_t *train, *validation;
    uint32_t train_count, validation_count;
};

/* The training file pair, or the test file pair (only confirm may call the latter). ERR_DATA
   names the file, the byte where it went wrong and what was expected. *images is owned by the
   caller after success: images_free(). Files with 3 dimensions are grey; with 4, the last is
   channels. */
enum error images_load_training(struct images *images, const struct data_settings *settings);
enum error images_load_test(struct images *images, const struct data_settings *settings);
void images_free(struct images *images);

/*
 * Takes `validation_count` images, stratified (each class its share, rounded by largest
 * remainder), in an order shuffled by `seed`; the others, shuffled, are `train`, cut to
 * `train_limit` if that is not 0. ERR_USAGE when nothing would be left to train on.
 */
enum error split_make(struct split *split, const struct images *images, uint32_t validation_count,
                      uint32_t train_limit, uint64_t seed);
void split_free(struct split *split);

#endif
