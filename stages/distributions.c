#include "stages/distributions.h"

#include <math.h>

/* The continued fraction, which converges fast for x < (a + 1) / (a + b + 2). */
static double beta_fraction(double a, double b, double x)
{
    enum { TERMS = 10000 }; /* about sqrt(max(a, b)) are needed */
    const double tiny = 1e-300, close = 1e-16;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double fraction = d;
    for (int m = 1; m < TERMS; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        double before = fraction;
        for (int half = 0; half < 2; half++) {
            double term = half == 0 ? even : odd;
            d = 1 + term * d;
            c = 1 + term / c;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            c = fabs(c) < tiny ? tiny : c;
            fraction *= d * c;
        }
        if (fabs(fraction - before) < close * fabs(fraction))
            break;
    }
    return fraction;
}

double incomplete_beta(double a, double b, double x)
{
    if (x <= 0)
        return 0;
    if (x >= 1)
        return 1;
    double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    if (x < (a + 1) / (a + b + 2))
        return front * beta_fraction(a, b, x) / a;
    return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

double normal_below(double z)
{
    return 0.5 * erfc(-z / sqrt(2));
}

double student_below(double t, double freedom)
{
    double tail = 0.5 * incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t));
    return t > 0 ? 1 - tail : tail;
}

double student_quantile(double p, double freedom)
{
    if (p < 0.5)
        return -student_quantile(1 - p, freedom);
    double low = 0, high = 1;
    while (student_below(high, freedom) < p && high < 1e300)
        high *= 2;
    for (int i = 0; i < 200 && low < high; i++) {
        double middle = low + (high - low) / 2;
        if (middle == low || middle == high)
            break;
        if (student_below(middle, freedom) < p)
            low = middle;
        else
            high = middle;
    }
    return high;
}

double coin_at_most(int k, int count)
{
    if (k < 0)
        return 0;
    if (k >= count)
        return 1;
    return incomplete_beta(count - k, k + 1, 0.5);
}
