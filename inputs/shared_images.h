/*
 * Images that several processes on a machine hold once: written by one process into memory that has
 * a file descriptor (memfd), sealed, and mapped by the others.
 */
#ifndef CLADE_INPUTS_SHARED_IMAGES_H
#define CLADE_INPUTS_SHARED_IMAGES_H

#include "inputs/dataset.h"

/* A descriptor, closed at exec, of memory that nobody can change any more; it lives as long as a
   descriptor or a mapping of it. -1 when the system does not give such memory, errno says why. */
int shared_images_create(const struct images *images);

/*
 * Maps what shared_images_create() wrote; the descriptor may be closed then. Pixels and labels
 * begin at whole pages. A write (a driver's, into what it was told to use in place) changes this
 * process's copy only. ERR_DATA when it cannot be mapped or is something else. *images is written
 * only on success: images_free().
 */
enum error shared_images_map(struct images *images, int descriptor);

#endif
