#include "stages/evolve.h"

#include "pipeline/base/rng.h"
#include "stages/algorithm.h"
#include "stages/credit.h"
#include "stages/populate.h"
#include "stages/statistics.h"

static bool is_blind(int64_t k, const struct search_settings *search)
{
    return k < search->population || (algorithm_row(search->algorithm)->kind != ALGORITHM_GUIDED &&
                                      search->fidelity.rungs.count < 2);
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
    return is_blind(k, search) ? k - ended < search->in_flight : prefix > k - search->in_flight;
}

/* Whether one of 0..k-1 has this genome. */
static bool is_known(const struct genome *genome, int64_t k, const struct candidate *history,
                     size_t count)
{
    for (size_t i = 0; i < count && history[i].id < k; i++)
        if (genome_equal(genome, &history[i].genome))
            return true;
    return false;
}

static size_t count_visible(int64_t last, const struct candidate *history, size_t count)
{
    while (count > 0 && history[count - 1].id > last)
        count--;
    return count;
}

enum error evolve_propose(struct candidate *next, const struct space *space,
                          const struct search_settings *search, int64_t k,
                          const struct candidate *history, size_t count)
{
    enum error err = ERR_NONE;
    double weights[MUTATION_COUNT];
    struct rng rng = candidate_rng(search->seed, k);
    struct ladder ladder;
    const struct candidate *promoted = NULL;
    int rung;
    struct sight sight = {.k = k,
                          .space = space,
                          .search = search,
                          .visible = history,
                          .count = count_visible(k - search->in_flight, history, count),
                          .weights = weights,
                          .ladder = &ladder};
    const struct search_algorithm *algorithm = algorithm_row(search->algorithm);
    struct proposal proposal;
    bool listed = algorithm->kind == ALGORITHM_LISTED;
    int most = search->duplicates == DUPLICATES_AVOID && !listed ? search->redraws : 0;
    int redraws = 0;
    /* The first population sees nothing: what ended first must not matter. */
    TRY(ladder_make(&ladder, history, k < search->population ? 0 : sight.count, search));
    if (k >= search->population)
        TRY(ladder_promote(&promoted, &rung, &ladder, history, sight.count,
                           count_visible(k - 1, history, count), search));
    if (promoted != NULL) {
        candidate_new(next, space, search, k, &promoted->genome, CANDIDATE_PROMOTE, promoted->id);
        next->rung = rung;
        return ERR_NONE;
    }
    for (;; redraws++) {
        credit_weights(weights, sight.visible, sight.count, search, &rng);
        if ((k < search->population && !listed) || (redraws > 0 && redraws == most))
            propose_random(&proposal, &sight, &rng);
        else
            TRY(algorithm->propose(&proposal, &sight, &rng));
        if (redraws == most || !is_known(&proposal.genome, k, history, count))
            break;
    }
    candidate_new(next, space, search, k, &proposal.genome, proposal.operator_name,
                  proposal.parent);
    next->redraws = redraws;
    next->rung = ladder.first;
out:
    return err;
}
