/*
 * stages/train on the default OpenCL device: what a pack of candidates promises beside
 * tests/test_pack.c, which looks at the networks. The device can be told to refuse large packs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/base/rng.h"
#include "stages/train.h"

enum { SIDE = 6, CLASSES = 4, IMAGES = 90, VALIDATION = 25, EPOCHS = 2, MEMBERS = 3 };

static struct device *device;
static struct images images;
static struct trainer trainer;
static struct genome genomes[MEMBERS];
static struct training_settings training;

static int members_most = PACK_MAX, packs_created;

enum error __real_network_create_pack(struct network **out, struct device *on,
                                      const struct genome *of, int members,
                                      const struct image_shape *shape,
                                      const struct training_settings *recipe,
                                      enum conv_family family);
enum error __wrap_network_create_pack(struct network **out, struct device *on,
                                      const struct genome *of, int members,
                                      const struct image_shape *shape,
                                      const struct training_settings *recipe,
                                      enum conv_family family);

enum error __wrap_network_create_pack(struct network **out, struct device *on,
                                      const struct genome *of, int members,
                                      const struct image_shape *shape,
                                      const struct training_settings *recipe,
                                      enum conv_family family)
{
    if (members > members_most)
        return error_set(ERR_TOO_BIG, "%d members are too many for this test", members);
    packs_created++;
    return __real_network_create_pack(out, on, of, members, shape, recipe, family);
}

static void ok(enum error err)
{
    if (err != ERR_NONE)
        fail_msg("%s: %s", error_name(err), error_message());
}

/* The epochs that were seen of each member. */
struct seen {
    int epochs[MEMBERS];
    double losses[MEMBERS][EPOCHS];
    int stop_after; /* calls; 0: never */
    int calls;
};

static bool watch(const struct train_progress *progress, void *user)
{
    struct seen *seen = user;
    assert_in_range(progress->member, 0, MEMBERS - 1);
    assert_int_equal(progress->epoch, ++seen->epochs[progress->member]);
    assert_int_equal(progress->epochs, EPOCHS);
    assert_true(progress->seconds > 0 && progress->images_per_s > 0);
    seen->losses[progress->member][progress->epoch - 1] = progress->train.loss;
    return ++seen->calls != seen->stop_after;
}

static void make_members(struct train_member members[MEMBERS])
{
    for (int i = 0; i < MEMBERS; i++)
        members[i] = (struct train_member){
            .genome = &genomes[i], .seed = (uint64_t)(10 + i), .keep_weights = i != 1};
}

static size_t weight_count(void)
{
    return (size_t)genome_cost(&genomes[0], &images.shape).parameters;
}

/* A member against the same candidate trained alone. */
static void check_alone(const struct train_member *member, const double losses[EPOCHS])
{
    struct train_result alone;
    struct seen seen = {0};
    float *weights;
    ok(train_candidate(&alone, &trainer, member->genome, &training, CONV_VECTOR, member->seed, 0,
                       watch, &seen, &weights));
    assert_int_equal(member->err, ERR_NONE);
    assert_true(member->result.train.loss == alone.train.loss);
    assert_true(member->result.validation.loss == alone.validation.loss);
    assert_true(member->result.validation.accuracy == alone.validation.accuracy);
    assert_int_equal(member->result.validation.count, VALIDATION);
    assert_int_equal(member->result.epochs, EPOCHS);
    assert_int_equal(member->result.train_images, IMAGES - VALIDATION);
    assert_true(member->result.images_per_s > 0 && member->result.duration_s > 0);
    assert_memory_equal(losses, seen.losses[0], sizeof seen.losses[0]);
    if (member->keep_weights)
        assert_memory_equal(member->weights, weights, weight_count() * sizeof *weights);
    else
        assert_null(member->weights);
    free(weights);
}

static void drop_weights(struct train_member members[MEMBERS])
{
    for (int i = 0; i < MEMBERS; i++)
        free(members[i].weights);
}

static void a_pack_trains_as_one_by_one(void **state)
{
    (void)state;
    struct train_member members[MEMBERS];
    struct seen seen = {0};
    make_members(members);
    packs_created = 0;
    ok(train_candidates(members, MEMBERS, &trainer, &training, CONV_VECTOR, 0, watch, &seen));
    assert_int_equal(packs_created, 1);
    for (int i = 0; i < MEMBERS; i++)
        check_alone(&members[i], seen.losses[i]);
    assert_true(members[0].result.validation.loss != members[1].result.validation.loss);
    drop_weights(members);
}

/* A pack that is too large trains in halves, or in halves of halves, with the same results. */
static void halves_give_the_same(void **state)
{
    (void)state;
    static const int packs_expected[] = {0, 3, 2};
    for (int most = 1; most <= 2; most++) {
        struct train_member members[MEMBERS];
        struct seen seen = {0};
        make_members(members);
        members_most = most;
        packs_created = 0;
        ok(train_candidates(members, MEMBERS, &trainer, &training, CONV_VECTOR, 0, watch, &seen));
        assert_int_equal(packs_created, packs_expected[most]);
        for (int i = 0; i < MEMBERS; i++)
            check_alone(&members[i], seen.losses[i]);
        drop_weights(members);
    }
    members_most = PACK_MAX;
}

static void a_candidate_that_is_too_big_alone_fails(void **state)
{
    (void)state;
    struct train_member members[MEMBERS];
    struct train_result result;
    make_members(members);
    members_most = 0;
    ok(train_candidates(members, MEMBERS, &trainer, &training, CONV_VECTOR, 0, NULL, NULL));
    for (int i = 0; i < MEMBERS; i++) {
        assert_int_equal(members[i].err, ERR_TOO_BIG);
        assert_non_null(strstr(members[i].message, "too many"));
        assert_null(members[i].weights);
    }
    assert_int_equal(train_candidate(&result, &trainer, &genomes[0], &training, CONV_VECTOR, 1, 0,
                                     NULL, NULL, NULL),
                     ERR_TOO_BIG);
    members_most = PACK_MAX;
}

/* A rate that throws relu out of range, which a network of bounded activations survives. */
static void divergence_is_the_members_own(void **state)
{
    (void)state;
    const struct training_settings kept = training;
    struct train_member members[MEMBERS];
    struct train_result result;
    struct seen seen = {0};
    training.optimizer = OPTIMIZER_SGD;
    training.norm = NORM_NONE;
    training.learning_rate = 3e4;
    make_members(members);
    ok(train_candidates(members, MEMBERS, &trainer, &training, CONV_VECTOR, 0, watch, &seen));
    for (int i = 0; i < MEMBERS; i++) {
        if (i == 1) {
            check_alone(&members[i], seen.losses[i]);
            continue;
        }
        assert_int_equal(members[i].err, ERR_DIVERGED);
        assert_non_null(strstr(members[i].message, "not finite"));
        assert_true(members[i].result.duration_s > 0);
        assert_null(members[i].weights);
        assert_int_equal(seen.epochs[i], 0);
        assert_int_equal(train_candidate(&result, &trainer, &genomes[i], &training, CONV_VECTOR,
                                         members[i].seed, 0, NULL, NULL, NULL),
                         ERR_DIVERGED);
        assert_non_null(strstr(error_message(), "not finite"));
    }
    drop_weights(members);
    training = kept;
}

static void the_time_limit_is_for_each(void **state)
{
    (void)state;
    struct train_member members[MEMBERS];
    make_members(members);
    ok(train_candidates(members, MEMBERS, &trainer, &training, CONV_VECTOR, 1e-9, NULL, NULL));
    for (int i = 0; i < MEMBERS; i++) {
        assert_int_equal(members[i].err, ERR_TIMEOUT);
        assert_non_null(strstr(members[i].message, "after 1 of 2 epochs"));
        assert_true(members[i].result.duration_s > 0);
        assert_null(members[i].weights);
    }
    ok(train_candidates(members, MEMBERS, &trainer, &training, CONV_VECTOR, 1e6, NULL, NULL));
    for (int i = 0; i < MEMBERS; i++)
        assert_int_equal(members[i].err, ERR_NONE);
    drop_weights(members);
}

static void the_time_limit_strikes_within_an_epoch(void **state)
{
    (void)state;
    struct train_member members[MEMBERS], free_members[MEMBERS];
    struct training_settings kept = training;
    training.batch = 4; /* 17 steps an epoch */
    make_members(members);
    ok(train_candidates(members, MEMBERS, &trainer, &training, CONV_VECTOR, 1e-9, NULL, NULL));
    for (int i = 0; i < MEMBERS; i++) {
        assert_int_equal(members[i].err, ERR_TIMEOUT);
        assert_non_null(strstr(members[i].message, "after 0 of 2 epochs"));
    }
    /* A limit that does not strike changes nothing. */
    ok(train_candidates(members, MEMBERS, &trainer, &training, CONV_VECTOR, 1e6, NULL, NULL));
    make_members(free_members);
    ok(train_candidates(free_members, MEMBERS, &trainer, &training, CONV_VECTOR, 0, NULL, NULL));
    for (int i = 0; i < MEMBERS; i++) {
        assert_true(members[i].result.train.loss == free_members[i].result.train.loss);
        assert_true(members[i].result.validation.loss == free_members[i].result.validation.loss);
    }
    drop_weights(members);
    drop_weights(free_members);
    training = kept;
}

/* What goes on from where another ended has its loss, not that of a beginner; alone or in a pack.
 */
static void members_go_on_from_parameters(void **state)
{
    (void)state;
    struct train_member first[MEMBERS], second[MEMBERS], alone;
    make_members(first);
    for (int i = 0; i < MEMBERS; i++)
        first[i].keep_state = true;
    ok(train_candidates(first, MEMBERS, &trainer, &training, CONV_VECTOR, 0, NULL, NULL));
    make_members(second);
    for (int i = 0; i < MEMBERS; i++) {
        assert_non_null(first[i].state);
        second[i].start = i == 1 ? NULL : first[i].state;
        second[i].state_count = first[i].state_count;
        second[i].seed++;
    }
    ok(train_candidates(second, MEMBERS, &trainer, &training, CONV_VECTOR, 0, NULL, NULL));
    for (int i = 0; i < MEMBERS; i++) {
        assert_null(second[i].state);
        assert_int_equal(second[i].err, ERR_NONE);
        if (i != 1)
            assert_true(second[i].result.train.loss < first[i].result.train.loss);
    }
    alone = (struct train_member){.genome = &genomes[2],
                                  .seed = second[2].seed,
                                  .start = first[2].state,
                                  .state_count = first[2].state_count};
    ok(train_candidates(&alone, 1, &trainer, &training, CONV_VECTOR, 0, NULL, NULL));
    assert_true(alone.result.validation.loss == second[2].result.validation.loss);
    alone.state_count--;
    assert_int_equal(train_candidates(&alone, 1, &trainer, &training, CONV_VECTOR, 0, NULL, NULL),
                     ERR_DATA);
    for (int i = 0; i < MEMBERS; i++)
        free(first[i].state);
    drop_weights(first);
    drop_weights(second);
}

static void a_watch_stops_all(void **state)
{
    (void)state;
    struct train_member members[MEMBERS];
    struct seen seen = {.stop_after = MEMBERS + 2};
    make_members(members);
    assert_int_equal(
        train_candidates(members, MEMBERS, &trainer, &training, CONV_VECTOR, 0, watch, &seen),
        ERR_STOPPED);
    assert_int_equal(seen.calls, MEMBERS + 2);
    for (int i = 0; i < MEMBERS; i++)
        assert_null(members[i].weights);
}

static int set_up(void **state)
{
    (void)state;
    static const char *const texts[MEMBERS] = {"RC8k3:relu-NC9k3:gelu-RC12k3:relu-FC64:relu",
                                               "RC8k3:tanh-NC9k3:sigmoid-RC12k3:tanh-FC64:tanh",
                                               "RC8k3:relu-NC9k3:relu-RC12k3:swish-FC64:relu"};
    static const struct data_settings data = {.validation_images = VALIDATION, .split_seed = 1};
    struct settings settings;
    struct rng rng;
    images = (struct images){
        .shape = {SIDE, SIDE, 1, CLASSES}, .count = IMAGES, .mean = 0.5f, .std = 0.3f};
    images.pixels = malloc(IMAGES * SIDE * SIDE);
    images.labels = malloc(IMAGES);
    if (images.pixels == NULL || images.labels == NULL)
        return 1;
    rng_seed(&rng, 8);
    for (size_t i = 0; i < IMAGES * SIDE * SIDE; i++)
        images.pixels[i] = (uint8_t)rng_below(&rng, 256);
    for (int i = 0; i < IMAGES; i++)
        images.labels[i] = (uint8_t)(i % CLASSES);
    for (int i = 0; i < MEMBERS; i++)
        if (genome_parse(&genomes[i], texts[i]) != ERR_NONE)
            return 1;
    settings_defaults(&settings, NULL);
    training = settings.training;
    training.epochs = EPOCHS;
    training.batch = 16;
    if (device_open(&device, 0, 0, 0, 1) == ERR_NONE &&
        trainer_create(&trainer, device, &images, &data) == ERR_NONE)
        return 0;
    print_error("%s\n", error_message());
    return 1;
}

/* Closing asserts that no buffer is left. */
static int tear_down(void **state)
{
    (void)state;
    trainer_destroy(&trainer);
    device_close(device);
    images_free(&images);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pack_trains_as_one_by_one),
        cmocka_unit_test(halves_give_the_same),
        cmocka_unit_test(a_candidate_that_is_too_big_alone_fails),
        cmocka_unit_test(divergence_is_the_members_own),
        cmocka_unit_test(the_time_limit_is_for_each),
        cmocka_unit_test(the_time_limit_strikes_within_an_epoch),
        cmocka_unit_test(members_go_on_from_parameters),
        cmocka_unit_test(a_watch_stops_all),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
