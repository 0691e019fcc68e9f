/* Small images inside a page. */
#ifndef CLADE_OUTPUTS_PNG_H
#define CLADE_OUTPUTS_PNG_H

#include <stdint.h>

#include "pipeline/base/text.h"

/*
 * Appends "data:image/png;base64,..." of pixels [height][width][channels]: grey for one or two
 * channels (the first), colours for three and more (the first three). When it cannot be made,
 * text_status() says so.
 */
void png_data_uri(struct text *out, const uint8_t *pixels, int height, int width, int channels);

#endif
