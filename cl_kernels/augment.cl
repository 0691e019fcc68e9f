/*
 * Batch assembly with augmentation, as batch.cl but each image is changed at random: mirrored left
 * to right, moved by up to `shift` pixels both ways (what comes in from outside is the value of
 * byte 0), and a square of side `cutout` around a random pixel set to 0, the mean (DeVries and
 * Taylor, arXiv 1708.04552). All draws come from (seed of the member, step, place in its batch), so
 * a training can be repeated. One work-item an image.
 */

/* A mixing function of 32 bits: xor-shifts and multiplications by odd numbers, each invertible. */
uint mix_bits(uint h)
{
    h ^= h >> 16;
    h *= 0x7feb352du;
    h ^= h >> 15;
    h *= 0x846ca68bu;
    return h ^ (h >> 16);
}

kernel void augment_batch(global const uchar *restrict pixels, global const uint *restrict order,
                          global const uint *restrict seeds, global float *restrict x,
                          const struct augment_args a)
{
    const int n = get_global_id(0);
    const size_t image_bytes = (size_t)a.height * a.width * a.channels;
    pixels += (size_t)order[a.first + n] * image_bytes;
    x += n * a.x_image + a.x_origin;

    uint draw = mix_bits(seeds[n / a.images] + mix_bits(a.step * 0x9e3779b9u + n % a.images));
    const bool mirrored = a.flip && (draw & 1);
    const uint span = 2 * a.shift + 1;
    draw = mix_bits(draw + 1);
    const int down = (int)(draw % span) - a.shift;
    draw = mix_bits(draw + 1);
    const int right = (int)(draw % span) - a.shift;
    draw = mix_bits(draw + 1);
    const int cut_top = (int)(draw % a.height) - a.cutout / 2;
    draw = mix_bits(draw + 1);
    const int cut_left = (int)(draw % a.width) - a.cutout / 2;

    for (int row = 0; row < a.height; row++)
        for (int column = 0; column < a.width; column++) {
            const int from_row = row - down;
            const int moved = column - right;
            const int from_column = mirrored ? a.width - 1 - moved : moved;
            const bool inside = from_row >= 0 && from_row < a.height && from_column >= 0 &&
                                from_column < a.width;
            const bool cut = row >= cut_top && row < cut_top + a.cutout && column >= cut_left &&
                             column < cut_left + a.cutout;
            for (int c = 0; c < a.channels; c++) {
                const int at = (from_row * a.width + from_column) * a.channels + c;
                const float byte = inside ? convert_float(pixels[at]) : 0.0f;
                x[row * a.x_row + c / a.lanes * a.x_block + column * a.lanes + c % a.lanes] =
                    cut ? 0.0f : fma(byte, a.scale, a.shift_value);
            }
        }
}
