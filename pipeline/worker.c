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
#include "cl_kernels/tuner.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"
#include "pipeline/channel.h"
#include "pipeline/fault.h"
#include "pipeline/fingerprint.h"
#include "pipeline/footprint.h"
#include "pipeline/run_directory.h"
#include "pipeline/store.h"
#include "stages/baseline.h"
#include "stages/confirm.h"
#include "stages/train.h"

struct worker {
    int64_t id;
    struct store *store;
    struct settings settings;
    struct device *device;
    struct images images;
    struct images test; /* empty until the first test */
    struct trainer trainer;
    int pack; /* jobs at once, at most */
};

/* The jobs in training, for the watch. */
struct watch {
    struct worker *worker;
    const struct job *jobs;
    int count;
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

/* That of the run, whatever is on the disk by now. */
static enum error use_tuning(struct worker *worker)
{
    char key[TUNING_KEY_SIZE];
    struct text text = {0};
    tuning_key(key, worker->device);
    enum error err = store_read_tuning(&text, worker->store, key);
    if (err == ERR_NONE && text.length > 0)
        err = tuner_use_text(worker->device, text.data);
    text_free(&text);
    return err;
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
    if (worker->settings.devices.tune == TUNE_AUTO)
        TRY(use_tuning(worker));
    TRY(take_images(worker, order->shared_images));
    TRY(check_data(&run, &worker->images));
    TRY(trainer_create(&worker->trainer, worker->device, &worker->images, &worker->settings.data));
    worker->pack = train_pack_size(device_get_info(worker->device), worker->settings.devices.pack);
out:
    return err;
}

static enum error close_worker(struct worker *worker)
{
    trainer_destroy(&worker->trainer);
    images_free(&worker->test);
    images_free(&worker->images);
    device_close(worker->device);
    return store_close(worker->store);
}

/* A job of a pack counts its share of the pack's time, so that times add up to those of slots. */
static bool on_epoch(const struct train_progress *progress, void *user)
{
    struct watch *watch = user;
    struct epoch epoch = {.epoch = progress->epoch,
                          .train_loss = progress->train.loss,
                          .train_accuracy = progress->train.accuracy,
                          .seconds = progress->seconds / watch->count,
                          .images_per_s = progress->images_per_s * watch->count};
    watch->err = store_add_epoch(watch->worker->store, watch->worker->id,
                                 &watch->jobs[progress->member], &epoch);
    report(&(struct report_message){
        .type = REPORT_EPOCH, .epoch = progress->epoch, .images_per_s = epoch.images_per_s});
    if (watch->err != ERR_NONE)
        snprintf(watch->message, sizeof watch->message, "%s", error_message());
    return watch->err == ERR_NONE;
}

/* On a rung below the last members[i].state is left, the caller's to free. */
static enum error train_search(struct train_member *members, struct worker *worker,
                               const struct job *jobs, int count, struct watch *watch)
{
    enum error err = ERR_NONE;
    const struct settings *settings = &worker->settings;
    struct training_settings training = settings->training;
    float *starts[PACK_MAX] = {NULL};
    training.epochs = jobs[0].epochs;
    training.train_images = jobs[0].train_images;
    for (int i = 0; i < count; i++) {
        members[i].keep_state = jobs[i].rung + 1 < settings->search.fidelity.rungs.count;
        if (jobs[i].goes_on_from >= 0)
            TRY(store_read_state(&starts[i], &members[i].state_count, worker->store,
                                 jobs[i].goes_on_from));
        members[i].start = starts[i];
    }
    TRY(train_candidates(members, count, &worker->trainer, &training, settings->devices.conv,
                         settings->devices.time_limit_s, on_epoch, watch));
out:
    for (int i = 0; i < count; i++)
        free(starts[i]);
    return err;
}

static struct job_result search_result(const struct train_member *member, int count)
{
    const struct train_result *trained = &member->result;
    return (struct job_result){.status = CANDIDATE_DONE,
                               .duration_s = trained->duration_s / count,
                               .train_images = (int)trained->train_images,
                               .train_loss = trained->train.loss,
                               .validation_loss = trained->validation.loss,
                               .validation_accuracy = trained->validation.accuracy,
                               .images_per_s = trained->images_per_s * count,
                               .gflops = trained->gflops * count,
                               .state = member->state,
                               .state_count = member->state_count};
}

static struct job_result confirm_result(const struct train_member *member,
                                        const struct image_shape *shape, int count)
{
    struct job_result result = search_result(member, count);
    result.weights = member->weights;
    result.weight_count = (size_t)genome_cost(member->genome, shape).parameters;
    return result;
}

static struct job_result failure_result(const struct train_member *member, int count)
{
    return (struct job_result){.status = member->err == ERR_DIVERGED  ? CANDIDATE_DIVERGED
                                         : member->err == ERR_TIMEOUT ? CANDIDATE_TIMEOUT
                                                                      : CANDIDATE_TOO_BIG,
                               .message = member->message,
                               .duration_s = member->result.duration_s / count};
}

/* The random search may go on from a candidate that both have. */
static bool is_shared(const struct worker *worker, const struct job *job)
{
    const struct settings *settings = &worker->settings;
    return settings->confirm.baseline == BASELINE_RANDOM && job->kind == JOB_SEARCH &&
           job->goes_on_from >= 0 && job->goes_on_from < baseline_shared(&settings->search);
}

static enum error commit(struct worker *worker, const struct job *job,
                         const struct job_result *result)
{
    bool accepted;
    enum error err = store_commit(&accepted, worker->store, worker->id, job, result);
    if (err == ERR_NONE && !accepted)
        log_event(LOG_WARNING, "c%06" PRId64 ": the claim was taken back; its result is dropped",
                  job->candidate);
    return err;
}

/* One job, or a pack. A candidate's own failure becomes a result, every other error stays one. */
static enum error do_trainings(struct worker *worker, const struct job *jobs, int count)
{
    enum error err = ERR_NONE;
    struct watch watch = {.worker = worker, .jobs = jobs, .count = count};
    struct train_member members[PACK_MAX];
    bool confirms = jobs[0].kind == JOB_CONFIRM;
    if (count > 1)
        log_event(LOG_DEBUG, "trains a pack of %d from c%06" PRId64, count, jobs[0].candidate);
    for (int i = 0; i < count; i++)
        members[i] = (struct train_member){.genome = &jobs[i].genome, .seed = jobs[i].seed};
    err = confirms
              ? confirm_train(members, count, &worker->trainer, &worker->settings, on_epoch, &watch)
              : train_search(members, worker, jobs, count, &watch);
    if (watch.err != ERR_NONE)
        err = error_set(watch.err, "%s", watch.message);
    TRY(err);
    for (int i = 0; i < count; i++) {
        struct job_result result = members[i].err != ERR_NONE ? failure_result(&members[i], count)
                                   : confirms
                                       ? confirm_result(&members[i], &worker->images.shape, count)
                                       : search_result(&members[i], count);
        result.keep_start = is_shared(worker, &jobs[i]);
        TRY(commit(worker, &jobs[i], &result));
    }
out:
    for (int i = 0; i < count; i++) {
        free(members[i].weights);
        free(members[i].state);
    }
    return err;
}

/* The weights of a confirmation, from the store. */
static enum error read_model(struct model *model, struct worker *worker, const struct job *job)
{
    const struct images *images = &worker->images;
    *model = (struct model){
        .genome = job->genome, .shape = images->shape, .mean = images->mean, .std = images->std};
    enum error err = store_read_weights(&model->weights, &model->weight_count, worker->store,
                                        job->candidate, job->replicate);
    if (err != ERR_NONE)
        return err;
    if ((int64_t)model->weight_count == genome_cost(&model->genome, &model->shape).parameters)
        return ERR_NONE;
    return error_set(ERR_DATA, "the store is damaged: %zu weights of c%06" PRId64,
                     model->weight_count, job->candidate);
}

/* The test files are read at a worker's first test, and kept for the others. */
static enum error do_test(struct worker *worker, const struct job *job)
{
    enum error err = ERR_NONE;
    struct model model = {0};
    struct confirmation tested = {0};
    struct job_result result = {.status = CANDIDATE_DONE,
                                .train_loss = NAN,
                                .validation_loss = NAN,
                                .validation_accuracy = NAN,
                                .images_per_s = NAN,
                                .gflops = NAN,
                                .confirmation = &tested};
    double began_s = clock_monotonic_s();
    if (worker->test.count == 0)
        TRY(confirm_read_test(&worker->test, &worker->images.shape, &worker->settings.data));
    TRY(read_model(&model, worker, job));
    err = confirm_score(&tested, worker->device, &model, &worker->test, &worker->settings, NULL);
    if (err == ERR_DIVERGED || err == ERR_TOO_BIG) {
        result.status = err == ERR_DIVERGED ? CANDIDATE_DIVERGED : CANDIDATE_TOO_BIG;
        result.message = error_message();
        log_event(LOG_WARNING, "c%06" PRId64 " seed %d cannot be tested: %s", job->candidate,
                  job->replicate + 1, result.message);
        err = ERR_NONE;
    }
    TRY(err);
    result.duration_s = clock_monotonic_s() - began_s;
    TRY(commit(worker, job, &result));
out:
    free(model.weights);
    confirmation_free(&tested);
    return err;
}

static enum error do_jobs(struct worker *worker, const struct job *jobs, int count)
{
    enum error err = ERR_NONE;
    report(&(struct report_message){.type = REPORT_CLAIMED,
                                    .job = jobs[0].id,
                                    .kind = jobs[0].kind,
                                    .attempt = jobs[0].attempt,
                                    .replicate = jobs[0].replicate,
                                    .epochs = jobs[0].epochs,
                                    .candidate = jobs[0].candidate,
                                    .pack = count});
    for (int i = 0; i < count; i++)
        TRY(fault_inject(&jobs[i]));
    if (jobs[0].kind == JOB_TEST)
        for (int i = 0; i < count; i++)
            TRY(do_test(worker, &jobs[i]));
    else
        TRY(do_trainings(worker, jobs, count));
    report(&(struct report_message){.type = REPORT_COMMITTED});
out:
    footprint_trim();
    return err;
}

static enum error serve(struct worker *worker)
{
    enum error err = ERR_NONE;
    report(&(struct report_message){.type = REPORT_READY});
    for (;;) {
        struct job jobs[PACK_MAX];
        int count;
        TRY(store_claim_pack(jobs, &count, worker->store, worker->id, worker->pack));
        if (count > 0) {
            TRY(do_jobs(worker, jobs, count));
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
