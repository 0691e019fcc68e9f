#include "stages/evolve.h"

#include "pipeline/base/rng.h"
#include "stages/mutate.h"
#include "stages/populate.h"
#include "stages/statistics.h"

static bool is_random(int64_t k, const struct search_settings *search)
{
    return search->algorithm == ALGORITHM_RANDOM || k < search->population;
}

bool evolve_ready(int64_t k, const struct search_settings *search, const struct candidate *history,
                  size_t count)
{
    int64_t ended = 0;  /* of 0..k-1 */
    int64_t prefix = 0; /* 0..prefix-1 have ended */
    for (size_t i = 0; i < count && history[i].id < k; i++) {
        bool last_attempt = i + 1 == count || history[i + 1].id != history[i].id;
        if (!last_attempt || !candidate_ended(&history[i]))
            continue;
        ended++;
        if (history[i].id == prefix)
            prefix++;
    }
    return is_random(k, search) ? k - ended < search->in_flight : prefix > k - search->in_flight;
}

/* The rows that hold the population. */
struct window {
    const struct candidate *rows;
    size_t count;  /* of rows, scored or not */
    size_t scored; /* of them: the population's size, <= P */
};

static struct window find_population(int64_t k, const struct search_settings *search,
                                     const struct candidate *history, size_t count)
{
    struct window window = {0};
    while (count > 0 && history[count - 1].id > k - search->in_flight)
        count--;
    size_t first = count;
    while (first > 0 && window.scored < (size_t)search->population) {
        first--;
        window.scored += history[first].status == CANDIDATE_DONE;
    }
    window.rows = history + first;
    window.count = count - first;
    return window;
}

/* Uniform over the population: rows without a score are drawn again. */
static const struct candidate *draw_member(const struct window *window, struct rng *rng)
{
    const struct candidate *row;
    do
        row = &window->rows[rng_below(rng, window->count)];
    while (row->status != CANDIDATE_DONE);
    return row;
}

static const struct candidate *select_parent(const struct window *window, int sample,
                                             struct rng *rng)
{
    const struct candidate *best = draw_member(window, rng);
    for (int i = 1; i < sample; i++) {
        const struct candidate *drawn = draw_member(window, rng);
        if (candidate_better(drawn, best))
            best = drawn;
    }
    return best;
}

void evolve_propose(struct candidate *next, const struct space *space,
                    const struct search_settings *search, int64_t k,
                    const struct candidate *history, size_t count)
{
    struct rng rng = candidate_rng(search->seed, k);
    if (!is_random(k, search)) {
        struct window window = find_population(k, search, history, count);
        struct genome child;
        enum mutation used;
        if (window.scored > 0) {
            const struct candidate *parent = select_parent(&window, search->sample, &rng);
            if (mutate(&child, &used, space, search->mutation_weights, &parent->genome, &rng)) {
                candidate_new(next, space, search, k, &child, mutation_name(used), parent->id);
                return;
            }
        }
    }
    populate_candidate(next, space, search, k, &rng);
}
