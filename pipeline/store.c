#include "pipeline/store.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pipeline/base/clock.h"
#include "pipeline/store_internal.h"
#include "pipeline/store_schema.h"

static const char *const statement_texts[] = {
#define X(name, sql) sql,
    STORE_STATEMENTS(X)
#undef X
};

void store_use(struct store *store, enum statement statement)
{
    if (store->current != NULL)
        sqlite3_reset(store->current);
    store->current = store->statements[statement];
    store->bind_code = SQLITE_OK;
    sqlite3_clear_bindings(store->current);
}

static void note_bind(struct store *store, int code)
{
    if (store->bind_code == SQLITE_OK)
        store->bind_code = code;
}

void store_bind_int(struct store *store, int index, int64_t value)
{
    note_bind(store, sqlite3_bind_int64(store->current, index, value));
}

void store_bind_double(struct store *store, int index, double value)
{
    if (isnan(value))
        note_bind(store, sqlite3_bind_null(store->current, index));
    else
        note_bind(store, sqlite3_bind_double(store->current, index, value));
}

void store_bind_text(struct store *store, int index, const char *text)
{
    note_bind(store, sqlite3_bind_text(store->current, index, text, -1, SQLITE_STATIC));
}

void store_bind_blob(struct store *store, int index, const void *data, size_t size)
{
    note_bind(store, sqlite3_bind_blob64(store->current, index, data, size, SQLITE_STATIC));
}

enum error store_step(bool *row, struct store *store, const char *act)
{
    int code = store->bind_code;
    if (code == SQLITE_OK)
        code = sqlite3_step(store->current);
    *row = code == SQLITE_ROW;
    enum error err = database_check(&store->file, code, act);
    if (!*row)
        sqlite3_reset(store->current);
    return err;
}

enum error store_execute(int *changes, struct store *store, const char *act)
{
    bool row;
    enum error err = store_step(&row, store, act);
    assert(!row);
    if (changes != NULL)
        *changes = sqlite3_changes(store->file.sqlite);
    return err;
}

int64_t store_column_int(const struct store *store, int column)
{
    return sqlite3_column_int64(store->current, column);
}

double store_column_double(const struct store *store, int column)
{
    if (sqlite3_column_type(store->current, column) == SQLITE_NULL)
        return NAN;
    return sqlite3_column_double(store->current, column);
}

void store_column_text(char *out, size_t size, const struct store *store, int column)
{
    const unsigned char *text = sqlite3_column_text(store->current, column);
    snprintf(out, size, "%s", text != NULL ? (const char *)text : "");
}

enum error store_column_status(enum candidate_status *status, const struct store *store, int column)
{
    char word[32];
    store_column_text(word, sizeof word, store, column);
    for (int i = 0; i < CANDIDATE_STATUS_COUNT; i++) {
        if (strcmp(word, candidate_status_name((enum candidate_status)i)) == 0) {
            *status = (enum candidate_status)i;
            return ERR_NONE;
        }
    }
    return error_set(ERR_DATA, "%s: the store is damaged: '%s' is not a status", store->file.path,
                     word);
}

enum error store_column_genome(struct genome *genome, const struct store *store, int column)
{
    char text[GENOME_TEXT_SIZE];
    store_column_text(text, sizeof text, store, column);
    if (genome_parse(genome, text) != ERR_NONE)
        return error_set(ERR_DATA, "%s: the store is damaged: a genome in it cannot be read: %.80s",
                         store->file.path, text);
    return ERR_NONE;
}

enum error store_begin(struct store *store)
{
    store_use(store, STATEMENT_BEGIN);
    return store_execute(NULL, store, "begin a transaction");
}

enum error store_end(struct store *store, enum error err)
{
    if (err == ERR_NONE) {
        store_use(store, STATEMENT_COMMIT);
        err = store_execute(NULL, store, "end a transaction");
        if (err == ERR_NONE)
            return ERR_NONE;
    }
    /* Some failures have rolled back already; the message of the first one is what counts. */
    if (store->current != NULL)
        sqlite3_reset(store->current);
    if (!sqlite3_get_autocommit(store->file.sqlite)) {
        sqlite3_reset(store->statements[STATEMENT_ROLLBACK]);
        sqlite3_step(store->statements[STATEMENT_ROLLBACK]);
        sqlite3_reset(store->statements[STATEMENT_ROLLBACK]);
    }
    return err;
}

enum error store_close(struct store *store)
{
    if (store == NULL)
        return ERR_NONE;
    for (int i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(store->statements[i]);
    enum error err = database_check(&store->file, sqlite3_close(store->file.sqlite), "close it");
    free(store->file.path);
    free(store);
    return err;
}

enum error store_set_durable(struct store *store, bool durable)
{
    return database_run(&store->file,
                        durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL",
                        "set it up");
}

/* `name` is what SQLite calls the file at `path`: the same, or a URI. */
static enum error connect(struct store **out, const char *path, const char *name, int flags)
{
    enum error err = ERR_NONE;
    struct store *store = calloc(1, sizeof *store);
    if (store == NULL || (store->file.path = strdup(path)) == NULL) {
        free(store);
        return error_set(ERR_INTERNAL, "out of memory while opening %s", path);
    }
    store->file.what = "store";
    store->file.if_damaged = "start the run anew, or put a copy of the file back";
    store->file.if_unwritable =
        "check the disk and the rights on the directory, then resume the run";
    TRY(database_check(&store->file, sqlite3_open_v2(name, &store->file.sqlite, flags, NULL),
                       "open it"));
    TRY(database_check(&store->file, sqlite3_busy_timeout(store->file.sqlite, DATABASE_BUSY_MS),
                       "open it"));
    TRY(database_run(&store->file, "PRAGMA foreign_keys = ON; PRAGMA synchronous = NORMAL;",
                     "open it"));
    *out = store;
    return ERR_NONE;
out:
    store_close(store);
    return err;
}

static enum error prepare(struct store *store)
{
    return database_prepare(store->statements, statement_texts, STATEMENT_COUNT, &store->file);
}

enum error store_create(struct store **out, const char *path, const struct store_run *run,
                        const char *settings)
{
    enum error err = ERR_NONE;
    struct store *store = NULL;
    if (access(path, F_OK) == 0)
        return error_set(ERR_OUTPUT, "%s exists; a store is never overwritten", path);
    TRY(connect(&store, path, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE));
    TRY(store_set_durable(store, true));
    char versions[128];
    snprintf(versions, sizeof versions, "PRAGMA application_id = %d; PRAGMA user_version = %d;",
             STORE_APPLICATION, STORE_VERSION);
    TRY(database_use_wal(&store->file, "create it"));
    TRY(database_run(&store->file, "BEGIN IMMEDIATE", "create it"));
    TRY(database_run(&store->file, STORE_SCHEMA, "create it"));
    TRY(database_run(&store->file, versions, "create it"));
    TRY(prepare(store));
    store_use(store, STATEMENT_ADD_RUN);
    store_bind_text(store, 1, run->name);
    store_bind_int(store, 2, run->created_utc_us);
    store_bind_int(store, 3, run->shape.height);
    store_bind_int(store, 4, run->shape.width);
    store_bind_int(store, 5, run->shape.channels);
    store_bind_int(store, 6, run->shape.classes);
    store_bind_int(store, 7, run->training_images);
    store_bind_int(store, 8, run->data_check);
    store_bind_text(store, 9, settings);
    store_bind_double(store, 10, (double)run->mean);
    store_bind_double(store, 11, (double)run->std);
    TRY(store_execute(NULL, store, "write the run"));
    TRY(store_end(store, ERR_NONE));
    TRY(store_set_durable(store, false));
    *out = store;
    return ERR_NONE;
out:
    store_close(store); /* without COMMIT no table is left behind */
    return err;
}

static enum error check_identity(struct store *store)
{
    enum error err = ERR_NONE;
    int64_t application, version, tables;
    TRY(database_number(&application, &store->file, "PRAGMA application_id", "read its header"));
    TRY(database_number(&version, &store->file, "PRAGMA user_version", "read its header"));
    TRY(database_number(&tables, &store->file, "SELECT count(*) FROM sqlite_master",
                        "read its tables"));
    if (application == 0 && version == 0 && tables == 0)
        return error_set(ERR_DATA,
                         "%s is empty: the run was stopped before it began; delete its directory "
                         "and start it anew",
                         store->file.path);
    if (application != STORE_APPLICATION)
        return error_set(ERR_DATA, "%s is an SQLite file, but not one that clade has written",
                         store->file.path);
    if (version > STORE_VERSION)
        return error_set(ERR_DATA,
                         "%s has store version %" PRId64 ", this clade reads up to %d; use the "
                         "newer clade that wrote it",
                         store->file.path, version, STORE_VERSION);
    if (version < STORE_VERSION)
        return error_set(ERR_DATA, "%s has store version %" PRId64 ", this clade reads only %d",
                         store->file.path, version, STORE_VERSION);
out:
    return err;
}

static enum error verify_pages(struct store *store)
{
    enum error err = ERR_NONE;
    sqlite3_stmt *statement = NULL;
    TRY(database_check(
        &store->file,
        sqlite3_prepare_v2(store->file.sqlite, "PRAGMA quick_check(1)", -1, &statement, NULL),
        "verify it"));
    int code = sqlite3_step(statement);
    TRY(database_check(&store->file, code, "verify it"));
    const char *verdict = (const char *)sqlite3_column_text(statement, 0);
    if (verdict == NULL || strcmp(verdict, "ok") != 0) {
        char line[160];
        snprintf(line, sizeof line, "%s", verdict != NULL ? verdict : "no answer");
        line[strcspn(line, "\n")] = '\0';
        err = error_set(ERR_DATA,
                        "%s: the store is damaged (%s); start the run anew, or put a copy of the "
                        "file back",
                        store->file.path, line);
    }
out:
    sqlite3_finalize(statement);
    return err;
}

/* In a directory where nothing can be written, such as an archive or someone else's, SQLite cannot
   make the log that it wants beside the file. Without a log the file is all there is. */
static bool is_archived(const char *path)
{
    struct text directory = {0}, log = {0};
    const char *slash = strrchr(path, '/');
    text_append_n(&directory, path, slash != NULL ? (size_t)(slash - path) + 1 : 0);
    text_append(&directory, ".");
    text_printf(&log, "%s-wal", path);
    bool archived = !directory.failed && !log.failed && access(directory.data, W_OK) != 0 &&
                    access(log.data, F_OK) != 0;
    text_free(&directory);
    text_free(&log);
    return archived;
}

/* Reads only, and takes no locks: nobody can write there. */
static enum error connect_archived(struct store **out, const char *path)
{
    struct text uri = {0};
    text_append(&uri, "file:");
    for (const char *at = path; *at != '\0'; at++) {
        if (strchr("%?#", *at) != NULL)
            text_printf(&uri, "%%%02X", (unsigned char)*at);
        else
            text_append_n(&uri, at, 1);
    }
    text_append(&uri, "?immutable=1");
    enum error err = text_status(&uri);
    if (err == ERR_NONE)
        err = connect(out, path, uri.data, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
    text_free(&uri);
    return err;
}

enum error store_open(struct store **out, const char *path, bool verify)
{
    enum error err = ERR_NONE;
    struct store *store = NULL;
    if (access(path, F_OK) != 0)
        return error_set(ERR_DATA, "%s does not exist: there is no run in this directory", path);
    TRY(is_archived(path) ? connect_archived(&store, path)
                          : connect(&store, path, path, SQLITE_OPEN_READWRITE));
    TRY(check_identity(store));
    if (verify)
        TRY(verify_pages(store));
    TRY(prepare(store));
    *out = store;
    return ERR_NONE;
out:
    store_close(store);
    return err;
}

static enum error run_row(struct store *store)
{
    bool row;
    store_use(store, STATEMENT_READ_RUN);
    enum error err = store_step(&row, store, "read the run");
    if (err == ERR_NONE && !row)
        err =
            error_set(ERR_DATA, "%s: the store is damaged: it describes no run", store->file.path);
    return err;
}

enum error store_read_run(struct store_run *run, struct store *store)
{
    enum error err = run_row(store);
    if (err != ERR_NONE)
        return err;
    *run = (struct store_run){.created_utc_us = store_column_int(store, 1),
                              .shape = {.height = (int)store_column_int(store, 2),
                                        .width = (int)store_column_int(store, 3),
                                        .channels = (int)store_column_int(store, 4),
                                        .classes = (int)store_column_int(store, 5)},
                              .training_images = store_column_int(store, 6),
                              .data_check = store_column_int(store, 7),
                              .mean = (float)store_column_double(store, 9),
                              .std = (float)store_column_double(store, 10),
                              .deadline_utc_us = store_column_int(store, 11),
                              .search_deadline_utc_us = store_column_int(store, 12),
                              .search_ended_utc_us = store_column_int(store, 13)};
    store_column_text(run->name, sizeof run->name, store, 0);
    sqlite3_reset(store->current);
    return ERR_NONE;
}

enum error store_read_settings(struct text *ini, struct store *store)
{
    enum error err = run_row(store);
    if (err != ERR_NONE)
        return err;
    text_append(ini, (const char *)sqlite3_column_text(store->current, 8));
    sqlite3_reset(store->current);
    return text_status(ini);
}

enum error store_add_worker(int64_t *worker, struct store *store, int slot,
                            const struct device_version *device)
{
    store_use(store, STATEMENT_ADD_WORKER);
    store_bind_int(store, 1, slot);
    store_bind_text(store, 2, device->device);
    store_bind_int(store, 3, clock_utc_us());
    store_bind_text(store, 4, device->platform);
    store_bind_text(store, 5, device->platform_version);
    store_bind_text(store, 6, device->driver_version);
    store_bind_text(store, 7, device->device_version);
    enum error err = store_execute(NULL, store, "write a worker");
    *worker = sqlite3_last_insert_rowid(store->file.sqlite);
    return err;
}

enum error store_add_tuning(struct store *store, const char *key, const char *text)
{
    store_use(store, STATEMENT_ADD_TUNING);
    store_bind_text(store, 1, key);
    store_bind_text(store, 2, text);
    return store_execute(NULL, store, "write a tuning");
}

enum error store_read_tuning(struct text *text, struct store *store, const char *key)
{
    bool row;
    store_use(store, STATEMENT_READ_TUNING);
    store_bind_text(store, 1, key);
    enum error err = store_step(&row, store, "read a tuning");
    if (err != ERR_NONE || !row)
        return err;
    text_append(text, (const char *)sqlite3_column_text(store->current, 0));
    sqlite3_reset(store->current);
    return text_status(text);
}

enum error store_add_event(struct store *store, enum log_level level, const char *text)
{
    store_use(store, STATEMENT_ADD_EVENT);
    store_bind_int(store, 1, clock_utc_us());
    store_bind_text(store, 2, log_level_name(level));
    store_bind_text(store, 3, text);
    return store_execute(NULL, store, "write an event");
}
