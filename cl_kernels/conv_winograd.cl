/*
 * Convolution 3x3, stride 1, by Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray, "Fast
 * algorithms for convolutional neural networks", arXiv 1509.09308): an output tile of 4x4 takes 36
 * multiplications a channel pair where the direct sum takes 144.
 *
 *     y = A' [ (G w G') . (B' x B) ] A          x: 6x6 input tile, w: 3x3, y: 4x4
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
#define LOAD(p)     vload16(0, p)
#define STORE(v, p) vstore16(v, 0, p)
#define ACTIVATE    activate_16
#define KEPT_SLOPE  kept_slope_16
#else
typedef float8 vec;
#define LOAD(p)     vload8(0, p)
#define STORE(v, p) vstore8(v, 0, p)
#define ACTIVATE    activate_8
#define KEPT_SLOPE  kept_slope_8
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

#define GROUP  (VECTORS * LANES)
#define POINTS 36 /* 6 x 6 */

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
void output_line(const vec m[6], vec y[4])
{
    const vec p = m[1] + m[2], q = m[1] - m[2], r = m[3] + m[4], s = m[3] - m[4];
    y[0] = m[0] + p + r;
    y[1] = fma((vec)(HALF), q, s * ROOT);
    y[2] = fma((vec)(0.5f), p, r * 2.0f);
    y[3] = fma((vec)(0.5f * HALF), q, fma((vec)(2.0f * ROOT), s, m[5]));
}

/* z = A y */
void gradient_line(const vec y[4], vec z[6])
{
    const vec p = fma((vec)(0.5f), y[2], y[0]), q = fma((vec)(0.5f), y[3], y[1]) * HALF;
    const vec r = fma((vec)(2.0f), y[2], y[0]), s = fma((vec)(2.0f), y[3], y[1]) * ROOT;
    z[0] = y[0];
    z[1] = p + q;
    z[2] = p - q;
    z[3] = r + s;
    z[4] = r - s;
    z[5] = y[3];
}

/* u = G w */
void weight_line(const vec w[3], vec u[6])
{
    const vec p = fma(w[0], (vec)(-2.0f / 3.0f), w[2] * (-1.0f / 3.0f));
    const vec q = w[1] * (-2.0f / 3.0f * HALF);
    const vec r = fma(w[0], (vec)(1.0f / 6.0f), w[2] * (1.0f / 3.0f));
    const vec s = w[1] * (1.0f / 6.0f * ROOT);
    u[0] = w[0];
    u[1] = p + q;
    u[2] = p - q;
    u[3] = r + s;
    u[4] = r - s;
    u[5] = w[2];
}

/* w = G' u */
void weight_gradient_line(const vec u[6], vec w[3])
{
    const vec p = u[1] + u[2], q = u[1] - u[2], r = u[3] + u[4], s = u[3] - u[4];
    w[0] = fma(p, (vec)(-2.0f / 3.0f), fma(r, (vec)(1.0f / 6.0f), u[0]));
    w[1] = fma(q, (vec)(-2.0f / 3.0f * HALF), s * (1.0f / 6.0f * ROOT));
    w[2] = fma(r - p, (vec)(1.0f / 3.0f), u[5]);
}

/* u[member][point][group][channel][lane] from w[group][tap][channel][lane]. Global ids: channel,
   group, member. */
kernel void winograd_weights(global const float *restrict w, global float *restrict u,
                             const struct winograd_weights_args a)
{
    const int channel = get_global_id(0), group = get_global_id(1), member = get_global_id(2);
    w += a.weights + member * a.member_stride + (group * 9 * a.channels + channel) * GROUP;
    const int point = a.groups * a.channels * GROUP;
    u += (size_t)member * POINTS * point + (group * a.channels + channel) * GROUP;
    for (int v = 0; v < VECTORS; v++) {
        vec lines[3][6];
        for (int x = 0; x < 3; x++) {
            vec column[3], line[6];
            for (int y = 0; y < 3; y++) {
                const int tap = y * 3 + x;
                column[y] = LOAD(w + (a.flip ? 8 - tap : tap) * a.channels * GROUP + v * LANES);
            }
            weight_line(column, line);
            for (int i = 0; i < 6; i++)
                lines[x][i] = line[i];
        }
        for (int i = 0; i < 6; i++) {
            vec row[3], line[6];
            for (int x = 0; x < 3; x++)
                row[x] = lines[x][i];
            weight_line(row, line);
            for (int j = 0; j < 6; j++)
                STORE(line[j], u + (i * 6 + j) * point + v * LANES);
        }
    }
}

/*
 * v[point][block][tile][lane] = B' x B for the tiles of images first .. last. Rows and columns past
 * the image and its border count as zero.
 */
void transform_input(global const float *x, global float *v, int first, int last,
                     const struct winograd_args *a)
{
    const int blocks = (a->channels + X_LANES - 1) / X_LANES;
    const int point = blocks * a->columns * X_LANES;
    for (int n = first; n < last; n++)
        for (int block = 0; block < blocks; block++)
            for (int ty = 0; ty < a->tiles_y; ty++)
                for (int tx = 0; tx < a->tiles_x; tx++) {
                    global const float *from = x + n * a->x.image + block * a->x.block +
                                               a->x.origin + (4 * ty - 1) * a->x.row +
                                               (4 * tx - 1) * X_LANES;
                    const int tile = ((n - first) * a->tiles_y + ty) * a->tiles_x + tx;
                    global float *to = v + (block * a->columns + tile) * X_LANES;
                    const int rows = min(6, a->height + a->x_limit + 1 - 4 * ty);
                    const int columns = min(6, a->width + a->x_limit + 1 - 4 * tx);
                    xvec lines[6][6];
                    _Pragma("unroll") for (int column = 0; column < 6; column++)
                    {
                        xvec d[6], o[6];
                        _Pragma("unroll") for (int row = 0; row < 6; row++)
                        {
                            d[row] = (xvec)(0.0f);
                            if (row < rows && column < columns)
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

/* Forward, or with -D GRADIENT the input gradient. Global ids: item, which takes every
   get_global_size-th chunk; member. The epilogue is that of conv_gather in conv_vector.cl. */
kernel void winograd_conv(global const float *restrict x, global const float *restrict u,
                          global const float *restrict parameters,
                          global const float *restrict kept, global float *restrict y,
                          global float *restrict slopes, global const float *restrict z,
                          global const float *restrict means, global float *restrict sums,
                          global float *restrict scratch, const struct winograd_args a)
{
    const int blocks = a.groups * VECTORS;
    const int point = blocks * a.columns * LANES;
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
        transform_input(x, v, first, last, &a);
        multiply(v, u, m, (last - first) * a.tiles_y * a.tiles_x, &a);
        for (int n = first; n < last; n++)
            for (int block = 0; block < blocks; block++) {
                const int y_plane = n * a.y.image + block * a.y.block + a.y.origin;
                const int kept_plane = n * a.kept.image + block * a.kept.block + a.kept.origin;
                const int z_plane = n * a.z.image + block * a.z.block + a.z.origin;
                const vec bias =
                    a.bias >= 0 ? LOAD(parameters + a.bias + block * LANES) : (vec)(0.0f);
#ifdef GRADIENT
                const vec mean = a.sums ? LOAD(means + block * LANES) : (vec)(0.0f);
#endif
                vec total = (vec)(0.0f), product = (vec)(0.0f);
                for (int t = 0; t < a.tiles_y * a.tiles_x; t++) {
                    const int tile = (n - first) * a.tiles_y * a.tiles_x + t;
                    const int top = t / a.tiles_x * 4, left = t % a.tiles_x * 4;
                    global const float *from = m + (block * a.columns + tile) * LANES;
                    vec lines[4][6], results[16];
                    _Pragma("unroll") for (int j = 0; j < 6; j++)
                    {
                        vec column[6], line[4];
                        _Pragma("unroll") for (int i = 0; i < 6; i++)
                            column[i] = LOAD(from + (i * 6 + j) * point);
                        output_line(column, line);
                        _Pragma("unroll") for (int i = 0; i < 4; i++) lines[i][j] = line[i];
                    }
                    _Pragma("unroll") for (int i = 0; i < 4; i++)
                    {
                        vec line[4];
                        output_line(lines[i], line);
                        _Pragma("unroll") for (int j = 0; j < 4; j++)
                            results[i * 4 + j] = line[j];
                    }
                    const int rows = min(4, a.height - top), columns = min(4, a.width - left);
                    _Pragma("nounroll") for (int i = 0; i < rows; i++)
                        _Pragma("nounroll") for (int j = 0; j < columns; j++)
                    {
                        const int pixel = (left + j) * LANES, row = top + i;
                        vec result = results[i * 4 + j];
#ifdef GRADIENT
                        if (activation != ACT_NONE)
                            result *= KEPT_SLOPE(LOAD(kept + kept_plane + row * a.kept.row + pixel),
                                                 activation);
                        if (a.sums) {
                            const vec below = LOAD(z + z_plane + row * a.z.row + pixel) - mean;
                            total += result;
                            product = fma(result, below, product);
                        }
#else
                        vec slope;
                        result += bias;
                        if (a.sums) {
                            total += result;
                            product = fma(result, result, product);
                        }
                        result = ACTIVATE(result, activation, &slope);
                        if (a.keep_slope)
                            STORE(keeps_slope(activation) ? slope : result,
                                  slopes + y_plane + row * a.y.row + pixel);
#endif
                        STORE(result, y + y_plane + row * a.y.row + pixel);
                    }
                }
                if (a.sums) {
                    STORE(total, sums + (2 * n * blocks + block) * LANES);
                    STORE(product, sums + ((2 * n + 1) * blocks + block) * LANES);
                }
            }
    }
}

#endif

#ifdef TILE

/* z[point][block][tile][lane] = A dy A'; what lies past the image counts as zero. */
void transform_gradient(global const float *dy, global float *z, int first, int last,
                        const struct winograd_args *a)
{
    const int blocks = a->groups * VECTORS;
    const int point = blocks * a->columns * LANES;
    for (int n = first; n < last; n++)
        for (int block = 0; block < blocks; block++)
            for (int ty = 0; ty < a->tiles_y; ty++)
                for (int tx = 0; tx < a->tiles_x; tx++) {
                    global const float *from = dy + n * a->y.image + block * a->y.block +
                                               a->y.origin + 4 * ty * a->y.row + 4 * tx * LANES;
                    const int tile = ((n - first) * a->tiles_y + ty) * a->tiles_x + tx;
                    global float *to = z + (block * a->columns + tile) * LANES;
                    const int rows = min(4, a->height - 4 * ty);
                    const int columns = min(4, a->width - 4 * tx);
                    vec lines[6][4];
                    _Pragma("unroll") for (int column = 0; column < 4; column++)
                    {
                        vec d[4], o[6];
                        _Pragma("unroll") for (int row = 0; row < 4; row++)
                        {
                            d[row] = (vec)(0.0f);
                            if (row < rows && column < columns)
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

/*
 * partial[member][item]: du[point][group][channel][lane] = sum over the item's tiles of v * z, then the
 * bias gradient [groups * GROUP]. Global id: item, which takes every get_global_size-th chunk.
 */
kernel void winograd_weight_gradient(global const float *restrict x,
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
        const int tiles = (last - first) * a.tiles_y * a.tiles_x;
        transform_input(x, v, first, last, &a);
        transform_gradient(dy, z, first, last, &a);
        for (int point = 0; point < POINTS; point++)
            for (int group = 0; group < a.groups; group++)
                for (int channel = 0; channel < a.channels; channel += TILE) {
                    const int valid = min(TILE, a.channels - channel);
                    global float *to =
                        du + ((point * a.groups + group) * a.channels + channel) * GROUP;
                    global const float *xp = v +
                                             (point * x_blocks + channel / X_LANES) * a.columns *
                                                 X_LANES +
                                             channel % X_LANES;
                    global const float *zp =
                        z + (point * a.groups + group) * VECTORS * a.columns * LANES;
                    vec sum[TILE][VECTORS];
                    _Pragma("unroll") for (int c = 0; c < TILE; c++)
                        _Pragma("unroll") for (int i = 0; i < VECTORS; i++)
                            sum[c][i] = first > start && c < valid ? LOAD(to + c * GROUP + i * LANES)
                                                                   : (vec)(0.0f);
                    for (int tile = 0; tile < tiles; tile++) {
                        vec d[VECTORS];
                        _Pragma("unroll") for (int i = 0; i < VECTORS; i++)
                            d[i] = LOAD(zp + (i * a.columns + tile) * LANES);
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
kernel void winograd_weight_sum(global const float *restrict partial,
                                global float *restrict gradients, const struct winograd_sum_args a)
{
    const int channel = get_global_id(0), group = get_global_id(1), member = get_global_id(2);
    const int point = a.groups * a.channels * GROUP;
    partial += (size_t)member * a.items * a.partial;
    gradients += member * a.member_stride;
    global const float *du = partial + (group * a.channels + channel) * GROUP;
    global float *dw = gradients + a.dw + (group * 9 * a.channels + channel) * GROUP;
    for (int v = 0; v < VECTORS; v++) {
        vec lines[3][6];
        for (int j = 0; j < 6; j++) {
            vec column[6], line[3];
            for (int i = 0; i < 6; i++) {
                column[i] = LOAD(du + (i * 6 + j) * point + v * LANES);
                for (int item = 1; item < a.items; item++)
                    column[i] +=
                        LOAD(du + (size_t)item * a.partial + (i * 6 + j) * point + v * LANES);
            }
            weight_gradient_line(column, line);
            for (int y = 0; y < 3; y++)
                lines[y][j] = line[y];
        }
        for (int y = 0; y < 3; y++) {
            vec line[3];
            weight_gradient_line(lines[y], line);
            for (int x = 0; x < 3; x++)
                STORE(line[x], dw + (y * 3 + x) * a.channels * GROUP + v * LANES);
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
