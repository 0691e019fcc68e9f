/*
 * Vectors of floats, stored at any address of a float. vstore16() is four stores of four floats in
 * PoCL 3.1 and takes 2 to 15 % of an operation's time more; through a type that is aligned as a
 * float it is one store.
 */
typedef float8 float8_anywhere __attribute__((aligned(4)));
typedef float16 float16_anywhere __attribute__((aligned(4)));

#define STORE_8(v, p)  (*(global float8_anywhere *)(p) = (v))
#define STORE_16(v, p) (*(global float16_anywhere *)(p) = (v))
