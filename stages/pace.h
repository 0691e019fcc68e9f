/*
 * How long a training will take, learned from those that this run has seen. It is taken to cost
 *
 *     seconds = training_s + images * (image_s + mac_s * (multiply-accumulates of the genome)),
 *
 * with `images` passes over single images. training_s, for set-up, scoring and commit, is the
 * median of what trainings took besides their epochs; image_s and mac_s are fitted to the epochs by
 * least squares of the relative errors, and are not negative. Predictions add a margin, from how
 * far the samples lie from the fit, so that they are rarely too short. Pure functions.
 */
#ifndef CLADE_STAGES_PACE_H
#define CLADE_STAGES_PACE_H

#include <stddef.h>
#include <stdint.h>

#include "inputs/records.h"

struct pace {
    size_t samples; /* 0: nothing is known */
    double training_s, image_s, mac_s;
    double margin; /* predictions are multiplied by it; 1.1 to 2 */
};

/* From the samples of `device`; from all of them where it has none, or where it is NULL. Sorts
   `samples`. */
void pace_fit(struct pace *pace, struct pace_sample *samples, size_t count, const char *device);

/* What a training of `images` passes takes, with the margin; NAN when nothing is known. Scoring
   three images is worth one pass, since forward is a third of the work. */
double pace_seconds(const struct pace *pace, int64_t macs, double images);

/* A slot that is going to be used. */
struct pace_slot {
    struct pace pace;
    double free_s; /* when it has ended what it does; on any clock */
};

/* Gives a training to the slot on which it ends first, whose free_s becomes that end; returns it.
   NAN, and nothing changes, when a slot's pace is not known. count > 0. */
double pace_place(struct pace_slot *slots, size_t count, int64_t macs, double images);

/* The time in which at least one of the candidates trained, in seconds; attempts in any state, in
   any order. Lost attempts do not count. Sorts the list by start. */
double pace_spent_s(struct candidate *attempts, size_t count);

#endif
