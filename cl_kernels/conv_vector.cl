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

#define GROUP (VECTORS * LANES)

#ifdef PIXELS

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
 * phase with taps of its own, and global id 0 counts group * 4 + phase.
 *
 * With `sums`, for batch normalisation (norm.cl), each work-item also adds up its results and
 * their products: forward y and y * y, gradient dx and dx * (z - mean).
 */
kernel void conv_gather(global const float *restrict x, global const float *restrict weights,
                        global const float *restrict parameters, global const float *restrict kept,
                        global float *restrict y, global float *restrict slopes,
                        global const float *restrict z, global const float *restrict means,
                        global float *restrict sums, const struct gather_args a)
{
    const int n = get_global_id(1), member = n / a.images;
    const int activation = a.activations[member];
#ifdef GRADIENT
    const int phases = a.stride * a.stride;
    const int group = get_global_id(0) / phases, groups = get_global_size(0) / phases;
    const int phase_y = get_global_id(0) % phases / a.stride;
    const int phase_x = get_global_id(0) % phases % a.stride;
    const int out_step = a.stride, in_step = 1, direction = -1;
    const int first_y = (phase_y + a.pad) % a.stride, first_x = (phase_x + a.pad) % a.stride;
    const int tap_step = a.stride;
    const int taps_y = (a.kernel_rows - first_y + a.stride - 1) / a.stride;
    const int taps_x = (a.kernel_columns - first_x + a.stride - 1) / a.stride;
    const int rows = (a.height - phase_y + a.stride - 1) / a.stride;
    const int columns = (a.width - phase_x + a.stride - 1) / a.stride;
    x += a.in_origin + (phase_y + a.pad - first_y) / a.stride * a.in_row +
         (phase_x + a.pad - first_x) / a.stride * X_LANES;
#else
    const int phases = 1, group = get_global_id(0), groups = get_global_size(0);
    const int phase_y = 0, phase_x = 0, first_y = 0, first_x = 0;
    const int out_step = 1, in_step = a.stride, direction = 1, tap_step = 1;
    const int taps_y = a.kernel_rows, taps_x = a.kernel_columns;
    const int rows = a.height, columns = a.width;
    x += a.in_origin;
#endif
    const int tap_floats = a.channels * GROUP;
    x += n * a.in_image;
    weights += a.weights + member * a.member_stride + group * a.kernel_rows * a.kernel_columns * tap_floats;
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

    for (int row = 0; row < rows; row++) {
        for (int column = 0; column < columns; column += PIXELS) {
            vec sum[PIXELS][VECTORS];
#ifdef GRADIENT
            _Pragma("unroll") for (int p = 0; p < PIXELS; p++)
                _Pragma("unroll") for (int v = 0; v < VECTORS; v++) sum[p][v] = (vec)(0.0f);
#else
            _Pragma("unroll") for (int v = 0; v < VECTORS; v++)
            {
                const vec bias =
                    a.bias >= 0 ? LOAD(parameters + a.bias + group * GROUP + v * LANES) : (vec)(0.0f);
                _Pragma("unroll") for (int p = 0; p < PIXELS; p++) sum[p][v] = bias;
            }
#endif
            global const float *corner = x + row * in_step * a.in_row + column * X_STEP;
            for (int ty = 0; ty < taps_y; ty++) {
                for (int tx = 0; tx < taps_x; tx++) {
                    global const float *xp = corner + direction * (ty * a.in_row + tx * X_LANES);
                    global const float *wp =
                        weights + ((first_y + ty * tap_step) * a.kernel_columns + first_x +
                                   tx * tap_step) * tap_floats;
                    for (int first = 0; first < a.channels; first += X_LANES) {
                        const int lanes = min(X_LANES, a.channels - first);
                        /* Not unrolled: no faster in pairs, and two or three times longer to compile. */
                        _Pragma("nounroll") for (int c = 0; c < lanes; c++)
                        {
                            MULTIPLY_ADD(xp + c, wp)
                            wp += GROUP;
                        }
                        xp += a.in_block;
                    }
                }
            }

            /* Copied to an array of its own, which may be indexed by a loop: unrolled over the whole
               tile, five activations make the code several times longer to compile. */
            vec finished[PIXELS * VECTORS];
            _Pragma("unroll") for (int p = 0; p < PIXELS; p++)
                _Pragma("unroll") for (int v = 0; v < VECTORS; v++)
                    finished[p * VECTORS + v] = sum[p][v];
            const int valid = min(PIXELS, columns - column);
            const int out_row = row * out_step + phase_y;
            const int out_column = column * out_step + phase_x;
            _Pragma("nounroll") for (int p = 0; p < valid; p++)
            {
                const int pixel = (out_column + p * out_step) * LANES;
                _Pragma("nounroll") for (int v = 0; v < VECTORS; v++)
                {
                    vec result = finished[p * VECTORS + v];
#ifdef GRADIENT
                    if (activation != ACT_NONE)
                        result *= KEPT_SLOPE(
                            LOAD(kept + v * a.kept_block + out_row * a.kept_row + pixel),
                            activation);
                    if (a.sums) {
                        const vec below =
                            LOAD(z + v * a.z_block + out_row * a.z_row + pixel) -
                            LOAD(means + v * LANES);
                        totals[v] += result;
                        products[v] = fma(result, below, products[v]);
                    }
#else
                    if (a.sums) {
                        totals[v] += result;
                        products[v] = fma(result, result, products[v]);
                    }
                    vec slope;
                    result = ACTIVATE(result, activation, &slope);
                    if (a.keep_slope)
                        STORE(keeps_slope(activation) ? slope : result, slopes + v * a.out_block + out_row * a.out_row + pixel);
#endif
                    STORE(result, y + v * a.out_block + out_row * a.out_row + pixel);
                }
            }
        }
    }
    if (a.sums) {
        const int part = n * phases + phase_y * a.stride + phase_x;
        const int all_channels = all_blocks * LANES;
        for (int v = 0; v < VECTORS; v++) {
            STORE(totals[v], sums + 2 * part * all_channels + (plane + v) * LANES);
            STORE(products[v], sums + (2 * part + 1) * all_channels + (plane + v) * LANES);
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
kernel void conv_weight_gradient(global const float *restrict x, global const float *restrict dy,
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
    gradients += split * a.split_stride + member * a.member_stride;
    x += member * a.images * a.x_image + a.x_origin;
    dy += member * a.images * a.dy_image + a.dy_origin;

    for (int n = first; n < last || n == first; n++) {
        const int rows = n < last ? a.height : 0; /* an empty split writes zeros */
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
