#include "stages/statistics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stages/distributions.h"

struct interval wilson_interval(double correct, double count)
{
    if (count <= 0)
        return (struct interval){NAN, NAN};
    double share = correct / count;
    double z2 = NORMAL_975 * NORMAL_975;
    double middle = share + z2 / (2 * count);
    double half = NORMAL_975 * sqrt(share * (1 - share) / count + z2 / (4 * count * count));
    double scale = 1 + z2 / count;
    return (struct interval){fmax(0, (middle - half) / scale), fmin(1, (middle + half) / scale)};
}

struct interval newcombe_interval(double correct_a, double count_a, double correct_b,
                                  double count_b)
{
    if (count_a <= 0 || count_b <= 0)
        return (struct interval){NAN, NAN};
    double a = correct_a / count_a, b = correct_b / count_b;
    struct interval of_a = wilson_interval(correct_a, count_a);
    struct interval of_b = wilson_interval(correct_b, count_b);
    return (struct interval){a - b - hypot(a - of_a.low, of_b.high - b),
                             a - b + hypot(of_a.high - a, b - of_b.low)};
}

double mean_of(const double *values, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += values[i];
    return n ? sum / (double)n : NAN;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double median_of(double *values, size_t n)
{
    if (n == 0)
        return NAN;
    qsort(values, n, sizeof *values, by_value);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static bool scored(const struct candidate *candidate)
{
    return candidate->status == CANDIDATE_DONE;
}

bool candidate_ended(const struct candidate *candidate)
{
    return candidate->status != CANDIDATE_QUEUED && candidate->status != CANDIDATE_RUNNING &&
           candidate->status != CANDIDATE_LOST;
}

bool candidate_better(const struct candidate *a, const struct candidate *b)
{
    if (a->validation_accuracy > b->validation_accuracy)
        return true;
    if (a->validation_accuracy < b->validation_accuracy)
        return false;
    if (a->cost.parameters != b->cost.parameters)
        return a->cost.parameters < b->cost.parameters;
    return a->id < b->id;
}

const struct candidate *best_candidate(const struct candidate *candidates, size_t count,
                                       int generation)
{
    const struct candidate *best = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct candidate *candidate = &candidates[i];
        if (scored(candidate) && (generation < 0 || candidate->generation == generation) &&
            (best == NULL || candidate_better(candidate, best)))
            best = candidate;
    }
    return best;
}

const struct candidate *find_candidate(const struct candidate *candidates, size_t count, int64_t id)
{
    /* The first attempt with a larger id stands right after the last attempt of `id`. */
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (candidates[middle].id <= id)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && candidates[low - 1].id == id ? &candidates[low - 1] : NULL;
}

static enum error no_memory(size_t count)
{
    return error_set(ERR_INTERNAL, "out of memory while summing up %zu candidates", count);
}

enum error lineage_of(const struct candidate ***lineage, size_t *lineage_count,
                      const struct candidate *candidates, size_t count, int64_t id)
{
    enum error err = ERR_NONE;
    const struct candidate **line = NULL;
    size_t n = 0, capacity = 0;
    for (int64_t next = id; next >= 0;) {
        const struct candidate *candidate = find_candidate(candidates, count, next);
        if (candidate == NULL) {
            err = error_set(ERR_DATA,
                            "candidate %lld, an ancestor of candidate %lld, is not in the store",
                            (long long)next, (long long)id);
            goto out;
        }
        if (candidate->parent >= candidate->id) {
            err = error_set(ERR_DATA,
                            "the store says that candidate %lld has the parent %lld, "
                            "which is not older",
                            (long long)next, (long long)candidate->parent);
            goto out;
        }
        if (n == capacity) {
            capacity = capacity ? 2 * capacity : 16;
            const struct candidate **more =
                realloc(line, capacity * sizeof(const struct candidate *));
            if (more == NULL) {
                err = no_memory(count);
                goto out;
            }
            line = more;
        }
        line[n++] = candidate;
        next = candidate->parent;
    }
out:
    if (err != ERR_NONE) {
        free(line);
        return err;
    }
    *lineage = line;
    *lineage_count = n;
    return ERR_NONE;
}

double attempt_seconds(const struct candidate *candidate)
{
    bool known = candidate->status != CANDIDATE_QUEUED && candidate->status != CANDIDATE_RUNNING &&
                 isfinite(candidate->duration_s);
    return known ? candidate->duration_s : 0;
}

int64_t attempt_end_us(const struct candidate *candidate)
{
    return candidate->started_utc_us + (int64_t)(attempt_seconds(candidate) * 1e6);
}

/* When the run started to train; INT64_MAX if it has not. */
static int64_t first_start(const struct candidate *candidates, size_t count)
{
    int64_t first = INT64_MAX;
    for (size_t i = 0; i < count; i++)
        if (candidates[i].started_utc_us > 0 && candidates[i].started_utc_us < first)
            first = candidates[i].started_utc_us;
    return first;
}

/* `scores` is scratch for as many values as there are attempts. */
static void summarise(struct generation *generation, const struct candidate *candidates,
                      size_t count, int64_t start, double *scores)
{
    int64_t end = start;
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        const struct candidate *candidate = &candidates[i];
        if (candidate->generation != generation->number || !candidate_ended(candidate))
            continue;
        if (scored(candidate))
            scores[n++] = candidate->validation_accuracy;
        else
            generation->failed++;
        if (candidate->started_utc_us > 0 && attempt_end_us(candidate) > end)
            end = attempt_end_us(candidate);
    }
    generation->evaluated = (int)n;
    generation->mean = mean_of(scores, n);
    generation->median = median_of(scores, n);
    generation->worst = n ? scores[0] : NAN; /* sorted by median_of() */
    generation->best = n ? scores[n - 1] : NAN;
    generation->elapsed_s = 1e-6 * (double)(end - start);

    const struct candidate *best = best_candidate(candidates, count, generation->number);
    generation->best_candidate = best ? best->id : -1;
    if (best != NULL) {
        generation->best_genome = best->genome;
        generation->best_cost = best->cost;
    }
}

enum error summarise_generations(struct generation **generations, size_t *generation_count,
                                 const struct candidate *candidates, size_t count)
{
    size_t numbers = 0; /* 1 + the largest generation number with an end */
    for (size_t i = 0; i < count; i++)
        if (candidate_ended(&candidates[i]) && (size_t)candidates[i].generation + 1 > numbers)
            numbers = (size_t)candidates[i].generation + 1;

    struct generation *all = calloc(numbers + 1, sizeof *all);
    double *scores = malloc((count + 1) * sizeof *scores);
    if (all == NULL || scores == NULL) {
        free(all);
        free(scores);
        return no_memory(count);
    }
    int64_t start = first_start(candidates, count);
    size_t n = 0;
    for (size_t number = 0, from = 0, to = 0; number < numbers; number++, from = to) {
        all[n] = (struct generation){.number = (int)number};
        /* Attempts of a generation stand together, since ids grow with it. */
        while (to < count && candidates[to].generation == (int)number)
            to++;
        summarise(&all[n], candidates + from, to - from, start, scores);
        n += all[n].evaluated + all[n].failed > 0;
    }
    free(scores);
    *generations = all;
    *generation_count = n;
    return ERR_NONE;
}

/* The workers that were seen on a device. */
struct worker_set {
    int *workers;
    size_t count;
};

static enum error worker_set_add(struct worker_set *set, int worker)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->workers[i] == worker)
            return ERR_NONE;
    int *more = realloc(set->workers, (set->count + 1) * sizeof *more);
    if (more == NULL)
        return no_memory(set->count);
    set->workers = more;
    set->workers[set->count++] = worker;
    return ERR_NONE;
}

enum error summarise_devices(struct device_usage **usage, size_t *usage_count,
                             const struct candidate *candidates, size_t count)
{
    enum error err = ERR_NONE;
    struct device_usage *all = NULL;
    struct worker_set *sets = NULL;
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        const struct candidate *candidate = &candidates[i];
        bool lost = candidate->status == CANDIDATE_LOST;
        if (candidate->device[0] == '\0' || !(candidate_ended(candidate) || lost))
            continue;
        size_t d = 0;
        while (d < n && strcmp(all[d].name, candidate->device) != 0)
            d++;
        if (d == n) {
            struct device_usage *more = realloc(all, (n + 1) * sizeof *more);
            all = more ? more : all;
            struct worker_set *more_sets = realloc(sets, (n + 1) * sizeof *more_sets);
            sets = more_sets ? more_sets : sets;
            if (more == NULL || more_sets == NULL) {
                err = no_memory(count);
                goto out;
            }
            all[n] = (struct device_usage){0};
            sets[n] = (struct worker_set){0};
            memcpy(all[n].name, candidate->device, sizeof all[n].name);
            n++;
        }
        TRY(worker_set_add(&sets[d], candidate->worker));
        all[d].attempts++;
        all[d].busy_s += attempt_seconds(candidate);
        if (scored(candidate))
            all[d].images_per_s += candidate->images_per_s; /* the sum; divided below */
        else
            all[d].failed++;
    }
    for (size_t d = 0; d < n; d++) {
        int good = all[d].attempts - all[d].failed;
        all[d].images_per_s = good ? all[d].images_per_s / good : NAN;
        all[d].workers = (int)sets[d].count;
    }
out:
    for (size_t d = 0; d < n; d++)
        free(sets[d].workers);
    free(sets);
    if (err != ERR_NONE) {
        free(all);
        return err;
    }
    *usage = all;
    *usage_count = n;
    return ERR_NONE;
}

/* Unless it is one of those that are there; what does not fit any more is left out. */
static void add_version(char list[DEVICE_VERSIONS_SIZE], const char *version)
{
    size_t size = strlen(version), end = strlen(list);
    for (const char *at = list; size > 0 && (at = strstr(at, version)) != NULL; at++) {
        bool begins = at == list || (at >= list + 2 && strncmp(at - 2, "; ", 2) == 0);
        if (begins && (at[size] == '\0' || strncmp(at + size, "; ", 2) == 0))
            return;
    }
    if (size > 0 && end + 2 + size < DEVICE_VERSIONS_SIZE)
        snprintf(list + end, DEVICE_VERSIONS_SIZE - end, "%s%s", end > 0 ? "; " : "", version);
}

void describe_devices(struct device_usage *usage, size_t usage_count,
                      const struct device_version *versions, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t d = 0; d < usage_count; d++) {
            if (strcmp(usage[d].name, versions[i].device) != 0)
                continue;
            add_version(usage[d].platform, versions[i].platform);
            add_version(usage[d].platform_version, versions[i].platform_version);
            add_version(usage[d].driver_version, versions[i].driver_version);
            add_version(usage[d].device_version, versions[i].device_version);
        }
}

enum error score_classes(struct class_score **scores, const uint32_t *confusion, int classes)
{
    size_t n = (size_t)classes;
    struct class_score *all = calloc(n, sizeof *all);
    if (all == NULL)
        return error_set(ERR_INTERNAL, "out of memory while scoring %d classes", classes);
    for (size_t c = 0; c < n; c++) {
        const uint32_t *row = confusion + c * n;
        uint32_t most = 0;
        all[c].confused_with = -1;
        for (size_t p = 0; p < n; p++) {
            all[c].images += row[p];
            if (p != c && row[p] > most) {
                most = row[p];
                all[c].confused_with = (int)p;
            }
        }
        all[c].correct = row[c];
        all[c].accuracy = all[c].images ? (double)row[c] / all[c].images : NAN;
        all[c].interval = wilson_interval(row[c], all[c].images);
    }
    *scores = all;
    return ERR_NONE;
}
