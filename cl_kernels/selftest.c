#include "cl_kernels/selftest.h"

#include <math.h>
#include <stdio.h>

#include "cl_kernels/augment.h"
#include "cl_kernels/batch.h"
#include "cl_kernels/check_conv.h"
#include "cl_kernels/optimizer.h"
#include "cl_kernels/selftest_internal.h"
#include "cl_kernels/twins.h"

struct watcher {
    self_test_watch *watch;
    void *user;
};

static enum error convolutions(struct device *device, enum conv_family family,
                               const struct watcher *w)
{
    /* Odd channels, sizes and batches; shapes repeat, since each may be a compilation. */
    static const struct conv_case cases[] = {
        {{1, 17, 3, 1}, 7, 9, 3, 2, ACT_RELU, 0},     {{1, 17, 3, 1}, 7, 9, 3, 3, ACT_SIGMOID, 0},
        {{17, 24, 5, 2}, 9, 6, 2, 2, ACT_TANH, 1},    {{17, 24, 5, 2}, 9, 8, 9, 8, ACT_SWISH, 1},
        {{24, 33, 1, 1}, 5, 5, 4, 4, ACT_GELU, 0},    {{17, 24, 3, 1}, 7, 9, 3, 2, ACT_RELU, 0},
        {{17, 24, 5, 1}, 9, 7, 9, 8, ACT_SIGMOID, 0},
    };
    char op[64], shape[CHECK_SHAPE_SIZE];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct conv_case *c = &cases[i];
        struct conv_outcome outcome;
        enum error err = conv_check(device, family, NULL, c, &outcome);
        if (w->watch != NULL) {
            snprintf(op, sizeof op, "convolution (%s)", conv_family_name(family));
            conv_case_text(shape, c);
            w->watch(op, shape, outcome.worst, w->user);
        }
        if (err != ERR_NONE)
            return err;
    }
    return ERR_NONE;
}

/* Three steps of each optimizer over weights, which decay, and biases, which do not. The gradient
   comes in two parts and is longer than Adam's clipping allows. */
static enum error optimizers(struct check *check, struct device *device)
{
    enum { FLOATS = 2080, DECAY_END = 1600, SPLITS = 2, STEPS = 3 };
    enum error err = ERR_NONE;
    static const struct training_settings settings = {.schedule = SCHEDULE_CONSTANT,
                                                      .learning_rate = 0.05,
                                                      .weight_decay = 0.1,
                                                      .momentum = 0.9,
                                                      .beta1 = 0.9,
                                                      .beta2 = 0.99,
                                                      .epsilon = 1e-4};
    static const char *const names[] = {
        [OPTIMIZER_ADAMW] = "AdamW", [OPTIMIZER_ADAM] = "Adam", [OPTIMIZER_SGD] = "SGD"};
    struct optimizer_state optimizer = {0};
    check_start(check, device, "optimizers", "%d steps of AdamW, Adam, SGD", STEPS);
    for (enum optimizer kind = OPTIMIZER_ADAMW; kind <= OPTIMIZER_SGD; kind++) {
        struct training_settings s = settings;
        double *p, *parts, *g, *m, *v;
        float *p_float, *parts_float, *got;
        cl_mem parameters, gradients;
        s.optimizer = kind;
        s.clip = kind == OPTIMIZER_ADAM ? 7.5 : 0;
        TRY(check_random(&p, check, FLOATS, 1));
        TRY(check_random(&parts, check, SPLITS * FLOATS, 1));
        TRY(check_doubles(&g, check, FLOATS));
        TRY(check_doubles(&m, check, FLOATS));
        TRY(check_doubles(&v, check, FLOATS));
        TRY(check_floats(&p_float, check, FLOATS));
        TRY(check_floats(&parts_float, check, SPLITS * FLOATS));
        for (int i = 0; i < SPLITS * FLOATS; i++) {
            parts_float[i] = (float)parts[i];
            g[i % FLOATS] += parts[i];
        }
        double squares = 0;
        for (int i = 0; i < FLOATS; i++)
            squares += g[i] * g[i];
        for (int i = 0; i < FLOATS; i++) {
            p_float[i] = (float)p[i];
            g[i] *= s.clip > 0 ? s.clip / sqrt(squares) : 1;
        }
        TRY(optimizer_create(&optimizer, device, &s, FLOATS, DECAY_END, SPLITS, 1));
        TRY(check_upload(&parameters, check, p_float, FLOATS));
        TRY(check_upload(&gradients, check, parts_float, SPLITS * FLOATS));
        struct twin_step weights = {.optimizer = kind,
                                    .learning_rate = s.learning_rate,
                                    .weight_decay = s.weight_decay,
                                    .momentum = s.momentum,
                                    .beta1 = s.beta1,
                                    .beta2 = s.beta2,
                                    .epsilon = s.epsilon};
        for (int step = 0; step < STEPS; step++) {
            TRY(optimizer_run(&optimizer, parameters, gradients, step, STEPS));
            weights.step = step + 1;
            struct twin_step biases = weights;
            biases.weight_decay = 0;
            twin_optimizer_step(&weights, DECAY_END, p, g, m, v);
            twin_optimizer_step(&biases, FLOATS - DECAY_END, p + DECAY_END, g + DECAY_END,
                                m + DECAY_END, v + DECAY_END);
        }
        TRY(check_download(&got, check, parameters, FLOATS));
        for (size_t i = 0; i < FLOATS; i++)
            check_value(check, names[kind], i, (double)got[i], p[i], 0);
        optimizer_destroy(&optimizer);
    }
out:
    optimizer_destroy(&optimizer);
    return err;
}

/* The copy of weights for the input gradient; a negative place is a zero. */
static enum error transposition(struct check *check, struct device *device)
{
    enum { COUNT = 1500, PARAMETERS = 700 };
    enum error err = ERR_NONE;
    static const struct training_settings settings = {.optimizer = OPTIMIZER_ADAMW};
    struct optimizer_state optimizer = {0};
    float *values, *got;
    cl_int places[COUNT];
    cl_mem parameters, place_buffer, transposed;
    check_start(check, device, "copy of weights", "%d of %d", COUNT, PARAMETERS);
    TRY(check_floats(&values, check, PARAMETERS));
    for (int i = 0; i < PARAMETERS; i++)
        values[i] = (float)(i + 1);
    for (int i = 0; i < COUNT; i++)
        places[i] = i % 7 == 0 ? -1 : i * 13 % PARAMETERS;
    TRY(optimizer_create(&optimizer, device, &settings, 16, 16, 1, 1));
    TRY(check_upload(&parameters, check, values, PARAMETERS));
    TRY(check_buffer(&place_buffer, check, COUNT));
    TRY(device_write(device, place_buffer, 0, places, sizeof places));
    TRY(check_buffer(&transposed, check, COUNT));
    TRY(optimizer_transpose(&optimizer, parameters, place_buffer, transposed, COUNT));
    TRY(check_download(&got, check, transposed, COUNT));
    for (size_t i = 0; i < COUNT; i++)
        check_value(check, "weight", i, (double)got[i],
                    places[i] < 0 ? 0 : (double)values[places[i]], 0);
out:
    optimizer_destroy(&optimizer);
    return err;
}

/* Bytes to normalised batches, for few channels (a layout of their own) and for many. */
static enum error batches(struct check *check, struct device *device)
{
    enum { STORED = 6, HEIGHT = 3, WIDTH = 5, FIRST = 1, IMAGES = 4, BATCH = 5, MOST = 17 };
    enum error err = ERR_NONE;
    static const int channel_counts[] = {1, 3, MOST};
    static const cl_uint order[FIRST + IMAGES] = {5, 2, 0, 4, 1};
    uint8_t pixels[STORED * HEIGHT * WIDTH * MOST], labels[STORED] = {0};
    struct image_store *store = NULL;
    struct batch_assembler assembler = {0};
    check_start(check, device, "batches of images", "%dx%d, 1, 3 and %d channels, %d images",
                HEIGHT, WIDTH, MOST, IMAGES);
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)rng_below(&check->rng, 256);
    for (int k = 0; k < 3; k++) {
        int channels = channel_counts[k];
        struct images images = {.shape = {HEIGHT, WIDTH, channels, 1},
                                .count = STORED,
                                .pixels = pixels,
                                .labels = labels,
                                .mean = 0.375f,
                                .std = 0.25f};
        struct layout layout = layout_make_image(HEIGHT, WIDTH, channels, 2);
        cl_mem order_buffer, x;
        double *got;
        TRY(image_store_create(&store, device, &images));
        TRY(batch_assembler_create(&assembler, device, &layout));
        TRY(check_buffer(&order_buffer, check, FIRST + IMAGES));
        TRY(device_write(device, order_buffer, 0, order, sizeof order));
        TRY(check_tensor(&x, check, &layout, BATCH, IMAGES, NULL));
        TRY(batch_assemble(&assembler, store, order_buffer, FIRST, IMAGES, x));
        TRY(check_read_tensor(&got, check, &layout, BATCH, IMAGES, x, true));
        int plane = HEIGHT * WIDTH;
        for (int i = 0; i < IMAGES * channels * plane; i++) {
            int n = (int)order[FIRST + i / plane / channels], c = i / plane % channels;
            double byte = pixels[(n * plane + i % plane) * channels + c];
            check_value(check, "x", (size_t)i, got[i], (byte / 255 - 0.375) / 0.25, 0);
        }
        batch_assembler_destroy(&assembler);
        image_store_destroy(store);
        store = NULL;
    }
out:
    batch_assembler_destroy(&assembler);
    image_store_destroy(store);
    return err;
}

/* As mix_bits of augment.cl. */
static uint32_t mix_bits(uint32_t h)
{
    h ^= h >> 16;
    h *= 0x7feb352du;
    h ^= h >> 15;
    h *= 0x846ca68bu;
    return h ^ (h >> 16);
}

/* Mirrored, moved and cut images, drawn on the host as augment.cl says. */
static enum error augmentation(struct check *check, struct device *device)
{
    enum { HEIGHT = 6, WIDTH = 5, CHANNELS = 2, STORED = 7, STEP = 3 };
    enum { MEMBERS = 2, IMAGES = 16, ALL = MEMBERS * IMAGES }; /* images of a member */
    enum { PLANE = HEIGHT * WIDTH, SHIFT = 2, CUTOUT = 3 };
    enum error err = ERR_NONE;
    static const struct training_settings training = {.flip = 1, .shift = SHIFT, .cutout = CUTOUT};
    static const cl_uint seeds[MEMBERS] = {77, 78};
    uint8_t pixels[STORED * PLANE * CHANNELS], labels[STORED] = {0};
    cl_uint order[ALL];
    struct image_store *store = NULL;
    struct augmenter augmenter = {0};
    struct layout layout = layout_make_image(HEIGHT, WIDTH, CHANNELS, 1);
    cl_mem order_buffer, seed_buffer, x;
    double *got;
    check_start(check, device, "augmentation", "%dx%d, %d times %d images", HEIGHT, WIDTH, MEMBERS,
                IMAGES);
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)rng_below(&check->rng, 256);
    for (cl_uint i = 0; i < ALL; i++)
        order[i] = i * 3 % STORED;
    struct images images = {.shape = {HEIGHT, WIDTH, CHANNELS, 1},
                            .count = STORED,
                            .pixels = pixels,
                            .labels = labels,
                            .mean = 0.375f,
                            .std = 0.25f};
    TRY(image_store_create(&store, device, &images));
    TRY(augmenter_create(&augmenter, device, &layout, &training));
    TRY(check_buffer(&order_buffer, check, ALL));
    TRY(device_write(device, order_buffer, 0, order, sizeof order));
    TRY(check_buffer(&seed_buffer, check, MEMBERS));
    TRY(device_write(device, seed_buffer, 0, seeds, sizeof seeds));
    TRY(check_tensor(&x, check, &layout, ALL, ALL, NULL));
    TRY(augment_batch(&augmenter, store, order_buffer, 0, IMAGES, MEMBERS, seed_buffer, STEP, x));
    TRY(check_read_tensor(&got, check, &layout, ALL, ALL, x, true));
    for (uint32_t n = 0; n < ALL; n++) {
        uint32_t draws[5];
        draws[0] = mix_bits(seeds[n / IMAGES] + mix_bits(STEP * 0x9e3779b9u + n % IMAGES));
        for (int i = 1; i < 5; i++)
            draws[i] = mix_bits(draws[i - 1] + 1);
        int down = (int)(draws[1] % (2 * SHIFT + 1)) - SHIFT;
        int right = (int)(draws[2] % (2 * SHIFT + 1)) - SHIFT;
        int top = (int)(draws[3] % HEIGHT) - CUTOUT / 2,
            left = (int)(draws[4] % WIDTH) - CUTOUT / 2;
        for (int i = 0; i < CHANNELS * PLANE; i++) {
            int c = i / PLANE, row = i % PLANE / WIDTH, column = i % WIDTH;
            int from_row = row - down, from_column = column - right;
            if (draws[0] & 1)
                from_column = WIDTH - 1 - from_column;
            bool inside =
                from_row >= 0 && from_row < HEIGHT && from_column >= 0 && from_column < WIDTH;
            bool cut = row >= top && row < top + CUTOUT && column >= left && column < left + CUTOUT;
            int at = (((int)order[n] * HEIGHT + from_row) * WIDTH + from_column) * CHANNELS + c;
            double byte = inside ? pixels[at] : 0;
            size_t place = n * CHANNELS * PLANE + (size_t)i;
            check_value(check, "x", place, got[place], cut ? 0 : (byte / 255 - 0.375) / 0.25, 0);
        }
    }
out:
    augmenter_destroy(&augmenter);
    image_store_destroy(store);
    return err;
}

enum error device_self_test(struct device *device, enum conv_family family, self_test_watch *watch,
                            void *user)
{
    enum error err = ERR_NONE;
    const struct watcher watcher = {watch, user};
    static enum error (*const checks[])(struct check *, struct device *) = {
        batches, augmentation, self_test_norm, self_test_head, optimizers, transposition};
    for (enum conv_family f = CONV_VECTOR; f < CONV_FAMILY_COUNT; f++)
        if (family == CONV_AUTO || family == f)
            TRY(convolutions(device, f, &watcher));
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        struct check check;
        err = checks[i](&check, device);
        if (err == ERR_NONE && watch != NULL)
            watch(check.op, check.shape, check.worst, user);
        TRY(check_end(&check, err));
    }
out:
    return err;
}
