/*
 * Winograd's minimal filtering on one line, which conv_winograd.cl applies to rows and columns
 * (Lavin and Gray, "Fast algorithms for convolutional neural networks", arXiv 1509.09308):
 *
 *     y = A' [ (G w) . (B' x) ]             x: SIDE inputs, w: LINE taps, y: OUT outputs
 *
 * F(4, 3) and F(2, 5) of -D SIDE=6, F(5, 3) and F(3, 5) of SIDE 7. vec, xvec: vectors of channels.
 */
#if LANES == 16
typedef float16 vec;
#define LOAD(p)      vload16(0, p)
#define STORE(v, p)  STORE_16(v, p)
#else
typedef float8 vec;
#define LOAD(p)      vload8(0, p)
#define STORE(v, p)  STORE_8(v, p)
#endif
#if X_LANES == 16
typedef float16 xvec;
#define XLOAD(p)     vload16(0, p)
#define XSTORE(v, p) STORE_16(v, p)
#else
typedef float8 xvec;
#define XLOAD(p)     vload8(0, p)
#define XSTORE(v, p) STORE_8(v, p)
#endif

#if STRIDE == 2
#define LINE 3 /* taps of a phase: conv_winograd.cl */
#else
#define LINE KERNEL
#endif
#define OUT (SIDE + 1 - LINE)

/*
 * Line and taps are polynomials; they are multiplied at SIDE points: pairs of +-root[k], infinity
 * and, for SIDE 6, 0. Of these roots powers stay close to 1, so less is lost to cancellation than
 * with the usual 0, +-1, +-2: a third of the error, most of all in the weight gradient (Barabasz et
 * al., arXiv 1803.10986, on the choice of points). Those of SIDE 7 are the best of a search; its
 * error is 1.3 to 2 times that of SIDE 6 with 5 taps, 2.3 times with 3.
 */
#define ZERO  (SIDE % 2 == 0)  /* values before those of the pairs */
#define PAIRS ((SIDE - 1) / 2)
#define LAST  (SIDE - 1)       /* the place of infinity */
#if SIDE == 6
constant float root[PAIRS] = {0.70710678f, 1.41421356f};
constant float square[PAIRS] = {0.5f, 2.0f};
#else
constant float root[PAIRS] = {0.35f, 0.9f, 1.7f};
constant float square[PAIRS] = {0.35f * 0.35f, 0.9f * 0.9f, 1.7f * 1.7f};
#endif

/* Of the square of point k, the product of its distances to the squares of the others. */
float distances(int k)
{
    float product = ZERO ? square[k] : 1.0f;
    _Pragma("unroll") for (int i = 0; i < PAIRS; i++)
        if (i != k)
            product *= square[k] - square[i];
    return product;
}

/* d as coefficients of the polynomial in x * x that is zero at all squares but k's. */
xvec zero_at_others(int k, const xvec *d)
{
#if PAIRS == 2
    return fma((xvec)(-square[1 - k]), d[0], d[2]);
#else
    const float a = square[(k + 1) % 3], b = square[(k + 2) % 3];
    return fma((xvec)(a * b), d[0], fma((xvec)(-a - b), d[2], d[4]));
#endif
}

/* The same, zero at all squares. */
xvec zero_at_all(const xvec *d)
{
#if PAIRS == 2
    const float a = square[0], b = square[1];
    return fma((xvec)(a * b), d[0], fma((xvec)(-a - b), d[2], d[4]));
#else
    const float a = square[0], b = square[1], c = square[2];
    return fma((xvec)(-a * b * c), d[0],
               fma((xvec)(a * b + b * c + c * a), d[2], fma((xvec)(-a - b - c), d[4], d[6])));
#endif
}

/* o = B' d */
void input_line(const xvec d[SIDE], xvec o[SIDE])
{
    if (ZERO)
        o[0] = zero_at_all(d);
    _Pragma("unroll") for (int k = 0; k < PAIRS; k++)
    {
        const xvec even = zero_at_others(k, d + 2 * ZERO), odd = zero_at_others(k, d + 1);
        const float factor = ZERO ? root[k] : 1.0f / root[k];
        o[ZERO + 2 * k] = fma((xvec)(factor), odd, even);
        o[ZERO + 2 * k + 1] = fma((xvec)(-factor), odd, even);
    }
    o[LAST] = zero_at_all(d + ZERO);
}

/* sum[i] += root[k] to the power i, times what a pair has for even or for odd i. */
void add_powers(vec even, vec odd, int k, vec *sum, int count)
{
    float power = 1.0f;
    _Pragma("unroll") for (int i = 0; i < count; i++)
    {
        sum[i] = fma((vec)(power), i % 2 == 0 ? even : odd, sum[i]);
        power *= root[k];
    }
}

/* y = A' m */
void output_line(const vec m[SIDE], vec y[OUT])
{
    _Pragma("unroll") for (int i = 0; i < OUT; i++) y[i] = (vec)(0.0f);
    if (ZERO)
        y[0] = m[0];
    y[OUT - 1] += m[LAST];
    _Pragma("unroll") for (int k = 0; k < PAIRS; k++)
    {
        const vec plus = m[ZERO + 2 * k], minus = m[ZERO + 2 * k + 1];
        add_powers(plus + minus, plus - minus, k, y, OUT);
    }
}

/* The values at a pair of a polynomial with the coefficients c[0 .. count - 1]. */
void at_pair(const vec *c, int count, int k, vec *plus, vec *minus)
{
    vec even = c[0], odd = c[1] * root[k];
    float power = square[k];
    _Pragma("unroll") for (int i = 2; i < count; i += 2)
    {
        even = fma((vec)(power), c[i], even);
        if (i + 1 < count)
            odd = fma((vec)(power * root[k]), c[i + 1], odd);
        power *= square[k];
    }
    *plus = even + odd;
    *minus = even - odd;
}

/* z = A y */
void gradient_line(const vec y[OUT], vec z[SIDE])
{
    if (ZERO)
        z[0] = y[0];
    _Pragma("unroll") for (int k = 0; k < PAIRS; k++)
        at_pair(y, OUT, k, &z[ZERO + 2 * k], &z[ZERO + 2 * k + 1]);
    z[LAST] = y[OUT - 1];
}

/* u = G w */
void weight_line(const vec w[LINE], vec u[SIDE])
{
    if (ZERO)
        u[0] = w[0];
    _Pragma("unroll") for (int k = 0; k < PAIRS; k++)
    {
        vec plus, minus;
        at_pair(w, LINE, k, &plus, &minus);
        u[ZERO + 2 * k] = plus * (0.5f / distances(k));
        u[ZERO + 2 * k + 1] = minus * (0.5f / distances(k));
    }
    u[LAST] = w[LINE - 1];
}

/* w = G' u */
void weight_gradient_line(const vec u[SIDE], vec w[LINE])
{
    _Pragma("unroll") for (int i = 0; i < LINE; i++) w[i] = (vec)(0.0f);
    if (ZERO)
        w[0] = u[0];
    w[LINE - 1] += u[LAST];
    _Pragma("unroll") for (int k = 0; k < PAIRS; k++)
    {
        const vec plus = u[ZERO + 2 * k], minus = u[ZERO + 2 * k + 1];
        const float scale = 0.5f / distances(k);
        add_powers((plus + minus) * scale, (plus - minus) * scale, k, w, LINE);
    }
}
