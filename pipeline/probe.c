#include "pipeline/probe.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "pipeline/child.h"

/* A cold driver may compile its built-in library first. */
static const double probe_limit_s = 60;

static const char default_directory[] = "/etc/OpenCL/vendors";

struct list {
    struct probed *rows;
    size_t count;
    int platforms;
};

const char *device_type_name(cl_device_type type)
{
    if (type & CL_DEVICE_TYPE_GPU)
        return "GPU";
    if (type & CL_DEVICE_TYPE_CPU)
        return "CPU";
    return type & CL_DEVICE_TYPE_ACCELERATOR ? "accelerator" : "other";
}

void probe_use_driver(const char *driver)
{
    if (driver[0] != '\0')
        setenv("OCL_ICD_VENDORS", driver, 1);
}

static enum error list_devices(int socket, void *user)
{
    probe_use_driver(user);
    struct device_info *devices;
    size_t count;
    enum error err = device_list(&devices, &count);
    if (err == ERR_NONE && count > 0)
        err = child_send(socket, devices, count * sizeof *devices);
    free(devices);
    return err;
}

static struct probed *add_row(struct list *list, const char *driver)
{
    struct probed *rows = realloc(list->rows, (list->count + 1) * sizeof *rows);
    if (rows == NULL)
        return NULL;
    list->rows = rows;
    struct probed *row = &rows[list->count++];
    *row = (struct probed){0};
    snprintf(row->driver, sizeof row->driver, "%s", driver);
    return row;
}

static enum error ask_driver(struct list *list, char *driver)
{
    struct child child;
    struct text answer = {0};
    struct probed *row;
    char what[64];
    const char *slash = strrchr(driver, '/');
    snprintf(what, sizeof what, "driver %.40s", slash != NULL ? slash + 1 : "of the loader");
    enum error err = child_start(&child, list_devices, driver);
    if (err != ERR_NONE)
        return err;
    if (child_wait(&child, &answer, probe_limit_s, what) != ERR_NONE) {
        row = add_row(list, driver);
        if (row != NULL)
            snprintf(row->failure, sizeof row->failure, "%.255s", error_message());
        err = row == NULL ? ERR_INTERNAL : ERR_NONE;
    }
    int first_platform = list->platforms;
    size_t count = answer.length / sizeof(struct device_info);
    for (size_t i = 0; i < count && err == ERR_NONE; i++) {
        row = add_row(list, driver);
        if (row == NULL) {
            err = ERR_INTERNAL;
            break;
        }
        memcpy(&row->info, answer.data + i * sizeof row->info, sizeof row->info);
        row->platform_in_driver = row->info.platform;
        row->info.platform += first_platform;
        if (row->info.platform >= list->platforms)
            list->platforms = row->info.platform + 1;
    }
    text_free(&answer);
    if (err == ERR_INTERNAL)
        error_set(err, "out of memory for the list of OpenCL devices");
    return err;
}

static int is_driver_file(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return length > 4 && strcmp(entry->d_name + length - 4, ".icd") == 0;
}

/* The directory of ICD files; NULL when the user has chosen something else. */
static const char *driver_directory(void)
{
    struct stat status;
    const char *chosen = getenv("OCL_ICD_VENDORS");
    if (chosen == NULL || chosen[0] == '\0')
        return default_directory;
    return stat(chosen, &status) == 0 && S_ISDIR(status.st_mode) ? chosen : NULL;
}

enum error probe_devices(struct probed **rows, size_t *count)
{
    enum error err = ERR_NONE;
    struct list list = {0};
    struct dirent **files = NULL;
    char loaders_choice[1] = "";
    *rows = NULL;
    *count = 0;
    const char *directory = driver_directory();
    int n = directory != NULL ? scandir(directory, &files, is_driver_file, alphasort) : 0;
    for (int i = 0; i < n && err == ERR_NONE; i++) {
        char path[PROBE_PATH_SIZE];
        int length = snprintf(path, sizeof path, "%s/%s", directory, files[i]->d_name);
        if (length < (int)sizeof path)
            err = ask_driver(&list, path);
    }
    /* Another choice of the user, or a loader that does not take a single file. */
    if (err == ERR_NONE && list.count == 0)
        err = ask_driver(&list, loaders_choice);
    for (int i = 0; i < n; i++)
        free(files[i]);
    free(files);
    if (err == ERR_NONE) {
        *rows = list.rows;
        *count = list.count;
    } else {
        free(list.rows);
    }
    return err;
}
