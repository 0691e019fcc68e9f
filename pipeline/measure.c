#include "pipeline/measure.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "cl_kernels/network.h"
#include "cl_kernels/peak.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/rng.h"
#include "pipeline/child.h"
#include "pipeline/footprint.h"
#include "stages/train.h"

/* A child that says nothing for so long hangs: kernels may have to be compiled. */
static const double answer_limit_s = 300;

enum { NOISE_IMAGES = 8192 };

enum request_kind {
    REQUEST_TRAINING,
    REQUEST_OPERATIONS,
    REQUEST_PEAK,
    REQUEST_SKIP, /* in place of the starting shot */
    REQUEST_END
};

/* Parent to child. The child prepares, answers, waits for a second, equal request as the starting
   shot, works, and answers again. */
struct request {
    enum request_kind kind;
    struct genome genome;
    double seconds;
};

struct answer {
    enum error err;
    char message[512];
    double images_per_s;
    double gflops;
    uint64_t device_bytes, host_bytes;
    struct profile_row rows[PROFILE_ROWS_MAX];
    int row_count;
};

struct measure {
    const struct slot *slots;
    size_t slot_count;
    struct image_shape shape;
    struct training_settings training;
    enum conv_family family;
    int pack;
    struct child *children;
    size_t started;
};

/* ---- in the child ---- */

/* What a child keeps between requests. */
struct bench {
    const struct measure *measure;
    struct device *device;
    struct images images;
    struct image_store *store;
    uint32_t *order;
    struct network *network;
    int members; /* of it */
    int64_t step;
};

static enum error make_noise(struct images *images, const struct image_shape *shape)
{
    struct rng rng;
    size_t bytes =
        (size_t)shape->height * (size_t)shape->width * (size_t)shape->channels * NOISE_IMAGES;
    *images = (struct images){.shape = *shape, .count = NOISE_IMAGES, .mean = 0.5f, .std = 0.29f};
    images->pixels = malloc(bytes);
    images->labels = malloc(NOISE_IMAGES);
    if (images->pixels == NULL || images->labels == NULL)
        return error_set(ERR_INTERNAL, "out of memory for %zu bytes of noise", bytes);
    rng_seed(&rng, 1);
    for (size_t i = 0; i < bytes; i++)
        images->pixels[i] = (uint8_t)(rng_next(&rng) >> 56);
    for (size_t i = 0; i < NOISE_IMAGES; i++)
        images->labels[i] = (uint8_t)(i % (size_t)shape->classes);
    return ERR_NONE;
}

static enum error pass(struct bench *bench, uint32_t count)
{
    /* A schedule that never ends, so that passes are all alike. */
    static const int64_t endless = INT64_C(1) << 40;
    struct pass_result ignored[PACK_MAX];
    enum error err = network_train(bench->network, bench->store, bench->order, count, bench->step,
                                   endless, ignored);
    uint32_t batch = (uint32_t)bench->measure->training.batch;
    bench->step += (count + batch - 1) / batch;
    return err;
}

/* A pack of one genome; of half as many when it does not fit, as train_candidates() does. */
static enum error create_pack(struct bench *bench, const struct genome *genome,
                              struct answer *answer)
{
    const struct measure *m = bench->measure;
    struct genome genomes[PACK_MAX];
    enum error err;
    bench->members = train_pack_size(device_get_info(bench->device), m->pack);
    for (int i = 0; i < bench->members; i++)
        genomes[i] = *genome;
    while ((err = network_create_pack(&bench->network, bench->device, genomes, bench->members,
                                      &m->shape, &m->training, m->family)) == ERR_TOO_BIG &&
           bench->members > 1)
        bench->members /= 2;
    answer->device_bytes =
        network_bytes(genomes, bench->members, &m->shape, &m->training, m->family, bench->device);
    return err;
}

static enum error prepare_training(struct bench *bench, const struct genome *genome,
                                   struct answer *answer)
{
    enum error err = ERR_NONE;
    uint64_t seeds[PACK_MAX];
    network_destroy(bench->network);
    bench->network = NULL;
    bench->step = 0;
    for (uint64_t i = 0; i < PACK_MAX; i++)
        seeds[i] = i + 1;
    TRY(create_pack(bench, genome, answer));
    TRY(network_initialise(bench->network, seeds));
    TRY(pass(bench, (uint32_t)bench->measure->training.batch * 2));
out:
    return err;
}

/* Passes of growing length until the time is over: the device must not idle between them. */
static enum error train_for(struct bench *bench, double seconds, struct answer *answer)
{
    uint32_t batch = (uint32_t)bench->measure->training.batch;
    uint32_t most = NOISE_IMAGES / batch * batch;
    uint32_t count = batch < most ? batch : most;
    double images = 0, start = clock_monotonic_s(), passed = 0;
    while (passed < seconds) {
        enum error err = pass(bench, count);
        if (err != ERR_NONE)
            return err;
        images += (double)count * bench->members;
        passed = clock_monotonic_s() - start;
        /* A fifth of the time a pass, so that all slots work nearly to the same end. */
        double wanted = images / bench->members / passed * fmin(seconds / 5, seconds - passed);
        double batches = fmax(floor(wanted / batch), 1);
        count = batches * batch < most ? (uint32_t)batches * batch : most;
    }
    answer->images_per_s = images / passed;
    return ERR_NONE;
}

/* Trains `genome` anew, now that its kernels are compiled, to see what that takes. */
static enum error measure_memory(struct bench *bench, const struct genome *genome,
                                 struct answer *answer)
{
    const struct image_shape *s = &bench->measure->shape;
    uint64_t noise = (uint64_t)(s->height * s->width * s->channels + 1) * NOISE_IMAGES;
    network_destroy(bench->network);
    bench->network = NULL;
    footprint_trim();
    footprint_reset_peak();
    enum error err = prepare_training(bench, genome, answer);
    uint64_t peak = footprint_peak();
    answer->host_bytes = peak > noise ? peak - noise : 0;
    return err;
}

static enum error open_bench(struct bench *bench, const struct measure *measure)
{
    enum error err = ERR_NONE;
    bench->measure = measure;
    /* Children are started in the order of slots: this one is the last so far. */
    TRY(slot_open(&bench->device, &measure->slots[measure->started]));
    TRY(make_noise(&bench->images, &measure->shape));
    TRY(image_store_create(&bench->store, bench->device, &bench->images));
    int members = train_pack_size(device_get_info(bench->device), measure->pack);
    size_t count = (size_t)members * NOISE_IMAGES;
    bench->order = malloc(count * sizeof *bench->order);
    if (bench->order == NULL)
        return error_set(ERR_INTERNAL, "out of memory for %zu indices", count);
    for (uint32_t i = 0; i < count; i++)
        bench->order[i] = i % NOISE_IMAGES;
    struct rng rng;
    rng_seed(&rng, 2);
    rng_shuffle(&rng, bench->order, (uint32_t)count);
out:
    return err;
}

static void close_bench(struct bench *bench)
{
    network_destroy(bench->network);
    image_store_destroy(bench->store);
    free(bench->order);
    images_free(&bench->images);
    device_close(bench->device);
}

static enum error send_answer(int socket, struct answer *answer, enum error err)
{
    answer->err = err;
    snprintf(answer->message, sizeof answer->message, "%s", err != ERR_NONE ? error_message() : "");
    return child_send(socket, answer, sizeof *answer);
}

static enum error prepare(struct bench *bench, const struct request *request, struct answer *answer)
{
    if (request->kind == REQUEST_PEAK) /* once for nothing: the driver compiles at first launch */
        return device_peak_gflops(&answer->gflops, bench->device, 0.01);
    return prepare_training(bench, &request->genome, answer);
}

static enum error work(struct bench *bench, const struct request *request, struct answer *answer)
{
    switch (request->kind) {
    case REQUEST_PEAK:
        return device_peak_gflops(&answer->gflops, bench->device, request->seconds);
    case REQUEST_OPERATIONS:
        return network_profile(answer->rows, &answer->row_count, bench->network, bench->store,
                               request->seconds);
    default:
        break;
    }
    enum error err = train_for(bench, request->seconds, answer);
    return err == ERR_NONE ? measure_memory(bench, &request->genome, answer) : err;
}

static enum error serve(int socket, void *user)
{
    enum error err = ERR_NONE;
    struct bench bench = {0};
    TRY(open_bench(&bench, user));
    for (;;) {
        struct request request, shot;
        struct answer answer = {0};
        TRY(child_receive(socket, &request, sizeof request));
        if (request.kind == REQUEST_END)
            break;
        TRY(send_answer(socket, &answer, prepare(&bench, &request, &answer)));
        TRY(child_receive(socket, &shot, sizeof shot));
        if (shot.kind == REQUEST_END)
            break;
        if (shot.kind == REQUEST_SKIP) /* not all children could prepare */
            continue;
        enum error worked = work(&bench, &request, &answer);
        TRY(send_answer(socket, &answer, worked));
    }
out:
    close_bench(&bench);
    return err;
}

/* ---- in the parent ---- */

/* To the children that have not ended. Of one that cannot be reached, receive() says why. */
static void send_all(struct measure *measure, const struct request *request)
{
    for (size_t i = 0; i < measure->started; i++)
        if (measure->children[i].pid > 0)
            child_send(measure->children[i].socket, request, sizeof *request);
}

enum error measure_begin(struct measure **out, const struct slot *slots, size_t slot_count,
                         const struct image_shape *shape, const struct training_settings *training,
                         const struct device_settings *devices)
{
    enum error err = ERR_NONE;
    struct measure *m = calloc(1, sizeof *m);
    struct child *children = calloc(slot_count, sizeof *children);
    if (m == NULL || children == NULL) {
        free(m);
        free(children);
        return error_set(ERR_INTERNAL, "out of memory for %zu slots", slot_count);
    }
    *m = (struct measure){.slots = slots,
                          .slot_count = slot_count,
                          .shape = *shape,
                          .training = *training,
                          .family = devices->conv,
                          .pack = devices->pack,
                          .children = children};
    struct timeval limit = {.tv_sec = (time_t)answer_limit_s};
    for (; m->started < slot_count; m->started++) {
        TRY(child_start(&children[m->started], serve, m));
        setsockopt(children[m->started].socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    }
    *out = m;
    return ERR_NONE;
out:
    measure_end(m);
    return err;
}

void measure_end(struct measure *measure)
{
    if (measure == NULL)
        return;
    send_all(measure, &(struct request){.kind = REQUEST_END});
    for (size_t i = 0; i < measure->started; i++) {
        char what[64];
        if (measure->children[i].pid == 0) /* it has ended, and receive() has said why */
            continue;
        snprintf(what, sizeof what, "slot %zu", i);
        child_wait(&measure->children[i], NULL, 30, what);
    }
    free(measure->children);
    free(measure);
}

/* The answer of child i; when it has died, its own reason. */
static enum error receive(struct answer *answer, struct measure *measure, size_t i)
{
    char what[DEVICE_TEXT_SIZE + 64];
    if (child_receive(measure->children[i].socket, answer, sizeof *answer) == ERR_NONE)
        return answer->err != ERR_NONE ? error_set(answer->err, "%s", answer->message) : ERR_NONE;
    snprintf(what, sizeof what, "slot %zu (%s)", i, measure->slots[i].device.info.name);
    enum error err = child_wait(&measure->children[i], NULL, 1, what);
    return err != ERR_NONE ? err : error_set(ERR_DEVICE, "%s ended too early", what);
}

/* Adds what one child measured: sums, but the largest numbers of bytes. The children's rows are
   those of one genome. */
static void add_answer(struct answer *sum, const struct answer *answer)
{
    sum->images_per_s += answer->images_per_s;
    sum->gflops += answer->gflops;
    if (answer->device_bytes > sum->device_bytes)
        sum->device_bytes = answer->device_bytes;
    if (answer->host_bytes > sum->host_bytes)
        sum->host_bytes = answer->host_bytes;
    for (int i = 0; i < answer->row_count; i++) {
        const struct profile_row *row = &answer->rows[i];
        if (i < sum->row_count) {
            sum->rows[i].seconds += row->seconds;
            sum->rows[i].flops += row->flops / row->seconds;
        } else {
            sum->rows[i] = *row;
            sum->rows[i].flops = row->flops / row->seconds;
            sum->row_count = i + 1;
        }
    }
}

/* One request in all children; `sum` gets what add_answer() makes of theirs, with `flops` of its
   rows a second. */
static enum error ask_all(struct answer *sum, struct measure *measure,
                          const struct request *request)
{
    enum error err = ERR_NONE;
    *sum = (struct answer){0};
    send_all(measure, request);
    char reason[sizeof((struct answer *)NULL)->message] = "";
    for (size_t i = 0; i < measure->started; i++) {
        struct answer answer;
        enum error one = receive(&answer, measure, i);
        if (err == ERR_NONE && one != ERR_NONE) {
            err = one;
            snprintf(reason, sizeof reason, "%s", error_message());
        }
    }
    if (err != ERR_NONE) {
        send_all(measure, &(struct request){.kind = REQUEST_SKIP});
        return error_set(err, "%s", reason);
    }
    send_all(measure, request);
    for (size_t i = 0; i < measure->started; i++) {
        struct answer answer;
        TRY(receive(&answer, measure, i));
        add_answer(sum, &answer);
    }
out:
    return err;
}

enum error measure_training(struct measured *measured, struct measure *measure,
                            const struct genome *genome, double seconds)
{
    struct answer sum;
    struct request request = {.kind = REQUEST_TRAINING, .genome = *genome, .seconds = seconds};
    enum error err = ask_all(&sum, measure, &request);
    if (err != ERR_NONE)
        return err;
    double flops = network_flops_per_image(genome, &measure->shape);
    *measured = (struct measured){.images_per_s = sum.images_per_s,
                                  .gflops = sum.images_per_s * flops / 1e9,
                                  .device_bytes = sum.device_bytes,
                                  .host_bytes = sum.host_bytes};
    return ERR_NONE;
}

enum error measure_operations(struct measured_operation rows[PROFILE_ROWS_MAX], int *count,
                              struct measure *measure, const struct genome *genome, double seconds)
{
    struct answer sum;
    struct request request = {.kind = REQUEST_OPERATIONS, .genome = *genome, .seconds = seconds};
    enum error err = ask_all(&sum, measure, &request);
    if (err != ERR_NONE)
        return err;
    *count = sum.row_count;
    for (int i = 0; i < sum.row_count; i++)
        rows[i] =
            (struct measured_operation){.operation = sum.rows[i].operation,
                                        .layer = sum.rows[i].layer,
                                        .seconds = sum.rows[i].seconds / (double)measure->started,
                                        .gflops = sum.rows[i].flops / 1e9};
    return ERR_NONE;
}

enum error measure_peak(double *gflops, struct measure *measure, double seconds)
{
    struct answer sum;
    enum error err =
        ask_all(&sum, measure, &(struct request){.kind = REQUEST_PEAK, .seconds = seconds});
    *gflops = sum.gflops;
    return err;
}
