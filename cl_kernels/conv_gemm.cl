/*
 * Copies between the blocked layout (layout.h) and plain row-major matrices, around the matrix
 * products of conv_gemm.c. A matrix row is a pixel of y: (image * height + row) * width + column,
 * the image counted from the chunk's first. Shapes are arguments; nothing is built per shape.
 */

/* Where pixel (row, column) of image n starts. */
size_t pixel(const struct gemm_tensor t, int n, int row, int column)
{
    return (size_t)n * t.image + t.origin + row * t.row + column * t.lanes;
}

/* matrix[pixel][tap][channel] of x; global ids: channel, tap, pixel. x.origin is tap (0, 0). */
kernel void gemm_im2col(global const float *x, global float *matrix, const struct gemm_args a)
{
    const int channel = get_global_id(0), tap = get_global_id(1), m = get_global_id(2);
    const int column = m % a.width, row = m / a.width % a.height, n = m / a.width / a.height;
    const size_t from = pixel(a.x, a.first_image + n, row * a.stride + tap / a.kernel_side,
                              column * a.stride + tap % a.kernel_side);
    const int taps = a.kernel_side * a.kernel_side;
    matrix[a.matrix + ((size_t)m * taps + tap) * a.x.channels + channel] =
        x[from + channel / a.x.lanes * a.x.block + channel % a.x.lanes];
}

/* y = act(matrix + bias); global ids: channel (filled up to whole blocks), pixel. */
kernel void gemm_scatter(global const float *matrix, global const float *parameters,
                         global float *y, global float *slopes, const struct gemm_args a)
{
    const int channel = get_global_id(0), m = get_global_id(1);
    const int column = m % a.width, row = m / a.width % a.height, n = m / a.width / a.height;
    const size_t to = pixel(a.y, a.first_image + n, row, column) +
                      channel / a.y.lanes * a.y.block + channel % a.y.lanes;
    float value = 0.0f, slope = 0.0f;
    if (channel < a.y.channels) {
        value = matrix[a.matrix + (size_t)m * a.group + channel];
        if (a.bias >= 0)
            value += parameters[a.bias + channel];
        value = activate_1(value, a.activation, &slope);
    }
    y[to] = value;
    if (a.keep_slope)
        slopes[to] = keeps_slope(a.activation) ? slope : value;
}

/* matrix[pixel][channel] of dy, filled up with zeros; global ids: channel < group, pixel. */
kernel void gemm_gather(global const float *dy, global float *matrix, const struct gemm_args a)
{
    const int channel = get_global_id(0), m = get_global_id(1);
    const int column = m % a.width, row = m / a.width % a.height, n = m / a.width / a.height;
    const size_t from = pixel(a.y, a.first_image + n, row, column);
    float value = 0.0f;
    if (channel < a.y.channels)
        value = dy[from + channel / a.y.lanes * a.y.block + channel % a.y.lanes];
    matrix[a.matrix + (size_t)m * a.group + channel] = value;
}

/* The transposed weights wt[tap][output][lane] as matrix[output][tap][lane], so that one product
   serves all taps; global ids: lane, tap, output. */
kernel void gemm_reorder(global const float *weights, global float *matrix,
                         const struct gemm_args a)
{
    const int lane = get_global_id(0), tap = get_global_id(1), output = get_global_id(2);
    const int taps = a.kernel_side * a.kernel_side;
    matrix[a.matrix + ((size_t)output * taps + tap) * a.x_group + lane] =
        weights[a.weights + ((size_t)tap * a.y.channels + output) * a.x_group + lane];
}

/*
 * dx = slope of the layer below * sum over taps of matrix[pixel of y][tap][channel]: a gather, so
 * that the order of the sum is fixed. Global ids: channel (filled up to whole blocks), pixel of dx.
 */
kernel void gemm_col2im(global const float *matrix, global const float *kept, global float *dx,
                        const struct gemm_args a)
{
    const int channel = get_global_id(0), m = get_global_id(1);
    const int column = m % a.x_width, row = m / a.x_width % a.x_height;
    const int n = m / a.x_width / a.x_height;
    const int taps = a.kernel_side * a.kernel_side;
    float sum = 0.0f;
    if (channel < a.x.channels) {
        for (int tap = 0; tap < taps; tap++) {
            const int from_row = row + a.pad - tap / a.kernel_side;
            const int from_column = column + a.pad - tap % a.kernel_side;
            if (from_row < 0 || from_row % a.stride != 0 || from_row / a.stride >= a.height ||
                from_column < 0 || from_column % a.stride != 0 ||
                from_column / a.stride >= a.width)
                continue;
            const size_t from =
                ((size_t)n * a.height + from_row / a.stride) * a.width + from_column / a.stride;
            sum += matrix[a.matrix + (from * taps + tap) * a.x_group + channel];
        }
        if (a.activation != ACT_NONE)
            sum *= kept_slope_1(kept[pixel(a.kept, a.first_image + n, row, column) +
                                     channel / a.kept.lanes * a.kept.block +
                                     channel % a.kept.lanes],
                                a.activation);
    }
    dx[pixel(a.x, a.first_image + n, row, column) + channel / a.x.lanes * a.x.block +
       channel % a.x.lanes] = sum;
}

/* partial[part][column] = sum of the part's rows; global ids: column, part. */
kernel void gemm_sum_rows(global float *matrix, const struct column_sum_args a)
{
    const int column = get_global_id(0), part = get_global_id(1);
    const int rows = (a.rows + a.parts - 1) / a.parts;
    const int last = min(a.rows, (part + 1) * rows);
    float sum = 0.0f;
    for (int row = part * rows; row < last; row++)
        sum += matrix[a.matrix + (size_t)row * a.columns + column];
    matrix[a.partial + part * a.columns + column] = sum;
}

/* sums[column] = sum of the partial sums, in order; global id: column. */
kernel void gemm_sum_parts(global const float *matrix, global float *sums,
                           const struct column_sum_args a)
{
    const int column = get_global_id(0);
    float sum = a.accumulate ? sums[a.sum + column] : 0.0f;
    for (int part = 0; part < a.parts; part++)
        sum += matrix[a.partial + part * a.columns + column];
    sums[a.sum + column] = sum;
}
