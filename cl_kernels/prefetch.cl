/*
 * Fetching into the caches ahead of use. A kernel that works in phases, first on memory and then on
 * the registers, waits in the one for what it could have had fetched during the other.
 */

/* Whether it is an instruction. Code for SPIR goes through other hands, which need not know that
   one (Oclgrind does not): there it is OpenCL's own prefetch(), for Intel's driver a call, before
   which all sums in registers are put away. */
#ifndef __has_builtin
#define __has_builtin(name) 0
#endif
#if __has_builtin(__builtin_prefetch) && !defined(__SPIR__)
#define FETCH_IS_CHEAP       1
#define FETCH_LINE(p, write) __builtin_prefetch((const void *)(size_t)(p), write, 3)
#else
#define FETCH_IS_CHEAP       0
#define FETCH_LINE(p, write) prefetch(p, (size_t)1)
#endif
#define CACHE_LINE 16 /* floats in 64 bytes, a usual cache line */

/* `span` floats of each of `blocks` blocks of each of `images` images: what will be used soon. */
struct ahead {
    global const float *at; /* the block that is being fetched */
    int done, span;         /* floats of it */
    int block, blocks, block_stride;
    int images, image_stride;
    int lines; /* to fetch at a time */
};

/* What fetches nothing. */
struct ahead nothing_ahead(void)
{
    return (struct ahead){.images = 0};
}

/* From `at` on, the first block of the first image, to be fetched in `calls` calls of fetch(). */
struct ahead look_ahead(global const float *at, int span, int blocks, int block_stride, int images,
                        int image_stride, int calls)
{
    struct ahead ahead = {.at = at,
                          .span = span,
                          .blocks = blocks,
                          .block_stride = block_stride,
                          .images = images,
                          .image_stride = image_stride};
    const int lines = images * blocks * ((span + CACHE_LINE - 1) / CACHE_LINE);
    ahead.lines = (lines + calls - 1) / calls;
    return ahead;
}

/* The next lines, to be read or, if `write`, written. Few at a time: more than are on their way at
   once are waited for. */
void fetch(struct ahead *ahead, bool write)
{
    _Pragma("nounroll") for (int i = 0; i < ahead->lines && ahead->images > 0; i++)
    {
        if (write)
            FETCH_LINE(ahead->at + ahead->done, 1);
        else
            FETCH_LINE(ahead->at + ahead->done, 0);
        ahead->done += CACHE_LINE;
        if (ahead->done < ahead->span)
            continue;
        ahead->done = 0;
        ahead->at += ahead->block_stride;
        if (++ahead->block < ahead->blocks)
            continue;
        ahead->block = 0;
        ahead->at += ahead->image_stride - ahead->blocks * ahead->block_stride;
        ahead->images--;
    }
}
