/* inputs/class_names: where the names of classes come from, and what is not a list of names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "inputs/class_names.h"

static void comes_from_the_settings(void **state)
{
    (void)state;
    struct settings settings;
    char name[CLASS_NAME_SIZE];
    settings_defaults(&settings, NULL);
    class_name(name, class_names_of(&settings.data, 10), 0);
    assert_string_equal(name, "T-shirt/top");
    static const char *const fashion[] = {"fashion-mnist", "/data/fashion-mnist//"};
    for (size_t i = 0; i < 2; i++) {
        strcpy(settings.data.dir, fashion[i]);
        class_name(name, class_names_of(&settings.data, 10), 9);
        assert_string_equal(name, "Ankle boot");
    }
    assert_string_equal(class_names_of(&settings.data, 26), "");
    static const char *const other[] = {"/data/not-fashion-mnist", "/data/mnist"};
    for (size_t i = 0; i < 2; i++) {
        strcpy(settings.data.dir, other[i]);
        assert_string_equal(class_names_of(&settings.data, 10), "");
    }
    assert_int_equal(settings_apply(&settings, NULL, "data.class_names=cat,big dog"), ERR_NONE);
    assert_int_equal(settings_apply(&settings, NULL, "data.classes=2"), ERR_NONE);
    assert_int_equal(settings_check(&settings), ERR_NONE);
    class_name(name, class_names_of(&settings.data, 2), 1);
    assert_string_equal(name, "big dog");
}

static void is_a_number_without_a_name(void **state)
{
    (void)state;
    char name[CLASS_NAME_SIZE], names[200];
    class_name(name, "", 255);
    assert_string_equal(name, "255");
    class_name(name, "a,b", 2);
    assert_string_equal(name, "2");
    memset(names, 'x', sizeof names - 1);
    names[sizeof names - 1] = '\0';
    names[0] = ',';
    class_name(name, names, 1);
    assert_int_equal(strlen(name), CLASS_NAME_SIZE - 1);
}

static void refuses_what_are_not_so_many_names(void **state)
{
    (void)state;
    struct settings settings;
    settings_defaults(&settings, NULL);
    static const char *const bad[] = {"a,b", "a,b,,d,e,f,g,h,i,j", "a,b,c,d,e,f,g,h,i,",
                                      "a,b,c,d,e,f,g,h,i,\t", "a,b,c,d,e,f,g,h,i,\xc3\xa4"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        strcpy(settings.data.class_names, bad[i]);
        assert_int_equal(settings_check(&settings), ERR_USAGE);
        assert_non_null(strstr(error_message(), "class names: "));
    }
    assert_int_equal(class_names_check("a,b,c", 3), ERR_NONE);
    assert_int_equal(class_names_check("a,b,c", 0), ERR_NONE);
    assert_int_equal(class_names_check("a,b,c", 4), ERR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_from_the_settings),
        cmocka_unit_test(is_a_number_without_a_name),
        cmocka_unit_test(refuses_what_are_not_so_many_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
