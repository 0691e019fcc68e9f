#include "stages/train.h"

#include <stdlib.h>

#include "pipeline/base/clock.h"
#include "pipeline/base/rng.h"

/* Purposes of the seeds drawn from a candidate's seed. */
enum { SEED_WEIGHTS = 1, SEED_ORDER = 2 };

enum error trainer_create(struct trainer *trainer, struct device *device, struct images *images,
                          const struct data_settings *data)
{
    *trainer = (struct trainer){.device = device, .images = images};
    enum error err =
        split_make(&trainer->split, images, (uint32_t)data->validation_images, 0, data->split_seed);
    if (err == ERR_NONE)
        err = image_store_create(&trainer->store, device, images);
    if (err != ERR_NONE)
        trainer_destroy(trainer);
    return err;
}

void trainer_destroy(struct trainer *trainer)
{
    image_store_destroy(trainer->store);
    split_free(&trainer->split);
    *trainer = (struct trainer){0};
}

static uint32_t count_images(const struct trainer *trainer,
                             const struct training_settings *training)
{
    uint32_t all = trainer->split.train_count;
    uint32_t wanted = (uint32_t)training->train_images;
    return wanted == 0 || wanted > all ? all : wanted;
}

enum error train_candidate(struct train_result *result, struct trainer *trainer,
                           const struct genome *genome, const struct training_settings *training,
                           enum conv_family family, uint64_t seed, double time_limit_s,
                           train_watch *watch, void *user, float **weights)
{
    enum error err = ERR_NONE;
    struct network *network = NULL;
    struct rng rng;
    double start = clock_monotonic_s(), train_s = 0.0;
    uint32_t count = count_images(trainer, training);
    int64_t steps_per_epoch = (count + (uint32_t)training->batch - 1) / (uint32_t)training->batch;
    uint32_t *order = malloc(count * sizeof *order);
    float *kept_weights = NULL;
    if (order == NULL)
        return error_set(ERR_INTERNAL, "out of memory for the order of %u images", count);
    *result = (struct train_result){.train_images = count};
    for (uint32_t i = 0; i < count; i++)
        order[i] = trainer->split.train[i];

    TRY(network_create(&network, trainer->device, genome, &trainer->images->shape, training,
                       family));
    uint64_t weights_seed = rng_mix(seed, SEED_WEIGHTS, 0);
    TRY(network_initialise(network, &weights_seed));
    rng_seed(&rng, rng_mix(seed, SEED_ORDER, 0));
    for (int epoch = 0; epoch < training->epochs; epoch++) {
        double epoch_start = clock_monotonic_s();
        rng_shuffle(&rng, order, count);
        TRY(network_train(network, trainer->store, order, count, epoch * steps_per_epoch,
                          training->epochs * steps_per_epoch, &result->train));
        double now = clock_monotonic_s(), seconds = now - epoch_start;
        train_s += seconds;
        result->epochs = epoch + 1;
        struct train_progress progress = {.epoch = epoch + 1,
                                          .epochs = training->epochs,
                                          .train = result->train,
                                          .seconds = seconds,
                                          .images_per_s = count / seconds};
        if (watch != NULL && !watch(&progress, user)) {
            err = error_set(ERR_STOPPED, "training was stopped after epoch %d", epoch + 1);
            goto out;
        }
        if (time_limit_s > 0.0 && now - start > time_limit_s) {
            err = error_set(ERR_TIMEOUT,
                            "training took %.1f s after %d of %d epochs, over the "
                            "limit of %.1f s (devices.time_limit_s)",
                            now - start, epoch + 1, training->epochs, time_limit_s);
            goto out;
        }
    }
    TRY(network_evaluate(network, trainer->store, trainer->split.validation,
                         trainer->split.validation_count, &result->validation, NULL));
    if (weights != NULL) {
        kept_weights = malloc((size_t)network_deployed_count(network) * sizeof *kept_weights);
        if (kept_weights == NULL) {
            err = error_set(ERR_INTERNAL, "out of memory for the trained weights");
            goto out;
        }
        TRY(network_read_deployed(network, kept_weights));
        *weights = kept_weights;
        kept_weights = NULL;
    }
    result->duration_s = clock_monotonic_s() - start;
    result->images_per_s = (double)count * result->epochs / train_s;
    result->gflops =
        1e-9 * result->images_per_s * network_flops_per_image(genome, &trainer->images->shape);
out:
    free(kept_weights);
    network_destroy(network);
    free(order);
    return err;
}
