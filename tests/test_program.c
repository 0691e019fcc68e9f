/*
 * Programs and their cache: building, errors, and files that are damaged, foreign or cannot be
 * written. PoCL keeps binaries itself, so the platform's name is disguised where the cache of
 * binaries is tested.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cl_kernels/device.h"
#include "cl_kernels/program.h"
#include "cl_kernels/program_cache.h"
#include "pipeline/base/log.h"

static void ok(enum error err)
{
    if (err != ERR_NONE)
        fail_msg("%s: %s", error_name(err), error_message());
}

static bool disguised;
static int source_builds, binary_builds;

cl_int __real_clGetPlatformInfo(cl_platform_id, cl_platform_info, size_t, void *, size_t *);
cl_int __wrap_clGetPlatformInfo(cl_platform_id, cl_platform_info, size_t, void *, size_t *);
cl_int __wrap_clGetPlatformInfo(cl_platform_id id, cl_platform_info what, size_t size, void *value,
                                size_t *needed)
{
    cl_int code = __real_clGetPlatformInfo(id, what, size, value, needed);
    if (disguised && what == CL_PLATFORM_NAME && value != NULL)
        snprintf(value, size, "Disguise");
    return code;
}

cl_program __real_clCreateProgramWithSource(cl_context, cl_uint, const char **, const size_t *,
                                            cl_int *);
cl_program __wrap_clCreateProgramWithSource(cl_context, cl_uint, const char **, const size_t *,
                                            cl_int *);
cl_program __wrap_clCreateProgramWithSource(cl_context context, cl_uint count, const char **sources,
                                            const size_t *lengths, cl_int *code)
{
    source_builds++;
    return __real_clCreateProgramWithSource(context, count, sources, lengths, code);
}

static bool refuse_binaries;

cl_program __real_clCreateProgramWithBinary(cl_context, cl_uint, const cl_device_id *,
                                            const size_t *, const unsigned char **, cl_int *,
                                            cl_int *);
cl_program __wrap_clCreateProgramWithBinary(cl_context, cl_uint, const cl_device_id *,
                                            const size_t *, const unsigned char **, cl_int *,
                                            cl_int *);
cl_program __wrap_clCreateProgramWithBinary(cl_context context, cl_uint count,
                                            const cl_device_id *ids, const size_t *sizes,
                                            const unsigned char **binaries, cl_int *status,
                                            cl_int *code)
{
    binary_builds++;
    if (refuse_binaries) {
        *code = CL_INVALID_BINARY;
        return NULL;
    }
    return __real_clCreateProgramWithBinary(context, count, ids, sizes, binaries, status, code);
}

static bool rename_fails;

int __real_rename(const char *, const char *);
int __wrap_rename(const char *, const char *);
int __wrap_rename(const char *from, const char *to)
{
    if (!rename_fails)
        return __real_rename(from, to);
    errno = EACCES;
    return -1;
}

static char directory[] = "/tmp/clade-test-program-XXXXXX";

/* Calls `visit` with every path in the cache; how many there are. */
static int each_file(void visit(const char *path))
{
    char path[PATH_MAX];
    int count = 0;
    snprintf(path, sizeof path, "%s/clade", directory);
    DIR *dir = opendir(path);
    if (dir == NULL)
        return 0;
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (entry->d_name[0] == '.')
            continue;
        count++;
        snprintf(path, sizeof path, "%s/clade/%s", directory, entry->d_name);
        if (visit != NULL)
            visit(path);
    }
    closedir(dir);
    return count;
}

static void erase(const char *path)
{
    assert_int_equal(unlink(path), 0);
}

static int empty_cache(void **state)
{
    (void)state;
    setenv("XDG_CACHE_HOME", directory, 1);
    each_file(erase);
    disguised = refuse_binaries = rename_fails = false;
    source_builds = binary_builds = 0;
    return 0;
}

static struct cache_key key_of(const char *text)
{
    struct cache_key key;
    cache_key_start(&key);
    cache_key_add(&key, text);
    return key;
}

static void test_keys(void **state)
{
    (void)state;
    struct cache_key a = key_of("ab"), b = key_of("ab"), c = key_of("a");
    assert_memory_equal(&a, &b, sizeof a);
    assert_memory_not_equal(&a, &c, sizeof a);
    /* Each text counts with its end. */
    cache_key_add(&a, "c");
    cache_key_add(&c, "bc");
    assert_memory_not_equal(&a, &c, sizeof a);
    /* Both words take part. */
    struct cache_key x = key_of("x"), y = key_of("y");
    assert_true(x.words[0] != y.words[0] && x.words[1] != y.words[1]);
}

static const unsigned char binary[] = "not really a binary, but \0 with a zero";

static void assert_stored(const char *name, const struct cache_key *key)
{
    size_t size = 0;
    unsigned char *loaded = cache_load(&size, name, key);
    assert_non_null(loaded);
    assert_int_equal(size, sizeof binary);
    assert_memory_equal(loaded, binary, sizeof binary);
    free(loaded);
}

static void assert_not_stored(const char *name, const struct cache_key *key)
{
    size_t size;
    assert_null(cache_load(&size, name, key));
}

static void test_store_and_load(void **state)
{
    (void)state;
    struct cache_key key = key_of("one"), other = key_of("two");
    assert_not_stored("p", &key);
    cache_store("p", &key, binary, sizeof binary);
    assert_stored("p", &key);
    assert_not_stored("q", &key);
    assert_not_stored("p", &other);
    cache_store("p", &other, binary, sizeof binary);
    assert_stored("p", &key);
    assert_stored("p", &other);
    assert_int_equal(each_file(NULL), 2);
    cache_store("empty", &key, binary, 0);
    assert_int_equal(each_file(NULL), 2);
}

/* What the damage is; applied by each_file(). */
static long cut_to, flip_at;
static const char *copy_to;

static void damage(const char *path)
{
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    if (cut_to >= 0)
        assert_int_equal(ftruncate(fileno(file), cut_to), 0);
    if (flip_at >= 0) {
        assert_int_equal(fseek(file, flip_at, SEEK_SET), 0);
        int c = fgetc(file);
        assert_int_equal(fseek(file, flip_at, SEEK_SET), 0);
        assert_int_equal(fputc(c ^ 0x40, file), c ^ 0x40);
    }
    assert_int_equal(fclose(file), 0);
}

static void append(const char *path)
{
    FILE *file = fopen(path, "ab");
    assert_non_null(file);
    assert_int_equal(fputc('x', file), 'x');
    assert_int_equal(fclose(file), 0);
}

static long file_size;

static void measure(const char *path)
{
    struct stat s;
    assert_int_equal(stat(path, &s), 0);
    file_size = (long)s.st_size;
}

static void test_damaged_files_are_ignored(void **state)
{
    (void)state;
    struct cache_key key = key_of("one");
    cache_store("p", &key, binary, sizeof binary);
    each_file(measure);
    assert_true(file_size > (long)sizeof binary);
    /* Every byte counts, and so does every length. */
    for (long i = 0; i < file_size; i++) {
        cache_store("p", &key, binary, sizeof binary);
        cut_to = -1;
        flip_at = i;
        each_file(damage);
        assert_not_stored("p", &key);
        cache_store("p", &key, binary, sizeof binary);
        cut_to = i;
        flip_at = -1;
        each_file(damage);
        assert_not_stored("p", &key);
    }
    cache_store("p", &key, binary, sizeof binary);
    each_file(append);
    assert_not_stored("p", &key);
    cache_store("p", &key, binary, sizeof binary);
    assert_stored("p", &key);
}

static void move(const char *path)
{
    assert_int_equal(__real_rename(path, copy_to), 0);
}

/* A whole file under another key's name. */
static void test_foreign_files_are_ignored(void **state)
{
    (void)state;
    struct cache_key key = key_of("one"), other = key_of("two");
    char path[PATH_MAX];
    cache_store("p", &key, binary, sizeof binary);
    snprintf(path, sizeof path, "%s/clade/p-%016llx%016llx.bin", directory,
             (unsigned long long)other.words[0], (unsigned long long)other.words[1]);
    copy_to = path;
    each_file(move);
    assert_not_stored("p", &other);
}

static void test_no_directory_is_no_cache(void **state)
{
    (void)state;
    struct cache_key key = key_of("one");
    char file[PATH_MAX], long_path[PATH_MAX + 8];
    /* Below a file no directory can be made, not even by root. */
    snprintf(file, sizeof file, "%s/file", directory);
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    assert_int_equal(fclose(f), 0);
    memset(long_path, 'd', sizeof long_path - 1);
    long_path[0] = '/';
    long_path[sizeof long_path - 1] = '\0';
    const char *const places[] = {file, "relative", "", long_path};
    char *home = strdup(getenv("HOME") != NULL ? getenv("HOME") : "");
    for (int i = 0; i < 4; i++) {
        setenv("XDG_CACHE_HOME", places[i], 1);
        setenv("HOME", i == 1 ? file : "", 1);
        cache_store("p", &key, binary, sizeof binary);
        assert_not_stored("p", &key);
    }
    unsetenv("XDG_CACHE_HOME");
    unsetenv("HOME");
    cache_store("p", &key, binary, sizeof binary);
    assert_not_stored("p", &key);
    /* Without XDG_CACHE_HOME it is below the home. */
    char path[PATH_MAX];
    setenv("HOME", directory, 1);
    cache_store("p", &key, binary, sizeof binary);
    assert_stored("p", &key);
    snprintf(path, sizeof path, "rm -r '%s/.cache'", directory);
    assert_int_equal(system(path), 0);
    setenv("HOME", home, 1);
    free(home);
    assert_int_equal(unlink(file), 0);
}

static void test_failed_store_leaves_nothing(void **state)
{
    (void)state;
    struct cache_key key = key_of("one");
    rename_fails = true;
    cache_store("p", &key, binary, sizeof binary);
    assert_int_equal(each_file(NULL), 0);
    /* An older file stands. */
    rename_fails = false;
    cache_store("p", &key, binary, sizeof binary);
    rename_fails = true;
    cache_store("p", &key, (const unsigned char *)"new", 3);
    assert_stored("p", &key);
    assert_int_equal(each_file(NULL), 1);
}

static const char source_1[] = "kernel void twice(global float *x) { x[get_global_id(0)] *= 2; }\n";
static const char source_2[] =
    "kernel void add(global float *x) { x[get_global_id(0)] += AMOUNT; }\n";

/* Builds both sources, runs `add`, and expects `amount` to be added. */
static void check_program(struct device *device, const char *options, float amount)
{
    const char *sources[] = {source_1, source_2};
    cl_program program;
    cl_kernel kernel;
    cl_mem buffer;
    float values[4] = {1, 2, 3, 4};
    size_t four = 4;
    ok(program_build(&program, device, "test", sources, 2, options));
    ok(program_kernel(&kernel, program, "add"));
    ok(device_buffer(&buffer, device, sizeof values));
    ok(device_write(device, buffer, 0, values, sizeof values));
    assert_int_equal(clSetKernelArg(kernel, 0, sizeof buffer, &buffer), CL_SUCCESS);
    assert_int_equal(
        clEnqueueNDRangeKernel(device_queue(device), kernel, 1, NULL, &four, NULL, 0, NULL, NULL),
        CL_SUCCESS);
    ok(device_read(device, buffer, 0, values, sizeof values));
    for (int i = 0; i < 4; i++)
        assert_true(values[i] == (float)(i + 1) + amount);
    device_release(device, &buffer);
    clReleaseKernel(kernel);
    clReleaseProgram(program);
}

static int announcements;

static void count_announcements(enum log_level level, const char *text, void *user)
{
    (void)user;
    announcements += level == LOG_INFO && strstr(text, "compiling test") != NULL;
}

static void test_build(void **state)
{
    (void)state;
    struct device *device;
    log_set_sink(count_announcements, NULL);
    announcements = 0;
    for (int opening = 0; opening < 2; opening++) {
        source_builds = binary_builds = 0;
        ok(device_open(&device, 0, 0, 0, 1));
        /* From source again where the driver keeps binaries itself. */
        bool from_source = opening == 0 || strcmp(device_get_info(device)->platform_name,
                                                  "Portable Computing Language") == 0;
        check_program(device, "-D AMOUNT=5", 5);
        check_program(device, "-D AMOUNT=5", 5);
        assert_int_equal(source_builds + binary_builds, 1); /* kept while the device is open */
        check_program(device, "-D AMOUNT=6", 6);
        assert_int_equal(source_builds, from_source ? 2 : 0);
        assert_int_equal(binary_builds, from_source ? 0 : 2);
        device_close(device);
        assert_int_equal(announcements, 2); /* and said once only */
    }
    log_set_sink(NULL, NULL);
}

/* A driver that keeps nothing itself gets its binaries from the cache. */
static void test_binaries_are_cached(void **state)
{
    (void)state;
    struct device *device;
    disguised = true;
    const struct {
        bool damaged, refused;
        int sources, binaries;
    } openings[] = {
        {false, false, 1, 0}, {false, false, 0, 1}, {true, false, 1, 0},
        {false, false, 0, 1}, {false, true, 1, 1},
    };
    for (size_t i = 0; i < sizeof openings / sizeof *openings; i++) {
        cut_to = -1;
        flip_at = 60;
        if (openings[i].damaged)
            each_file(damage);
        refuse_binaries = openings[i].refused;
        source_builds = binary_builds = 0;
        ok(device_open(&device, 0, 0, 0, 1));
        check_program(device, "-D AMOUNT=5", 5);
        assert_int_equal(source_builds, openings[i].sources);
        assert_int_equal(binary_builds, openings[i].binaries);
        device_close(device);
        assert_int_equal(each_file(NULL), 1);
    }
}

static void test_errors(void **state)
{
    (void)state;
    struct device *device;
    cl_program program;
    cl_kernel kernel;
    const char *bad = "kernel void f() {}\nkernel void g() { int a = undeclared_thing; }\n";
    const char *good = source_1;
    ok(device_open(&device, 0, 0, 0, 1));
    assert_int_equal(program_build(&program, device, "broken", &bad, 1, ""), ERR_DEVICE);
    assert_non_null(strstr(error_message(), "broken does not compile"));
    assert_non_null(strstr(error_message(), device_get_info(device)->name));
    assert_non_null(strstr(error_message(), "undeclared_thing"));
    assert_int_equal(each_file(NULL), 0);
    ok(program_build(&program, device, "good", &good, 1, ""));
    assert_int_equal(program_kernel(&kernel, program, "no_such_kernel"), ERR_DEVICE);
    assert_non_null(strstr(error_message(), "no_such_kernel: CL_INVALID_KERNEL_NAME"));
    clReleaseProgram(program);
    device_close(device);
}

static int make_directory(void **state)
{
    (void)state;
    return mkdtemp(directory) == NULL;
}

/* PoCL keeps its own cache below the same directory. */
static int remove_directory(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -r '%s'", directory);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_keys, empty_cache),
        cmocka_unit_test_setup(test_store_and_load, empty_cache),
        cmocka_unit_test_setup(test_damaged_files_are_ignored, empty_cache),
        cmocka_unit_test_setup(test_foreign_files_are_ignored, empty_cache),
        cmocka_unit_test_setup(test_no_directory_is_no_cache, empty_cache),
        cmocka_unit_test_setup(test_failed_store_leaves_nothing, empty_cache),
        cmocka_unit_test_setup(test_build, empty_cache),
        cmocka_unit_test_setup(test_binaries_are_cached, empty_cache),
        cmocka_unit_test_setup(test_errors, empty_cache),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
