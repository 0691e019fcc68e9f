/*
 * Fetching into the caches ahead of use. A kernel that works in phases, first on memory and then on
 * the registers, waits in the one for what it could have had fetched during the other.
 */

/* Where the compiler has nothing for it, nothing. Code for SPIR goes through other hands, which
   need not know the instruction (Oclgrind does not). */
#ifndef __has_builtin
#define __has_builtin(name) 0
#endif
#if __has_builtin(__builtin_prefetch) && !defined(__SPIR__)
#define PREFETCH_TO_READ(p)  __builtin_prefetch(p, 0, 3)
#define PREFETCH_TO_WRITE(p) __builtin_prefetch(p, 1, 3)
#else
#define PREFETCH_TO_READ(p)
#define PREFETCH_TO_WRITE(p)
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

/* The next lines, to be read or, if `write`, written. OpenCL's own prefetch(), a call on Intel's
   driver, pays here, but not in kernels that do not wait. */
void fetch(struct ahead *ahead, bool write)
{
    _Pragma("nounroll") for (int i = 0; i < ahead->lines && ahead->images > 0; i++)
    {
        global const float *line = ahead->at + ahead->done;
#ifdef __SPIR__
        prefetch(line, (size_t)1);
#else
        if (write)
            PREFETCH_TO_WRITE((const void *)(size_t)line);
        else
            PREFETCH_TO_READ((const void *)(size_t)line);
#endif
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
