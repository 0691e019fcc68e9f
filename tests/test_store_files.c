/* The store as a file: damage is named, a full disk loses nothing, reading needs no rights to
 * write. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "tests/store_fixture.h"

static void assert_refused(const char *part)
{
    struct store *store;
    assert_int_equal(store_open(&store, fixture_path, true), ERR_DATA);
    if (strstr(error_message(), part) == NULL || strchr(error_message(), '\n') != NULL)
        fail_msg("unclear message: %s", error_message());
}

static void write_file(const void *data, size_t size)
{
    FILE *file = fopen(fixture_path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void run_sql(const char *sql)
{
    sqlite3 *raw;
    assert_int_equal(sqlite3_open(fixture_path, &raw), SQLITE_OK);
    assert_int_equal(sqlite3_exec(raw, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(raw);
}

static void test_missing_file(void **state)
{
    (void)state;
    assert_refused("does not exist");
    assert_int_not_equal(access(fixture_path, F_OK), 0); /* and nothing was made */
}

/* As another user, for root may write everywhere. Returns the code of the first failure. */
static int read_as_nobody(void)
{
    struct store *store;
    struct store_run run;
    struct candidate c;
    int64_t worker;
    static const struct device_version device = {.device = "cpu"};
    if (geteuid() == 0 && setuid(65534) != 0)
        return 101;
    enum error err = store_open(&store, fixture_path, true);
    if (err == ERR_NONE)
        err = store_read_run(&run, store);
    if (err == ERR_NONE)
        err = store_read_candidate(&c, store, 2);
    if (err != ERR_NONE)
        return (int)err;
    if (c.id != 2 || store_add_worker(&worker, store, 0, &device) != ERR_OUTPUT)
        return 102;
    return store_close(store) == ERR_NONE ? 0 : 103;
}

/* An archive, or a run of someone else. */
static void test_reads_where_nothing_can_be_written(void **state)
{
    (void)state;
    int status;
    char directory[128];
    struct store *store = fixture_create();
    fixture_add(store, 0, 3);
    OK(store_close(store));
    snprintf(directory, sizeof directory, "%s", fixture_path);
    *strrchr(directory, '/') = '\0';
    assert_int_equal(chmod(directory, 0555), 0);
    pid_t child = fork();
    if (child == 0)
        _exit(read_as_nobody());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(chmod(directory, 0700), 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_foreign_files(void **state)
{
    (void)state;
    write_file("", 0);
    assert_refused("stopped before it began");
    write_file("genome,accuracy\r\n", 17);
    assert_refused("damaged");
    assert_int_equal(unlink(fixture_path), 0);
    run_sql("CREATE TABLE notes (text)");
    assert_refused("not one that clade has written");
}

static void test_newer_version(void **state)
{
    (void)state;
    OK(store_close(fixture_create()));
    run_sql("PRAGMA user_version = 1000");
    assert_refused("store version 1000");
}

/* A closed store of many pages; returns its bytes. */
static off_t many_pages(void)
{
    struct store *store = fixture_create();
    for (int i = 0; i < 4; i++)
        fixture_add(store, 50 * i, 50);
    OK(store_close(store));
    struct stat whole;
    assert_int_equal(stat(fixture_path, &whole), 0);
    return whole.st_size;
}

static void test_lost_pages(void **state)
{
    (void)state;
    assert_int_equal(truncate(fixture_path, many_pages() / 2 / 4096 * 4096), 0);
    assert_refused("damaged");
}

static void test_overwritten_pages(void **state)
{
    (void)state;
    off_t size = many_pages();
    int file = open(fixture_path, O_WRONLY);
    assert_true(file >= 0);
    static const char junk[1000] = "junk";
    for (off_t at = 4096; at < size; at += 4096)
        assert_int_equal(pwrite(file, junk, sizeof junk, at), sizeof junk);
    assert_int_equal(close(file), 0);
    assert_refused("damaged");
}

static void test_unreadable_genome(void **state)
{
    (void)state;
    struct store *store = fixture_create();
    fixture_add(store, 0, 2);
    OK(store_close(store));
    run_sql("UPDATE candidates SET genome = 'NC0k3:relu' WHERE id = 1");
    OK(store_open(&store, fixture_path, true));
    struct candidate *list;
    size_t count;
    assert_int_equal(store_read_candidates(&list, &count, store), ERR_DATA);
    assert_null(list);
    assert_int_equal(count, 0);
    OK(store_close(store));
}

static void test_no_directory(void **state)
{
    (void)state;
    struct store *store;
    assert_int_equal(
        store_create(&store, "/tmp/clade_no_such_directory/store.sqlite", &fixture_run, ""),
        ERR_OUTPUT);
    assert_non_null(strstr(error_message(), "/tmp/clade_no_such_directory/store.sqlite"));
}

static void test_disk_full(void **state)
{
    (void)state;
    struct store *store = fixture_create();
    struct rlimit old, tight = {.rlim_cur = 200000, .rlim_max = RLIM_INFINITY};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    tight.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    enum error err = ERR_NONE;
    int64_t written = 0;
    while (err == ERR_NONE && written < 100000) {
        struct candidate c = fixture_candidate(written);
        err = store_add(store, &c, 1);
        written += err == ERR_NONE;
    }
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(err, ERR_OUTPUT);
    assert_true(written > 0);
    /* Whole candidates, none half, and it goes on once there is room. */
    assert_int_equal(fixture_count(store, CANDIDATE_QUEUED), written);
    fixture_add(store, written, 1);
    OK(store_close(store));
    OK(store_open(&store, fixture_path, true));
    assert_int_equal(fixture_count(store, CANDIDATE_QUEUED), written + 1);
    OK(store_close(store));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_missing_file),      CASE(test_reads_where_nothing_can_be_written),
        CASE(test_foreign_files),     CASE(test_newer_version),
        CASE(test_lost_pages),        CASE(test_overwritten_pages),
        CASE(test_unreadable_genome), CASE(test_no_directory),
        CASE(test_disk_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
