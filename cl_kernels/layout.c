#include "cl_kernels/layout.h"

int layout_lanes(int channels)
{
    int to_8 = (channels + 7) / 8 * 8;
    int to_16 = (channels + 15) / 16 * 16;
    return to_8 < to_16 ? 8 : 16;
}

static struct layout make(int height, int width, int channels, int halo, int lanes)
{
    struct layout l = {.height = height, .width = width, .channels = channels, .halo = halo};
    l.lanes = lanes;
    l.blocks = (channels + l.lanes - 1) / l.lanes;
    size_t padded_width = (size_t)(width + 2 * halo);
    l.row = padded_width * (size_t)l.lanes;
    l.block = (size_t)(height + 2 * halo) * l.row;
    l.image = (size_t)l.blocks * l.block;
    l.origin = ((size_t)halo * padded_width + (size_t)halo) * (size_t)l.lanes;
    return l;
}

struct layout layout_make(int height, int width, int channels, int halo)
{
    return make(height, width, channels, halo, layout_lanes(channels));
}

struct layout layout_make_image(int height, int width, int channels, int halo)
{
    return make(height, width, channels, halo, channels < 8 ? channels : layout_lanes(channels));
}

size_t layout_floats(const struct layout *layout, int images)
{
    return (size_t)images * layout->image + LAYOUT_SLACK;
}

/* Offset of one value in the blocked form. */
static size_t offset_of(const struct layout *l, int image, int channel, int row, int column)
{
    return (size_t)image * l->image + (size_t)(channel / l->lanes) * l->block + l->origin +
           (size_t)row * l->row + (size_t)(column * l->lanes + channel % l->lanes);
}

void layout_pack(const struct layout *l, int images, const float *nchw, float *blocked)
{
    for (int n = 0; n < images; n++)
        for (int c = 0; c < l->channels; c++)
            for (int y = 0; y < l->height; y++)
                for (int x = 0; x < l->width; x++)
                    blocked[offset_of(l, n, c, y, x)] = *nchw++;
}

void layout_unpack(const struct layout *l, int images, const float *blocked, float *nchw)
{
    for (int n = 0; n < images; n++)
        for (int c = 0; c < l->channels; c++)
            for (int y = 0; y < l->height; y++)
                for (int x = 0; x < l->width; x++)
                    *nchw++ = blocked[offset_of(l, n, c, y, x)];
}
