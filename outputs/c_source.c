#include "outputs/c_source.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "outputs/file.h"

static const char head[] =
    " *\n"
    " *     int clade_classify(const unsigned char *pixels, float *logits);\n"
    " *\n"
    " * gives the class, 0 to %d, of an image of %d rows, %d columns, %d channels: "
    "pixels[row][column]"
    "\n"
    " * [channel], 0 to 255. logits[%d] gets the score of every class. It uses static buffers: "
    "one\n"
    " * thread at a time.\n"
    " *\n"
    " *     int clade_self_test(void);\n"
    " *\n"
    " * is 0 when the logits of an image made here are what they should be.\n"
    " *\n"
    " * C99; link with -lm. With -DCLADE_MAIN it is a program: it tests itself, then reads raw "
    "images\n"
    " * from standard input and prints a line \"class logit logit ...\" for each.\n"
    " */\n"
    "#include <math.h>\n"
    "#include <stddef.h>\n"
    "\n"
    "int clade_classify(const unsigned char *pixels, float *logits);\n"
    "int clade_self_test(void);\n"
    "extern const char *const clade_class_names[%d];\n"
    "\n";

static const char operations[] =
    "static void activate(float *x, size_t count, float (*function)(float))\n"
    "{\n"
    "    size_t i;\n"
    "    for (i = 0; i < count; i++)\n"
    "        x[i] = function(x[i]);\n"
    "}\n"
    "\n"
    "/* y[filter][row][column] of x[channel][row][column]; zeros around it */\n"
    "static void convolve(const float *x, int height, int width, int channels, const float "
    "*weight,\n"
    "                     const float *bias, int filters, int kernel, int stride, float *y)\n"
    "{\n"
    "    int f, row, column, c, i, j;\n"
    "    for (f = 0; f < filters; f++)\n"
    "        for (row = -(kernel / 2); row < height - kernel / 2; row += stride)\n"
    "            for (column = -(kernel / 2); column < width - kernel / 2; column += stride) {\n"
    "                float sum = bias[f];\n"
    "                for (c = 0; c < channels; c++)\n"
    "                    for (i = 0; i < kernel; i++)\n"
    "                        for (j = 0; j < kernel; j++)\n"
    "                            if (row + i >= 0 && row + i < height && column + j >= 0 &&\n"
    "                                column + j < width)\n"
    "                                sum += x[((size_t)c * (size_t)height + (size_t)(row + i)) *\n"
    "                                             (size_t)width +\n"
    "                                         (size_t)(column + j)] *\n"
    "                                       weight[(((size_t)f * (size_t)channels + (size_t)c) *\n"
    "                                                   (size_t)kernel +\n"
    "                                               (size_t)i) *\n"
    "                                                  (size_t)kernel +\n"
    "                                              (size_t)j];\n"
    "                *y++ = sum;\n"
    "            }\n"
    "}\n"
    "\n"
    "static void pool(const float *x, int channels, int pixels, float *y)\n"
    "{\n"
    "    int c, i;\n"
    "    for (c = 0; c < channels; c++) {\n"
    "        float sum = 0.0f;\n"
    "        for (i = 0; i < pixels; i++)\n"
    "            sum += *x++;\n"
    "        y[c] = sum / (float)pixels;\n"
    "    }\n"
    "}\n"
    "\n"
    "static void dense(const float *x, int inputs, const float *weight, const float *bias,\n"
    "                  int outputs, float *y)\n"
    "{\n"
    "    int i, o;\n"
    "    for (o = 0; o < outputs; o++) {\n"
    "        float sum = bias[o];\n"
    "        for (i = 0; i < inputs; i++)\n"
    "            sum += x[i] * *weight++;\n"
    "        y[o] = sum;\n"
    "    }\n"
    "}\n"
    "\n";

static const char self_test[] =
    "int clade_self_test(void)\n"
    "{\n"
    "    static unsigned char pixels[%zu];\n"
    "    float logits[%d];\n"
    "    unsigned long state = 1;\n"
    "    size_t i;\n"
    "    for (i = 0; i < sizeof pixels; i++) {\n"
    "        state = (state * 1664525ul + 1013904223ul) & 0xfffffffful;\n"
    "        pixels[i] = (unsigned char)(state >> 24);\n"
    "    }\n"
    "    clade_classify(pixels, logits);\n"
    "    for (i = 0; i < %d; i++)\n"
    "        if (!(fabsf(logits[i] - test_logits[i]) <= 1e-3f * (1.0f + fabsf(test_logits[i]))))\n"
    "            return 1;\n"
    "    return 0;\n"
    "}\n"
    "\n"
    "#ifdef CLADE_MAIN\n"
    "#include <stdio.h>\n"
    "\n"
    "int main(void)\n"
    "{\n"
    "    static unsigned char image[%zu];\n"
    "    float logits[%d];\n"
    "    if (clade_self_test() != 0) {\n"
    "        fputs(\"the self-test failed\\n\", stderr);\n"
    "        return 1;\n"
    "    }\n"
    "    while (fread(image, sizeof image, 1, stdin) == 1) {\n"
    "        int i;\n"
    "        printf(\"%%d\", clade_classify(image, logits));\n"
    "        for (i = 0; i < %d; i++)\n"
    "            printf(\" %%.9g\", (double)logits[i]);\n"
    "        printf(\"\\n\");\n"
    "    }\n"
    "    return ferror(stdin) || fflush(stdout) != 0;\n"
    "}\n"
    "#endif\n";

void c_source_test_image(uint8_t *pixels, size_t count)
{
    uint32_t state = 1;
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u; /* as self_test[] has it */
        pixels[i] = (uint8_t)(state >> 24);
    }
}

static const char *const activations[ACT_COUNT] = {
    [ACT_RELU] = "x > 0.0f ? x : 0.0f",
    [ACT_SIGMOID] = "1.0f / (1.0f + expf(-x))",
    [ACT_TANH] = "tanhf(x)",
    [ACT_SWISH] = "x / (1.0f + expf(-x))",
    [ACT_GELU] = "0.5f * x * (1.0f + erff(0.70710678f * x))",
};

static void put_activations(struct text *out, const struct genome *genome)
{
    bool used[ACT_COUNT] = {false};
    used[genome->head] = true;
    for (int i = 0; i < genome->layer_count; i++)
        used[genome->layers[i].activation] = true;
    for (int a = 0; a < ACT_COUNT; a++)
        if (used[a])
            text_printf(out, "static float act_%s(float x)\n{\n    return %s;\n}\n\n",
                        activation_name((enum activation)a), activations[a]);
}

static void put_floats(struct text *out, const char *name, const float *values, size_t count)
{
    text_printf(out, "static const float %s[%zu] = {", name, count);
    for (size_t i = 0; i < count; i++)
        text_printf(out, "%s%.8ef,", i % 6 == 0 ? "\n    " : " ", (double)values[i]);
    text_append(out, "\n};\n\n");
}

static void put_weights(struct text *out, const struct model *model)
{
    struct model_tensor tensors[MODEL_TENSORS_MAX];
    int count = model_tensors(tensors, &model->genome, &model->shape);
    for (int i = 0; i < count; i++) {
        *strchr(tensors[i].name, '.') = '_';
        put_floats(out, tensors[i].name, model->weights + tensors[i].first, tensors[i].count);
    }
}

/* The names as C strings; question marks are escaped against trigraphs. */
static void put_class_names(struct text *out, const struct model *model)
{
    struct text names = {0};
    model_class_names(&names, model);
    text_printf(out, "const char *const clade_class_names[%d] = {\n    \"", model->shape.classes);
    for (const char *at = names.data; at != NULL && *at != '\0'; at++) {
        if (*at == ',')
            text_append(out, "\",\n    \"");
        else
            text_printf(out, strchr("\"\\?", *at) != NULL ? "\\%c" : "%c", *at);
    }
    text_append(out, "\",\n};\n\n");
    out->failed = out->failed || names.failed;
    text_free(&names);
}

static void put_classify(struct text *out, const struct model *model)
{
    const struct genome *genome = &model->genome;
    struct layer_cost in = {.height = model->shape.height,
                            .width = model->shape.width,
                            .channels = model->shape.channels};
    size_t largest = (size_t)in.height * (size_t)in.width * (size_t)in.channels;
    for (int i = 0; i < genome->layer_count; i++) {
        struct layer_cost cost = genome_layer_cost(genome, &model->shape, i);
        size_t values = (size_t)cost.height * (size_t)cost.width * (size_t)cost.channels;
        largest = values > largest ? values : largest;
    }
    if (largest < GENOME_HEAD_UNITS)
        largest = GENOME_HEAD_UNITS;
    text_printf(
        out,
        "static float a[%zu], b[%zu];\n\n"
        "int clade_classify(const unsigned char *pixels, float *logits)\n{\n"
        "    int c, i, best = 0;\n"
        "    for (c = 0; c < %d; c++)\n"
        "        for (i = 0; i < %d; i++)\n"
        "            a[c * %d + i] = ((float)pixels[i * %d + c] / 255.0f - %.8ef) / %.8ef;\n",
        largest, largest, in.channels, in.height * in.width, in.height * in.width, in.channels,
        (double)model->mean, (double)model->std);
    const char *from = "a", *to = "b";
    for (int i = 0; i < genome->layer_count; i++) {
        const struct layer *layer = &genome->layers[i];
        struct layer_cost cost = genome_layer_cost(genome, &model->shape, i);
        text_printf(out,
                    "    convolve(%s, %d, %d, %d, conv%d_weight, conv%d_bias, %d, %d, %d, %s);\n"
                    "    activate(%s, %zu, act_%s);\n",
                    from, in.height, in.width, in.channels, i + 1, i + 1, layer->filters,
                    layer->kernel, layer->kind == LAYER_REDUCTION ? 2 : 1, to, to,
                    (size_t)cost.height * (size_t)cost.width * (size_t)cost.channels,
                    activation_name(layer->activation));
        const char *other = from;
        from = to;
        to = other;
        in = cost;
    }
    text_printf(out,
                "    pool(%s, %d, %d, %s);\n"
                "    dense(%s, %d, dense_weight, dense_bias, %d, %s);\n"
                "    activate(%s, %d, act_%s);\n"
                "    dense(%s, %d, output_weight, output_bias, %d, logits);\n"
                "    for (i = 1; i < %d; i++)\n"
                "        if (logits[i] > logits[best])\n"
                "            best = i;\n"
                "    return best;\n}\n\n",
                from, in.channels, in.height * in.width, to, to, in.channels, GENOME_HEAD_UNITS,
                from, from, GENOME_HEAD_UNITS, activation_name(genome->head), from,
                GENOME_HEAD_UNITS, model->shape.classes, model->shape.classes);
}

enum error c_source_write(const char *path, const struct model *model, const float *logits,
                          const char *version)
{
    const struct image_shape *shape = &model->shape;
    size_t pixels = (size_t)shape->height * (size_t)shape->width * (size_t)shape->channels;
    int classes = shape->classes;
    char genome[GENOME_TEXT_SIZE];
    struct text out = {0};
    genome_format(genome, &model->genome);
    text_printf(&out,
                "/*\n * An image classifier, made by clade %s.\n * %s\n * %" PRId64 " parameters",
                version, genome, genome_cost(&model->genome, shape).parameters);
    if (!isnan(model->test_accuracy))
        text_printf(&out, ", test accuracy %.4f", model->test_accuracy);
    text_append(&out, ".\n");
    text_printf(&out, head, classes - 1, shape->height, shape->width, shape->channels, classes,
                classes);
    put_class_names(&out, model);
    put_weights(&out, model);
    put_floats(&out, "test_logits", logits, (size_t)classes);
    put_activations(&out, &model->genome);
    text_append(&out, operations);
    put_classify(&out, model);
    text_printf(&out, self_test, pixels, classes, classes, pixels, classes, classes);
    enum error err = file_replace_text(path, &out);
    text_free(&out);
    return err;
}
