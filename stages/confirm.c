#include "stages/confirm.h"

#include <stdlib.h>
#include <string.h>

#include "pipeline/base/rng.h"
#include "stages/misses.h"
#include "stages/predict.h"

uint64_t confirm_seed(uint64_t run_seed, int64_t candidate, int replicate)
{
    /* Replicate 0 of a candidate is the search's own training. */
    return rng_mix(run_seed, (uint64_t)candidate, (uint64_t)replicate + 1);
}

struct training_settings confirm_training(const struct settings *settings)
{
    struct training_settings training = settings->training;
    training.epochs = settings->confirm.epochs;
    training.train_images = settings->confirm.train_images;
    return training;
}

double confirm_time_limit_s(const struct settings *settings, uint32_t images)
{
    const struct training_settings *search = &settings->training;
    const struct confirm_settings *confirm = &settings->confirm;
    return settings->devices.time_limit_s *
           train_passes(confirm->epochs, confirm->train_images, images) /
           train_passes(search->epochs, search->train_images, images);
}

enum error confirm_read_test(struct images *test, const struct image_shape *shape,
                             const struct data_settings *settings)
{
    const struct images training = {.shape = *shape};
    enum error err = images_load_test(test, settings);
    if (err != ERR_NONE)
        return err;
    err = images_check_test(test, &training);
    if (err != ERR_NONE) {
        images_free(test);
        return err;
    }
    test->shape.classes = shape->classes; /* the test file may lack the last ones */
    return ERR_NONE;
}

/* Fills the test part of *result, whose arrays are allocated here. */
static enum error take_test(struct confirmation *result, const struct images *test,
                            const float *logits, const struct pass_result *pass)
{
    size_t classes = (size_t)test->shape.classes;
    result->classes = test->shape.classes;
    result->test_images = test->count;
    result->test_loss = pass->loss;
    result->predictions = malloc(test->count);
    result->labels = malloc(test->count);
    result->confusion = calloc(classes * classes, sizeof *result->confusion);
    if (result->predictions == NULL || result->labels == NULL || result->confusion == NULL)
        return error_set(ERR_INTERNAL, "out of memory for the predictions of %u test images",
                         test->count);
    memcpy(result->labels, test->labels, test->count);
    uint32_t correct = 0;
    for (size_t i = 0; i < test->count; i++) {
        int predicted = predict_class(logits + i * classes, test->shape.classes);
        result->predictions[i] = (uint8_t)predicted;
        result->confusion[test->labels[i] * classes + (size_t)predicted]++;
        correct += predicted == test->labels[i];
    }
    /* Counted here and not taken from the device, so that it agrees with the matrix. */
    result->test_accuracy = (double)correct / test->count;
    return misses_choose(result, test, logits);
}

enum error confirm_score(struct confirmation *result, struct device *device,
                         const struct model *model, const struct images *test,
                         const struct settings *settings, float **logits)
{
    enum error err = ERR_NONE;
    struct pass_result pass;
    float *scores = NULL;
    result->genome = model->genome;
    TRY(predict_logits(&scores, &pass, device, model, test, settings));
    TRY(take_test(result, test, scores, &pass));
    if (logits != NULL) {
        *logits = scores;
        scores = NULL;
    }
out:
    free(scores);
    return err;
}

enum error confirm_train(struct train_member *members, int count, struct trainer *trainer,
                         const struct settings *settings, train_watch *watch, void *user)
{
    struct training_settings training = confirm_training(settings);
    for (int i = 0; i < count; i++)
        members[i].keep_weights = true;
    return train_candidates(members, count, trainer, &training, settings->devices.conv,
                            confirm_time_limit_s(settings, trainer->split.train_count), watch,
                            user);
}

void confirmation_free(struct confirmation *confirmation)
{
    free(confirmation->predictions);
    free(confirmation->labels);
    free(confirmation->confusion);
    free(confirmation->misses);
    free(confirmation->miss_pixels);
    *confirmation = (struct confirmation){0};
}
