/*
 * Stage "confirm": finalists are trained again, longer, and meet the test images. This is the only
 * place that opens the test files, and each replicate reads them once, after training.
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
 * Trains `genome` at confirm's fidelity under `seed` and scores it on the test images. On success
 * fills *result but for `candidate`, `replicate` and "the caller's"; the caller frees it with
 * confirmation_free(). `weights`, if not NULL, receives malloc'ed parameters of the deployed
 * network, in canonical order, as many as genome_cost() says. Errors: those of train_candidate();
 * ERR_DATA when the test files are bad or do not fit the training files. On failure *result is
 * empty and *weights NULL.
 */
enum error confirm_genome(struct confirmation *result, struct trainer *trainer,
                          const struct genome *genome, const struct settings *settings,
                          uint64_t seed, train_watch *watch, void *user, float **weights);

/*
 * The same for members[0..count), trained as one pack by train_candidates() and scored one after
 * another: results[i] belongs to members[i] and is empty where that failed. members[i].weights,
 * kept in any case, are the caller's to free. An error is nobody's own failure; nothing is left
 * then.
 */
enum error confirm_genomes(struct confirmation *results, struct train_member *members, int count,
                           struct trainer *trainer, const struct settings *settings,
                           train_watch *watch, void *user);

/*
 * Scores a model on the test images: fills the test part of *result (genome, classes, test_*,
 * predictions, labels, confusion, misses), to be freed with confirmation_free(). `logits`, if not
 * NULL, receives a malloc'ed [test_images][classes]. Errors as above.
 */
enum error confirm_score(struct confirmation *result, struct device *device,
                         const struct model *model, const struct settings *settings,
                         float **logits);

void confirmation_free(struct confirmation *confirmation);

#endif
