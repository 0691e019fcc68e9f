/*
 * Packs of networks (network.h): every member gives what it gives alone, with the vector and the
 * tiled family to the byte, and one that diverges stays alone with that.
 *
 *     test_pack [FAMILY]     one family, or all
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cl_kernels/network.h"
#include "inputs/settings.h"
#include "pipeline/base/rng.h"

enum { SIDE = 9, STORED = 40, COUNT = 21, BATCH = 8, EPOCHS = 2, CLASSES = 5, MEMBERS = 3 };

/* All kernels, both strides, channels of 8 and 16 lanes, ragged ones, one group and several. Of the
   activations, the derivative is kept by all members, by some, by none. */
static const char *const genome_texts[MEMBERS] = {
    "NC13k3:swish-RC24k3:relu-NC40k1:gelu-RC8k5:tanh-NC9k3:sigmoid-FC64:swish",
    "NC13k3:swish-RC24k3:gelu-NC40k1:relu-RC8k5:relu-NC9k3:swish-FC64:relu",
    "NC13k3:gelu-RC24k3:tanh-NC40k1:gelu-RC8k5:sigmoid-NC9k3:relu-FC64:swish",
};

static const enum norm_kind norms[] = {NORM_NONE, NORM_BATCH};

static struct device *device;
static struct images images;
static struct image_store *store;
static struct genome genomes[MEMBERS];

static void ok(enum error err)
{
    if (err != ERR_NONE)
        fail_msg("%s: %s", error_name(err), error_message());
}

static struct training_settings recipe(enum norm_kind norm)
{
    return (struct training_settings){.batch = BATCH,
                                      .optimizer = OPTIMIZER_ADAMW,
                                      .schedule = SCHEDULE_ONE_CYCLE,
                                      .norm = norm,
                                      .learning_rate = 0.01,
                                      .weight_decay = 0.05,
                                      .beta1 = 0.9,
                                      .beta2 = 0.999,
                                      .epsilon = 1e-8,
                                      .label_smoothing = 0.1,
                                      .flip = 1,
                                      .shift = 1,
                                      .cutout = 2,
                                      .clip = 0.05,
                                      .warmup = 0.3};
}

/* What is to be seen of one training. */
struct seen {
    struct pass_result trained[EPOCHS], evaluated;
    size_t parameter_count, deployed_count;
    float *parameters, *gradients, *deployed;
    float logits[STORED * CLASSES];
};

static float *floats(size_t count)
{
    float *values = calloc(count, sizeof *values);
    assert_non_null(values);
    return values;
}

/* Another member, another order; another epoch, another order. */
static void fill_order(uint32_t order[COUNT], int member, int epoch)
{
    uint32_t all[STORED];
    struct rng rng;
    for (uint32_t i = 0; i < STORED; i++)
        all[i] = i;
    rng_seed(&rng, (uint64_t)(100 * member + epoch));
    rng_shuffle(&rng, all, STORED);
    memcpy(order, all, COUNT * sizeof *order);
}

/*
 * Trains members first .. first + count as one pack. `poison` is put among the first parameters of
 * member `poisoned` (-1: of none). Evaluation is over all stored images, for each member in an
 * order of its own.
 */
static void train(struct seen *seen, int first, int count, enum norm_kind norm,
                  enum conv_family family, int poisoned, float poison)
{
    struct training_settings training = recipe(norm);
    struct network *net;
    struct pass_result results[MEMBERS];
    uint64_t seeds[MEMBERS];
    uint32_t order[MEMBERS * STORED];
    ok(network_create_pack(&net, device, genomes + first, count, &images.shape, &training, family));
    for (int i = 0; i < count; i++)
        seeds[i] = (uint64_t)(first + i + 1);
    ok(network_initialise(net, seeds));
    size_t parameters = (size_t)network_parameter_count(net);
    size_t deployed = (size_t)network_deployed_count(net);
    float *values = floats((size_t)count * parameters);
    if (poisoned >= 0) {
        ok(network_read_parameters(net, values));
        values[(size_t)(poisoned - first) * parameters + 3] = poison;
        ok(network_write_parameters(net, values));
    }
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        for (int i = 0; i < count; i++)
            fill_order(order + i * COUNT, first + i, epoch);
        ok(network_train(net, store, order, COUNT, 3 * epoch, 3 * EPOCHS, results));
        for (int i = 0; i < count; i++)
            seen[i].trained[epoch] = results[i];
    }
    for (int i = 0; i < count; i++) {
        seen[i].parameter_count = parameters;
        seen[i].deployed_count = deployed;
        seen[i].parameters = floats(parameters);
        seen[i].gradients = floats(parameters);
        seen[i].deployed = floats(deployed);
    }
    ok(network_read_parameters(net, values));
    for (int i = 0; i < count; i++)
        memcpy(seen[i].parameters, values + (size_t)i * parameters, parameters * sizeof *values);
    ok(network_read_gradients(net, values));
    for (int i = 0; i < count; i++)
        memcpy(seen[i].gradients, values + (size_t)i * parameters, parameters * sizeof *values);
    ok(network_read_deployed(net, values));
    for (int i = 0; i < count; i++)
        memcpy(seen[i].deployed, values + (size_t)i * deployed, deployed * sizeof *values);
    for (int i = 0; i < count; i++)
        for (uint32_t n = 0; n < STORED; n++)
            order[i * STORED + (int)n] = (n * 7 + (uint32_t)(first + i)) % STORED;
    float *logits = floats((size_t)count * STORED * CLASSES);
    ok(network_evaluate(net, store, order, STORED, results, logits));
    for (int i = 0; i < count; i++) {
        seen[i].evaluated = results[i];
        memcpy(seen[i].logits, logits + i * STORED * CLASSES, sizeof seen[i].logits);
    }
    free(logits);
    free(values);
    network_destroy(net);
}

static void drop(struct seen *seen, int count)
{
    for (int i = 0; i < count; i++) {
        free(seen[i].parameters);
        free(seen[i].gradients);
        free(seen[i].deployed);
    }
}

static void check_floats(const char *what, const float *got, const float *expected, size_t count,
                         enum conv_family family)
{
    double most = 0, worst = 0;
    for (size_t i = 0; i < count; i++) {
        most = fmax(most, fabs((double)expected[i]));
        worst = fmax(worst, fabs((double)got[i] - (double)expected[i]));
        if (isnan(got[i]) ||
            (family != CONV_CLBLAST && memcmp(&got[i], &expected[i], sizeof *got) != 0))
            fail_msg("%s[%zu] is %.9g in a pack, %.9g alone", what, i, (double)got[i],
                     (double)expected[i]);
    }
    assert_true(most > 0);
    if (worst > 2e-5 * most)
        fail_msg("%s: %.3g of %.3g off in a pack", what, worst, most);
}

static void check_pass(const struct pass_result *got, const struct pass_result *expected,
                       enum conv_family family)
{
    double allowed = family == CONV_CLBLAST ? 1e-5 : 0;
    assert_true(fabs(got->loss - expected->loss) <= allowed * expected->loss);
    assert_true(fabs(got->accuracy - expected->accuracy) <= 2 * allowed);
    assert_int_equal(got->count, expected->count);
}

static void check_equal(const struct seen *got, const struct seen *expected,
                        enum conv_family family)
{
    size_t parameters = expected->parameter_count;
    assert_int_equal(got->parameter_count, parameters);
    assert_int_equal(got->deployed_count, expected->deployed_count);
    check_floats("gradients", got->gradients, expected->gradients, parameters, family);
    check_floats("parameters", got->parameters, expected->parameters, parameters, family);
    check_floats("deployed", got->deployed, expected->deployed, expected->deployed_count, family);
    check_floats("logits", got->logits, expected->logits, STORED * CLASSES, family);
    for (int epoch = 0; epoch < EPOCHS; epoch++)
        check_pass(&got->trained[epoch], &expected->trained[epoch], family);
    check_pass(&got->evaluated, &expected->evaluated, family);
}

static void test_members_train_as_if_alone(void **state)
{
    enum conv_family family = *(const enum conv_family *)*state;
    for (size_t kind = 0; kind < sizeof norms / sizeof *norms; kind++) {
        enum norm_kind norm = norms[kind];
        struct seen alone[MEMBERS], packed[MEMBERS];
        for (int i = 0; i < MEMBERS; i++)
            train(&alone[i], i, 1, norm, family, -1, 0);
        /* The members are not all alike. */
        assert_memory_not_equal(alone[0].logits, alone[1].logits, sizeof alone[0].logits);
        assert_true(alone[1].trained[0].loss != alone[2].trained[0].loss);
        for (int count = 2; count <= MEMBERS; count++) {
            int first = MEMBERS - count;
            train(packed, first, count, norm, family, -1, 0);
            for (int i = 0; i < count; i++)
                check_equal(&packed[i], &alone[first + i], family);
            drop(packed, count);
        }
        drop(alone, MEMBERS);
    }
}

static void test_divergence_stays_inside_a_member(void **state)
{
    enum conv_family family = *(const enum conv_family *)*state;
    static const float poisons[] = {NAN, INFINITY};
    for (size_t kind = 0; kind < sizeof norms / sizeof *norms; kind++) {
        enum norm_kind norm = norms[kind];
        struct seen alone[MEMBERS], packed[MEMBERS];
        for (int i = 0; i < MEMBERS; i++)
            train(&alone[i], i, 1, norm, family, -1, 0);
        for (int k = 0; k < 2; k++) {
            int poisoned = 1 - k; /* in the middle, at the start */
            train(packed, 0, MEMBERS, norm, family, poisoned, poisons[k]);
            for (int epoch = 0; epoch < EPOCHS; epoch++)
                assert_true(isfinite(packed[poisoned].trained[epoch].loss) == 0);
            for (int i = 0; i < MEMBERS; i++)
                if (i != poisoned)
                    check_equal(&packed[i], &alone[i], family);
            drop(packed, MEMBERS);
        }
        drop(alone, MEMBERS);
    }
}

static void test_divergence_of_all_is_an_error(void **state)
{
    enum conv_family family = *(const enum conv_family *)*state;
    struct training_settings training = recipe(NORM_NONE);
    struct network *net;
    struct pass_result results[2];
    uint32_t order[2 * COUNT];
    ok(network_create_pack(&net, device, genomes, 2, &images.shape, &training, family));
    size_t parameters = (size_t)network_parameter_count(net);
    float *values = floats(2 * parameters);
    ok(network_initialise(net, (const uint64_t[]){1, 2}));
    ok(network_read_parameters(net, values));
    values[0] = values[parameters] = NAN;
    ok(network_write_parameters(net, values));
    fill_order(order, 0, 0);
    fill_order(order + COUNT, 1, 0);
    assert_int_equal(network_train(net, store, order, COUNT, 0, 3, results), ERR_DIVERGED);
    assert_true(isfinite(results[0].loss) == 0 && isfinite(results[1].loss) == 0);
    free(values);
    network_destroy(net);
}

/* A pack that is too large is refused where a single network is not. */
static void test_size_counts_members(void **state)
{
    enum conv_family family = *(const enum conv_family *)*state;
    struct training_settings training = recipe(NORM_BATCH);
    struct network *net;
    struct genome alike[PACK_MAX];
    for (int i = 0; i < PACK_MAX; i++)
        alike[i] = genomes[0];
    uint64_t one = network_bytes(alike, 1, &images.shape, &training, family, device);
    uint64_t ten = network_bytes(alike, 10, &images.shape, &training, family, device);
    uint64_t four = network_bytes(alike, 4, &images.shape, &training, family, device);
    assert_true(ten - one == 3 * (four - one)); /* but for what they share */
    assert_true(ten < 10 * one && (family == CONV_CLBLAST || ten > 9 * one));
    /* One member that keeps a derivative makes all keep something. */
    uint64_t two = network_bytes(alike, 2, &images.shape, &training, family, device);
    assert_true(network_bytes(genomes, 2, &images.shape, &training, family, device) > two);
    const struct device_info *info = device_get_info(device);
    uint64_t limit = info->max_buffer_bytes / 10;
    training.batch = (int)(limit / (sizeof(float) * SIDE * SIDE * 16));
    assert_int_equal(
        network_create_pack(&net, device, alike, PACK_MAX, &images.shape, &training, family),
        ERR_TOO_BIG);
}

static int open_all(void **state)
{
    (void)state;
    struct rng rng;
    size_t bytes = STORED * SIDE * SIDE;
    images = (struct images){.shape = {SIDE, SIDE, 1, CLASSES}, .count = STORED, .std = 0.3f};
    images.pixels = malloc(bytes);
    images.labels = malloc(STORED);
    if (images.pixels == NULL || images.labels == NULL)
        return 1;
    rng_seed(&rng, 5);
    for (size_t i = 0; i < bytes; i++)
        images.pixels[i] = (uint8_t)rng_below(&rng, 256);
    for (int i = 0; i < STORED; i++)
        images.labels[i] = (uint8_t)(i % CLASSES);
    for (int i = 0; i < MEMBERS; i++)
        if (genome_parse(&genomes[i], genome_texts[i]) != ERR_NONE)
            return 1;
    if (device_open(&device, 0, 0, 0, 1) == ERR_NONE &&
        image_store_create(&store, device, &images) == ERR_NONE)
        return 0;
    print_error("%s\n", error_message());
    return 1;
}

/* Closing asserts that no buffer is left. */
static int close_all(void **state)
{
    (void)state;
    image_store_destroy(store);
    device_close(device);
    free(images.pixels);
    free(images.labels);
    return 0;
}

int main(int argc, char **argv)
{
    static enum conv_family families[] = {CONV_VECTOR, CONV_TILED, CONV_CLBLAST, CONV_WINOGRAD};
    static const struct {
        const char *name;
        CMUnitTestFunction function;
    } kinds[] = {{"members train as if alone", test_members_train_as_if_alone},
                 {"divergence stays inside a member", test_divergence_stays_inside_a_member},
                 {"divergence of all is an error", test_divergence_of_all_is_an_error},
                 {"size counts members", test_size_counts_members}};
    enum { KINDS = sizeof kinds / sizeof *kinds, FAMILIES = sizeof families / sizeof *families };
    int failures = 0, found = 0;
    for (int f = 0; f < FAMILIES; f++) {
        const char *family = conv_family_name(families[f]);
        if (argc > 1 && strcmp(argv[1], family) != 0)
            continue;
        found++;
        struct CMUnitTest tests[KINDS];
        for (int k = 0; k < KINDS; k++)
            tests[k] =
                (struct CMUnitTest){kinds[k].name, kinds[k].function, NULL, NULL, &families[f]};
        failures += _cmocka_run_group_tests(family, tests, KINDS, open_all, close_all);
    }
    return failures > 0 || found == 0;
}
