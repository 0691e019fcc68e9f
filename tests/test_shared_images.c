/* Images in memory that processes share: what is written is what is mapped, and nobody can change
   it for the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "inputs/shared_images.h"

/* What memfd_create() fails with; 0: it works. The linker sends it here (--wrap). */
static int fault;

int __real_memfd_create(const char *, unsigned);
int __wrap_memfd_create(const char *, unsigned);
int __wrap_memfd_create(const char *name, unsigned flags)
{
    errno = fault;
    return fault != 0 ? -1 : __real_memfd_create(name, flags);
}

enum { COUNT = 777, BYTES = COUNT * 7 * 5 * 3 };

static uint8_t pixels[BYTES], labels[COUNT];

static struct images made_up(void)
{
    for (int i = 0; i < BYTES; i++)
        pixels[i] = (uint8_t)(i * 31 + i / 256);
    for (int i = 0; i < COUNT; i++)
        labels[i] = (uint8_t)(i % 9);
    return (struct images){.shape = {.height = 7, .width = 5, .channels = 3, .classes = 9},
                           .count = COUNT,
                           .pixels = pixels,
                           .labels = labels,
                           .mean = 0.25f,
                           .std = 0.5f};
}

static void assert_same(const struct images *a, const struct images *b)
{
    assert_memory_equal(&a->shape, &b->shape, sizeof a->shape);
    assert_int_equal(a->count, b->count);
    assert_true(a->mean == b->mean && a->std == b->std);
    assert_memory_equal(a->pixels, b->pixels, BYTES);
    assert_memory_equal(a->labels, b->labels, COUNT);
}

static void test_what_is_written_is_mapped(void **state)
{
    (void)state;
    struct images images = made_up(), one, two;
    int descriptor = shared_images_create(&images);
    assert_true(descriptor >= 0);
    assert_int_equal(shared_images_map(&one, descriptor), ERR_NONE);
    assert_int_equal(shared_images_map(&two, descriptor), ERR_NONE);
    close(descriptor);
    assert_same(&one, &images);
    long page = sysconf(_SC_PAGESIZE);
    assert_int_equal((uintptr_t)one.pixels % (uintptr_t)page, 0);
    assert_int_equal((uintptr_t)one.labels % (uintptr_t)page, 0);
    /* A write stays where it was made. */
    one.pixels[5] ^= 0xff;
    one.labels[0] = 200;
    assert_same(&two, &images);
    images_free(&one);
    assert_null(one.pixels);
    assert_same(&two, &images);
    images_free(&two);
}

static void test_nobody_can_change_it(void **state)
{
    (void)state;
    struct images images = made_up();
    int descriptor = shared_images_create(&images);
    assert_true(descriptor >= 0);
    assert_int_equal(pwrite(descriptor, "x", 1, 5000), -1);
    assert_int_equal(ftruncate(descriptor, 0), -1);
    assert_ptr_equal(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0),
                     MAP_FAILED);
    close(descriptor);
}

static void test_something_else_is_refused(void **state)
{
    (void)state;
    struct images images = made_up();
    int other = memfd_create("other", MFD_CLOEXEC);
    assert_true(other >= 0);
    assert_int_equal(shared_images_map(&images, other), ERR_DATA); /* empty */
    assert_int_equal(ftruncate(other, 1 << 16), 0);
    assert_int_equal(shared_images_map(&images, other), ERR_DATA); /* zeros */
    /* The first page alone. */
    int descriptor = shared_images_create(&images);
    char page[4096];
    assert_int_equal(pread(descriptor, page, sizeof page, 0), sizeof page);
    assert_int_equal(pwrite(other, page, sizeof page, 0), sizeof page);
    assert_int_equal(shared_images_map(&images, other), ERR_DATA);
    assert_non_null(strstr(error_message(), "something else"));
    close(descriptor);
    close(other);
    assert_int_equal(shared_images_map(&images, other), ERR_DATA);
    assert_ptr_equal(images.pixels, pixels);
}

static void test_no_such_memory(void **state)
{
    (void)state;
    struct images images = made_up();
    fault = ENOSYS;
    assert_int_equal(shared_images_create(&images), -1);
    assert_int_equal(errno, ENOSYS);
    fault = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written_is_mapped),
        cmocka_unit_test(test_nobody_can_change_it),
        cmocka_unit_test(test_something_else_is_refused),
        cmocka_unit_test(test_no_such_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
