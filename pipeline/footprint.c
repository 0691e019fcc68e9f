#include "pipeline/footprint.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>

void footprint_keep_small(void)
{
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
}

void footprint_trim(void)
{
    malloc_trim(0);
}

uint64_t footprint_peak(void)
{
    char line[256];
    uint64_t kilobytes = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "VmHWM: %" SCNu64, &kilobytes) == 1)
            break;
    if (file != NULL)
        fclose(file);
    return kilobytes * 1024;
}

void footprint_reset_peak(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "we");
    if (file == NULL)
        return;
    fputs("5", file); /* proc(5) */
    fclose(file);
}
