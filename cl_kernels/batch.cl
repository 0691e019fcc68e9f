/*
 * Batch assembly: image n of the batch is stored image order[first + n], its bytes turned into
 * byte * scale + shift in the input layout. One work-item an image.
 */
kernel void assemble_batch(global const uchar *restrict pixels, global const uint *restrict order,
                           global float *restrict x, const int first, const int height,
                           const int row_values, const int x_row, const int x_block,
                           const int x_image, const int x_origin, const int lanes,
                           const int channels, const float scale, const float shift)
{
    const int n = get_global_id(0);
    const size_t image_bytes = (size_t)height * row_values;
    pixels += (size_t)order[first + n] * image_bytes;
    x += n * x_image + x_origin;
    for (int row = 0; row < height; row++) {
        global const uchar *from = pixels + row * row_values;
        global float *to = x + row * x_row;
        if (lanes == channels) {
            int i = 0;
            for (; i + 4 <= row_values; i += 4)
                vstore4(fma(convert_float4(vload4(0, from + i)), (float4)(scale), (float4)(shift)),
                        0, to + i);
            for (; i < row_values; i++)
                to[i] = fma(convert_float(from[i]), scale, shift);
        } else {
            for (int i = 0; i < row_values; i++) {
                const int c = i % channels;
                to[c / lanes * x_block + i / channels * lanes + c % lanes] =
                    fma(convert_float(from[i]), scale, shift);
            }
        }
    }
}
