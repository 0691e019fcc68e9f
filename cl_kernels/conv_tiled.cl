/*
 * Convolution for GPUs: an implicit matrix product. A work-group makes a tile of BM x BN results;
 * slices of BK of both operands pass through local memory, and a work-item keeps TM x TN sums.
 * Nothing is assumed of the vendor or of sub-groups. Layouts: layout.h.
 *
 * The reduced dimension (tap and channel) is described by a table made on the host: for each place
 * the offset from a pixel's base, and the row of packed weights it meets. So kernel sides, strides,
 * phases and channel counts need no arithmetic here and no build of their own.
 *
 * Built once for each tile (-D): BM, BN, BK, TM, TN. BN is the width of a weight group.
 */
#define ITEMS_N  (BN / TN)
#define ITEMS    (BM / TM * ITEMS_N)
#define A_STRIDE (BM + 1) /* an odd stride spreads a column over the banks */

#ifdef FP_FAST_FMAF
#define MULTIPLY_ADD(a, b, c) fma(a, b, c)
#else
#define MULTIPLY_ADD(a, b, c) mad(a, b, c)
#endif

/* Offset of a channel within a pixel's blocks. */
int channel_place(const struct tiled_tensor t, int channel)
{
    return channel / t.lanes * t.block + channel % t.lanes;
}

/* sums += a slice of a times a slice of b; both in local memory. */
void multiply_slices(local const float *a, local const float *b, int item_m, int item_n,
                     float sums[TM][TN])
{
    for (int k = 0; k < BK; k++) {
        float left[TM], right[TN];
        _Pragma("unroll") for (int i = 0; i < TM; i++)
            left[i] = a[k * A_STRIDE + item_m + i * (BM / TM)];
        _Pragma("unroll") for (int j = 0; j < TN; j++)
            right[j] = b[k * BN + item_n + j * ITEMS_N];
        _Pragma("unroll") for (int i = 0; i < TM; i++)
            _Pragma("unroll") for (int j = 0; j < TN; j++)
                sums[i][j] = MULTIPLY_ADD(left[i], right[j], sums[i][j]);
    }
}

/*
 * Forward: y = act(sum + bias). Input gradient (-D GRADIENT): dx = sum * slope of the layer below.
 * Groups: tile of pixels, weight group, member * phases + phase. Pixels are counted over all images
 * of a member, row by row.
 */
kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void
tiled_gather(global const float *x, global const float *weights, global const float *parameters,
             global const float *kept, global float *y, global float *slopes,
             global const int2 *table, const struct tiled_gather_args a)
{
    local float left[BK * A_STRIDE], right[BK * BN];
    local int from_base[BM], to_base[BM];
#ifdef GRADIENT
    local int kept_base[BM];
#endif
    const int item = get_local_id(0);
    const int item_m = item / ITEMS_N, item_n = item % ITEMS_N;
    const int group = get_group_id(1);
    const int member = get_group_id(2) / a.phase_count;
    const int activation = a.activations[member];
    const struct tiled_phase phase = a.phases[get_group_id(2) % a.phase_count];
    const int pixels = a.images * phase.rows * phase.columns;
    const int first_pixel = get_group_id(0) * BM;
    if (first_pixel >= pixels)
        return; /* the whole group: phases differ in size */

    for (int i = item; i < BM; i += ITEMS) {
        const int pixel = min(first_pixel + i, pixels - 1);
        const int column = pixel % phase.columns;
        const int row = pixel / phase.columns % phase.rows;
        const int n = member * a.images + pixel / phase.columns / phase.rows;
        const int to_row = phase.first_row + row * a.to_step;
        const int to_column = phase.first_column + column * a.to_step;
        from_base[i] = n * a.from.image + a.from.origin + row * a.from_step * a.from.row +
                       column * a.from_step * a.from.lanes;
        to_base[i] =
            n * a.to.image + a.to.origin + to_row * a.to.row + to_column * a.to.lanes;
#ifdef GRADIENT
        kept_base[i] =
            n * a.kept.image + a.kept.origin + to_row * a.kept.row + to_column * a.kept.lanes;
#endif
    }
    weights += a.weights + member * a.member_stride + group * a.group_rows * BN;
    parameters += member * a.member_stride;
    table += phase.table;
    float sums[TM][TN];
    _Pragma("unroll") for (int i = 0; i < TM; i++)
        _Pragma("unroll") for (int j = 0; j < TN; j++)
            sums[i][j] = 0.0f;
    barrier(CLK_LOCAL_MEM_FENCE);

    for (int k0 = 0; k0 < phase.reduced; k0 += BK) {
        for (int i = item; i < BM * BK; i += ITEMS) {
            const int k = i % BK, m = i / BK;
            left[k * A_STRIDE + m] =
                k0 + k < phase.reduced ? x[from_base[m] + table[k0 + k].x] : 0.0f;
        }
        for (int i = item; i < BK * BN; i += ITEMS) {
            const int k = i / BN, lane = i % BN;
            right[i] = k0 + k < phase.reduced ? weights[table[k0 + k].y * BN + lane] : 0.0f;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        multiply_slices(left, right, item_m, item_n, sums);
        barrier(CLK_LOCAL_MEM_FENCE);
    }

    /* Copied to an array that a loop may index: unrolled over the tile, five activations make the
       code several times longer to compile. */
    float finished[TM * TN];
    _Pragma("unroll") for (int i = 0; i < TM; i++)
        _Pragma("unroll") for (int j = 0; j < TN; j++)
            finished[i * TN + j] = sums[i][j];
    const int padded_channels = (a.to.channels + a.to.lanes - 1) / a.to.lanes * a.to.lanes;
    _Pragma("nounroll") for (int k = 0; k < TM * TN; k++) {
        const int m = item_m + k / TN * (BM / TM);
        const int channel = group * BN + item_n + k % TN * ITEMS_N;
        if (channel >= padded_channels || first_pixel + m >= pixels)
            continue;
        float value = 0.0f, slope = 0.0f;
        if (channel < a.to.channels) {
            value = finished[k];
#ifdef GRADIENT
            if (activation != ACT_NONE)
                value *= kept_slope_1(kept[kept_base[m] + channel_place(a.kept, channel)],
                                      activation);
#else
            if (a.bias >= 0)
                value += parameters[a.bias + channel];
            value = activate_1(value, activation, &slope);
#endif
        }
        const int place = to_base[m] + channel_place(a.to, channel);
        y[place] = value;
        if (a.keep_slope)
            slopes[place] = keeps_slope(activation) ? slope : value;
    }
}

/*
 * dw[tap and input channel][output channel] = sum over pixels of x * dy, and db = sum of dy.
 * Groups: tile of rows of dw, weight group, member * splits + split of its images. Each split
 * overwrites its own copy; the order of every sum is fixed.
 */
kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void
tiled_weight_gradient(global const float *x, global const float *dy, global float *gradients,
                      global const int2 *table, const struct tiled_weight_args a)
{
    local float left[BK * A_STRIDE], right[BK * BN];
    local int x_base[BK], dy_base[BK];
    local int x_place[BM], dy_place[BN];
    const int item = get_local_id(0);
    const int item_m = item / ITEMS_N, item_n = item % ITEMS_N;
    const int first_row = get_group_id(0) * BM;
    const int group = get_group_id(1);
    const int member = get_group_id(2) / a.splits, split = get_group_id(2) % a.splits;
    const int first_image = min(a.images, split * a.images_per_split);
    const int images = min(a.images - first_image, a.images_per_split);
    const int pixels = images * a.height * a.width;

    for (int i = item; i < BM; i += ITEMS)
        x_place[i] = first_row + i < a.reduced ? table[first_row + i].x : -1;
    for (int i = item; i < BN; i += ITEMS) {
        const int channel = group * BN + i;
        dy_place[i] = channel < a.dy.channels ? channel_place(a.dy, channel) : -1;
    }
    x += (size_t)(member * a.images + first_image) * a.x.image + a.x.origin;
    dy += (size_t)(member * a.images + first_image) * a.dy.image + a.dy.origin;
    gradients += (size_t)member * a.member_stride + (size_t)split * a.split_stride;
    float sums[TM][TN];
    _Pragma("unroll") for (int i = 0; i < TM; i++)
        _Pragma("unroll") for (int j = 0; j < TN; j++)
            sums[i][j] = 0.0f;
    /* The first BN items (or fewer, several channels each) of the first tile sum the bias. */
    float bias[(BN + ITEMS - 1) / ITEMS];
    for (int i = 0; i < (BN + ITEMS - 1) / ITEMS; i++)
        bias[i] = 0.0f;

    for (int p0 = 0; p0 < pixels; p0 += BK) {
        for (int i = item; i < BK; i += ITEMS) {
            const int pixel = p0 + i;
            const int column = pixel % a.width;
            const int row = pixel / a.width % a.height;
            const int n = pixel / a.width / a.height;
            x_base[i] =
                n * a.x.image + row * a.stride * a.x.row + column * a.stride * a.x.lanes;
            dy_base[i] = n * a.dy.image + row * a.dy.row + column * a.dy.lanes;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int i = item; i < BM * BK; i += ITEMS) {
            const int k = i / BM, m = i % BM;
            left[k * A_STRIDE + m] =
                p0 + k < pixels && x_place[m] >= 0 ? x[x_base[k] + x_place[m]] : 0.0f;
        }
        for (int i = item; i < BK * BN; i += ITEMS) {
            const int k = i / BN, lane = i % BN;
            right[i] =
                p0 + k < pixels && dy_place[lane] >= 0 ? dy[dy_base[k] + dy_place[lane]] : 0.0f;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        multiply_slices(left, right, item_m, item_n, sums);
        if (first_row == 0 && a.db >= 0)
            for (int i = 0; i * ITEMS + item < BN; i++)
                for (int k = 0; k < BK; k++)
                    bias[i] += right[k * BN + i * ITEMS + item];
        /* The next bases may be written now; the next slices wait behind the barrier above. */
    }

    _Pragma("unroll") for (int i = 0; i < TM; i++) {
        const int row = first_row + item_m + i * (BM / TM);
        if (row >= a.reduced)
            continue;
        _Pragma("unroll") for (int j = 0; j < TN; j++)
            gradients[a.dw + (group * a.reduced + row) * BN + item_n + j * ITEMS_N] = sums[i][j];
    }
    if (first_row == 0 && a.db >= 0)
        for (int i = 0; i * ITEMS + item < BN; i++)
            gradients[a.db + group * BN + i * ITEMS + item] = bias[i];
}

/* The copies of a split batch, added in order: [weights | bias] each, `a.split_stride` apart, those
   of a member one after another. Global ids: float, member. */
kernel void tiled_add_splits(global const float *partial, global float *gradients,
                             const struct tiled_sum_args a)
{
    const int i = get_global_id(0), member = get_global_id(1);
    float sum = 0.0f;
    partial += (size_t)member * a.splits * a.split_stride;
    gradients += member * a.member_stride;
    for (int split = 0; split < a.splits; split++)
        sum += partial[(size_t)split * a.split_stride + i];
    gradients[i < a.weights ? a.dw + i : a.db + i - a.weights] = sum;
}
