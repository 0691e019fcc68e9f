/*
 * Winograd's minimal filtering on one line, F(4, 3) or F(2, 5), which conv_winograd.cl applies to
 * rows and columns (Lavin and Gray, "Fast algorithms for convolutional neural networks", arXiv
 * 1509.09308):
 *
 *     y = A' [ (G w) . (B' x) ]             x: 6 inputs, w: LINE taps, y: OUT outputs
 *
 * vec, xvec: vectors of channels.
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
#define OUT (7 - LINE)

/*
 * The points are 0, +-1/sqrt(2), +-sqrt(2) and infinity. Powers of them stay close to 1, so less is
 * lost to cancellation than with the usual 0, +-1, +-2: a third of the error, most of all in the
 * weight gradient (Barabasz et al., arXiv 1803.10986, on the choice of points).
 */
#define ROOT 1.41421356f
#define HALF 0.70710678f /* ROOT / 2 = 1 / ROOT */

/* o = B' d */
void input_line(const xvec d[6], xvec o[6])
{
    const xvec a = fma((xvec)(-2.0f), d[2], d[4]);
    const xvec b = fma((xvec)(HALF), d[3], d[1] * -ROOT);
    const xvec c = fma((xvec)(-0.5f), d[2], d[4]);
    const xvec e = fma((xvec)(ROOT), d[3], d[1] * -HALF);
    o[0] = fma((xvec)(-2.5f), d[2], d[0] + d[4]);
    o[1] = a + b;
    o[2] = a - b;
    o[3] = c + e;
    o[4] = c - e;
    o[5] = fma((xvec)(-2.5f), d[3], d[1] + d[5]);
}

/* y = A' m */
void output_line(const vec m[6], vec y[OUT])
{
    const vec p = m[1] + m[2], q = m[1] - m[2], r = m[3] + m[4], s = m[3] - m[4];
    y[0] = m[0] + p + r;
#if OUT == 4
    y[1] = fma((vec)(HALF), q, s * ROOT);
    y[2] = fma((vec)(0.5f), p, r * 2.0f);
    y[3] = fma((vec)(0.5f * HALF), q, fma((vec)(2.0f * ROOT), s, m[5]));
#else
    y[1] = fma((vec)(HALF), q, fma((vec)(ROOT), s, m[5]));
#endif
}

/* z = A y */
void gradient_line(const vec y[OUT], vec z[6])
{
#if OUT == 4
    const vec p = fma((vec)(0.5f), y[2], y[0]), q = fma((vec)(0.5f), y[3], y[1]) * HALF;
    const vec r = fma((vec)(2.0f), y[2], y[0]), s = fma((vec)(2.0f), y[3], y[1]) * ROOT;
#else
    const vec p = y[0], q = y[1] * HALF, r = y[0], s = y[1] * ROOT;
#endif
    z[0] = y[0];
    z[1] = p + q;
    z[2] = p - q;
    z[3] = r + s;
    z[4] = r - s;
    z[5] = y[OUT - 1];
}

/* u = G w */
void weight_line(const vec w[LINE], vec u[6])
{
#if LINE == 3
    const vec even_p = w[2] * 0.5f, odd_p = w[1], even_r = w[2] * 2.0f, odd_r = w[1];
#else
    const vec even_p = fma(w[4], (vec)(0.25f), w[2] * 0.5f), odd_p = fma(w[3], (vec)(0.5f), w[1]);
    const vec even_r = fma(w[4], (vec)(4.0f), w[2] * 2.0f), odd_r = fma(w[3], (vec)(2.0f), w[1]);
#endif
    const vec p = (w[0] + even_p) * (-2.0f / 3.0f), q = odd_p * (-2.0f / 3.0f * HALF);
    const vec r = (w[0] + even_r) * (1.0f / 6.0f), s = odd_r * (1.0f / 6.0f * ROOT);
    u[0] = w[0];
    u[1] = p + q;
    u[2] = p - q;
    u[3] = r + s;
    u[4] = r - s;
    u[5] = w[LINE - 1];
}

/* w = G' u */
void weight_gradient_line(const vec u[6], vec w[LINE])
{
    const vec p = (u[1] + u[2]) * (-2.0f / 3.0f), q = (u[1] - u[2]) * (-2.0f / 3.0f * HALF);
    const vec r = (u[3] + u[4]) * (1.0f / 6.0f), s = (u[3] - u[4]) * (1.0f / 6.0f * ROOT);
    w[0] = u[0] + p + r;
    w[1] = q + s;
    w[2] = fma(p, (vec)(0.5f), r * 2.0f);
#if LINE == 5
    w[3] = fma(q, (vec)(0.5f), s * 2.0f);
    w[4] = fma(p, (vec)(0.25f), r * 4.0f);
#endif
    w[LINE - 1] += u[5];
}
