/*
 * The search space: which genomes may exist. All random genomes come from here, so limits hold by
 * construction.
 */
#ifndef CLADE_INPUTS_SPACE_H
#define CLADE_INPUTS_SPACE_H

#include <stdbool.h>

#include "inputs/genome.h"
#include "inputs/settings.h"
#include "pipeline/base/rng.h"

struct space {
    struct space_settings limits;
    struct image_shape shape;
    int most_layers; /* the largest layer count of which a genome fits; <= limits.max_layers */
};

/* ERR_USAGE, with the reason, when no genome is inside the space. Both arguments are copied. */
enum error space_init(struct space *space, const struct space_settings *limits,
                      const struct image_shape *shape);

/* Whether `genome` is inside; if not and `why` is not NULL, *why is a constant text. */
bool space_contains(const struct space *space, const struct genome *genome, const char **why);

/*
 * A random genome of the space; always succeeds, in bounded time. The distribution is documented
 * in docs/search-space.md: the layer count is uniform over the counts that can fit, the places of
 * the two RC layers uniform, every layer's filters, kernel and activation and the head's
 * activation uniform and independent, conditioned on the limits (by rejection; when a thousand
 * drawn genomes of that layer count are all over a limit, the last one is made smaller, one random
 * step after the other, until it fits).
 */
void space_random_genome(const struct space *space, struct rng *rng, struct genome *genome);

/* A random layer of `kind`: filters, kernel and activation uniform over the lists. */
void space_random_layer(const struct space *space, struct rng *rng, enum layer_kind kind,
                        struct layer *layer);

/* A random one of the allowed activations. */
enum activation space_random_activation(const struct space *space, struct rng *rng);

#endif
