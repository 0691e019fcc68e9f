/*
 * A search rehearsed on made-up scores, for the forecast of `clade check`: which share of its
 * trainings is on which rung depends on how many are promoted, which follows from eta and the bands
 * only roughly, since nothing is waited for: one that was promoted may be overtaken, and its
 * successor is promoted too.
 */
#ifndef CLADE_STAGES_REHEARSE_H
#define CLADE_STAGES_REHEARSE_H

#include "inputs/settings.h"
#include "inputs/space.h"
#include "pipeline/base/error.h"

/*
 * share[r] is the part of the trainings on rung r, 0..1; the sum is 1: the mean of some searches
 * under different seeds, of which one may well have a third more or less. Scores grow with the
 * parameters and a luck of the genome, and differ little between rungs, so that none is switched
 * off. Of a search of over 200 candidates, or of unknown length, the first 200 count. Pure. Fails
 * only when out of memory.
 */
enum error rehearse_rungs(double share[RUNGS_MAX], const struct space *space,
                          const struct search_settings *search);

#endif
