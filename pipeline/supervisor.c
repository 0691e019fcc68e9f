#include "pipeline/supervisor.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"
#include "pipeline/channel.h"
#include "pipeline/child.h"
#include "pipeline/worker_process.h"

/* After a death a slot waits before it starts anew: this long, doubled with every further death
   in a row. */
static const double first_pause_s = 0.25, longest_pause_s = 30;

/* A worker looks at the time every few steps. At twice the limit and this long it is killed. */
static const double grace_s = 5;

/* Opening a device may compile its built-in library; after this long it hangs. */
static const double start_limit_s = 900;

static const double dismiss_limit_s = 10;

enum seat_state { SEAT_EMPTY, SEAT_STARTING, SEAT_IDLE, SEAT_BUSY, SEAT_RETIRED };

/* One slot and who works on it. */
struct seat {
    enum seat_state state;
    struct worker_process process;
    int64_t worker;
    int deaths;          /* in a row, without a commit between them */
    double start_at_s;   /* SEAT_EMPTY: not before */
    double since_s;      /* of SEAT_STARTING and SEAT_BUSY */
    struct job job;      /* SEAT_BUSY: what REPORT_CLAIMED says of it */
    int pack;            /* SEAT_BUSY: jobs, of which that is the first */
    int epoch;           /* SEAT_BUSY: how many have ended */
    bool ready;          /* it has opened its device */
    double images_per_s; /* of the last epoch; NAN: not known */
    bool overdue;        /* killed because it took too long */
    enum error err;      /* that it reported before it ended */
    char text[512];
};

struct supervisor {
    struct supervisor_plan plan;
    struct seat *seats;
    struct pollfd *polls; /* the signalfd, then one a seat */
    int signals;
    sigset_t old_mask;
    bool changed; /* jobs may have ended or gone back: advance() has to look */
};

/* To the log and to the store. */
__attribute__((format(printf, 3, 4))) static enum error
note(struct supervisor *s, enum log_level level, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    log_event(level, "%s", text);
    return store_add_event(s->plan.store, level, text);
}

/* A signal that was ignored when the program began (nohup, a background job) stays so. */
static void add_unless_ignored(sigset_t *set, int signal)
{
    struct sigaction action;
    if (sigaction(signal, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
        return;
    sigaddset(set, signal);
}

enum error supervisor_create(struct supervisor **out, const struct supervisor_plan *plan)
{
    struct supervisor *s = calloc(1, sizeof *s);
    struct seat *seats = calloc(plan->slot_count, sizeof *seats);
    struct pollfd *polls = calloc(plan->slot_count + 1, sizeof *polls);
    if (s == NULL || seats == NULL || polls == NULL) {
        free(s);
        free(seats);
        free(polls);
        return error_set(ERR_INTERNAL, "out of memory for %zu slots", plan->slot_count);
    }
    *s = (struct supervisor){.plan = *plan, .seats = seats, .polls = polls};
    for (size_t i = 0; i < plan->slot_count; i++)
        seats[i] = (struct seat){.process.socket = -1, .images_per_s = NAN};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    add_unless_ignored(&set, SIGINT);
    add_unless_ignored(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, &s->old_mask);
    s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (s->signals < 0) {
        enum error err = error_set(ERR_INTERNAL, "cannot make a signalfd: %s", strerror(errno));
        supervisor_destroy(s);
        return err;
    }
    *out = s;
    return ERR_NONE;
}

static void enter(struct seat *seat, enum seat_state state)
{
    seat->state = state;
    seat->since_s = clock_monotonic_s();
}

static void describe(struct device_version *version, const struct device_info *info)
{
    snprintf(version->device, sizeof version->device, "%s", info->name);
    snprintf(version->platform, sizeof version->platform, "%s", info->platform_name);
    snprintf(version->platform_version, sizeof version->platform_version, "%s",
             info->platform_version);
    snprintf(version->driver_version, sizeof version->driver_version, "%s", info->driver);
    snprintf(version->device_version, sizeof version->device_version, "%s", info->version);
}

static enum error start(struct supervisor *s, size_t i)
{
    enum error err = ERR_NONE;
    struct seat *seat = &s->seats[i];
    const struct slot *slot = &s->plan.slots[i];
    struct device_version version;
    describe(&version, &slot->device.info);
    TRY(store_add_worker(&seat->worker, s->plan.store, (int)i, &version));
    TRY(worker_start(&seat->process, s->plan.directory, seat->worker, slot, s->plan.log,
                     s->plan.images));
    enter(seat, SEAT_STARTING);
    seat->images_per_s = NAN;
    seat->overdue = seat->ready = false;
    seat->err = ERR_NONE;
    seat->text[0] = '\0';
    log_event(LOG_DEBUG, "worker %" PRId64 " starts on slot %zu (%s)", seat->worker, i,
              slot->device.info.name);
out:
    return err;
}

/* Killed from outside, as a service manager does when it stops everything. */
static bool was_told_to_stop(int status)
{
    return WIFSIGNALED(status) && (WTERMSIG(status) == SIGTERM || WTERMSIG(status) == SIGINT ||
                                   WTERMSIG(status) == SIGHUP);
}

/* Faults that another worker would meet as well. */
static bool is_common_fault(enum error err)
{
    return err == ERR_DATA || err == ERR_USAGE || err == ERR_OUTPUT;
}

/* In the name of a worker that was killed over a candidate. */
static enum error commit_timeout(struct supervisor *s, const struct seat *seat)
{
    bool accepted;
    struct job_result result = {.status = CANDIDATE_TIMEOUT,
                                .message = "far over devices.time_limit_s; its worker was killed",
                                .duration_s = clock_monotonic_s() - seat->since_s};
    return store_commit(&accepted, s->plan.store, seat->worker, &seat->job, &result);
}

/* A worker has ended although it was needed. */
static enum error bury(struct supervisor *s, size_t i, int status)
{
    enum error err = ERR_NONE;
    struct seat *seat = &s->seats[i];
    enum release what;
    int64_t job;
    char ending[ENDING_TEXT_SIZE], line[640];
    bool guilty = !was_told_to_stop(status);
    ending_text(ending, status);
    snprintf(line, sizeof line, "%s%s%s", seat->overdue ? "took too long and was killed" : ending,
             seat->text[0] != '\0' ? ": " : "", seat->text);
    s->changed = true;
    /* Which one of a pack took too long is seen when they train alone. */
    if (seat->overdue && seat->state == SEAT_BUSY && seat->pack == 1)
        TRY(commit_timeout(s, seat));
    seat->state = SEAT_EMPTY;
    TRY(store_release(&what, &job, s->plan.store, seat->worker, line,
                      guilty && !is_common_fault(seat->err), s->plan.retries));
    TRY(note(s, LOG_WARNING, "worker %" PRId64 " on slot %zu ended (%s)%s", seat->worker, i, line,
             what == RELEASE_QUEUED   ? "; what it trained is queued again"
             : what == RELEASE_FAILED ? "; its candidate has failed for good"
                                      : ""));
    if (is_common_fault(seat->err)) {
        err = error_set(seat->err, "%s", seat->text);
        goto out;
    }
    seat->deaths += guilty;
    /* One candidate that kills its worker at every attempt must not cost the slot. */
    if (seat->deaths > s->plan.retries + 2) {
        seat->state = SEAT_RETIRED;
        TRY(note(s, LOG_ERROR, "slot %zu (%s) is given up after %d deaths in a row", i,
                 s->plan.slots[i].device.info.name, seat->deaths));
    }
    double pause = seat->deaths > 0 ? first_pause_s * pow(2, seat->deaths - 1) : 0;
    seat->start_at_s = clock_monotonic_s() + fmin(pause, longest_pause_s);
out:
    return err;
}

static void hear(struct supervisor *s, struct seat *seat, const struct report_message *message)
{
    switch (message->type) {
    case REPORT_READY:
        seat->ready = true;
        break;
    case REPORT_IDLE:
        seat->state = SEAT_IDLE;
        seat->images_per_s = NAN;
        break;
    case REPORT_CLAIMED:
        enter(seat, SEAT_BUSY);
        seat->pack = message->pack;
        seat->job = (struct job){.id = message->job,
                                 .kind = message->kind,
                                 .attempt = message->attempt,
                                 .replicate = message->replicate,
                                 .epochs = message->epochs,
                                 .candidate = message->candidate,
                                 .goes_on_from = -1};
        seat->epoch = 0;
        break;
    case REPORT_EPOCH:
        seat->epoch = message->epoch;
        seat->images_per_s = message->images_per_s;
        break;
    case REPORT_COMMITTED:
        seat->deaths = 0;
        enter(seat, SEAT_STARTING); /* until it says what it does next */
        s->changed = true;
        break;
    case REPORT_FAILED:
        seat->err = message->err;
        snprintf(seat->text, sizeof seat->text, "%s", message->text);
        break;
    }
}

static enum error collect(struct supervisor *s)
{
    enum error err = ERR_NONE;
    for (size_t i = 0; i < s->plan.slot_count; i++) {
        struct seat *seat = &s->seats[i];
        struct report_message message;
        int status;
        if (seat->process.pid == 0)
            continue;
        /* First the news, then the death: a report may be the last thing a worker did. */
        siginfo_t dead = {0};
        waitid(P_PID, (id_t)seat->process.pid, &dead, WEXITED | WNOHANG | WNOWAIT);
        while (channel_receive_report(seat->process.socket, &message))
            hear(s, seat, &message);
        if (dead.si_pid != 0 && worker_ended(&seat->process, &status))
            TRY(bury(s, i, status));
    }
out:
    return err;
}

static bool is_overdue(const struct supervisor *s, const struct seat *seat)
{
    double passed = clock_monotonic_s() - seat->since_s;
    if (seat->state == SEAT_STARTING)
        return passed > start_limit_s;
    bool confirms = seat->job.kind == JOB_CONFIRM || seat->job.kind == JOB_TEST;
    double limit_s = confirms ? s->plan.confirm_limit_s : s->plan.time_limit_s;
    return seat->state == SEAT_BUSY && limit_s > 0 && passed > 2 * limit_s * seat->pack + grace_s;
}

static void kill_overdue(struct supervisor *s)
{
    for (size_t i = 0; i < s->plan.slot_count; i++) {
        struct seat *seat = &s->seats[i];
        if (!seat->overdue && is_overdue(s, seat)) {
            seat->overdue = true;
            kill(seat->process.pid, SIGKILL); /* SIGCHLD tells when it is dead */
        }
    }
}

static enum error count_waiting(int64_t *waiting, struct supervisor *s)
{
    enum error err = ERR_NONE;
    *waiting = 0;
    for (int kind = 0; kind < JOB_KIND_COUNT && err == ERR_NONE; kind++) {
        struct store_counts counts;
        err = store_count(&counts, s->plan.store, (enum job_kind)kind);
        *waiting += err == ERR_NONE ? counts.status[CANDIDATE_QUEUED] : 0;
    }
    return err;
}

static enum error no_slot_left(const struct supervisor *s)
{
    const char *why = s->seats[0].text;
    return error_set(ERR_DEVICE,
                     "every slot was given up after repeated deaths of its worker (%s); see "
                     "%s/log.txt, then go on with: clade run --resume %s",
                     why[0] != '\0' ? why : "no reason given", s->plan.directory,
                     s->plan.directory);
}

/* As many workers as there are jobs to claim: those that are about to look, then idle ones, then
   new ones on free slots. */
static enum error staff(struct supervisor *s)
{
    enum error err = ERR_NONE;
    int64_t waiting;
    size_t retired = 0;
    TRY(count_waiting(&waiting, s));
    for (size_t i = 0; i < s->plan.slot_count; i++) {
        waiting -= s->seats[i].state == SEAT_STARTING;
        retired += s->seats[i].state == SEAT_RETIRED;
    }
    if (retired == s->plan.slot_count)
        return no_slot_left(s);
    for (size_t i = 0; i < s->plan.slot_count && waiting > 0; i++) {
        struct seat *seat = &s->seats[i];
        if (seat->state != SEAT_IDLE)
            continue;
        enter(seat, SEAT_STARTING);
        channel_send_wake(seat->process.socket); /* when it is dead, SIGCHLD says so */
        waiting--;
    }
    for (size_t i = 0; i < s->plan.slot_count && waiting > 0; i++) {
        struct seat *seat = &s->seats[i];
        if (seat->state != SEAT_EMPTY || clock_monotonic_s() < seat->start_at_s)
            continue;
        TRY(start(s, i));
        waiting--;
    }
out:
    return err;
}

/* The signal that asks for an end, or 0. */
static int read_signals(struct supervisor *s)
{
    struct signalfd_siginfo info;
    int stop = 0;
    while (read(s->signals, &info, sizeof info) == sizeof info)
        if (info.ssi_signo != SIGCHLD)
            stop = (int)info.ssi_signo;
    return stop;
}

static void describe_seat(struct progress_slot *slot, const struct seat *seat)
{
    static const char *const words[] = {[SEAT_EMPTY] = "waits before it starts again",
                                        [SEAT_STARTING] = "starts",
                                        [SEAT_IDLE] = "idle",
                                        [SEAT_RETIRED] = "given up"};
    const struct job *job = &seat->job;
    size_t size = sizeof slot->doing;
    if (seat->state != SEAT_BUSY) {
        bool between = seat->state == SEAT_STARTING && seat->ready;
        bool never = seat->state == SEAT_EMPTY && seat->deaths == 0;
        snprintf(slot->doing, size, "%s",
                 between ? "looks for work"
                 : never ? "not needed yet"
                         : words[seat->state]);
        return;
    }
    const char *kind = job->kind == JOB_BASELINE ? "random " : "";
    int n = snprintf(slot->doing, size, "%sc%06" PRId64, kind, job->candidate);
    if (job->kind == JOB_CONFIRM || job->kind == JOB_TEST)
        n += snprintf(slot->doing + n, size - (size_t)n, " seed %d", job->replicate + 1);
    else if (job->attempt > 1)
        n += snprintf(slot->doing + n, size - (size_t)n, " attempt %d", job->attempt);
    if (job->kind == JOB_TEST)
        snprintf(slot->doing + n, size - (size_t)n, ", test images");
    else if (seat->epoch < job->epochs)
        snprintf(slot->doing + n, size - (size_t)n, ", epoch %d of %d", seat->epoch + 1,
                 job->epochs);
    else
        snprintf(slot->doing + n, size - (size_t)n, ", scoring");
}

void supervisor_slots(struct progress_slot *slots, const struct supervisor *s)
{
    for (size_t i = 0; i < s->plan.slot_count; i++) {
        const struct seat *seat = &s->seats[i];
        slots[i] = (struct progress_slot){
            .device = s->plan.slots[i].device.info.name,
            .images_per_s = seat->images_per_s,
            .seconds = seat->since_s > 0 ? clock_monotonic_s() - seat->since_s : 0};
        describe_seat(&slots[i], seat);
    }
}

static double images_per_s(const struct supervisor *s)
{
    double sum = NAN;
    for (size_t i = 0; i < s->plan.slot_count; i++)
        if (!isnan(s->seats[i].images_per_s))
            sum = isnan(sum) ? s->seats[i].images_per_s : sum + s->seats[i].images_per_s;
    return sum;
}

/* Until the next event, at most `limit_s`, less when a seat's pause or time limit ends. */
static void wait_for_event(struct supervisor *s, double limit_s)
{
    double now = clock_monotonic_s();
    s->polls[0] = (struct pollfd){.fd = s->signals, .events = POLLIN};
    for (size_t i = 0; i < s->plan.slot_count; i++) {
        const struct seat *seat = &s->seats[i];
        s->polls[i + 1] = (struct pollfd){.fd = seat->process.socket, .events = POLLIN};
        if (seat->state == SEAT_EMPTY && seat->start_at_s > now)
            limit_s = fmin(limit_s, seat->start_at_s - now);
    }
    /* A dead worker's channel is ready at once and for ever: its death is in SIGCHLD. */
    int ready = poll(s->polls, (nfds_t)s->plan.slot_count + 1, (int)(1000 * limit_s) + 1);
    bool only_hangups = ready > 0 && s->polls[0].revents == 0;
    for (size_t i = 0; i < s->plan.slot_count; i++)
        only_hangups = only_hangups && (s->polls[i + 1].revents & POLLIN) == 0;
    if (only_hangups)
        poll(s->polls, 1, (int)(1000 * limit_s) + 1);
}

/* Kills all workers; what they held is queued again, without blame. */
static enum error stop_all(struct supervisor *s, const char *ending)
{
    enum error err = ERR_NONE;
    for (size_t i = 0; i < s->plan.slot_count; i++)
        worker_kill(&s->seats[i].process);
    for (size_t i = 0; i < s->plan.slot_count; i++) {
        struct seat *seat = &s->seats[i];
        enum release what;
        if (seat->state == SEAT_EMPTY || seat->state == SEAT_RETIRED)
            continue;
        seat->state = SEAT_EMPTY;
        enum error failed =
            store_release(&what, NULL, s->plan.store, seat->worker, ending, false, 0);
        err = err == ERR_NONE ? failed : err;
    }
    return err;
}

static enum error loop(struct supervisor *s, const struct supervisor_hooks *hooks)
{
    enum error err = ERR_NONE;
    bool finished = false;
    s->changed = true;
    for (;;) {
        int signal = read_signals(s);
        TRY(collect(s));
        if (s->changed) {
            s->changed = false;
            TRY(hooks->advance(&finished, hooks->user));
        }
        if (finished)
            break;
        if (signal != 0) {
            err = error_set(ERR_STOPPED, "stopped by SIG%s; go on with: clade run --resume %s",
                            sigabbrev_np(signal), s->plan.directory);
            goto out;
        }
        if (hooks->expired != NULL && hooks->expired(hooks->user)) {
            TRY(stop_all(s, "the time was up"));
            TRY(hooks->advance(&finished, hooks->user));
            break;
        }
        kill_overdue(s);
        TRY(staff(s));
        if (hooks->tick != NULL)
            hooks->tick(images_per_s(s), hooks->user);
        wait_for_event(s, 1);
    }
out:
    return err;
}

enum error supervisor_work(struct supervisor *supervisor, const struct supervisor_hooks *hooks)
{
    enum error err = loop(supervisor, hooks);
    if (err == ERR_NONE)
        return ERR_NONE;
    char message[1024];
    snprintf(message, sizeof message, "%s", error_message());
    stop_all(supervisor, "run was stopped");
    return error_set(err, "%s", message);
}

enum error supervisor_destroy(struct supervisor *supervisor)
{
    struct supervisor *s = supervisor;
    enum error err = ERR_NONE;
    if (s == NULL)
        return ERR_NONE;
    for (size_t i = 0; i < s->plan.slot_count; i++)
        worker_dismiss(&s->seats[i].process);
    for (size_t i = 0; i < s->plan.slot_count; i++) {
        if (s->seats[i].process.pid == 0)
            continue;
        worker_await(&s->seats[i].process, dismiss_limit_s);
        enum release what;
        enum error failed =
            store_release(&what, NULL, s->plan.store, s->seats[i].worker, "done", false, 0);
        err = err == ERR_NONE ? failed : err;
    }
    if (s->signals >= 0) {
        read_signals(s); /* what came too late must not strike when they are unblocked */
        close(s->signals);
    }
    sigprocmask(SIG_SETMASK, &s->old_mask, NULL);
    free(s->seats);
    free(s->polls);
    free(s);
    return err;
}
