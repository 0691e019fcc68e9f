/*
 * Operator credit: what each mutation did, by comparing children with their parents, and which one
 * is drawn next. Pure functions of the history.
 *
 * `candidates` are attempts in the order (id, attempt). A child is compared when it and its parent
 * have a score; it is better when objective_improves() says so (objective.h).
 *
 * Parents were chosen because their score was high, so it is flattered, and a child that is as
 * good looks worse on average: compare operators with each other, not with 0.
 */
#ifndef CLADE_STAGES_CREDIT_H
#define CLADE_STAGES_CREDIT_H

#include <stddef.h>

#include "inputs/records.h"
#include "inputs/settings.h"
#include "pipeline/base/error.h"
#include "pipeline/base/rng.h"

/*
 * One entry a mutation that was used or may be drawn, in the order of enum mutation, then one for
 * every other operator ("random") in the order in which they appear. *credits is malloc'ed.
 */
enum error credit_operators(struct operator_credit **credits, size_t *credit_count,
                            const struct candidate *candidates, size_t count,
                            const struct search_settings *search);

/*
 * The weights by which the next mutation is drawn, from what is visible.
 *
 * search.adapt = none: search.mutation_weights.
 *
 * bandit: Thompson sampling (Thompson, "On the likelihood that one unknown probability exceeds
 * another", Biometrika 25 (1933) 285-294; Chapelle and Li, "An empirical evaluation of Thompson
 * sampling", NIPS 2011). A child that is better is a success of its mutation. Among the
 * search.adapt_window latest children that were compared, a mutation had s successes in n uses;
 * each mutation with a weight draws a number from the distribution Beta(1 + s, 1 + n - s), and the
 * largest takes the draw: its weight is then so large that another one is drawn only where it is
 * impossible. In a share of search.adapt_floor of the calls the weights stay as they are set, so
 * that no mutation dies, and one that becomes useful later is found again.
 */
void credit_weights(double weights[MUTATION_COUNT], const struct candidate *visible, size_t count,
                    const struct search_settings *search, struct rng *rng);

#endif
