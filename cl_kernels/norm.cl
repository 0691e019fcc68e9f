/*
 * Batch normalisation (Ioffe and Szegedy, arXiv 1502.03167) between a convolution and its
 * activation: u = gamma * (z - mean) / sqrt(variance + epsilon) + beta over the batch and all
 * pixels of a channel.
 *
 * Partial sums come from whoever made z or dy: sums[part][2][channel], those of a member of a pack
 * one after another, added here in order, so results do not depend on timing.
 * statistics[0..1][member][channel] = mean and 1 / sqrt(variance + epsilon) of the last batch,
 * statistics[2..3][member][channel] = running mean and variance.
 *
 * A work-item does one block of LANES (-D) channels for a few images of a member (global ids: block,
 * item, member); each adds the partial sums again, which is little beside the pixels.
 */
#if LANES == 16
typedef float16 vec;
#define LOAD(p)     vload16(0, p)
#define STORE(v, p) STORE_16(v, p)
#define ACTIVATE    activate_16
#else
typedef float8 vec;
#define LOAD(p)     vload8(0, p)
#define STORE(v, p) STORE_8(v, p)
#define ACTIVATE    activate_8
#endif

/* Both sums of this block's channels. */
void add_parts(global const float *sums, int parts, int channels, vec *first, vec *second)
{
    vec a = (vec)(0.0f), b = (vec)(0.0f);
    for (int i = 0; i < parts; i++) {
        a += LOAD(sums + 2 * i * channels);
        b += LOAD(sums + (2 * i + 1) * channels);
    }
    *first = a;
    *second = b;
}

/* y = activation(u); slopes = what is kept of it, where that is not y alone. */
kernel void norm_forward(global const float *restrict z, global const float *restrict sums,
                         global const float *restrict parameters, global float *restrict y,
                         global float *restrict slopes, global float *restrict statistics,
                         const struct norm_args a)
{
    const int block = get_global_id(0), item = get_global_id(1), member = get_global_id(2);
    const int channel = block * LANES, channels = a.blocks * LANES;
    const float count = (float)a.images * (float)(a.height * a.width);
    const int activation = a.activations[member];
    vec sum, square;
    add_parts(sums + member * a.parts * 2 * channels + channel, a.parts, channels, &sum, &square);
    const vec mean = sum / count;
    vec variance = square / count - mean * mean;
    variance = select(variance, (vec)(0.0f), variance < (vec)(0.0f));
    const vec deviation = (vec)(1.0f) / sqrt(variance + a.epsilon);
    parameters += member * a.member_stride + channel;
    const vec scale = LOAD(parameters + a.gamma) * deviation;
    const vec shift = LOAD(parameters + a.beta) - mean * scale;
    if (item == 0) {
        global float *s = statistics + member * channels + channel;
        const int row = a.members * channels;
        const float unbiased = count > 1.0f ? count / (count - 1.0f) : 1.0f;
        const vec running_mean = LOAD(s + 2 * row), running_variance = LOAD(s + 3 * row);
        STORE(mean, s);
        STORE(deviation, s + row);
        STORE(running_mean + a.momentum * (mean - running_mean), s + 2 * row);
        STORE(running_variance + a.momentum * (variance * unbiased - running_variance),
              s + 3 * row);
    }
    const int first = member * a.images + item * a.images_per_item;
    const int last = min(first + a.images_per_item, (member + 1) * a.images);
    for (int n = first; n < last; n++)
        for (int row = 0; row < a.height; row++) {
            global const float *from =
                z + n * a.z_image + block * a.z_block + a.z_origin + row * a.z_row;
            const int to = n * a.y_image + block * a.y_block + a.y_origin + row * a.y_row;
            for (int column = 0; column < a.width; column++) {
                vec slope;
                const vec u = fma(LOAD(from + column * LANES), scale, shift);
                const vec result = ACTIVATE(u, activation, &slope);
                STORE(result, y + to + column * LANES);
                if (a.keep_slope)
                    STORE(keeps_slope(activation) ? slope : result, slopes + to + column * LANES);
            }
        }
}

/*
 * Turns du (in dy) into dz in place: dz = gamma * deviation * (du - mean(du) - v * mean(du * v)),
 * v = (z - mean) * deviation. sums hold du and du * (z - mean). Also dgamma and dbeta.
 */
kernel void norm_gradient(global const float *restrict z, global const float *restrict sums,
                          global const float *restrict parameters, global float *restrict dy,
                          global float *restrict gradients,
                          global const float *restrict statistics, const struct norm_args a)
{
    const int block = get_global_id(0), item = get_global_id(1), member = get_global_id(2);
    const int channel = block * LANES, channels = a.blocks * LANES;
    const float count = (float)a.images * (float)(a.height * a.width);
    vec sum, product;
    add_parts(sums + member * a.parts * 2 * channels + channel, a.parts, channels, &sum, &product);
    statistics += member * channels + channel;
    const vec mean = LOAD(statistics), deviation = LOAD(statistics + a.members * channels);
    const vec dgamma = product * deviation;
    const int place = member * a.member_stride + channel;
    if (item == 0) {
        STORE(dgamma, gradients + a.gamma + place);
        STORE(sum, gradients + a.beta + place);
    }
    /* dz = scale * du - slant * z - level */
    const vec scale = LOAD(parameters + a.gamma + place) * deviation;
    const vec slant = scale * deviation * dgamma / count;
    const vec level = scale * sum / count - slant * mean;
    const int first = member * a.images + item * a.images_per_item;
    const int last = min(first + a.images_per_item, (member + 1) * a.images);
    for (int n = first; n < last; n++)
        for (int row = 0; row < a.height; row++) {
            global const float *from =
                z + n * a.z_image + block * a.z_block + a.z_origin + row * a.z_row;
            global float *to = dy + n * a.y_image + block * a.y_block + a.y_origin + row * a.y_row;
            for (int column = 0; column < a.width; column++) {
                const vec v = fma(slant, -LOAD(from + column * LANES), -level);
                STORE(fma(scale, LOAD(to + column * LANES), v), to + column * LANES);
            }
        }
}

/* Partial sums of z and z * z, a part an image: for convolutions that do not make them. Global ids:
   block, image of all members. */
kernel void norm_sums(global const float *restrict z, global float *restrict sums,
                      const struct norm_args a)
{
    const int block = get_global_id(0), n = get_global_id(1);
    const int channels = a.blocks * LANES;
    vec sum = (vec)(0.0f), square = (vec)(0.0f);
    for (int row = 0; row < a.height; row++)
        for (int column = 0; column < a.width; column++) {
            const vec v = LOAD(z + n * a.z_image + block * a.z_block + a.z_origin +
                               row * a.z_row + column * LANES);
            sum += v;
            square = fma(v, v, square);
        }
    STORE(sum, sums + 2 * n * channels + block * LANES);
    STORE(square, sums + (2 * n + 1) * channels + block * LANES);
}

/* Partial sums of dy and dy * (z - mean), likewise. */
kernel void norm_gradient_sums(global const float *restrict z, global const float *restrict dy,
                               global const float *restrict statistics,
                               global float *restrict sums, const struct norm_args a)
{
    const int block = get_global_id(0), n = get_global_id(1);
    const int channels = a.blocks * LANES;
    const vec mean = LOAD(statistics + n / a.images * channels + block * LANES);
    vec sum = (vec)(0.0f), product = (vec)(0.0f);
    for (int row = 0; row < a.height; row++)
        for (int column = 0; column < a.width; column++) {
            const vec v = LOAD(z + n * a.z_image + block * a.z_block + a.z_origin +
                               row * a.z_row + column * LANES);
            const vec d = LOAD(dy + n * a.y_image + block * a.y_block + a.y_origin +
                               row * a.y_row + column * LANES);
            sum += d;
            product = fma(d, v - mean, product);
        }
    STORE(sum, sums + 2 * n * channels + block * LANES);
    STORE(product, sums + (2 * n + 1) * channels + block * LANES);
}

/*
 * Folds the normalisation into the convolution before it: folded weights = w * scale, folded beta
 * = beta - running mean * scale, scale = gamma / sqrt(running variance + epsilon). Weights lie in
 * groups of `group` channels, `group_floats` a group. Global ids: group, member.
 */
kernel void norm_fold(global const float *restrict parameters,
                      global const float *restrict statistics, global float *restrict folded,
                      const int weights, const int group, const int group_floats, const int gamma,
                      const int beta, const int channels, const int member_stride,
                      const float epsilon)
{
    const int first = get_global_id(0) * group, member = get_global_id(1);
    const int row = get_global_size(1) * channels;
    parameters += member * member_stride;
    folded += member * member_stride;
    statistics += member * channels;
    const int from = weights + get_global_id(0) * group_floats;
    for (int i = 0; i < group; i++) {
        const int channel = first + i;
        const bool real = channel < channels;
        const float scale = real ? parameters[gamma + channel] *
                                       (1.0f / sqrt(statistics[3 * row + channel] + epsilon))
                                 : 0.0f;
        if (real)
            folded[beta + channel] =
                parameters[beta + channel] - statistics[2 * row + channel] * scale;
        for (int k = i; k < group_floats; k += group)
            folded[from + k] = parameters[from + k] * scale;
    }
}
