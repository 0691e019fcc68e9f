#include "stages/finalists.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stages/inference.h"
#include "stages/objective.h"
#include "stages/statistics.h"

int finalists_most(const struct confirm_settings *confirm)
{
    int most = confirm->finalists;
    for (int i = 0; i < confirm->bands.count; i++)
        most += confirm->bands.values[i] > 0;
    return most;
}

/* The smallest limit, above `over`, that `parameters` keep; 0 when there is none. */
static int64_t tightest_band(const struct int_list *bands, int64_t over, int64_t parameters)
{
    int64_t tightest = 0;
    for (int i = 0; i < bands->count; i++) {
        int64_t limit = bands->values[i];
        if (limit > over && parameters <= limit && (tightest == 0 || limit < tightest))
            tightest = limit;
    }
    return tightest;
}

int64_t finalists_next_band(const struct int_list *bands, int64_t over)
{
    return tightest_band(bands, over, 0);
}

/* A list in the making. */
struct choice {
    struct finalist *list;
    size_t count;
    const struct int_list *bands;
};

/* Adds a candidate, unless it is there or NULL; returns whether it did. */
static bool add(struct choice *choice, const struct candidate *candidate,
                enum finalist_reason reason)
{
    if (candidate == NULL)
        return false;
    for (size_t i = 0; i < choice->count; i++)
        if (choice->list[i].candidate->id == candidate->id)
            return false;
    choice->list[choice->count++] =
        (struct finalist){.candidate = candidate,
                          .reason = reason,
                          .band = tightest_band(choice->bands, 0, candidate->cost.parameters),
                          .validation_mean = NAN,
                          .test = {.mean = NAN, .deviation = NAN, .interval = {NAN, NAN}},
                          .test_lowest = NAN,
                          .test_highest = NAN};
    return true;
}

static const struct candidate *best_within(const struct candidate *candidates, size_t count,
                                           int64_t limit)
{
    const struct candidate *best = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct candidate *candidate = &candidates[i];
        if (candidate->status != CANDIDATE_DONE || candidate->cost.parameters > limit)
            continue;
        /* The highest rung that ones so small have reached; only there can they be compared. */
        if (best == NULL || candidate->rung > best->rung ||
            (candidate->rung == best->rung && candidate_better(candidate, best)))
            best = candidate;
    }
    return best;
}

/* The most accurate of front[from..to); NULL when it is empty. */
static const struct candidate *best_part(const struct candidate *const *front, size_t from,
                                         size_t to)
{
    const struct candidate *best = NULL;
    for (size_t i = from; i < to; i++)
        if (best == NULL || candidate_better(front[i], best))
            best = front[i];
    return best;
}

enum error finalists_choose(struct finalist **list, size_t *count,
                            const struct candidate *candidates, size_t candidate_count,
                            const struct settings *settings)
{
    enum error err = ERR_NONE;
    const struct confirm_settings *confirm = &settings->confirm;
    size_t front_count = 0, parts = (size_t)confirm->finalists;
    const struct candidate **front = NULL;
    struct choice choice = {.bands = &confirm->bands};
    choice.list = calloc((size_t)finalists_most(confirm), sizeof *choice.list);
    if (choice.list == NULL) {
        err = error_set(ERR_INTERNAL, "out of memory for %d finalists", finalists_most(confirm));
        goto out;
    }
    TRY(objective_front(&front, &front_count, candidates, candidate_count, &settings->search));
    size_t wanted = add(&choice, objective_best(candidates, candidate_count, -1, &settings->search),
                        FINALIST_BEST)
                        ? parts - 1
                        : 0;
    for (int64_t limit = 0; (limit = finalists_next_band(&confirm->bands, limit)) > 0;)
        add(&choice, best_within(candidates, candidate_count, limit), FINALIST_BAND);
    for (size_t i = parts; i-- > 0 && wanted > 0;) {
        size_t from = i * front_count / parts, to = (i + 1) * front_count / parts;
        wanted -= add(&choice, best_part(front, from, to), FINALIST_FRONT);
    }
    *list = choice.list;
    *count = choice.count;
    choice.list = NULL;
out:
    free(front);
    free(choice.list);
    return err;
}

/* Whether the replicate `a` rather than `b` stands for the genome. */
static bool replicate_better(const struct confirmation *a, const struct confirmation *b)
{
    if (a->validation_accuracy > b->validation_accuracy)
        return true;
    if (a->validation_accuracy < b->validation_accuracy)
        return false;
    return a->replicate < b->replicate;
}

static void confirm(struct finalist *finalist, const struct confirmation *confirmations,
                    size_t count)
{
    double validation = 0, test = 0, squares = 0;
    for (size_t i = 0; i < count; i++) {
        const struct confirmation *c = &confirmations[i];
        if (c->candidate != finalist->candidate->id)
            continue;
        finalist->trained++;
        validation += c->validation_accuracy;
        if (c->test_images > 0) {
            double step = c->test_accuracy - test;
            finalist->tested++;
            test += step / finalist->tested; /* the mean so far */
            squares += step * (c->test_accuracy - test);
            finalist->test_lowest = fmin(finalist->test_lowest, c->test_accuracy);
            finalist->test_highest = fmax(finalist->test_highest, c->test_accuracy);
        }
        if (finalist->deployed == NULL || replicate_better(c, finalist->deployed))
            finalist->deployed = c;
    }
    finalist->validation_mean = finalist->trained > 0 ? validation / finalist->trained : NAN;
    finalist->test = estimate_from_sums((size_t)finalist->tested, test, squares);
}

void finalists_confirm(struct finalist *list, size_t count,
                       const struct confirmation *confirmations, size_t confirmation_count)
{
    for (size_t i = 0; i < count; i++)
        confirm(&list[i], confirmations, confirmation_count);
}

/* Both confirmed. */
static bool finalist_better(const struct finalist *a, const struct finalist *b,
                            const struct search_settings *search)
{
    struct candidate x = *a->candidate, y = *b->candidate;
    x.validation_accuracy = a->validation_mean;
    y.validation_accuracy = b->validation_mean;
    return objective_better(&x, &y, search);
}

void finalists_rank(struct finalist *list, size_t count, const struct search_settings *search)
{
    for (size_t i = 0; i < count; i++) {
        list[i].place = list[i].trained > 0;
        for (size_t j = 0; j < count && list[i].trained > 0; j++)
            list[i].place += j != i && list[j].baseline == list[i].baseline &&
                             list[j].trained > 0 && finalist_better(&list[j], &list[i], search);
    }
}

const struct finalist *finalists_at(int place, const struct finalist *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!list[i].baseline && list[i].place == place)
            return &list[i];
    return NULL;
}

struct paired_test finalists_compare(const struct finalist *a, const struct finalist *b)
{
    const struct confirmation *x = a != NULL ? a->deployed : NULL;
    const struct confirmation *y = b != NULL ? b->deployed : NULL;
    if (x == NULL || y == NULL || x->test_images == 0 || x->test_images != y->test_images ||
        memcmp(x->labels, y->labels, x->test_images) != 0)
        return (struct paired_test){.p = NAN, .difference = NAN, .interval = {NAN, NAN}};
    return mcnemar(x->labels, x->predictions, y->predictions, x->test_images);
}

enum error finalists_correlate(struct rank_test *rank, size_t *ranked, const struct finalist *list,
                               size_t count)
{
    double *searched = malloc((count + 1) * sizeof *searched);
    double *tested = malloc((count + 1) * sizeof *tested);
    enum error err = ERR_NONE;
    *ranked = 0;
    if (searched == NULL || tested == NULL) {
        err = error_set(ERR_INTERNAL, "out of memory for the ranks of %zu finalists", count);
        goto out;
    }
    for (size_t i = 0; i < count; i++) {
        bool twice = false; /* both searches may have chosen it */
        for (size_t j = 0; j < i; j++)
            twice = twice || list[j].candidate->id == list[i].candidate->id;
        if (list[i].tested == 0 || twice)
            continue;
        searched[*ranked] = list[i].candidate->validation_accuracy;
        tested[(*ranked)++] = list[i].test.mean;
    }
    TRY(spearman(rank, searched, tested, *ranked));
out:
    free(searched);
    free(tested);
    return err;
}
