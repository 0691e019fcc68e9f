#include "pipeline/tune.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "cl_kernels/tuner.h"
#include "cl_kernels/tuning.h"
#include "cl_kernels/tuning_file.h"
#include "pipeline/base/log.h"
#include "pipeline/base/rng.h"
#include "pipeline/child.h"

/* A child that says nothing for so long, beyond the time it was given, hangs: kernels may have to
   be compiled, and another process may be tuning. */
static const double silence_limit_s = 300;

enum { SAMPLE_GENOMES = 200 };

void tune_list_free(struct tune_list *list)
{
    free(list->classes);
    free(list->macs);
    *list = (struct tune_list){0};
}

static enum error add(struct tune_list *list, const struct tune_class *class, double macs)
{
    for (size_t i = 0; i < list->count; i++)
        if (tune_class_equal(&list->classes[i], class)) {
            list->macs[i] += macs;
            return ERR_NONE;
        }
    if (list->count == list->capacity) {
        size_t capacity = list->capacity > 0 ? 2 * list->capacity : 32;
        struct tune_class *classes = realloc(list->classes, capacity * sizeof *classes);
        if (classes != NULL)
            list->classes = classes;
        double *all = realloc(list->macs, capacity * sizeof *all);
        if (all != NULL)
            list->macs = all;
        if (classes == NULL || all == NULL)
            return error_set(ERR_INTERNAL, "out of memory for %zu classes", capacity);
        list->capacity = capacity;
    }
    list->classes[list->count] = *class;
    list->macs[list->count++] = macs;
    return ERR_NONE;
}

enum error tune_list_genome(struct tune_list *list, const struct genome *genome,
                            const struct image_shape *shape, int batch, enum conv_family family)
{
    enum error err = ERR_NONE;
    int height = shape->height, width = shape->width, channels = shape->channels;
    for (int i = 0; i < genome->layer_count; i++) {
        const struct layer *layer = &genome->layers[i];
        int stride = layer->kind == LAYER_REDUCTION ? 2 : 1;
        struct conv_plan plan = {
            .shape = {channels, layer->filters, layer->kernel, stride},
            .input = i == 0 ? layout_make_image(height, width, channels, 0)
                            : layout_make(height, width, channels, 0),
            .family = family,
            .batch = batch,
        };
        height = (height + stride - 1) / stride;
        width = (width + stride - 1) / stride;
        channels = layer->filters;
        plan.output = layout_make(height, width, channels, 0);
        struct tune_class class = tune_class_of(&plan);
        TRY(add(list, &class, (double)genome_layer_cost(genome, shape, i).macs));
    }
out:
    return err;
}

enum error tune_list_space(struct tune_list *list, const struct space *space, int batch,
                           enum conv_family family)
{
    enum error err = ERR_NONE;
    struct rng rng;
    rng_seed(&rng, 1);
    for (int i = 0; i < SAMPLE_GENOMES; i++) {
        struct genome genome;
        space_random_genome(space, &rng, &genome);
        TRY(tune_list_genome(list, &genome, &space->shape, batch, family));
    }
out:
    return err;
}

/* ---- the child ---- */

/* What the child sends: log events, then, with level -1, how many bytes of text follow. */
struct message {
    int level;
    size_t length;
    char text[496];
};

struct order {
    const struct slot *slot;
    struct tuner_request request;
};

static void send_event(enum log_level level, const char *text, void *user)
{
    struct message message = {.level = (int)level};
    snprintf(message.text, sizeof message.text, "%s", text);
    child_send(*(const int *)user, &message, sizeof message);
}

static enum error tune(int socket, void *user)
{
    enum error err = ERR_NONE;
    const struct order *order = user;
    struct device *device = NULL;
    struct slot slot = *order->slot;
    struct text text = {0};
    char key[TUNING_KEY_SIZE];
    slot.tuned = false;
    log_set_sink(send_event, &socket);
    TRY(slot_open(&device, &slot));
    TRY(tuner_prepare(device, &order->request));
    if (device_tuning(device) != NULL) {
        tuning_key(key, device);
        TRY(tuning_format(&text, device_tuning(device), key));
    }
    TRY(child_send(socket, &(struct message){.level = -1, .length = text.length},
                   sizeof(struct message)));
    if (text.length > 0)
        TRY(child_send(socket, text.data, text.length));
out:
    log_set_sink(NULL, NULL);
    text_free(&text);
    device_close(device);
    return err;
}

/* ---- the parent ---- */

static enum error receive(struct text *text, int socket)
{
    enum error err = ERR_NONE;
    struct message message;
    char *data = NULL;
    for (;;) {
        TRY(child_receive(socket, &message, sizeof message));
        if (message.level < 0)
            break;
        log_event((enum log_level)message.level, "%s", message.text);
    }
    data = malloc(message.length + 1);
    if (data == NULL)
        return error_set(ERR_INTERNAL, "out of memory for a tuning");
    TRY(child_receive(socket, data, message.length));
    text_append_n(text, data, message.length);
    err = text_status(text);
out:
    free(data);
    return err;
}

/* The list with the most work first. */
static enum error sorted(struct tune_class **out, const struct tune_list *list)
{
    struct tune_class *classes = calloc(list->count + 1, sizeof *classes);
    bool *taken = calloc(list->count + 1, sizeof *taken);
    *out = classes;
    if (classes == NULL || taken == NULL) {
        free(taken);
        return error_set(ERR_INTERNAL, "out of memory for %zu classes", list->count);
    }
    for (size_t n = 0; n < list->count; n++) {
        size_t best = list->count;
        for (size_t i = 0; i < list->count; i++)
            if (!taken[i] && (best == list->count || list->macs[i] > list->macs[best]))
                best = i;
        taken[best] = true;
        classes[n] = list->classes[best];
    }
    free(taken);
    return ERR_NONE;
}

static enum error run_child(struct text *text, const struct slot *slot,
                            const struct tune_list *list, const struct tune_wish *wish,
                            bool products)
{
    enum error err = ERR_NONE;
    struct tune_class *classes = NULL;
    struct child child;
    char what[DEVICE_TEXT_SIZE + 32];
    TRY(sorted(&classes, list));
    struct order order = {.slot = slot,
                          .request = {.classes = classes,
                                      .count = list->count,
                                      .seconds = wish->seconds,
                                      .again = wish->again,
                                      .untimed = wish->untimed,
                                      .products = products}};
    TRY(child_start(&child, tune, &order));
    double limit_s = silence_limit_s + wish->seconds;
    struct timeval limit = {.tv_sec = (time_t)limit_s};
    setsockopt(child.socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    enum error received = receive(text, child.socket);
    snprintf(what, sizeof what, "the tuning of %s", slot->device.info.name);
    TRY(child_wait(&child, NULL, received == ERR_NONE ? silence_limit_s : 1, what));
    err = received;
out:
    free(classes);
    return err;
}

bool tune_slot(struct tuned *out, const struct slot *slot, const struct tune_list *list,
               const struct tune_wish *wish)
{
    *out = (struct tuned){0};
    enum error err = ERR_NONE;
    if (wish->products) /* a child of their own: what CLBlast was told last, it keeps */
        err = run_child(&out->text, slot, list, wish, true);
    text_free(&out->text);
    if (err == ERR_NONE)
        err = run_child(&out->text, slot, list, wish, false);
    if (err != ERR_NONE) {
        log_event(LOG_WARNING, "%s is not tuned: %s", slot->device.info.name, error_message());
        text_free(&out->text);
        return false;
    }
    if (out->text.length > 0)
        tuning_text_key(out->key, out->text.data);
    return true;
}

void tune_slots(const struct slot *slots, size_t count, const struct tune_list *list)
{
    struct tuned tuned;
    for (size_t i = 0; i < count; i++)
        if (slots[i].tuned && slots_on(slots, i, &slots[i].device) == 0 &&
            tune_slot(&tuned, &slots[i], list, &(struct tune_wish){.seconds = TUNE_FIRST_USE_S}))
            text_free(&tuned.text);
}
