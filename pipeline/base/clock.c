#include "pipeline/base/clock.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

double clock_monotonic_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int64_t clock_utc_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void clock_utc_text(char text[CLOCK_UTC_SIZE], int64_t utc_us)
{
    time_t seconds = (time_t)(utc_us / 1000000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    strftime(text, CLOCK_UTC_SIZE, "%Y-%m-%dT%H:%M:%S", &utc);
}

void clock_duration_text(char text[CLOCK_DURATION_SIZE], double seconds)
{
    long long s = seconds > 0 ? (long long)(seconds + 0.5) : 0;
    if (s < 60)
        snprintf(text, CLOCK_DURATION_SIZE, "%lld s", s);
    else if (s < 3600)
        snprintf(text, CLOCK_DURATION_SIZE, "%lld min %02lld s", s / 60, s % 60);
    else
        snprintf(text, CLOCK_DURATION_SIZE, "%lld h %02lld min", s / 3600, s / 60 % 60);
}

/* A whole number of at most nine digits; NULL when there is none. */
static const char *parse_digits(long *number, const char *at)
{
    int digits = 0;
    for (*number = 0; isdigit((unsigned char)at[digits]); digits++) {
        if (digits == 9)
            return NULL;
        *number = 10 * *number + (at[digits] - '0');
    }
    return digits > 0 ? at + digits : NULL;
}

bool clock_parse_duration(double *seconds, const char *text)
{
    static const char letters[] = "hms";
    static const double worth[] = {3600, 60, 1}, year_s = 365.0 * 86400;
    double sum = 0;
    int next = 0;
    for (const char *at = text; *at != '\0' || next == 0; at++) {
        long number;
        at = parse_digits(&number, at);
        if (at == NULL || *at == '\0')
            return false;
        const char *letter = strchr(letters + next, *at);
        if (letter == NULL)
            return false;
        sum += (double)number * worth[letter - letters];
        next = (int)(letter - letters) + 1;
    }
    if (sum <= 0 || sum > year_s)
        return false;
    *seconds = sum;
    return true;
}

void clock_format_duration(char text[CLOCK_DURATION_SIZE], double seconds)
{
    long s = (long)seconds;
    char parts[3][CLOCK_DURATION_SIZE / 4] = {""};
    if (s >= 3600)
        snprintf(parts[0], sizeof parts[0], "%ldh", s / 3600 % 10000);
    if (s / 60 % 60 > 0)
        snprintf(parts[1], sizeof parts[1], "%ldm", s / 60 % 60);
    if (s % 60 > 0)
        snprintf(parts[2], sizeof parts[2], "%lds", s % 60);
    snprintf(text, CLOCK_DURATION_SIZE, "%s%s%s", parts[0], parts[1], parts[2]);
}

bool clock_parse_time(int *minutes, const char *text)
{
    long hour, minute;
    const char *colon = parse_digits(&hour, text);
    if (colon == NULL || *colon != ':' || colon - text > 2)
        return false;
    const char *end = parse_digits(&minute, colon + 1);
    if (end == NULL || *end != '\0' || end - colon != 3 || hour > 23 || minute > 59)
        return false;
    *minutes = (int)(60 * hour + minute);
    return true;
}

int64_t clock_next_local(int minutes, int64_t utc_us)
{
    time_t now = (time_t)(utc_us / 1000000);
    for (int day = 0;; day++) {
        struct tm local;
        localtime_r(&now, &local);
        local.tm_mday += day;
        local.tm_hour = minutes / 60;
        local.tm_min = minutes % 60;
        local.tm_sec = 0;
        local.tm_isdst = -1; /* mktime() finds out */
        int64_t then = (int64_t)mktime(&local) * 1000000;
        if (then > utc_us)
            return then;
    }
}
