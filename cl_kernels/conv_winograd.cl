/*
 * Convolution 3x3 or 5x5 (-D KERNEL), stride 1, by Winograd's minimal filtering F(4x4, 3x3) or
 * F(2x2, 5x5) (Lavin and Gray, "Fast algorithms for convolutional neural networks", arXiv
 * 1509.09308): an output tile of OUT x OUT takes 36 multiplications a channel pair where the direct
 * sum takes 144 or 100.
 *
 *     y = A' [ (G w G') . (B' x B) ] A          x: 6x6 input tile, w: kernel, y: OUT x OUT
 *
 * the product in the middle summed over input channels: 36 matrix products. The input gradient is
 * the same convolution of dy with flipped taps; the weight gradient is the derivative of the
 * formula: dw = G' [ (A dy A') . (B' x B) ] G, summed over tiles.
 *
 * A work-item goes over its images in chunks whose transformed tiles stay in the cache, in scratch
 * memory of its own. LANES, VECTORS, X_LANES as in conv_vector.cl; PIXELS tiles in a register tile;
 * TILE input channels in one of the weight gradient.
 */
#if LANES == 16
typedef float16 vec;
#define LOAD(p)      vload16(0, p)
#define STORE(v, p)  vstore16(v, 0, p)
#define ACTIVATE_ROW activate_row_16
#define SLOPE_ROW    slope_row_16
#else
typedef float8 vec;
#define LOAD(p)      vload8(0, p)
#define STORE(v, p)  vstore8(v, 0, p)
#define ACTIVATE_ROW activate_row_8
#define SLOPE_ROW    slope_row_8
#endif
#if X_LANES == 16
typedef float16 xvec;
#define XLOAD(p)     vload16(0, p)
#define XSTORE(v, p) vstore16(v, 0, p)
#else
typedef float8 xvec;
#define XLOAD(p)     vload8(0, p)
#define XSTORE(v, p) vstore8(v, 0, p)
#endif

/* All vectors are in the code. Told so, Intel's compiler does not spend seconds a kernel on finding
   more across work-items. */
#define VECTOR_KERNEL kernel __attribute__((vec_type_hint(vec)))

#define GROUP  (VECTORS * LANES)
#define POINTS 36 /* 6 x 6 */
#define OUT    (7 - KERNEL)
#define TAPS   (KERNEL * KERNEL)

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
void weight_line(const vec w[KERNEL], vec u[6])
{
#if KERNEL == 3
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
    u[5] = w[KERNEL - 1];
}

/* w = G' u */
void weight_gradient_line(const vec u[6], vec w[KERNEL])
{
    const vec p = (u[1] + u[2]) * (-2.0f / 3.0f), q = (u[1] - u[2]) * (-2.0f / 3.0f * HALF);
    const vec r = (u[3] + u[4]) * (1.0f / 6.0f), s = (u[3] - u[4]) * (1.0f / 6.0f * ROOT);
    w[0] = u[0] + p + r;
    w[1] = q + s;
    w[2] = fma(p, (vec)(0.5f), r * 2.0f);
#if KERNEL == 5
    w[3] = fma(q, (vec)(0.5f), s * 2.0f);
    w[4] = fma(p, (vec)(0.25f), r * 4.0f);
#endif
    w[KERNEL - 1] += u[5];
}

/* u[member][point][group][channel][lane] from w[group][tap][channel][lane]. Global ids: channel,
   group, member. */
VECTOR_KERNEL void winograd_weights(global const float *restrict w, global float *restrict u,
                             const struct winograd_weights_args a)
{
    const int channel = get_global_id(0), group = get_global_id(1), member = get_global_id(2);
    w += a.weights + member * a.member_stride + (group * TAPS * a.channels + channel) * GROUP;
    const int point = a.groups * a.channels * GROUP;
    u += (size_t)member * POINTS * point + (group * a.channels + channel) * GROUP;
    for (int v = 0; v < VECTORS; v++) {
        vec lines[KERNEL][6];
        for (int x = 0; x < KERNEL; x++) {
            vec column[KERNEL], line[6];
            for (int y = 0; y < KERNEL; y++) {
                const int tap = y * KERNEL + x;
                column[y] = LOAD(w + (a.flip ? TAPS - 1 - tap : tap) * a.channels * GROUP + v * LANES);
            }
            weight_line(column, line);
            for (int i = 0; i < 6; i++)
                lines[x][i] = line[i];
        }
        for (int i = 0; i < 6; i++) {
            vec row[KERNEL], line[6];
            for (int x = 0; x < KERNEL; x++)
                row[x] = lines[x][i];
            weight_line(row, line);
            for (int j = 0; j < 6; j++)
                STORE(line[j], u + (i * 6 + j) * point + v * LANES);
        }
    }
}

/*
 * v[point][block][tile][lane] = B' x B for `rows` rows of tiles, from row `top`, of images first ..
 * last. Rows and columns past the image and its border count as zero.
 */
void transform_input(global const float *x, global float *v, int first, int last, int top, int rows,
                     const struct winograd_args *a)
{
    const int blocks = (a->channels + X_LANES - 1) / X_LANES;
    const int point = blocks * a->columns * X_LANES;
    for (int n = first; n < last; n++)
        for (int block = 0; block < blocks; block++)
            for (int ty = top; ty < top + rows; ty++)
                for (int tx = 0; tx < a->tiles_x; tx++) {
                    global const float *from = x + n * a->x.image + block * a->x.block +
                                               a->x.origin + (OUT * ty - KERNEL / 2) * a->x.row +
                                               (OUT * tx - KERNEL / 2) * X_LANES;
                    const int tile = ((n - first) * rows + ty - top) * a->tiles_x + tx;
                    global float *to = v + (block * a->columns + tile) * X_LANES;
                    const int down = min(6, a->height + a->x_limit + KERNEL / 2 - OUT * ty);
                    const int across = min(6, a->width + a->x_limit + KERNEL / 2 - OUT * tx);
                    xvec lines[6][6];
                    _Pragma("unroll") for (int column = 0; column < 6; column++)
                    {
                        xvec d[6], o[6];
                        _Pragma("unroll") for (int row = 0; row < 6; row++)
                        {
                            d[row] = (xvec)(0.0f);
                            if (row < down && column < across)
                                d[row] = XLOAD(from + row * a->x.row + column * X_LANES);
                        }
                        input_line(d, o);
                        _Pragma("unroll") for (int i = 0; i < 6; i++) lines[i][column] = o[i];
                    }
                    _Pragma("unroll") for (int i = 0; i < 6; i++)
                    {
                        xvec o[6];
                        input_line(lines[i], o);
                        _Pragma("unroll") for (int j = 0; j < 6; j++)
                            XSTORE(o[j], to + (i * 6 + j) * point);
                    }
                }
}

#ifdef PIXELS

/* m[point][block][tile][lane] = sum over channels of v * u, for `tiles` tiles. */
void multiply(global const float *v, global const float *u, global float *m, int tiles,
              const struct winograd_args *a)
{
    const int blocks = (a->channels + X_LANES - 1) / X_LANES;
    for (int point = 0; point < POINTS; point++)
        for (int group = 0; group < a->groups; group++) {
            global const float *w = u + (point * a->groups + group) * a->channels * GROUP;
            global float *to = m + (point * a->groups + group) * VECTORS * a->columns * LANES;
            for (int tile = 0; tile < tiles; tile += PIXELS) {
                vec sum[PIXELS][VECTORS];
                _Pragma("unroll") for (int p = 0; p < PIXELS; p++)
                    _Pragma("unroll") for (int i = 0; i < VECTORS; i++) sum[p][i] = (vec)(0.0f);
                global const float *wp = w;
                for (int block = 0; block < blocks; block++) {
                    global const float *xp =
                        v + ((point * blocks + block) * a->columns + tile) * X_LANES;
                    const int lanes = min(X_LANES, a->channels - block * X_LANES);
                    _Pragma("nounroll") for (int c = 0; c < lanes; c++)
                    {
                        vec w_[VECTORS];
                        _Pragma("unroll") for (int i = 0; i < VECTORS; i++)
                            w_[i] = LOAD(wp + i * LANES);
                        _Pragma("unroll") for (int p = 0; p < PIXELS; p++)
                        {
                            const vec x_ = (vec)(xp[p * X_LANES + c]);
                            _Pragma("unroll") for (int i = 0; i < VECTORS; i++)
                                sum[p][i] = fma(x_, w_[i], sum[p][i]);
                        }
                        wp += GROUP;
                    }
                }
                _Pragma("unroll") for (int p = 0; p < PIXELS; p++)
                    _Pragma("unroll") for (int i = 0; i < VECTORS; i++)
                        STORE(sum[p][i], to + (i * a->columns + tile + p) * LANES);
            }
        }
}

/* y = A' m A + bias for `rows` rows of tiles from row `top` on. */
void transform_output(global const float *m, global float *y, vec bias, int top, int rows,
                      const struct winograd_args *a)
{
    const int point = a->groups * VECTORS * a->columns * LANES;
    for (int t = 0; t < rows * a->tiles_x; t++, m += LANES) {
        const int row = (top + t / a->tiles_x) * OUT, column = t % a->tiles_x * OUT;
        global float *to = y + row * a->y.row + column * LANES;
        vec lines[OUT][6];
        _Pragma("unroll") for (int j = 0; j < 6; j++)
        {
            vec points[6], line[OUT];
            _Pragma("unroll") for (int i = 0; i < 6; i++) points[i] = LOAD(m + (i * 6 + j) * point);
            output_line(points, line);
            _Pragma("unroll") for (int i = 0; i < OUT; i++) lines[i][j] = line[i];
        }
        _Pragma("unroll") for (int i = 0; i < OUT; i++)
        {
            vec line[OUT];
            output_line(lines[i], line);
            _Pragma("unroll") for (int j = 0; j < OUT; j++)
                if (row + i < a->height && column + j < a->width)
                    STORE(line[j] + bias, to + i * a->y.row + j * LANES);
        }
    }
}

/* Forward, or with -D GRADIENT the input gradient. Global ids: item, which takes every
   get_global_size-th chunk; member. The epilogue is that of conv_gather in conv_vector.cl. */
VECTOR_KERNEL void winograd_conv(global const float *restrict x, global const float *restrict u,
                          global const float *restrict parameters,
                          global const float *restrict kept, global float *restrict y,
                          global float *restrict slopes, global const float *restrict z,
                          global const float *restrict means, global float *restrict sums,
                          global float *restrict scratch, const struct winograd_args a)
{
    const int blocks = a.groups * VECTORS;
    const int member = get_global_id(1), end = (member + 1) * a.images;
    const int step = get_global_size(0) * a.chunk;
    const int activation = a.activations[member];
    u += (size_t)member * POINTS * a.groups * a.channels * GROUP;
    parameters += member * a.member_stride;
    means += member * blocks * LANES;
    global float *v =
        scratch + (size_t)(member * get_global_size(0) + get_global_id(0)) * a.scratch;
    global float *m = v + (a.channels + X_LANES - 1) / X_LANES * X_LANES * a.columns * POINTS;
    for (int first = end - a.images + get_global_id(0) * a.chunk; first < end; first += step) {
        const int last = min(first + a.chunk, end);
        for (int top = 0; top < a.tiles_y; top += a.strip) {
            const int tile_rows = min(a.strip, a.tiles_y - top);
            transform_input(x, v, first, last, top, tile_rows, &a);
            multiply(v, u, m, (last - first) * tile_rows * a.tiles_x, &a);
            for (int n = first; n < last; n++)
                for (int block = 0; block < blocks; block++) {
                    const vec bias =
                        a.bias >= 0 ? LOAD(parameters + a.bias + block * LANES) : (vec)(0.0f);
                    const int plane = n * a.y.image + block * a.y.block + a.y.origin;
                    const int tile = (n - first) * tile_rows * a.tiles_x;
                    transform_output(m + (block * a.columns + tile) * LANES, y + plane, bias, top,
                                     tile_rows, &a);

                    /* What is left to do with the rows, while they are in the cache. */
                    global float *part = sums + (2 * n * blocks + block) * LANES;
                    vec total = (vec)(0.0f), product = (vec)(0.0f);
                    if (a.sums && top > 0) {
                        total = LOAD(part);
                        product = LOAD(part + blocks * LANES);
                    }
                    const int bottom = min(a.height, (top + tile_rows) * OUT);
                    for (int row = top * OUT; row < bottom; row++) {
                        global float *results = y + plane + row * a.y.row;
#ifdef GRADIENT
                        SLOPE_ROW(results,
                                  kept + n * a.kept.image + block * a.kept.block + a.kept.origin +
                                      row * a.kept.row,
                                  a.width, activation);
                        if (a.sums) {
                            const vec mean = LOAD(means + block * LANES);
                            global const float *below =
                                z + n * a.z.image + block * a.z.block + a.z.origin + row * a.z.row;
                            for (int i = 0; i < a.width * LANES; i += LANES) {
                                const vec result = LOAD(results + i);
                                total += result;
                                product = fma(result, LOAD(below + i) - mean, product);
                            }
                        }
#else
                        if (a.sums)
                            for (int i = 0; i < a.width * LANES; i += LANES) {
                                const vec result = LOAD(results + i);
                                total += result;
                                product = fma(result, result, product);
                            }
                        ACTIVATE_ROW(results, slopes + plane + row * a.y.row, a.width, activation,
                                     a.keep_slope);
#endif
                    }
                    if (a.sums) {
                        STORE(total, part);
                        STORE(product, part + blocks * LANES);
                    }
                }
        }
    }
}

#endif

#ifdef TILE

/* z[point][block][tile][lane] = A dy A' of the tiles as in transform_input(); what lies past the image
   counts as zero. */
void transform_gradient(global const float *dy, global float *z, int first, int last, int top,
                        int rows, const struct winograd_args *a)
{
    const int blocks = a->groups * VECTORS;
    const int point = blocks * a->columns * LANES;
    for (int n = first; n < last; n++)
        for (int block = 0; block < blocks; block++)
            for (int ty = top; ty < top + rows; ty++)
                for (int tx = 0; tx < a->tiles_x; tx++) {
                    global const float *from = dy + n * a->y.image + block * a->y.block +
                                               a->y.origin + OUT * ty * a->y.row +
                                               OUT * tx * LANES;
                    const int tile = ((n - first) * rows + ty - top) * a->tiles_x + tx;
                    global float *to = z + (block * a->columns + tile) * LANES;
                    const int down = min(OUT, a->height - OUT * ty);
                    const int across = min(OUT, a->width - OUT * tx);
                    vec lines[6][OUT];
                    _Pragma("unroll") for (int column = 0; column < OUT; column++)
                    {
                        vec d[OUT], o[6];
                        _Pragma("unroll") for (int row = 0; row < OUT; row++)
                        {
                            d[row] = (vec)(0.0f);
                            if (row < down && column < across)
                                d[row] = LOAD(from + row * a->y.row + column * LANES);
                        }
                        gradient_line(d, o);
                        _Pragma("unroll") for (int i = 0; i < 6; i++) lines[i][column] = o[i];
                    }
                    _Pragma("unroll") for (int i = 0; i < 6; i++)
                    {
                        vec o[6];
                        gradient_line(lines[i], o);
                        _Pragma("unroll") for (int j = 0; j < 6; j++)
                            STORE(o[j], to + (i * 6 + j) * point);
                    }
                }
}

/* du[point][group][channel][lane] = (+= if `more`) sum over tiles of v * z. */
void add_products(global const float *v, global const float *z, global float *du, int tiles,
                  int more, const struct winograd_args *a)
{
    const int x_blocks = (a->channels + X_LANES - 1) / X_LANES;
    for (int point = 0; point < POINTS; point++)
        for (int group = 0; group < a->groups; group++)
            for (int channel = 0; channel < a->channels; channel += TILE) {
                const int valid = min(TILE, a->channels - channel);
                global float *to =
                    du + ((point * a->groups + group) * a->channels + channel) * GROUP;
                global const float *xp = v +
                                         (point * x_blocks + channel / X_LANES) * a->columns *
                                             X_LANES +
                                         channel % X_LANES;
                global const float *zp =
                    z + (point * a->groups + group) * VECTORS * a->columns * LANES;
                vec sum[TILE][VECTORS];
                _Pragma("unroll") for (int c = 0; c < TILE; c++)
                    _Pragma("unroll") for (int i = 0; i < VECTORS; i++)
                        sum[c][i] = more && c < valid ? LOAD(to + c * GROUP + i * LANES)
                                                               : (vec)(0.0f);
                for (int tile = 0; tile < tiles; tile++) {
                    vec d[VECTORS];
                    _Pragma("unroll") for (int i = 0; i < VECTORS; i++)
                        d[i] = LOAD(zp + (i * a->columns + tile) * LANES);
                    _Pragma("unroll") for (int c = 0; c < TILE; c++)
                    {
                        const vec b = (vec)(xp[tile * X_LANES + c]);
                        _Pragma("unroll") for (int i = 0; i < VECTORS; i++)
                            sum[c][i] = fma(b, d[i], sum[c][i]);
                    }
                }
                _Pragma("unroll") for (int c = 0; c < TILE; c++)
                    if (c < valid)
                        _Pragma("unroll") for (int i = 0; i < VECTORS; i++)
                            STORE(sum[c][i], to + c * GROUP + i * LANES);
            }
}

/*
 * partial[member][item]: du[point][group][channel][lane] = sum over the item's tiles of v * z, then the
 * bias gradient [groups * GROUP]. Global id: item, which takes every get_global_size-th chunk.
 */
VECTOR_KERNEL void winograd_weight_gradient(global const float *restrict x,
                                     global const float *restrict dy,
                                     global float *restrict partial,
                                     global float *restrict scratch, const struct winograd_args a)
{
    const int x_blocks = (a.channels + X_LANES - 1) / X_LANES;
    const int member = get_global_id(1), end = (member + 1) * a.images;
    const size_t place = member * get_global_size(0) + get_global_id(0);
    global float *v = scratch + place * a.scratch;
    global float *z = v + x_blocks * X_LANES * a.columns * POINTS;
    global float *du = partial + place * a.partial;
    global float *db = du + POINTS * a.groups * a.channels * GROUP;
    const int start = end - a.images + get_global_id(0) * a.chunk;
    const int step = get_global_size(0) * a.chunk;
    for (int first = start; first < end || first == start; first += step) {
        const int last = max(first, min(first + a.chunk, end)); /* none: writes zeros */
        for (int top = 0; top < a.tiles_y; top += a.strip) {
            const int tile_rows = min(a.strip, a.tiles_y - top);
            transform_input(x, v, first, last, top, tile_rows, &a);
            transform_gradient(dy, z, first, last, top, tile_rows, &a);
            add_products(v, z, du, (last - first) * tile_rows * a.tiles_x, first > start || top > 0,
                         &a);
        }
        for (int block = 0; block < a.groups * VECTORS; block++) {
            vec bias = first > start ? LOAD(db + block * LANES) : (vec)(0.0f);
            for (int n = first; n < last; n++)
                for (int row = 0; row < a.height; row++)
                    for (int column = 0; column < a.width; column++)
                        bias += LOAD(dy + n * a.y.image + block * a.y.block + a.y.origin +
                                     row * a.y.row + column * LANES);
            STORE(bias, db + block * LANES);
        }
    }
}

/* dw[group][tap][channel][lane] = G' du G and db, the items' partial sums added in order. Global
   ids: channel, group, member. */
VECTOR_KERNEL void winograd_weight_sum(global const float *restrict partial,
                                global float *restrict gradients, const struct winograd_sum_args a)
{
    const int channel = get_global_id(0), group = get_global_id(1), member = get_global_id(2);
    const int point = a.groups * a.channels * GROUP;
    partial += (size_t)member * a.items * a.partial;
    gradients += member * a.member_stride;
    global const float *du = partial + (group * a.channels + channel) * GROUP;
    global float *dw = gradients + a.dw + (group * TAPS * a.channels + channel) * GROUP;
    for (int v = 0; v < VECTORS; v++) {
        vec lines[KERNEL][6];
        for (int j = 0; j < 6; j++) {
            vec column[6], line[KERNEL];
            for (int i = 0; i < 6; i++) {
                column[i] = LOAD(du + (i * 6 + j) * point + v * LANES);
                for (int item = 1; item < a.items; item++)
                    column[i] +=
                        LOAD(du + (size_t)item * a.partial + (i * 6 + j) * point + v * LANES);
            }
            weight_gradient_line(column, line);
            for (int y = 0; y < KERNEL; y++)
                lines[y][j] = line[y];
        }
        for (int y = 0; y < KERNEL; y++) {
            vec line[KERNEL];
            weight_gradient_line(lines[y], line);
            for (int x = 0; x < KERNEL; x++)
                STORE(line[x], dw + (y * KERNEL + x) * a.channels * GROUP + v * LANES);
        }
        if (channel == 0 && a.db >= 0) {
            global const float *db = partial + POINTS * point + group * GROUP + v * LANES;
            vec bias = LOAD(db);
            for (int item = 1; item < a.items; item++)
                bias += LOAD(db + (size_t)item * a.partial);
            STORE(bias, gradients + a.db + group * GROUP + v * LANES);
        }
    }
}

#endif
