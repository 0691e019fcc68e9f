/* The directory of a run: its name, the lock on it, and the paths in it. */
#ifndef CLADE_PIPELINE_RUN_DIRECTORY_H
#define CLADE_PIPELINE_RUN_DIRECTORY_H

#include "inputs/settings.h"
#include "pipeline/base/error.h"
#include "pipeline/store.h"

enum { RUN_PATH_SIZE = SETTINGS_PATH_SIZE + 256 };

#define RUN_STORE    "store.sqlite"
#define RUN_LOG      "log.txt"
#define RUN_LOCK     "lock"
#define RUN_SETTINGS "settings.ini"
#define RUN_WEIGHTS  "best_genome.safetensors"

/* "directory/name"; ERR_USAGE when that is too long. */
enum error run_path(char path[RUN_PATH_SIZE], const char *directory, const char *name);

/* The store of the run in `directory`; ERR_USAGE when there is none. */
enum error run_store_path(char path[RUN_PATH_SIZE], const char *directory);

/* Whether a new run could have that directory by its name: ERR_USAGE when it is empty or too long.
 */
enum error run_directory_check(const char *wanted);

/*
 * Makes the directory of a new run. With `wanted` exactly that one: it must not exist, or be
 * empty (ERR_USAGE; ERR_BUSY when a live run is in it). Without (NULL): a new directory in
 * `parent`, named by the time (UTC), "20260131-021500", with "-2", "-3" ... when that is taken.
 * Parents are made. Nothing is ever overwritten. ERR_OUTPUT when it cannot be made.
 */
enum error run_directory_create(char directory[RUN_PATH_SIZE], const char *wanted,
                                const char *parent);

/* The run's name: that of its directory, which exists; "." has one, too. */
void run_name(char name[STORE_NAME_SIZE], const char *directory);

/*
 * Takes the lock of a run: held until *lock is closed or the process ends, however it ends, so a
 * stale one never blocks. Children do not inherit it. ERR_BUSY names the process that holds it.
 */
enum error run_directory_lock(int *lock, const char *directory);

/* Whether a live process holds the lock. */
bool run_directory_is_locked(const char *directory);

/* The settings that a store keeps; each origin is the store's line. */
enum error run_read_settings(struct settings *settings, struct settings_origins *origins,
                             struct store *store);

#endif
