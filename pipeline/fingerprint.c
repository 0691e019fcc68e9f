#include "pipeline/fingerprint.h"

#include <stddef.h>
#include <string.h>

static uint64_t mix(uint64_t hash, uint64_t word)
{
    return (hash ^ word) * 0x100000001b3u;
}

static uint64_t mix_bytes(uint64_t hash, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        uint64_t word = 0;
        size_t n = size < sizeof word ? size : sizeof word;
        memcpy(&word, bytes, n);
        hash = mix(hash, word);
        hash ^= hash >> 32; /* the product alone never carries high bits down */
        bytes += n;
        size -= n;
    }
    return hash;
}

int64_t fingerprint_images(const struct images *images)
{
    const struct image_shape *shape = &images->shape;
    size_t size = (size_t)shape->height * (size_t)shape->width * (size_t)shape->channels;
    uint64_t hash = 0xcbf29ce484222325u;
    hash = mix(hash, (uint64_t)shape->height);
    hash = mix(hash, (uint64_t)shape->width);
    hash = mix(hash, (uint64_t)shape->channels);
    hash = mix(hash, images->count);
    hash = mix_bytes(hash, images->pixels, size * images->count);
    hash = mix_bytes(hash, images->labels, images->count);
    return (int64_t)hash;
}
