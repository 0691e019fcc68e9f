#include "inputs/genome.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "pipeline/base/text.h"

static const char *const activation_names[ACT_COUNT] = {"relu", "sigmoid", "tanh", "swish", "gelu"};

const char *activation_name(enum activation activation)
{
    return activation_names[activation];
}

bool activation_parse(enum activation *activation, const char *name, size_t length)
{
    for (int i = 0; i < ACT_COUNT; i++) {
        if (strlen(activation_names[i]) == length &&
            memcmp(activation_names[i], name, length) == 0) {
            *activation = (enum activation)i;
            return true;
        }
    }
    return false;
}

/* Where the parser stands. */
struct cursor {
    const char *text;
    const char *at;
};

enum { EXCERPT = 24 };

static enum error fail(const struct cursor *cursor, const char *expected)
{
    long long column = (long long)(cursor->at - cursor->text) + 1;
    if (*cursor->at == '\0')
        return error_set(ERR_USAGE, "genome, column %lld: expected %s, but the text ends", column,
                         expected);
    char excerpt[EXCERPT + 1];
    size_t n = 0;
    for (; n < EXCERPT && cursor->at[n] != '\0'; n++)
        excerpt[n] = isprint((unsigned char)cursor->at[n]) ? cursor->at[n] : '?';
    excerpt[n] = '\0';
    return error_set(ERR_USAGE, "genome, column %lld: expected %s, found \"%s%s\"", column,
                     expected, excerpt, cursor->at[n] != '\0' ? "..." : "");
}

static bool skip(struct cursor *cursor, const char *word)
{
    size_t n = strlen(word);
    if (strncmp(cursor->at, word, n) != 0)
        return false;
    cursor->at += n;
    return true;
}

/* Decimal digits without a leading zero, so that equal genomes have equal texts. */
static bool take_number(struct cursor *cursor, int most, int *value)
{
    const char *at = cursor->at;
    if (*at < '1' || *at > '9')
        return false;
    int n = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        n = 10 * n + (*at - '0');
        if (n > most)
            return false;
    }
    cursor->at = at;
    *value = n;
    return true;
}

static enum error no_activation(const struct cursor *cursor)
{
    char word[16], expected[96];
    size_t n = 0;
    for (; n + 1 < sizeof word && isalpha((unsigned char)cursor->at[n]); n++)
        word[n] = (char)tolower((unsigned char)cursor->at[n]);
    word[n] = '\0';
    const char *nearest = text_nearest(word, activation_names, ACT_COUNT);
    snprintf(expected, sizeof expected, "an activation (relu, sigmoid, tanh, swish or gelu%s%s%s)",
             nearest != NULL ? "; did you mean " : "", nearest != NULL ? nearest : "",
             nearest != NULL ? "?" : "");
    return fail(cursor, expected);
}

static enum error take_activation(struct cursor *cursor, enum activation *activation)
{
    size_t n = strspn(cursor->at, "abcdefghijklmnopqrstuvwxyz");
    if (!activation_parse(activation, cursor->at, n))
        return no_activation(cursor);
    cursor->at += n;
    return ERR_NONE;
}

static enum error take_layer(struct cursor *cursor, struct layer *layer)
{
    if (skip(cursor, "NC"))
        layer->kind = LAYER_NORMAL;
    else if (skip(cursor, "RC"))
        layer->kind = LAYER_REDUCTION;
    else
        return fail(cursor, "a layer (NC or RC) or the head (FC64:)");
    if (!take_number(cursor, GENOME_MAX_FILTERS, &layer->filters))
        return fail(cursor, "a filter count from 1 to 511");
    if (!skip(cursor, "k"))
        return fail(cursor, "\"k\" and a kernel size");
    struct cursor kernel = *cursor;
    if (!take_number(cursor, 7, &layer->kernel) || layer->kernel % 2 == 0)
        return fail(&kernel, "a kernel size of 1, 3, 5 or 7");
    if (!skip(cursor, ":"))
        return fail(cursor, "\":\" and an activation");
    return take_activation(cursor, &layer->activation);
}

enum error genome_parse(struct genome *genome, const char *text)
{
    enum error err;
    struct genome parsed = {0};
    struct cursor cursor = {text, text};
    int reductions = 0;

    while (!skip(&cursor, "FC64:")) {
        struct cursor start = cursor;
        if (parsed.layer_count == GENOME_MAX_LAYERS)
            return fail(&start, "the head (FC64:), for a genome has at most 64 layers");
        struct layer *layer = &parsed.layers[parsed.layer_count++];
        TRY(take_layer(&cursor, layer));
        if (layer->kind == LAYER_REDUCTION && ++reductions > GENOME_REDUCTIONS)
            return fail(&start, "a normal layer (NC) or the head, for a genome has exactly 2 "
                                "reduction layers (RC)");
        if (!skip(&cursor, "-"))
            return fail(&cursor, "\"-\" and the next layer or the head (FC64:)");
    }
    if (reductions < GENOME_REDUCTIONS) {
        cursor.at -= strlen("FC64:");
        return fail(&cursor, reductions == 0 ? "two reduction layers (RC) before the head"
                                             : "a second reduction layer (RC) before the head");
    }
    TRY(take_activation(&cursor, &parsed.head));
    if (*cursor.at != '\0')
        return fail(&cursor, "the end of the text");
    *genome = parsed;
out:
    return err;
}

void genome_format(char text[GENOME_TEXT_SIZE], const struct genome *genome)
{
    int n = 0;
    for (int i = 0; i < genome->layer_count; i++) {
        const struct layer *layer = &genome->layers[i];
        n += snprintf(text + n, (size_t)(GENOME_TEXT_SIZE - n), "%s%dk%d:%s-",
                      layer->kind == LAYER_NORMAL ? "NC" : "RC", layer->filters, layer->kernel,
                      activation_names[layer->activation]);
    }
    snprintf(text + n, (size_t)(GENOME_TEXT_SIZE - n), "FC64:%s", activation_names[genome->head]);
}

bool genome_same_shape(const struct genome *a, const struct genome *b)
{
    if (a->layer_count != b->layer_count)
        return false;
    for (int i = 0; i < a->layer_count; i++) {
        const struct layer *x = &a->layers[i], *y = &b->layers[i];
        if (x->kind != y->kind || x->filters != y->filters || x->kernel != y->kernel)
            return false;
    }
    return true;
}

bool genome_equal(const struct genome *a, const struct genome *b)
{
    if (!genome_same_shape(a, b) || a->head != b->head)
        return false;
    for (int i = 0; i < a->layer_count; i++)
        if (a->layers[i].activation != b->layers[i].activation)
            return false;
    return true;
}

static int compare(int a, int b)
{
    return (a > b) - (a < b);
}

int genome_compare(const struct genome *a, const struct genome *b)
{
    int order = compare(a->layer_count, b->layer_count);
    for (int i = 0; i < a->layer_count && order == 0; i++) {
        const struct layer *x = &a->layers[i], *y = &b->layers[i];
        order = compare((int)x->kind, (int)y->kind);
        order = order != 0 ? order : compare(x->filters, y->filters);
        order = order != 0 ? order : compare(x->kernel, y->kernel);
        order = order != 0 ? order : compare((int)x->activation, (int)y->activation);
    }
    return order != 0 ? order : compare((int)a->head, (int)b->head);
}

/* What a convolution makes of its input. */
static struct layer_cost convolution_cost(const struct layer *layer, const struct layer_cost *input)
{
    int stride = layer->kind == LAYER_REDUCTION ? 2 : 1;
    struct layer_cost cost = {.height = (input->height + stride - 1) / stride,
                              .width = (input->width + stride - 1) / stride,
                              .channels = layer->filters};
    int64_t weights = (int64_t)layer->filters * input->channels * layer->kernel * layer->kernel;
    cost.parameters = weights + layer->filters;
    cost.macs = weights * cost.height * cost.width;
    return cost;
}

static struct layer_cost dense_cost(int inputs, int units)
{
    return (struct layer_cost){.height = 1,
                               .width = 1,
                               .channels = units,
                               .parameters = (int64_t)inputs * units + units,
                               .macs = (int64_t)inputs * units};
}

struct layer_cost genome_layer_cost(const struct genome *genome, const struct image_shape *shape,
                                    int index)
{
    struct layer_cost cost = {
        .height = shape->height, .width = shape->width, .channels = shape->channels};
    for (int i = 0; i < genome->layer_count && i <= index; i++)
        cost = convolution_cost(&genome->layers[i], &cost);
    if (index == genome->layer_count)
        return (struct layer_cost){.height = 1, .width = 1, .channels = cost.channels};
    if (index == genome->layer_count + 1)
        return dense_cost(cost.channels, GENOME_HEAD_UNITS);
    if (index == genome->layer_count + 2)
        return dense_cost(GENOME_HEAD_UNITS, shape->classes);
    return cost;
}

struct genome_cost genome_cost(const struct genome *genome, const struct image_shape *shape)
{
    struct genome_cost total = {0};
    struct layer_cost cost = {
        .height = shape->height, .width = shape->width, .channels = shape->channels};
    for (int i = 0; i < genome->layer_count; i++) {
        cost = convolution_cost(&genome->layers[i], &cost);
        total.parameters += cost.parameters;
        total.macs += cost.macs;
        total.activations += (int64_t)cost.height * cost.width * cost.channels;
    }
    for (int i = 1; i <= 2; i++) {
        cost = genome_layer_cost(genome, shape, genome->layer_count + i);
        total.parameters += cost.parameters;
        total.macs += cost.macs;
    }
    return total;
}
