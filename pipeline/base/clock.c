#include "pipeline/base/clock.h"

#include <stdio.h>
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
