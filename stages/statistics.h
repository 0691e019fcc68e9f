/*
 * What follows from the candidates and confirmations of a run. Pure functions on arrays.
 *
 * `candidates` is always an array of attempts in the order (id, attempt). A candidate has ended
 * when its last attempt is neither queued, running nor lost; "scored" means CANDIDATE_DONE.
 */
#ifndef CLADE_STAGES_STATISTICS_H
#define CLADE_STAGES_STATISTICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "inputs/records.h"
#include "pipeline/base/error.h"

/*
 * 95 % confidence interval of a share: Wilson's score interval without continuity correction
 * (method 3 in Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in
 * Medicine 17 (1998) 857-872). `correct` may be fractional. NAN, NAN when count is 0.
 */
struct interval wilson_interval(double correct, double count);

/*
 * 95 % confidence interval of share a - share b of two independent samples: Newcombe's hybrid
 * score interval (method 10 in "Interval estimation for the difference between independent
 * proportions", Statistics in Medicine 17 (1998) 873-890). On the same images the true interval is
 * narrower. NAN, NAN when a count is 0.
 */
struct interval newcombe_interval(double correct_a, double count_a, double correct_b,
                                  double count_b);

/* NAN when n is 0. `values` must not hold NAN; median_of() sorts them. */
double mean_of(const double *values, size_t n);
double median_of(double *values, size_t n);

/* Ended, with or without a score. */
bool candidate_ended(const struct candidate *candidate);

/* Seconds of an attempt that ended, 0 when they are not known; and when it ended. */
double attempt_seconds(const struct candidate *candidate);
int64_t attempt_end_us(const struct candidate *candidate);

/* Higher validation accuracy; then fewer parameters; then the lower id. Both must be scored. */
bool candidate_better(const struct candidate *a, const struct candidate *b);

/* The scored candidate of a generation (-1: of all) with the highest accuracy, by
   candidate_better(); NULL when there is none. */
const struct candidate *best_candidate(const struct candidate *candidates, size_t count,
                                       int generation);

/* The attempt of candidate `id` with the highest number; NULL when there is none. */
const struct candidate *find_candidate(const struct candidate *candidates, size_t count,
                                       int64_t id);

/*
 * From candidate `id` back to the ancestor without parent, both included. ERR_DATA when a parent
 * is not there or is not older than its child. *lineage is malloc'ed.
 */
enum error lineage_of(const struct candidate ***lineage, size_t *lineage_count,
                      const struct candidate *candidates, size_t count, int64_t id);

/* Every generation in which an attempt has ended, in order. *generations is malloc'ed. */
enum error summarise_generations(struct generation **generations, size_t *generation_count,
                                 const struct candidate *candidates, size_t count);

/* What each device did, in the order in which they first appear. *usage is malloc'ed. */
enum error summarise_devices(struct device_usage **usage, size_t *usage_count,
                             const struct candidate *candidates, size_t count);

/* Fills in what the drivers of these devices said, from the first to the last. */
void describe_devices(struct device_usage *usage, size_t usage_count,
                      const struct device_version *versions, size_t count);

/*
 * Scores of the classes from a confusion matrix [classes][classes] (row: true class); *scores is
 * malloc'ed.
 */
enum error score_classes(struct class_score **scores, const uint32_t *confusion, int classes);

#endif
