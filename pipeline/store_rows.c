/* Reading the store: rows to structs. */
#include "pipeline/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/store_internal.h"
#include "stages/confirm.h"

/* A growing array of rows of `size` bytes. */
struct rows {
    void *data;
    size_t count, capacity, size;
};

/* The place of a new row, zeroed; NULL when out of memory. */
static void *rows_next(struct rows *rows)
{
    if (rows->count == rows->capacity) {
        size_t capacity = rows->capacity > 0 ? 2 * rows->capacity : 64;
        void *data = realloc(rows->data, capacity * rows->size);
        if (data == NULL)
            return NULL;
        rows->data = data;
        rows->capacity = capacity;
    }
    return memset((char *)rows->data + rows->size * rows->count++, 0, rows->size);
}

typedef enum error read_row(void *row, struct store *store);
typedef void free_row(void *row);

/* Reads all rows of the statement in use. `release`, if not NULL, frees what a row owns. On
   failure the list is NULL and empty. */
static enum error read_all(void **list, size_t *count, size_t size, struct store *store,
                           read_row *read, free_row *release, const char *act)
{
    enum error err = ERR_NONE;
    struct rows rows = {.size = size};
    for (;;) {
        bool more;
        TRY(store_step(&more, store, act));
        if (!more)
            break;
        void *row = rows_next(&rows);
        if (row == NULL) {
            err = error_set(ERR_INTERNAL, "out of memory: cannot %s", act);
            goto out;
        }
        TRY(read(row, store));
    }
out:
    if (err != ERR_NONE) {
        for (size_t i = 0; release != NULL && i < rows.count; i++)
            release((char *)rows.data + i * size);
        free(rows.data);
        rows = (struct rows){0};
    }
    *list = rows.data;
    *count = rows.count;
    return err;
}

static void free_confirmation(void *row)
{
    confirmation_free(row);
}

/* Columns as STATEMENT_READ_CANDIDATES and STATEMENT_READ_ATTEMPTS select them. */
static enum error read_candidate(void *row, struct store *store)
{
    struct candidate *c = row;
    c->id = store_column_int(store, 0);
    c->generation = (int)store_column_int(store, 1);
    c->attempt = (int)store_column_int(store, 2);
    store_column_text(c->operator_name, sizeof c->operator_name, store, 5);
    bool has_parent = sqlite3_column_type(store->current, 6) != SQLITE_NULL;
    c->parent = has_parent ? store_column_int(store, 6) : -1;
    c->cost.parameters = store_column_int(store, 7);
    c->cost.macs = store_column_int(store, 8);
    c->cost.activations = store_column_int(store, 9);
    c->epochs = (int)store_column_int(store, 10);
    c->train_images = (int)store_column_int(store, 11);
    c->seed = (uint64_t)store_column_int(store, 12);
    c->train_loss = store_column_double(store, 13);
    c->validation_loss = store_column_double(store, 14);
    c->validation_accuracy = store_column_double(store, 15);
    c->images_per_s = store_column_double(store, 16);
    store_column_text(c->device, sizeof c->device, store, 17);
    c->worker = (int)store_column_int(store, 18);
    c->started_utc_us = store_column_int(store, 19);
    c->duration_s = store_column_double(store, 20);
    c->redraws = (int)store_column_int(store, 21);
    c->earlier = store_column_int(store, 22);
    c->earlier_mean = store_column_double(store, 23);
    c->earlier_deviation = store_column_double(store, 24);
    c->rung = (int)store_column_int(store, 25);
    enum error err = store_column_status(&c->status, store, 3);
    if (err == ERR_NONE)
        err = store_column_genome(&c->genome, store, 4);
    return err;
}

/* Rows of a statement that selects candidates with ids in first..last. */
static enum error read_range(struct candidate **list, size_t *count, struct store *store,
                             enum statement statement, int64_t first, int64_t last)
{
    void *rows;
    store_use(store, statement);
    store_bind_int(store, 1, first);
    store_bind_int(store, 2, last);
    enum error err =
        read_all(&rows, count, sizeof **list, store, read_candidate, NULL, "read the candidates");
    *list = rows;
    return err;
}

enum error store_read_candidates(struct candidate **list, size_t *count, struct store *store)
{
    return read_range(list, count, store, STATEMENT_READ_CANDIDATES, 0, CANDIDATE_BASELINE - 1);
}

enum error store_read_baseline(struct candidate **list, size_t *count, struct store *store)
{
    return read_range(list, count, store, STATEMENT_READ_CANDIDATES, CANDIDATE_BASELINE, INT64_MAX);
}

enum error store_read_candidate(struct candidate *candidate, struct store *store, int64_t id)
{
    bool row;
    store_use(store, STATEMENT_READ_CANDIDATES);
    store_bind_int(store, 1, id);
    store_bind_int(store, 2, id);
    enum error err = store_step(&row, store, "read a candidate");
    if (err != ERR_NONE)
        return err;
    if (!row)
        return error_set(ERR_DATA, "%s has no candidate c%06" PRId64, store->file.path, id);
    *candidate = (struct candidate){0};
    err = read_candidate(candidate, store);
    sqlite3_reset(store->current);
    return err;
}

enum error store_read_attempts(struct candidate **list, size_t *count, struct store *store)
{
    return read_range(list, count, store, STATEMENT_READ_ATTEMPTS, 0, CANDIDATE_BASELINE - 1);
}

enum error store_read_baseline_attempts(struct candidate **list, size_t *count, struct store *store)
{
    return read_range(list, count, store, STATEMENT_READ_ATTEMPTS, CANDIDATE_BASELINE, INT64_MAX);
}

/* A copy of the blob in `column`, which must have `size` bytes unless size is 0: then any. */
static enum error copy_blob(void **data, size_t *size, struct store *store, int column)
{
    const void *blob = sqlite3_column_blob(store->current, column);
    size_t bytes = (size_t)sqlite3_column_bytes(store->current, column);
    if (blob == NULL || (*size != 0 && *size != bytes))
        return error_set(ERR_DATA, "%s: the store is damaged: an array of %zu bytes has %zu",
                         store->file.path, *size, bytes);
    *data = malloc(bytes);
    if (*data == NULL)
        return error_set(ERR_INTERNAL, "out of memory while reading %s", store->file.path);
    memcpy(*data, blob, bytes);
    *size = bytes;
    return ERR_NONE;
}

/* The part of a row of STATEMENT_READ_CONFIRMATIONS that the test gave. */
static enum error read_test(struct confirmation *c, struct store *store)
{
    enum error err = ERR_NONE;
    void *predictions = NULL, *confusion = NULL, *pixels = NULL, *labels = NULL;
    c->classes = (int)store_column_int(store, 13);
    size_t classes = (size_t)c->classes;
    size_t images = 0, bytes = classes * classes * sizeof *c->confusion;
    TRY(copy_blob(&predictions, &images, store, 14));
    TRY(copy_blob(&confusion, &bytes, store, 15));
    TRY(copy_blob(&labels, &images, store, 20));
    if (sqlite3_column_type(store->current, 19) != SQLITE_NULL)
        TRY(copy_blob(&pixels, &c->miss_size, store, 19)); /* of all; read_misses() divides it */
out:
    c->miss_pixels = pixels;
    c->predictions = predictions;
    c->labels = labels;
    c->confusion = confusion;
    c->test_images = (uint32_t)images;
    return err;
}

static enum error read_confirmation(void *row, struct store *store)
{
    struct confirmation *c = row;
    c->candidate = store_column_int(store, 0);
    c->replicate = (int)store_column_int(store, 1);
    c->seed = (uint64_t)store_column_int(store, 2);
    c->epochs = (int)store_column_int(store, 4);
    c->train_images = (int)store_column_int(store, 5);
    c->train_loss = store_column_double(store, 6);
    c->validation_loss = store_column_double(store, 7);
    c->validation_accuracy = store_column_double(store, 8);
    c->test_loss = store_column_double(store, 9);
    c->test_accuracy = store_column_double(store, 10);
    c->images_per_s = store_column_double(store, 11);
    c->duration_s = store_column_double(store, 12);
    store_column_text(c->device, sizeof c->device, store, 16);
    c->worker = (int)store_column_int(store, 17);
    c->started_utc_us = store_column_int(store, 18);
    enum error err = store_column_genome(&c->genome, store, 3);
    bool tested = sqlite3_column_type(store->current, 13) != SQLITE_NULL;
    return err == ERR_NONE && tested ? read_test(c, store) : err;
}

static enum error read_miss(void *row, struct store *store)
{
    struct miss *miss = row;
    miss->image = (uint32_t)store_column_int(store, 0);
    miss->label = (int)store_column_int(store, 1);
    miss->predicted = (int)store_column_int(store, 2);
    miss->probability = store_column_double(store, 3);
    return ERR_NONE;
}

static enum error read_misses(struct confirmation *c, struct store *store)
{
    void *rows;
    store_use(store, STATEMENT_READ_MISSES);
    store_bind_int(store, 1, c->candidate);
    store_bind_int(store, 2, c->replicate);
    enum error err = read_all(&rows, &c->miss_count, sizeof *c->misses, store, read_miss, NULL,
                              "read the test images");
    c->misses = rows;
    if (err == ERR_NONE && c->miss_count > 0)
        c->miss_size /= c->miss_count;
    return err;
}

enum error store_read_confirmations(struct confirmation **list, size_t *count, struct store *store)
{
    void *rows;
    store_use(store, STATEMENT_READ_CONFIRMATIONS);
    enum error err = read_all(&rows, count, sizeof **list, store, read_confirmation,
                              free_confirmation, "read the confirm results");
    *list = rows;
    for (size_t i = 0; i < *count && err == ERR_NONE; i++)
        err = read_misses(&(*list)[i], store);
    if (err != ERR_NONE) {
        store_free_confirmations(*list, *count);
        *list = NULL;
        *count = 0;
    }
    return err;
}

void store_free_confirmations(struct confirmation *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free_confirmation(&list[i]);
    free(list);
}

/* The one blob of floats that the statement in use finds; ERR_DATA when there is none. */
static enum error read_floats(float **floats, size_t *count, struct store *store, const char *what,
                              int64_t candidate)
{
    bool row;
    void *data = NULL;
    size_t bytes = 0;
    enum error err = store_step(&row, store, "read parameters");
    if (err == ERR_NONE && !row)
        err = error_set(ERR_DATA, "%s has no %s of c%06" PRId64, store->file.path, what, candidate);
    if (err == ERR_NONE)
        err = copy_blob(&data, &bytes, store, 0);
    sqlite3_reset(store->current);
    *floats = data;
    *count = bytes / sizeof **floats;
    return err;
}

enum error store_read_weights(float **weights, size_t *count, struct store *store,
                              int64_t candidate, int replicate)
{
    char what[48];
    snprintf(what, sizeof what, "weights in replicate %d", replicate);
    store_use(store, STATEMENT_READ_WEIGHTS);
    store_bind_int(store, 1, candidate);
    store_bind_int(store, 2, replicate);
    return read_floats(weights, count, store, what, candidate);
}

enum error store_read_state(float **state, size_t *count, struct store *store, int64_t candidate)
{
    store_use(store, STATEMENT_READ_STATE);
    store_bind_int(store, 1, candidate);
    return read_floats(state, count, store, "parameters of the search", candidate);
}

static enum error read_epoch(void *row, struct store *store)
{
    struct epoch *epoch = row;
    epoch->epoch = (int)store_column_int(store, 0);
    epoch->train_loss = store_column_double(store, 1);
    epoch->train_accuracy = store_column_double(store, 2);
    epoch->seconds = store_column_double(store, 3);
    epoch->images_per_s = store_column_double(store, 4);
    return ERR_NONE;
}

enum error store_read_epochs(struct epoch **list, size_t *count, struct store *store, int64_t job,
                             int attempt)
{
    void *rows;
    store_use(store, STATEMENT_READ_EPOCHS);
    store_bind_int(store, 1, job);
    store_bind_int(store, 2, attempt);
    enum error err =
        read_all(&rows, count, sizeof **list, store, read_epoch, NULL, "read the epochs");
    *list = rows;
    return err;
}

static enum error read_curve(void *row, struct store *store)
{
    struct epoch_record *record = row;
    record->confirm = store_column_int(store, 0) == JOB_CONFIRM;
    record->candidate = store_column_int(store, 1);
    record->replicate = (int)store_column_int(store, 2);
    record->attempt = (int)store_column_int(store, 3);
    record->epoch = (int)store_column_int(store, 4);
    record->train_loss = store_column_double(store, 5);
    record->train_accuracy = store_column_double(store, 6);
    record->seconds = store_column_double(store, 7);
    record->images_per_s = store_column_double(store, 8);
    return ERR_NONE;
}

enum error store_read_curves(struct epoch_record **list, size_t *count, struct store *store)
{
    void *rows;
    store_use(store, STATEMENT_READ_CURVES);
    enum error err =
        read_all(&rows, count, sizeof **list, store, read_curve, NULL, "read the learning curves");
    *list = rows;
    return err;
}

static enum error read_pace(void *row, struct store *store)
{
    struct pace_sample *sample = row;
    store_column_text(sample->device, sizeof sample->device, store, 0);
    sample->macs = store_column_int(store, 1);
    sample->images = store_column_double(store, 2);
    sample->seconds = store_column_double(store, 3);
    sample->rest_s = store_column_double(store, 4);
    return ERR_NONE;
}

enum error store_read_pace(struct pace_sample **list, size_t *count, struct store *store)
{
    void *rows;
    store_use(store, STATEMENT_READ_PACE);
    enum error err =
        read_all(&rows, count, sizeof **list, store, read_pace, NULL, "read the paces");
    *list = rows;
    return err;
}

static enum error read_worker(void *row, struct store *store)
{
    struct worker_row *worker = row;
    worker->id = store_column_int(store, 0);
    worker->slot = (int)store_column_int(store, 1);
    store_column_text(worker->device, sizeof worker->device, store, 2);
    worker->started_utc_us = store_column_int(store, 3);
    worker->ended_utc_us = store_column_int(store, 4);
    store_column_text(worker->ending, sizeof worker->ending, store, 5);
    worker->committed = store_column_int(store, 6);
    return ERR_NONE;
}

enum error store_read_workers(struct worker_row **list, size_t *count, struct store *store)
{
    void *rows;
    store_use(store, STATEMENT_READ_WORKERS);
    enum error err =
        read_all(&rows, count, sizeof **list, store, read_worker, NULL, "read the workers");
    *list = rows;
    return err;
}

static enum error read_version(void *row, struct store *store)
{
    struct device_version *version = row;
    store_column_text(version->device, sizeof version->device, store, 0);
    store_column_text(version->platform, sizeof version->platform, store, 1);
    store_column_text(version->platform_version, sizeof version->platform_version, store, 2);
    store_column_text(version->driver_version, sizeof version->driver_version, store, 3);
    store_column_text(version->device_version, sizeof version->device_version, store, 4);
    return ERR_NONE;
}

enum error store_read_versions(struct device_version **list, size_t *count, struct store *store)
{
    void *rows;
    store_use(store, STATEMENT_READ_VERSIONS);
    enum error err =
        read_all(&rows, count, sizeof **list, store, read_version, NULL, "read the versions");
    *list = rows;
    return err;
}
