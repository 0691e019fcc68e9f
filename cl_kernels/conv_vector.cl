/*
 * Convolution for CPU devices. A work-item holds a register tile of PIXELS neighbouring results
 * times VECTORS vectors of LANES channels; the inner loop is a broadcast and a fused
 * multiply-add. Local size is 1; no local memory, no barriers. Layouts: layout.h.
 *
 * Built once for each tile (-D):
 *   LANES        8 or 16, of the result (forward, input gradient) or of dy (weight gradient)
 *   VECTORS      vectors of a weight group
 *   X_LANES      lanes of the tensor that is broadcast, a compile-time count
 *   X_STEP       floats between its pixels for neighbouring results
 *   PIXELS       gather: results in a tile;  TILE: weight gradient: input channels in a tile
 */
#if LANES == 16
typedef float16 vec;
#define LOAD(p)      vload16(0, p)
#define STORE(v, p)  STORE_16(v, p)
#define ACTIVATE_ROW activate_row_16
#define SLOPE_ROW    slope_row_16
#else
typedef float8 vec;
#define LOAD(p)      vload8(0, p)
#define STORE(v, p)  STORE_8(v, p)
#define ACTIVATE_ROW activate_row_8
#define SLOPE_ROW    slope_row_8
#endif

/* All vectors are in the code. Told so, Intel's compiler does not spend seconds a kernel on finding
   more across work-items. */
#define VECTOR_KERNEL kernel __attribute__((vec_type_hint(vec)))

#define GROUP (VECTORS * LANES)

/* Whether there is time to fetch (prefetch.cl) at each block of channels of a tap. */
#define BLOCKWISE (FETCH_IS_CHEAP && X_LANES >= 8)

#ifdef PIXELS

/* A few cache lines of what a row leaves and of what it, or the next, reads: `input` is x, or of
   the gradient what was kept; `more` are slopes, or z. There are sums in the registers. */
#ifdef GRADIENT
#define MORE_IS_WRITTEN false
#else
#define MORE_IS_WRITTEN true
#endif
#define FETCH_ROW                                                                                  \
    if (FETCH_IS_CHEAP) {                                                                          \
        fetch(&input, false);                                                                      \
        fetch(&results, true);                                                                     \
        fetch(&more, MORE_IS_WRITTEN);                                                             \
    }

/* One input channel of one tap: tile += x[pixel] * w[vector]. */
#define MULTIPLY_ADD(xp, wp)                                                                       \
    {                                                                                              \
        vec w_[VECTORS];                                                                           \
        _Pragma("unroll") for (int v = 0; v < VECTORS; v++) w_[v] = LOAD((wp) + v * LANES);        \
        _Pragma("unroll") for (int p = 0; p < PIXELS; p++)                                         \
        {                                                                                          \
            const vec x_ = (vec)((xp)[p * X_STEP]);                                                \
            _Pragma("unroll") for (int v = 0; v < VECTORS; v++)                                    \
                sum[p][v] = fma(x_, w_[v], sum[p][v]);                                             \
        }                                                                                          \
    }

/*
 * Forward: y[oy][ox] = act(bias + sum over taps of x[oy * stride + ty][ox * stride + tx] * w).
 * in_origin is the pixel of tap (0, 0) for result (0, 0).
 *
 * Input gradient (-D GRADIENT): dx[h][w] = slope * sum of dy[(h + pad - ty) / stride][...] * wt over
 * the taps for which the division is exact. For stride 2 each of the four parities of (h, w) is a
 * phase with taps of its own. Both phases of a row are done before the next row, so that dx and
 * what was kept are gone through in the order of memory: a phase at a time takes half as long again.
 *
 * With `sums`, for batch normalisation (norm.cl), each work-item also adds up its results and
 * their products: forward y and y * y, gradient dx and dx * (z - mean).
 */
VECTOR_KERNEL void conv_gather(global const float *restrict x, global const float *restrict weights,
                        global const float *restrict parameters, global const float *restrict kept,
                        global float *restrict y, global float *restrict slopes,
                        global const float *restrict z, global const float *restrict means,
                        global float *restrict sums, const struct gather_args a)
{
    const int group = get_global_id(0), groups = get_global_size(0);
    const int n = get_global_id(1), member = n / a.images;
    const int activation = a.activations[member];
#ifdef GRADIENT
    const int phases = a.stride, direction = -1;
#else
    const int phases = 1, direction = 1;
#endif
    const int tap_floats = a.channels * GROUP, x_blocks = (a.channels + X_LANES - 1) / X_LANES;
    x += n * a.in_image + a.in_origin;
    weights += a.weights + member * a.member_stride +
               group * a.kernel_rows * a.kernel_columns * tap_floats;
    const int plane = group * VECTORS, all_blocks = groups * VECTORS;
    y += n * a.out_image + plane * a.out_block + a.out_origin;
    kept += n * a.kept_image + plane * a.kept_block + a.kept_origin;
    slopes += n * a.out_image + plane * a.out_block + a.out_origin;
    z += n * a.z_image + plane * a.z_block + a.z_origin;
    parameters += member * a.member_stride;
    means += (member * all_blocks + plane) * LANES;
    vec totals[VECTORS], products[VECTORS];
    for (int v = 0; v < VECTORS; v++)
        totals[v] = products[v] = (vec)(0.0f);

    for (int row = 0; row < a.height; row++) {
        /* The multiply-adds of a row hide the way to memory and back, if it is gone a few lines at
           a time: all at once, they wait for it. */
#ifdef GRADIENT
        const int row_taps = (a.kernel_rows - (row + a.pad) % phases + phases - 1) / phases;
#else
        const int row_taps = a.kernel_rows;
#endif
        const int tiles = ((a.width + phases - 1) / phases + PIXELS - 1) / PIXELS;
        const int calls = tiles * (phases + BLOCKWISE * row_taps * a.kernel_columns * x_blocks);
        const int floats = a.width * LANES;
        struct ahead input = nothing_ahead(), results = nothing_ahead(), more = nothing_ahead();
        if (BLOCKWISE)
            results = look_ahead(y + row * a.out_row, floats, VECTORS, a.out_block, 1, 0, calls);
#ifdef GRADIENT
        if (activation != ACT_NONE)
            input = look_ahead(kept + row * a.kept_row, floats, VECTORS, a.kept_block, 1, 0, calls);
        if (a.sums)
            more = look_ahead(z + row * a.z_row, floats, VECTORS, a.z_block, 1, 0, calls);
#else
        if (BLOCKWISE && a.keep_slope)
            more = look_ahead(slopes + row * a.out_row, floats, VECTORS, a.out_block, 1, 0, calls);
        const int next = ((row + 1) * a.stride + a.kernel_rows - a.stride) * a.in_row;
        if (group == 0 && row + 1 < a.height)
            input = look_ahead(x + next, a.stride * a.in_row, x_blocks, a.in_block, 1, 0, calls);
        else if (group == 0 && n + 1 < get_global_size(1))
            input = look_ahead(x + a.in_image, a.kernel_rows * a.in_row, x_blocks, a.in_block, 1, 0,
                               calls);
#endif
        for (int phase = 0; phase < phases; phase++) {
#ifdef GRADIENT
            const int first_y = (row + a.pad) % phases, first_x = (phase + a.pad) % phases;
            const int taps_y = (a.kernel_rows - first_y + phases - 1) / phases;
            const int taps_x = (a.kernel_columns - first_x + phases - 1) / phases;
            const int columns = (a.width - phase + phases - 1) / phases;
            global const float *row_start = x + (row + a.pad - first_y) / phases * a.in_row +
                                            (phase + a.pad - first_x) / phases * X_LANES;
#else
            const int first_y = 0, first_x = 0;
            const int taps_y = a.kernel_rows, taps_x = a.kernel_columns;
            const int columns = a.width;
            global const float *row_start = x + row * a.stride * a.in_row;
#endif
            for (int column = 0; column < columns; column += PIXELS) {
                vec sum[PIXELS][VECTORS];
                FETCH_ROW
#ifdef GRADIENT
                _Pragma("unroll") for (int p = 0; p < PIXELS; p++)
                    _Pragma("unroll") for (int v = 0; v < VECTORS; v++) sum[p][v] = (vec)(0.0f);
#else
                _Pragma("unroll") for (int v = 0; v < VECTORS; v++)
                {
                    const vec bias = a.bias >= 0
                                         ? LOAD(parameters + a.bias + group * GROUP + v * LANES)
                                         : (vec)(0.0f);
                    _Pragma("unroll") for (int p = 0; p < PIXELS; p++) sum[p][v] = bias;
                }
#endif
                global const float *corner = row_start + column * X_STEP;
                for (int ty = 0; ty < taps_y; ty++) {
                    for (int tx = 0; tx < taps_x; tx++) {
                        global const float *xp =
                            corner + direction * (ty * a.in_row + tx * X_LANES);
                        global const float *wp =
                            weights + ((first_y + ty * phases) * a.kernel_columns + first_x +
                                       tx * phases) * tap_floats;
                        for (int first = 0; first < a.channels; first += X_LANES) {
                            const int lanes = min(X_LANES, a.channels - first);
                            if (BLOCKWISE)
                                FETCH_ROW
                            /* Not unrolled: no faster in pairs, and two or three times longer to
                               compile. */
                            _Pragma("nounroll") for (int c = 0; c < lanes; c++)
                            {
                                MULTIPLY_ADD(xp + c, wp)
                                wp += GROUP;
                            }
                            xp += a.in_block;
                        }
                    }
                }

                const int valid = min(PIXELS, columns - column);
                global float *to = y + row * a.out_row + (column * phases + phase) * LANES;
                _Pragma("unroll") for (int p = 0; p < PIXELS; p++)
                    if (p < valid)
                        _Pragma("unroll") for (int v = 0; v < VECTORS; v++)
                            STORE(sum[p][v], to + v * a.out_block + p * phases * LANES);
            }
        }

        /* What is left to do with the row, while it is in the first-level cache. */
        _Pragma("nounroll") for (int v = 0; v < VECTORS; v++)
        {
            global float *results = y + v * a.out_block + row * a.out_row;
#ifdef GRADIENT
            SLOPE_ROW(results, kept + v * a.kept_block + row * a.kept_row, a.width, activation);
            if (a.sums) {
                const vec mean = LOAD(means + v * LANES);
                global const float *below = z + v * a.z_block + row * a.z_row;
                for (int i = 0; i < a.width * LANES; i += LANES) {
                    const vec result = LOAD(results + i);
                    totals[v] += result;
                    products[v] = fma(result, LOAD(below + i) - mean, products[v]);
                }
            }
#else
            if (a.sums)
                for (int i = 0; i < a.width * LANES; i += LANES) {
                    const vec result = LOAD(results + i);
                    totals[v] += result;
                    products[v] = fma(result, result, products[v]);
                }
            ACTIVATE_ROW(results, slopes + v * a.out_block + row * a.out_row, a.width, activation,
                         a.keep_slope);
#endif
        }
    }
    if (a.sums) {
        const int all_channels = all_blocks * LANES;
        for (int v = 0; v < VECTORS; v++) {
            STORE(totals[v], sums + 2 * n * all_channels + (plane + v) * LANES);
            STORE(products[v], sums + (2 * n + 1) * all_channels + (plane + v) * LANES);
        }
    }
}

#endif

#ifdef TILE

/*
 * dw[tap][channel][lane] = sum over images and pixels of x[pixel * stride + tap][channel] *
 * dy[pixel][lane]. Global ids: run of `groups_per_item` groups, split of the batch, member. Images
 * are the outermost loop, so that an image's planes are read from memory once and stay in the cache for
 * all groups, channels and taps; the sums wait in dw meanwhile.
 */
VECTOR_KERNEL void conv_weight_gradient(global const float *restrict x, global const float *restrict dy,
                                 global float *restrict gradients,
                                 const struct weight_gradient_args a)
{
    const int first_group = get_global_id(0) * a.groups_per_item;
    const int last_group = min(first_group + a.groups_per_item, a.groups);
    const int split = get_global_id(1), member = get_global_id(2);
    const int tap_floats = a.channels * GROUP;
    const int group_floats = a.kernel_rows * a.kernel_columns * tap_floats;
    const int first = split * a.images_per_split;
    const int last = min(first + a.images_per_split, a.images);
    const int tiles = (a.channels + TILE - 1) / TILE;
    const int taps = a.kernel_rows * a.kernel_columns;
    gradients += split * a.split_stride + member * a.member_stride;
    x += member * a.images * a.x_image + a.x_origin;
    dy += member * a.images * a.dy_image + a.dy_origin;

    for (int n = first; n < last || n == first; n++) {
        const int rows = n < last ? a.height : 0; /* an empty split writes zeros */
        /* The next image comes from memory while this one is gone through again and again. */
        const int calls = (last_group - first_group) * tiles * taps * (BLOCKWISE ? a.height : 1);
        struct ahead next_x = nothing_ahead(), next_dy = nothing_ahead();
        if (n + 1 < last) {
            next_x = look_ahead(x + (n + 1) * a.x_image - a.x_origin, a.x_image, 1, 0, 1, 0, calls);
            next_dy =
                look_ahead(dy + (n + 1) * a.dy_image - a.dy_origin, a.dy_image, 1, 0, 1, 0, calls);
        }
        for (int group = first_group; group < last_group; group++) {
            global const float *dy_planes = dy + n * a.dy_image + group * VECTORS * a.dy_block;
            for (int channel = 0; channel < a.channels; channel += TILE) {
                global const float *x_plane =
                    x + n * a.x_image + channel / X_LANES * a.x_block + channel % X_LANES;
                global float *dw = gradients + a.dw + group * group_floats + channel * GROUP;
                const int valid = min(TILE, a.channels - channel);
                for (int ty = 0; ty < a.kernel_rows; ty++) {
                    for (int tx = 0; tx < a.kernel_columns; tx++) {
                        global float *to = dw + (ty * a.kernel_columns + tx) * tap_floats;
                        vec sum[TILE][VECTORS];
                        _Pragma("unroll") for (int c = 0; c < TILE; c++)
                            _Pragma("unroll") for (int v = 0; v < VECTORS; v++)
                                sum[c][v] = n > first && c < valid
                                                ? LOAD(to + c * GROUP + v * LANES)
                                                : (vec)(0.0f);
                        for (int row = 0; row < rows; row++) {
                            if (BLOCKWISE || (FETCH_IS_CHEAP && row == 0)) {
                                fetch(&next_x, false);
                                fetch(&next_dy, false);
                            }
                            global const float *xp =
                                x_plane + (row * a.stride + ty) * a.x_row + tx * X_LANES;
                            global const float *dp = dy_planes + row * a.dy_row;
                            for (int column = 0; column < a.width; column++) {
                                vec d[VECTORS];
                                _Pragma("unroll") for (int v = 0; v < VECTORS; v++)
                                    d[v] = LOAD(dp + v * a.dy_block);
                                _Pragma("unroll") for (int c = 0; c < TILE; c++)
                                {
                                    const vec b = (vec)(xp[c]);
                                    _Pragma("unroll") for (int v = 0; v < VECTORS; v++)
                                        sum[c][v] = fma(b, d[v], sum[c][v]);
                                }
                                xp += X_STEP;
                                dp += LANES;
                            }
                        }
                        _Pragma("unroll") for (int c = 0; c < TILE; c++)
                            if (c < valid)
                                _Pragma("unroll") for (int v = 0; v < VECTORS; v++)
                                    STORE(sum[c][v], to + c * GROUP + v * LANES);
                    }
                }
            }
            if (a.db < 0)
                continue;
            for (int v = 0; v < VECTORS; v++) {
                global float *db = gradients + a.db + group * GROUP + v * LANES;
                vec bias = n > first ? LOAD(db) : (vec)(0.0f);
                for (int row = 0; row < rows; row++) {
                    global const float *dp = dy_planes + v * a.dy_block + row * a.dy_row;
                    for (int column = 0; column < a.width; column++)
                        bias += LOAD(dp + column * LANES);
                }
                STORE(bias, db);
            }
        }
    }
}

#endif
