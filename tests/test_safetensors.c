/* Files of weights: what is written comes back, and no damaged file is read. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "inputs/safetensors.h"
#include "outputs/safetensors.h"

static char path[64];
static struct model model;
static struct text good; /* the file of `model` */

static void read_file(struct text *out)
{
    FILE *file = fopen(path, "rb");
    char buffer[4096];
    size_t n;
    assert_non_null(file);
    while ((n = fread(buffer, 1, sizeof buffer, file)) > 0)
        text_append_n(out, buffer, n);
    fclose(file);
    assert_int_equal(text_status(out), ERR_NONE);
}

/* Without the fsync of file_replace(): there are thousands. */
static void write_file(const char *data, size_t length)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "/tmp/clade-safetensors-%ld", (long)getpid());
    model = (struct model){.shape = {.height = 9, .width = 8, .channels = 3, .classes = 5},
                           .mean = 0.1f,
                           .std = 1.0f / 3,
                           .test_accuracy = 1.0 / 7};
    assert_int_equal(genome_parse(&model.genome, "RC3k5:gelu-NC4k1:tanh-RC2k3:relu-FC64:swish"), 0);
    assert_int_equal(model_set_class_names(&model, "a,b \"<c>\",\\d,e,f"), 0);
    model.weight_count = (size_t)genome_cost(&model.genome, &model.shape).parameters;
    model.weights = malloc(model.weight_count * sizeof *model.weights);
    for (size_t i = 0; i < model.weight_count; i++)
        model.weights[i] = (float)i / 3 - 20;
    assert_int_equal(safetensors_write(path, &model), ERR_NONE);
    read_file(&good);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    model_free(&model);
    text_free(&good);
    return unlink(path);
}

static void comes_back(void **state)
{
    (void)state;
    struct model read;
    assert_int_equal(safetensors_write(path, &model), ERR_NONE);
    assert_int_equal(safetensors_read(&read, path), ERR_NONE);
    assert_true(genome_equal(&read.genome, &model.genome));
    assert_memory_equal(&read.shape, &model.shape, sizeof read.shape);
    assert_true(read.mean == model.mean && read.std == model.std);
    assert_true(read.test_accuracy == model.test_accuracy);
    assert_string_equal(read.class_names, model.class_names);
    assert_int_equal(read.weight_count, model.weight_count);
    assert_memory_equal(read.weights, model.weights, model.weight_count * sizeof(float));
    model_free(&read);

    struct model plain = model; /* no accuracy, no names */
    plain.test_accuracy = NAN;
    plain.class_names[0] = '\0';
    assert_int_equal(safetensors_write(path, &plain), ERR_NONE);
    assert_int_equal(safetensors_read(&read, path), ERR_NONE);
    assert_true(isnan(read.test_accuracy));
    assert_string_equal(read.class_names, "0,1,2,3,4");
    model_free(&read);
}

/* The tensors are those of the genome, one after the other. */
static void tensors_cover_the_weights(void **state)
{
    (void)state;
    struct model_tensor tensors[MODEL_TENSORS_MAX];
    int count = model_tensors(tensors, &model.genome, &model.shape);
    assert_int_equal(count, 2 * 3 + 4);
    assert_string_equal(tensors[2].name, "conv2.weight");
    assert_int_equal(tensors[2].size[0], 4);
    assert_int_equal(tensors[2].size[1], 3);
    assert_int_equal(tensors[2].size[3], 1);
    size_t first = 0;
    for (int i = 0; i < count; i++) {
        assert_int_equal(tensors[i].first, first);
        first += tensors[i].count;
    }
    assert_int_equal(first, model.weight_count);
}

static void refused(const char *data, size_t length, const char *part)
{
    struct model read = {.weight_count = 7};
    write_file(data, length);
    assert_int_equal(safetensors_read(&read, path), ERR_DATA);
    if (strstr(error_message(), part) == NULL || strchr(error_message(), '\n') != NULL)
        fail_msg("expected '%s' in: %s", part, error_message());
    assert_int_equal(read.weight_count, 7); /* untouched */
}

static void truncated(void **state)
{
    (void)state;
    for (size_t length = 0; length < good.length; length += length < 1500 ? 1 : 97)
        refused(good.data, length, path);
    refused(good.data, good.length - 1, "offsets");
    refused(good.data, good.length - 4, "offsets");
    struct text longer = {0};
    text_append_n(&longer, good.data, good.length);
    text_append_n(&longer, "\0\0\0\0", 4);
    refused(longer.data, longer.length, "after the last tensor");
    text_free(&longer);
}

/* Every byte of the header replaced: read the same model but for its metadata, or refused; never
   anything that the sanitizers see. */
static void flipped(void **state)
{
    (void)state;
    size_t header = 8 + (unsigned char)good.data[0] + 256 * (size_t)(unsigned char)good.data[1];
    static const char bytes[] = {'\0', '"', '{', '9', '\\', '-', (char)0xff};
    int refusals = 0;
    for (size_t at = 0; at < header; at += 3) {
        char kept = good.data[at];
        struct model read = {0};
        good.data[at] = bytes[at / 3 % sizeof bytes];
        write_file(good.data, good.length);
        enum error err = safetensors_read(&read, path);
        good.data[at] = kept;
        assert_true(err == ERR_NONE || err == ERR_DATA);
        refusals += err == ERR_DATA;
        model_free(&read);
    }
    assert_true(refusals > (int)header / 3 / 2);
}

/* The good file with the first `from` in its header replaced by `to`. */
static void refused_with(const char *from, const char *to, const char *part)
{
    struct text file = {0};
    size_t header = 8 + (unsigned char)good.data[0] + 256 * (size_t)(unsigned char)good.data[1];
    const char *at = memmem(good.data, header, from, strlen(from));
    assert_non_null(at);
    size_t before = (size_t)(at - good.data), length = header - 8 - strlen(from) + strlen(to);
    char bytes[8] = {(char)(length & 0xff), (char)(length >> 8 & 0xff)};
    text_append_n(&file, bytes, 8);
    text_append_n(&file, good.data + 8, before - 8);
    text_append(&file, to);
    text_append_n(&file, at + strlen(from), good.length - before - strlen(from));
    refused(file.data, file.length, part);
    text_free(&file);
}

static void hostile_headers(void **state)
{
    (void)state;
    refused_with("\"clade 1\"", "\"pt\"", "format");
    refused_with("\"9x8x3\"", "\"9x8\"", "image");
    refused_with("\"9x8x3\"", "\"9x8x99999\"", "image");
    refused_with("\"9x8x3\"", "\"99999999999x8x3\"", "image");
    refused_with("\"9x8x3\"", "\"9x8x2\"", "shape of tensor conv1.weight");
    refused_with("\"classes\":\"5\"", "\"classes\":\"1\"", "classes");
    refused_with("\"classes\":\"5\"", "\"classes\":\"5\",\"classes\":\"5\"", "each key once");
    refused_with("\"pixel_std\":\"", "\"pixel_std\":\"-", "pixel_std");
    refused_with("\"test_accuracy\":\"0", "\"test_accuracy\":\"nan", "test_accuracy");
    refused_with("a,b ", "a,b,,", "class_names");
    refused_with("NC4k1", "NC4k2", "genome");
    refused_with("NC4k1:tanh-", "", "shape of tensor conv2.weight");
    refused_with("RC3k5:gelu-", "RC3k5:gelu-NC3k1:relu-", "conv2.weight");
    refused_with("\"conv1.bias\"", "\"conv9.bias\"", "conv1.bias of its genome is missing");
    refused_with("\"F32\"", "\"F16\"", "F32");
    refused_with("\"shape\":[3]", "\"shape\":[3,1,1,1,1]", "fewer numbers");
    refused_with("\"shape\":[3]", "\"shape\":[-3]", "a whole number");
    refused_with("\"shape\":[3]", "\"shape\":[99999999999999999999]", "a whole number");
    refused_with("\"shape\":[3]", "\"shape\":[3],\"shape\":[3]", "each once");
    refused_with("[0,900]", "[900,0]", "offsets");
    refused_with("[0,900]", "[0]", "two offsets");
    refused_with("[0,900]", "[12,912]", "overlap");    /* over the bias */
    refused_with("[900,912]", "[888,900]", "overlap"); /* over the weights before it */
    refused_with("[900,912]", "[0,12]", "overlap");
    refused_with("[900,912]", "[900,916]", "offsets");
    refused_with("\"conv1.bias\":",
                 "\"more\":{\"dtype\":\"F32\",\"shape\":[1],"
                 "\"data_offsets\":[0,4]},\"conv1.bias\":",
                 "11 tensors");
    refused_with("{\"__metadata__\"", "[\"__metadata__\"", "byte 8 of the header");
    refused_with("\"format\":", "\"form\\ud800t\":", "printable ASCII");
    refused_with("\"format\":", "\"other\":{},\"format\":", "expected '\"'");

    refused("\377\377\377\377\377\377\377\377{}", 10, "header of 18446744073709551615 bytes");
    refused("\2\0\0\0\0\0\0\0{}", 10, "expected '\"'");
    struct text deep = {0};
    text_append_n(&deep, "\0\20\0\0\0\0\0\0", 8);
    for (int i = 0; i < 4096; i++)
        text_append(&deep, "{");
    refused(deep.data, deep.length, "byte 9");
    text_free(&deep);

    float infinity = INFINITY; /* the last value */
    char *last = good.data + good.length - sizeof infinity, kept[sizeof infinity];
    memcpy(kept, last, sizeof kept);
    memcpy(last, &infinity, sizeof infinity);
    refused(good.data, good.length, "value 4 of tensor output.bias is not finite");
    memcpy(last, kept, sizeof kept);
}

static void unusual_files(void **state)
{
    (void)state;
    struct model read;
    assert_int_equal(safetensors_read(&read, "/nonexistent/file"), ERR_DATA);
    assert_non_null(strstr(error_message(), "/nonexistent/file"));
    assert_int_equal(safetensors_read(&read, "/tmp"), ERR_DATA);
    assert_int_equal(safetensors_read(&read, "/dev/zero"), ERR_DATA);
    assert_int_equal(safetensors_write("/nonexistent/file", &model), ERR_OUTPUT);
}

static void class_names(void **state)
{
    (void)state;
    static const char *const bad[] = {"",         ",",        "a,b,c,d",   "a,b,c,d,e,f",
                                      "a,,c,d,e", "a,b,c,d,", "a,b,c,d,\n"};
    struct model other = model;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(model_set_class_names(&other, bad[i]), ERR_USAGE);
        assert_string_equal(other.class_names, model.class_names);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back),      cmocka_unit_test(tensors_cover_the_weights),
        cmocka_unit_test(truncated),       cmocka_unit_test(flipped),
        cmocka_unit_test(hostile_headers), cmocka_unit_test(unusual_files),
        cmocka_unit_test(class_names),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
