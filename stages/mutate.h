/*
 * Mutations: how a child differs from its parent. Each keeps the two reduction layers and gives a
 * child that is inside the space and not equal to its parent. docs/search-space.md describes them
 * for users.
 */
#ifndef CLADE_STAGES_MUTATE_H
#define CLADE_STAGES_MUTATE_H

#include <stdbool.h>

#include "inputs/genome.h"
#include "inputs/settings.h"
#include "inputs/space.h"
#include "pipeline/base/rng.h"

/*
 * All: `parent` is inside the space. False when no child of this kind exists for this parent (two
 * hundred random choices fail, then every choice is looked at); *child is then unchanged. The
 * choices named are equally likely among those that give a child inside the space.
 */

/* Two layers, which differ, change places: all pairs of places. */
bool mutate_swap(struct genome *child, const struct space *space, const struct genome *parent,
                 struct rng *rng);

/* A run of two layers or more is reversed: all runs. The head stays. */
bool mutate_inversion(struct genome *child, const struct space *space, const struct genome *parent,
                      struct rng *rng);

/* One layer gets another filter count: all layers, all counts of the space. */
bool mutate_filters(struct genome *child, const struct space *space, const struct genome *parent,
                    struct rng *rng);

/* One layer is replaced by a random one of its kind: all layers and the head (a random head has
   another activation), all layers of the space. */
bool mutate_layer(struct genome *child, const struct space *space, const struct genome *parent,
                  struct rng *rng);

/* A random normal layer is inserted: all places, all layers of the space. */
bool mutate_add(struct genome *child, const struct space *space, const struct genome *parent,
                struct rng *rng);

/* A normal layer is taken out: all of them. */
bool mutate_remove(struct genome *child, const struct space *space, const struct genome *parent,
                   struct rng *rng);

/*
 * One mutation, drawn by `weights`; one that is impossible for this parent is left out and another
 * drawn. False when none with a weight is possible: *child and *used are then unchanged.
 */
bool mutate(struct genome *child, enum mutation *used, const struct space *space,
            const double weights[MUTATION_COUNT], const struct genome *parent, struct rng *rng);

#endif
