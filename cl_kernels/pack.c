#include "cl_kernels/pack.h"

enum activation pack_activation(enum activation all, const enum activation *each, int member)
{
    return each != NULL ? each[member] : all;
}

void pack_activations(int to[PACK_MAX], enum activation all, const enum activation *each,
                      int members)
{
    for (int i = 0; i < members; i++)
        to[i] = (int)pack_activation(all, each, i);
}
