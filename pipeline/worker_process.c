#include "pipeline/worker_process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pipeline/base/clock.h"
#include "pipeline/channel.h"

extern char **environ;

enum { NUMBER_SIZE = 24 };

/* posix_spawn*() functions return an error number; the first one is kept. */
static void keep(int *code, int next)
{
    if (*code == 0)
        *code = next;
}

static int spawn(pid_t *pid, char *const *arguments, int channel, int log, int images)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, standard;
    sigemptyset(&none);
    sigemptyset(&standard);
    sigaddset(&standard, SIGPIPE);
    int code = posix_spawn_file_actions_init(&actions);
    if (code != 0)
        return code;
    code = posix_spawnattr_init(&attributes);
    if (code != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return code;
    }
    keep(&code, posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0));
    keep(&code, posix_spawn_file_actions_adddup2(&actions, log, STDOUT_FILENO));
    keep(&code, posix_spawn_file_actions_adddup2(&actions, log, STDERR_FILENO));
    keep(&code, posix_spawn_file_actions_adddup2(&actions, channel, CHANNEL_WORKER_FD));
    if (images >= 0) /* is above both, so that nothing has been put in its place */
        keep(&code, posix_spawn_file_actions_adddup2(&actions, images, CHANNEL_IMAGES_FD));
    keep(&code, posix_spawnattr_setsigmask(&attributes, &none));
    keep(&code, posix_spawnattr_setsigdefault(&attributes, &standard));
    keep(&code,
         posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
    if (code == 0)
        code = posix_spawn(pid, "/proc/self/exe", &actions, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return code;
}

enum error worker_start(struct worker_process *process, const char *directory, int64_t worker,
                        const struct slot *slot, int log, int images)
{
    int ends[2];
    char id[NUMBER_SIZE], supervisor[NUMBER_SIZE], platform[NUMBER_SIZE], device[NUMBER_SIZE],
        part[NUMBER_SIZE], parts[NUMBER_SIZE], shared[NUMBER_SIZE], driver[PROBE_PATH_SIZE],
        run[1024 + 256];
    snprintf(id, sizeof id, "%" PRId64, worker);
    snprintf(supervisor, sizeof supervisor, "%ld", (long)getpid());
    snprintf(platform, sizeof platform, "%d", slot->device.platform_in_driver);
    snprintf(device, sizeof device, "%d", slot->device.info.device);
    snprintf(part, sizeof part, "%d", slot->part);
    snprintf(parts, sizeof parts, "%d", slot->parts);
    snprintf(driver, sizeof driver, "%s", slot->device.driver);
    snprintf(run, sizeof run, "%s", directory);
    char name[] = "clade", command[] = "worker", o_worker[] = "--worker",
         o_supervisor[] = "--supervisor", o_driver[] = "--driver", o_platform[] = "--platform",
         o_device[] = "--device", o_part[] = "--part", o_parts[] = "--parts",
         o_images[] = "--shared-images", end[] = "--";
    char *const arguments[] = {name,     command, o_worker,   id,       o_supervisor, supervisor,
                               o_driver, driver,  o_platform, platform, o_device,     device,
                               o_part,   part,    o_parts,    parts,    o_images,     shared,
                               end,      run,     NULL};
    *process = (struct worker_process){.socket = -1};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return error_set(ERR_INTERNAL, "cannot make a socket pair for a worker: %s",
                         strerror(errno));
    int above = images < 0 ? -1 : fcntl(images, F_DUPFD_CLOEXEC, CHANNEL_IMAGES_FD + 1);
    snprintf(shared, sizeof shared, "%d", above >= 0);
    int code = spawn(&process->pid, arguments, ends[1], log, above);
    if (above >= 0)
        close(above);
    close(ends[1]);
    if (code != 0) {
        close(ends[0]);
        process->pid = 0;
        return error_set(ERR_INTERNAL, "cannot start a worker process: %s", strerror(code));
    }
    process->socket = ends[0];
    return ERR_NONE;
}

static void forget(struct worker_process *process)
{
    if (process->socket >= 0)
        close(process->socket);
    *process = (struct worker_process){.socket = -1};
}

bool worker_ended(struct worker_process *process, int *status)
{
    if (process->pid == 0 || waitpid(process->pid, status, WNOHANG) != process->pid)
        return false;
    forget(process);
    return true;
}

void worker_kill(struct worker_process *process)
{
    if (process->pid == 0)
        return;
    kill(process->pid, SIGKILL);
    while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    forget(process);
}

void worker_dismiss(struct worker_process *process)
{
    if (process->socket >= 0)
        close(process->socket);
    process->socket = -1;
}

void worker_await(struct worker_process *process, double limit_s)
{
    int status;
    double end = clock_monotonic_s() + limit_s;
    while (process->pid != 0 && !worker_ended(process, &status)) {
        if (clock_monotonic_s() > end)
            worker_kill(process);
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
}
