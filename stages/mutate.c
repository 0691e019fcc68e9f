#include "stages/mutate.h"

#include <string.h>

enum { RANDOM_TRIES = 200 };

/* Makes the child of choice 0 <= choice < choices; false when the choice means nothing. */
typedef bool make_child(struct genome *child, const struct space *space,
                        const struct genome *parent, int choice);

static bool try_choice(struct genome *child, const struct space *space, const struct genome *parent,
                       make_child *make, int choice)
{
    struct genome made = *parent;
    if (!make(&made, space, parent, choice) || genome_equal(&made, parent) ||
        !space_contains(space, &made, NULL))
        return false;
    *child = made;
    return true;
}

static bool choose(struct genome *child, const struct space *space, const struct genome *parent,
                   struct rng *rng, make_child *make, int choices)
{
    for (int i = 0; i < RANDOM_TRIES; i++) {
        if (try_choice(child, space, parent, make, (int)rng_below(rng, (uint64_t)choices)))
            return true;
    }
    int start = (int)rng_below(rng, (uint64_t)choices);
    for (int i = 0; i < choices; i++) {
        if (try_choice(child, space, parent, make, (start + i) % choices))
            return true;
    }
    return false;
}

/* Different layers: each combination of the lists is one. */
static int combinations(const struct space *space)
{
    const struct space_settings *limits = &space->limits;
    return limits->filters.count * limits->kernels.count * limits->activations.count;
}

static struct layer combine(const struct space *space, enum layer_kind kind, int combination)
{
    const struct space_settings *limits = &space->limits;
    int f = limits->filters.count, k = limits->kernels.count;
    return (struct layer){.kind = kind,
                          .filters = limits->filters.values[combination % f],
                          .kernel = limits->kernels.values[combination / f % k],
                          .activation =
                              (enum activation)limits->activations.values[combination / f / k]};
}

static bool make_swap(struct genome *child, const struct space *space, const struct genome *parent,
                      int choice)
{
    (void)space;
    int i = choice / parent->layer_count, j = choice % parent->layer_count;
    if (i >= j)
        return false;
    child->layers[i] = parent->layers[j];
    child->layers[j] = parent->layers[i];
    return true;
}

bool mutate_swap(struct genome *child, const struct space *space, const struct genome *parent,
                 struct rng *rng)
{
    return choose(child, space, parent, rng, make_swap, parent->layer_count * parent->layer_count);
}

static bool make_inversion(struct genome *child, const struct space *space,
                           const struct genome *parent, int choice)
{
    (void)space;
    int first = choice / parent->layer_count, last = choice % parent->layer_count;
    if (first >= last)
        return false;
    for (int i = first; i <= last; i++)
        child->layers[i] = parent->layers[first + last - i];
    return true;
}

bool mutate_inversion(struct genome *child, const struct space *space, const struct genome *parent,
                      struct rng *rng)
{
    return choose(child, space, parent, rng, make_inversion,
                  parent->layer_count * parent->layer_count);
}

static bool make_filters(struct genome *child, const struct space *space,
                         const struct genome *parent, int choice)
{
    child->layers[choice % parent->layer_count].filters =
        space->limits.filters.values[choice / parent->layer_count];
    return true;
}

bool mutate_filters(struct genome *child, const struct space *space, const struct genome *parent,
                    struct rng *rng)
{
    return choose(child, space, parent, rng, make_filters,
                  parent->layer_count * space->limits.filters.count);
}

/* The head stands behind the last layer; combinations that differ in its activation only count
   for it, so it is chosen as often as any layer. */
static bool make_layer(struct genome *child, const struct space *space, const struct genome *parent,
                       int choice)
{
    int place = choice % (parent->layer_count + 1);
    enum layer_kind kind = place < parent->layer_count ? parent->layers[place].kind : LAYER_NORMAL;
    struct layer layer = combine(space, kind, choice / (parent->layer_count + 1));
    if (place < parent->layer_count)
        child->layers[place] = layer;
    else
        child->head = layer.activation;
    return true;
}

bool mutate_layer(struct genome *child, const struct space *space, const struct genome *parent,
                  struct rng *rng)
{
    return choose(child, space, parent, rng, make_layer,
                  (parent->layer_count + 1) * combinations(space));
}

static bool make_add(struct genome *child, const struct space *space, const struct genome *parent,
                     int choice)
{
    int place = choice % (parent->layer_count + 1);
    memmove(&child->layers[place + 1], &parent->layers[place],
            (size_t)(parent->layer_count - place) * sizeof parent->layers[0]);
    child->layers[place] = combine(space, LAYER_NORMAL, choice / (parent->layer_count + 1));
    child->layer_count++;
    return true;
}

bool mutate_add(struct genome *child, const struct space *space, const struct genome *parent,
                struct rng *rng)
{
    if (parent->layer_count >= space->most_layers)
        return false;
    return choose(child, space, parent, rng, make_add,
                  (parent->layer_count + 1) * combinations(space));
}

static bool make_remove(struct genome *child, const struct space *space,
                        const struct genome *parent, int choice)
{
    (void)space;
    if (parent->layers[choice].kind != LAYER_NORMAL)
        return false;
    memmove(&child->layers[choice], &parent->layers[choice + 1],
            (size_t)(parent->layer_count - choice - 1) * sizeof parent->layers[0]);
    child->layer_count--;
    return true;
}

bool mutate_remove(struct genome *child, const struct space *space, const struct genome *parent,
                   struct rng *rng)
{
    if (parent->layer_count <= space->limits.min_layers)
        return false;
    return choose(child, space, parent, rng, make_remove, parent->layer_count);
}

bool mutate(struct genome *child, enum mutation *used, const struct space *space,
            const double weights[MUTATION_COUNT], const struct genome *parent, struct rng *rng)
{
    static bool (*const mutations[MUTATION_COUNT])(struct genome *, const struct space *,
                                                   const struct genome *, struct rng *) = {
        [MUTATION_SWAP] = mutate_swap,       [MUTATION_INVERSION] = mutate_inversion,
        [MUTATION_FILTERS] = mutate_filters, [MUTATION_LAYER] = mutate_layer,
        [MUTATION_ADD] = mutate_add,         [MUTATION_REMOVE] = mutate_remove};
    double left[MUTATION_COUNT];
    memcpy(left, weights, sizeof left);
    for (;;) {
        double total = 0;
        for (int i = 0; i < MUTATION_COUNT; i++)
            total += left[i];
        if (total <= 0)
            return false;
        double point = rng_uniform(rng) * total;
        int drawn = -1;
        for (int i = 0; i < MUTATION_COUNT && (drawn < 0 || point >= 0); i++) {
            if (left[i] > 0)
                drawn = i; /* the last one, should rounding leave the point behind it */
            point -= left[i];
        }
        if (mutations[drawn](child, space, parent, rng)) {
            *used = (enum mutation)drawn;
            return true;
        }
        left[drawn] = 0;
    }
}
