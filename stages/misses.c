#include "stages/misses.h"

#include <stdlib.h>
#include <string.h>

#include "stages/predict.h"

/* Puts *next into the list, sorted, of at most `most`; the last one falls out. */
static void insert(struct miss *list, size_t *count, size_t most, const struct miss *next)
{
    if (*count == most && list[most - 1].probability >= next->probability)
        return;
    size_t at = *count < most ? (*count)++ : most - 1;
    for (; at > 0 && list[at - 1].probability < next->probability; at--)
        list[at] = list[at - 1];
    list[at] = *next;
}

enum error misses_choose(struct confirmation *result, const struct images *test,
                         const float *logits)
{
    const struct image_shape *shape = &test->shape;
    size_t size = (size_t)shape->height * (size_t)shape->width * (size_t)shape->channels;
    size_t most = size > 0 ? MISSES_BYTES_MAX / size : 0, count = 0;
    struct miss list[MISSES_MAX];
    most = most < MISSES_MAX ? most : MISSES_MAX;
    for (uint32_t i = 0; i < test->count && most > 0; i++) {
        int predicted = result->predictions[i];
        if (predicted == test->labels[i])
            continue;
        const struct miss next = {
            .image = i,
            .label = test->labels[i],
            .predicted = predicted,
            .probability = predict_probability(logits + (size_t)i * (size_t)shape->classes,
                                               shape->classes, predicted)};
        insert(list, &count, most, &next);
    }
    if (count == 0)
        return ERR_NONE;
    result->misses = malloc(count * sizeof *result->misses);
    result->miss_pixels = malloc(count * size);
    if (result->misses == NULL || result->miss_pixels == NULL)
        return error_set(ERR_INTERNAL, "out of memory for %zu test images", count);
    result->miss_count = count;
    result->miss_size = size;
    memcpy(result->misses, list, count * sizeof *list);
    for (size_t i = 0; i < count; i++)
        memcpy(result->miss_pixels + i * size, test->pixels + (size_t)list[i].image * size, size);
    return ERR_NONE;
}
