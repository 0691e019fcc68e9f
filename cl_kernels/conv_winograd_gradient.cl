/*
 * The weight gradient by Winograd's formula: conv_winograd.cl, whose head says what is to be said.
 * -D TILE: input channels in a register tile.
 */
#ifdef TILE

/* z[point][block][tile][lane] = A dy A' of the tiles as in transform_input(); what lies past the
   image counts as zero. */
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
                    vec lines[SIDE][OUT];
                    _Pragma("unroll") for (int column = 0; column < OUT; column++)
                    {
                        vec d[OUT], o[SIDE];
                        _Pragma("unroll") for (int row = 0; row < OUT; row++)
                        {
                            d[row] = (vec)(0.0f);
                            if (row < down && column < across)
                                d[row] = LOAD(from + row * a->y.row + column * LANES);
                        }
                        gradient_line(d, o);
                        _Pragma("unroll") for (int i = 0; i < SIDE; i++) lines[i][column] = o[i];
                    }
                    _Pragma("unroll") for (int i = 0; i < SIDE; i++)
                    {
                        vec o[SIDE];
                        gradient_line(lines[i], o);
                        _Pragma("unroll") for (int j = 0; j < SIDE; j++)
                            STORE(o[j], to + (i * SIDE + j) * point);
                    }
                }
}

/* du[point][group][phase][channel][lane] = (+= if `more`) sum over tiles of v * z; idle ones are
   left as they are. A strip is summed for itself: one long sum rounds worse. Fetches what the next
   strip needs of x and dy. */
void add_products(global const float *v, global const float *z, global float *du, int tiles,
                  int more, struct strip next, global const float *x, global const float *dy,
                  const struct winograd_args *a)
{
    const int calls = POINTS * a->groups * X_PHASES * ((a->channels + TILE - 1) / TILE);
    struct ahead input = input_ahead(x, next, calls, a);
    struct ahead gradient =
        rows_ahead(dy, &a->y, a->groups * VECTORS, next.first, next.last, OUT * next.top,
                   min(OUT * next.bottom, a->height), calls);
    const int x_blocks = (a->channels + X_LANES - 1) / X_LANES;
    for (int row = 0; row < POINTS * a->groups * X_PHASES; row++) {
        const int phase = row % X_PHASES, point = row / X_PHASES / a->groups;
        if (idle(phase, point / SIDE, point % SIDE))
            continue;
        for (int channel = 0; channel < a->channels; channel += TILE) {
            const int valid = min(TILE, a->channels - channel);
            global float *to = du + (row * a->channels + channel) * GROUP;
            const int plane = (point * X_PHASES + phase) * x_blocks + channel / X_LANES;
            global const float *xp = v + plane * a->columns * X_LANES + channel % X_LANES;
            global const float *zp = z + row / X_PHASES * VECTORS * a->columns * LANES;
            fetch(&input, false);
            fetch(&gradient, false);
            vec sum[TILE][VECTORS];
            _Pragma("unroll") for (int c = 0; c < TILE; c++)
                _Pragma("unroll") for (int i = 0; i < VECTORS; i++)
                    sum[c][i] = (vec)(0.0f);
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
                    {
                        if (more)
                            sum[c][i] += LOAD(to + c * GROUP + i * LANES);
                        STORE(sum[c][i], to + c * GROUP + i * LANES);
                    }
        }
    }
}

/*
 * partial[member][item]: du[point][group][phase][channel][lane] = sum over the item's tiles of
 * v * z, then the bias gradient [groups * GROUP]. Global id: item, which takes every
 * get_global_size-th chunk.
 */
VECTOR_KERNEL void winograd_weight_gradient(global const float *restrict x,
                                     global const float *restrict dy,
                                     global float *restrict partial,
                                     global float *restrict scratch, const struct winograd_args a)
{
    const int planes = X_PHASES * ((a.channels + X_LANES - 1) / X_LANES);
    const int member = get_global_id(1), end = (member + 1) * a.images;
    const size_t place = member * get_global_size(0) + get_global_id(0);
    global float *v = scratch + place * a.scratch;
    global float *z = v + planes * X_LANES * a.columns * POINTS;
    global float *du = partial + place * a.partial;
    global float *db = du + POINTS * a.groups * X_PHASES * a.channels * GROUP;
    const int start = end - a.images + get_global_id(0) * a.chunk;
    const int step = get_global_size(0) * a.chunk;
    for (int first = start; first < end || first == start; first += step) {
        const int last = max(first, min(first + a.chunk, end)); /* none: writes zeros */
        for (int top = 0; top < a.tiles_y; top += a.strip) {
            const int tile_rows = min(a.strip, a.tiles_y - top);
            transform_input(x, v, first, last, top, tile_rows, &a);
            transform_gradient(dy, z, first, last, top, tile_rows, &a);
            add_products(v, z, du, (last - first) * tile_rows * a.tiles_x, first > start || top > 0,
                         next_strip(first, top, step, end, &a), x, dy, &a);
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
   ids: channel of a phase, group, member. */
VECTOR_KERNEL void winograd_weight_sum(global const float *restrict partial,
                                global float *restrict gradients, const struct winograd_sum_args a)
{
    const int group = get_global_id(1), member = get_global_id(2);
    const int phase = get_global_id(0) / a.channels, channel = get_global_id(0) % a.channels;
    const int row = group * X_PHASES * a.channels + get_global_id(0);
    const int point = a.groups * X_PHASES * a.channels * GROUP;
    partial += (size_t)member * a.items * a.partial;
    gradients += member * a.member_stride;
    global const float *du = partial + row * GROUP;
    global float *dw = gradients + a.dw + (group * TAPS * a.channels + channel) * GROUP;
    for (int v = 0; v < VECTORS; v++) {
        vec lines[LINE][SIDE];
        for (int j = 0; j < SIDE; j++) {
            vec column[SIDE], line[LINE];
            for (int i = 0; i < SIDE; i++) {
                column[i] = (vec)(0.0f);
                for (int item = 0; item < a.items && !idle(phase, i, j); item++)
                    column[i] +=
                        LOAD(du + (size_t)item * a.partial + (i * SIDE + j) * point + v * LANES);
            }
            weight_gradient_line(column, line);
            for (int y = 0; y < LINE; y++)
                lines[y][j] = line[y];
        }
        for (int y = 0; y < LINE; y++) {
            vec line[LINE];
            weight_gradient_line(lines[y], line);
            for (int x = 0; x < LINE; x++) {
                const int tap_y = STRIDE * y + phase / STRIDE, tap_x = STRIDE * x + phase % STRIDE;
                if (tap_y < KERNEL && tap_x < KERNEL)
                    STORE(line[x],
                          dw + (tap_y * KERNEL + tap_x) * a.channels * GROUP + v * LANES);
            }
        }
        if (get_global_id(0) == 0 && a.db >= 0) {
            global const float *db = partial + POINTS * point + group * GROUP + v * LANES;
            vec bias = LOAD(db);
            for (int item = 1; item < a.items; item++)
                bias += LOAD(db + (size_t)item * a.partial);
            STORE(bias, gradients + a.db + group * GROUP + v * LANES);
        }
    }
}

#endif
