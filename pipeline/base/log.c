#include "pipeline/base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

static log_sink *current_sink;
static void *current_user;
static pthread_mutex_t sink_lock = PTHREAD_MUTEX_INITIALIZER;

void log_set_sink(log_sink *sink, void *user)
{
    current_sink = sink;
    current_user = user;
}

void log_event(enum log_level level, const char *format, ...)
{
    if (current_sink == NULL)
        return;
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    pthread_mutex_lock(&sink_lock);
    current_sink(level, text, current_user);
    pthread_mutex_unlock(&sink_lock);
}

const char *log_level_name(enum log_level level)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    return names[level];
}
