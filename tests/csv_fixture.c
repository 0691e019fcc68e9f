#include "tests/csv_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <csv.h>

static void on_cell(void *cell, size_t length, void *user)
{
    struct parsed *parsed = user;
    assert_true(parsed->cell_count < 256);
    parsed->cells[parsed->cell_count++] = cell ? strndup(cell, length) : strdup("");
}

static void on_row(int end, void *user)
{
    struct parsed *parsed = user;
    (void)end;
    parsed->row_count++;
}

struct parsed parse(const struct csv_rows *rows)
{
    struct parsed parsed = {0};
    struct csv_parser parser;
    assert_int_equal(text_status(&rows->text), ERR_NONE);
    assert_int_equal(csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI), 0);
    assert_int_equal(
        csv_parse(&parser, rows->text.data, rows->text.length, on_cell, on_row, &parsed),
        rows->text.length);
    assert_int_equal(csv_fini(&parser, on_cell, on_row, &parsed), 0);
    csv_free(&parser);
    return parsed;
}

void parsed_free(struct parsed *parsed)
{
    for (int i = 0; i < parsed->cell_count; i++)
        free(parsed->cells[i]);
}
