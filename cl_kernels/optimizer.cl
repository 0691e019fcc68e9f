/*
 * One step of the optimizer over the flat parameters, a work-item a chunk of CHUNK vectors of one
 * member (global ids: chunk, member). The gradient is the sum of `splits` partials, added in order.
 * Parameters below `decay_end` (weights) decay, those above (biases) do not.
 *
 * AdamW: Loshchilov and Hutter, arXiv 1711.05101; Adam: Kingma and Ba, arXiv 1412.6980 (with L2
 * decay in the gradient); SGD with momentum as PyTorch defines it: b = mu b + g, p -= lr b.
 */
#define ADAMW 0
#define ADAM  1
#define SGD   2
#define CHUNK 64

/* squares[member][chunk] = sum of the squares of its chunk of the gradient. */
kernel void gradient_squares(global const float *restrict gradients,
                             global float *restrict squares, const int vectors, const int splits,
                             const int split_stride)
{
    const int start = get_global_id(0) * CHUNK;
    const int end = min(start + CHUNK, vectors);
    gradients += get_global_id(1) * vectors * 16;
    float16 sum = (float16)(0.0f);
    for (int i = start; i < end; i++) {
        float16 g = vload16(i, gradients);
        for (int s = 1; s < splits; s++)
            g += vload16(i, gradients + s * split_stride);
        sum = fma(g, g, sum);
    }
    const float8 half_sum = sum.lo + sum.hi;
    const float4 quarter = half_sum.lo + half_sum.hi;
    squares[get_global_id(1) * get_global_size(0) + get_global_id(0)] =
        (quarter.x + quarter.z) + (quarter.y + quarter.w);
}

/* The factor that brings the gradient down to a norm of `clip` (Pascanu et al., arXiv 1211.5063);
   each work-item adds the squares again, in order. */
float clip_factor(global const float *squares, int count, float clip)
{
    float sum = 0.0f;
    for (int i = 0; i < count; i++)
        sum += squares[i];
    const float norm = sqrt(sum);
    return norm > clip ? clip / norm : 1.0f;
}

kernel void optimizer_step(global float *restrict parameters, global float *restrict first,
                           global float *restrict second, global const float *restrict gradients,
                           global const float *restrict squares, const float clip,
                           const int vectors, const int splits, const int split_stride,
                           const int kind, const int decay_end, const float rate,
                           const float decay, const float beta1, const float beta2,
                           const float epsilon, const float correction1, const float correction2)
{
    const int start = get_global_id(0) * CHUNK;
    const int end = min(start + CHUNK, vectors);
    const int chunks = (vectors + CHUNK - 1) / CHUNK;
    const int member = get_global_id(1) * vectors * 16;
    parameters += member;
    first += member;
    second += member;
    gradients += member;
    const float factor =
        clip > 0.0f ? clip_factor(squares + get_global_id(1) * chunks, chunks, clip) : 1.0f;
    for (int i = start; i < end; i++) {
        float16 g = vload16(i, gradients);
        for (int s = 1; s < splits; s++)
            g += vload16(i, gradients + s * split_stride);
        g *= factor;
        float16 p = vload16(i, parameters);
        float16 m = vload16(i, first);
        const float shrink = i * 16 < decay_end ? decay : 0.0f;
        if (kind == ADAMW)
            p = fma(p, (float16)(-rate * shrink), p);
        else
            g = fma(p, (float16)(shrink), g);
        if (kind == SGD) {
            m = fma(m, (float16)(beta1), g);
            p = fma(m, (float16)(-rate), p);
        } else {
            float16 v = vload16(i, second);
            m = fma(m, (float16)(beta1), g * (1.0f - beta1));
            v = fma(v, (float16)(beta2), g * g * (1.0f - beta2));
            STORE_16(v, second + i * 16);
            /* correction1 = 1 - beta1^t, correction2 = sqrt(1 - beta2^t) */
            const float16 scale = sqrt(v) / correction2 + epsilon;
            p -= (rate / correction1) * m / scale;
        }
        STORE_16(m, first + i * 16);
        STORE_16(p, parameters + i * 16);
    }
}

/* average += share * (parameters - average), a work-item a chunk of one member. */
kernel void average_step(global const float *restrict parameters, global float *restrict average,
                         const int vectors, const float share)
{
    const int start = get_global_id(0) * CHUNK;
    const int end = min(start + CHUNK, vectors);
    const int member = get_global_id(1) * vectors * 16;
    parameters += member;
    average += member;
    for (int i = start; i < end; i++) {
        const float16 a = vload16(i, average);
        STORE_16(fma(vload16(i, parameters) - a, (float16)(share), a), average + i * 16);
    }
}

/* transposed[i] = parameters[places[i]], or 0 where places[i] is negative, for each member. */
kernel void transpose_weights(global const float *restrict parameters,
                              global const int *restrict places,
                              global float *restrict transposed, const int count,
                              const int member_stride)
{
    const int start = get_global_id(0) * CHUNK * 16;
    const int end = min(start + CHUNK * 16, count);
    parameters += get_global_id(1) * member_stride;
    transposed += get_global_id(1) * count;
    for (int i = start; i < end; i++)
        transposed[i] = places[i] >= 0 ? parameters[places[i]] : 0.0f;
}
