/*
 * A trained network by itself: the deployed weights (batch normalisation folded in), and what is
 * needed to use them. Its weights are in the canonical order of cl_kernels/network.h; as named
 * tensors they are conv1.weight [out][in][row][column], conv1.bias [out], conv2.weight, ...,
 * dense.weight [64][channels], dense.bias [64], output.weight [classes][64], output.bias [classes].
 */
#ifndef CLADE_INPUTS_MODEL_H
#define CLADE_INPUTS_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "inputs/genome.h"
#include "pipeline/base/error.h"
#include "pipeline/base/text.h"

enum {
    MODEL_NAMES_SIZE = 8192,
    MODEL_TENSORS_MAX = 2 * GENOME_MAX_LAYERS + 4,
    MODEL_DIMENSIONS_MAX = 4
};

struct model {
    struct genome genome;
    struct image_shape shape;
    float mean, std;                    /* a pixel enters as (pixel / 255 - mean) / std */
    double test_accuracy;               /* 0..1; NAN: not known */
    char class_names[MODEL_NAMES_SIZE]; /* separated by commas; "": their numbers */
    float *weights;                     /* [weight_count], owned */
    size_t weight_count;
};

void model_free(struct model *model);

/* One named tensor of a model. */
struct model_tensor {
    char name[24];
    int dimensions;
    int64_t size[MODEL_DIMENSIONS_MAX];
    size_t first, count; /* weights[first..first + count) */
};

/* The tensors in canonical order; returns how many there are. */
int model_tensors(struct model_tensor tensors[MODEL_TENSORS_MAX], const struct genome *genome,
                  const struct image_shape *shape);

/* As many names as classes; errors of class_names_check(). */
enum error model_set_class_names(struct model *model, const char *names);

/* The names, or the numbers "0,1,2" when there are none. */
void model_class_names(struct text *out, const struct model *model);

#endif
