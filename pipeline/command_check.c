/* clade check: is the night worth starting? Everything that can go wrong before, and a forecast. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "inputs/dataset.h"
#include "inputs/space.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/rng.h"
#include "pipeline/command.h"
#include "pipeline/command_settings.h"
#include "pipeline/device_test.h"
#include "pipeline/listing.h"
#include "pipeline/measure.h"
#include "stages/fidelity.h"
#include "stages/finalists.h"
#include "stages/rehearse.h"
#include "stages/train.h"

enum {
    OPTION_SET = 1,
    OPTION_FORMAT,
    OPTION_SAMPLES,
    OPTION_SECONDS,
    OPTION_GENOME,
    OPTION_UNTIL,
    OPTION_BUDGET,
    OPTION_SEARCH_BUDGET
};

enum { SAMPLES_MAX = 64 };

/* Validation is a forward pass: about a third of the work of training on an image. */
static const double evaluation_share = 1.0 / 3;

struct plan {
    enum format format;
    struct settings settings;
    int samples;
    int genome_count; /* of those asked for; 0: random ones */
    struct genome genomes[SAMPLES_MAX];
    double seconds;
    struct image_shape shape;
    int64_t image_bytes;
    int64_t images; /* that are there to train on */
    double validation_images;
    double shares[RUNGS_MAX]; /* of the trainings of the search, by rung; one where there is one */
};

struct forecast {
    double candidates, confirm;        /* seconds */
    double low, high;                  /* seconds, in all */
    double limit;                      /* seconds that --until or --budget leave; INFINITY */
    double device_bytes, worker_bytes; /* the most on one slot; of its process */
    double memory_bytes;               /* of all processes */
    struct genome largest;             /* that with the most device_bytes */
    int measured, too_big;
};

static const struct listing_column columns[] = {
    {"check", "check", 0}, {"status", "status", 0}, {"value", NULL, 0},
    {"unit", NULL, 0},     {"detail", "detail", 0},
};

/* One row. A NAN `value` is none. */
__attribute__((format(printf, 6, 7))) static void put(struct listing *listing, const char *check,
                                                      const char *status, double value,
                                                      const char *unit, const char *format, ...)
{
    char detail[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    listing_text(listing, check);
    listing_text(listing, status);
    listing_number(listing, value);
    listing_text(listing, unit);
    listing_text(listing, detail);
}

static enum error read_arguments(struct plan *plan, struct arguments *arguments)
{
    enum error err = ERR_NONE;
    long long number;
    plan->samples = 6;
    plan->seconds = 1;
    struct assignments assignments = {0};
    for (;;) {
        int id;
        const char *value;
        TRY(command_next(&id, &value, arguments));
        if (id == 0)
            break;
        if (id == OPTION_FORMAT)
            TRY(format_parse(&plan->format, value));
        if (id == OPTION_SAMPLES) {
            TRY(command_integer(&number, arguments, id, value, 2, SAMPLES_MAX));
            plan->samples = (int)number;
        }
        if (id == OPTION_SECONDS)
            TRY(command_real(&plan->seconds, arguments, id, value, 0.05, 60));
        if (id == OPTION_GENOME) {
            if (plan->genome_count == SAMPLES_MAX)
                return error_set(ERR_USAGE, "check: at most %d genomes", SAMPLES_MAX);
            TRY(genome_parse(&plan->genomes[plan->genome_count], value));
            plan->genome_count++;
        }
        const char *key = time_option_key(arguments, id);
        if (id == OPTION_SET || key != NULL)
            TRY(assignments_add(&assignments, arguments, id, key, value));
    }
    if (plan->genome_count > 0)
        plan->samples = plan->genome_count;
    TRY(assignments_settings(&plan->settings, NULL, arguments->operands[0], &assignments));
out:
    return err;
}

static enum error check_data(struct listing *listing, struct plan *plan)
{
    enum error err = ERR_NONE;
    const struct settings *s = &plan->settings;
    struct images images = {0};
    struct split split = {0};
    TRY(images_load_training(&images, &s->data));
    if (s->confirm.seeds > 0)
        TRY(images_find_test(&s->data));
    TRY(split_make(&split, &images, (uint32_t)s->data.validation_images, 0, s->data.split_seed));
    plan->shape = images.shape;
    plan->image_bytes =
        (int64_t)images.count * images.shape.height * images.shape.width * images.shape.channels;
    plan->images = split.train_count;
    plan->validation_images = split.validation_count;
    if (s->search.cycles > 0)
        put(listing, "settings", "ok", s->search.cycles, "candidates",
            "%d candidates, generations of %d", s->search.cycles, s->search.population);
    else
        put(listing, "settings", "ok", s->search.population, "candidates",
            "as many candidates as there is time for, generations of %d", s->search.population);
    put(listing, "data", "ok", images.count, "images",
        "%u training images of %dx%dx%d, %d classes, %u of them for validation", images.count,
        images.shape.height, images.shape.width, images.shape.channels, images.shape.classes,
        split.validation_count);
out:
    split_free(&split);
    images_free(&images);
    return err;
}

/* Passes over images of a mean training of the search. */
static double search_passes(const struct plan *plan)
{
    double passes = 0;
    for (int r = 0; r < RUNGS_MAX; r++) {
        if (plan->shares[r] == 0)
            continue;
        struct rung rung = fidelity_rung(&plan->settings, r);
        passes += plan->shares[r] * train_passes(rung.epochs, rung.train_images, plan->images);
    }
    return passes;
}

/* How the candidates of the search are going to be spread over the rungs. */
static enum error check_rungs(struct listing *listing, struct plan *plan, const struct space *space)
{
    enum error err = ERR_NONE;
    struct text detail = {0};
    const struct search_settings *search = &plan->settings.search;
    TRY(rehearse_rungs(plan->shares, space, search));
    if (search->fidelity.rungs.count < 2)
        goto out;
    for (int r = 0; r < search->fidelity.rungs.count; r++)
        text_printf(&detail, "%s%.1f %%", r == 0 ? "" : ", ", 100 * plan->shares[r]);
    TRY(text_status(&detail));
    put(listing, "rungs", "ok", search_passes(plan), "images",
        "about %s of the trainings are on rung 0 and up; passes over images of a mean one",
        detail.data);
out:
    text_free(&detail);
    return err;
}

/* The self-test of one slot of every device that the run would use. */
static enum error test_devices(struct listing *listing, const struct slot *slots, size_t slot_count,
                               enum conv_family family)
{
    enum error err = ERR_NONE;
    for (size_t i = 0; i < slot_count; i++) {
        struct device_test test;
        if (slots[i].part > 0)
            continue;
        TRY(device_test_run(&test, &slots[i], family));
        if (test.failure[0] != '\0')
            return error_set(ERR_NO_DEVICE, "%s", test.failure);
        put(listing, "self-test", "ok", test.checks, "checks",
            "%d checks on %s, worst error %.3f of what is allowed", test.checks,
            slots[i].device.info.name, test.worst);
    }
out:
    return err;
}

/* Seconds that one image takes in training, for the genomes asked for or random ones. */
static enum error measure_samples(double *seconds, struct forecast *forecast,
                                  const struct plan *plan, const struct space *space,
                                  const struct slot *slots, size_t slot_count)
{
    enum error err = ERR_NONE;
    struct measure *measure = NULL;
    struct rng rng;
    rng_seed(&rng, plan->settings.search.seed);
    TRY(measure_begin(&measure, slots, slot_count, &plan->shape, &plan->settings.training,
                      &plan->settings.devices));
    for (int i = 0; i < plan->samples; i++) {
        struct genome genome;
        struct measured measured;
        if (plan->genome_count > 0)
            genome = plan->genomes[i];
        else
            space_random_genome(space, &rng, &genome);
        err = measure_training(&measured, measure, &genome, plan->seconds);
        if (err == ERR_TOO_BIG) {
            forecast->too_big++;
            err = ERR_NONE;
            continue;
        }
        if (err != ERR_NONE)
            goto out;
        seconds[forecast->measured++] = 1 / measured.images_per_s;
        if ((double)measured.device_bytes > forecast->device_bytes) {
            forecast->device_bytes = (double)measured.device_bytes;
            forecast->largest = genome;
        }
    }
    if (forecast->measured == 0)
        err = error_set(ERR_TOO_BIG,
                        "none of %d genomes fits on the device; "
                        "lower training.batch or space.max_parameters",
                        plan->samples);
out:
    measure_end(measure);
    return err;
}

/* In a process that finds all kernels compiled: a compiler keeps much of what it took. */
static enum error measure_worker(struct forecast *forecast, const struct plan *plan,
                                 const struct slot *slot)
{
    enum error err = ERR_NONE;
    struct measure *measure = NULL;
    struct measured measured;
    TRY(measure_begin(&measure, slot, 1, &plan->shape, &plan->settings.training,
                      &plan->settings.devices));
    TRY(measure_training(&measured, measure, &forecast->largest, 0.01));
    forecast->worker_bytes = (double)measured.host_bytes;
out:
    measure_end(measure);
    return err;
}

/* When the run must be at its end, in seconds from now; INFINITY: it may take what it wants. */
static double run_limit_s(const struct settings *s)
{
    double limit = s->deadline.budget_s > 0 ? s->deadline.budget_s : INFINITY;
    int64_t now = clock_utc_us();
    if (s->deadline.until >= 0)
        limit = fmin(limit, 1e-6 * (double)(clock_next_local(s->deadline.until, now) - now));
    return limit;
}

/* So many searches of `work_s` each, in `limit_s`. */
static double searches_s(const struct settings *s, int searches, double work_s, double limit_s)
{
    double one = s->search.budget_s > 0 ? fmin(work_s, s->search.budget_s) : work_s;
    return fmin(searches * one, limit_s);
}

static void predict(struct forecast *forecast, const double *seconds, const struct plan *plan,
                    size_t slot_count)
{
    const struct settings *s = &plan->settings;
    double n = forecast->measured, sum = 0, squares = 0;
    for (int i = 0; i < forecast->measured; i++)
        sum += seconds[i];
    double mean = sum / n;
    for (int i = 0; i < forecast->measured; i++)
        squares += (seconds[i] - mean) * (seconds[i] - mean);
    double deviation = n > 1 ? sqrt(squares / (n - 1) / n) : mean;
    double images = search_passes(plan) + plan->validation_images * evaluation_share;
    double confirm = train_passes(s->confirm.epochs, s->confirm.train_images, plan->images) +
                     plan->validation_images * evaluation_share;
    /* The baseline's search comes behind. All slots share the candidates; a confirm training has
       one slot for itself. */
    int searches = s->confirm.baseline == BASELINE_RANDOM ? 2 : 1;
    double trainings = (double)searches * s->confirm.seeds * finalists_most(&s->confirm);
    double rounds = ceil(trainings / (double)slot_count);
    double search_work = s->search.cycles > 0 ? images * s->search.cycles : INFINITY;
    double confirm_work = confirm * rounds * (double)slot_count;
    double fast = fmax(mean - 2 * deviation, mean / 4), slow = mean + 2 * deviation;
    forecast->limit = run_limit_s(s);
    forecast->confirm = confirm_work * mean;
    double limit_s = fmax(forecast->limit - forecast->confirm, 0);
    forecast->candidates = searches_s(s, searches, search_work * mean, limit_s);
    forecast->low = searches_s(s, searches, search_work * fast, limit_s) + confirm_work * fast;
    forecast->high = searches_s(s, searches, search_work * slow, limit_s) + confirm_work * slow;
    forecast->low = fmin(forecast->low, forecast->limit);
    forecast->high = fmin(forecast->high, forecast->limit);
    forecast->device_bytes += (double)plan->image_bytes;
    /* The images are resident in every worker, but are there once. */
    forecast->memory_bytes =
        (double)slot_count * forecast->worker_bytes + (double)plan->image_bytes;
    forecast->worker_bytes += (double)plan->image_bytes;
}

static void put_forecast(struct listing *listing, const struct forecast *forecast,
                         const struct plan *plan, const struct slot *slots, size_t slot_count)
{
    char time[CLOCK_DURATION_SIZE], low[CLOCK_DURATION_SIZE], high[CLOCK_DURATION_SIZE],
        size[BYTES_TEXT_SIZE], has[BYTES_TEXT_SIZE];
    const struct device_info *device = &slots[0].device.info;
    clock_duration_text(time, forecast->candidates);
    put(listing, "search time", "ok", forecast->candidates, "s", "about %s, from %d genomes", time,
        forecast->measured);
    clock_duration_text(time, forecast->confirm);
    put(listing, "confirm time", "ok", forecast->confirm, "s", "about %s", time);
    clock_duration_text(time, forecast->candidates + forecast->confirm);
    clock_duration_text(low, forecast->low);
    clock_duration_text(high, forecast->high);
    if (forecast->confirm < forecast->limit)
        put(listing, "time", "ok", forecast->candidates + forecast->confirm, "s",
            "about %s, likely %s to %s; more when the search drifts to larger genomes", time, low,
            high);
    else
        put(listing, "time", "warning", forecast->limit, "s",
            "confirm alone takes longer than the run may; give it more time or lower "
            "confirm.epochs or confirm.train_images");
    double limit = (double)device->global_bytes / slots[0].parts;
    bytes_text(size, forecast->device_bytes);
    bytes_text(has, limit);
    put(listing, "device memory", forecast->device_bytes < limit ? "ok" : "warning",
        forecast->device_bytes, "bytes", "up to %s of %s on a slot of %s", size, has, device->name);
    bytes_text(size, forecast->worker_bytes);
    put(listing, "worker memory", "ok", forecast->worker_bytes, "bytes",
        "up to %s resident in a worker, the shared images included", size);
    bytes_text(size, forecast->memory_bytes);
    put(listing, "memory", "ok", forecast->memory_bytes, "bytes", "about %s for %zu workers", size,
        slot_count);
    if (forecast->too_big > 0)
        put(listing, "genomes", "warning", forecast->too_big, "genomes",
            "%d of %d genomes do not fit on the device and will end as too_big", forecast->too_big,
            plan->samples);
}

static enum error find_slots(struct listing *listing, struct slot **slots, size_t *slot_count,
                             const struct settings *settings)
{
    enum error err = ERR_NONE;
    struct probed *devices = NULL;
    size_t count;
    TRY(slots_find(slots, slot_count, &devices, &count, &settings->devices));
    for (size_t i = 0; i < count; i++) {
        if (devices[i].failure[0] != '\0') {
            put(listing, "device", "warning", NAN, "", "%s", devices[i].failure);
            continue;
        }
        size_t n = slots_on(*slots, *slot_count, &devices[i]);
        put(listing, "device", "ok", (double)n, "slots", "%d.%d %s: %zu slots",
            devices[i].info.platform, devices[i].info.device, devices[i].info.name, n);
    }
    int64_t places = slots_places(*slots, *slot_count, settings->devices.pack);
    if (settings->search.in_flight < (int)*slot_count)
        put(listing, "slots", "warning", (double)*slot_count, "slots",
            "search.in_flight = %d is below the %zu slots: some of them will idle",
            settings->search.in_flight, *slot_count);
    else if (settings->search.in_flight < 2 * places && places > (int64_t)*slot_count)
        put(listing, "slots", "warning", (double)places, "candidates",
            "the slots train %lld candidates at once: with search.in_flight = %d below twice that, "
            "packs will stay small",
            (long long)places, settings->search.in_flight);
out:
    free(devices);
    return err;
}

static enum error run(struct arguments *arguments)
{
    enum error err = ERR_NONE;
    struct plan plan = {0};
    struct forecast forecast = {0};
    struct space space;
    struct slot *slots = NULL;
    size_t slot_count;
    struct listing listing;
    double seconds[SAMPLES_MAX];
    listing_begin(&listing, FORMAT_TEXT, columns, sizeof columns / sizeof columns[0]);
    TRY(read_arguments(&plan, arguments));
    listing.format = plan.format;
    TRY(check_data(&listing, &plan));
    TRY(space_init(&space, &plan.settings.space, &plan.shape));
    TRY(check_rungs(&listing, &plan, &space));
    TRY(find_slots(&listing, &slots, &slot_count, &plan.settings));
    TRY(test_devices(&listing, slots, slot_count, plan.settings.devices.conv));
    TRY(measure_samples(seconds, &forecast, &plan, &space, slots, slot_count));
    TRY(measure_worker(&forecast, &plan, &slots[0]));
    predict(&forecast, seconds, &plan, slot_count);
    put_forecast(&listing, &forecast, &plan, slots, slot_count);
    TRY(listing_print(&listing));
out:
    listing_free(&listing);
    free(slots);
    return err;
}

static const struct option_row options[] = {
    {"set", OPTION_SET, "SECTION.KEY=VALUE", "change one setting; may be repeated"},
    {"until", OPTION_UNTIL, "HH:MM", "as for clade run (deadline.until)"},
    {"budget", OPTION_BUDGET, "TIME", "as for clade run (deadline.budget)"},
    {"search-budget", OPTION_SEARCH_BUDGET, "TIME", "as for clade run (search.budget)"},
    {"genome", OPTION_GENOME, "GENOME", "measure this one, no random ones; may be repeated"},
    {"samples", OPTION_SAMPLES, "N", "random genomes to measure (6)"},
    {"seconds", OPTION_SECONDS, "S", "time for each of them, after a warm-up (1)"},
    {"format", OPTION_FORMAT, "text|csv", "a table for reading, or CSV"},
    {0},
};

const struct command command_check = {
    .name = "check",
    .operands = "SEARCH.ini",
    .summary = "Check settings, data and devices, and predict time and memory of a run",
    .examples = "clade check inputs/searches/nightly.ini\n"
                "clade check inputs/searches/nightly.ini --samples 20 --format csv\n",
    .text = "Every operation is compared with plain C on each device that would be used. Random\n"
            "genomes of the search space are trained on all slots at once for a moment; time and\n"
            "memory of the run follow from them. With rungs, how many candidates are promoted is\n"
            "found by a search on made-up scores. A worker that has kernels to compile holds more\n"
            "for that while. Nothing is written.\n",
    .options = options,
    .least = 1,
    .most = 1,
    .run = run,
};
