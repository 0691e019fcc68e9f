#include "pipeline/run_directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum error run_path(char path[RUN_PATH_SIZE], const char *directory, const char *name)
{
    int length = snprintf(path, RUN_PATH_SIZE, "%s/%s", directory, name);
    if (length >= 0 && length < RUN_PATH_SIZE)
        return ERR_NONE;
    return error_set(ERR_USAGE, "%.100s...: the path is too long", directory);
}

enum error run_store_path(char path[RUN_PATH_SIZE], const char *directory)
{
    enum error err = run_path(path, directory, RUN_STORE);
    if (err == ERR_NONE && access(path, F_OK) != 0)
        err = error_set(ERR_USAGE, "%s: there is no run in this directory (no %s)", directory,
                        RUN_STORE);
    return err;
}

void run_name(char name[STORE_NAME_SIZE], const char *directory)
{
    char whole[PATH_MAX];
    if (realpath(directory, whole) != NULL)
        directory = whole;
    size_t end = strlen(directory);
    while (end > 1 && directory[end - 1] == '/')
        end--;
    size_t start = end;
    while (start > 0 && directory[start - 1] != '/')
        start--;
    snprintf(name, STORE_NAME_SIZE, "%.*s", (int)(end - start), directory + start);
}

/* Makes the parents of `path`, as `mkdir -p` does. */
static enum error make_parents(const char *path)
{
    char part[RUN_PATH_SIZE];
    for (const char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            return error_set(ERR_OUTPUT,
                             "cannot make the directory %s: %s; choose another one "
                             "with --out",
                             part, strerror(errno));
    }
    return ERR_NONE;
}

static bool is_empty_directory(const char *path)
{
    struct dirent *entry;
    bool empty = true;
    DIR *directory = opendir(path);
    if (directory == NULL)
        return false;
    while (empty && (entry = readdir(directory)) != NULL)
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    closedir(directory);
    return empty;
}

static enum error create_wanted(const char *path)
{
    enum error err = make_parents(path);
    if (err != ERR_NONE || mkdir(path, 0777) == 0)
        return err;
    if (errno != EEXIST)
        return error_set(ERR_OUTPUT,
                         "cannot make the directory %s: %s; choose another one with "
                         "--out",
                         path, strerror(errno));
    if (run_directory_is_locked(path))
        return error_set(ERR_BUSY,
                         "%s: a live run is in this directory; choose another one with "
                         "--out",
                         path);
    if (is_empty_directory(path))
        return ERR_NONE;
    char store[RUN_PATH_SIZE];
    bool has_run = run_store_path(store, path) == ERR_NONE;
    return error_set(ERR_USAGE, "%s exists and is not an empty directory; choose another one%s%s",
                     path, has_run ? ", or go on with the run in it: clade run --resume " : "",
                     has_run ? path : "");
}

static enum error create_by_time(char directory[RUN_PATH_SIZE], const char *parent)
{
    enum { TRIES = 1000 };
    char stamp[32];
    struct tm utc;
    time_t now = time(NULL);
    gmtime_r(&now, &utc);
    strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", &utc);
    for (int i = 1; i <= TRIES; i++) {
        char name[64];
        if (i == 1)
            snprintf(name, sizeof name, "%s", stamp);
        else
            snprintf(name, sizeof name, "%s-%d", stamp, i);
        enum error err = run_path(directory, parent, name);
        if (err == ERR_NONE)
            err = make_parents(directory);
        if (err != ERR_NONE || mkdir(directory, 0777) == 0)
            return err;
        if (errno != EEXIST)
            break;
    }
    return error_set(ERR_OUTPUT,
                     "cannot make the directory %s: %s; choose another one with --out "
                     "or outputs.dir",
                     directory, strerror(errno));
}

enum error run_directory_check(const char *wanted)
{
    size_t length = strlen(wanted);
    if (length > 0 && length < SETTINGS_PATH_SIZE)
        return ERR_NONE;
    return error_set(ERR_USAGE, "--out '%.60s': expected a path of 1 to %d characters", wanted,
                     SETTINGS_PATH_SIZE - 1);
}

enum error run_directory_create(char directory[RUN_PATH_SIZE], const char *wanted,
                                const char *parent)
{
    if (wanted == NULL)
        return create_by_time(directory, parent);
    enum error err = run_directory_check(wanted);
    if (err != ERR_NONE)
        return err;
    size_t length = strlen(wanted);
    while (length > 1 && wanted[length - 1] == '/')
        length--;
    snprintf(directory, RUN_PATH_SIZE, "%.*s", (int)length, wanted);
    return create_wanted(directory);
}

/* An "open file description" lock goes with the last descriptor of it, so with the process. */
static int set_lock(int file, int command)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int code = fcntl(file, command, &whole);
    if (code == 0 && command == F_OFD_GETLK)
        return whole.l_type == F_UNLCK ? 0 : -1;
    return code;
}

bool run_directory_is_locked(const char *directory)
{
    char path[RUN_PATH_SIZE];
    if (run_path(path, directory, RUN_LOCK) != ERR_NONE)
        return false;
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0)
        return false;
    bool locked = set_lock(file, F_OFD_GETLK) != 0;
    close(file);
    return locked;
}

enum error run_directory_lock(int *lock, const char *directory)
{
    char path[RUN_PATH_SIZE], text[32] = "";
    enum error err = run_path(path, directory, RUN_LOCK);
    if (err != ERR_NONE)
        return err;
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file < 0)
        return error_set(ERR_OUTPUT, "cannot open %s: %s; check the rights on the directory", path,
                         strerror(errno));
    if (set_lock(file, F_OFD_SETLK) != 0) {
        int code = errno;
        ssize_t n = pread(file, text, sizeof text - 1, 0);
        text[n > 0 ? n : 0] = '\0';
        text[strcspn(text, "\n")] = '\0';
        close(file);
        if (code == EAGAIN || code == EACCES)
            return error_set(ERR_BUSY,
                             "%s: the run is in use by process %s; wait for it, or stop "
                             "it with: kill %s",
                             directory, text, text);
        return error_set(ERR_OUTPUT, "cannot lock %s: %s", path, strerror(code));
    }
    int length = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(file, 0) != 0 || pwrite(file, text, (size_t)length, 0) != length) {
        int code = errno;
        close(file);
        return error_set(ERR_OUTPUT, "cannot write %s: %s", path, strerror(code));
    }
    *lock = file;
    return ERR_NONE;
}

enum error run_read_settings(struct settings *settings, struct settings_origins *origins,
                             struct store *store)
{
    enum error err = ERR_NONE;
    struct text ini = {0};
    settings_defaults(settings, origins);
    TRY(store_read_settings(&ini, store));
    TRY(settings_read_text(settings, origins, ini.data, RUN_STORE));
    TRY(settings_check(settings));
out:
    text_free(&ini);
    return err;
}
