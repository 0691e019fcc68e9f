#include "outputs/png.h"

#include <png.h>
#include <stdlib.h>

static void base64(struct text *out, const uint8_t *bytes, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        uint32_t group = (uint32_t)bytes[i] << 16;
        group |= i + 1 < n ? (uint32_t)bytes[i + 1] << 8 : 0;
        group |= i + 2 < n ? bytes[i + 2] : 0;
        const char four[4] = {digits[group >> 18], digits[group >> 12 & 63],
                              i + 1 < n ? digits[group >> 6 & 63] : '=',
                              i + 2 < n ? digits[group & 63] : '='};
        text_append_n(out, four, sizeof four);
    }
}

void png_data_uri(struct text *out, const uint8_t *pixels, int height, int width, int channels)
{
    size_t area = (size_t)height * (size_t)width, shown = channels < 3 ? 1 : 3;
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)width,
                       .height = (png_uint_32)height,
                       .format = shown == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB};
    png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
    uint8_t *packed = malloc(area * shown), *file = malloc(size);
    if (packed == NULL || file == NULL) {
        out->failed = true;
        goto out;
    }
    for (size_t i = 0; i < area; i++)
        for (size_t c = 0; c < shown; c++)
            packed[i * shown + c] = pixels[i * (size_t)channels + c];
    if (!png_image_write_to_memory(&image, file, &size, 0, packed, 0, NULL)) {
        out->failed = true;
        goto out;
    }
    text_append(out, "data:image/png;base64,");
    base64(out, file, size);
out:
    free(packed);
    free(file);
}
