#include "inputs/safetensors.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "inputs/dataset.h"

enum {
    LENGTH_BYTES = 8,
    HEADER_MAX = 1 << 20, /* bytes; the largest genome's takes 20,000 */
    KEY_SIZE = 64,
    CLASSES_MAX = 256 /* labels are bytes */
};

struct stored_tensor {
    char name[KEY_SIZE];
    int dimensions;
    int64_t size[MODEL_DIMENSIONS_MAX];
    uint64_t begin, end; /* bytes of the data */
};

/* A header while it is read. */
struct reader {
    const char *path;
    char *header; /* NUL-terminated */
    size_t length, at;
    uint64_t data_bytes;
    struct stored_tensor tensors[MODEL_TENSORS_MAX];
    int tensor_count;
    bool has_metadata;
    char format[KEY_SIZE], genome[GENOME_TEXT_SIZE], image[KEY_SIZE], classes[KEY_SIZE];
    char mean[KEY_SIZE], std[KEY_SIZE], accuracy[KEY_SIZE], names[MODEL_NAMES_SIZE];
};

static enum error expected(const struct reader *reader, const char *what)
{
    return error_set(ERR_DATA, "%s: byte %zu of the header: expected %s", reader->path,
                     reader->at + LENGTH_BYTES, what);
}

static char next(struct reader *reader)
{
    while (reader->at < reader->length && strchr(" \t\r\n", reader->header[reader->at]) != NULL &&
           reader->header[reader->at] != '\0')
        reader->at++;
    return reader->header[reader->at];
}

static enum error take(struct reader *reader, char c)
{
    if (next(reader) != c || reader->at >= reader->length) {
        char what[4] = {'\'', c, '\'', '\0'};
        return expected(reader, what);
    }
    reader->at++;
    return ERR_NONE;
}

/* A character of a string; escapes give ASCII, the only text that clade writes. */
static bool take_character(struct reader *reader, char *c)
{
    static const char escaped[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    unsigned char byte = (unsigned char)reader->header[reader->at++];
    *c = (char)byte;
    if (byte < 0x20 || byte > 0x7e)
        return false;
    if (byte != '\\')
        return true;
    char letter = reader->header[reader->at];
    const char *found = letter != '\0' ? strchr(escaped, letter) : NULL;
    if (found != NULL) {
        *c = meant[found - escaped];
        reader->at++;
        return true;
    }
    unsigned code;
    char digits[5] = {0};
    if (letter != 'u' || reader->length - reader->at < 5)
        return false;
    memcpy(digits, reader->header + reader->at + 1, 4);
    if (strspn(digits, "0123456789abcdefABCDEF") != 4 || sscanf(digits, "%x", &code) != 1 ||
        code < 0x20 || code > 0x7e)
        return false;
    *c = (char)code;
    reader->at += 5;
    return true;
}

static enum error take_string(char *out, size_t size, struct reader *reader)
{
    enum error err = ERR_NONE;
    size_t length = 0;
    TRY(take(reader, '"'));
    while (reader->at < reader->length && reader->header[reader->at] != '"') {
        if (length + 1 >= size)
            return expected(reader, "a shorter text");
        if (!take_character(reader, &out[length++]))
            return expected(reader, "text in printable ASCII");
    }
    out[length] = '\0';
    TRY(take(reader, '"'));
out:
    return err;
}

static enum error take_number(uint64_t *number, struct reader *reader)
{
    next(reader);
    size_t digits = strspn(reader->header + reader->at, "0123456789");
    if (digits == 0 || digits > 18)
        return expected(reader, "a whole number");
    *number = strtoull(reader->header + reader->at, NULL, 10);
    reader->at += digits;
    return ERR_NONE;
}

static enum error take_numbers(uint64_t *numbers, int *count, int most, struct reader *reader)
{
    enum error err = ERR_NONE;
    *count = 0;
    TRY(take(reader, '['));
    do {
        if (*count > 0)
            reader->at++;
        if (*count == most)
            return expected(reader, "fewer numbers");
        TRY(take_number(&numbers[(*count)++], reader));
    } while (next(reader) == ',');
    TRY(take(reader, ']'));
out:
    return err;
}

typedef enum error take_member(struct reader *reader, const char *key, void *user);

/* An object, of which `member` takes the values. */
static enum error take_object(struct reader *reader, take_member *member, void *user)
{
    enum error err = ERR_NONE;
    char key[KEY_SIZE];
    bool first = true;
    TRY(take(reader, '{'));
    do {
        if (!first)
            reader->at++;
        first = false;
        TRY(take_string(key, sizeof key, reader));
        TRY(take(reader, ':'));
        TRY(member(reader, key, user));
    } while (next(reader) == ',');
    TRY(take(reader, '}'));
out:
    return err;
}

static enum error metadata_member(struct reader *reader, const char *key, void *user)
{
    (void)user;
    char other[1024];
    const struct {
        const char *key;
        char *value;
        size_t size;
    } known[] = {
        {"format", reader->format, sizeof reader->format},
        {"genome", reader->genome, sizeof reader->genome},
        {"image", reader->image, sizeof reader->image},
        {"classes", reader->classes, sizeof reader->classes},
        {"pixel_mean", reader->mean, sizeof reader->mean},
        {"pixel_std", reader->std, sizeof reader->std},
        {"test_accuracy", reader->accuracy, sizeof reader->accuracy},
        {"class_names", reader->names, sizeof reader->names},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(key, known[i].key) != 0)
            continue;
        if (known[i].value[0] != '\0')
            return expected(reader, "each key once");
        return take_string(known[i].value, known[i].size, reader);
    }
    return take_string(other, sizeof other, reader);
}

static enum error tensor_member(struct reader *reader, const char *key, void *user)
{
    struct stored_tensor *tensor = user;
    enum error err = ERR_NONE;
    uint64_t numbers[MODEL_DIMENSIONS_MAX];
    int count;
    if (strcmp(key, "dtype") == 0) {
        char type[KEY_SIZE];
        TRY(take_string(type, sizeof type, reader));
        if (strcmp(type, "F32") != 0)
            return expected(reader, "dtype F32 before it");
    } else if (strcmp(key, "shape") == 0 && tensor->dimensions == 0) {
        TRY(take_numbers(numbers, &tensor->dimensions, MODEL_DIMENSIONS_MAX, reader));
        for (int i = 0; i < tensor->dimensions; i++)
            tensor->size[i] = (int64_t)numbers[i];
    } else if (strcmp(key, "data_offsets") == 0 && tensor->end == 0) {
        TRY(take_numbers(numbers, &count, 2, reader));
        if (count != 2)
            return expected(reader, "two offsets before it");
        tensor->begin = numbers[0];
        tensor->end = numbers[1];
    } else {
        return expected(reader, "dtype, shape and data_offsets, each once");
    }
out:
    return err;
}

static enum error header_member(struct reader *reader, const char *key, void *user)
{
    (void)user;
    if (strcmp(key, "__metadata__") == 0) {
        if (reader->has_metadata)
            return expected(reader, "__metadata__ once");
        reader->has_metadata = true;
        return take_object(reader, metadata_member, NULL);
    }
    if (reader->tensor_count == MODEL_TENSORS_MAX)
        return expected(reader, "fewer tensors");
    struct stored_tensor *tensor = &reader->tensors[reader->tensor_count++];
    snprintf(tensor->name, sizeof tensor->name, "%s", key);
    return take_object(reader, tensor_member, tensor);
}

static enum error wrong_metadata(const struct reader *reader, const char *key, const char *value)
{
    return error_set(ERR_DATA,
                     "%s: %s in its metadata is '%.80s'; is this a file that clade wrote?",
                     reader->path, key, value);
}

static bool number_in(const char *text, double least, double most, double *value)
{
    return text_to_double(text, value) && *value >= least && *value <= most;
}

static enum error use_metadata(struct model *model, const struct reader *reader)
{
    struct image_shape *shape = &model->shape;
    double mean, std;
    long long classes;
    char tail;
    if (strcmp(reader->format, "clade 1") != 0)
        return wrong_metadata(reader, "format", reader->format);
    if (genome_parse(&model->genome, reader->genome) != ERR_NONE)
        return wrong_metadata(reader, "genome", reader->genome);
    if (strlen(reader->image) > 20 ||
        sscanf(reader->image, "%dx%dx%d%c", &shape->height, &shape->width, &shape->channels,
               &tail) != 3 ||
        shape->height < 1 || shape->height > IMAGES_MAX_SIDE || shape->width < 1 ||
        shape->width > IMAGES_MAX_SIDE || shape->channels < 1 ||
        shape->channels > IMAGES_MAX_CHANNELS)
        return wrong_metadata(reader, "image", reader->image);
    if (!text_to_long(reader->classes, &classes) || classes < 2 || classes > CLASSES_MAX)
        return wrong_metadata(reader, "classes", reader->classes);
    shape->classes = (int)classes;
    if (!number_in(reader->mean, -1e6, 1e6, &mean))
        return wrong_metadata(reader, "pixel_mean", reader->mean);
    if (!number_in(reader->std, 1e-6, 1e6, &std))
        return wrong_metadata(reader, "pixel_std", reader->std);
    model->mean = (float)mean;
    model->std = (float)std;
    model->test_accuracy = NAN;
    if (reader->accuracy[0] != '\0' && !number_in(reader->accuracy, 0, 1, &model->test_accuracy))
        return wrong_metadata(reader, "test_accuracy", reader->accuracy);
    if (reader->names[0] != '\0' && model_set_class_names(model, reader->names) != ERR_NONE)
        return wrong_metadata(reader, "class_names", reader->names);
    return ERR_NONE;
}

static const struct stored_tensor *find_tensor(const struct reader *reader, const char *name)
{
    for (int i = 0; i < reader->tensor_count; i++)
        if (strcmp(reader->tensors[i].name, name) == 0)
            return &reader->tensors[i];
    return NULL;
}

static enum error check_tensor(const struct reader *reader, const struct model_tensor *wanted)
{
    const struct stored_tensor *tensor = find_tensor(reader, wanted->name);
    if (tensor == NULL)
        return error_set(ERR_DATA, "%s: the tensor %s of its genome is missing", reader->path,
                         wanted->name);
    bool same = tensor->dimensions == wanted->dimensions;
    for (int i = 0; i < wanted->dimensions; i++)
        same = same && tensor->size[i] == wanted->size[i];
    if (!same)
        return error_set(ERR_DATA, "%s: the shape of tensor %s does not fit its genome",
                         reader->path, wanted->name);
    if (tensor->end < tensor->begin || tensor->end > reader->data_bytes ||
        tensor->end - tensor->begin != wanted->count * sizeof(float))
        return error_set(ERR_DATA,
                         "%s: the offsets %" PRIu64 " to %" PRIu64
                         " of tensor %s do not fit its shape and the %" PRIu64 " bytes of data",
                         reader->path, tensor->begin, tensor->end, wanted->name,
                         reader->data_bytes);
    return ERR_NONE;
}

static int by_begin(const void *a, const void *b)
{
    const struct stored_tensor *x = a, *y = b;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

/* All tensors of the genome, and nothing but them. Sorts the stored ones by place. */
static enum error check_tensors(struct reader *reader, const struct model_tensor *wanted, int count)
{
    enum error err = ERR_NONE;
    for (int i = 0; i < count; i++)
        TRY(check_tensor(reader, &wanted[i]));
    if (reader->tensor_count != count)
        return error_set(ERR_DATA, "%s: %d tensors, but its genome has %d", reader->path,
                         reader->tensor_count, count);
    qsort(reader->tensors, (size_t)count, sizeof reader->tensors[0], by_begin);
    uint64_t end = 0;
    for (int i = 0; i < count; end = reader->tensors[i++].end)
        if (reader->tensors[i].begin != end)
            return error_set(ERR_DATA,
                             "%s: tensor %s begins at byte %" PRIu64 " of the data; "
                             "expected %" PRIu64 ", without overlap or gap",
                             reader->path, reader->tensors[i].name, reader->tensors[i].begin, end);
    if (end != reader->data_bytes)
        return error_set(ERR_DATA, "%s: %" PRIu64 " bytes after the last tensor", reader->path,
                         reader->data_bytes - end);
out:
    return err;
}

static enum error take_weights(struct model *model, const struct reader *reader,
                               const struct model_tensor *wanted, int count, FILE *file)
{
    size_t header_end = LENGTH_BYTES + reader->length;
    model->weight_count = wanted[count - 1].first + wanted[count - 1].count;
    model->weights = malloc(model->weight_count * sizeof *model->weights);
    if (model->weights == NULL)
        return error_set(ERR_INTERNAL, "out of memory for the weights of %s", reader->path);
    for (int i = 0; i < count; i++) {
        uint64_t begin = find_tensor(reader, wanted[i].name)->begin;
        float *to = model->weights + wanted[i].first;
        if (fseek(file, (long)(header_end + begin), SEEK_SET) != 0 ||
            fread(to, sizeof *to, wanted[i].count, file) != wanted[i].count)
            return error_set(ERR_DATA, "%s: cannot read tensor %s", reader->path, wanted[i].name);
        for (size_t k = 0; k < wanted[i].count; k++) {
            unsigned char b[4];
            memcpy(b, &to[k], sizeof b);
            uint32_t bits =
                b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
            memcpy(&to[k], &bits, sizeof bits);
            if (!isfinite(to[k]))
                return error_set(ERR_DATA, "%s: value %zu of tensor %s is not finite", reader->path,
                                 k, wanted[i].name);
        }
    }
    return ERR_NONE;
}

static enum error load_header(struct reader *reader, FILE *file, uint64_t file_bytes)
{
    unsigned char bytes[LENGTH_BYTES];
    uint64_t length = 0;
    if (file_bytes < LENGTH_BYTES || fread(bytes, 1, sizeof bytes, file) != sizeof bytes)
        return error_set(ERR_DATA, "%s: %" PRIu64 " bytes are too few for a .safetensors file",
                         reader->path, file_bytes);
    for (int i = 0; i < LENGTH_BYTES; i++)
        length |= (uint64_t)bytes[i] << (8 * i);
    if (length > HEADER_MAX || length > file_bytes - LENGTH_BYTES)
        return error_set(ERR_DATA,
                         "%s: a header of %" PRIu64 " bytes does not fit a file of %" PRIu64
                         "; it is truncated, or not a .safetensors file of clade",
                         reader->path, length, file_bytes);
    reader->length = (size_t)length;
    reader->data_bytes = file_bytes - LENGTH_BYTES - length;
    reader->header = calloc(reader->length + 1, 1);
    if (reader->header == NULL)
        return error_set(ERR_INTERNAL, "out of memory for the header of %s", reader->path);
    if (fread(reader->header, 1, reader->length, file) != reader->length)
        return error_set(ERR_DATA, "%s: cannot read its header", reader->path);
    return ERR_NONE;
}

enum error safetensors_read(struct model *model, const char *path)
{
    enum error err = ERR_NONE;
    struct model read = {0};
    struct model_tensor wanted[MODEL_TENSORS_MAX];
    struct stat status;
    FILE *file = NULL;
    struct reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return error_set(ERR_INTERNAL, "out of memory while opening %s", path);
    reader->path = path;
    /* Looked at before it is opened: opening a FIFO would wait for a writer. */
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode)) {
        err = error_set(ERR_DATA, "%s is not a file of weights", path);
        goto out;
    }
    file = fopen(path, "rb");
    if (file == NULL || fstat(fileno(file), &status) != 0) {
        err = error_set(ERR_DATA, "cannot open %s: %s", path, strerror(errno));
        goto out;
    }
    TRY(load_header(reader, file, (uint64_t)status.st_size));
    TRY(take_object(reader, header_member, NULL));
    next(reader);
    if (reader->at != reader->length) {
        err = expected(reader, "its end");
        goto out;
    }
    TRY(use_metadata(&read, reader));
    int count = model_tensors(wanted, &read.genome, &read.shape);
    TRY(check_tensors(reader, wanted, count));
    TRY(take_weights(&read, reader, wanted, count, file));
    *model = read;
    read.weights = NULL;
out:
    if (file != NULL)
        fclose(file);
    free(reader->header);
    free(reader);
    free(read.weights);
    return err;
}
