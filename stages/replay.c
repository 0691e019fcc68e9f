#include "stages/replay.h"

#include <math.h>
#include <stdlib.h>

#include "inputs/space_walk.h"
#include "stages/evolve.h"
#include "stages/objective.h"

/* The mean of the scores but for the one at `left_out`, or of all of them where that is NULL; that
   one itself where there is no other. */
static double mean_score(const struct genome_scores *scores, const double *left_out)
{
    double sum = 0;
    int n = 0;
    for (size_t i = 0; i < scores->count; i++) {
        if (&scores->scores[i] == left_out || isnan(scores->scores[i]))
            continue;
        sum += scores->scores[i];
        n++;
    }
    if (n > 0)
        return sum / n;
    return left_out != NULL ? *left_out : NAN;
}

/* A point of the plane that pareto searches. */
struct point {
    double cost; /* its logarithm */
    double accuracy;
};

static double log_cost(const struct genome_cost *cost, const struct search_settings *search)
{
    switch ((enum cost_kind)search->costs.values[0]) {
    case COST_MACS:
        return log((double)cost->macs);
    case COST_ACTIVATIONS:
        return log((double)cost->activations);
    default:
        return log((double)cost->parameters);
    }
}

static int by_cost(const void *a, const void *b)
{
    const struct point *x = a, *y = b;
    if (x->cost != y->cost)
        return (x->cost > y->cost) - (x->cost < y->cost);
    return (x->accuracy < y->accuracy) - (x->accuracy > y->accuracy);
}

/* The area between the corner and what at least one of the points dominates. Sorts them. */
static double area_of(struct point *points, size_t count, const struct replay *replay)
{
    double area = 0, best = replay->worst_accuracy;
    qsort(points, count, sizeof *points, by_cost);
    for (size_t i = 0; i < count; i++) {
        if (points[i].accuracy <= best || points[i].cost >= replay->largest_cost)
            continue;
        area += (points[i].accuracy - best) * (replay->largest_cost - points[i].cost);
        best = points[i].accuracy;
    }
    return area;
}

static enum error measure_table(struct replay *replay)
{
    const struct score_table *table = replay->table;
    struct point *points = calloc(table->count + 1, sizeof *points);
    size_t n = 0;
    if (points == NULL)
        return error_set(ERR_INTERNAL, "out of memory for %zu genomes", table->count);
    replay->worst_accuracy = 1;
    replay->largest_cost = 0;
    for (size_t i = 0; i < table->count; i++) {
        const struct genome_scores *scores = &table->genomes[i];
        struct genome_cost cost = genome_cost(&scores->genome, &replay->space->shape);
        double accuracy = mean_score(scores, NULL);
        if (isnan(accuracy) || !space_contains(replay->space, &scores->genome, NULL))
            continue;
        points[n] = (struct point){log_cost(&cost, replay->search), accuracy};
        replay->worst_accuracy = fmin(replay->worst_accuracy, accuracy);
        replay->largest_cost = fmax(replay->largest_cost, points[n].cost);
        n++;
    }
    replay->whole = area_of(points, n, replay);
    free(points);
    return ERR_NONE;
}

static enum error check_cover(const struct replay *replay)
{
    enum error err = ERR_NONE;
    struct genome *genomes = NULL;
    size_t count = 0, missing = 0, first = 0;
    TRY(space_list(&genomes, &count, replay->space));
    for (size_t i = count; i-- > 0;) {
        if (score_table_find(replay->table, &genomes[i]) == NULL) {
            missing++;
            first = i;
        }
    }
    if (missing > 0) {
        char text[GENOME_TEXT_SIZE];
        genome_format(text, &genomes[first]);
        err = error_set(ERR_DATA,
                        "the table has no scores for %zu of the %zu genomes of [space], such as "
                        "%.200s; give the search file that the table was built from",
                        missing, count, text);
    }
out:
    free(genomes);
    return err;
}

enum error replay_init(struct replay *replay, const struct score_table *table,
                       const struct space *space, const struct search_settings *search)
{
    *replay = (struct replay){.table = table, .space = space, .search = search};
    if (search->fidelity.rungs.count > 0)
        return error_set(ERR_USAGE, "a table has the scores of one training: set fidelity.rungs = "
                                    "none");
    enum error err = check_cover(replay);
    return err == ERR_NONE ? measure_table(replay) : err;
}

/* One search while it runs. */
struct run {
    struct candidate *history;
    double *worth;        /* of each candidate's genome, the score that it got left out */
    struct point *points; /* scratch */
};

static double measure(const struct replay *replay, const struct run *run, size_t count)
{
    const struct search_settings *search = replay->search;
    if (search->objective != OBJECTIVE_PARETO) {
        const struct candidate *best = objective_best(run->history, count, -1, search);
        if (best == NULL)
            return NAN;
        struct candidate again = *best;
        again.validation_accuracy = run->worth[best->id];
        return objective_value(&again, search);
    }
    const struct candidate **front;
    size_t n;
    if (objective_front(&front, &n, run->history, count, search) != ERR_NONE)
        return NAN;
    for (size_t i = 0; i < n; i++)
        run->points[i] =
            (struct point){log_cost(&front[i]->cost, search), run->worth[front[i]->id]};
    free(front);
    return n > 0 && replay->whole > 0 ? area_of(run->points, n, replay) / replay->whole : NAN;
}

static enum error evaluate(struct run *run, const struct replay *replay, size_t k)
{
    struct candidate *candidate = &run->history[k];
    const struct genome_scores *scores = score_table_find(replay->table, &candidate->genome);
    struct rng rng;
    if (scores == NULL)
        return error_set(ERR_INTERNAL, "candidate %zu is not in the table", k);
    rng_seed(&rng, candidate->seed);
    const double *drawn = &scores->scores[rng_below(&rng, scores->count)];
    candidate->status = isnan(*drawn) ? CANDIDATE_DIVERGED : CANDIDATE_DONE;
    candidate->validation_accuracy = *drawn;
    run->worth[k] = mean_score(scores, drawn);
    return ERR_NONE;
}

enum error replay_search(double *values, const struct replay *replay, enum algorithm algorithm,
                         uint64_t seed, const int *at, size_t count)
{
    enum error err = ERR_NONE;
    size_t cycles = (size_t)at[count - 1], next = 0;
    struct search_settings search = *replay->search;
    search.algorithm = algorithm;
    search.seed = seed;
    struct run run = {calloc(cycles, sizeof *run.history), calloc(cycles, sizeof *run.worth),
                      calloc(cycles, sizeof *run.points)};
    if (run.history == NULL || run.worth == NULL || run.points == NULL) {
        err = error_set(ERR_INTERNAL, "out of memory for %zu candidates", cycles);
        goto out;
    }
    for (size_t k = 0; k < cycles; k++) {
        TRY(evolve_propose(&run.history[k], replay->space, &search, (int64_t)k, run.history, k));
        TRY(evaluate(&run, replay, k));
        for (; next < count && (size_t)at[next] == k + 1; next++)
            values[next] = measure(replay, &run, k + 1);
    }
out:
    free(run.history);
    free(run.worth);
    free(run.points);
    return err;
}
