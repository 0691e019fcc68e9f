/* outputs/csv: what a spreadsheet will see, read back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <math.h>

#include <cmocka.h>

#include "pipeline/base/rng.h"
#include "tests/csv_fixture.h"

static void writes_rows(void **state)
{
    (void)state;
    struct csv_rows rows = {0};
    csv_put_name(&rows, "name");
    csv_put_name(&rows, "count");
    csv_end_row(&rows);
    csv_put_text(&rows, "say \"hi\", then\r\ngo");
    csv_put_integer(&rows, -9223372036854775807 - 1);
    csv_end_row(&rows);
    csv_put_text(&rows, "");
    csv_put_missing(&rows);
    csv_end_row(&rows);
    assert_string_equal(rows.text.data, "name,count\r\n"
                                        "\"say \"\"hi\"\", then  go\",-9223372036854775808\r\n"
                                        ",\r\n");
    csv_free_rows(&rows);
}

static void assert_number(double value, const char *expected)
{
    struct csv_rows rows = {0};
    csv_put_number(&rows, value);
    assert_string_equal(rows.text.data ? rows.text.data : "", expected);
    csv_free_rows(&rows);
}

static void writes_numbers(void **state)
{
    (void)state;
    assert_number(0.9123, "0.912300");
    assert_number(-0.5, "-0.500000");
    assert_number(0.0, "0.000000");
    assert_number(-0.0, "0.000000");
    assert_number(1234.125, "1234.125000");
    assert_number(0.000123456789, "1.234568e-04");
    assert_number(0.001, "0.001000");
    assert_number(1e9, "1.000000e+09");
    assert_number(1e300, "1.000000e+300");
    assert_number(NAN, "");
    assert_number(INFINITY, "");
    assert_number(-INFINITY, "");
}

static void never_writes_three_fraction_digits(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 5);
    for (int i = 0; i < 20000; i++) {
        double value = (rng_uniform(&rng) - 0.5) * pow(10, (double)rng_below(&rng, 40) - 20);
        struct csv_rows rows = {0};
        csv_put_number(&rows, value);
        const char *point = strchr(rows.text.data, '.');
        assert_non_null(point);
        assert_int_equal(strspn(point + 1, "0123456789"), 6);
        double read = strtod(rows.text.data, NULL);
        assert_true(fabs(read - value) <= 5.1e-4 * fabs(value));
        csv_free_rows(&rows);
    }
}

static void writes_for_decimal_commas(void **state)
{
    (void)state;
    struct csv_rows rows = {.dialect = CSV_EXCEL_EU};
    csv_begin(&rows);
    csv_put_text(&rows, "a;b");
    csv_put_integer(&rows, 12);
    csv_put_number(&rows, -0.5);
    csv_put_number(&rows, 1e-5);
    csv_put_number(&rows, NAN);
    csv_put_time(&rows, 1769825700123456);
    csv_end_row(&rows);
    assert_string_equal(rows.text.data, "\xef\xbb\xbf\"a;b\";12;-0,500000;1,000000e-05;;"
                                        "2026-01-31T02:15:00\r\n");
    csv_free_rows(&rows);
    assert_int_equal(rows.dialect, CSV_EXCEL_EU);
}

static void writes_times(void **state)
{
    (void)state;
    struct csv_rows rows = {0};
    csv_put_time(&rows, 1769825700123456);
    assert_string_equal(rows.text.data, "2026-01-31T02:15:00");
    csv_free_rows(&rows);
}

static void assert_clean(const char *s, const char *expected)
{
    char clean[CSV_TEXT_SIZE];
    csv_clean_text(clean, s);
    assert_string_equal(clean, expected);
}

static void cleans_text(void **state)
{
    (void)state;
    assert_clean("NC32k3:relu-RC64k3:relu", "NC32k3:relu-RC64k3:relu");
    assert_clean("c000123", "c000123");
    assert_clean("s00000000000000e5", "s00000000000000e5");
    assert_clean("=1+1", "'=1+1");
    assert_clean("+1", "'+1");
    assert_clean("-cmd|' /C calc'!A0", "'-cmd|' /C calc'!A0");
    assert_clean("@SUM(A1)", "'@SUM(A1)");
    assert_clean("\t=1+1", "'=1+1");
    assert_clean("\r\n  =1", "'=1");
    assert_clean("2026-01-31", "'2026-01-31");
    assert_clean("20260131", "'20260131");
    assert_clean("1e5", "'1e5");
    assert_clean(".5", "'.5");
    assert_clean("12:30", "'12:30");
    assert_clean("1.2 Mesa 22", "1.2 Mesa 22");
    assert_clean("AMD\x01 Radeon\x7f", "AMD  Radeon ");
    assert_clean("Gr\xc3\xbc\xc3\x9f", "Gr??");
    assert_clean("\xef\xbc\x9d"
                 "1",
                 "?1"); /* a full-width = */
    assert_clean("", "");
    assert_clean(" \t", "");
}

static void cuts_endless_text(void **state)
{
    (void)state;
    char *endless = malloc(100001);
    assert_non_null(endless);
    memset(endless, '"', 100000);
    endless[100000] = '\0';
    struct csv_rows rows = {0};
    csv_put_text(&rows, endless);
    csv_end_row(&rows);
    struct parsed parsed = parse(&rows);
    assert_int_equal(parsed.cell_count, 1);
    assert_in_range(strlen(parsed.cells[0]), CSV_TEXT_SIZE - 16, CSV_TEXT_SIZE - 1);
    assert_int_equal(strspn(parsed.cells[0], "\""), strlen(parsed.cells[0]));
    parsed_free(&parsed);
    csv_free_rows(&rows);
    free(endless);
}

/* Whatever text comes in, one harmless ASCII cell of the same row comes out. */
static void survives_random_bytes(void **state)
{
    (void)state;
    static const char likely[] = "=+-@\t\r\n\",;'0123456789.eE \xc3\xbcz";
    struct rng rng;
    rng_seed(&rng, 6);
    for (int i = 0; i < 5000; i++) {
        char bytes[24] = "";
        size_t n = rng_below(&rng, sizeof bytes);
        for (size_t j = 0; j < n; j++)
            bytes[j] = rng_below(&rng, 4) ? likely[rng_below(&rng, sizeof likely - 1)]
                                          : (char)(1 + rng_below(&rng, 255));
        struct csv_rows rows = {0};
        csv_put_text(&rows, bytes);
        csv_put_integer(&rows, i);
        csv_end_row(&rows);
        struct parsed parsed = parse(&rows);
        assert_int_equal(parsed.row_count, 1);
        assert_int_equal(parsed.cell_count, 2);
        const char *cell = parsed.cells[0];
        for (const char *c = cell; *c != '\0'; c++)
            assert_in_range(*c, 0x20, 0x7e);
        assert_true(cell[0] == '\0' || strchr("=+-@ ", cell[0]) == NULL);
        double number;
        assert_false(text_to_double(cell, &number));
        assert_int_equal(strtol(parsed.cells[1], NULL, 10), i);
        parsed_free(&parsed);
        csv_free_rows(&rows);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_rows),
        cmocka_unit_test(writes_numbers),
        cmocka_unit_test(never_writes_three_fraction_digits),
        cmocka_unit_test(writes_for_decimal_commas),
        cmocka_unit_test(writes_times),
        cmocka_unit_test(cleans_text),
        cmocka_unit_test(cuts_endless_text),
        cmocka_unit_test(survives_random_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
