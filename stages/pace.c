#include "stages/pace.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stages/statistics.h"

/* Sums over the samples of y = seconds of an image against x = macs, weighted by 1 / y^2. */
struct sums {
    size_t count;
    double one, x, xx, y, xy;
};

static bool counts(const struct pace_sample *sample, const char *device)
{
    return sample->images > 0 && sample->seconds > 0 &&
           (device == NULL || strcmp(sample->device, device) == 0);
}

static void add_up(struct sums *sums, const struct pace_sample *samples, size_t count,
                   const char *device)
{
    *sums = (struct sums){0};
    for (size_t i = 0; i < count; i++) {
        if (!counts(&samples[i], device))
            continue;
        double y = samples[i].seconds / samples[i].images, x = (double)samples[i].macs;
        double weight = 1 / y / y;
        sums->count++;
        sums->one += weight;
        sums->y += weight * y;
        sums->x += weight * x;
        sums->xx += weight * x * x;
        sums->xy += weight * x * y;
    }
}

/* The root of the mean squared relative error. */
static double relative_error(const struct pace *pace, const struct pace_sample *samples,
                             size_t count, const char *device)
{
    double squares = 0;
    for (size_t i = 0; i < count; i++) {
        if (!counts(&samples[i], device))
            continue;
        double fitted = pace->image_s + pace->mac_s * (double)samples[i].macs;
        double error = 1 - fitted * samples[i].images / samples[i].seconds;
        squares += error * error;
    }
    return sqrt(squares / (double)pace->samples);
}

static int by_rest(const void *a, const void *b)
{
    double x = ((const struct pace_sample *)a)->rest_s, y = ((const struct pace_sample *)b)->rest_s;
    if (isnan(x) || isnan(y))
        return isnan(x) - isnan(y);
    return (x > y) - (x < y);
}

/* The median, so that the first trainings, which wait for compilers, do not count. */
static double median_rest(struct pace_sample *samples, size_t count, const char *device)
{
    size_t known = 0, at = 0;
    for (size_t i = 0; i < count; i++)
        known += counts(&samples[i], device) && !isnan(samples[i].rest_s);
    if (known == 0)
        return 0;
    qsort(samples, count, sizeof *samples, by_rest);
    for (size_t i = 0;; i++)
        if (counts(&samples[i], device) && at++ == known / 2)
            return fmax(samples[i].rest_s, 0);
}

void pace_fit(struct pace *pace, struct pace_sample *samples, size_t count, const char *device)
{
    static const double least_margin = 0.1, most_margin = 1, few_margin = 0.5;
    static const size_t few = 4;
    struct sums s;
    add_up(&s, samples, count, device);
    if (s.count == 0 && device != NULL)
        add_up(&s, samples, count, device = NULL);
    *pace = (struct pace){.samples = s.count, .margin = 1};
    if (s.count == 0)
        return;
    double determinant = s.one * s.xx - s.x * s.x;
    if (determinant > 1e-9 * s.one * s.xx) {
        pace->image_s = (s.xx * s.y - s.x * s.xy) / determinant;
        pace->mac_s = (s.one * s.xy - s.x * s.y) / determinant;
    } else {
        pace->mac_s = -1; /* one genome says nothing of others: as if all cost the same */
    }
    if (pace->mac_s < 0)
        *pace = (struct pace){.samples = s.count, .image_s = s.y / s.one};
    else if (pace->image_s < 0)
        *pace = (struct pace){.samples = s.count, .mac_s = s.xy / s.xx};
    pace->training_s = median_rest(samples, count, device);
    double margin = 2 * relative_error(pace, samples, count, device);
    margin = fmin(fmax(margin, s.count < few ? few_margin : least_margin), most_margin);
    pace->margin = 1 + margin;
}

double pace_seconds(const struct pace *pace, int64_t macs, double images)
{
    if (pace->samples == 0)
        return NAN;
    double epochs_s = images * (pace->image_s + pace->mac_s * (double)macs);
    return pace->margin * (pace->training_s + epochs_s);
}

double pace_place(struct pace_slot *slots, size_t count, int64_t macs, double images)
{
    size_t best = 0;
    double best_end = NAN;
    for (size_t i = 0; i < count; i++) {
        double end = slots[i].free_s + pace_seconds(&slots[i].pace, macs, images);
        if (isnan(end))
            return NAN;
        if (i == 0 || end < best_end) {
            best = i;
            best_end = end;
        }
    }
    slots[best].free_s = best_end;
    return best_end;
}

static int by_start(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    return (x->started_utc_us > y->started_utc_us) - (x->started_utc_us < y->started_utc_us);
}

double pace_spent_s(struct candidate *attempts, size_t count)
{
    int64_t sum = 0, reached = 0;
    if (count > 0)
        qsort(attempts, count, sizeof *attempts, by_start);
    for (size_t i = 0; i < count; i++) {
        const struct candidate *c = &attempts[i];
        if (!candidate_ended(c) || c->started_utc_us <= 0 || !(c->duration_s >= 0))
            continue;
        int64_t from = c->started_utc_us > reached ? c->started_utc_us : reached;
        int64_t to = c->started_utc_us + (int64_t)(1e6 * c->duration_s);
        if (to > from)
            sum += to - from;
        reached = to > reached ? to : reached;
    }
    return 1e-6 * (double)sum;
}
