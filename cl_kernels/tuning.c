#include "cl_kernels/tuning.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cl_kernels/conv_family.h"

enum { BATCH_LEAST = 16, BATCH_MOST = 256, ROWS_MAX = 1 << 20 };

const char *tune_pass_name(enum tune_pass pass)
{
    static const char *const names[] = {"forward", "input_gradient", "weight_gradient"};
    return names[pass];
}

const char *tune_status_name(enum tune_status status)
{
    static const char *const names[] = {"ok", "disqualified", "untimed"};
    return names[status];
}

/* The channels that stand for those in so many blocks of `lanes`. Of blocks of 8 there is always an
   odd number: else they would be blocks of 16 (layout_lanes()). */
static int representative(int lanes, int blocks)
{
    if (lanes == 8)
        return lanes * (blocks > 5 ? 5 : blocks);
    return lanes * (blocks >= 8 ? 8 : blocks >= 4 ? 4 : blocks);
}

struct tune_class tune_class_of(const struct conv_plan *plan)
{
    const struct layout *in = &plan->input, *out = &plan->output;
    int batch = BATCH_LEAST;
    while (batch < plan->batch && batch < BATCH_MOST)
        batch *= 2;
    return (struct tune_class){.family = plan->family,
                               .kernel = plan->shape.kernel,
                               .stride = plan->shape.stride,
                               .channels_in = representative(in->lanes, in->blocks),
                               .channels_out = representative(out->lanes, out->blocks),
                               .height = in->height,
                               .width = in->width,
                               .batch = batch};
}

struct conv_plan tune_class_plan(const struct tune_class *class, enum conv_family family)
{
    int halo = class->kernel / 2;
    int height = (class->height + class->stride - 1) / class->stride;
    int width = (class->width + class->stride - 1) / class->stride;
    struct conv_plan plan = {
        .shape = {class->channels_in, class->channels_out, class->kernel, class->stride},
        .input = layout_make_image(class->height, class->width, class->channels_in, halo),
        .output = layout_make(height, width, class->channels_out, halo),
        .gradient = layout_make(height, width, class->channels_out, halo),
        .family = family,
        .batch = class->batch,
        .members = 1,
    };
    if (class->channels_in >= 8)
        plan.input_gradient = layout_make(class->height, class->width, class->channels_in, halo);
    return plan;
}

bool tune_class_equal(const struct tune_class *a, const struct tune_class *b)
{
    return a->family == b->family && a->kernel == b->kernel && a->stride == b->stride &&
           a->channels_in == b->channels_in && a->channels_out == b->channels_out &&
           a->height == b->height && a->width == b->width && a->batch == b->batch;
}

void tuning_free(struct tuning *tuning)
{
    free(tuning->rows);
    *tuning = (struct tuning){0};
}

enum error tuning_add(struct tuning *tuning, const struct tune_row *row)
{
    if (tuning->count == tuning->capacity) {
        size_t capacity = tuning->capacity > 0 ? 2 * tuning->capacity : 64;
        struct tune_row *rows = realloc(tuning->rows, capacity * sizeof *rows);
        if (rows == NULL)
            return error_set(ERR_INTERNAL, "out of memory for %zu rows of the tuner", capacity);
        tuning->rows = rows;
        tuning->capacity = capacity;
    }
    tuning->rows[tuning->count++] = *row;
    return ERR_NONE;
}

void tuning_remove(struct tuning *tuning, const struct tune_class *class)
{
    size_t kept = 0;
    for (size_t i = 0; i < tuning->count; i++)
        if (!tune_class_equal(&tuning->rows[i].class, class))
            tuning->rows[kept++] = tuning->rows[i];
    tuning->count = kept;
}

bool tuning_has(const struct tuning *tuning, const struct tune_class *class, bool *timed)
{
    bool found = false;
    if (timed != NULL)
        *timed = false;
    for (size_t i = 0; i < tuning->count; i++)
        if (tune_class_equal(&tuning->rows[i].class, class)) {
            found = true;
            if (timed != NULL && tuning->rows[i].status != TUNE_UNTIMED)
                *timed = true;
        }
    return found;
}

/* Whether these tiles are put together from variants of the plan (conv_variants()). */
static bool are_variants(const struct conv_tiles *t, const struct device *device,
                         const struct conv_plan *plan)
{
    struct conv_tiles variants[CONV_VARIANTS_MAX];
    bool forward = false, weights = false, gradient = false;
    int count = conv_variants(variants, device, plan);
    for (int i = 0; i < count; i++) {
        const struct conv_tiles *v = &variants[i];
        forward = forward || (v->group == t->group && v->forward == t->forward);
        weights = weights || (v->group == t->group && v->weight_gradient == t->weight_gradient);
        gradient = gradient || (v->group_transposed == t->group_transposed &&
                                v->input_gradient == t->input_gradient);
    }
    return forward && weights && (gradient || t->group_transposed == 0);
}

bool tuning_apply(const struct tuning *tuning, const struct device *device, struct conv_plan *plan)
{
    struct tune_class class = tune_class_of(plan);
    struct conv_plan tuned = *plan;
    struct conv_tiles *t = &tuned.tiles;
    bool found = false;
    for (size_t i = 0; i < tuning->count; i++) {
        const struct tune_row *row = &tuning->rows[i];
        if (!row->chosen || !tune_class_equal(&row->class, &class))
            continue;
        found = true;
        tuned.family = row->family;
        if (row->pass == TUNE_INPUT_GRADIENT) {
            t->group_transposed = row->group;
            t->input_gradient = row->tile;
        } else {
            t->group = row->group;
            if (row->pass == TUNE_FORWARD)
                t->forward = row->tile;
            else
                t->weight_gradient = row->tile;
        }
    }
    if (!found || conv_family_by_rule(device, &tuned) != tuned.family)
        return false;
    if (!are_variants(t, device, &tuned))
        *t = (struct conv_tiles){0};
    *plan = tuned;
    return true;
}

int tuning_product(const struct tuning *tuning)
{
    for (int i = 0; i < tuning->product_count; i++)
        if (tuning->products[i].chosen)
            return tuning->products[i].set;
    return GEMM_OWN;
}

static const char product_word[] = "product,";

static const char magic[] = "clade tuning 3";

static const char header[] =
    "family_asked,kernel,stride,channels_in,channels_out,height,width,batch,pass,family,group,tile,"
    "status,chosen,gflops,reason\n";

/* FNV-1a */
static uint64_t check_sum(const char *text, size_t length)
{
    uint64_t sum = 0xcbf29ce484222325u;
    for (size_t i = 0; i < length; i++)
        sum = (sum ^ (unsigned char)text[i]) * 0x100000001b3u;
    return sum;
}

enum error tuning_format(struct text *out, const struct tuning *tuning, const char *key)
{
    size_t start = out->length;
    text_printf(out, "%s,%s\n%s", magic, key, header);
    for (size_t i = 0; i < tuning->count; i++) {
        const struct tune_row *row = &tuning->rows[i];
        const struct tune_class *c = &row->class;
        text_printf(out, "%s,%d,%d,%d,%d,%d,%d,%d,%s,%s,%d,%d,%s,%d,%.3f,%s\n",
                    conv_family_name(c->family), c->kernel, c->stride, c->channels_in,
                    c->channels_out, c->height, c->width, c->batch, tune_pass_name(row->pass),
                    conv_family_name(row->family), row->group, row->tile,
                    tune_status_name(row->status), row->chosen, row->gflops, row->reason);
    }
    for (int i = 0; i < tuning->product_count; i++) {
        const struct tune_product *product = &tuning->products[i];
        char name[GEMM_NAME_SIZE];
        gemm_set_name(name, product->set);
        text_printf(out, "%s%s,%s,%d,%.3f,%s\n", product_word, name,
                    tune_status_name(product->status), product->chosen, product->gflops,
                    product->reason);
    }
    if (text_status(out) == ERR_NONE)
        text_printf(out, "end,%zu,%016llx\n", tuning->count + (size_t)tuning->product_count,
                    (unsigned long long)check_sum(out->data + start, out->length - start));
    return text_status(out);
}

void tuning_text_key(char key[TUNING_KEY_SIZE], const char *text)
{
    size_t length = sizeof magic - 1;
    key[0] = '\0';
    if (strncmp(text, magic, length) == 0 && text[length] == ',')
        snprintf(key, TUNING_KEY_SIZE, "%.*s", (int)strcspn(text + length + 1, "\n"),
                 text + length + 1);
}

/* The place of a word among names, or -1. */
static int place_of(const char *word, int count, const char *name(int))
{
    for (int i = 0; i < count; i++)
        if (strcmp(word, name(i)) == 0)
            return i;
    return -1;
}

static const char *family_word(int i)
{
    return conv_family_name((enum conv_family)i);
}

static const char *pass_word(int i)
{
    return tune_pass_name((enum tune_pass)i);
}

static const char *status_word(int i)
{
    return tune_status_name((enum tune_status)i);
}

static bool in(int value, int least, int most)
{
    return value >= least && value <= most;
}

/* One line, without its end. */
static bool parse_row(struct tune_row *row, const char *line)
{
    char asked[16], pass[24], family[16], status[24];
    struct tune_class *c = &row->class;
    int chosen, end = -1;
    *row = (struct tune_row){0};
    if (sscanf(line, "%15[a-z],%d,%d,%d,%d,%d,%d,%d,%23[a-z_],%15[a-z],%d,%d,%23[a-z],%d,%lf,%n",
               asked, &c->kernel, &c->stride, &c->channels_in, &c->channels_out, &c->height,
               &c->width, &c->batch, pass, family, &row->group, &row->tile, status, &chosen,
               &row->gflops, &end) != 15 ||
        end < 0 || strlen(line + end) >= TUNE_REASON_SIZE)
        return false;
    strcpy(row->reason, line + end);
    int asked_family = place_of(asked, CONV_FAMILY_COUNT, family_word);
    int row_family = place_of(family, CONV_FAMILY_COUNT, family_word);
    int row_pass = place_of(pass, TUNE_PASS_COUNT, pass_word);
    int row_status = place_of(status, TUNE_STATUS_COUNT, status_word);
    if (asked_family < 0 || row_family < 0 || row_pass < 0 || row_status < 0)
        return false;
    c->family = (enum conv_family)asked_family;
    row->family = (enum conv_family)row_family;
    row->pass = (enum tune_pass)row_pass;
    row->status = (enum tune_status)row_status;
    row->chosen = chosen == 1;
    return in(chosen, 0, 1) && row->family != CONV_AUTO && in(c->kernel, 1, 7) &&
           c->kernel % 2 == 1 && in(c->stride, 1, 2) && in(c->channels_in, 1, 1024) &&
           in(c->channels_out, 1, 1024) && in(c->height, 1, 1 << 16) && in(c->width, 1, 1 << 16) &&
           in(c->batch, BATCH_LEAST, BATCH_MOST) && in(row->group, 0, 1024) &&
           in(row->tile, 0, 1024);
}

/* Adds the product of one line, without its end. */
static bool parse_product(struct tuning *tuning, const char *line)
{
    char name[GEMM_NAME_SIZE], status[24];
    int chosen, end = -1;
    struct tune_product product = {0};
    if (tuning->product_count > GEMM_SETS_MAX ||
        sscanf(line, "product,%47[^,],%23[a-z],%d,%lf,%n", name, status, &chosen, &product.gflops,
               &end) != 4 ||
        end < 0 || strlen(line + end) >= TUNE_REASON_SIZE)
        return false;
    strcpy(product.reason, line + end);
    product.set = gemm_set_find(name);
    int place = place_of(status, TUNE_STATUS_COUNT, status_word);
    if (product.set < 0 || place < 0 || !in(chosen, 0, 1))
        return false;
    product.status = (enum tune_status)place;
    product.chosen = chosen == 1;
    tuning->products[tuning->product_count++] = product;
    return true;
}

static enum error parse_line(bool *good, struct tuning *tuning, const char *line)
{
    struct tune_row row;
    if (strncmp(line, product_word, sizeof product_word - 1) == 0) {
        *good = parse_product(tuning, line);
        return ERR_NONE;
    }
    *good = parse_row(&row, line);
    return *good ? tuning_add(tuning, &row) : ERR_NONE;
}

/* Goes to the next line; false when there is no whole one. */
static bool next_line(char line[512], const char **at)
{
    const char *end = strchr(*at, '\n');
    if (end == NULL || end - *at >= 512)
        return false;
    memcpy(line, *at, (size_t)(end - *at));
    line[end - *at] = '\0';
    *at = end + 1;
    return true;
}

enum error tuning_parse(struct tuning *tuning, const char *text, const char *key, const char **why)
{
    enum error err = ERR_NONE;
    const char *at = text, *last = text;
    char line[512], expected[64];
    struct tuning read = {0};
    *why = NULL;
    size_t length = sizeof magic - 1;
    if (!next_line(line, &at) || strncmp(line, magic, length) != 0 || line[length] != ',')
        *why = "it is not a tuning, or of another version";
    else if (key != NULL && strcmp(line + length + 1, key) != 0)
        *why = "it was made for something else";
    else if (strncmp(at, header, sizeof header - 1) != 0)
        *why = "its columns are others";
    else
        at += sizeof header - 1;
    while (*why == NULL) {
        bool good;
        last = at;
        if (!next_line(line, &at) || read.count > ROWS_MAX) {
            *why = "it is cut off";
            break;
        }
        if (strncmp(line, "end,", 4) == 0)
            break;
        TRY(parse_line(&good, &read, line));
        if (!good)
            *why = "a row is damaged";
    }
    snprintf(expected, sizeof expected, "end,%zu,%016llx", read.count + (size_t)read.product_count,
             (unsigned long long)check_sum(text, (size_t)(last - text)));
    if (*why == NULL && (strcmp(line, expected) != 0 || *at != '\0'))
        *why = "its check sum is wrong";
    if (*why != NULL) {
        err = error_set(ERR_DATA, "%s", *why);
        goto out;
    }
    tuning_free(tuning);
    *tuning = read;
    return ERR_NONE;
out:
    tuning_free(&read);
    return err;
}
