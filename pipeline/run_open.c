#include "pipeline/run_open.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inputs/class_names.h"
#include "inputs/dataset.h"
#include "inputs/shared_images.h"
#include "outputs/file.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"
#include "pipeline/fingerprint.h"
#include "pipeline/run_memory.h"
#include "pipeline/run_progress.h"
#include "pipeline/tune.h"

static void log_line(enum log_level level, const char *text, void *user)
{
    struct run *run = user;
    char now[CLOCK_UTC_SIZE], line[2200];
    int64_t now_us = clock_utc_us();
    progress_event(&run->progress, level, text, now_us);
    clock_utc_text(now, now_us);
    int length = snprintf(line, sizeof line, "%s %s %s\n", now, log_level_name(level), text);
    if (length >= (int)sizeof line)
        length = (int)sizeof line - 1;
    /* A log that cannot be written does not end the run; the store that cannot, does. */
    ssize_t written = write(run->log, line, (size_t)length);
    (void)written;
}

static enum error open_log(struct run *run)
{
    char path[RUN_PATH_SIZE];
    enum error err = run_path(path, run->directory, RUN_LOG);
    if (err != ERR_NONE)
        return err;
    run->log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (run->log < 0)
        return error_set(ERR_OUTPUT, "cannot open %s: %s", path, strerror(errno));
    log_set_sink(log_line, run);
    if (run->images < 0)
        log_event(LOG_WARNING, "every worker holds its own copy of the images: the system gives no "
                               "memory to share");
    return ERR_NONE;
}

/* Checks the data files, and keeps the images for the workers. */
static enum error read_data(struct store_run *info, struct run *run)
{
    enum error err = ERR_NONE;
    struct images images = {0};
    struct split split = {0};
    const struct settings *settings = &run->settings;
    TRY(images_load_training(&images, &settings->data));
    TRY(split_make(&split, &images, (uint32_t)settings->data.validation_images,
                   (uint32_t)settings->training.train_images, settings->data.split_seed));
    if (strcmp(settings->data.class_names, CLASS_NAMES_AUTO) != 0)
        TRY(class_names_check(settings->data.class_names, images.shape.classes));
    info->shape = images.shape;
    info->training_images = images.count;
    info->data_check = fingerprint_images(&images);
    info->mean = images.mean;
    info->std = images.std;
    run->images = shared_images_create(&images);
out:
    split_free(&split);
    images_free(&images);
    return err;
}

/* Before the night, not after it: that they are there. They are opened when the last training has
   ended. */
static enum error find_test_files(const struct run *run)
{
    struct store_counts tests = {0};
    enum error err = run->store != NULL ? store_count(&tests, run->store, JOB_TEST) : ERR_NONE;
    bool tested = tests.total > 0 && tests.final == tests.total;
    if (err != ERR_NONE || tested || run->settings.confirm.seeds == 0)
        return err;
    return images_find_test(&run->settings.data);
}

static enum error write_settings(const struct run *run, const struct text *ini)
{
    char path[RUN_PATH_SIZE];
    enum error err = run_path(path, run->directory, RUN_SETTINGS);
    return err == ERR_NONE ? file_replace_text(path, ini) : err;
}

static void empty(struct run *run)
{
    enum progress_level level = run->progress.level;
    *run = (struct run){.lock = -1, .log = -1, .images = -1, .began_s = clock_monotonic_s()};
    progress_init(&run->progress, stderr, level);
}

/* Before there are workers: what they use is in the store. */
static enum error tune(struct run *run)
{
    enum error err = ERR_NONE;
    struct tune_list list = {0};
    struct tuned tuned = {0};
    TRY(tune_list_space(&list, &run->space, run->settings.training.batch,
                        run->settings.devices.conv));
    for (size_t i = 0; i < run->slot_count; i++) {
        const struct slot *slot = &run->slots[i];
        if (!slot->tuned || slots_on(run->slots, i, &slot->device) > 0 ||
            !tune_slot(&tuned, slot, &list, &(struct tune_wish){.seconds = TUNE_FIRST_USE_S}))
            continue;
        if (tuned.text.length > 0)
            TRY(store_add_tuning(run->store, tuned.key, tuned.text.data));
        text_free(&tuned.text);
    }
out:
    text_free(&tuned.text);
    tune_list_free(&list);
    return err;
}

enum error run_begin(struct run *run, const struct settings *settings,
                     const struct settings_origins *origins, const char *wanted)
{
    enum error err = ERR_NONE;
    struct text ini = {0};
    char path[RUN_PATH_SIZE];
    empty(run);
    run->settings = *settings;
    if (wanted != NULL)
        TRY(run_directory_check(wanted));
    run_say(run, "reads the training images");
    run_tell_start(run, wanted, -1);
    TRY(read_data(&run->info, run));
    TRY(find_test_files(run));
    TRY(space_init(&run->space, &settings->space, &run->info.shape));
    run_say(run, "looks for devices");
    TRY(slots_find(&run->slots, &run->slot_count, NULL, NULL, &run->settings.devices));
    TRY(run_memory_check(run));
    settings_print(&ini, settings, origins);
    TRY(text_status(&ini));
    TRY(run_directory_create(run->directory, wanted, settings->outputs.dir));
    TRY(run_directory_lock(&run->lock, run->directory));
    TRY(open_log(run));
    run_name(run->info.name, run->directory);
    run->info.created_utc_us = clock_utc_us();
    TRY(run_path(path, run->directory, RUN_STORE));
    TRY(store_create(&run->store, path, &run->info, ini.data));
    TRY(write_settings(run, &ini));
    run_tell_slots(run);
    log_event(LOG_INFO, "run %s begins with %zu slots", run->info.name, run->slot_count);
    TRY(store_add_event(run->store, LOG_INFO, "run begins"));
    TRY(tune(run));
out:
    text_free(&ini);
    return err;
}

enum error run_resume(struct run *run, const char *directory)
{
    enum error err = ERR_NONE;
    struct text ini = {0};
    struct store_run now = {0};
    char path[RUN_PATH_SIZE];
    int requeued;
    struct store_counts counts;
    empty(run);
    TRY(run_store_path(path, directory));
    snprintf(run->directory, sizeof run->directory, "%s", directory);
    TRY(run_directory_lock(&run->lock, directory));
    TRY(store_open(&run->store, path, true));
    TRY(store_read_run(&run->info, run->store));
    TRY(run_read_settings(&run->settings, NULL, run->store));
    TRY(store_count(&counts, run->store, JOB_SEARCH));
    run_say(run, "reads the training images");
    run_tell_start(run, directory, counts.final);
    TRY(read_data(&now, run));
    if (now.training_images != run->info.training_images ||
        now.data_check != run->info.data_check) {
        err = error_set(ERR_DATA,
                        "the training files in %s are not those that run %s began with; put them "
                        "back or start a new run",
                        run->settings.data.dir, run->info.name);
        goto out;
    }
    TRY(find_test_files(run));
    TRY(space_init(&run->space, &run->settings.space, &run->info.shape));
    run_say(run, "looks for devices");
    TRY(slots_find(&run->slots, &run->slot_count, NULL, NULL, &run->settings.devices));
    TRY(open_log(run));
    TRY(store_recover(&requeued, run->store));
    run_tell_slots(run);
    log_event(LOG_INFO, "run %s goes on with %zu slots; %d interrupted jobs are queued again",
              run->info.name, run->slot_count, requeued);
    TRY(store_add_event(run->store, LOG_INFO, "run goes on"));
    TRY(tune(run));
    TRY(store_read_settings(&ini, run->store));
    TRY(write_settings(run, &ini));
out:
    text_free(&ini);
    return err;
}

enum error run_end(struct run *run)
{
    progress_clear(&run->progress);
    log_set_sink(NULL, NULL);
    enum error err = memory_close(run->memory);
    enum error closed = store_close(run->store);
    if (err == ERR_NONE)
        err = closed;
    free(run->slots);
    free(run->history);
    free(run->baseline);
    store_free_confirmations(run->told, run->told_count);
    if (run->log >= 0 && close(run->log) != 0 && err == ERR_NONE)
        err = error_set(ERR_OUTPUT, "cannot close the log of %s: %s", run->directory,
                        strerror(errno));
    if (run->images >= 0)
        close(run->images);
    if (run->lock >= 0)
        close(run->lock);
    *run = (struct run){.lock = -1, .log = -1, .images = -1};
    return err;
}
