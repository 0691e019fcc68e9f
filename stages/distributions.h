/* The distribution functions that tests and intervals need. Pure; NAN in gives NAN out. */
#ifndef CLADE_STAGES_DISTRIBUTIONS_H
#define CLADE_STAGES_DISTRIBUTIONS_H

/* 97.5 % of the standard normal distribution lie below it. */
#define NORMAL_975 1.959963984540054

/*
 * The regularised incomplete beta function I_x(a, b) for a, b > 0 and x in 0..1, by its continued
 * fraction (Lentz's method; Abramowitz and Stegun 26.5.8), to about 1e-14.
 */
double incomplete_beta(double a, double b, double x);

/* The share of the standard normal distribution below z. */
double normal_below(double z);

/* The share of Student's distribution with `freedom` > 0 degrees of freedom below t (Abramowitz and
   Stegun 26.7.1), and the t below which the share p lies, 0 < p < 1. */
double student_below(double t, double freedom);
double student_quantile(double p, double freedom);

/* The share of the binomial distribution of `count` trials with success 0.5 at or below k. */
double coin_at_most(int k, int count);

#endif
