#include "stages/train.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/base/clock.h"
#include "pipeline/base/rng.h"

/* Purposes of the seeds drawn from a candidate's seed. */
enum { SEED_WEIGHTS = 1, SEED_ORDER = 2 };

int train_pack_size(const struct device_info *device, int pack)
{
    enum { UNITS_A_MEMBER = 8 };
    if (pack > 0)
        return pack;
    if ((device->type & CL_DEVICE_TYPE_CPU) != 0)
        return 1;
    int members = device->compute_units / UNITS_A_MEMBER;
    return members < 1 ? 1 : members > PACK_MAX ? PACK_MAX : members;
}

double train_passes(int epochs, int train_images, int64_t images)
{
    return (double)epochs *
           (double)(train_images > 0 && train_images < images ? train_images : images);
}

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

/* A pack in training. */
struct pack {
    struct train_member *members;
    int first, count; /* `first`: the place of the first among all that the caller trains */
    struct trainer *trainer;
    const struct training_settings *training;
    struct network *network;
    uint32_t images; /* of an epoch */
    uint32_t *order; /* [count][images] */
    struct rng rngs[PACK_MAX];
    double start_s, train_s;
};

static void fail_member(const struct pack *pack, int i, enum error err, const char *message)
{
    struct train_member *member = &pack->members[i];
    member->err = err;
    snprintf(member->message, sizeof member->message, "%s", message);
    member->result = (struct train_result){.duration_s = clock_monotonic_s() - pack->start_s};
}

static int members_left(const struct pack *pack)
{
    int left = 0;
    for (int i = 0; i < pack->count; i++)
        left += pack->members[i].err == ERR_NONE;
    return left;
}

/* What all members share fails those that have not failed yet. */
static void fail_all(const struct pack *pack, enum error err)
{
    char message[TRAIN_MESSAGE_SIZE];
    snprintf(message, sizeof message, "%s", error_message());
    for (int i = 0; i < pack->count; i++)
        if (pack->members[i].err == ERR_NONE)
            fail_member(pack, i, err, message);
}

/* The result of a pass, in which some or all members (`err`) may have diverged. */
static enum error take_pass(const struct pack *pack, enum error err,
                            const struct pass_result *results)
{
    char message[64];
    if (err != ERR_NONE && err != ERR_DIVERGED)
        return err;
    for (int i = 0; i < pack->count; i++) {
        if (pack->members[i].err != ERR_NONE || isfinite(results[i].loss))
            continue;
        snprintf(message, sizeof message, "the loss is not finite (%g)", results[i].loss);
        fail_member(pack, i, ERR_DIVERGED, message);
    }
    return ERR_NONE;
}

/* Puts what members go on from in the place of what was drawn for them. */
static enum error start_from(struct pack *pack)
{
    enum error err = ERR_NONE;
    size_t count = (size_t)network_parameter_count(pack->network);
    bool any = false;
    float *all = NULL;
    for (int i = 0; i < pack->count; i++) {
        const struct train_member *member = &pack->members[i];
        if (member->start != NULL && member->state_count != count)
            return error_set(ERR_DATA, "%zu parameters to go on from; the network has %zu",
                             member->state_count, count);
        any = any || member->start != NULL;
    }
    if (!any)
        return ERR_NONE;
    all = malloc((size_t)pack->count * count * sizeof *all);
    if (all == NULL)
        return error_set(ERR_INTERNAL, "out of memory for %zu parameters", count);
    TRY(network_read_parameters(pack->network, all));
    for (int i = 0; i < pack->count; i++)
        if (pack->members[i].start != NULL)
            memcpy(all + (size_t)i * count, pack->members[i].start, count * sizeof *all);
    TRY(network_write_parameters(pack->network, all));
out:
    free(all);
    return err;
}

static enum error start_pack(struct pack *pack, enum conv_family family)
{
    enum error err = ERR_NONE;
    struct genome *genomes = malloc((size_t)pack->count * sizeof *genomes);
    uint64_t seeds[PACK_MAX];
    pack->order = malloc((size_t)pack->count * pack->images * sizeof *pack->order);
    if (genomes == NULL || pack->order == NULL) {
        err = error_set(ERR_INTERNAL, "out of memory for the order of %d times %u images",
                        pack->count, pack->images);
        goto out;
    }
    for (int i = 0; i < pack->count; i++) {
        struct train_member *member = &pack->members[i];
        genomes[i] = *member->genome;
        seeds[i] = rng_mix(member->seed, SEED_WEIGHTS, 0);
        rng_seed(&pack->rngs[i], rng_mix(member->seed, SEED_ORDER, 0));
        memcpy(pack->order + (size_t)i * pack->images, pack->trainer->split.train,
               pack->images * sizeof *pack->order);
    }
    TRY(network_create_pack(&pack->network, pack->trainer->device, genomes, pack->count,
                            &pack->trainer->images->shape, pack->training, family));
    TRY(network_initialise(pack->network, seeds));
    TRY(start_from(pack));
out:
    free(genomes);
    return err;
}

static enum error train_epoch(struct pack *pack, int epoch, train_watch *watch, void *user)
{
    enum error err = ERR_NONE;
    struct pass_result results[PACK_MAX];
    uint32_t batch = (uint32_t)pack->training->batch;
    int64_t steps = (pack->images + batch - 1) / batch;
    double start_s = clock_monotonic_s();
    for (int i = 0; i < pack->count; i++)
        rng_shuffle(&pack->rngs[i], pack->order + (size_t)i * pack->images, pack->images);
    TRY(take_pass(pack,
                  network_train(pack->network, pack->trainer->store, pack->order, pack->images,
                                epoch * steps, pack->training->epochs * steps, results),
                  results));
    double seconds = clock_monotonic_s() - start_s;
    pack->train_s += seconds;
    for (int i = 0; i < pack->count; i++) {
        struct train_result *result = &pack->members[i].result;
        if (pack->members[i].err != ERR_NONE)
            continue;
        result->train = results[i];
        result->epochs = epoch + 1;
        struct train_progress progress = {.member = pack->first + i,
                                          .epoch = epoch + 1,
                                          .epochs = pack->training->epochs,
                                          .train = results[i],
                                          .seconds = seconds,
                                          .images_per_s = pack->images / seconds};
        if (watch != NULL && !watch(&progress, user)) {
            err = error_set(ERR_STOPPED, "training was stopped after epoch %d", epoch + 1);
            goto out;
        }
    }
out:
    return err;
}

static enum error validate(struct pack *pack)
{
    struct pass_result results[PACK_MAX];
    const struct split *split = &pack->trainer->split;
    size_t images = split->validation_count;
    uint32_t *order = malloc((size_t)pack->count * images * sizeof *order);
    if (order == NULL)
        return error_set(ERR_INTERNAL, "out of memory for the order of %zu images", images);
    for (size_t i = 0; i < (size_t)pack->count; i++)
        memcpy(order + i * images, split->validation, images * sizeof *order);
    enum error err = take_pass(pack,
                               network_evaluate(pack->network, pack->trainer->store, order,
                                                split->validation_count, results, NULL),
                               results);
    free(order);
    for (int i = 0; err == ERR_NONE && i < pack->count; i++) {
        struct train_member *member = &pack->members[i];
        if (member->err != ERR_NONE)
            continue;
        member->result.validation = results[i];
        member->result.images_per_s = (double)pack->images * member->result.epochs / pack->train_s;
        member->result.gflops =
            1e-9 * member->result.images_per_s *
            network_flops_per_image(member->genome, &pack->trainer->images->shape);
    }
    return err;
}

static enum error keep_weights(struct pack *pack)
{
    enum error err = ERR_NONE;
    size_t count = (size_t)network_deployed_count(pack->network);
    float *all = malloc((size_t)pack->count * count * sizeof *all);
    if (all == NULL)
        return error_set(ERR_INTERNAL, "out of memory for the trained weights");
    TRY(network_read_deployed(pack->network, all));
    for (int i = 0; i < pack->count; i++) {
        struct train_member *member = &pack->members[i];
        if (member->err != ERR_NONE || !member->keep_weights)
            continue;
        member->weights = malloc(count * sizeof *member->weights);
        if (member->weights == NULL) {
            err = error_set(ERR_INTERNAL, "out of memory for the trained weights");
            goto out;
        }
        memcpy(member->weights, all + (size_t)i * count, count * sizeof *all);
    }
out:
    free(all);
    return err;
}

static enum error keep_states(struct pack *pack)
{
    enum error err = ERR_NONE;
    size_t count = (size_t)network_parameter_count(pack->network);
    float *all = malloc((size_t)pack->count * count * sizeof *all);
    if (all == NULL)
        return error_set(ERR_INTERNAL, "out of memory for the parameters");
    TRY(network_read_parameters(pack->network, all));
    for (int i = 0; i < pack->count; i++) {
        struct train_member *member = &pack->members[i];
        if (member->err != ERR_NONE || !member->keep_state)
            continue;
        member->state_count = count;
        member->state = malloc(count * sizeof *member->state);
        if (member->state == NULL) {
            err = error_set(ERR_INTERNAL, "out of memory for the parameters");
            goto out;
        }
        memcpy(member->state, all + (size_t)i * count, count * sizeof *all);
    }
out:
    free(all);
    return err;
}

/* ERR_TIMEOUT, after `epoch` whole epochs. */
static enum error over_the_limit(const struct pack *pack, int epoch, double limit_s)
{
    return error_set(ERR_TIMEOUT,
                     "training took %.1f s after %d of %d epochs, over the limit of %.1f s "
                     "(devices.time_limit_s)",
                     clock_monotonic_s() - pack->start_s, epoch, pack->training->epochs, limit_s);
}

static enum error train_pack(struct pack *pack, enum conv_family family, double time_limit_s,
                             train_watch *watch, void *user)
{
    enum error err = ERR_NONE;
    double limit_s = time_limit_s * pack->count;
    TRY(start_pack(pack, family));
    if (limit_s > 0)
        network_set_end(pack->network, pack->start_s + limit_s);
    for (int epoch = 0; epoch < pack->training->epochs; epoch++) {
        err = train_epoch(pack, epoch, watch, user);
        bool over = limit_s > 0 && clock_monotonic_s() - pack->start_s > limit_s;
        if (err == ERR_TIMEOUT || (err == ERR_NONE && over && members_left(pack) > 0)) {
            err = over_the_limit(pack, epoch + (err == ERR_NONE), limit_s);
            goto out;
        }
        if (err != ERR_NONE || members_left(pack) == 0)
            goto out;
    }
    if (pack->training->average == AVERAGE_EMA)
        TRY(network_use_average(pack->network, pack->trainer->store, pack->order, pack->images));
    TRY(validate(pack));
    bool weights = false, states = false;
    for (int i = 0; i < pack->count; i++) {
        const struct train_member *member = &pack->members[i];
        weights = weights || (member->keep_weights && member->err == ERR_NONE);
        states = states || (member->keep_state && member->err == ERR_NONE);
    }
    if (weights)
        TRY(keep_weights(pack));
    if (states)
        TRY(keep_states(pack));
    for (int i = 0; i < pack->count; i++)
        if (pack->members[i].err == ERR_NONE)
            pack->members[i].result.duration_s = clock_monotonic_s() - pack->start_s;
out:
    return err;
}

/* Members first .. first + count of `members`. */
static enum error train_part(struct train_member *members, int first, int count,
                             struct trainer *trainer, const struct training_settings *training,
                             enum conv_family family, double time_limit_s, train_watch *watch,
                             void *user)
{
    struct pack pack = {.members = members + first,
                        .first = first,
                        .count = count,
                        .trainer = trainer,
                        .training = training,
                        .images = count_images(trainer, training),
                        .start_s = clock_monotonic_s()};
    for (int i = 0; i < count; i++)
        pack.members[i].result = (struct train_result){.train_images = pack.images};
    enum error err = train_pack(&pack, family, time_limit_s, watch, user);
    network_destroy(pack.network);
    free(pack.order);
    if (err == ERR_TOO_BIG && count > 1 && pack.train_s == 0.0) {
        int half = count / 2;
        err =
            train_part(members, first, half, trainer, training, family, time_limit_s, watch, user);
        if (err == ERR_NONE)
            err = train_part(members, first + half, count - half, trainer, training, family,
                             time_limit_s, watch, user);
    } else if (err == ERR_TOO_BIG || err == ERR_TIMEOUT) {
        fail_all(&pack, err);
        err = ERR_NONE;
    }
    return err;
}

enum error train_candidates(struct train_member *members, int count, struct trainer *trainer,
                            const struct training_settings *training, enum conv_family family,
                            double time_limit_s, train_watch *watch, void *user)
{
    assert(count >= 1 && count <= PACK_MAX);
    for (int i = 0; i < count; i++) {
        members[i].err = ERR_NONE;
        members[i].message[0] = '\0';
        members[i].weights = NULL;
        members[i].state = NULL;
    }
    enum error err =
        train_part(members, 0, count, trainer, training, family, time_limit_s, watch, user);
    for (int i = 0; err != ERR_NONE && i < count; i++) {
        free(members[i].weights);
        free(members[i].state);
        members[i].weights = members[i].state = NULL;
    }
    return err;
}

enum error train_candidate(struct train_result *result, struct trainer *trainer,
                           const struct genome *genome, const struct training_settings *training,
                           enum conv_family family, uint64_t seed, double time_limit_s,
                           train_watch *watch, void *user, float **weights)
{
    struct train_member member = {.genome = genome, .seed = seed, .keep_weights = weights != NULL};
    enum error err =
        train_candidates(&member, 1, trainer, training, family, time_limit_s, watch, user);
    if (err != ERR_NONE)
        return err;
    *result = member.result;
    if (weights != NULL)
        *weights = member.weights;
    return member.err != ERR_NONE ? error_set(member.err, "%s", member.message) : ERR_NONE;
}
