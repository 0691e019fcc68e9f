#include "inputs/space_walk.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double space_size(const struct space_settings *limits)
{
    double a = limits->activations.count, sum = 0;
    double layer = (double)limits->filters.count * limits->kernels.count * a;
    for (int n = limits->min_layers; n <= limits->max_layers; n++)
        sum += 0.5 * n * (n - 1) * pow(layer, n);
    return a * sum;
}

void space_walk_begin(struct space_walk *walk, const struct space *space)
{
    *walk = (struct space_walk){.space = space};
}

static int combination_count(const struct space_settings *limits)
{
    return limits->filters.count * limits->kernels.count * limits->activations.count;
}

static void make_genome(struct genome *genome, const struct space_walk *walk)
{
    const struct space_settings *limits = &walk->space->limits;
    int f = limits->filters.count, k = limits->kernels.count;
    *genome = (struct genome){.layer_count = walk->layers,
                              .head = (enum activation)limits->activations.values[walk->head]};
    for (int i = 0; i < walk->layers; i++) {
        int combination = walk->combinations[i];
        genome->layers[i] = (struct layer){
            .kind = i == walk->first || i == walk->second ? LAYER_REDUCTION : LAYER_NORMAL,
            .filters = limits->filters.values[combination % f],
            .kernel = limits->kernels.values[combination / f % k],
            .activation = (enum activation)limits->activations.values[combination / f / k]};
    }
}

static void first_of(struct space_walk *walk, int layers)
{
    walk->layers = layers;
    walk->first = 0;
    walk->second = 1;
    walk->head = 0;
    memset(walk->combinations, 0, sizeof walk->combinations);
}

/* One step of the odometer: the head turns fastest, the layer count slowest. */
static void advance(struct space_walk *walk)
{
    const struct space_settings *limits = &walk->space->limits;
    if (walk->layers == 0) {
        first_of(walk, limits->min_layers);
        return;
    }
    if (++walk->head < limits->activations.count)
        return;
    walk->head = 0;
    for (int i = walk->layers; i-- > 0;) {
        if (++walk->combinations[i] < combination_count(limits))
            return;
        walk->combinations[i] = 0;
    }
    if (++walk->second < walk->layers)
        return;
    walk->first++;
    walk->second = walk->first + 1;
    if (walk->second >= walk->layers)
        first_of(walk, walk->layers + 1);
}

bool space_walk_next(struct space_walk *walk, struct genome *genome)
{
    int most = walk->space->most_layers;
    if (walk->layers > most)
        return false;
    for (;;) {
        advance(walk);
        if (walk->layers > most)
            return false;
        make_genome(genome, walk);
        if (space_contains(walk->space, genome, NULL))
            return true;
    }
}

enum error space_list(struct genome **list, size_t *count, const struct space *space)
{
    struct space_walk walk;
    struct genome genome, *all = NULL;
    size_t n = 0, capacity = 0;
    double size = space_size(&space->limits);
    if (size > SPACE_WALK_MOST)
        return error_set(ERR_USAGE,
                         "[space] has %.3g genomes, more than the %.0f that can be listed: fewer "
                         "layers, filters, kernels or activations",
                         size, SPACE_WALK_MOST);
    space_walk_begin(&walk, space);
    while (space_walk_next(&walk, &genome)) {
        if (n == capacity) {
            capacity = capacity > 0 ? 2 * capacity : 64;
            struct genome *more = realloc(all, capacity * sizeof *all);
            if (more == NULL) {
                free(all);
                return error_set(ERR_INTERNAL, "out of memory for %zu genomes", capacity);
            }
            all = more;
        }
        all[n++] = genome;
    }
    *list = all;
    *count = n;
    return ERR_NONE;
}
