/*
 * For tests of the whole program: starts the binary CLADE_BINARY, and makes a small data set. All
 * functions fail the running cmocka test when something of the test's own goes wrong.
 */
#ifndef CLADE_TESTS_CLADE_PROCESS_H
#define CLADE_TESTS_CLADE_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "pipeline/base/error.h"

struct store;

enum { CLADE_OUTPUT_SIZE = 64 * 1024 };

struct clade_result {
    int status; /* the exit code, or 128 + the signal */
    char out[CLADE_OUTPUT_SIZE];
    char err[CLADE_OUTPUT_SIZE];
};

/* A new empty directory; removed, with all in it, by clade_remove(). */
void clade_directory(char path[64]);
void clade_remove(const char *path);

/* Runs "clade ARGUMENTS" (split at blanks) to its end. One static result, overwritten. */
const struct clade_result *clade(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Starts it with its output to /dev/null, and does not wait. */
pid_t clade_start(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Waits at most `limit_s`: the exit code, 128 + the signal; -1 when it still runs. */
int clade_wait(pid_t pid, double limit_s);

/* The processes whose command line holds `word`. */
int clade_count_processes(const char *word);

/* Fills pids[0 .. at most `most`) with the workers whose command line holds `word`: how many. */
int clade_find_workers(pid_t *pids, int most, const char *word);

/* Four IDX files of 8x8 grey images of 3 classes, easy to learn: 300 for training, 60 for tests. */
void clade_write_data(const char *directory);

/* The data, and search.ini: 7 candidates of it in generations of 3, seconds in all. */
void clade_write_search(const char *directory);

/* Fails unless the program ended with this error's exit code, one line "clade: ..." with `part` in
   it, and nothing on standard output. */
void clade_assert_refused(const struct clade_result *result, enum error err, const char *part);

/* The same of `clade run` that had said in a dated line that it begins or goes on. */
void clade_assert_run_refused(const struct clade_result *result, enum error err, const char *part);

void clade_assert_fine(const struct clade_result *result);

/* The store of the run NAME in `directory`; NULL while there is none. To be closed. */
struct store *clade_open_store(const char *directory, const char *name);

/* A file with this text. */
void clade_write_text(const char *directory, const char *name, const char *text);

/* Fails unless both files have the same bytes. */
void clade_assert_same_file(const char *directory_a, const char *directory_b, const char *name);

#endif
