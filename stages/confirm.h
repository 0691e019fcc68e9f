/*
 * Stages "confirm" and "test": finalists are trained again, longer, and scored on the validation
 * images; when all are, and so the winner is settled, their networks meet the test images. This is
 * the only place that reads the test files.
 */
#ifndef CLADE_STAGES_CONFIRM_H
#define CLADE_STAGES_CONFIRM_H

#include <stdint.h>

#include "inputs/model.h"
#include "inputs/records.h"
#include "stages/train.h"

/* The training seed of a replicate (0..) of a candidate's confirmation. */
uint64_t confirm_seed(uint64_t run_seed, int64_t candidate, int replicate);

/* The training recipe at confirm's fidelity. */
struct training_settings confirm_training(const struct settings *settings);

/* How long one may take: devices.time_limit_s, times as many passes as confirm makes over images
   for one of the search; 0: no limit. `images` is what 0 train_images stands for. */
double confirm_time_limit_s(const struct settings *settings, uint32_t images);

/*
 * Trains members[0..count) at confirm's fidelity, as one pack, by train_candidates(), whose errors
 * it has. members[i].weights, kept where members[i].err is ERR_NONE, are malloc'ed parameters of
 * the deployed network, in canonical order, as many as genome_cost() says; the caller's to free. An
 * error is nobody's own failure; no weights are left then.
 */
enum error confirm_train(struct train_member *members, int count, struct trainer *trainer,
                         const struct settings *settings, train_watch *watch, void *user);

/* Reads the test files, for networks whose images are of `shape`. ERR_DATA when they are bad or do
   not fit it. Freed with images_free(). */
enum error confirm_read_test(struct images *test, const struct image_shape *shape,
                             const struct data_settings *settings);

/*
 * Scores a model on the test images: fills the test part of *result (genome, classes, test_*,
 * predictions, labels, confusion, misses), to be freed with confirmation_free(). `logits`, if not
 * NULL, receives a malloc'ed [test_images][classes]. Errors: those of predict_logits();
 * ERR_INTERNAL when out of memory.
 */
enum error confirm_score(struct confirmation *result, struct device *device,
                         const struct model *model, const struct images *test,
                         const struct settings *settings, float **logits);

void confirmation_free(struct confirmation *confirmation);

#endif
