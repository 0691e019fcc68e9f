/* Every genome of a small search space, one after the other. */
#ifndef CLADE_INPUTS_SPACE_WALK_H
#define CLADE_INPUTS_SPACE_WALK_H

#include <stdbool.h>
#include <stddef.h>

#include "inputs/genome.h"
#include "inputs/settings.h"
#include "inputs/space.h"
#include "pipeline/base/error.h"

/* Larger spaces are not walked: this many genomes take about a second. */
#define SPACE_WALK_MOST 1e6

/* Genomes of the space without a look at the limits of cost: A * sum of n(n-1)/2 * (F K A)^n over
   the layer counts n. */
double space_size(const struct space_settings *limits);

struct space_walk {
    const struct space *space;
    int layers;                          /* 0: not begun; over the most: at the end */
    int first, second;                   /* places of the reductions */
    int combinations[GENOME_MAX_LAYERS]; /* of filters, kernel and activation */
    int head;
};

/* The space is borrowed. */
void space_walk_begin(struct space_walk *walk, const struct space *space);

/*
 * The next genome inside the space; false at the end. The order is fixed: fewer layers first, then
 * the places of the reductions, then layers and head as the digits of a number, in the order of
 * the settings' lists.
 */
bool space_walk_next(struct space_walk *walk, struct genome *genome);

/* All of them, in that order; *list is malloc'ed. ERR_USAGE when space_size() is over
   SPACE_WALK_MOST. */
enum error space_list(struct genome **list, size_t *count, const struct space *space);

#endif
