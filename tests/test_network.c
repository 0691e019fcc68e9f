/*
 * Whole networks against fixtures from PyTorch (tests/fixtures/make.py), for every convolution
 * family, and what a caller relies on: repeatability, ragged batches, divergence, size.
 *
 * Tolerances, with m the largest magnitude in the array: logits and losses 1e-5 (1 + m), gradients
 * 2e-6 m, parameters after three AdamW steps 1e-5 m (a step divides by the gradient's own size, so
 * the smallest gradients decide).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cl_kernels/network.h"
#include "inputs/settings.h"
#include "pipeline/base/text.h"

static const char *const fixture_names[] = {"relu", "mixed", "large_kernels", "norm", "norm_mixed"};
enum { FIXTURES = sizeof fixture_names / sizeof *fixture_names };

static const enum conv_family families[] = {CONV_VECTOR, CONV_TILED, CONV_CLBLAST, CONV_WINOGRAD};
enum { FAMILIES = sizeof families / sizeof *families };

static struct device *device;

static void ok(enum error err)
{
    if (err != ERR_NONE)
        fail_msg("%s: %s", error_name(err), error_message());
}

struct fixture {
    struct genome genome;
    struct images images;
    struct training_settings training;
    uint32_t *order;
    size_t parameters, logits; /* counts */
    float *initial, *evaluated, *gradients, *trained, *trained_evaluated;
    float first_loss, train_loss;
};

/* One header line; false at the empty line that ends the header. */
static bool read_key(FILE *file, char *key, char *value, size_t size)
{
    char line[512];
    assert_non_null(fgets(line, sizeof line, file));
    char *space = strchr(line, ' ');
    if (space == NULL)
        return false;
    *space = '\0';
    snprintf(key, size, "%s", line);
    snprintf(value, size, "%.*s", (int)strcspn(space + 1, "\n"), space + 1);
    return true;
}

static void use_key(struct fixture *f, const char *key, const char *value)
{
    double number = 0;
    if (strcmp(key, "genome") == 0) {
        ok(genome_parse(&f->genome, value));
        return;
    }
    if (strcmp(key, "norm") == 0) {
        f->training.norm = strcmp(value, "batch") == 0 ? NORM_BATCH : NORM_NONE;
        return;
    }
    assert_true(text_to_double(value, &number));
    const struct {
        const char *key;
        int *to_int;
        double *to_double;
        float *to_float;
    } places[] = {
        {"height", &f->images.shape.height, NULL, NULL},
        {"width", &f->images.shape.width, NULL, NULL},
        {"channels", &f->images.shape.channels, NULL, NULL},
        {"classes", &f->images.shape.classes, NULL, NULL},
        {"batch", &f->training.batch, NULL, NULL},
        {"label_smoothing", NULL, &f->training.label_smoothing, NULL},
        {"learning_rate", NULL, &f->training.learning_rate, NULL},
        {"weight_decay", NULL, &f->training.weight_decay, NULL},
        {"beta1", NULL, &f->training.beta1, NULL},
        {"beta2", NULL, &f->training.beta2, NULL},
        {"epsilon", NULL, &f->training.epsilon, NULL},
        {"mean", NULL, NULL, &f->images.mean},
        {"std", NULL, NULL, &f->images.std},
    };
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (strcmp(key, places[i].key) != 0)
            continue;
        if (places[i].to_int != NULL)
            *places[i].to_int = (int)number;
        if (places[i].to_double != NULL)
            *places[i].to_double = number;
        if (places[i].to_float != NULL)
            *places[i].to_float = (float)number;
        return;
    }
    if (strcmp(key, "images") == 0)
        f->images.count = (uint32_t)number;
    else if (strcmp(key, "parameters") == 0)
        f->parameters = (size_t)number;
    else
        fail_msg("a fixture has an unknown key '%s'", key);
}

static void *read_array(FILE *file, size_t count, size_t size)
{
    void *values = malloc(count * size);
    assert_non_null(values);
    assert_true(fread(values, size, count, file) == count);
    return values;
}

static float read_float(FILE *file)
{
    float value;
    assert_true(fread(&value, sizeof value, 1, file) == 1);
    return value;
}

static struct fixture load(const char *name)
{
    char path[256], key[512], value[512];
    struct fixture f = {.training = {.optimizer = OPTIMIZER_ADAMW, .schedule = SCHEDULE_CONSTANT}};
    snprintf(path, sizeof path, "tests/fixtures/%s.fixture", name);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        fail_msg("cannot open %s", path);
    while (read_key(file, key, value, sizeof key))
        use_key(&f, key, value);
    const struct image_shape *s = &f.images.shape;
    size_t count = f.images.count;
    f.logits = count * (size_t)s->classes;
    f.images.pixels = read_array(file, count * (size_t)(s->height * s->width * s->channels), 1);
    f.images.labels = read_array(file, count, 1);
    uint8_t *order = read_array(file, count, 1);
    f.order = malloc(count * sizeof *f.order);
    assert_non_null(f.order);
    for (size_t i = 0; i < count; i++)
        f.order[i] = order[i];
    free(order);
    f.initial = read_array(file, f.parameters, sizeof(float));
    f.evaluated = read_array(file, f.logits, sizeof(float));
    f.first_loss = read_float(file);
    f.gradients = read_array(file, f.parameters, sizeof(float));
    f.train_loss = read_float(file);
    f.trained = read_array(file, f.parameters, sizeof(float));
    f.trained_evaluated = read_array(file, f.logits, sizeof(float));
    assert_int_equal(fgetc(file), EOF);
    assert_int_equal(fclose(file), 0);
    return f;
}

static void drop(struct fixture *f)
{
    free(f->images.pixels);
    free(f->images.labels);
    free(f->order);
    free(f->initial);
    free(f->evaluated);
    free(f->gradients);
    free(f->trained);
    free(f->trained_evaluated);
}

static float *floats(size_t count)
{
    float *values = calloc(count, sizeof *values);
    assert_non_null(values);
    return values;
}

static double largest(const float *values, size_t count)
{
    double most = 0;
    for (size_t i = 0; i < count; i++)
        most = fmax(most, fabs((double)values[i]));
    return most;
}

/* Prints the largest error beside what is allowed, and fails when it is more. */
static void check_array(const char *what, const float *got, const float *expected, size_t count,
                        double allowed)
{
    double worst = 0;
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        double error = fabs((double)got[i] - (double)expected[i]);
        if (!(error <= worst)) {
            worst = error;
            at = i;
        }
    }
    print_message("  %-24s error %.2e, allowed %.2e\n", what, worst, allowed);
    if (!(worst <= allowed))
        fail_msg("%s[%zu]: got %.9g, PyTorch %.9g", what, at, (double)got[at],
                 (double)expected[at]);
}

static void check_logits(struct network *net, struct image_store *store, const struct fixture *f,
                         const char *what, const float *expected)
{
    struct pass_result result;
    float *logits = floats(f->logits);
    ok(network_evaluate(net, store, f->order, f->images.count, &result, logits));
    check_array(what, logits, expected, f->logits, 1e-5 * (1 + largest(expected, f->logits)));
    /* Loss and accuracy are those of the logits. */
    double loss = 0, hits = 0;
    int classes = f->images.shape.classes;
    for (uint32_t n = 0; n < f->images.count; n++) {
        const float *row = expected + n * (uint32_t)classes;
        double sum = 0;
        int best = 0, label = f->images.labels[f->order[n]];
        for (int k = 0; k < classes; k++) {
            sum += exp((double)row[k]);
            best = row[k] > row[best] ? k : best;
        }
        loss += log(sum) - (double)row[label];
        hits += best == label;
    }
    assert_true(fabs(result.loss - loss / f->images.count) <= 1e-5 * (1 + loss));
    assert_true(fabs(result.accuracy - hits / f->images.count) < 1e-9);
    assert_int_equal(result.count, f->images.count);
    free(logits);
}

static void check_fixture(const char *name, enum conv_family family)
{
    print_message("%s, %s\n", name, conv_family_name(family));
    struct fixture f = load(name);
    struct image_store *store;
    struct network *net;
    struct pass_result result;
    uint32_t batch = (uint32_t)f.training.batch;
    float *values = floats(f.parameters);
    ok(image_store_create(&store, device, &f.images));
    ok(network_create(&net, device, &f.genome, &f.images.shape, &f.training, family));
    assert_int_equal(network_parameter_count(net), f.parameters);
    assert_int_equal(network_deployed_count(net),
                     genome_cost(&f.genome, &f.images.shape).parameters);
    ok(network_write_parameters(net, f.initial));
    ok(network_read_parameters(net, values));
    assert_memory_equal(values, f.initial, f.parameters * sizeof *values);
    check_logits(net, store, &f, "logits", f.evaluated);

    ok(network_train(net, store, f.order, batch, 0, 3, &result));
    check_array("loss", &(float){(float)result.loss}, &f.first_loss, 1, 1e-5);
    ok(network_read_gradients(net, values));
    check_array("gradients", values, f.gradients, f.parameters,
                2e-6 * largest(f.gradients, f.parameters));

    ok(network_write_parameters(net, f.initial));
    ok(network_train(net, store, f.order, f.images.count, 0, 3, &result));
    check_array("loss of three steps", &(float){(float)result.loss}, &f.train_loss, 1, 1e-5);
    assert_int_equal(result.count, f.images.count);
    ok(network_read_parameters(net, values));
    check_array("trained parameters", values, f.trained, f.parameters,
                1e-5 * largest(f.trained, f.parameters));
    check_logits(net, store, &f, "logits when trained", f.trained_evaluated);
    free(values);
    network_destroy(net);
    image_store_destroy(store);
    drop(&f);
}

static void test_fixtures(void **state)
{
    enum conv_family family = *(const enum conv_family *)*state;
    for (int i = 0; i < FIXTURES; i++)
        check_fixture(fixture_names[i], family);
}

/* Initialises from `seed`, trains two passes; the parameters. */
static float *train_from_seed(const struct fixture *f, enum conv_family family, uint64_t seed)
{
    struct image_store *store;
    struct network *net;
    struct pass_result result;
    float *values = floats(f->parameters);
    ok(image_store_create(&store, device, &f->images));
    ok(network_create(&net, device, &f->genome, &f->images.shape, &f->training, family));
    ok(network_initialise(net, &seed));
    for (int pass = 0; pass < 2; pass++)
        ok(network_train(net, store, f->order, f->images.count, 3 * pass, 6, &result));
    ok(network_read_parameters(net, values));
    network_destroy(net);
    image_store_destroy(store);
    return values;
}

static void test_repeats_exactly(void **state)
{
    enum conv_family family = *(const enum conv_family *)*state;
    for (int i = 0; i < FIXTURES; i += 3) { /* without and with normalisation */
        struct fixture f = load(fixture_names[i]);
        float *first = train_from_seed(&f, family, 5), *again = train_from_seed(&f, family, 5);
        float *other = train_from_seed(&f, family, 6);
        assert_memory_equal(first, again, f.parameters * sizeof *first);
        assert_memory_not_equal(first, other, f.parameters * sizeof *first);
        free(first);
        free(again);
        free(other);
        drop(&f);
    }
}

/* The batch that an image is evaluated in makes no difference to it. */
static void test_batch_size_is_not_seen(void **state)
{
    enum conv_family family = *(const enum conv_family *)*state;
    struct fixture f = load("mixed");
    struct image_store *store;
    ok(image_store_create(&store, device, &f.images));
    static const int batches[] = {1, 4, 13, 64};
    for (int i = 0; i < 4; i++) {
        struct network *net;
        f.training.batch = batches[i];
        ok(network_create(&net, device, &f.genome, &f.images.shape, &f.training, family));
        ok(network_write_parameters(net, f.initial));
        check_logits(net, store, &f, "logits", f.evaluated);
        network_destroy(net);
    }
    image_store_destroy(store);
    drop(&f);
}

static void test_divergence_is_reported(void **state)
{
    enum conv_family family = *(const enum conv_family *)*state;
    static const float bad[] = {NAN, INFINITY};
    for (int i = 0; i < FIXTURES; i++)
        for (int k = 0; k < 2; k++) {
            struct fixture f = load(fixture_names[i]);
            struct image_store *store;
            struct network *net;
            struct pass_result result;
            ok(image_store_create(&store, device, &f.images));
            ok(network_create(&net, device, &f.genome, &f.images.shape, &f.training, family));
            f.initial[3] = bad[k];
            ok(network_write_parameters(net, f.initial));
            assert_int_equal(network_train(net, store, f.order, f.images.count, 0, 3, &result),
                             ERR_DIVERGED);
            assert_non_null(strstr(error_message(), "finite"));
            network_destroy(net);
            image_store_destroy(store);
            drop(&f);
        }
}

/* A learning rate that throws the parameters out of range: the same outcome, from finite ones. */
static void test_divergence_while_training(void **state)
{
    enum conv_family family = *(const enum conv_family *)*state;
    struct fixture f = load("relu");
    struct image_store *store;
    struct network *net;
    struct pass_result result;
    f.training.optimizer = OPTIMIZER_SGD;
    f.training.learning_rate = 1e20;
    ok(image_store_create(&store, device, &f.images));
    ok(network_create(&net, device, &f.genome, &f.images.shape, &f.training, family));
    ok(network_write_parameters(net, f.initial));
    assert_int_equal(network_train(net, store, f.order, f.images.count, 0, 3, &result),
                     ERR_DIVERGED);
    network_destroy(net);
    image_store_destroy(store);
    drop(&f);
}

static void test_too_big(void **state)
{
    enum conv_family family = *(const enum conv_family *)*state;
    struct fixture f = load("relu");
    struct network *net = NULL;
    struct image_shape large = {1024, 1024, 3, 10};
    f.training.batch = 8192;
    assert_int_equal(network_create(&net, device, &f.genome, &large, &f.training, family),
                     ERR_TOO_BIG);
    assert_null(net);
    assert_true(network_bytes(&f.genome, 1, &large, &f.training, family, device) >
                device_get_info(device)->global_bytes);
    f.training.batch = 1;
    large.height = large.width = 8;
    assert_true(network_bytes(&f.genome, 1, &large, &f.training, family, device) < 10u << 20);
    drop(&f);
}

/* What is said before is what the device holds after a step, scratch memory included; of CLBlast's
   part only a bound is known. */
static void test_bytes_are_predicted(void **state)
{
    enum conv_family family = *(const enum conv_family *)*state;
    for (int i = 0; i < FIXTURES; i++) {
        struct fixture f = load(fixture_names[i]);
        struct image_store *store;
        struct network *net;
        struct device *fresh;
        struct pass_result result;
        f.training.batch = (int)f.images.count;
        ok(device_open(&fresh, 0, 0, 0, 1));
        ok(image_store_create(&store, fresh, &f.images));
        uint64_t images = device_bytes(fresh);
        ok(network_create(&net, fresh, &f.genome, &f.images.shape, &f.training, family));
        ok(network_initialise(net, &(uint64_t){1}));
        ok(network_train(net, store, f.order, f.images.count, 0, 3, &result));
        double used = (double)(device_bytes(fresh) - images);
        double predicted =
            (double)network_bytes(&f.genome, 1, &f.images.shape, &f.training, family, fresh);
        print_message("%s, %s: %.0f bytes, predicted %.0f\n", fixture_names[i],
                      conv_family_name(family), used, predicted);
        assert_true(used <= 1.1 * predicted);
        assert_true(family == CONV_CLBLAST || used >= 0.9 * predicted);
        network_destroy(net);
        image_store_destroy(store);
        device_close(fresh);
        drop(&f);
    }
}

/* He for relu, swish and gelu, Glorot for sigmoid and tanh; biases 0. */
static void test_initialisation(void **state)
{
    (void)state;
    struct genome genome;
    ok(genome_parse(&genome, "NC64k3:relu-RC96k5:tanh-RC32k1:gelu-FC64:sigmoid"));
    struct image_shape shape = {8, 8, 3, 10};
    struct training_settings training = {.batch = 1, .norm = NORM_NONE};
    struct network *net;
    ok(network_create(&net, device, &genome, &shape, &training, CONV_VECTOR));
    ok(network_initialise(net, &(uint64_t){3}));
    size_t count = (size_t)network_parameter_count(net);
    float *values = floats(count), *at = values;
    ok(network_read_parameters(net, values));
    const struct {
        int weights, biases;
        double variance;
    } parts[] = {
        {64 * 3 * 9, 64, 2.0 / (3 * 9)},
        {96 * 64 * 25, 96, 2.0 / (64 * 25 + 96 * 25)},
        {32 * 96, 32, 2.0 / 96},
        {64 * 32, 64, 2.0 / (32 + 64)},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        double mean = 0, variance = 0, n = parts[i].weights;
        for (int k = 0; k < parts[i].weights; k++) {
            mean += (double)at[k] / n;
            variance += (double)at[k] * (double)at[k] / n;
        }
        /* Five standard deviations of either estimate. */
        assert_true(fabs(mean) < 5 * sqrt(parts[i].variance / n));
        assert_true(fabs(variance / parts[i].variance - 1) < 5 * sqrt(2 / n));
        at += parts[i].weights;
        for (int k = 0; k < parts[i].biases; k++)
            assert_true(*at++ == 0.0f);
    }
    free(values);
    network_destroy(net);
}

static int open_device(void **state)
{
    (void)state;
    if (device_open(&device, 0, 0, 0, 1) == ERR_NONE)
        return 0;
    print_error("%s\n", error_message());
    return 1;
}

/* Closing asserts that no buffer is left. */
static int close_device(void **state)
{
    (void)state;
    device_close(device);
    return 0;
}

int main(void)
{
    static const struct {
        const char *name;
        CMUnitTestFunction function;
    } kinds[] = {
        {"fixtures", test_fixtures},
        {"repeats exactly", test_repeats_exactly},
        {"batch size is not seen", test_batch_size_is_not_seen},
        {"divergence is reported", test_divergence_is_reported},
        {"divergence while training", test_divergence_while_training},
        {"too big", test_too_big},
        {"bytes are predicted", test_bytes_are_predicted},
    };
    enum { KINDS = sizeof kinds / sizeof *kinds };
    static enum conv_family states[FAMILIES];
    static char names[KINDS * FAMILIES][64];
    struct CMUnitTest tests[KINDS * FAMILIES + 1];
    for (int f = 0; f < FAMILIES; f++) {
        states[f] = families[f];
        for (int k = 0; k < KINDS; k++) {
            int i = KINDS * f + k;
            snprintf(names[i], sizeof names[i], "%s: %s", conv_family_name(families[f]),
                     kinds[k].name);
            tests[i] = (struct CMUnitTest){names[i], kinds[k].function, NULL, NULL, &states[f]};
        }
    }
    tests[KINDS * FAMILIES] = (struct CMUnitTest)cmocka_unit_test(test_initialisation);
    return cmocka_run_group_tests(tests, open_device, close_device);
}
