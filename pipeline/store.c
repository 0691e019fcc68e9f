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

enum { BUSY_TIMEOUT_MS = 60000 };

static const char *const statement_texts[] = {
#define X(name, sql) sql,
    STORE_STATEMENTS(X)
#undef X
};

enum error store_check(const struct store *store, int code, const char *act)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return ERR_NONE;
    case SQLITE_NOMEM:
        return error_set(ERR_INTERNAL, "out of memory: cannot %s", act);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return error_set(ERR_BUSY, "%s: cannot %s: another process kept the store locked for %d s",
                         store->path, act, BUSY_TIMEOUT_MS / 1000);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return error_set(ERR_DATA,
                         "%s: cannot %s: the store is damaged (%s); start the run anew, or put a "
                         "copy of the file back",
                         store->path, act, sqlite3_errmsg(store->database));
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        return error_set(ERR_OUTPUT,
                         "%s: cannot %s: %s; check the disk and the rights on the directory, then "
                         "resume the run",
                         store->path, act, sqlite3_errmsg(store->database));
    default:
        return error_set(ERR_INTERNAL, "%s: cannot %s: %s", store->path, act,
                         sqlite3_errmsg(store->database));
    }
}

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
    enum error err = store_check(store, code, act);
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
        *changes = sqlite3_changes(store->database);
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
    return error_set(ERR_DATA, "%s: the store is damaged: '%s' is not a status", store->path, word);
}

enum error store_column_genome(struct genome *genome, const struct store *store, int column)
{
    char text[GENOME_TEXT_SIZE];
    store_column_text(text, sizeof text, store, column);
    if (genome_parse(genome, text) != ERR_NONE)
        return error_set(ERR_DATA, "%s: the store is damaged: a genome in it cannot be read: %.80s",
                         store->path, text);
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
    if (!sqlite3_get_autocommit(store->database)) {
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
    enum error err = store_check(store, sqlite3_close(store->database), "close it");
    free(store->path);
    free(store);
    return err;
}

enum error store_set_durable(struct store *store, bool durable)
{
    return store_check(
        store,
        sqlite3_exec(store->database,
                     durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL", NULL,
                     NULL, NULL),
        "set it up");
}

static enum error connect(struct store **out, const char *path, int flags)
{
    enum error err = ERR_NONE;
    struct store *store = calloc(1, sizeof *store);
    if (store == NULL || (store->path = strdup(path)) == NULL) {
        free(store);
        return error_set(ERR_INTERNAL, "out of memory while opening %s", path);
    }
    TRY(store_check(store, sqlite3_open_v2(path, &store->database, flags, NULL), "open it"));
    TRY(store_check(store, sqlite3_busy_timeout(store->database, BUSY_TIMEOUT_MS), "open it"));
    TRY(store_check(store,
                    sqlite3_exec(store->database,
                                 "PRAGMA foreign_keys = ON; PRAGMA synchronous = NORMAL;", NULL,
                                 NULL, NULL),
                    "open it"));
    *out = store;
    return ERR_NONE;
out:
    store_close(store);
    return err;
}

static enum error prepare(struct store *store)
{
    for (int i = 0; i < STATEMENT_COUNT; i++) {
        int code = sqlite3_prepare_v3(store->database, statement_texts[i], -1,
                                      SQLITE_PREPARE_PERSISTENT, &store->statements[i], NULL);
        enum error err = store_check(store, code, "prepare a statement");
        if (err != ERR_NONE)
            return err;
    }
    return ERR_NONE;
}

enum error store_create(struct store **out, const char *path, const struct store_run *run,
                        const char *settings)
{
    enum error err = ERR_NONE;
    struct store *store = NULL;
    if (access(path, F_OK) == 0)
        return error_set(ERR_OUTPUT, "%s exists; a store is never overwritten", path);
    TRY(connect(&store, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE));
    TRY(store_set_durable(store, true));
    char versions[128];
    snprintf(versions, sizeof versions, "PRAGMA application_id = %d; PRAGMA user_version = %d;",
             STORE_APPLICATION, STORE_VERSION);
    static const char *const parts[] = {"PRAGMA journal_mode = WAL;", "BEGIN IMMEDIATE;",
                                        STORE_SCHEMA};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        TRY(store_check(store, sqlite3_exec(store->database, parts[i], NULL, NULL, NULL),
                        "create it"));
    TRY(store_check(store, sqlite3_exec(store->database, versions, NULL, NULL, NULL), "create it"));
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

/* One number that a PRAGMA or SELECT gives. */
static enum error query_int(int64_t *value, struct store *store, const char *sql, const char *act)
{
    enum error err = ERR_NONE;
    sqlite3_stmt *statement = NULL;
    TRY(store_check(store, sqlite3_prepare_v2(store->database, sql, -1, &statement, NULL), act));
    int code = sqlite3_step(statement);
    TRY(store_check(store, code, act));
    *value = sqlite3_column_int64(statement, 0);
out:
    sqlite3_finalize(statement);
    return err;
}

static enum error check_identity(struct store *store)
{
    enum error err = ERR_NONE;
    int64_t application, version, tables;
    TRY(query_int(&application, store, "PRAGMA application_id", "read its header"));
    TRY(query_int(&version, store, "PRAGMA user_version", "read its header"));
    TRY(query_int(&tables, store, "SELECT count(*) FROM sqlite_master", "read its tables"));
    if (application == 0 && version == 0 && tables == 0)
        return error_set(ERR_DATA,
                         "%s is empty: the run was stopped before it began; delete its directory "
                         "and start it anew",
                         store->path);
    if (application != STORE_APPLICATION)
        return error_set(ERR_DATA, "%s is an SQLite file, but not one that clade has written",
                         store->path);
    if (version > STORE_VERSION)
        return error_set(ERR_DATA,
                         "%s has store version %" PRId64 ", this clade reads up to %d; use the "
                         "newer clade that wrote it",
                         store->path, version, STORE_VERSION);
    if (version < STORE_VERSION)
        return error_set(ERR_DATA, "%s has store version %" PRId64 ", this clade reads only %d",
                         store->path, version, STORE_VERSION);
out:
    return err;
}

static enum error verify_pages(struct store *store)
{
    enum error err = ERR_NONE;
    sqlite3_stmt *statement = NULL;
    TRY(store_check(
        store, sqlite3_prepare_v2(store->database, "PRAGMA quick_check(1)", -1, &statement, NULL),
        "verify it"));
    int code = sqlite3_step(statement);
    TRY(store_check(store, code, "verify it"));
    const char *verdict = (const char *)sqlite3_column_text(statement, 0);
    if (verdict == NULL || strcmp(verdict, "ok") != 0) {
        char line[160];
        snprintf(line, sizeof line, "%s", verdict != NULL ? verdict : "no answer");
        line[strcspn(line, "\n")] = '\0';
        err = error_set(ERR_DATA,
                        "%s: the store is damaged (%s); start the run anew, or put a copy of the "
                        "file back",
                        store->path, line);
    }
out:
    sqlite3_finalize(statement);
    return err;
}

enum error store_open(struct store **out, const char *path, bool verify)
{
    enum error err = ERR_NONE;
    struct store *store = NULL;
    if (access(path, F_OK) != 0)
        return error_set(ERR_DATA, "%s does not exist: there is no run in this directory", path);
    TRY(connect(&store, path, SQLITE_OPEN_READWRITE));
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
        err = error_set(ERR_DATA, "%s: the store is damaged: it describes no run", store->path);
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
    *worker = sqlite3_last_insert_rowid(store->database);
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
