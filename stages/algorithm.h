/*
 * Search algorithms: each is one function that proposes a genome from what was seen, and one row
 * of ALGORITHM_TABLE (inputs/settings.h). Budget, order, operators, duplicates and logging are the
 * same for all; evolve.h has them. docs/search-space.md describes the algorithms for users.
 */
#ifndef CLADE_STAGES_ALGORITHM_H
#define CLADE_STAGES_ALGORITHM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "inputs/candidate.h"
#include "inputs/settings.h"
#include "inputs/space.h"
#include "pipeline/base/rng.h"
#include "stages/fidelity.h"

/* What the proposal of candidate `k` may depend on. */
struct sight {
    int64_t k;
    const struct space *space;
    const struct search_settings *search;
    /* The attempts at candidates 0..k - in_flight, which have all ended where the algorithm is
       guided, in the order (id, attempt). */
    const struct candidate *visible;
    size_t count;
    const double *weights;       /* [MUTATION_COUNT], relative, of the mutations */
    const struct ladder *ladder; /* what `visible` says of the rungs */
};

struct proposal {
    struct genome genome;
    const char *operator_name; /* constant: "random", "grid" or mutation_name() */
    int64_t parent;            /* -1: none */
};

/*
 * A genome inside the space, for a candidate behind the first population (a listed algorithm: for
 * any). Pure in sight and rng:
 * no state is kept elsewhere. It may be called again, with more numbers of the same rng, when the
 * genome is a duplicate that is to be avoided. Fails only when out of memory.
 */
typedef enum error algorithm_propose(struct proposal *proposal, const struct sight *sight,
                                     struct rng *rng);

/* One declaration a row: algorithm_aging(), defined in algorithm_aging.c, and so on. */
#define X(NAME, name, kind, help) algorithm_propose algorithm_##name;
ALGORITHM_TABLE(X)
#undef X

struct search_algorithm {
    const char *name;
    enum algorithm_kind kind;
    algorithm_propose *propose;
};

const struct search_algorithm *algorithm_row(enum algorithm algorithm);

/* ---- what algorithms are made of ---- */

/* A random genome; never fails. */
void propose_random(struct proposal *proposal, const struct sight *sight, struct rng *rng);

/* A child of `parent` by one mutation, drawn by weight; a random genome when no mutation is
   possible. */
void propose_child(struct proposal *proposal, const struct sight *sight,
                   const struct candidate *parent, struct rng *rng);

/*
 * The `most` latest candidates that are visible and have a score on the rung where candidates begin
 * now (0: all), in no order that matters.
 * *members is malloc'ed, of pointers into sight->visible.
 */
enum error list_scored(const struct candidate ***members, size_t *count, const struct sight *sight,
                       size_t most);

/* Sorts them, best first, as ladder_sort(). */
enum error sort_members(const struct candidate **members, size_t count, const struct sight *sight,
                        size_t *first_front);

/* The best of search.sample, drawn with replacement from `members`, which are sorted, best first;
   count > 0. */
const struct candidate *draw_tournament(const struct candidate *const *members, size_t count,
                                        const struct search_settings *search, struct rng *rng);

#endif
