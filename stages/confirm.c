#include "stages/confirm.h"

#include <stdlib.h>

#include "pipeline/base/rng.h"

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

/* The test images, made to fit what the network was trained on. */
static enum error load_test(struct images *test, const struct images *training,
                            const struct data_settings *settings)
{
    enum error err = images_load_test(test, settings);
    if (err != ERR_NONE)
        return err;
    err = images_check_test(test, training);
    if (err != ERR_NONE) {
        images_free(test);
        return err;
    }
    test->shape.classes = training->shape.classes; /* the test file may lack the last ones */
    test->mean = training->mean;
    test->std = training->std;
    return ERR_NONE;
}

static int largest(const float *values, int n)
{
    int best = 0;
    for (int i = 1; i < n; i++)
        if (values[i] > values[best])
            best = i;
    return best;
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
    result->confusion = calloc(classes * classes, sizeof *result->confusion);
    if (result->predictions == NULL || result->confusion == NULL)
        return error_set(ERR_INTERNAL, "out of memory for the predictions of %u test images",
                         test->count);
    uint32_t correct = 0;
    for (size_t i = 0; i < test->count; i++) {
        int predicted = largest(logits + i * classes, test->shape.classes);
        result->predictions[i] = (uint8_t)predicted;
        result->confusion[test->labels[i] * classes + (size_t)predicted]++;
        correct += predicted == test->labels[i];
    }
    /* Counted here and not taken from the device, so that it agrees with the matrix. */
    result->test_accuracy = (double)correct / test->count;
    return ERR_NONE;
}

static enum error score_test(struct confirmation *result, struct trainer *trainer,
                             const struct genome *genome, const struct settings *settings,
                             const struct training_settings *training, const float *weights)
{
    enum error err = ERR_NONE;
    struct images test = {0};
    struct image_store *store = NULL;
    struct network *network = NULL;
    uint32_t *order = NULL;
    float *logits = NULL;
    struct pass_result pass;

    TRY(load_test(&test, trainer->images, &settings->data));
    order = malloc(test.count * sizeof *order);
    logits = malloc((size_t)test.count * (size_t)test.shape.classes * sizeof *logits);
    if (order == NULL || logits == NULL) {
        err = error_set(ERR_INTERNAL, "out of memory for the scores of %u test images", test.count);
        goto out;
    }
    for (uint32_t i = 0; i < test.count; i++)
        order[i] = i;
    TRY(image_store_create(&store, trainer->device, &test));
    struct training_settings deployed = *training;
    deployed.norm = NORM_NONE; /* train_candidate() gives it folded into the weights */
    TRY(network_create(&network, trainer->device, genome, &test.shape, &deployed,
                       settings->devices.conv));
    TRY(network_write_parameters(network, weights));
    TRY(network_evaluate(network, store, order, test.count, &pass, logits));
    TRY(take_test(result, &test, logits, &pass));
out:
    network_destroy(network);
    image_store_destroy(store);
    free(logits);
    free(order);
    images_free(&test);
    return err;
}

enum error confirm_genome(struct confirmation *result, struct trainer *trainer,
                          const struct genome *genome, const struct settings *settings,
                          uint64_t seed, train_watch *watch, void *user, float **weights)
{
    enum error err = ERR_NONE;
    struct training_settings training = confirm_training(settings);
    struct train_result trained;
    float *parameters = NULL;

    *result = (struct confirmation){.candidate = -1, .seed = seed, .genome = *genome};
    if (weights != NULL)
        *weights = NULL;
    TRY(train_candidate(&trained, trainer, genome, &training, settings->devices.conv, seed, 0,
                        watch, user, &parameters));
    result->epochs = trained.epochs;
    result->train_images = (int)trained.train_images;
    result->train_loss = trained.train.loss;
    result->validation_loss = trained.validation.loss;
    result->validation_accuracy = trained.validation.accuracy;
    result->images_per_s = trained.images_per_s;
    result->duration_s = trained.duration_s;
    TRY(score_test(result, trainer, genome, settings, &training, parameters));
    if (weights != NULL) {
        *weights = parameters;
        parameters = NULL;
    }
out:
    free(parameters);
    if (err != ERR_NONE)
        confirmation_free(result);
    return err;
}

void confirmation_free(struct confirmation *confirmation)
{
    free(confirmation->predictions);
    free(confirmation->confusion);
    *confirmation = (struct confirmation){0};
}
