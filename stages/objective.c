#include "stages/objective.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "stages/statistics.h"

static int64_t cost_of(const struct candidate *candidate, int kind)
{
    switch ((enum cost_kind)kind) {
    case COST_MACS:
        return candidate->cost.macs;
    case COST_ACTIVATIONS:
        return candidate->cost.activations;
    default:
        return candidate->cost.parameters;
    }
}

double objective_value(const struct candidate *candidate, const struct search_settings *search)
{
    double accuracy = candidate->validation_accuracy;
    if (search->objective != OBJECTIVE_WEIGHTED)
        return accuracy;
    double size = (double)candidate->cost.parameters / (double)search->target_parameters;
    return accuracy * pow(size, search->size_exponent);
}

bool objective_dominates(const struct candidate *a, const struct candidate *b,
                         const struct search_settings *search)
{
    if (!(a->validation_accuracy >= b->validation_accuracy))
        return false;
    bool strictly = a->validation_accuracy > b->validation_accuracy;
    for (int i = 0; i < search->costs.count; i++) {
        int64_t x = cost_of(a, search->costs.values[i]), y = cost_of(b, search->costs.values[i]);
        if (x > y)
            return false;
        strictly |= x < y;
    }
    return strictly;
}

bool objective_better(const struct candidate *a, const struct candidate *b,
                      const struct search_settings *search)
{
    double x = objective_value(a, search), y = objective_value(b, search);
    return x != y ? x > y : candidate_better(a, b);
}

bool objective_improves(const struct candidate *child, const struct candidate *parent,
                        const struct search_settings *search)
{
    return search->objective == OBJECTIVE_PARETO
               ? objective_dominates(child, parent, search)
               : objective_value(child, search) > objective_value(parent, search);
}

/* Of the scored candidates of a generation, or of all (-1): the highest rung; -1 when there is
 * none. */
static int highest_rung(const struct candidate *candidates, size_t count, int generation)
{
    int highest = -1;
    for (size_t i = 0; i < count; i++)
        if (candidates[i].status == CANDIDATE_DONE && candidates[i].rung > highest &&
            (generation < 0 || candidates[i].generation == generation))
            highest = candidates[i].rung;
    return highest;
}

const struct candidate *objective_best(const struct candidate *candidates, size_t count,
                                       int generation, const struct search_settings *search)
{
    const struct candidate *best = NULL;
    int rung = highest_rung(candidates, count, generation);
    for (size_t i = 0; i < count; i++) {
        const struct candidate *candidate = &candidates[i];
        if (candidate->status == CANDIDATE_DONE && candidate->rung == rung &&
            (generation < 0 || candidate->generation == generation) &&
            (best == NULL || objective_better(candidate, best, search)))
            best = candidate;
    }
    return best;
}

static enum error no_memory(size_t count)
{
    return error_set(ERR_INTERNAL, "out of memory while comparing %zu candidates", count);
}

/* ---- standings ---- */

/* A member while standings are made. */
struct contender {
    const struct candidate *candidate;
    size_t place; /* in the input */
    int rank;
    double crowding;
    double value; /* of the objective that is being sorted by */
};

/* Orders for qsort_r(); `user` is the search. */

/* Nobody stands before one who dominates him: accuracy falls, then costs rise. */
static int by_objectives(const void *a, const void *b, void *user)
{
    const struct candidate *x = ((const struct contender *)a)->candidate;
    const struct candidate *y = ((const struct contender *)b)->candidate;
    const struct search_settings *search = user;
    if (x->validation_accuracy != y->validation_accuracy)
        return x->validation_accuracy > y->validation_accuracy ? -1 : 1;
    for (int i = 0; i < search->costs.count; i++) {
        int64_t p = cost_of(x, search->costs.values[i]), q = cost_of(y, search->costs.values[i]);
        if (p != q)
            return p < q ? -1 : 1;
    }
    return (x->id > y->id) - (x->id < y->id);
}

static int by_rank(const void *a, const void *b, void *user)
{
    const struct contender *x = a, *y = b;
    return x->rank != y->rank ? (x->rank > y->rank) - (x->rank < y->rank)
                              : by_objectives(a, b, user);
}

static int by_contender_value(const void *a, const void *b, void *user)
{
    const struct contender *x = a, *y = b;
    return x->value != y->value ? (x->value > y->value) - (x->value < y->value)
                                : by_objectives(a, b, user);
}

static int by_standing(const void *a, const void *b, void *user)
{
    const struct contender *x = a, *y = b;
    const struct search_settings *search = user;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    if (x->crowding != y->crowding)
        return x->crowding > y->crowding ? -1 : 1;
    if (x->candidate == y->candidate)
        return 0;
    return objective_better(x->candidate, y->candidate, search) ? -1 : 1;
}

static void sort_contenders(struct contender *all, size_t count,
                            int (*order)(const void *, const void *, void *),
                            const struct search_settings *search)
{
    qsort_r(all, count, sizeof *all, order, (void *)(uintptr_t)search);
}

/* A rank is the length of the longest chain of dominators: in the order of objectives they all
   stand earlier. */
static void find_ranks(struct contender *all, size_t count, const struct search_settings *search)
{
    sort_contenders(all, count, by_objectives, search);
    for (size_t i = 0; i < count; i++) {
        all[i].rank = 0;
        for (size_t j = 0; j < i; j++)
            if (all[j].rank >= all[i].rank &&
                objective_dominates(all[j].candidate, all[i].candidate, search))
                all[i].rank = all[j].rank + 1;
    }
}

/* `objective`: -1 for accuracy, else an index of search.costs. */
static double value_of(const struct candidate *candidate, int objective,
                       const struct search_settings *search)
{
    if (objective < 0)
        return candidate->validation_accuracy;
    return log((double)cost_of(candidate, search->costs.values[objective]));
}

/* Adds to `crowding` in one rank, for each objective in turn. */
static void find_crowding(struct contender *rank, size_t count,
                          const struct search_settings *search)
{
    for (int objective = -1; objective < search->costs.count; objective++) {
        for (size_t i = 0; i < count; i++)
            rank[i].value = value_of(rank[i].candidate, objective, search);
        sort_contenders(rank, count, by_contender_value, search);
        double range = rank[count - 1].value - rank[0].value;
        if (!(range > 0))
            continue;
        rank[0].crowding = rank[count - 1].crowding = INFINITY;
        for (size_t i = 1; i + 1 < count; i++)
            rank[i].crowding += (rank[i + 1].value - rank[i - 1].value) / range;
    }
}

static enum error make_contenders(struct contender **contenders,
                                  const struct candidate *const *members, size_t count,
                                  const struct search_settings *search)
{
    struct contender *all = calloc(count + 1, sizeof *all);
    if (all == NULL)
        return no_memory(count);
    for (size_t i = 0; i < count; i++)
        all[i] = (struct contender){.candidate = members[i], .place = i};
    if (search->objective == OBJECTIVE_PARETO) {
        find_ranks(all, count, search);
        sort_contenders(all, count, by_rank, search);
        for (size_t first = 0, end; first < count; first = end) {
            for (end = first + 1; end < count && all[end].rank == all[first].rank;)
                end++;
            find_crowding(all + first, end - first, search);
        }
    }
    *contenders = all;
    return ERR_NONE;
}

enum error objective_stand(struct standing *standings, const struct candidate *const *members,
                           size_t count, const struct search_settings *search)
{
    struct contender *all;
    struct search_settings pareto = *search;
    pareto.objective = OBJECTIVE_PARETO;
    enum error err = make_contenders(&all, members, count, &pareto);
    if (err != ERR_NONE)
        return err;
    for (size_t i = 0; i < count; i++)
        standings[all[i].place] = (struct standing){all[i].rank, all[i].crowding};
    free(all);
    return ERR_NONE;
}

enum error objective_sort(const struct candidate **members, size_t count,
                          const struct search_settings *search, size_t *first_front)
{
    struct contender *all;
    enum error err = make_contenders(&all, members, count, search);
    if (err != ERR_NONE)
        return err;
    sort_contenders(all, count, by_standing, search);
    size_t front = search->objective == OBJECTIVE_PARETO ? 0 : count > 0;
    for (size_t i = 0; i < count; i++) {
        members[i] = all[i].candidate;
        front += search->objective == OBJECTIVE_PARETO && all[i].rank == 0;
    }
    if (first_front != NULL)
        *first_front = front;
    free(all);
    return ERR_NONE;
}

/* ---- the front ---- */

static int by_first_cost(const void *a, const void *b, void *user)
{
    const struct contender *x = a, *y = b;
    const struct search_settings *search = user;
    int kind = search->costs.values[0];
    int64_t p = cost_of(x->candidate, kind), q = cost_of(y->candidate, kind);
    return p != q ? (p > q) - (p < q) : -by_objectives(a, b, user);
}

/* `earlier` stands before `later` by objectives: then it is at least as accurate. */
static bool covers(const struct candidate *earlier, const struct candidate *later,
                   const struct search_settings *search)
{
    for (int i = 0; i < search->costs.count; i++)
        if (cost_of(earlier, search->costs.values[i]) > cost_of(later, search->costs.values[i]))
            return false;
    return true;
}

enum error objective_front(const struct candidate ***front, size_t *front_count,
                           const struct candidate *candidates, size_t count,
                           const struct search_settings *search)
{
    assert(search->costs.count > 0);
    struct contender *all = calloc(count + 1, sizeof *all);
    const struct candidate **members = calloc(count + 1, sizeof(const struct candidate *));
    if (all == NULL || members == NULL) {
        free(all);
        free(members);
        return no_memory(count);
    }
    size_t n = 0, kept = 0;
    int rung = highest_rung(candidates, count, -1);
    for (size_t i = 0; i < count; i++)
        if (candidates[i].status == CANDIDATE_DONE && candidates[i].rung == rung)
            all[n++].candidate = &candidates[i];
    sort_contenders(all, n, by_objectives, search);
    for (size_t i = 0; i < n; i++) {
        bool covered = false;
        for (size_t j = kept; j-- > 0 && !covered;)
            covered = covers(all[j].candidate, all[i].candidate, search);
        if (!covered)
            all[kept++] = all[i];
    }
    sort_contenders(all, kept, by_first_cost, search);
    for (size_t i = 0; i < kept; i++)
        members[i] = all[i].candidate;
    free(all);
    *front = members;
    *front_count = kept;
    return ERR_NONE;
}
