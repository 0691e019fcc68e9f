/*
 * Image classification data in IDX files (idx.h), plain or gzip. Size and channels come from the
 * files; the number of classes from data.classes, or from the labels when that is 0.
 */
#ifndef CLADE_INPUTS_DATASET_H
#define CLADE_INPUTS_DATASET_H

#include <stddef.h>
#include <stdint.h>

#include "inputs/genome.h"
#include "inputs/settings.h"
#include "pipeline/base/error.h"

enum { IMAGES_MAX_SIDE = 4096, IMAGES_MAX_CHANNELS = 512 };

struct images {
    struct image_shape shape; /* classes: data.classes, or this file's largest label + 1; >= 2 */
    uint32_t count;           /* 1..2^31-1 */
    uint8_t *pixels;          /* [count][height][width][channels] */
    uint8_t *labels;          /* [count], < classes */
    float mean, std;          /* of pixels / 255 over this file; std > 0 (1 if all are equal) */
    void *mapping;            /* NULL, or the memory that pixels and labels lie in */
    size_t mapped_bytes;      /* (shared_images.h) */
};

/* Indices into the training file: disjoint, each shuffled, and the same for equal (file, seed,
   sizes). */
struct split {
    uint32_t *train, *validation;
    uint32_t train_count, validation_count;
};

/*
 * The training file pair, or the test file pair (only stages/confirm.h may call the latter).
 * ERR_DATA names the file, the byte where it went wrong and what was expected. *images is written
 * only on success: images_free(). Files with 3 dimensions are grey; with 4, the last is channels.
 */
enum error images_load_training(struct images *images, const struct data_settings *settings);
enum error images_load_test(struct images *images, const struct data_settings *settings);
void images_free(struct images *images);

/* ERR_DATA unless the test file pair is there, as regular files that are not empty and may be read.
   Does not open them: what is in them is seen when they are needed. */
enum error images_find_test(const struct data_settings *settings);

/* ERR_DATA unless a network for the training images can be tested on the test images: the same
   height, width and channels, and no label outside the training file's classes. */
enum error images_check_test(const struct images *test, const struct images *training);

/*
 * Takes `validation_count` images, stratified (each class its share, rounded by largest
 * remainder, ties to the lower class), in an order shuffled by `seed`; the others, shuffled, are
 * `train`, cut to `train_limit` if that is not 0. The validation images do not depend on
 * train_limit, and a smaller train_limit takes a prefix of a larger one. ERR_USAGE when nothing
 * would be left to train on, or to validate with. Freed by split_free().
 */
enum error split_make(struct split *split, const struct images *images, uint32_t validation_count,
                      uint32_t train_limit, uint64_t seed);
void split_free(struct split *split);

#endif
