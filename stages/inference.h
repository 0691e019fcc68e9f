/*
 * What samples say: intervals of means, and tests. Pure functions; values must not be NAN. p-values
 * are two-sided.
 */
#ifndef CLADE_STAGES_INFERENCE_H
#define CLADE_STAGES_INFERENCE_H

#include <stddef.h>
#include <stdint.h>

#include "inputs/records.h"
#include "pipeline/base/error.h"

/* Mean, standard deviation and the 95 % interval of the mean by Student's t. */
struct estimate mean_estimate(const double *values, size_t n);

/* The same from a mean and the sum of the squared deviations from it. */
struct estimate estimate_from_sums(size_t n, double mean, double squares);

/*
 * 95 % interval of the difference of two means, a - b, by Welch's t ("The generalization of
 * 'Student's' problem when several different population variances are involved", Biometrika 34
 * (1947) 28-35) with Satterthwaite's degrees of freedom. NAN, NAN when one has less than two
 * values.
 */
struct interval welch_interval(const struct estimate *a, const struct estimate *b);

/*
 * Mann and Whitney's U test ("On a test of whether one of two random variables is stochastically
 * larger than the other", Annals of Mathematical Statistics 18 (1947) 50-60): `statistic` is the
 * number of pairs in which the value of `a` is larger, ties by half; p by the normal approximation
 * with corrections for ties and continuity, which needs about eight values in each; `effect` is the
 * rank-biserial correlation 2 U / (na nb) - 1: 1 when every a is larger, 0 when neither is.
 */
enum error mann_whitney(struct rank_test *result, const double *a, size_t na, const double *b,
                        size_t nb);

/* Spearman's rank correlation with mean ranks for ties; p by Student's t with n - 2 degrees of
   freedom. NAN when n < 3 or a side is constant. */
enum error spearman(struct rank_test *result, const double *x, const double *y, size_t n);

/* Kendall's tau-b; p by the normal approximation with correction for ties. NAN when n < 2 or a side
   is constant. Kendall, "Rank correlation methods" (1970). */
enum error kendall(struct rank_test *result, const double *x, const double *y, size_t n);

/*
 * McNemar's test of two classifiers on the same images (Psychometrika 12 (1947) 153-157), exact:
 * of the images that only one of them gets right, each is a toss of a coin. The interval of the
 * difference is "Wald+2" of Agresti and Min, "Simple improved confidence intervals for comparing
 * matched proportions" (Statistics in Medicine 24 (2005) 729-740): Wald's after adding half an
 * image to each of the four cells.
 */
struct paired_test mcnemar(const uint8_t *labels, const uint8_t *a, const uint8_t *b, uint32_t n);
struct paired_test mcnemar_counts(uint32_t only_a, uint32_t only_b, uint32_t n);

#endif
