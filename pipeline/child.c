#include "pipeline/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"

/* The last bytes that a child sends. */
struct farewell {
    enum error err;
    char message[1024];
};

void ending_text(char text[ENDING_TEXT_SIZE], int wait_status)
{
    if (WIFSIGNALED(wait_status))
        snprintf(text, ENDING_TEXT_SIZE, "signal %d (%s)", WTERMSIG(wait_status),
                 strsignal(WTERMSIG(wait_status)));
    else
        snprintf(text, ENDING_TEXT_SIZE, "exit code %d", WEXITSTATUS(wait_status));
}

_Noreturn static void be_child(int socket, pid_t parent, child_work *work, void *user)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    log_set_sink(NULL, NULL);
    int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nowhere >= 0) {
        dup2(nowhere, STDOUT_FILENO);
        dup2(nowhere, STDERR_FILENO);
    }
    struct farewell farewell = {0};
    error_clear();
    farewell.err = work(socket, user);
    snprintf(farewell.message, sizeof farewell.message, "%s", error_message());
    child_send(socket, &farewell, sizeof farewell);
    _exit(0);
}

enum error child_start(struct child *child, child_work *work, void *user)
{
    int ends[2];
    *child = (struct child){.socket = -1};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return error_set(ERR_INTERNAL, "cannot make a socket pair: %s", strerror(errno));
    fflush(stdout);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        be_child(ends[1], parent, work, user);
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return error_set(ERR_INTERNAL, "cannot start a child process: %s", strerror(errno));
    }
    child->pid = pid;
    child->socket = ends[0];
    return ERR_NONE;
}

enum error child_send(int socket, const void *data, size_t size)
{
    const char *at = data;
    while (size > 0) {
        ssize_t n = send(socket, at, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return error_set(ERR_INTERNAL, "cannot write to the other process: %s",
                             strerror(errno));
        at += n;
        size -= (size_t)n;
    }
    return ERR_NONE;
}

enum error child_receive(int socket, void *data, size_t size)
{
    char *at = data;
    while (size > 0) {
        ssize_t n = recv(socket, at, size, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return error_set(ERR_INTERNAL, "the other process ended too early");
        at += n;
        size -= (size_t)n;
    }
    return ERR_NONE;
}

void child_kill(struct child *child)
{
    if (child->pid > 0) {
        kill(child->pid, SIGKILL);
        waitpid(child->pid, NULL, 0);
        child->pid = 0;
    }
    if (child->socket >= 0)
        close(child->socket);
    child->socket = -1;
}

/* Reads to the end of the stream; false when nothing came for `limit_s` seconds. */
static bool read_rest(struct text *output, int socket, double limit_s)
{
    char buffer[4096];
    double last = clock_monotonic_s();
    for (;;) {
        double left = last + limit_s - clock_monotonic_s();
        struct pollfd wait = {.fd = socket, .events = POLLIN};
        int ready = left > 0 ? poll(&wait, 1, (int)(1000 * left) + 1) : 0;
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return false;
        ssize_t n = recv(socket, buffer, sizeof buffer, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return true;
        text_append_n(output, buffer, (size_t)n);
        last = clock_monotonic_s();
    }
}

enum error child_wait(struct child *child, struct text *output, double limit_s, const char *what)
{
    enum error err = ERR_NONE;
    struct text all = {0};
    struct farewell farewell;
    char ending[ENDING_TEXT_SIZE];
    int status = 0;
    if (!read_rest(&all, child->socket, limit_s)) {
        err = error_set(ERR_DEVICE, "%s gave no answer for %.0f s", what, limit_s);
        goto out;
    }
    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    child->pid = 0;
    if (status != 0 || all.length < sizeof farewell) {
        ending_text(ending, status);
        err = error_set(ERR_DEVICE, "%s crashed: %s", what, ending);
        goto out;
    }
    TRY(text_status(&all));
    all.length -= sizeof farewell;
    memcpy(&farewell, all.data + all.length, sizeof farewell);
    if (farewell.err != ERR_NONE)
        err = error_set(farewell.err, "%s", farewell.message);
    else if (output != NULL && all.length > 0)
        text_append_n(output, all.data, all.length);
    if (err == ERR_NONE && output != NULL)
        err = text_status(output);
out:
    child_kill(child);
    text_free(&all);
    return err;
}
