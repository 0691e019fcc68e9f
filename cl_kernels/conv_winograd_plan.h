/*
 * How the winograd family cuts a pass into tiles, tiles into chunks, and what memory that takes.
 * Follows from the plan alone: it decides how results are rounded.
 */
#ifndef CLADE_CL_KERNELS_CONV_WINOGRAD_PLAN_H
#define CLADE_CL_KERNELS_CONV_WINOGRAD_PLAN_H

#include "cl_kernels/conv.h"

enum {
    WINOGRAD_PIXELS = 8, /* output tiles in a register tile, by the rule */
    WINOGRAD_SMALL = 6,  /* pixels of an input tile's side */
    WINOGRAD_LARGE = 7
};

enum winograd_kind { WINOGRAD_FORWARD, WINOGRAD_INPUT_GRADIENT, WINOGRAD_WEIGHT_GRADIENT };

/* What is read and what is written; dy counts as written in the weight gradient. */
struct winograd_pass {
    struct layout from, to;
    int channels, vectors, groups; /* channels are read, groups of vectors written */
    int phases_from, phases_to;    /* of what is read and written */
    int pixels;                    /* tiles in a register tile */
    int side;                      /* pixels of an input tile's */
    int tiles_y, tiles_x;          /* of an image */
    int chunk, strip, columns;     /* images of a chunk, rows of tiles of a strip, its tiles in
                                      whole register tiles */
};

/* WINOGRAD_SMALL or WINOGRAD_LARGE: of both results, whatever the batch, or of the weight
   gradient. */
int winograd_side(const struct conv_plan *plan, bool weight_gradient);

/* `plan->tiles` is complete. */
struct winograd_pass winograd_plan_pass(const struct conv_plan *plan, enum winograd_kind kind);

/* Floats of the transformed tiles of a strip, read and written; of an item's partial sums:
   transformed weights and the bias. */
size_t winograd_read_floats(const struct winograd_pass *p);
size_t winograd_written_floats(const struct winograd_pass *p);
size_t winograd_partial_floats(const struct winograd_pass *p);

#endif
