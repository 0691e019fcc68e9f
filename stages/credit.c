#include "stages/credit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stages/algorithm.h"
#include "stages/inference.h"
#include "stages/objective.h"
#include "stages/statistics.h"

static bool is_last_attempt(const struct candidate *candidates, size_t count, size_t i)
{
    return i + 1 == count || candidates[i + 1].id != candidates[i].id;
}

/* The parent to compare row i with; NULL when there is nothing to compare. */
static const struct candidate *compared_parent(const struct candidate *candidates, size_t count,
                                               size_t i)
{
    const struct candidate *child = &candidates[i];
    if (child->status != CANDIDATE_DONE || child->parent < 0)
        return NULL;
    const struct candidate *parent = find_candidate(candidates, count, child->parent);
    return parent != NULL && parent->status == CANDIDATE_DONE ? parent : NULL;
}

/* Welford's sums of one operator (Technometrics 4 (1962) 419-420). */
struct sums {
    double mean, squares;
};

static void add_value(struct sums *sums, int n, double value)
{
    double step = value - sums->mean;
    sums->mean += step / n;
    sums->squares += step * (value - sums->mean);
}

struct tally {
    struct operator_credit credit;
    struct sums accuracy, parameters;
};

struct tallies {
    struct tally *list;
    size_t count;
};

static enum error find_tally(struct tally **tally, struct tallies *all, const char *name)
{
    for (size_t i = 0; i < all->count; i++) {
        if (strcmp(all->list[i].credit.name, name) == 0) {
            *tally = &all->list[i];
            return ERR_NONE;
        }
    }
    struct tally *list = realloc(all->list, (all->count + 1) * sizeof *list);
    if (list == NULL)
        return error_set(ERR_INTERNAL, "out of memory for %zu operators", all->count + 1);
    all->list = list;
    *tally = &list[all->count++];
    **tally = (struct tally){0};
    snprintf((*tally)->credit.name, sizeof(*tally)->credit.name, "%s", name);
    return ERR_NONE;
}

static void add_child(struct tally *tally, const struct candidate *child,
                      const struct candidate *parent, const struct search_settings *search)
{
    struct operator_credit *credit = &tally->credit;
    credit->uses++;
    credit->failed += child->status != CANDIDATE_DONE;
    if (parent == NULL)
        return;
    credit->compared++;
    credit->better += objective_improves(child, parent, search);
    add_value(&tally->accuracy, credit->compared,
              child->validation_accuracy - parent->validation_accuracy);
    add_value(&tally->parameters, credit->compared,
              (double)(child->cost.parameters - parent->cost.parameters));
}

static struct operator_credit finish(const struct tally *tally)
{
    struct operator_credit credit = tally->credit;
    size_t n = (size_t)credit.compared;
    credit.better_interval = wilson_interval(credit.better, credit.compared);
    credit.accuracy_change = estimate_from_sums(n, tally->accuracy.mean, tally->accuracy.squares);
    credit.parameter_change =
        estimate_from_sums(n, tally->parameters.mean, tally->parameters.squares);
    return credit;
}

enum error credit_operators(struct operator_credit **credits, size_t *credit_count,
                            const struct candidate *candidates, size_t count,
                            const struct search_settings *search)
{
    enum error err = ERR_NONE;
    struct tallies all = {0};
    struct tally *tally;
    struct operator_credit *list = NULL;
    size_t n = 0;
    for (int m = 0; m < MUTATION_COUNT; m++)
        TRY(find_tally(&tally, &all, mutation_name((enum mutation)m)));
    for (size_t i = 0; i < count; i++) {
        const struct candidate *child = &candidates[i];
        if (!is_last_attempt(candidates, count, i) || !candidate_ended(child) ||
            strcmp(child->operator_name, CANDIDATE_PROMOTE) == 0)
            continue;
        TRY(find_tally(&tally, &all, child->operator_name));
        add_child(tally, child, compared_parent(candidates, count, i), search);
    }
    list = calloc(all.count, sizeof *list);
    if (list == NULL) {
        err = error_set(ERR_INTERNAL, "out of memory for %zu operators", all.count);
        goto out;
    }
    for (size_t i = 0; i < all.count; i++) {
        bool possible = i < MUTATION_COUNT && search->mutation_weights[i] > 0 &&
                        algorithm_row(search->algorithm)->kind == ALGORITHM_GUIDED;
        if (possible || all.list[i].credit.uses > 0)
            list[n++] = finish(&all.list[i]);
    }
    *credits = list;
    *credit_count = n;
out:
    free(all.list);
    return err;
}

/* ---- the bandit ---- */

/* -1 for none of the mutations. */
static int mutation_index(const char *name)
{
    for (int m = 0; m < MUTATION_COUNT; m++)
        if (strcmp(mutation_name((enum mutation)m), name) == 0)
            return m;
    return -1;
}

static int by_number(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/*
 * A number from Beta(a, b) for whole a, b >= 1: the a-th smallest of a + b - 1 uniform ones. It
 * needs no function of the mathematics library, so it is the same on every machine. `scratch` has
 * room for them.
 */
static double draw_beta(int a, int b, double *scratch, struct rng *rng)
{
    int n = a + b - 1;
    for (int i = 0; i < n; i++)
        scratch[i] = rng_uniform(rng);
    qsort(scratch, (size_t)n, sizeof *scratch, by_number);
    return scratch[a - 1];
}

struct trials {
    int better, compared;
};

static void count_trials(struct trials trials[MUTATION_COUNT], const struct candidate *visible,
                         size_t count, const struct search_settings *search)
{
    int left = search->adapt_window;
    for (size_t i = count; i-- > 0 && left > 0;) {
        int m = mutation_index(visible[i].operator_name);
        if (m < 0 || !is_last_attempt(visible, count, i))
            continue;
        const struct candidate *parent = compared_parent(visible, count, i);
        if (parent == NULL)
            continue;
        trials[m].compared++;
        trials[m].better += objective_improves(&visible[i], parent, search);
        left--;
    }
}

void credit_weights(double weights[MUTATION_COUNT], const struct candidate *visible, size_t count,
                    const struct search_settings *search, struct rng *rng)
{
    static const double all_but_certain = 1e12;
    memcpy(weights, search->mutation_weights, MUTATION_COUNT * sizeof *weights);
    if (search->adapt == ADAPT_NONE || rng_uniform(rng) < search->adapt_floor)
        return;
    struct trials trials[MUTATION_COUNT] = {0};
    double scratch[ADAPT_WINDOW_MAX + 1];
    count_trials(trials, visible, count, search);
    int best = -1;
    double largest = -1, total = 0;
    for (int m = 0; m < MUTATION_COUNT; m++) {
        total += weights[m];
        if (weights[m] <= 0)
            continue;
        double share = draw_beta(1 + trials[m].better, 1 + trials[m].compared - trials[m].better,
                                 scratch, rng);
        if (share > largest) {
            largest = share;
            best = m;
        }
    }
    if (best >= 0)
        weights[best] = total * all_but_certain;
}
