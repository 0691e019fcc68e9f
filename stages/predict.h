/* What a trained network says of images. */
#ifndef CLADE_STAGES_PREDICT_H
#define CLADE_STAGES_PREDICT_H

#include "cl_kernels/network.h"
#include "inputs/dataset.h"
#include "inputs/model.h"
#include "inputs/settings.h"

/*
 * *logits receives a malloc'ed [images->count][classes]; `pass` the loss against images->labels,
 * which must be there. The images have the model's shape; its mean and deviation of pixels count,
 * not theirs. Of the settings training.batch and devices.conv are used. Errors: those of the
 * device; ERR_TOO_BIG when the images do not fit on it.
 */
enum error predict_logits(float **logits, struct pass_result *pass, struct device *device,
                          const struct model *model, const struct images *images,
                          const struct settings *settings);

/* The class with the largest of logits[0..classes), the first of equals. */
int predict_class(const float *logits, int classes);

/* The probability (softmax) of one class. */
double predict_probability(const float *logits, int classes, int index);

#endif
