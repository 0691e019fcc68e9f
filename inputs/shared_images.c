#include "inputs/shared_images.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char magic[16] = "clade images 1";

/* The first page; pixels and labels follow, each at a whole page. */
struct header {
    char magic[16];
    struct image_shape shape;
    uint32_t count;
    float mean, std;
};

static size_t whole_pages(size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (bytes + page - 1) / page * page;
}

/* Where pixels and labels begin, and the size of all. */
struct places {
    size_t pixels, labels, end;
    size_t pixel_bytes;
};

static struct places places_of(const struct header *header)
{
    struct places places;
    places.pixel_bytes = (size_t)header->count * (size_t)header->shape.height *
                         (size_t)header->shape.width * (size_t)header->shape.channels;
    places.pixels = whole_pages(sizeof *header);
    places.labels = places.pixels + whole_pages(places.pixel_bytes);
    places.end = places.labels + whole_pages(header->count);
    return places;
}

static bool write_at(int descriptor, const void *data, size_t bytes, size_t offset)
{
    const char *at = data;
    while (bytes > 0) {
        ssize_t n = pwrite(descriptor, at, bytes, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        offset += (size_t)n;
        bytes -= (size_t)n;
    }
    return true;
}

int shared_images_create(const struct images *images)
{
    struct header header;
    memset(&header, 0, sizeof header);
    memcpy(header.magic, magic, sizeof magic);
    header.shape = images->shape;
    header.count = images->count;
    header.mean = images->mean;
    header.std = images->std;
    struct places places = places_of(&header);
    int descriptor = memfd_create("clade-images", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (descriptor < 0)
        return -1;
    if (ftruncate(descriptor, (off_t)places.end) == 0 &&
        write_at(descriptor, &header, sizeof header, 0) &&
        write_at(descriptor, images->pixels, places.pixel_bytes, places.pixels) &&
        write_at(descriptor, images->labels, images->count, places.labels) &&
        fcntl(descriptor, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) ==
            0)
        return descriptor;
    int code = errno;
    close(descriptor);
    errno = code;
    return -1;
}

enum error shared_images_map(struct images *images, int descriptor)
{
    struct stat status;
    struct header header;
    if (fstat(descriptor, &status) != 0)
        return error_set(ERR_DATA, "shared images: descriptor %d: %s", descriptor, strerror(errno));
    if (pread(descriptor, &header, sizeof header, 0) != sizeof header ||
        memcmp(header.magic, magic, sizeof magic) != 0 ||
        places_of(&header).end != (size_t)status.st_size)
        return error_set(ERR_DATA, "shared images: descriptor %d holds something else", descriptor);
    struct places places = places_of(&header);
    /* Private, so that pages are shared while nobody writes. */
    char *base = mmap(NULL, places.end, PROT_READ | PROT_WRITE, MAP_PRIVATE, descriptor, 0);
    if (base == MAP_FAILED)
        return error_set(ERR_DATA, "shared images: cannot map %zu bytes: %s", places.end,
                         strerror(errno));
    *images = (struct images){.shape = header.shape,
                              .count = header.count,
                              .pixels = (uint8_t *)base + places.pixels,
                              .labels = (uint8_t *)base + places.labels,
                              .mean = header.mean,
                              .std = header.std,
                              .mapping = base,
                              .mapped_bytes = places.end};
    return ERR_NONE;
}
