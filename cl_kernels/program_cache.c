#include "cl_kernels/program_cache.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pipeline/base/log.h"

enum { BINARY_BYTES_MAX = 1 << 28 };

/* The file: this, then the binary. The check covers the binary. */
struct header {
    char magic[8];
    struct cache_key key, check;
    uint64_t size;
};

static const char magic[8] = "cladebn1";

/* FNV-1a, and a second lane with another multiplier over the first one's state. */
static void add_bytes(struct cache_key *key, const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        key->words[0] = (key->words[0] ^ bytes[i]) * 0x100000001b3u;
        key->words[1] = (key->words[1] ^ key->words[0] >> 32 ^ bytes[i]) * 0x9e3779b97f4a7c15u;
    }
}

void cache_key_start(struct cache_key *key)
{
    key->words[0] = 0xcbf29ce484222325u;
    key->words[1] = 0x84222325cbf29ce4u;
}

void cache_key_add(struct cache_key *key, const char *text)
{
    add_bytes(key, (const unsigned char *)text, strlen(text) + 1);
}

/* The cache directory, made when it is missing; false when there can be none. */
static bool cache_directory(char path[CACHE_PATH_SIZE])
{
    const char *base = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    int n;
    if (base != NULL && base[0] == '/')
        n = snprintf(path, CACHE_PATH_SIZE, "%s", base);
    else if (home != NULL && home[0] == '/')
        n = snprintf(path, CACHE_PATH_SIZE, "%s/.cache", home);
    else
        return false;
    if (n < 0 || n > CACHE_PATH_SIZE - 128)
        return false;
    mkdir(path, 0700); /* what matters is whether the next one succeeds */
    strcat(path, "/clade");
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}

bool cache_path(char path[CACHE_PATH_SIZE], const char *name, const struct cache_key *key,
                const char *suffix)
{
    if (!cache_directory(path)) {
        log_event(LOG_DEBUG, "no cache directory, nothing is kept");
        return false;
    }
    size_t length = strlen(path);
    int n = snprintf(path + length, CACHE_PATH_SIZE - length, "/%s-%016llx%016llx%s", name,
                     (unsigned long long)key->words[0], (unsigned long long)key->words[1], suffix);
    return n > 0 && (size_t)n < CACHE_PATH_SIZE - length;
}

static struct header make_header(const struct cache_key *key, const unsigned char *binary,
                                 size_t size)
{
    struct header header = {.key = *key, .size = size};
    memcpy(header.magic, magic, sizeof magic);
    cache_key_start(&header.check);
    add_bytes(&header.check, binary, size);
    return header;
}

unsigned char *cache_load(size_t *size, const char *name, const struct cache_key *key)
{
    char path[CACHE_PATH_SIZE];
    struct header header, expected;
    unsigned char *binary = NULL;
    if (!cache_path(path, name, key, ".bin"))
        return NULL;
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return NULL;
    bool good = fread(&header, sizeof header, 1, file) == 1 &&
                memcmp(header.magic, magic, sizeof magic) == 0 && header.size > 0 &&
                header.size <= BINARY_BYTES_MAX;
    if (good) {
        binary = malloc((size_t)header.size + 1);
        /* One byte more than expected: a longer file is not the one that was written. */
        good = binary != NULL && fread(binary, 1, (size_t)header.size + 1, file) == header.size;
    }
    if (good) {
        expected = make_header(key, binary, (size_t)header.size);
        good = memcmp(&header, &expected, sizeof header) == 0;
    }
    fclose(file);
    if (!good) {
        log_event(LOG_DEBUG, "program cache: %s is damaged or foreign and is ignored", path);
        free(binary);
        return NULL;
    }
    *size = (size_t)header.size;
    return binary;
}

void cache_store(const char *name, const struct cache_key *key, const unsigned char *binary,
                 size_t size)
{
    char path[CACHE_PATH_SIZE], temporary[CACHE_PATH_SIZE + 32];
    if (size == 0 || size > BINARY_BYTES_MAX || !cache_path(path, name, key, ".bin"))
        return;
    snprintf(temporary, sizeof temporary, "%s.%ld", path, (long)getpid());
    struct header header = make_header(key, binary, size);
    FILE *file = fopen(temporary, "wb");
    bool good = file != NULL && fwrite(&header, sizeof header, 1, file) == 1 &&
                fwrite(binary, 1, size, file) == size;
    if (file != NULL && fclose(file) != 0)
        good = false;
    if (good && rename(temporary, path) != 0)
        good = false;
    if (!good) {
        log_event(LOG_DEBUG, "program cache: cannot write %s: %s", path, strerror(errno));
        if (file != NULL)
            unlink(temporary);
    }
}
