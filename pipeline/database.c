#include "pipeline/database.h"

#include <errno.h>

#include "pipeline/base/clock.h"

enum error database_check(const struct database *database, int code, const char *act)
{
    const char *what = database->what, *path = database->path;
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return ERR_NONE;
    case SQLITE_NOMEM:
        return error_set(ERR_INTERNAL, "out of memory: cannot %s", act);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return error_set(ERR_BUSY, "%s %s: cannot %s: another process kept it locked for %d s",
                         what, path, act, DATABASE_BUSY_MS / 1000);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return error_set(ERR_DATA,
                         "%s %s: cannot %s: the file is damaged or no SQLite file (%s); %s", what,
                         path, act, sqlite3_errmsg(database->sqlite), database->if_damaged);
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        return error_set(ERR_OUTPUT, "%s %s: cannot %s: %s; %s", what, path, act,
                         sqlite3_errmsg(database->sqlite), database->if_unwritable);
    default:
        return error_set(ERR_INTERNAL, "%s %s: cannot %s: %s", what, path, act,
                         sqlite3_errmsg(database->sqlite));
    }
}

enum error database_run(const struct database *database, const char *sql, const char *act)
{
    return database_check(database, sqlite3_exec(database->sqlite, sql, NULL, NULL, NULL), act);
}

enum error database_use_wal(const struct database *database, const char *act)
{
    double deadline_s = clock_monotonic_s() + DATABASE_BUSY_MS / 1000.0;
    for (;;) {
        int code = sqlite3_exec(database->sqlite, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
        bool vanished =
            (code & 0xff) == SQLITE_IOERR && sqlite3_system_errno(database->sqlite) == ENOENT;
        bool again = vanished || (code & 0xff) == SQLITE_BUSY || code == SQLITE_PROTOCOL;
        if (!again || clock_monotonic_s() > deadline_s)
            return database_check(database, code, act);
        sqlite3_sleep(5);
    }
}

enum error database_number(int64_t *number, const struct database *database, const char *sql,
                           const char *act)
{
    enum error err = ERR_NONE;
    sqlite3_stmt *statement = NULL;
    TRY(database_check(database, sqlite3_prepare_v2(database->sqlite, sql, -1, &statement, NULL),
                       act));
    TRY(database_check(database, sqlite3_step(statement), act));
    *number = sqlite3_column_int64(statement, 0);
out:
    sqlite3_finalize(statement);
    return err;
}

enum error database_prepare(sqlite3_stmt **statements, const char *const *texts, size_t count,
                            const struct database *database)
{
    enum error err = ERR_NONE;
    for (size_t i = 0; i < count && err == ERR_NONE; i++)
        err = database_check(database,
                             sqlite3_prepare_v3(database->sqlite, texts[i], -1,
                                                SQLITE_PREPARE_PERSISTENT, &statements[i], NULL),
                             "prepare a statement");
    return err;
}
