/*
 * Packs: networks of one shape, the members, that share every launch (network.h). Activations may
 * differ from member to member; wherever an operation takes one, `each` beside it (NULL: all have
 * that one) names those of the members.
 */
#ifndef CLADE_CL_KERNELS_PACK_H
#define CLADE_CL_KERNELS_PACK_H

#include "inputs/genome.h"
#include "inputs/settings.h"

enum activation pack_activation(enum activation all, const enum activation *each, int member);

/* The same of all members, for a kernel. */
void pack_activations(int to[PACK_MAX], enum activation all, const enum activation *each,
                      int members);

#endif
