#include "cl_kernels/tuner.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cl_kernels/check_conv.h"
#include "cl_kernels/conv_family.h"
#include "cl_kernels/conv_winograd_plan.h"
#include "cl_kernels/tuning.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/rng.h"

enum {
    CANDIDATES_MAX = 2 * CONV_VARIANTS_MAX,
    ROUNDS = 4,
    ROUNDS_LEAST = 2,
    SMALL_HEIGHT = 7,
    SMALL_WIDTH = 17,    /* more than a register tile */
    SMALL_CHANNELS = 64, /* as many as the largest group of a register tile */
    FEW_PIXELS = 150,    /* of all images: in a gradient of few terms winograd's rounding, which is
                            that of a whole tile, is more than a batch ever sees */
    MANY_PIXELS = 700    /* the same with its large tiles */
};

static const double clearly = 0.97;      /* of the rule's time */
static const double flops_wanted = 3e8;  /* of a timed pass, on a compute unit of a CPU */
static const double pixels_least = 1600; /* of the images of a pass: whole chunks (winograd) */
static const double round_s = 0.4;       /* of a class: after that no further round is begun */

struct candidate {
    enum conv_family family;
    struct conv_tiles tiles;
    struct conv *conv; /* NULL: disqualified */
    double seconds[TUNE_PASS_COUNT];
    char reason[TUNE_REASON_SIZE];
};

/* One class in work. */
struct work {
    struct device *device;
    struct tune_class class;
    struct conv_plan plan; /* of the rule's family */
    int images;
    double flops;  /* of a pass over `images` */
    bool gradient; /* whether there is an input gradient */
    cl_mem x, y, dy, dx, weights, transposed, gradients;
    size_t weight_floats, transposed_floats, gradient_floats; /* the most of any candidate */
    struct candidate candidates[CANDIDATES_MAX];
    int count;
};

/* The families that can win where none is asked for, the rule's first. */
static int list_families(enum conv_family families[2], const struct device *device,
                         const struct tune_class *class)
{
    static const enum conv_family cpu[] = {CONV_VECTOR, CONV_WINOGRAD},
                                  gpu[] = {CONV_CLBLAST, CONV_TILED};
    const enum conv_family *list = device_is_cpu(device) ? cpu : gpu;
    struct conv_plan plan = tune_class_plan(class, class->family);
    int count = 0;
    families[count++] = conv_family_by_rule(device, &plan);
    for (int i = 0; i < 2 && class->family == CONV_AUTO; i++) {
        plan.family = list[i];
        if (list[i] != families[0] && conv_family_by_rule(device, &plan) == list[i])
            families[count++] = list[i];
    }
    return count;
}

/* A small case with the tiles' kernels: wider than a register tile, in as many groups as may be,
 * but ragged. */
static struct conv_case small_case(const struct tune_class *class, const struct conv_tiles *tiles)
{
    int in = class->channels_in > SMALL_CHANNELS ? SMALL_CHANNELS : class->channels_in;
    int out = class->channels_out > SMALL_CHANNELS ? SMALL_CHANNELS : class->channels_out;
    int height = class->height < SMALL_HEIGHT ? class->height : SMALL_HEIGHT;
    int width = class->width < SMALL_WIDTH ? class->width : SMALL_WIDTH;
    int pixels = tiles->weight_side == WINOGRAD_LARGE ? MANY_PIXELS : FEW_PIXELS;
    int images = (pixels + height * width - 1) / (height * width);
    return (struct conv_case){
        .shape = {in > 8 ? in - 1 : in, out - 1, class->kernel, class->stride},
        .height = height,
        .width = width,
        .batch = images,
        .images = images,
        .activation = ACT_RELU,
    };
}

static void disqualify(struct candidate *c, const char *reason)
{
    snprintf(c->reason, sizeof c->reason, "%s", reason);
    for (char *at = c->reason; *at != '\0'; at++)
        if (*at == ',' || *at == '"' || *at < ' ')
            *at = ' ';
    conv_destroy(c->conv);
    c->conv = NULL;
}

/* Against the twin, and against *digest: that of the family's first tiles that are right (0: none
 * yet). */
static enum error check(struct candidate *c, const struct work *w, uint64_t *digest)
{
    struct conv_case small = small_case(&w->class, &c->tiles);
    struct conv_outcome outcome;
    enum error err = conv_check(w->device, c->family, &c->tiles, &small, &outcome);
    if (err == ERR_INTERNAL)
        return err;
    char reason[TUNE_REASON_SIZE];
    snprintf(reason, sizeof reason, "a result is wrong by %.3g times the allowed error",
             outcome.worst);
    if (err != ERR_NONE)
        disqualify(c, outcome.worst > 1 ? reason : error_message());
    else if (*digest == 0)
        *digest = outcome.digest;
    else if (outcome.digest != *digest)
        disqualify(c, "other bits than other tiles of its family");
    return ERR_NONE;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Compiles and checks one candidate. */
static enum error add_candidate(struct work *w, enum conv_family family,
                                const struct conv_tiles *tiles, uint64_t *digest)
{
    struct candidate *c = &w->candidates[w->count++];
    *c = (struct candidate){.family = family, .tiles = *tiles};
    struct conv_plan plan = tune_class_plan(&w->class, family);
    plan.tiles = *tiles;
    enum error err = conv_create(&c->conv, w->device, &plan);
    if (err == ERR_INTERNAL)
        return err;
    if (err != ERR_NONE) {
        disqualify(c, error_message());
        return ERR_NONE;
    }
    w->weight_floats = larger(w->weight_floats, conv_weight_floats(c->conv));
    w->transposed_floats = larger(w->transposed_floats, conv_transposed_floats(c->conv));
    size_t floats = (conv_weight_floats(c->conv) + 4096) * (size_t)conv_splits(c->conv);
    w->gradient_floats = larger(w->gradient_floats, floats);
    return check(c, w, digest);
}

/* The rule's own is always tried, then others while there is time, or nothing that works. */
static enum error add_candidates(struct work *w, double deadline_s)
{
    enum error err = ERR_NONE;
    enum conv_family families[2];
    bool works = false;
    int family_count = list_families(families, w->device, &w->class);
    for (int f = 0; f < family_count; f++) {
        struct conv_plan plan = tune_class_plan(&w->class, families[f]);
        struct conv_tiles variants[CONV_VARIANTS_MAX];
        int count = conv_variants(variants, w->device, &plan);
        uint64_t digest = 0;
        for (int v = 0; v < count; v++)
            if (!works || clock_monotonic_s() < deadline_s) {
                TRY(add_candidate(w, families[f], &variants[v], &digest));
                works = works || w->candidates[w->count - 1].conv != NULL;
            }
    }
out:
    return err;
}

static enum error noise(cl_mem *out, struct device *device, size_t floats)
{
    struct rng rng;
    enum error err = device_buffer(out, device, floats * sizeof(float));
    if (err != ERR_NONE)
        return err;
    float *values = malloc(floats * sizeof *values);
    if (values == NULL)
        return error_set(ERR_INTERNAL, "out of memory for %zu floats of noise", floats);
    rng_seed(&rng, 1);
    for (size_t i = 0; i < floats; i++)
        values[i] = (float)((double)(rng_next(&rng) >> 40) / (1 << 23) - 1);
    err = device_write(device, *out, 0, values, floats * sizeof *values);
    free(values);
    return err;
}

static enum error make_buffers(struct work *w)
{
    enum error err = ERR_NONE;
    const struct conv_plan *p = &w->plan;
    int units = device_get_info(w->device)->compute_units;
    double macs = (double)(p->output.height * p->output.width) * p->shape.kernel * p->shape.kernel *
                  p->shape.channels_in * p->shape.channels_out;
    w->images = p->batch;
    if (device_is_cpu(w->device)) {
        int pixels = p->input.height * p->input.width;
        double wanted = fmax(flops_wanted / (2 * macs), ceil(pixels_least / pixels)) * units;
        w->images = wanted < p->batch ? (int)wanted : p->batch;
    }
    w->flops = 2 * macs * w->images;
    w->gradient = p->input_gradient.channels > 0;
    TRY(noise(&w->x, w->device, layout_floats(&p->input, w->images)));
    TRY(noise(&w->dy, w->device, layout_floats(&p->gradient, w->images)));
    TRY(device_buffer(&w->y, w->device, sizeof(float) * layout_floats(&p->output, w->images)));
    if (w->gradient) {
        TRY(device_buffer(&w->dx, w->device,
                          sizeof(float) * layout_floats(&p->input_gradient, w->images)));
        TRY(noise(&w->transposed, w->device, w->transposed_floats));
    }
    TRY(noise(&w->weights, w->device, w->weight_floats + 4096)); /* the bias behind them */
    TRY(device_buffer(&w->gradients, w->device, sizeof(float) * w->gradient_floats));
out:
    return err;
}

static enum error enqueue(const struct work *w, const struct candidate *c, enum tune_pass pass)
{
    size_t floats = conv_weight_floats(c->conv), stride = floats + 4096;
    if (pass == TUNE_FORWARD) {
        struct conv_epilogue epilogue = {.bias = {.buffer = w->weights, .offset = floats},
                                         .activation = ACT_RELU};
        return conv_forward(c->conv, w->x, (struct span){.buffer = w->weights}, &epilogue, w->y,
                            w->images);
    }
    if (pass == TUNE_INPUT_GRADIENT) {
        struct conv_chain chain = {.activation = ACT_RELU, .kept = w->x, .layout = w->plan.input};
        return conv_input_gradient(c->conv, w->dy, (struct span){.buffer = w->transposed}, &chain,
                                   w->dx, w->images);
    }
    struct span dw = {.buffer = w->gradients}, db = {.buffer = w->gradients, .offset = floats};
    return conv_weight_gradient(c->conv, w->x, w->dy, dw, db, stride, w->images);
}

/* Seconds; where one core does all the work, those that it gave to this process. */
static double now_s(const struct work *w)
{
    struct timespec time;
    if (!device_is_cpu(w->device) || device_get_info(w->device)->compute_units > 1 ||
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) != 0)
        return clock_monotonic_s();
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Shortens c->seconds[pass]. The first run of all compiles. */
static enum error time_pass(struct work *w, struct candidate *c, enum tune_pass pass)
{
    enum error err = ERR_NONE;
    double begin = now_s(w);
    TRY(enqueue(w, c, pass));
    TRY(device_finish(w->device));
    c->seconds[pass] = fmin(c->seconds[pass], now_s(w) - begin);
out:
    return err;
}

static enum error time_candidates(struct work *w)
{
    enum error err = ERR_NONE;
    for (int i = 0; i < w->count; i++)
        for (int pass = 0; pass < TUNE_PASS_COUNT; pass++)
            w->candidates[i].seconds[pass] = INFINITY;
    double start_s = clock_monotonic_s();
    for (int round = 0; round <= ROUNDS; round++) {
        if (round > ROUNDS_LEAST && clock_monotonic_s() - start_s > round_s)
            break;
        for (int i = 0; i < w->count; i++)
            for (int pass = 0; pass < TUNE_PASS_COUNT; pass++) {
                struct candidate *c = &w->candidates[i];
                if (c->conv == NULL || (pass == TUNE_INPUT_GRADIENT && !w->gradient))
                    continue;
                for (int run = 0; run < 2; run++) {
                    err = time_pass(w, c, (enum tune_pass)pass);
                    if (err != ERR_NONE && err != ERR_TOO_BIG)
                        return err;
                    if (err != ERR_NONE) {
                        disqualify(c, error_message());
                        break;
                    }
                }
                err = ERR_NONE;
                if (c->conv == NULL)
                    break;
            }
        if (round == 0)
            start_s = clock_monotonic_s();
    }
    return err;
}

static int tile_of(const struct conv_tiles *t, enum tune_pass pass)
{
    return pass == TUNE_FORWARD          ? t->forward
           : pass == TUNE_INPUT_GRADIENT ? t->input_gradient
                                         : t->weight_gradient;
}

static bool same_in(const struct candidate *a, const struct candidate *b, enum tune_pass pass)
{
    bool gradient = pass == TUNE_INPUT_GRADIENT;
    return a->family == b->family && tile_of(&a->tiles, pass) == tile_of(&b->tiles, pass) &&
           (gradient ? a->tiles.group_transposed == b->tiles.group_transposed
                     : a->tiles.group == b->tiles.group);
}

/* Candidates with the same tile in a pass were timed alike: the shortest time is that of all. */
static void share_times(struct work *w)
{
    for (int pass = 0; pass < TUNE_PASS_COUNT; pass++)
        for (int i = 0; i < w->count; i++)
            for (int k = 0; k < w->count; k++) {
                struct candidate *a = &w->candidates[i], *b = &w->candidates[k];
                if (a->conv != NULL && b->conv != NULL && same_in(a, b, (enum tune_pass)pass))
                    a->seconds[pass] = b->seconds[pass] = fmin(a->seconds[pass], b->seconds[pass]);
            }
}

/* What one family can do in a whole step: which candidates' passes, and how long they take. */
struct choice {
    int passes[TUNE_PASS_COUNT]; /* a candidate; -1: none */
    double seconds;
};

static double seconds_of(const struct candidate *c, enum tune_pass pass)
{
    return c->conv != NULL ? c->seconds[pass] : INFINITY;
}

/* The fastest candidate of a pass among those of a family and a weight group (0: any). */
static int fastest(const struct work *w, enum conv_family family, enum tune_pass pass, int group)
{
    int best = -1;
    for (int i = 0; i < w->count; i++) {
        const struct candidate *c = &w->candidates[i];
        if (c->family == family && (group < 0 || c->tiles.group == group) &&
            seconds_of(c, pass) < (best < 0 ? INFINITY : seconds_of(&w->candidates[best], pass)))
            best = i;
    }
    return best;
}

static struct choice choose_in(const struct work *w, enum conv_family family)
{
    struct choice choice = {.seconds = INFINITY};
    int gradient = w->gradient ? fastest(w, family, TUNE_INPUT_GRADIENT, -1) : -1;
    double gradient_s =
        gradient >= 0 ? seconds_of(&w->candidates[gradient], TUNE_INPUT_GRADIENT) : 0;
    for (int i = 0; i < w->count; i++) {
        if (w->candidates[i].family != family || w->candidates[i].conv == NULL)
            continue;
        int group = w->candidates[i].tiles.group;
        int forward = fastest(w, family, TUNE_FORWARD, group);
        int weights = fastest(w, family, TUNE_WEIGHT_GRADIENT, group);
        if (forward < 0 || weights < 0 || (w->gradient && gradient < 0))
            continue;
        double seconds = seconds_of(&w->candidates[forward], TUNE_FORWARD) +
                         seconds_of(&w->candidates[weights], TUNE_WEIGHT_GRADIENT) + gradient_s;
        if (seconds < choice.seconds)
            choice = (struct choice){{forward, gradient, weights}, seconds};
    }
    return choice;
}

/* Candidate 0 is the rule's; it stands unless something is clearly faster, or it is wrong. */
static struct choice choose(const struct work *w)
{
    const struct candidate *rule = &w->candidates[0];
    struct choice best = {{0, w->gradient ? 0 : -1, 0}, INFINITY};
    if (rule->conv != NULL) {
        best.seconds = 0;
        for (int pass = 0; pass < TUNE_PASS_COUNT; pass++)
            if (pass != TUNE_INPUT_GRADIENT || w->gradient)
                best.seconds += rule->seconds[pass];
        best.seconds *= clearly;
    }
    for (enum conv_family family = CONV_AUTO + 1; family < CONV_FAMILY_COUNT; family++) {
        struct choice choice = choose_in(w, family);
        if (choice.seconds < best.seconds)
            best = choice;
    }
    return best;
}

/* A row for each candidate that differs from the ones before it in that pass. */
static enum error add_rows(struct tuning *tuning, const struct work *w, const struct choice *choice)
{
    enum error err = ERR_NONE;
    for (int pass = 0; pass < TUNE_PASS_COUNT; pass++) {
        if (pass == TUNE_INPUT_GRADIENT && !w->gradient)
            continue;
        const struct candidate *chosen = &w->candidates[choice->passes[pass]];
        for (int i = 0; i < w->count; i++) {
            const struct candidate *c = &w->candidates[i];
            bool seen = false;
            for (int before = 0; before < i && c->conv != NULL; before++)
                seen = seen || (w->candidates[before].conv != NULL &&
                                same_in(&w->candidates[before], c, (enum tune_pass)pass));
            if (seen)
                continue;
            struct tune_row row = {
                .class = w->class,
                .pass = (enum tune_pass)pass,
                .family = c->family,
                .group = pass == TUNE_INPUT_GRADIENT ? c->tiles.group_transposed : c->tiles.group,
                .tile = tile_of(&c->tiles, (enum tune_pass)pass),
                .status = c->conv != NULL ? TUNE_OK : TUNE_DISQUALIFIED,
                .chosen = same_in(c, chosen, (enum tune_pass)pass) &&
                          (c->conv != NULL) == (chosen->conv != NULL),
                .gflops = c->conv != NULL ? 1e-9 * w->flops / c->seconds[pass] : 0,
            };
            snprintf(row.reason, sizeof row.reason, "%s", c->reason);
            TRY(tuning_add(tuning, &row));
        }
    }
out:
    return err;
}

/* The rule's choice without a time. */
static enum error add_untimed(struct tuning *tuning, const struct device *device,
                              const struct tune_class *class)
{
    enum error err = ERR_NONE;
    struct conv_plan plan = tune_class_plan(class, class->family);
    for (int pass = 0; pass < TUNE_PASS_COUNT; pass++) {
        struct tune_row row = {.class = *class,
                               .pass = (enum tune_pass)pass,
                               .family = conv_family_by_rule(device, &plan),
                               .status = TUNE_UNTIMED,
                               .chosen = true};
        if (pass != TUNE_INPUT_GRADIENT || plan.input_gradient.channels > 0)
            TRY(tuning_add(tuning, &row));
    }
out:
    return err;
}

static enum error time_class(struct tuning *tuning, struct device *device,
                             const struct tune_class *class, double deadline_s)
{
    enum error err = ERR_NONE;
    struct work *w = calloc(1, sizeof *w);
    if (w == NULL)
        return error_set(ERR_INTERNAL, "out of memory for the tuner");
    w->device = device;
    w->class = *class;
    w->plan = tune_class_plan(class, class->family);
    TRY(add_candidates(w, deadline_s));
    TRY(make_buffers(w));
    TRY(time_candidates(w));
    share_times(w);
    struct choice choice = choose(w);
    tuning_remove(tuning, class);
    TRY(add_rows(tuning, w, &choice));
out:
    for (int i = 0; i < w->count; i++)
        conv_destroy(w->candidates[i].conv);
    cl_mem *buffers[] = {&w->x, &w->y, &w->dy, &w->dx, &w->weights, &w->transposed, &w->gradients};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        device_release(device, buffers[i]);
    free(w);
    return err;
}

enum error tuner_run(struct tuning *tuning, struct device *device, const struct tune_class *classes,
                     size_t count, double seconds)
{
    enum error err = ERR_NONE;
    double deadline_s = clock_monotonic_s() + seconds;
    for (size_t i = 0; i < count; i++) {
        if (clock_monotonic_s() < deadline_s) {
            err = time_class(tuning, device, &classes[i], deadline_s);
            if (err != ERR_NONE && err != ERR_TOO_BIG)
                goto out;
        }
        err = ERR_NONE;
        if (!tuning_has(tuning, &classes[i], NULL))
            TRY(add_untimed(tuning, device, &classes[i]));
    }
out:
    return err;
}
