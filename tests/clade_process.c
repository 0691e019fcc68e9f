#include "tests/clade_process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "pipeline/base/clock.h"
#include "pipeline/store.h"

enum { ARGUMENTS_MAX = 64 };

void clade_directory(char path[64])
{
    /* In memory where that is to be had: what is tested is what processes see. */
    strcpy(path,
           access("/dev/shm", W_OK) == 0 ? "/dev/shm/clade_test.XXXXXX" : "/tmp/clade_test.XXXXXX");
    assert_non_null(mkdtemp(path));
}

void clade_remove(const char *path)
{
    char command[256];
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    assert_int_equal(system(command), 0);
}

/* Splits `line` in place. */
static void split(char *line, char *arguments[ARGUMENTS_MAX])
{
    static char name[] = "clade";
    int count = 0;
    arguments[count++] = name;
    for (char *word = strtok(line, " "); word != NULL; word = strtok(NULL, " ")) {
        assert_true(count + 1 < ARGUMENTS_MAX);
        arguments[count++] = word;
    }
    arguments[count] = NULL;
}

static pid_t start(char *line, int out, int err)
{
    char *arguments[ARGUMENTS_MAX];
    split(line, arguments);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int nothing = open("/dev/null", O_RDWR);
        dup2(nothing, STDIN_FILENO);
        dup2(out >= 0 ? out : nothing, STDOUT_FILENO);
        dup2(err >= 0 ? err : nothing, STDERR_FILENO);
        execv(CLADE_BINARY, arguments);
        _exit(127);
    }
    return pid;
}

int clade_wait(pid_t pid, double limit_s)
{
    double end = clock_monotonic_s() + limit_s;
    for (;;) {
        int status;
        pid_t ended = waitpid(pid, &status, WNOHANG);
        assert_true(ended >= 0);
        if (ended == pid)
            return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        if (clock_monotonic_s() > end)
            return -1;
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
}

static void read_back(char text[CLADE_OUTPUT_SIZE], FILE *file)
{
    rewind(file);
    size_t n = fread(text, 1, CLADE_OUTPUT_SIZE - 1, file);
    text[n] = '\0';
    fclose(file);
}

const struct clade_result *clade(const char *format, ...)
{
    static struct clade_result result;
    char line[4096];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    assert_true(length >= 0 && length < (int)sizeof line);
    FILE *out = tmpfile(), *err = tmpfile();
    assert_non_null(out);
    assert_non_null(err);
    pid_t pid = start(line, fileno(out), fileno(err));
    result.status = clade_wait(pid, 280);
    if (result.status < 0)
        kill(pid, SIGKILL);
    read_back(result.out, out);
    read_back(result.err, err);
    return &result;
}

pid_t clade_start(const char *format, ...)
{
    char line[4096];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    assert_true(length >= 0 && length < (int)sizeof line);
    return start(line, -1, -1);
}

static bool command_line_holds(const char *pid, const char *word)
{
    char path[300], text[4096];
    snprintf(path, sizeof path, "/proc/%.200s/cmdline", pid);
    int file = open(path, O_RDONLY);
    if (file < 0)
        return false;
    ssize_t n = read(file, text, sizeof text - 1);
    close(file);
    for (ssize_t i = 0; i < n; i++)
        if (text[i] == '\0')
            text[i] = ' ';
    text[n > 0 ? n : 0] = '\0';
    return strstr(text, word) != NULL;
}

int clade_count_processes(const char *word)
{
    int count = 0;
    struct dirent *entry;
    DIR *processes = opendir("/proc");
    assert_non_null(processes);
    while ((entry = readdir(processes)) != NULL)
        count +=
            isdigit((unsigned char)entry->d_name[0]) && command_line_holds(entry->d_name, word);
    closedir(processes);
    return count;
}

int clade_find_workers(pid_t *pids, int most, const char *word)
{
    int count = 0;
    struct dirent *entry;
    DIR *processes = opendir("/proc");
    assert_non_null(processes);
    while (count < most && (entry = readdir(processes)) != NULL)
        if (isdigit((unsigned char)entry->d_name[0]) &&
            command_line_holds(entry->d_name, "clade worker ") &&
            command_line_holds(entry->d_name, word))
            pids[count++] = (pid_t)atol(entry->d_name);
    closedir(processes);
    return count;
}

void clade_write_text(const char *directory, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void put_number(FILE *file, uint32_t number)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        fputc((int)(number >> shift & 0xff), file);
}

static FILE *open_idx(const char *directory, const char *name, uint32_t magic, uint32_t count)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    put_number(file, magic);
    put_number(file, count);
    return file;
}

static void write_pair(const char *directory, const char *images_name, const char *labels_name,
                       uint32_t count)
{
    enum { SIDE = 8, CLASSES = 3 };
    FILE *images = open_idx(directory, images_name, 0x803, count);
    FILE *labels = open_idx(directory, labels_name, 0x801, count);
    put_number(images, SIDE);
    put_number(images, SIDE);
    uint32_t noise = 1;
    for (uint32_t i = 0; i < count; i++) {
        int label = (int)(i % CLASSES);
        fputc(label, labels);
        for (int pixel = 0; pixel < SIDE * SIDE; pixel++) {
            noise = noise * 1664525u + 1013904223u;
            /* Class by brightness: dark, middle, bright. */
            fputc(label * 100 + (int)(noise >> 28), images);
        }
    }
    assert_int_equal(fclose(images), 0);
    assert_int_equal(fclose(labels), 0);
}

void clade_write_data(const char *directory)
{
    write_pair(directory, "train-images", "train-labels", 300);
    write_pair(directory, "test-images", "test-labels", 60);
}

static size_t read_whole(char **data, const char *directory, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        fail_msg("%s: %s", path, strerror(errno));
    enum { MOST = 4 << 20 };
    *data = malloc(MOST);
    assert_non_null(*data);
    size_t n = fread(*data, 1, MOST, file);
    assert_true(n < MOST);
    fclose(file);
    return n;
}

void clade_assert_same_file(const char *directory_a, const char *directory_b, const char *name)
{
    char *a, *b;
    size_t size_a = read_whole(&a, directory_a, name), size_b = read_whole(&b, directory_b, name);
    if (size_a != size_b || memcmp(a, b, size_a) != 0)
        fail_msg("%s differs between %s and %s", name, directory_a, directory_b);
    free(a);
    free(b);
}

static const char search[] = "[data]\n"
                             "dir = %s\n"
                             "train_images = train-images\n"
                             "train_labels = train-labels\n"
                             "test_images = test-images\n"
                             "test_labels = test-labels\n"
                             "classes = 3\n"
                             "validation_images = 60\n"
                             "[space]\n"
                             "max_layers = 4\n"
                             "filters = 4 8\n"
                             "kernels = 1 3\n"
                             "activations = relu\n"
                             "[search]\n"
                             "population = 3\n"
                             "sample = 2\n"
                             "cycles = 7\n"
                             "in_flight = 2\n"
                             "[training]\n"
                             "epochs = 2\n"
                             "batch = 32\n"
                             "[confirm]\n"
                             "epochs = 3\n";

void clade_write_search(const char *directory)
{
    char text[2048];
    clade_write_data(directory);
    snprintf(text, sizeof text, search, directory);
    clade_write_text(directory, "search.ini", text);
}

void clade_assert_refused(const struct clade_result *result, enum error err, const char *part)
{
    const char *end = strchr(result->err, '\n');
    if (result->status != error_exit_code(err) || strncmp(result->err, "clade: ", 7) != 0 ||
        end == NULL || end[1] != '\0' || strstr(result->err, part) == NULL)
        fail_msg("exit code %d, expected %d and a line with '%s'; standard error: %s",
                 result->status, error_exit_code(err), part, result->err);
    assert_string_equal(result->out, "");
}

void clade_assert_run_refused(const struct clade_result *result, enum error err, const char *part)
{
    static struct clade_result rest;
    const char *end = strchr(result->err, '\n');
    int date = 0;
    sscanf(result->err, "%*4d-%*2d-%*2dT%*2d:%*2d:%*2d %n", &date);
    if (end == NULL || date != 20 || strstr(result->err, "; reads the images in ") == NULL ||
        strstr(result->err, "; reads the images in ") > end)
        fail_msg("no dated line first: %s", result->err);
    rest = *result;
    memmove(rest.err, rest.err + (end + 1 - result->err), strlen(end + 1) + 1);
    clade_assert_refused(&rest, err, part);
}

void clade_assert_fine(const struct clade_result *result)
{
    if (result->status != 0)
        fail_msg("exit code %d: %s", result->status, result->err);
}

struct store *clade_open_store(const char *directory, const char *name)
{
    char path[128];
    struct store *store;
    snprintf(path, sizeof path, "%s/%s/store.sqlite", directory, name);
    return access(path, F_OK) == 0 && store_open(&store, path, false) == ERR_NONE ? store : NULL;
}
