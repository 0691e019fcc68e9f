/*
 * Log events. The core never prints: it calls log_event(), and the command that runs decides
 * where events go (a file, stderr, a test). Without a sink they are dropped.
 */
#ifndef CLADE_PIPELINE_BASE_LOG_H
#define CLADE_PIPELINE_BASE_LOG_H

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

/* `text` has no newline and is valid during the call only. Called from any thread, one at a time.
 */
typedef void log_sink(enum log_level level, const char *text, void *user);

/* Replaces the sink of the process; NULL drops events. Set it before threads start. */
void log_set_sink(log_sink *sink, void *user);

void log_event(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

const char *log_level_name(enum log_level level);

#endif
