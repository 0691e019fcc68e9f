/*
 * What the two SQLite files have in common, the store of a run (store.h) and the memory of all runs
 * (memory.h): how failures become errors, and small steps of opening.
 *
 * Errors of all: ERR_BUSY when another process kept the file locked for DATABASE_BUSY_MS, ERR_DATA
 * when it is damaged, ERR_OUTPUT when it cannot be written, ERR_INTERNAL else.
 */
#ifndef CLADE_PIPELINE_DATABASE_H
#define CLADE_PIPELINE_DATABASE_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

#include "pipeline/base/error.h"

enum { DATABASE_BUSY_MS = 60000 };

struct database {
    sqlite3 *sqlite;                        /* NULL before it is opened */
    const char *what;                       /* in messages, before the path: "store" */
    char *path;                             /* the caller frees it */
    const char *if_damaged, *if_unwritable; /* what to do then */
};

/* Turns a failed call into an error; SQLITE_OK, ROW and DONE give ERR_NONE. `act` says what was
   tried: "claim a job". */
enum error database_check(const struct database *database, int code, const char *act);

/* Runs statements that give no rows. */
enum error database_run(const struct database *database, const char *sql, const char *act);

/* Makes the file's journal a write-ahead log. Several processes may do so with a new file at once:
   SQLite then does not wait by itself: it says at once that the file is locked, or that a journal,
   which another one has just removed, is not there. */
enum error database_use_wal(const struct database *database, const char *act);

/* One number that a PRAGMA or SELECT gives. */
enum error database_number(int64_t *number, const struct database *database, const char *sql,
                           const char *act);

/* Prepares `count` statements that are used often; those before a failure are the caller's, too, to
   finalize. */
enum error database_prepare(sqlite3_stmt **statements, const char *const *texts, size_t count,
                            const struct database *database);

#endif
