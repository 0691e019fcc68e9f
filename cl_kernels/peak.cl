/* Twelve independent chains of fused multiply-adds on float16, enough to hide their latency. */
kernel void peak(global float *restrict out, const int rounds)
{
    const int id = get_global_id(0);
    const float16 factor = (float16)(0.999f), term = (float16)(0.001f);
    float16 chain[12];
    for (int i = 0; i < 12; i++)
        chain[i] = (float16)(id + i);
    for (int round = 0; round < rounds; round++) {
        _Pragma("unroll") for (int i = 0; i < 12; i++) chain[i] = fma(chain[i], factor, term);
    }
    float16 sum = (float16)(0.0f);
    for (int i = 0; i < 12; i++)
        sum += chain[i];
    vstore16(sum, id, out);
}
