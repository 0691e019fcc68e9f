#include "inputs/space.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

enum { REJECTIONS = 1000 };

static bool listed(const struct int_list *list, int value)
{
    for (int i = 0; i < list->count; i++) {
        if (list->values[i] == value)
            return true;
    }
    return false;
}

static int smallest(const struct int_list *list)
{
    int value = list->values[0];
    for (int i = 1; i < list->count; i++) {
        if (list->values[i] < value)
            value = list->values[i];
    }
    return value;
}

/* The largest listed value below `value`; 0 when there is none. */
static int next_smaller(const struct int_list *list, int value)
{
    int below = 0;
    for (int i = 0; i < list->count; i++) {
        if (list->values[i] < value && list->values[i] > below)
            below = list->values[i];
    }
    return below;
}

/*
 * The genome of `layers` layers that has the fewest parameters, multiply-accumulates and
 * activations at once: parameters do not depend on where the reductions are, and every layer
 * behind a reduction has fewer pixels to work on, so they come first.
 */
static struct genome smallest_genome(const struct space_settings *limits, int layers)
{
    struct genome genome = {.layer_count = layers,
                            .head = (enum activation)limits->activations.values[0]};
    for (int i = 0; i < layers; i++)
        genome.layers[i] =
            (struct layer){.kind = i < GENOME_REDUCTIONS ? LAYER_REDUCTION : LAYER_NORMAL,
                           .filters = smallest(&limits->filters),
                           .kernel = smallest(&limits->kernels),
                           .activation = (enum activation)limits->activations.values[0]};
    return genome;
}

/* One limit and what a genome has of it. */
struct limit {
    const char *key, *unit, *fault;
    int64_t most; /* 0: no limit */
    int64_t value;
};

enum { LIMIT_COUNT = 3 };

static void list_limits(struct limit limits[LIMIT_COUNT], const struct space *space,
                        const struct genome *genome)
{
    const struct space_settings *most = &space->limits;
    struct genome_cost cost = genome_cost(genome, &space->shape);
    limits[0] =
        (struct limit){"max_parameters", "parameters", "more parameters than space.max_parameters",
                       most->max_parameters, cost.parameters};
    limits[1] =
        (struct limit){"max_macs", "multiply-accumulates",
                       "more multiply-accumulates than space.max_macs", most->max_macs, cost.macs};
    limits[2] = (struct limit){"max_activations", "activations",
                               "more activations than space.max_activations", most->max_activations,
                               cost.activations};
}

/* The first limit that the genome is over; false when it keeps to all. */
static bool find_excess(struct limit *excess, const struct space *space,
                        const struct genome *genome)
{
    struct limit limits[LIMIT_COUNT];
    list_limits(limits, space, genome);
    for (int i = 0; i < LIMIT_COUNT; i++) {
        if (limits[i].most != 0 && limits[i].value > limits[i].most) {
            *excess = limits[i];
            return true;
        }
    }
    return false;
}

static bool over_limit(const struct space *space, const struct genome *genome)
{
    struct limit excess;
    return find_excess(&excess, space, genome);
}

/* `excess` is what the smallest genome has too much of. */
static enum error no_genome(const struct genome *smallest, const struct limit *excess)
{
    char text[GENOME_TEXT_SIZE];
    genome_format(text, smallest);
    return error_set(ERR_USAGE,
                     "[space] holds no genome: the smallest, %.200s%s, has %lld %s, over space.%s "
                     "= %lld",
                     text, strlen(text) > 200 ? "..." : "", (long long)excess->value, excess->unit,
                     excess->key, (long long)excess->most);
}

enum error space_init(struct space *space, const struct space_settings *limits,
                      const struct image_shape *shape)
{
    struct space made = {.limits = *limits, .shape = *shape};
    if (limits->filters.count == 0 || limits->kernels.count == 0 || limits->activations.count == 0)
        return error_set(ERR_USAGE, "[space] holds no genome: filters, kernels and activations "
                                    "each need a value");
    if (limits->min_layers < GENOME_REDUCTIONS || limits->max_layers > GENOME_MAX_LAYERS ||
        limits->min_layers > limits->max_layers)
        return error_set(ERR_USAGE,
                         "[space] holds no genome: min_layers = %d and max_layers = %d, expected "
                         "%d <= min_layers <= max_layers <= %d",
                         limits->min_layers, limits->max_layers, GENOME_REDUCTIONS,
                         GENOME_MAX_LAYERS);
    /* Costs grow with the layer count, so the counts that fit are min_layers..most_layers. */
    made.most_layers = limits->max_layers;
    for (;; made.most_layers--) {
        struct genome genome = smallest_genome(limits, made.most_layers);
        struct limit excess;
        if (!find_excess(&excess, &made, &genome))
            break;
        if (made.most_layers == limits->min_layers)
            return no_genome(&genome, &excess);
    }
    *space = made;
    return ERR_NONE;
}

static const char *find_fault(const struct space *space, const struct genome *genome)
{
    const struct space_settings *limits = &space->limits;
    int reductions = 0;
    if (genome->layer_count < limits->min_layers)
        return "fewer layers than space.min_layers";
    if (genome->layer_count > limits->max_layers)
        return "more layers than space.max_layers";
    for (int i = 0; i < genome->layer_count; i++) {
        const struct layer *layer = &genome->layers[i];
        reductions += layer->kind == LAYER_REDUCTION;
        if (!listed(&limits->filters, layer->filters))
            return "a filter count that is not in space.filters";
        if (!listed(&limits->kernels, layer->kernel))
            return "a kernel size that is not in space.kernels";
        if (!listed(&limits->activations, (int)layer->activation))
            return "an activation that is not in space.activations";
    }
    if (reductions != GENOME_REDUCTIONS)
        return "not exactly two reduction layers";
    if (!listed(&limits->activations, (int)genome->head))
        return "an activation that is not in space.activations";
    struct limit excess;
    return find_excess(&excess, space, genome) ? excess.fault : NULL;
}

bool space_contains(const struct space *space, const struct genome *genome, const char **why)
{
    const char *fault = find_fault(space, genome);
    if (fault != NULL && why != NULL)
        *why = fault;
    return fault == NULL;
}

static int pick(const struct int_list *list, struct rng *rng)
{
    return list->values[rng_below(rng, (uint64_t)list->count)];
}

enum activation space_random_activation(const struct space *space, struct rng *rng)
{
    return (enum activation)pick(&space->limits.activations, rng);
}

void space_random_layer(const struct space *space, struct rng *rng, enum layer_kind kind,
                        struct layer *layer)
{
    layer->kind = kind;
    layer->filters = pick(&space->limits.filters, rng);
    layer->kernel = pick(&space->limits.kernels, rng);
    layer->activation = space_random_activation(space, rng);
}

/* Without a look at the limits of cost. */
static void draw_genome(const struct space *space, struct rng *rng, int layers,
                        struct genome *genome)
{
    *genome = (struct genome){.layer_count = layers};
    /* Two different places, each pair equally often. */
    int first = (int)rng_below(rng, (uint64_t)layers);
    int second = (int)rng_below(rng, (uint64_t)layers - 1);
    second += second >= first;
    for (int i = 0; i < layers; i++)
        space_random_layer(space, rng, i == first || i == second ? LAYER_REDUCTION : LAYER_NORMAL,
                           &genome->layers[i]);
    genome->head = space_random_activation(space, rng);
}

/* The ways to make layer `index` cost less: its next smaller filter count or kernel, or its
   reduction one place earlier. */
enum step { STEP_FILTERS, STEP_KERNEL, STEP_EARLIER, STEP_COUNT };

static bool make_step(const struct space *space, struct genome *genome, int index, enum step step)
{
    struct layer *layer = &genome->layers[index];
    int smaller;
    switch (step) {
    case STEP_FILTERS:
        smaller = next_smaller(&space->limits.filters, layer->filters);
        if (smaller == 0)
            return false;
        layer->filters = smaller;
        return true;
    case STEP_KERNEL:
        smaller = next_smaller(&space->limits.kernels, layer->kernel);
        if (smaller == 0)
            return false;
        layer->kernel = smaller;
        return true;
    default:
        if (index == 0 || layer->kind != LAYER_REDUCTION || layer[-1].kind != LAYER_NORMAL)
            return false;
        layer[-1].kind = LAYER_REDUCTION;
        layer->kind = LAYER_NORMAL;
        return true;
    }
}

/* Each step lowers a cost, and where no step is left is the smallest genome of this layer count,
   which fits: so this ends, inside the space. */
static void shrink(const struct space *space, struct rng *rng, struct genome *genome)
{
    while (over_limit(space, genome)) {
        int choices = genome->layer_count * STEP_COUNT;
        int choice = (int)rng_below(rng, (uint64_t)choices);
        int tried = 0;
        while (!make_step(space, genome, choice / STEP_COUNT, (enum step)(choice % STEP_COUNT))) {
            choice = (choice + 1) % choices;
            tried++;
            assert(tried < choices);
        }
    }
}

void space_random_genome(const struct space *space, struct rng *rng, struct genome *genome)
{
    int counts = space->most_layers - space->limits.min_layers + 1;
    int layers = space->limits.min_layers + (int)rng_below(rng, (uint64_t)counts);
    for (int i = 0; i < REJECTIONS; i++) {
        draw_genome(space, rng, layers, genome);
        if (!over_limit(space, genome))
            return;
    }
    shrink(space, rng, genome);
}
