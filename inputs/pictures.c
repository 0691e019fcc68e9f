#include "inputs/pictures.h"

#include <png.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "inputs/bytes.h"
#include "inputs/idx.h"

enum { SIGNATURE_BYTES = 8, PNG_EXTRA_BYTES = 1 << 20 };

static enum error wrong_size(const char *path, uint32_t height, uint32_t width, uint32_t channels,
                             const struct image_shape *shape)
{
    return error_set(ERR_DATA,
                     "%s: images of %lux%lux%lu (height x width x channels), but the network takes "
                     "%dx%dx%d; scale them first",
                     path, (unsigned long)height, (unsigned long)width, (unsigned long)channels,
                     shape->height, shape->width, shape->channels);
}

static enum error read_idx(struct pictures *out, const char *path, const struct image_shape *shape)
{
    struct idx idx;
    enum error err = idx_read(&idx, path, 3, 4);
    if (err != ERR_NONE)
        return err;
    uint32_t channels = idx.dimensions == 4 ? idx.sizes[3] : 1;
    if (idx.sizes[1] != (uint32_t)shape->height || idx.sizes[2] != (uint32_t)shape->width ||
        channels != (uint32_t)shape->channels) {
        err = wrong_size(path, idx.sizes[1], idx.sizes[2], channels, shape);
        idx_free(&idx);
        return err;
    }
    *out = (struct pictures){.count = idx.sizes[0], .pixels = idx.data};
    return ERR_NONE;
}

/* Decodes file[0..length) into pixels, which have room for an image of `shape`. */
static enum error decode_png(uint8_t *pixels, const uint8_t *file, size_t length, const char *path,
                             const struct image_shape *shape)
{
    enum error err = ERR_NONE;
    png_image image = {.version = PNG_IMAGE_VERSION};
    const png_color black = {0};
    if (!png_image_begin_read_from_memory(&image, file, length)) {
        err = error_set(ERR_DATA, "%s: a damaged PNG: %s", path, image.message);
        goto out;
    }
    if (image.height != (uint32_t)shape->height || image.width != (uint32_t)shape->width) {
        err = wrong_size(path, image.height, image.width, (uint32_t)shape->channels, shape);
        goto out;
    }
    image.format = shape->channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
    image.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
    if (!png_image_finish_read(&image, &black, pixels, 0, NULL))
        err = error_set(ERR_DATA, "%s: a damaged PNG: %s", path, image.message);
out:
    png_image_free(&image);
    return err;
}

static enum error read_png(struct pictures *out, struct bytes *bytes, const char *path,
                           const struct image_shape *shape)
{
    enum error err = ERR_NONE;
    uint8_t *file = NULL, *pixels = NULL;
    size_t got;
    if (shape->channels != 1 && shape->channels != 3)
        return error_set(ERR_DATA,
                         "%s: a PNG has one channel or three, but the network takes %d; give it an "
                         "IDX file",
                         path, shape->channels);
    size_t size = (size_t)shape->height * (size_t)shape->width * (size_t)shape->channels;
    size_t most = 4 * size + PNG_EXTRA_BYTES; /* 16 bits, hardly compressed, and remarks */
    file = malloc(most + SIGNATURE_BYTES);
    pixels = malloc(size);
    if (file == NULL || pixels == NULL) {
        err = error_set(ERR_INTERNAL, "out of memory while reading %s", path);
        goto out;
    }
    static const uint8_t signature[SIGNATURE_BYTES] = {137, 'P', 'N', 'G', '\r', '\n', 26, '\n'};
    memcpy(file, signature, sizeof signature);
    TRY(bytes_read(bytes, file + SIGNATURE_BYTES, most, &got));
    if (got == most) {
        err = error_set(ERR_DATA, "%s: too large for a PNG of %dx%d pixels", path, shape->height,
                        shape->width);
        goto out;
    }
    TRY(decode_png(pixels, file, got + SIGNATURE_BYTES, path, shape));
    *out = (struct pictures){.count = 1, .pixels = pixels};
    pixels = NULL;
out:
    free(pixels);
    free(file);
    return err;
}

enum error pictures_read(struct pictures *out, const char *path, const struct image_shape *shape)
{
    enum error err = ERR_NONE;
    struct bytes *bytes = NULL;
    uint8_t first[SIGNATURE_BYTES];
    size_t got;
    TRY(bytes_open(&bytes, path));
    TRY(bytes_read(bytes, first, sizeof first, &got));
    if (got == sizeof first && png_sig_cmp(first, 0, sizeof first) == 0)
        TRY(read_png(out, bytes, path, shape));
    else
        TRY(read_idx(out, path, shape));
out:
    bytes_close(bytes);
    return err;
}

void pictures_free(struct pictures *pictures)
{
    free(pictures->pixels);
    *pictures = (struct pictures){0};
}
