#include "stages/confirm.h"

#include <stdio.h>
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

static double passes(int epochs, int train_images, uint32_t images)
{
    uint32_t wanted = (uint32_t)train_images;
    return (double)epochs * (wanted > 0 && wanted < images ? wanted : images);
}

double confirm_time_limit_s(const struct settings *settings, uint32_t images)
{
    const struct training_settings *search = &settings->training;
    const struct confirm_settings *confirm = &settings->confirm;
    return settings->devices.time_limit_s * passes(confirm->epochs, confirm->train_images, images) /
           passes(search->epochs, search->train_images, images);
}

/* The test images, made to fit what the network was trained on. */
static enum error load_test(struct images *test, const struct model *model,
                            const struct data_settings *settings)
{
    const struct images training = {.shape = model->shape};
    enum error err = images_load_test(test, settings);
    if (err != ERR_NONE)
        return err;
    err = images_check_test(test, &training);
    if (err != ERR_NONE) {
        images_free(test);
        return err;
    }
    test->shape.classes = model->shape.classes; /* the test file may lack the last ones */
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
                         const struct model *model, const struct settings *settings, float **logits)
{
    enum error err = ERR_NONE;
    struct images test = {0};
    struct pass_result pass;
    float *scores = NULL;
    result->genome = model->genome;
    TRY(load_test(&test, model, &settings->data));
    TRY(predict_logits(&scores, &pass, device, model, &test, settings));
    TRY(take_test(result, &test, scores, &pass));
    if (logits != NULL) {
        *logits = scores;
        scores = NULL;
    }
out:
    free(scores);
    images_free(&test);
    return err;
}

/* A member whose training succeeded. */
static enum error finish_member(struct confirmation *result, struct train_member *member,
                                struct trainer *trainer, const struct settings *settings)
{
    const struct train_result *trained = &member->result;
    result->epochs = trained->epochs;
    result->train_images = (int)trained->train_images;
    result->train_loss = trained->train.loss;
    result->validation_loss = trained->validation.loss;
    result->validation_accuracy = trained->validation.accuracy;
    result->images_per_s = trained->images_per_s;
    result->duration_s = trained->duration_s;
    const struct model model = {.genome = *member->genome,
                                .shape = trainer->images->shape,
                                .mean = trainer->images->mean,
                                .std = trainer->images->std,
                                .weights = member->weights};
    enum error err = confirm_score(result, trainer->device, &model, settings, NULL);
    if (err == ERR_DIVERGED || err == ERR_TOO_BIG) {
        member->err = err;
        snprintf(member->message, sizeof member->message, "%s", error_message());
        err = ERR_NONE;
    }
    return err;
}

enum error confirm_genomes(struct confirmation *results, struct train_member *members, int count,
                           struct trainer *trainer, const struct settings *settings,
                           train_watch *watch, void *user)
{
    struct training_settings training = confirm_training(settings);
    for (int i = 0; i < count; i++) {
        results[i] = (struct confirmation){
            .candidate = -1, .seed = members[i].seed, .genome = *members[i].genome};
        members[i].keep_weights = true;
    }
    enum error err =
        train_candidates(members, count, trainer, &training, settings->devices.conv,
                         confirm_time_limit_s(settings, trainer->split.train_count), watch, user);
    for (int i = 0; i < count && err == ERR_NONE; i++)
        if (members[i].err == ERR_NONE)
            err = finish_member(&results[i], &members[i], trainer, settings);
    for (int i = 0; i < count; i++) {
        if (err == ERR_NONE && members[i].err == ERR_NONE)
            continue;
        confirmation_free(&results[i]);
        free(members[i].weights);
        members[i].weights = NULL;
    }
    return err;
}

enum error confirm_genome(struct confirmation *result, struct trainer *trainer,
                          const struct genome *genome, const struct settings *settings,
                          uint64_t seed, train_watch *watch, void *user, float **weights)
{
    struct train_member member = {.genome = genome, .seed = seed};
    enum error err = confirm_genomes(result, &member, 1, trainer, settings, watch, user);
    if (err == ERR_NONE && member.err != ERR_NONE)
        err = error_set(member.err, "%s", member.message);
    if (weights != NULL)
        *weights = err == ERR_NONE ? member.weights : NULL;
    else if (err == ERR_NONE)
        free(member.weights);
    return err;
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
