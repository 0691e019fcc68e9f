#include "pipeline/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "inputs/shared_images.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"
#include "pipeline/channel.h"
#include "pipeline/fault.h"
#include "pipeline/fingerprint.h"
#include "pipeline/footprint.h"
#include "pipeline/run_directory.h"
#include "pipeline/store.h"
#include "stages/confirm.h"
#include "stages/train.h"

struct worker {
    int64_t id;
    struct store *store;
    struct settings settings;
    struct device *device;
    struct images images;
    struct trainer trainer;
};

/* The job in training, for the watch. */
struct watch {
    struct worker *worker;
    const struct job *job;
    enum error err; /* of the store, while training */
    char message[512];
};

static void report(const struct report_message *message)
{
    /* When the supervisor is gone, so is this process, at once. */
    channel_send_report(CHANNEL_WORKER_FD, message);
}

/* The supervisor's death is this process's death; so is its death before prctl() was called. */
static enum error bind_to_supervisor(pid_t supervisor)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != supervisor)
        return error_set(ERR_USAGE,
                         "worker: the supervisor %ld is not the parent of this process; "
                         "'clade run' starts workers",
                         (long)supervisor);
    if (fcntl(CHANNEL_WORKER_FD, F_SETFD, FD_CLOEXEC) != 0)
        return error_set(ERR_USAGE,
                         "worker: file descriptor %d is not open; 'clade run' starts "
                         "workers",
                         CHANNEL_WORKER_FD);
    /* Ctrl-C and a closed terminal reach the whole process group; what to do is decided by the
       supervisor. */
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    return ERR_NONE;
}

static enum error check_data(const struct store_run *run, const struct images *images)
{
    if (images->count == run->training_images && fingerprint_images(images) == run->data_check)
        return ERR_NONE;
    return error_set(ERR_DATA,
                     "the training files are not those that run %s began with; put them back or "
                     "start a new run",
                     run->name);
}

/* What the supervisor shares, or else the files. */
static enum error take_images(struct worker *worker, bool shared)
{
    enum error err = ERR_DATA;
    if (shared) {
        err = shared_images_map(&worker->images, CHANNEL_IMAGES_FD);
        close(CHANNEL_IMAGES_FD);
        if (err != ERR_NONE)
            log_event(LOG_WARNING, "%s; the data files are read instead", error_message());
    }
    return err == ERR_NONE ? ERR_NONE
                           : images_load_training(&worker->images, &worker->settings.data);
}

static enum error open_worker(struct worker *worker, const struct worker_order *order)
{
    enum error err = ERR_NONE;
    struct store_run run;
    char path[RUN_PATH_SIZE];
    TRY(run_path(path, order->directory, RUN_STORE));
    TRY(store_open(&worker->store, path, false));
    TRY(store_read_run(&run, worker->store));
    TRY(run_read_settings(&worker->settings, NULL, worker->store));
    TRY(slot_open(&worker->device, &order->slot));
    TRY(take_images(worker, order->shared_images));
    TRY(check_data(&run, &worker->images));
    TRY(trainer_create(&worker->trainer, worker->device, &worker->images, &worker->settings.data));
out:
    return err;
}

static enum error close_worker(struct worker *worker)
{
    trainer_destroy(&worker->trainer);
    images_free(&worker->images);
    device_close(worker->device);
    return store_close(worker->store);
}

static bool on_epoch(const struct train_progress *progress, void *user)
{
    struct watch *watch = user;
    struct epoch epoch = {.epoch = progress->epoch,
                          .train_loss = progress->train.loss,
                          .train_accuracy = progress->train.accuracy,
                          .seconds = progress->seconds,
                          .images_per_s = progress->images_per_s};
    watch->err = store_add_epoch(watch->worker->store, watch->worker->id, watch->job, &epoch);
    report(&(struct report_message){.type = REPORT_EPOCH,
                                    .epoch = progress->epoch,
                                    .images_per_s = progress->images_per_s});
    if (watch->err != ERR_NONE)
        snprintf(watch->message, sizeof watch->message, "%s", error_message());
    return watch->err == ERR_NONE;
}

static enum error train_search(struct job_result *result, struct worker *worker,
                               const struct job *job, struct watch *watch)
{
    struct train_result trained;
    struct training_settings training = worker->settings.training;
    training.epochs = job->epochs;
    training.train_images = job->train_images;
    enum error err = train_candidate(&trained, &worker->trainer, &job->genome, &training,
                                     worker->settings.devices.conv, job->seed,
                                     worker->settings.devices.time_limit_s, on_epoch, watch, NULL);
    if (err != ERR_NONE)
        return err;
    *result = (struct job_result){.status = CANDIDATE_DONE,
                                  .duration_s = trained.duration_s,
                                  .train_images = (int)trained.train_images,
                                  .train_loss = trained.train.loss,
                                  .validation_loss = trained.validation.loss,
                                  .validation_accuracy = trained.validation.accuracy,
                                  .images_per_s = trained.images_per_s,
                                  .gflops = trained.gflops};
    return ERR_NONE;
}

/* *confirmation and *weights are the caller's to free. */
static enum error train_confirm(struct job_result *result, struct confirmation *confirmation,
                                float **weights, struct worker *worker, const struct job *job,
                                struct watch *watch)
{
    enum error err = confirm_genome(confirmation, &worker->trainer, &job->genome, &worker->settings,
                                    job->seed, on_epoch, watch, weights);
    if (err != ERR_NONE)
        return err;
    int64_t parameters = genome_cost(&job->genome, &worker->images.shape).parameters;
    *result = (struct job_result){.status = CANDIDATE_DONE,
                                  .duration_s = confirmation->duration_s,
                                  .train_images = confirmation->train_images,
                                  .train_loss = confirmation->train_loss,
                                  .validation_loss = confirmation->validation_loss,
                                  .validation_accuracy = confirmation->validation_accuracy,
                                  .images_per_s = confirmation->images_per_s,
                                  .gflops = NAN,
                                  .confirmation = confirmation,
                                  .weights = *weights,
                                  .weight_count = (size_t)parameters};
    return ERR_NONE;
}

/* A candidate's own failure becomes a result, every other error stays one. */
static enum error failure_result(struct job_result *result, enum error err, double duration_s)
{
    enum candidate_status status;
    switch (err) {
    case ERR_DIVERGED:
        status = CANDIDATE_DIVERGED;
        break;
    case ERR_TOO_BIG:
        status = CANDIDATE_TOO_BIG;
        break;
    case ERR_TIMEOUT:
        status = CANDIDATE_TIMEOUT;
        break;
    default:
        return err;
    }
    *result =
        (struct job_result){.status = status, .message = error_message(), .duration_s = duration_s};
    return ERR_NONE;
}

static enum error do_job(struct worker *worker, const struct job *job)
{
    enum error err = ERR_NONE;
    struct watch watch = {.worker = worker, .job = job};
    struct job_result result;
    struct confirmation confirmation = {0};
    float *weights = NULL;
    bool accepted;
    double start = clock_monotonic_s();
    report(&(struct report_message){.type = REPORT_CLAIMED,
                                    .job = job->id,
                                    .kind = job->kind,
                                    .attempt = job->attempt,
                                    .replicate = job->replicate,
                                    .epochs = job->epochs,
                                    .candidate = job->candidate});
    TRY(fault_inject(job));
    err = job->kind != JOB_CONFIRM
              ? train_search(&result, worker, job, &watch)
              : train_confirm(&result, &confirmation, &weights, worker, job, &watch);
    if (watch.err != ERR_NONE)
        err = error_set(watch.err, "%s", watch.message);
    if (err != ERR_NONE)
        TRY(failure_result(&result, err, clock_monotonic_s() - start));
    TRY(store_commit(&accepted, worker->store, worker->id, job, &result));
    if (!accepted)
        log_event(LOG_WARNING, "c%06" PRId64 ": the claim was taken back; its result is dropped",
                  job->candidate);
    report(&(struct report_message){.type = REPORT_COMMITTED});
out:
    confirmation_free(&confirmation);
    free(weights);
    footprint_trim();
    return err;
}

static enum error serve(struct worker *worker)
{
    enum error err = ERR_NONE;
    report(&(struct report_message){.type = REPORT_READY});
    for (;;) {
        struct job job;
        bool found;
        TRY(store_claim(&job, &found, worker->store, worker->id));
        if (found) {
            TRY(do_job(worker, &job));
        } else {
            report(&(struct report_message){.type = REPORT_IDLE});
            if (!channel_receive_wake(CHANNEL_WORKER_FD))
                break;
        }
    }
out:
    return err;
}

static void log_line(enum log_level level, const char *text, void *user)
{
    const struct worker *worker = user;
    char now[CLOCK_UTC_SIZE];
    clock_utc_text(now, clock_utc_us());
    fprintf(stderr, "%s %s worker %" PRId64 ": %s\n", now, log_level_name(level), worker->id, text);
}

enum error worker_run(const struct worker_order *order)
{
    struct worker worker = {.id = order->worker};
    enum error err = bind_to_supervisor(order->supervisor);
    if (err != ERR_NONE)
        return err;
    log_set_sink(log_line, &worker);
    err = open_worker(&worker, order);
    if (err == ERR_NONE)
        err = serve(&worker);
    if (err != ERR_NONE) {
        struct report_message message = {.type = REPORT_FAILED, .err = err};
        snprintf(message.text, sizeof message.text, "%s", error_message());
        report(&message);
    }
    enum error closed = close_worker(&worker);
    log_set_sink(NULL, NULL);
    return err != ERR_NONE ? err : closed;
}
