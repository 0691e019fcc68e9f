/* The blocked layout: lanes, strides, and copies in and out for every odd size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>

#include "cl_kernels/layout.h"
#include "inputs/genome.h"

static void test_lanes(void **state)
{
    (void)state;
    static const int expected[][2] = {{1, 8},   {8, 8},   {9, 16},  {16, 16}, {17, 8},
                                      {24, 8},  {25, 16}, {32, 16}, {33, 8},  {40, 8},
                                      {48, 16}, {64, 16}, {65, 8},  {511, 16}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_int_equal(layout_lanes(expected[i][0]), expected[i][1]);
    /* 16 unless 8 leaves fewer lanes empty. */
    for (int channels = 1; channels <= GENOME_MAX_FILTERS; channels++) {
        int lanes = layout_lanes(channels);
        int filled_8 = (channels + 7) / 8 * 8, filled_16 = (channels + 15) / 16 * 16;
        assert_int_equal(lanes, filled_8 < filled_16 ? 8 : 16);
    }
}

static void test_strides(void **state)
{
    (void)state;
    struct layout l = layout_make(7, 5, 17, 2);
    assert_int_equal(l.lanes, 8);
    assert_int_equal(l.blocks, 3);
    assert_int_equal(l.row, (5 + 4) * 8);
    assert_int_equal(l.block, (7 + 4) * (5 + 4) * 8);
    assert_int_equal(l.image, 3 * l.block);
    assert_int_equal(l.origin, 2 * l.row + 2 * 8);
    assert_int_equal(layout_floats(&l, 3), 3 * l.image + LAYOUT_SLACK);
    assert_int_equal(layout_floats(&l, 0), LAYOUT_SLACK);
    /* An input of few channels keeps its number; from 8 on it is like any other. */
    for (int channels = 1; channels < 8; channels++) {
        struct layout image = layout_make_image(3, 4, channels, 1);
        assert_int_equal(image.lanes, channels);
        assert_int_equal(image.blocks, 1);
        assert_int_equal(image.image, 5 * 6 * channels);
    }
    struct layout a = layout_make_image(3, 4, 17, 1), b = layout_make(3, 4, 17, 1);
    assert_memory_equal(&a, &b, sizeof a);
}

/* Packs numbered values into a buffer of marks. */
static void check_copies(struct layout l, int images)
{
    size_t count = (size_t)(images * l.channels * l.height * l.width);
    size_t floats = layout_floats(&l, images);
    float *values = malloc(count * sizeof *values), *back = malloc(count * sizeof *back);
    float *blocked = malloc(floats * sizeof *blocked);
    assert_true(values != NULL && back != NULL && blocked != NULL);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(i + 1);
    for (size_t i = 0; i < floats; i++)
        blocked[i] = -1;
    layout_pack(&l, images, values, blocked);
    layout_unpack(&l, images, blocked, back);
    assert_memory_equal(back, values, count * sizeof *values);

    /* Every value stands where layout.h says, and nothing else was written. */
    size_t written = 0;
    for (size_t i = 0; i < floats; i++)
        written += blocked[i] > 0;
    assert_int_equal(written, count);
    size_t i = 0;
    int rows = l.height + 2 * l.halo, columns = l.width + 2 * l.halo;
    for (int n = 0; n < images; n++)
        for (int c = 0; c < l.channels; c++)
            for (int y = 0; y < l.height; y++)
                for (int x = 0; x < l.width; x++, i++) {
                    int plane = n * l.blocks + c / l.lanes;
                    int pixel = (plane * rows + y + l.halo) * columns + x + l.halo;
                    assert_true(blocked[pixel * l.lanes + c % l.lanes] == values[i]);
                }
    free(values);
    free(back);
    free(blocked);
}

static void test_copies(void **state)
{
    (void)state;
    static const int channels[] = {1, 2, 3, 7, 8, 9, 16, 17, 24, 33};
    for (int c = 0; c < 10; c++)
        for (int halo = 0; halo <= 3; halo++) {
            check_copies(layout_make(3, 2, channels[c], halo), 2);
            check_copies(layout_make_image(2, 5, channels[c], halo), 3);
        }
    check_copies(layout_make(1, 1, 1, 0), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lanes),
        cmocka_unit_test(test_strides),
        cmocka_unit_test(test_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
