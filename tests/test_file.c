/* outputs/file: whole files or none, whatever fails in between. Linked with --wrap for the calls
   that are made to fail here. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "outputs/file.h"

/* The call that fails next, and with what; "" for none. */
static const char *failing = "";
static int failing_code;
static int failing_after; /* so many calls of it succeed before */
static int syncs;

static bool fails(const char *call)
{
    if (strcmp(failing, call) != 0 || failing_after-- > 0)
        return false;
    failing = "";
    errno = failing_code;
    return true;
}

ssize_t __real_write(int fd, const void *data, size_t n);
int __real_fsync(int fd);
int __real_close(int fd);
int __real_rename(const char *from, const char *to);
ssize_t __wrap_write(int fd, const void *data, size_t n);
int __wrap_fsync(int fd);
int __wrap_close(int fd);
int __wrap_rename(const char *from, const char *to);

ssize_t __wrap_write(int fd, const void *data, size_t n)
{
    if (fails("write"))
        return -1;
    return __real_write(fd, data, n > 7 ? 7 : n); /* short writes are normal */
}

int __wrap_fsync(int fd)
{
    syncs++;
    return fails("fsync") ? -1 : __real_fsync(fd);
}

int __wrap_close(int fd)
{
    int result = __real_close(fd);
    return fails("close") ? -1 : result;
}

int __wrap_rename(const char *from, const char *to)
{
    return fails("rename") ? -1 : __real_rename(from, to);
}

static char dir[64];
static char path[96];

static int make_directory(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/clade-test-file-XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/table.csv", dir);
    failing = "";
    syncs = 0;
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir); /* fails if anything else was left */
}

static void assert_content(const char *expected)
{
    char content[256] = "";
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t n = fread(content, 1, sizeof content - 1, file);
    fclose(file);
    assert_int_equal(n, strlen(expected));
    assert_string_equal(content, expected);
}

static int entries(void)
{
    int n = 0;
    DIR *open_dir = opendir(dir);
    assert_non_null(open_dir);
    while (readdir(open_dir) != NULL)
        n++;
    closedir(open_dir);
    return n - 2;
}

static void replaces_whole_files(void **state)
{
    (void)state;
    assert_int_equal(file_replace(path, "a first content", 15), ERR_NONE);
    assert_content("a first content");
    assert_int_equal(syncs, 2); /* the file and its directory */
    assert_int_equal(file_replace(path, "", 0), ERR_NONE);
    assert_content("");
    assert_int_equal(entries(), 1);
}

static void replaces_a_leftover(void **state)
{
    (void)state;
    char leftover[128];
    snprintf(leftover, sizeof leftover, "%s/.table.csv.tmp", dir);
    FILE *file = fopen(leftover, "w");
    assert_non_null(file);
    fputs("much longer than what comes: left by a process that was killed", file);
    fclose(file);
    assert_int_equal(file_replace(path, "new", 3), ERR_NONE);
    assert_content("new");
    assert_int_equal(entries(), 1);
}

static void works_without_a_directory_part(void **state)
{
    (void)state;
    char before[4096];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(dir), 0);
    enum error err = file_replace("table.csv", "here", 4);
    assert_int_equal(chdir(before), 0);
    assert_int_equal(err, ERR_NONE);
    assert_content("here");
}

static void keeps_the_old_file_on_failure(void **state)
{
    (void)state;
    static const struct {
        const char *call;
        int code, after;
    } failures[] = {{"write", ENOSPC, 0},
                    {"write", EIO, 2},
                    {"fsync", EIO, 0},
                    {"close", EDQUOT, 0},
                    {"rename", EXDEV, 0}};
    assert_int_equal(file_replace(path, "the old content", 15), ERR_NONE);
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        failing = failures[i].call;
        failing_code = failures[i].code;
        failing_after = failures[i].after;
        assert_int_equal(file_replace(path, "a new and longer content", 24), ERR_OUTPUT);
        assert_string_equal(failing, ""); /* it did fail there */
        assert_non_null(strstr(error_message(), path));
        assert_non_null(strstr(error_message(), strerror(failures[i].code)));
        assert_content("the old content");
        assert_int_equal(entries(), 1);
    }
    assert_non_null(strstr(error_message(), path));
}

static void says_what_to_do_on_a_full_disk(void **state)
{
    (void)state;
    failing = "write";
    failing_code = ENOSPC;
    failing_after = 0;
    assert_int_equal(file_replace(path, "x", 1), ERR_OUTPUT);
    assert_non_null(strstr(error_message(), "free some space"));
    assert_int_equal(entries(), 0);
    assert_int_equal(file_append("/dev/full", "x", 1), ERR_OUTPUT);
    assert_non_null(strstr(error_message(), "/dev/full"));
    assert_non_null(strstr(error_message(), "free some space"));
}

static void reports_a_directory_that_is_not_durable(void **state)
{
    (void)state;
    failing = "fsync";
    failing_code = EIO;
    failing_after = 1; /* the directory's */
    assert_int_equal(file_replace(path, "x", 1), ERR_OUTPUT);
    failing = "fsync";
    failing_code = EINVAL; /* a file system that cannot */
    failing_after = 1;
    assert_int_equal(file_replace(path, "x", 1), ERR_NONE);
}

static void goes_on_after_an_interrupted_write(void **state)
{
    (void)state;
    failing = "write";
    failing_code = EINTR;
    failing_after = 1;
    assert_int_equal(file_replace(path, "longer than seven", 17), ERR_NONE);
    assert_content("longer than seven");
}

static void refuses_places_that_cannot_be_written(void **state)
{
    (void)state;
    char under_file[128];
    assert_int_equal(file_replace(path, "x", 1), ERR_NONE);
    snprintf(under_file, sizeof under_file, "%s/below.csv", path);
    assert_int_equal(file_replace(under_file, "x", 1), ERR_OUTPUT);
    assert_non_null(strstr(error_message(), strerror(ENOTDIR)));
    assert_int_equal(file_append(under_file, "x", 1), ERR_OUTPUT);
    assert_int_equal(file_make_directory(under_file), ERR_OUTPUT);
    assert_int_equal(file_replace("/nonexistent/clade/x.csv", "x", 1), ERR_OUTPUT);
    assert_non_null(strstr(error_message(), "/nonexistent/clade/x.csv"));
    assert_int_equal(file_replace(dir, "x", 1), ERR_OUTPUT); /* a directory stands there */
    char beside[128];
    snprintf(beside, sizeof beside, "/tmp/.%s.tmp", dir + strlen("/tmp/"));
    assert_int_not_equal(access(beside, F_OK), 0);
}

/* Root may rename over anything: a device, a pipe or /dev/stdout would be gone for everyone. */
static void leaves_what_is_no_file(void **state)
{
    (void)state;
    struct stat there;
    char device[128], name[128];
    snprintf(device, sizeof device, "%s/null", dir);
    snprintf(name, sizeof name, "%s/stdout", dir);
    assert_int_equal(mkfifo(path, 0666), 0);
    assert_int_equal(symlink("/dev/null", device), 0);
    assert_int_equal(symlink("/proc/self/fd/1", name), 0);
    const char *const paths[] = {path, device, name, dir};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        assert_int_equal(file_replace(paths[i], "x", 1), ERR_OUTPUT);
        assert_non_null(strstr(error_message(), paths[i]));
        assert_non_null(strstr(error_message(), "no regular file; give another name"));
    }
    assert_true(stat(path, &there) == 0 && S_ISFIFO(there.st_mode));
    assert_true(lstat(device, &there) == 0 && S_ISLNK(there.st_mode));
    assert_true(lstat(name, &there) == 0 && S_ISLNK(there.st_mode));
    assert_int_equal(entries(), 3);
    unlink(device);
    unlink(name);
}

static void appends_whole_lines(void **state)
{
    (void)state;
    assert_int_equal(file_append(path, "first line\n", 11), ERR_NONE);
    assert_int_equal(file_append(path, "second line\n", 12), ERR_NONE);
    assert_content("first line\nsecond line\n");

    static const char *const calls[] = {"write", "fsync"};
    for (size_t i = 0; i < 2; i++) {
        failing = calls[i];
        failing_code = ENOSPC;
        failing_after = i == 0 ? 1 : 0;
        assert_int_equal(file_append(path, "a line that fails half way\n", 27), ERR_OUTPUT);
        assert_content("first line\nsecond line\n");
    }
    failing = "close";
    failing_code = EIO;
    failing_after = 0;
    assert_int_equal(file_append(path, "x", 1), ERR_OUTPUT);
}

static void makes_directories(void **state)
{
    (void)state;
    char below[128];
    snprintf(below, sizeof below, "%s/generations", dir);
    assert_int_equal(file_make_directory(below), ERR_NONE);
    assert_int_equal(file_make_directory(below), ERR_NONE); /* there already */
    assert_int_equal(rmdir(below), 0);
    assert_int_equal(file_replace(path, "x", 1), ERR_NONE);
    assert_int_equal(file_make_directory(path), ERR_OUTPUT); /* a file stands there */
    assert_non_null(strstr(error_message(), strerror(EEXIST)));
}

static void passes_on_a_failed_text(void **state)
{
    (void)state;
    struct text text = {.failed = true};
    assert_int_equal(file_replace_text(path, &text), ERR_INTERNAL);
    assert_int_equal(entries(), 0);
    text = (struct text){0};
    assert_int_equal(file_replace_text(path, &text), ERR_NONE);
    assert_content("");
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(replaces_whole_files),
        IN_DIRECTORY(replaces_a_leftover),
        IN_DIRECTORY(works_without_a_directory_part),
        IN_DIRECTORY(keeps_the_old_file_on_failure),
        IN_DIRECTORY(says_what_to_do_on_a_full_disk),
        IN_DIRECTORY(reports_a_directory_that_is_not_durable),
        IN_DIRECTORY(goes_on_after_an_interrupted_write),
        IN_DIRECTORY(refuses_places_that_cannot_be_written),
        IN_DIRECTORY(leaves_what_is_no_file),
        IN_DIRECTORY(appends_whole_lines),
        IN_DIRECTORY(makes_directories),
        IN_DIRECTORY(passes_on_a_failed_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
