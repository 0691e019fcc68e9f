/*
 * Convolution by Winograd's minimal filtering (conv_winograd_lines.cl) in two dimensions: 3x3 and
 * 5x5 (-D KERNEL) of stride 1, 5x5 of -D STRIDE=2; -D SIDE, pixels of an input tile's side, is 6
 * or 7.
 *
 *     y = A' [ (G w G') . (B' x B) ] A      x: SIDE x SIDE input tile, w: kernel, y: OUT x OUT
 *
 * the product in the middle summed over input channels: SIDE * SIDE matrix products. With SIDE 6 a
 * pixel of y takes 2.25 multiplications a channel pair (3x3) where the direct sum takes 9, and 9
 * (5x5) where it takes 25; with SIDE 7 it takes 1.96 and 5.4. The input gradient is the same
 * convolution of dy with flipped taps; the weight gradient is the derivative of the formula:
 *
 *     dw = G' [ (A dy A') . (B' x B) ] G, summed over tiles
 *
 * Stride 2: pixels of even and of odd rows, of even and of odd columns, are four images of half the
 * size, its phases, and
 *
 *     y[i] = sum over s of w[2s] x[2(i + s - 1)] + sum over s of w[2s + 1] x[2(i + s - 1) + 1]
 *
 * is the sum of convolutions of stride 1: with 3 taps a line over even pixels, with 2 over odd
 * ones, whose third is zero here. So the phases of x are as many more channels; those of dx, in the
 * input gradient, as many more output channels: 7.6 multiplications (SIDE 7: 6.8) where the direct
 * sum takes 25.
 *
 * A work-item goes over its images in chunks whose transformed tiles stay in the cache, in scratch
 * memory of its own. What is read and written after the products of a chunk is fetched during them
 * (prefetch.cl); waiting for it took a third of the time. LANES, VECTORS, X_LANES as in
 * conv_vector.cl; PIXELS tiles in a register tile; TILE input channels in one of the weight
 * gradient (conv_winograd_gradient.cl). -D GRADIENT: the input gradient.
 */
/* All vectors are in the code. Told so, Intel's compiler does not spend seconds a kernel on finding
   more across work-items. */
#define VECTOR_KERNEL kernel __attribute__((vec_type_hint(vec)))

#if LANES == 16
#define ACTIVATE_ROW activate_row_16
#define SLOPE_ROW    slope_row_16
#else
#define ACTIVATE_ROW activate_row_8
#define SLOPE_ROW    slope_row_8
#endif

#define GROUP  (VECTORS * LANES)
#define POINTS (SIDE * SIDE)
#define TAPS   (KERNEL * KERNEL)

/* Of what is read and of what is written: pixels from one of a tile to the next, phases. */
#ifdef GRADIENT
#define X_STRIDE 1
#define Y_STRIDE STRIDE
#else
#define X_STRIDE STRIDE
#define Y_STRIDE 1
#endif
#define X_PHASES (X_STRIDE * X_STRIDE)
#define Y_PHASES (Y_STRIDE * Y_STRIDE)

/* The input gradient sees its images mirrored, so that taps keep their order: the one that an odd
   phase has not got is the last one, all that there is at the point infinity. */
#ifdef GRADIENT
#define MIRROR(i, count) ((count) - 1 - (i))
#else
#define MIRROR(i, count) (i)
#endif

/* Whether the transformed weights of a phase are zero at point (i, j). */
bool idle(int phase, int i, int j)
{
    return STRIDE == 2 && ((phase / 2 == 1 && i == LAST) || (phase % 2 == 1 && j == LAST));
}

/* Rows top .. bottom of a tensor's images first .. last, to be fetched in `calls` calls. */
struct ahead rows_ahead(global const float *tensor, const struct winograd_tensor *t, int blocks,
                        int first, int last, int top, int bottom, int calls)
{
    return look_ahead(tensor + first * t->image + t->origin + top * t->row,
                      max(0, bottom - top) * t->row, blocks, t->block, max(0, last - first),
                      t->image, calls);
}

/* What is done at a time. */
struct strip {
    int first, last; /* images */
    int top, bottom; /* rows of tiles */
};

/* The strip after the one from row `top` on of images from `first` on: of the same images, or the
   first one of those `step` further on, before `end`. */
struct strip next_strip(int first, int top, int step, int end, const struct winograd_args *a)
{
    struct strip next = {first, min(first + a->chunk, end), top + a->strip, 0};
    if (next.top >= a->tiles_y) {
        next.first = first + step;
        next.last = min(next.first + a->chunk, end);
        next.top = 0;
    }
    next.bottom = min(next.top + a->strip, a->tiles_y);
    return next;
}

/* What transform_input() reads for a strip. */
struct ahead input_ahead(global const float *x, struct strip next, int calls,
                         const struct winograd_args *a)
{
    const int before = LINE / 2, after = LINE - 1 - before;
    return rows_ahead(x, &a->x, (a->channels + X_LANES - 1) / X_LANES, next.first, next.last,
                      X_STRIDE * (OUT * next.top - before),
                      min(X_STRIDE * (OUT * next.bottom + after), a->x_bottom), calls);
}

/* u[member][point][group][channel][lane] from w[group][tap][channel][lane]; phases of x are further
   channels of u, those of y further groups. Global ids: channel of u, group of u, member. */
VECTOR_KERNEL void winograd_weights(global const float *restrict w, global float *restrict u,
                             const struct winograd_weights_args a)
{
    const int member = get_global_id(2);
    const int phase = get_global_id(0) / a.channels + get_global_id(1) / a.groups;
    const int channel = get_global_id(0) % a.channels, group = get_global_id(1) % a.groups;
    const int row = get_global_id(1) * X_PHASES * a.channels + get_global_id(0);
    const int point = X_PHASES * Y_PHASES * a.groups * a.channels * GROUP;
    w += a.weights + member * a.member_stride + (group * TAPS * a.channels + channel) * GROUP;
    u += (size_t)member * POINTS * point + row * GROUP;
    for (int v = 0; v < VECTORS; v++) {
        vec lines[LINE][SIDE];
        for (int x = 0; x < LINE; x++) {
            vec column[LINE], line[SIDE];
            for (int y = 0; y < LINE; y++) {
                const int tap_y = STRIDE * y + phase / STRIDE, tap_x = STRIDE * x + phase % STRIDE;
                column[y] = (vec)(0.0f);
                if (tap_y < KERNEL && tap_x < KERNEL)
                    column[y] = LOAD(w + (tap_y * KERNEL + tap_x) * a.channels * GROUP + v * LANES);
            }
            weight_line(column, line);
            for (int i = 0; i < SIDE; i++)
                lines[x][i] = line[i];
        }
        for (int i = 0; i < SIDE; i++) {
            vec row_taps[LINE], line[SIDE];
            for (int x = 0; x < LINE; x++)
                row_taps[x] = lines[x][i];
            weight_line(row_taps, line);
            for (int j = 0; j < SIDE; j++)
                STORE(line[j], u + (i * SIDE + j) * point + v * LANES);
        }
    }
}

/*
 * v[point][phase][block][tile][lane] = B' x B for `rows` rows of tiles, from row `top`, of images
 * first .. last. Rows and columns past the image and its border count as zero.
 */
void transform_input(global const float *x, global float *v, int first, int last, int top, int rows,
                     const struct winograd_args *a)
{
    const int blocks = (a->channels + X_LANES - 1) / X_LANES;
    const int point = X_PHASES * blocks * a->columns * X_LANES;
    for (int n = first; n < last; n++)
        for (int plane = 0; plane < X_PHASES * blocks; plane++)
            for (int ty = top; ty < top + rows; ty++)
                for (int tx = 0; tx < a->tiles_x; tx++) {
                    const int phase = plane / blocks, block = plane % blocks;
                    const int y0 = X_STRIDE * (OUT * ty - LINE / 2) + phase / X_STRIDE;
                    const int x0 = X_STRIDE * (OUT * tx - LINE / 2) + phase % X_STRIDE;
                    global const float *from = x + n * a->x.image + block * a->x.block +
                                               a->x.origin + y0 * a->x.row + x0 * X_LANES;
                    const int tile = ((n - first) * rows + ty - top) * a->tiles_x + tx;
                    global float *to = v + (plane * a->columns + tile) * X_LANES;
                    const int down = min(SIDE, (a->x_bottom - y0 + X_STRIDE - 1) / X_STRIDE);
                    const int across = min(SIDE, (a->x_right - x0 + X_STRIDE - 1) / X_STRIDE);
                    xvec lines[SIDE][SIDE];
                    _Pragma("unroll") for (int column = 0; column < SIDE; column++)
                    {
                        xvec d[SIDE], o[SIDE];
                        _Pragma("unroll") for (int row = 0; row < SIDE; row++)
                        {
                            d[MIRROR(row, SIDE)] = (xvec)(0.0f);
                            if (row < down && column < across)
                                d[MIRROR(row, SIDE)] =
                                    XLOAD(from + X_STRIDE * row * a->x.row +
                                          X_STRIDE * column * X_LANES);
                        }
                        input_line(d, o);
                        _Pragma("unroll") for (int i = 0; i < SIDE; i++)
                            lines[i][MIRROR(column, SIDE)] = o[i];
                    }
                    _Pragma("unroll") for (int i = 0; i < SIDE; i++)
                    {
                        xvec o[SIDE];
                        input_line(lines[i], o);
                        _Pragma("unroll") for (int j = 0; j < SIDE; j++)
                            XSTORE(o[j], to + (i * SIDE + j) * point);
                    }
                }
}

#ifdef PIXELS

/* Fetched during the products: the next strip's input; of this one the results and, where there are
   any, their slopes (forward) or what SLOPE_ROW and the sums read (gradient). */
struct soon {
    struct ahead input, results, slopes, kept, z;
};

struct soon look_after(global const float *x, global const float *kept, global const float *y,
                       global const float *slopes, global const float *z, struct strip now,
                       struct strip next, const struct winograd_args *a, int activation)
{
    const int tiles = (now.last - now.first) * (now.bottom - now.top) * a->tiles_x;
    const int calls = POINTS * Y_PHASES * a->groups * ((tiles + PIXELS - 1) / PIXELS);
    const int blocks = a->groups * VECTORS;
    const int top = now.top * OUT * Y_STRIDE, bottom = min(now.bottom * OUT * Y_STRIDE, a->height);
    struct soon soon = {input_ahead(x, next, calls, a),
                        rows_ahead(y, &a->y, blocks, now.first, now.last, top, bottom, calls),
                        nothing_ahead(), nothing_ahead(), nothing_ahead()};
#ifdef GRADIENT
    if (activation != ACT_NONE)
        soon.kept = rows_ahead(kept, &a->kept, blocks, now.first, now.last, top, bottom, calls);
    if (a->sums)
        soon.z = rows_ahead(z, &a->z, blocks, now.first, now.last, top, bottom, calls);
#else
    if (a->keep_slope)
        soon.slopes = rows_ahead(slopes, &a->y, blocks, now.first, now.last, top, bottom, calls);
#endif
    return soon;
}

/* m[point][phase][block][tile][lane] = sum over channels of v * u, for `tiles` tiles. Fetches
   what is needed soon. */
void multiply(global const float *v, global const float *u, global float *m, int tiles,
              struct soon *soon, const struct winograd_args *a)
{
    const int blocks = (a->channels + X_LANES - 1) / X_LANES;
    for (int point = 0; point < POINTS; point++)
        for (int group = 0; group < Y_PHASES * a->groups; group++) {
            const int row = point * Y_PHASES * a->groups + group;
            global const float *w = u + row * X_PHASES * a->channels * GROUP;
            global float *to = m + row * VECTORS * a->columns * LANES;
            for (int tile = 0; tile < tiles; tile += PIXELS) {
                fetch(&soon->input, false);
                fetch(&soon->results, true);
#ifdef GRADIENT
                fetch(&soon->kept, false);
                fetch(&soon->z, false);
#else
                fetch(&soon->slopes, true);
#endif
                vec sum[PIXELS][VECTORS];
                _Pragma("unroll") for (int p = 0; p < PIXELS; p++)
                    _Pragma("unroll") for (int i = 0; i < VECTORS; i++) sum[p][i] = (vec)(0.0f);
                for (int phase = 0; phase < X_PHASES; phase++) {
                    if (idle(Y_PHASES > 1 ? group / a->groups : phase, point / SIDE, point % SIDE))
                        continue;
                    const int plane = (point * X_PHASES + phase) * blocks;
                    global const float *wp = w + phase * a->channels * GROUP;
                    global const float *xp = v + (plane * a->columns + tile) * X_LANES;
                    for (int left = a->channels; left > 0; left -= X_LANES) {
                        _Pragma("nounroll") for (int c = 0; c < min(X_LANES, left); c++)
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
                        xp += a->columns * X_LANES;
                    }
                }
                _Pragma("unroll") for (int p = 0; p < PIXELS; p++)
                    _Pragma("unroll") for (int i = 0; i < VECTORS; i++)
                        STORE(sum[p][i], to + (i * a->columns + tile + p) * LANES);
            }
        }
}

/* y = A' m A + bias of a phase, for `rows` rows of tiles from row `top` on. */
void transform_output(global const float *m, global float *y, vec bias, int phase, int top,
                      int rows, const struct winograd_args *a)
{
    const int point = Y_PHASES * a->groups * VECTORS * a->columns * LANES;
    for (int t = 0; t < rows * a->tiles_x; t++, m += LANES) {
        const int row = (top + t / a->tiles_x) * OUT * Y_STRIDE + phase / Y_STRIDE;
        const int column = t % a->tiles_x * OUT * Y_STRIDE + phase % Y_STRIDE;
        global float *to = y + row * a->y.row + column * LANES;
        vec lines[OUT][SIDE];
        _Pragma("unroll") for (int j = 0; j < SIDE; j++)
        {
            vec points[SIDE], line[OUT];
            _Pragma("unroll") for (int i = 0; i < SIDE; i++)
                points[i] = LOAD(m + (i * SIDE + j) * point);
            output_line(points, line);
            _Pragma("unroll") for (int i = 0; i < OUT; i++) lines[i][j] = line[i];
        }
        _Pragma("unroll") for (int i = 0; i < OUT; i++)
        {
            vec line[OUT];
            output_line(lines[MIRROR(i, OUT)], line);
            _Pragma("unroll") for (int j = 0; j < OUT; j++)
                if (row + Y_STRIDE * i < a->height && column + Y_STRIDE * j < a->width)
                    STORE(line[MIRROR(j, OUT)] + bias, to + Y_STRIDE * (i * a->y.row + j * LANES));
        }
    }
}

/* Forward, or the input gradient. Global ids: item, which takes every
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
    u += (size_t)member * POINTS * X_PHASES * Y_PHASES * a.groups * a.channels * GROUP;
    parameters += member * a.member_stride;
    means += member * blocks * LANES;
    global float *v =
        scratch + (size_t)(member * get_global_size(0) + get_global_id(0)) * a.scratch;
    const int planes = X_PHASES * ((a.channels + X_LANES - 1) / X_LANES);
    global float *m = v + planes * X_LANES * a.columns * POINTS;
    for (int first = end - a.images + get_global_id(0) * a.chunk; first < end; first += step) {
        const int last = min(first + a.chunk, end);
        for (int top = 0; top < a.tiles_y; top += a.strip) {
            const int tile_rows = min(a.strip, a.tiles_y - top);
            struct soon soon = look_after(x, kept, y, slopes, z,
                                          (struct strip){first, last, top, top + tile_rows},
                                          next_strip(first, top, step, end, &a), &a, activation);
            transform_input(x, v, first, last, top, tile_rows, &a);
            multiply(v, u, m, (last - first) * tile_rows * a.tiles_x, &soon, &a);
            for (int n = first; n < last; n++)
                for (int block = 0; block < blocks; block++) {
                    const vec bias =
                        a.bias >= 0 ? LOAD(parameters + a.bias + block * LANES) : (vec)(0.0f);
                    const int plane = n * a.y.image + block * a.y.block + a.y.origin;
                    const int tile = (n - first) * tile_rows * a.tiles_x;
                    for (int phase = 0; phase < Y_PHASES; phase++)
                        transform_output(m + ((phase * blocks + block) * a.columns + tile) * LANES,
                                         y + plane, bias, phase, top, tile_rows, &a);

                    /* What is left to do with the rows, while they are in the cache. */
                    global float *part = sums + (2 * n * blocks + block) * LANES;
                    vec total = (vec)(0.0f), product = (vec)(0.0f);
                    if (a.sums && top > 0) {
                        total = LOAD(part);
                        product = LOAD(part + blocks * LANES);
                    }
                    const int bottom = min(a.height, (top + tile_rows) * OUT * Y_STRIDE);
                    for (int row = top * OUT * Y_STRIDE; row < bottom; row++) {
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
