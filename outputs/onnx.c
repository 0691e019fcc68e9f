#include "outputs/onnx.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "outputs/file.h"
#include "outputs/floats.h"

/* Field numbers of onnx.proto. */
enum {
    MODEL_IR = 1,
    MODEL_PRODUCER,
    MODEL_PRODUCER_VERSION,
    MODEL_GRAPH = 7,
    MODEL_OPSET,
    MODEL_METADATA = 14
};
enum { OPSET_VERSION = 2 };
enum { ENTRY_KEY = 1, ENTRY_VALUE };
enum { GRAPH_NODE = 1, GRAPH_NAME, GRAPH_INITIALIZER = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT };
enum { NODE_INPUT = 1, NODE_OUTPUT, NODE_NAME, NODE_OPERATOR, NODE_ATTRIBUTE };
enum { ATTRIBUTE_NAME = 1, ATTRIBUTE_INT = 3, ATTRIBUTE_INTS = 8, ATTRIBUTE_TYPE = 20 };
enum { TYPE_INT = 2, TYPE_INTS = 7 }; /* AttributeProto.AttributeType */
enum { TENSOR_DIMENSION = 1, TENSOR_TYPE, TENSOR_NAME = 8, TENSOR_RAW };
enum { FLOAT32 = 1 }; /* TensorProto.DataType */
enum { VALUE_NAME = 1, VALUE_TYPE };
enum { TYPE_TENSOR = 1 };
enum { TENSOR_TYPE_ELEMENT = 1, TENSOR_TYPE_SHAPE };
enum { SHAPE_DIMENSION = 1, DIMENSION_VALUE = 1, DIMENSION_NAME };

enum { IR_VERSION = 8, OPSET = 13, NAME_SIZE = 48 };

/* Wire types of protobuf. */
enum { VARINT = 0, LENGTH_DELIMITED = 2 };

static void put_varint(struct text *out, uint64_t value)
{
    do {
        char byte = (char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        text_append_n(out, &byte, 1);
        value >>= 7;
    } while (value > 0);
}

static void put_int(struct text *out, int field, int64_t value)
{
    put_varint(out, (uint64_t)field << 3 | VARINT);
    put_varint(out, (uint64_t)value);
}

static void put_bytes(struct text *out, int field, const char *data, size_t length)
{
    put_varint(out, (uint64_t)field << 3 | LENGTH_DELIMITED);
    put_varint(out, length);
    text_append_n(out, data, length);
}

static void put_string(struct text *out, int field, const char *s)
{
    put_bytes(out, field, s, strlen(s));
}

/* A finished message as a field; frees it. */
static void put_message(struct text *out, int field, struct text *message)
{
    put_bytes(out, field, message->data != NULL ? message->data : "", message->length);
    out->failed = out->failed || message->failed;
    text_free(message);
}

static void put_attribute_int(struct text *node, const char *name, int64_t value)
{
    struct text attribute = {0};
    put_string(&attribute, ATTRIBUTE_NAME, name);
    put_int(&attribute, ATTRIBUTE_INT, value);
    put_int(&attribute, ATTRIBUTE_TYPE, TYPE_INT);
    put_message(node, NODE_ATTRIBUTE, &attribute);
}

/* `count` times the same value. */
static void put_attribute_ints(struct text *node, const char *name, int count, int64_t value)
{
    struct text attribute = {0};
    put_string(&attribute, ATTRIBUTE_NAME, name);
    for (int i = 0; i < count; i++)
        put_int(&attribute, ATTRIBUTE_INTS, value);
    put_int(&attribute, ATTRIBUTE_TYPE, TYPE_INTS);
    put_message(node, NODE_ATTRIBUTE, &attribute);
}

static void put_tensor(struct text *graph, const char *name, const int64_t *size, int dimensions,
                       const float *values, size_t count)
{
    struct text tensor = {0}, raw = {0};
    for (int i = 0; i < dimensions; i++)
        put_int(&tensor, TENSOR_DIMENSION, size[i]);
    put_int(&tensor, TENSOR_TYPE, FLOAT32);
    put_string(&tensor, TENSOR_NAME, name);
    floats_append(&raw, values, count);
    put_message(&tensor, TENSOR_RAW, &raw);
    put_message(graph, GRAPH_INITIALIZER, &tensor);
}

/* size[0] is the batch, whatever it says. */
static void put_value(struct text *graph, int field, const char *name, const int64_t *size,
                      int dimensions)
{
    struct text value = {0}, type = {0}, tensor = {0}, shape = {0};
    for (int i = 0; i < dimensions; i++) {
        struct text dimension = {0};
        if (i == 0)
            put_string(&dimension, DIMENSION_NAME, "batch");
        else
            put_int(&dimension, DIMENSION_VALUE, size[i]);
        put_message(&shape, SHAPE_DIMENSION, &dimension);
    }
    put_int(&tensor, TENSOR_TYPE_ELEMENT, FLOAT32);
    put_message(&tensor, TENSOR_TYPE_SHAPE, &shape);
    put_message(&type, TYPE_TENSOR, &tensor);
    put_string(&value, VALUE_NAME, name);
    put_message(&value, VALUE_TYPE, &type);
    put_message(graph, field, &value);
}

/* A graph while its nodes are chained: each takes the output of the one before. */
struct chain {
    struct text nodes;
    char value[NAME_SIZE]; /* the output so far */
    bool gelu;             /* needs its constants */
};

/* Begins a node of `operator` on two values (NULL: only one); its output is "layer/part". */
static void begin_node(struct text *node, const char *operator, const char * a, const char *b,
                       const char *layer, const char *part, char output[NAME_SIZE])
{
    char name[NAME_SIZE];
    snprintf(name, sizeof name, "%s/%s", layer, part);
    *node = (struct text){0};
    put_string(node, NODE_INPUT, a);
    if (b != NULL)
        put_string(node, NODE_INPUT, b);
    put_string(node, NODE_OUTPUT, name);
    put_string(node, NODE_NAME, name);
    put_string(node, NODE_OPERATOR, operator);
    snprintf(output, NAME_SIZE, "%s", name); /* after its use: `a` may be the same */
}

static void put_node(struct chain *chain, const char *operator, const char * a, const char *b,
                     const char *layer, const char *part)
{
    struct text node;
    char output[NAME_SIZE];
    begin_node(&node, operator, a, b, layer, part, output);
    memcpy(chain->value, output, sizeof output);
    put_message(&chain->nodes, GRAPH_NODE, &node);
}

static void put_activation(struct chain *chain, enum activation activation, const char *layer)
{
    char x[NAME_SIZE];
    memcpy(x, chain->value, sizeof x);
    switch (activation) {
    case ACT_RELU:
        put_node(chain, "Relu", x, NULL, layer, "relu");
        break;
    case ACT_SIGMOID:
        put_node(chain, "Sigmoid", x, NULL, layer, "sigmoid");
        break;
    case ACT_TANH:
        put_node(chain, "Tanh", x, NULL, layer, "tanh");
        break;
    case ACT_SWISH:
        put_node(chain, "Sigmoid", x, NULL, layer, "sigmoid");
        put_node(chain, "Mul", x, chain->value, layer, "swish");
        break;
    case ACT_GELU: /* x / 2 (1 + erf(x / sqrt 2)) */
        chain->gelu = true;
        put_node(chain, "Mul", x, "gelu/inverse_sqrt_2", layer, "scaled");
        put_node(chain, "Erf", chain->value, NULL, layer, "erf");
        put_node(chain, "Add", chain->value, "gelu/one", layer, "plus_one");
        put_node(chain, "Mul", chain->value, x, layer, "product");
        put_node(chain, "Mul", chain->value, "gelu/half", layer, "gelu");
        break;
    case ACT_COUNT:
        break;
    }
}

static void put_weights_of(struct text *node, const char *layer)
{
    static const char *const parts[] = {"weight", "bias"};
    for (int i = 0; i < 2; i++) {
        char name[NAME_SIZE];
        snprintf(name, sizeof name, "%s.%s", layer, parts[i]);
        put_string(node, NODE_INPUT, name);
    }
}

static void put_convolution(struct chain *chain, const struct layer *layer, const char *name)
{
    struct text node;
    char output[NAME_SIZE];
    begin_node(&node, "Conv", chain->value, NULL, name, "conv", output);
    memcpy(chain->value, output, sizeof output);
    put_weights_of(&node, name);
    put_attribute_ints(&node, "kernel_shape", 2, layer->kernel);
    put_attribute_ints(&node, "pads", 4, layer->kernel / 2);
    put_attribute_ints(&node, "strides", 2, layer->kind == LAYER_REDUCTION ? 2 : 1);
    put_message(&chain->nodes, GRAPH_NODE, &node);
}

static void put_dense(struct chain *chain, const char *name)
{
    struct text node;
    char output[NAME_SIZE];
    begin_node(&node, "Gemm", chain->value, NULL, name, "gemm", output);
    memcpy(chain->value, output, sizeof output);
    put_weights_of(&node, name);
    put_attribute_int(&node, "transB", 1);
    put_message(&chain->nodes, GRAPH_NODE, &node);
}

static void put_network(struct chain *chain, const struct genome *genome)
{
    struct text node = {0};
    for (int i = 0; i < genome->layer_count; i++) {
        char name[16];
        snprintf(name, sizeof name, "conv%d", i + 1);
        put_convolution(chain, &genome->layers[i], name);
        put_activation(chain, genome->layers[i].activation, name);
    }
    put_node(chain, "GlobalAveragePool", chain->value, NULL, "pool", "mean");
    put_node(chain, "Flatten", chain->value, NULL, "pool", "flat");
    put_dense(chain, "dense");
    put_activation(chain, genome->head, "dense");
    put_dense(chain, "output");
    put_string(&node, NODE_INPUT, chain->value);
    put_string(&node, NODE_OUTPUT, "logits");
    put_string(&node, NODE_NAME, "logits");
    put_string(&node, NODE_OPERATOR, "Identity");
    put_message(&chain->nodes, GRAPH_NODE, &node);
}

static void put_graph(struct text *out, const struct model *model)
{
    struct chain chain = {.value = "image"};
    struct text graph = {0};
    struct model_tensor tensors[MODEL_TENSORS_MAX];
    const struct image_shape *shape = &model->shape;
    put_network(&chain, &model->genome);
    if (chain.nodes.data != NULL) /* fields already: a message is the sum of its parts */
        text_append_n(&graph, chain.nodes.data, chain.nodes.length);
    graph.failed = graph.failed || chain.nodes.failed;
    text_free(&chain.nodes);
    put_string(&graph, GRAPH_NAME, "clade");
    int count = model_tensors(tensors, &model->genome, shape);
    for (int i = 0; i < count; i++)
        put_tensor(&graph, tensors[i].name, tensors[i].size, tensors[i].dimensions,
                   model->weights + tensors[i].first, tensors[i].count);
    if (chain.gelu) {
        const float constants[] = {0.70710678f, 1.0f, 0.5f};
        put_tensor(&graph, "gelu/inverse_sqrt_2", NULL, 0, &constants[0], 1);
        put_tensor(&graph, "gelu/one", NULL, 0, &constants[1], 1);
        put_tensor(&graph, "gelu/half", NULL, 0, &constants[2], 1);
    }
    put_value(&graph, GRAPH_INPUT, "image",
              (int64_t[]){0, shape->channels, shape->height, shape->width}, 4);
    put_value(&graph, GRAPH_OUTPUT, "logits", (int64_t[]){0, shape->classes}, 2);
    put_message(out, MODEL_GRAPH, &graph);
}

static void put_metadata(struct text *out, const char *key, const char *value)
{
    struct text entry = {0};
    put_string(&entry, ENTRY_KEY, key);
    put_string(&entry, ENTRY_VALUE, value);
    put_message(out, MODEL_METADATA, &entry);
}

static void put_all_metadata(struct text *out, const struct model *model)
{
    char genome[GENOME_TEXT_SIZE], number[32];
    struct text names = {0};
    genome_format(genome, &model->genome);
    put_metadata(out, "genome", genome);
    model_class_names(&names, model);
    put_metadata(out, "class_names", names.data != NULL ? names.data : "");
    out->failed = out->failed || names.failed;
    text_free(&names);
    put_metadata(out, "preprocessing", "image = (pixel / 255 - pixel_mean) / pixel_std");
    snprintf(number, sizeof number, "%.9g", (double)model->mean);
    put_metadata(out, "pixel_mean", number);
    snprintf(number, sizeof number, "%.9g", (double)model->std);
    put_metadata(out, "pixel_std", number);
    if (isnan(model->test_accuracy))
        return;
    snprintf(number, sizeof number, "%.6f", model->test_accuracy);
    put_metadata(out, "test_accuracy", number);
}

enum error onnx_write(const char *path, const struct model *model, const char *version)
{
    struct text file = {0}, opset = {0};
    put_int(&file, MODEL_IR, IR_VERSION);
    put_string(&file, MODEL_PRODUCER, "clade");
    put_string(&file, MODEL_PRODUCER_VERSION, version);
    put_graph(&file, model);
    put_int(&opset, OPSET_VERSION, OPSET);
    put_message(&file, MODEL_OPSET, &opset);
    put_all_metadata(&file, model);
    enum error err = file.length > INT32_MAX
                         ? error_set(ERR_OUTPUT, "%s would be over 2 GiB, too much for ONNX", path)
                         : file_replace_text(path, &file);
    text_free(&file);
    return err;
}
