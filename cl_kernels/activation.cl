/*
 * The five activations and their derivatives on float (suffix _1), float8 and float16.
 *
 * exp: Cody-Waite reduction to |r| <= ln2 / 2 and a polynomial of degree 6; 2^n is added to the
 * exponent bits, which the magic constant 1.5 * 2^23 leaves in the low bits of the sum.
 * Comparisons are written so that NaN falls through: a diverged network must be seen.
 * Normal distribution function: Abramowitz and Stegun, "Handbook of Mathematical Functions",
 * 7.1.26 (absolute error of erf below 1.5e-7); it shares its exponential with the density.
 */
#define ACT_RELU    0
#define ACT_SIGMOID 1
#define ACT_TANH    2
#define ACT_SWISH   3
#define ACT_GELU    4
#define ACT_NONE    5

#define DEFINE_ACTIVATION(N, T, I)                                                                 \
    T vector_exp_##N(T x)                                                                          \
    {                                                                                              \
        const T low = (T)(-87.3f), high = (T)(88.3f), magic = (T)(12582912.0f);                    \
        x = select(x, low, (I)(x < low));                                                          \
        x = select(x, high, (I)(x > high));                                                        \
        T shifted = fma(x, (T)(1.44269504f), magic);                                               \
        T n = shifted - magic;                                                                     \
        T r = fma(n, (T)(-0.693359375f), x);                                                       \
        r = fma(n, (T)(2.12194440e-4f), r);                                                        \
        T p = fma(r, (T)(1.9875691500e-4f), (T)(1.3981999507e-3f));                                \
        p = fma(p, r, (T)(8.3334519073e-3f));                                                      \
        p = fma(p, r, (T)(4.1665795894e-2f));                                                      \
        p = fma(p, r, (T)(1.6666665459e-1f));                                                      \
        p = fma(p, r, (T)(5.0000001201e-1f));                                                      \
        T e = fma(p, r * r, r) + (T)(1.0f);                                                        \
        return as_##T(as_##I(e) + (as_##I(shifted) << 23));                                        \
    }                                                                                              \
    T vector_sigmoid_##N(T x)                                                                      \
    {                                                                                              \
        return (T)(1.0f) / ((T)(1.0f) + vector_exp_##N(-x));                                       \
    }                                                                                              \
    T vector_tanh_##N(T x)                                                                         \
    {                                                                                              \
        T z = x * x;                                                                               \
        T p = fma(z, (T)(-5.70498872745e-3f), (T)(2.06390887954e-2f));                             \
        p = fma(p, z, (T)(-5.37397155531e-2f));                                                    \
        p = fma(p, z, (T)(1.33314422036e-1f));                                                     \
        p = fma(p, z, (T)(-3.33332819422e-1f));                                                    \
        T near_zero = fma(p * z, x, x);                                                            \
        T elsewhere = (T)(1.0f) - (T)(2.0f) / (vector_exp_##N(x + x) + (T)(1.0f));                 \
        return select(elsewhere, near_zero, (I)(fabs(x) < (T)(0.625f)));                           \
    }                                                                                              \
    /* *cdf = P(X <= x), *pdf = its density, X standard normal */                                  \
    void vector_normal_##N(T x, T *cdf, T *pdf)                                                    \
    {                                                                                              \
        T bell = vector_exp_##N(x * x * (T)(-0.5f));                                               \
        T t = (T)(1.0f) / fma(fabs(x), (T)(0.3275911f * 0.70710678f), (T)(1.0f));                  \
        T p = fma(t, (T)(1.061405429f), (T)(-1.453152027f));                                       \
        p = fma(p, t, (T)(1.421413741f));                                                          \
        p = fma(p, t, (T)(-0.284496736f));                                                         \
        p = fma(p, t, (T)(0.254829592f));                                                          \
        T tail = p * t * bell * (T)(0.5f);                                                         \
        *cdf = select(tail, (T)(1.0f) - tail, (I)(x > (T)(0.0f)));                                 \
        *pdf = bell * (T)(0.39894228f);                                                            \
    }                                                                                              \
    /* The activation of x; *slope its derivative there. */                                        \
    T activate_##N(T x, int kind, T *slope)                                                        \
    {                                                                                              \
        T y, s, d;                                                                                 \
        switch (kind) {                                                                            \
        case ACT_RELU:                                                                             \
            /* written so that NaN stays NaN */                                                    \
            y = select(x, (T)(0.0f), (I)(x < (T)(0.0f)));                                          \
            *slope = select((T)(0.0f), (T)(1.0f), (I)(x > (T)(0.0f)));                             \
            return y;                                                                              \
        case ACT_SIGMOID:                                                                          \
            s = vector_sigmoid_##N(x);                                                             \
            *slope = fma(-s, s, s);                                                                \
            return s;                                                                              \
        case ACT_TANH:                                                                             \
            y = vector_tanh_##N(x);                                                                \
            *slope = fma(-y, y, (T)(1.0f));                                                        \
            return y;                                                                              \
        case ACT_SWISH:                                                                            \
            s = vector_sigmoid_##N(x);                                                             \
            y = x * s;                                                                             \
            *slope = fma(y, (T)(1.0f) - s, s);                                                     \
            return y;                                                                              \
        case ACT_GELU:                                                                             \
            vector_normal_##N(x, &s, &d);                                                          \
            *slope = fma(x, d, s);                                                                 \
            return x * s;                                                                          \
        default:                                                                                   \
            *slope = (T)(1.0f);                                                                    \
            return x;                                                                              \
        }                                                                                          \
    }                                                                                              \
    /* The derivative from what the forward pass kept: its output for relu, sigmoid and tanh; the  \
       derivative itself for swish and gelu. */                                                    \
    T kept_slope_##N(T kept, int kind)                                                             \
    {                                                                                              \
        switch (kind) {                                                                            \
        case ACT_RELU:                                                                             \
            return select((T)(0.0f), (T)(1.0f), (I)(kept > (T)(0.0f)));                            \
        case ACT_SIGMOID:                                                                          \
            return fma(-kept, kept, kept);                                                         \
        case ACT_TANH:                                                                             \
            return fma(-kept, kept, (T)(1.0f));                                                    \
        case ACT_NONE:                                                                             \
            return (T)(1.0f);                                                                      \
        default:                                                                                   \
            return kept;                                                                           \
        }                                                                                          \
    }

/* Whether what is kept of an activation is its derivative, not its output. */
int keeps_slope(int kind)
{
    return kind == ACT_SWISH || kind == ACT_GELU;
}

/*
 * The same for `count` vectors in a row, with the choice of the activation outside of
 * the loop, where it costs nothing: inside, it costs as much as 40 multiply-adds.
 */
#define ROW_OF_RESULTS(N, T, KIND)                                                                 \
    case KIND:                                                                                     \
        _Pragma("nounroll") for (int i = 0; i < count; i++, y += N, slopes += N)                   \
        {                                                                                          \
            T slope;                                                                               \
            const T result = activate_##N(vload##N(0, y), KIND, &slope);                           \
            STORE_##N(result, y);                                                                  \
            if (keep)                                                                              \
                STORE_##N(keeps_slope(KIND) ? slope : result, slopes);                             \
        }                                                                                          \
        break;
#define ROW_OF_SLOPES(N, T, KIND)                                                                  \
    case KIND:                                                                                     \
        _Pragma("nounroll") for (int i = 0; i < count; i++, dy += N, kept += N)                    \
            STORE_##N(vload##N(0, dy) * kept_slope_##N(vload##N(0, kept), KIND), dy);              \
        break;
#define DEFINE_ROWS(N, T)                                                                          \
    /* y = activation(y); slopes = what is kept of it, if `keep`. */                               \
    void activate_row_##N(global float *y, global float *slopes, int count, int kind, int keep)    \
    {                                                                                              \
        switch (kind) {                                                                            \
            ROW_OF_RESULTS(N, T, ACT_RELU)                                                         \
            ROW_OF_RESULTS(N, T, ACT_SIGMOID)                                                      \
            ROW_OF_RESULTS(N, T, ACT_TANH)                                                         \
            ROW_OF_RESULTS(N, T, ACT_SWISH)                                                        \
            ROW_OF_RESULTS(N, T, ACT_GELU)                                                         \
        default:                                                                                   \
            if (keep)                                                                              \
                for (int i = 0; i < count; i++)                                                    \
                    STORE_##N(vload##N(0, y + i * N), slopes + i * N);                             \
        }                                                                                          \
    }                                                                                              \
    /* dy *= the derivative from what was kept. */                                                 \
    void slope_row_##N(global float *dy, global const float *kept, int count, int kind)            \
    {                                                                                              \
        switch (kind) {                                                                            \
            ROW_OF_SLOPES(N, T, ACT_RELU)                                                          \
            ROW_OF_SLOPES(N, T, ACT_SIGMOID)                                                       \
            ROW_OF_SLOPES(N, T, ACT_TANH)                                                          \
            ROW_OF_SLOPES(N, T, ACT_SWISH)                                                         \
            ROW_OF_SLOPES(N, T, ACT_GELU)                                                          \
        default:                                                                                   \
            break;                                                                                 \
        }                                                                                          \
    }

DEFINE_ACTIVATION(1, float, int)
DEFINE_ACTIVATION(8, float8, int8)
DEFINE_ACTIVATION(16, float16, int16)
#ifdef LANES
#if LANES == 16
DEFINE_ROWS(16, float16)
#else
DEFINE_ROWS(8, float8)
#endif
#endif
