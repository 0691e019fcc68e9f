/*
 * Tuning before there is something to train: which classes of convolutions genomes and search
 * spaces have, and a child process that has a device tuned for them (cl_kernels/tuner.h).
 */
#ifndef CLADE_PIPELINE_TUNE_H
#define CLADE_PIPELINE_TUNE_H

#include <stdbool.h>
#include <stddef.h>

#include "inputs/genome.h"
#include "inputs/settings.h"
#include "inputs/space.h"
#include "pipeline/base/text.h"
#include "pipeline/slots.h"

struct tune_class; /* cl_kernels/tuning.h */

/* Each class once, with the multiply-accumulates that fell to it. Start with {0}. */
struct tune_list {
    struct tune_class *classes;
    double *macs;
    size_t count, capacity;
};

enum error tune_list_genome(struct tune_list *list, const struct genome *genome,
                            const struct image_shape *shape, int batch, enum conv_family family);

/* Of random genomes of the space, always the same ones. */
enum error tune_list_space(struct tune_list *list, const struct space *space, int batch,
                           enum conv_family family);

void tune_list_free(struct tune_list *list);

/* The time that tuning may take when nobody asked for it. */
#define TUNE_FIRST_USE_S 4.0

struct tune_wish {
    double seconds;      /* a device */
    bool again, untimed; /* as in struct tuner_request */
    bool products;       /* CLBlast's parameters first, with as much time again */
};

/* A device's whole tuning, as tuning_format() makes it, and its key; free `text` with text_free().
 */
struct tuned {
    char key[TUNING_KEY_SIZE];
    struct text text;
};

/*
 * Has the device of `slot` tuned for the list, the most work first, in a child process. Nothing is
 * fatal: a warning says what went wrong, and it returns false; `out` is empty then, and also when
 * there is no place where a tuning can be kept. The process must not have called OpenCL.
 */
bool tune_slot(struct tuned *out, const struct slot *slot, const struct tune_list *list,
               const struct tune_wish *wish);

/* All devices of the slots, the first slot of each, for training that is about to begin. */
void tune_slots(const struct slot *slots, size_t count, const struct tune_list *list);

#endif
