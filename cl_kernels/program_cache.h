/*
 * Files of program binaries: one a program, under $XDG_CACHE_HOME/clade or ~/.cache/clade, named
 * by the program and a hash of all that decides what its binary is. Nothing here fails a caller:
 * a cache that cannot be used is as good as an empty one (a debug event says why).
 */
#ifndef CLADE_CL_KERNELS_PROGRAM_CACHE_H
#define CLADE_CL_KERNELS_PROGRAM_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 128 bits over texts; each text counts with its end, so "ab","c" and "a","bc" differ. */
struct cache_key {
    uint64_t words[2];
};

void cache_key_start(struct cache_key *key);
void cache_key_add(struct cache_key *key, const char *text);

enum { CACHE_PATH_SIZE = 4096 };

/* The file of a key in the cache directory, which is made when it is missing; false when there can
   be none. */
bool cache_path(char path[CACHE_PATH_SIZE], const char *name, const struct cache_key *key,
                const char *suffix);

/* The stored binary, malloc'ed, and its size; NULL when there is none, or it is damaged or was
   made for another key. */
unsigned char *cache_load(size_t *size, const char *name, const struct cache_key *key);

/* Stores through a temporary file and rename, so readers see a whole file or none. */
void cache_store(const char *name, const struct cache_key *key, const unsigned char *binary,
                 size_t size);

#endif
