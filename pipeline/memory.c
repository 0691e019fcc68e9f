#include "pipeline/memory.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inputs/settings_table.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/rng.h"
#include "pipeline/database.h"

enum {
    MEMORY_APPLICATION = 0x434c4d45, /* "CLME", PRAGMA application_id */
    MEMORY_VERSION = 1               /* PRAGMA user_version */
};

/* Seeds are the 64 bits of an unsigned number in a signed column. */
static const char schema[] =
    "CREATE TABLE IF NOT EXISTS recipes ("
    "  id INTEGER PRIMARY KEY, data_check INTEGER NOT NULL, recipe TEXT NOT NULL,"
    "  UNIQUE (data_check, recipe));"
    "CREATE TABLE IF NOT EXISTS genomes ("
    "  recipe INTEGER NOT NULL REFERENCES recipes (id), genome TEXT NOT NULL,"
    "  count INTEGER NOT NULL, mean REAL NOT NULL, squares REAL NOT NULL,"
    "  PRIMARY KEY (recipe, genome)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS trainings ("
    "  recipe INTEGER NOT NULL, genome TEXT NOT NULL, seed INTEGER NOT NULL, run TEXT NOT NULL,"
    "  candidate INTEGER NOT NULL, accuracy REAL NOT NULL, utc_us INTEGER NOT NULL,"
    "  PRIMARY KEY (recipe, genome, seed), UNIQUE (run, candidate),"
    "  FOREIGN KEY (recipe, genome) REFERENCES genomes (recipe, genome)"
    "  DEFERRABLE INITIALLY DEFERRED) WITHOUT ROWID;";

#define STATEMENTS(X)                                                                              \
    X(BEGIN, "BEGIN IMMEDIATE")                                                                    \
    X(COMMIT, "COMMIT")                                                                            \
    X(ROLLBACK, "ROLLBACK")                                                                        \
    X(ADD_RECIPE, "INSERT OR IGNORE INTO recipes (data_check, recipe) VALUES (?1, ?2)")            \
    X(FIND_RECIPE, "SELECT id FROM recipes WHERE data_check = ?1 AND recipe = ?2")                 \
    X(LIST, "SELECT genome, count, mean, squares FROM genomes WHERE recipe = ?1 ORDER BY genome")  \
    X(FIND, "SELECT genome, count, mean, squares FROM genomes WHERE recipe = ?1 AND genome = ?2")  \
    X(EARLIER, "SELECT accuracy FROM trainings WHERE recipe = ?1 AND genome = ?2 AND run <> ?3 "   \
               "ORDER BY seed")                                                                    \
    X(FIND_SEED, "SELECT 1 FROM trainings WHERE recipe = ?1 AND genome = ?2 AND seed = ?3")        \
    X(ADD_TRAINING, "INSERT OR IGNORE INTO trainings (recipe, genome, seed, run, candidate, "      \
                    "accuracy, utc_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")                       \
    X(PUT, "INSERT INTO genomes (recipe, genome, count, mean, squares) VALUES (?1, ?2, ?3, ?4, "   \
           "?5) ON CONFLICT (recipe, genome) DO UPDATE SET count = excluded.count, "               \
           "mean = excluded.mean, squares = excluded.squares")

enum statement {
#define X(name, sql) STATEMENT_##name,
    STATEMENTS(X)
#undef X
        STATEMENT_COUNT
};

static const char *const statement_texts[] = {
#define X(name, sql) sql,
    STATEMENTS(X)
#undef X
};

struct memory {
    struct database file;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    char *run;
    int64_t recipe;
};

/* Chooses a statement, whose first parameter is the recipe where it has one. */
static sqlite3_stmt *use(struct memory *memory, enum statement statement)
{
    sqlite3_stmt *chosen = memory->statements[statement];
    sqlite3_reset(chosen);
    sqlite3_clear_bindings(chosen);
    if (sqlite3_bind_parameter_count(chosen) > 0)
        sqlite3_bind_int64(chosen, 1, memory->recipe);
    return chosen;
}

static enum error step(bool *row, struct memory *memory, sqlite3_stmt *statement, const char *act)
{
    int code = sqlite3_step(statement);
    *row = code == SQLITE_ROW;
    enum error err = database_check(&memory->file, code, act);
    if (!*row)
        sqlite3_reset(statement);
    return err;
}

static enum error execute(struct memory *memory, sqlite3_stmt *statement, const char *act)
{
    bool row;
    return step(&row, memory, statement, act);
}

/* Commits when `err` is ERR_NONE, else rolls back and returns it. */
static enum error end(struct memory *memory, enum error err)
{
    if (err == ERR_NONE)
        err = execute(memory, use(memory, STATEMENT_COMMIT), "commit");
    if (err != ERR_NONE)
        sqlite3_step(use(memory, STATEMENT_ROLLBACK));
    return err;
}

/* ---- opening ---- */

enum error memory_recipe(struct text *recipe, const struct settings *settings)
{
    static const char *const of_data[] = {"classes", "validation_images", "split_seed"};
    for (size_t i = 0; i < setting_count; i++) {
        const struct setting *row = &setting_table[i];
        /* Without rungs nothing is said of them, as before there were any. */
        bool counts = strcmp(row->section, "training") == 0 ||
                      (strcmp(row->key, "rungs") == 0 && settings->search.fidelity.rungs.count > 0);
        for (size_t k = 0; k < sizeof of_data / sizeof of_data[0]; k++)
            counts |= strcmp(row->section, "data") == 0 && strcmp(row->key, of_data[k]) == 0;
        if (!counts)
            continue;
        text_printf(recipe, "%s.%s = ", row->section, row->key);
        setting_format(recipe, settings, row);
        text_append(recipe, "\n");
    }
    return text_status(recipe);
}

/* Makes the tables of a new file; refuses a file of somebody else. */
static enum error prepare_tables(struct memory *memory)
{
    enum error err = ERR_NONE;
    int64_t application, version, tables;
    char mark[128];
    TRY(database_number(&application, &memory->file, "PRAGMA application_id", "read it"));
    TRY(database_number(&version, &memory->file, "PRAGMA user_version", "read it"));
    TRY(database_number(&tables, &memory->file, "SELECT count(*) FROM sqlite_master", "read it"));
    if (tables > 0 && application != MEMORY_APPLICATION)
        return error_set(ERR_DATA,
                         "memory.file %s is an SQLite file, but no memory of clade; name another "
                         "one",
                         memory->file.path);
    if (tables > 0 && version != MEMORY_VERSION)
        return error_set(ERR_DATA,
                         "memory.file %s has version %" PRId64
                         ", this clade reads %d; name another one",
                         memory->file.path, version, MEMORY_VERSION);
    snprintf(mark, sizeof mark, "PRAGMA application_id = %d; PRAGMA user_version = %d;",
             MEMORY_APPLICATION, MEMORY_VERSION);
    TRY(database_run(&memory->file, schema, "make its tables"));
    TRY(database_run(&memory->file, mark, "make its tables"));
out:
    return err;
}

static enum error find_recipe(struct memory *memory, int64_t data_check,
                              const struct settings *settings)
{
    enum error err = ERR_NONE;
    struct text recipe = {0};
    bool row;
    TRY(memory_recipe(&recipe, settings));
    for (int i = 0; i < 2; i++) {
        sqlite3_stmt *statement =
            use(memory, i == 0 ? STATEMENT_ADD_RECIPE : STATEMENT_FIND_RECIPE);
        sqlite3_bind_int64(statement, 1, data_check);
        sqlite3_bind_text(statement, 2, recipe.data, -1, SQLITE_STATIC);
        TRY(step(&row, memory, statement, "look for the recipe"));
        if (row)
            memory->recipe = sqlite3_column_int64(statement, 0);
        sqlite3_reset(statement);
    }
out:
    text_free(&recipe);
    return err;
}

enum error memory_open(struct memory **out, const char *path, const char *run, int64_t data_check,
                       const struct settings *settings)
{
    enum error err = ERR_NONE;
    struct memory *memory = calloc(1, sizeof *memory);
    if (memory == NULL || (memory->file.path = strdup(path)) == NULL ||
        (memory->run = strdup(run)) == NULL) {
        err = error_set(ERR_INTERNAL, "out of memory while opening the memory %s", path);
        goto out;
    }
    memory->file.what = "memory";
    memory->file.if_damaged = "name another one in memory.file";
    memory->file.if_unwritable = "check memory.file, the disk and the rights on its directory";
    TRY(database_check(
        &memory->file,
        sqlite3_open_v2(path, &memory->file.sqlite,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL),
        "open it"));
    sqlite3_busy_timeout(memory->file.sqlite, DATABASE_BUSY_MS);
    TRY(database_use_wal(&memory->file, "open it"));
    TRY(database_run(&memory->file,
                     "PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; BEGIN IMMEDIATE;",
                     "open it"));
    TRY(prepare_tables(memory));
    TRY(database_run(&memory->file, "COMMIT", "open it"));
    TRY(database_prepare(memory->statements, statement_texts, STATEMENT_COUNT, &memory->file));
    TRY(find_recipe(memory, data_check, settings));
    *out = memory;
    return ERR_NONE;
out:
    memory_close(memory);
    return err;
}

enum error memory_close(struct memory *memory)
{
    enum error err = ERR_NONE;
    if (memory == NULL)
        return ERR_NONE;
    for (int i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(memory->statements[i]);
    err = database_check(&memory->file, sqlite3_close(memory->file.sqlite), "close it");
    free(memory->file.path);
    free(memory->run);
    free(memory);
    return err;
}

/* ---- genomes ---- */

/* The row of LIST or FIND. */
static enum error read_row(struct remembered *known, sqlite3_stmt *statement)
{
    const char *text = (const char *)sqlite3_column_text(statement, 0);
    *known = (struct remembered){.count = sqlite3_column_int64(statement, 1),
                                 .mean = sqlite3_column_double(statement, 2),
                                 .squares = sqlite3_column_double(statement, 3)};
    return genome_parse(&known->genome, text != NULL ? text : "");
}

enum error memory_list(struct remembered **list, size_t *count, struct memory *memory)
{
    enum error err = ERR_NONE;
    struct remembered *all = NULL;
    size_t n = 0, capacity = 0;
    sqlite3_stmt *statement = use(memory, STATEMENT_LIST);
    for (;;) {
        bool row;
        TRY(step(&row, memory, statement, "list its genomes"));
        if (!row)
            break;
        if (n == capacity) {
            capacity = capacity > 0 ? 2 * capacity : 64;
            struct remembered *more = realloc(all, capacity * sizeof *all);
            if (more == NULL) {
                err = error_set(ERR_INTERNAL, "out of memory for %zu remembered genomes", capacity);
                goto out;
            }
            all = more;
        }
        TRY(read_row(&all[n], statement));
        n++;
    }
out:
    sqlite3_reset(statement);
    if (err != ERR_NONE) {
        free(all);
        return err;
    }
    *list = all;
    *count = n;
    return ERR_NONE;
}

static enum error find(struct remembered *known, struct memory *memory, const char *genome)
{
    bool row;
    sqlite3_stmt *statement = use(memory, STATEMENT_FIND);
    sqlite3_bind_text(statement, 2, genome, -1, SQLITE_STATIC);
    enum error err = step(&row, memory, statement, "look for a genome");
    if (err == ERR_NONE && row)
        err = read_row(known, statement);
    sqlite3_reset(statement);
    return err;
}

/* Welford, Technometrics 4 (1962) 419-420. */
static void add_score(struct remembered *known, double score)
{
    double step = score - known->mean;
    known->count++;
    known->mean += step / (double)known->count;
    known->squares += step * (score - known->mean);
}

enum error memory_earlier(struct remembered *known, struct memory *memory,
                          const struct genome *genome)
{
    enum error err = ERR_NONE;
    char text[GENOME_TEXT_SIZE];
    genome_format(text, genome);
    *known = (struct remembered){.genome = *genome};
    sqlite3_stmt *statement = use(memory, STATEMENT_EARLIER);
    sqlite3_bind_text(statement, 2, text, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 3, memory->run, -1, SQLITE_STATIC);
    for (;;) {
        bool row;
        TRY(step(&row, memory, statement, "look for a genome"));
        if (!row)
            break;
        add_score(known, sqlite3_column_double(statement, 0));
    }
out:
    sqlite3_reset(statement);
    return err;
}

enum error memory_fresh_seed(uint64_t *fresh, struct memory *memory, const struct genome *genome,
                             uint64_t seed)
{
    enum error err = ERR_NONE;
    char text[GENOME_TEXT_SIZE];
    genome_format(text, genome);
    for (uint64_t i = 0;; i++) {
        bool row;
        uint64_t tried = i == 0 ? seed : rng_mix(seed, 0x66726573680a, i);
        sqlite3_stmt *statement = use(memory, STATEMENT_FIND_SEED);
        sqlite3_bind_text(statement, 2, text, -1, SQLITE_STATIC);
        sqlite3_bind_int64(statement, 3, (int64_t)tried);
        TRY(step(&row, memory, statement, "look for a seed"));
        sqlite3_reset(statement);
        if (!row) {
            *fresh = tried;
            return ERR_NONE;
        }
    }
out:
    return err;
}

static enum error add_training(bool *added, struct memory *memory, const char *genome,
                               const struct candidate *candidate)
{
    sqlite3_stmt *statement = use(memory, STATEMENT_ADD_TRAINING);
    sqlite3_bind_text(statement, 2, genome, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 3, (int64_t)candidate->seed);
    sqlite3_bind_text(statement, 4, memory->run, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 5, candidate->id);
    sqlite3_bind_double(statement, 6, candidate->validation_accuracy);
    sqlite3_bind_int64(statement, 7, clock_utc_us());
    enum error err = execute(memory, statement, "add a training");
    *added = err == ERR_NONE && sqlite3_changes(memory->file.sqlite) > 0;
    return err;
}

enum error memory_add(struct memory *memory, const struct candidate *candidate)
{
    bool added;
    char text[GENOME_TEXT_SIZE];
    struct remembered known = {.genome = candidate->genome};
    genome_format(text, &candidate->genome);
    enum error err = execute(memory, use(memory, STATEMENT_BEGIN), "begin");
    if (err != ERR_NONE)
        return err;
    TRY(add_training(&added, memory, text, candidate));
    if (added) {
        TRY(find(&known, memory, text));
        add_score(&known, candidate->validation_accuracy);
        sqlite3_stmt *statement = use(memory, STATEMENT_PUT);
        sqlite3_bind_text(statement, 2, text, -1, SQLITE_STATIC);
        sqlite3_bind_int64(statement, 3, known.count);
        sqlite3_bind_double(statement, 4, known.mean);
        sqlite3_bind_double(statement, 5, known.squares);
        TRY(execute(memory, statement, "update a genome"));
    }
out:
    return end(memory, err);
}
