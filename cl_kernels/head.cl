/*
 * The fixed end of every network: global average pooling, dense 64, activation, dense classes,
 * softmax cross-entropy, and all their gradients. One work-item an image, those of the first member
 * of a pack first; dense weights are [input][output], outputs contiguous.
 *
 * Per image: pooled[channels], hidden[64], logits[classes], and for training d_hidden[64] (the
 * gradient of the sums of the dense layer), d_logits[classes] = (softmax - target) / images; the
 * target is the label, `smoothing` of it spread over all classes. Losses are without smoothing.
 */
#define HIDDEN 64

float sum_16(float16 v)
{
    const float8 a = v.lo + v.hi;
    const float4 b = a.lo + a.hi;
    return (b.x + b.z) + (b.y + b.w);
}

kernel void head(global const float *restrict x, global const float *restrict kept,
                 global const float *restrict parameters, global const uint *restrict order,
                 global const uchar *restrict labels, global float *restrict pooled,
                 global float *restrict hidden, global float *restrict logits,
                 global float *restrict d_hidden, global float *restrict d_logits,
                 global float *restrict losses, global float *restrict hits,
                 global float *restrict dx, const struct head_args a)
{
    const int n = get_global_id(0), member = n / a.images;
    const int halves = a.pooled_stride / 8, per_block = a.lanes / 8;
    const float share = 1.0f / (float)(a.height * a.width);
    x += n * a.x_image + a.x_origin;
    parameters += member * a.member_stride;
    pooled += n * a.pooled_stride;
    hidden += n * HIDDEN;
    logits += n * a.classes_stride;

    for (int h = 0; h < halves; h++) {
        float8 sum = (float8)(0.0f);
        global const float *plane = x + h / per_block * a.x_block + h % per_block * 8;
        for (int row = 0; row < a.height; row++)
            for (int column = 0; column < a.width; column++)
                sum += vload8(0, plane + row * a.x_row + column * a.lanes);
        STORE_8(sum * share, pooled + h * 8);
    }

    float16 z[4], slope[4];
    for (int v = 0; v < 4; v++)
        z[v] = vload16(v, parameters + a.bias_1);
    for (int c = 0; c < a.channels; c++)
        for (int v = 0; v < 4; v++)
            z[v] = fma((float16)(pooled[c]), vload16(v, parameters + a.weights_1 + c * HIDDEN),
                       z[v]);
    for (int v = 0; v < 4; v++)
        STORE_16(activate_16(z[v], a.activations[member], &slope[v]), hidden + v * 16);

    const int class_vectors = a.classes_stride / 16;
    for (int v = 0; v < class_vectors; v++) {
        float16 sum = vload16(v, parameters + a.bias_2);
        for (int j = 0; j < HIDDEN; j++)
            sum = fma((float16)(hidden[j]),
                      vload16(v, parameters + a.weights_2 + j * a.classes_stride), sum);
        STORE_16(sum, logits + v * 16);
    }

    int best = 0;
    for (int k = 1; k < a.classes; k++)
        if (logits[k] > logits[best])
            best = k;
    const float largest = logits[best];
    float total = 0.0f;
    for (int k = 0; k < a.classes; k++)
        total += exp(logits[k] - largest);
    const int label = labels[order[a.first + n]];
    losses[n] = log(total) + largest - logits[label];
    hits[n] = best == label ? 1.0f : 0.0f;
    if (!a.train)
        return;

    d_hidden += n * HIDDEN;
    d_logits += n * a.classes_stride;
    dx += n * a.dx_image + a.dx_origin;
    kept += n * a.x_image + a.x_origin;
    const float mean = 1.0f / (float)a.images;
    const float elsewhere = a.smoothing / (float)a.classes;
    for (int k = 0; k < a.classes; k++) {
        const float target = elsewhere + (k == label ? 1.0f - a.smoothing : 0.0f);
        d_logits[k] = (exp(logits[k] - largest) / total - target) * mean;
    }

    for (int j = 0; j < HIDDEN; j++) {
        float16 sum = (float16)(0.0f);
        for (int v = 0; v < class_vectors; v++)
            sum = fma(vload16(v, d_logits),
                      vload16(v, parameters + a.weights_2 + j * a.classes_stride), sum);
        d_hidden[j] = sum_16(sum);
    }
    float16 dz[4];
    for (int v = 0; v < 4; v++) {
        dz[v] = vload16(v, d_hidden) * slope[v];
        STORE_16(dz[v], d_hidden + v * 16);
    }

    for (int h = 0; h < halves; h++) {
        float lanes[8];
        for (int i = 0; i < 8; i++) {
            const int c = h * 8 + i;
            float16 sum = (float16)(0.0f);
            if (c < a.channels)
                for (int v = 0; v < 4; v++)
                    sum = fma(vload16(v, parameters + a.weights_1 + c * HIDDEN), dz[v], sum);
            lanes[i] = sum_16(sum) * share;
        }
        const float8 d_pooled = vload8(0, lanes);
        const int block = h / per_block, lane = h % per_block * 8;
        for (int row = 0; row < a.height; row++)
            for (int column = 0; column < a.width; column++) {
                const float8 k8 = vload8(0, kept + block * a.x_block + row * a.x_row +
                                                column * a.lanes + lane);
                STORE_8(d_pooled * kept_slope_8(k8, a.belows[member]),
                        dx + block * a.dx_block + row * a.dx_row + column * a.lanes + lane);
            }
    }
}

/*
 * Gradients of the dense layers, summed over the batch in order. Work-item r: row r of the first
 * weights (channels rows), its bias, then row r of the second weights (64 rows), its bias; the
 * second global id is the member.
 */
kernel void head_gradients(global const float *restrict pooled,
                           global const float *restrict hidden,
                           global const float *restrict d_hidden,
                           global const float *restrict d_logits,
                           global float *restrict gradients, const struct head_args a)
{
    const int r = get_global_id(0), member = get_global_id(1);
    pooled += member * a.images * a.pooled_stride;
    hidden += member * a.images * HIDDEN;
    d_hidden += member * a.images * HIDDEN;
    d_logits += member * a.images * a.classes_stride;
    gradients += member * a.member_stride;
    if (r <= a.channels) {
        float16 sum[4];
        for (int v = 0; v < 4; v++)
            sum[v] = (float16)(0.0f);
        for (int n = 0; n < a.images; n++) {
            const float16 in = (float16)(r < a.channels ? pooled[n * a.pooled_stride + r] : 1.0f);
            for (int v = 0; v < 4; v++)
                sum[v] = fma(in, vload16(v, d_hidden + n * HIDDEN), sum[v]);
        }
        const int at = r < a.channels ? a.weights_1 + r * HIDDEN : a.bias_1;
        for (int v = 0; v < 4; v++)
            STORE_16(sum[v], gradients + at + v * 16);
        return;
    }
    const int j = r - a.channels - 1;
    const int at = j < HIDDEN ? a.weights_2 + j * a.classes_stride : a.bias_2;
    for (int v = 0; v < a.classes_stride / 16; v++) {
        float16 sum = (float16)(0.0f);
        for (int n = 0; n < a.images; n++) {
            const float16 in = (float16)(j < HIDDEN ? hidden[n * HIDDEN + j] : 1.0f);
            sum = fma(in, vload16(v, d_logits + n * a.classes_stride), sum);
        }
        STORE_16(sum, gradients + at + v * 16);
    }
}

/* statistics[step][member] = (sum of losses, sum of hits) of its batch, added in order. */
kernel void head_statistics(global const float *restrict losses, global const float *restrict hits,
                            global float2 *restrict statistics, const int step, const int images)
{
    const int member = get_global_id(0);
    float loss = 0.0f, hit = 0.0f;
    for (int n = member * images; n < (member + 1) * images; n++) {
        loss += losses[n];
        hit += hits[n];
    }
    statistics[step * get_global_size(0) + member] = (float2)(loss, hit);
}
