/*
 * Vectors of floats, stored at any address of a float. vstore16() is four stores of four floats in
 * PoCL 3.1, which a load that follows waits for and between multiply-adds cost up to a fifth of
 * their time; through a type that is aligned as a float it is one.
 */
typedef float8 float8_anywhere __attribute__((aligned(4)));
typedef float16 float16_anywhere __attribute__((aligned(4)));

#define STORE_8(v, p)  (*(global float8_anywhere *)(p) = (v))
#define STORE_16(v, p) (*(global float16_anywhere *)(p) = (v))
