#include "pipeline/channel.h"

#include <errno.h>
#include <sys/socket.h>

static bool send_all(int socket, const void *data, size_t size)
{
    ssize_t n;
    do
        n = send(socket, data, size, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)size;
}

bool channel_send_report(int socket, const struct report_message *report)
{
    return send_all(socket, report, sizeof *report);
}

bool channel_send_wake(int socket)
{
    return send_all(socket, "w", 1);
}

bool channel_receive_wake(int socket)
{
    char byte;
    ssize_t n;
    do
        n = recv(socket, &byte, 1, 0);
    while (n < 0 && errno == EINTR);
    return n == 1;
}

bool channel_receive_report(int socket, struct report_message *report)
{
    ssize_t n;
    do
        n = recv(socket, report, sizeof *report, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n == sizeof *report;
}
