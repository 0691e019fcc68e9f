#include "inputs/dataset.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "inputs/bytes.h"
#include "inputs/idx.h"
#include "pipeline/base/rng.h"

enum { MAX_CLASSES = 256, LABELS_HEADER = 8, PATH_SIZE = SETTINGS_PATH_SIZE + 256 + 2 };

static enum error check_images(const struct idx *idx, const char *path)
{
    static const char *const names[] = {"count", "height", "width", "channels"};
    static const uint32_t most[] = {INT32_MAX, IMAGES_MAX_SIDE, IMAGES_MAX_SIDE,
                                    IMAGES_MAX_CHANNELS};
    for (int i = 0; i < idx->dimensions; i++) {
        if (idx->sizes[i] > most[i])
            return error_set(ERR_DATA, "%s: byte %d: %s %lu, expected 1 to %lu", path, 4 + 4 * i,
                             names[i], (unsigned long)idx->sizes[i], (unsigned long)most[i]);
    }
    return ERR_NONE;
}

/* Sets shape.classes; `classes` 0 means the largest label + 1. */
static enum error check_labels(struct images *images, int classes, const char *path)
{
    int largest = 0;
    for (uint32_t i = 0; i < images->count; i++) {
        int label = images->labels[i];
        if (classes != 0 && label >= classes)
            return error_set(ERR_DATA,
                             "%s: byte %lu: label %d is outside the %d classes; is the file "
                             "damaged, or data.classes too low?",
                             path, LABELS_HEADER + (unsigned long)i, label, classes);
        if (label > largest)
            largest = label;
    }
    images->shape.classes = classes != 0 ? classes : largest + 1;
    if (images->shape.classes < 2)
        return error_set(ERR_DATA, "%s: one class only (data.classes = %d), nothing to tell apart",
                         path, classes);
    return ERR_NONE;
}

/* Exact: the sums of bytes and of their squares fit in 64 bits for 2^47 bytes. */
static void measure(struct images *images, size_t bytes)
{
    uint64_t sum = 0, squares = 0;
    for (size_t i = 0; i < bytes; i++) {
        uint64_t pixel = images->pixels[i];
        sum += pixel;
        squares += pixel * pixel;
    }
    double mean = (double)sum / (double)bytes;
    double variance = (double)squares / (double)bytes - mean * mean;
    images->mean = (float)(mean / 255);
    images->std = variance > 1e-6 ? (float)(sqrt(variance) / 255) : 1.0f;
}

static void join(char path[PATH_SIZE], const char *dir, const char *name)
{
    if (name[0] == '/')
        snprintf(path, PATH_SIZE, "%s", name);
    else
        snprintf(path, PATH_SIZE, "%s/%s", dir, name);
}

static enum error load(struct images *out, const struct data_settings *settings,
                       const char *images_name, const char *labels_name)
{
    enum error err;
    char images_path[PATH_SIZE], labels_path[PATH_SIZE];
    struct idx pixels = {0}, labels = {0};

    join(images_path, settings->dir, images_name);
    join(labels_path, settings->dir, labels_name);
    /* The labels first: they are small, and as likely to be damaged. */
    TRY(idx_read(&labels, labels_path, 1, 1));
    TRY(idx_read(&pixels, images_path, 3, 4));
    TRY(check_images(&pixels, images_path));
    if (pixels.sizes[0] != labels.sizes[0]) {
        err =
            error_set(ERR_DATA, "%s: byte 4: %lu images, but %s has %lu labels", images_path,
                      (unsigned long)pixels.sizes[0], labels_path, (unsigned long)labels.sizes[0]);
        goto out;
    }
    struct images images = {
        .shape = {.height = (int)pixels.sizes[1],
                  .width = (int)pixels.sizes[2],
                  .channels = pixels.dimensions == 4 ? (int)pixels.sizes[3] : 1},
        .count = pixels.sizes[0],
        .pixels = pixels.data,
        .labels = labels.data};
    TRY(check_labels(&images, settings->classes, labels_path));
    measure(&images, pixels.bytes);
    *out = images;
out:
    if (err != ERR_NONE) {
        idx_free(&pixels);
        idx_free(&labels);
    }
    return err;
}

enum error images_load_training(struct images *images, const struct data_settings *settings)
{
    return load(images, settings, settings->train_images, settings->train_labels);
}

enum error images_load_test(struct images *images, const struct data_settings *settings)
{
    return load(images, settings, settings->test_images, settings->test_labels);
}

enum error images_find_test(const struct data_settings *settings)
{
    char path[PATH_SIZE];
    join(path, settings->dir, settings->test_labels);
    enum error err = bytes_find(path);
    if (err != ERR_NONE)
        return err;
    join(path, settings->dir, settings->test_images);
    return bytes_find(path);
}

void images_free(struct images *images)
{
    if (images->mapping != NULL) {
        munmap(images->mapping, images->mapped_bytes);
    } else {
        free(images->pixels);
        free(images->labels);
    }
    *images = (struct images){0};
}

enum error images_check_test(const struct images *test, const struct images *training)
{
    const struct image_shape *a = &test->shape, *b = &training->shape;
    if (a->height != b->height || a->width != b->width || a->channels != b->channels)
        return error_set(ERR_DATA,
                         "the test images are %dx%dx%d, but the training images %dx%dx%d; do the "
                         "files of [data] belong together?",
                         a->height, a->width, a->channels, b->height, b->width, b->channels);
    for (uint32_t i = 0; i < test->count; i++) {
        if (test->labels[i] >= b->classes)
            return error_set(ERR_DATA,
                             "test labels, byte %lu: label %d is outside the %d classes of the "
                             "training labels",
                             LABELS_HEADER + (unsigned long)i, test->labels[i], b->classes);
    }
    return ERR_NONE;
}

/* How many validation images each class gives: share[] sums to `wanted`, share[c] <= size[c]. */
static void take_shares(uint32_t share[MAX_CLASSES], const uint32_t size[MAX_CLASSES],
                        uint32_t count, uint32_t wanted)
{
    uint64_t remainder[MAX_CLASSES];
    uint32_t taken = 0;
    for (int c = 0; c < MAX_CLASSES; c++) {
        uint64_t product = (uint64_t)size[c] * wanted;
        share[c] = (uint32_t)(product / count);
        remainder[c] = product % count;
        taken += share[c];
    }
    for (; taken < wanted; taken++) {
        int largest = 0;
        for (int c = 1; c < MAX_CLASSES; c++) {
            if (remainder[c] > remainder[largest])
                largest = c;
        }
        share[largest]++;
        remainder[largest] = 0;
    }
}

enum error split_make(struct split *split, const struct images *images, uint32_t validation_count,
                      uint32_t train_limit, uint64_t seed)
{
    enum error err = ERR_NONE;
    struct split made = {0};
    uint32_t size[MAX_CLASSES] = {0}, share[MAX_CLASSES];
    uint32_t *order = NULL;
    struct rng rng;

    if (validation_count == 0)
        return error_set(ERR_USAGE, "data.validation_images = 0: nothing to score candidates with");
    if (validation_count >= images->count)
        return error_set(ERR_USAGE,
                         "data.validation_images = %lu leaves nothing to train on: the training "
                         "file has %lu images",
                         (unsigned long)validation_count, (unsigned long)images->count);
    order = malloc(images->count * sizeof *order);
    made.validation = malloc(validation_count * sizeof *made.validation);
    made.train = malloc((images->count - validation_count) * sizeof *made.train);
    if (order == NULL || made.validation == NULL || made.train == NULL) {
        err = error_set(ERR_INTERNAL, "out of memory while splitting %lu images",
                        (unsigned long)images->count);
        goto out;
    }
    for (uint32_t i = 0; i < images->count; i++) {
        order[i] = i;
        size[images->labels[i]]++;
    }
    take_shares(share, size, images->count, validation_count);
    rng_seed(&rng, seed);
    rng_shuffle(&rng, order, images->count);
    for (uint32_t i = 0; i < images->count; i++) {
        uint8_t label = images->labels[order[i]];
        if (share[label] > 0) {
            share[label]--;
            made.validation[made.validation_count++] = order[i];
        } else {
            made.train[made.train_count++] = order[i];
        }
    }
    if (train_limit != 0 && train_limit < made.train_count)
        made.train_count = train_limit;
out:
    free(order);
    if (err != ERR_NONE)
        split_free(&made);
    else
        *split = made;
    return err;
}

void split_free(struct split *split)
{
    free(split->train);
    free(split->validation);
    *split = (struct split){0};
}
