/*
 * The documents say what the code says. Parts made from C tables stand between the lines
 * "<!-- made: NAME -->" and "<!-- end -->" (in man pages after .\"); `test_docs --write` makes them
 * again, anything else compares. Files and settings that the documents name must exist.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ctype.h>
#include <unistd.h>

#include <cmocka.h>

#include "inputs/settings.h"
#include "outputs/file.h"
#include "outputs/tables.h"
#include "pipeline/command.h"

static bool writing;

static void read_document(struct text *content, const char *path)
{
    char buffer[4096];
    size_t n;
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        fail_msg("%s is not there; tests run in the source tree", path);
    while ((n = fread(buffer, 1, sizeof buffer, file)) > 0)
        text_append_n(content, buffer, n);
    fclose(file);
    assert_int_equal(text_status(content), ERR_NONE);
}

/* The made part `name` of the document at `path` is `expected`. */
static void check_made(const char *path, const char *name, const struct text *expected)
{
    struct text content = {0};
    char first[128];
    read_document(&content, path);
    snprintf(first, sizeof first, "<!-- made: %s -->\n", name);
    char *begin = strstr(content.data, first);
    if (begin == NULL)
        fail_msg("%s has no line %s", path, first);
    begin += strlen(first);
    char *end = strstr(begin, "<!-- end -->");
    assert_non_null(end);
    while (end[-1] != '\n') /* to the start of the line */
        end--;
    size_t length = (size_t)(end - begin);
    bool equal = length == expected->length && memcmp(begin, expected->data, length) == 0;
    if (!equal && writing) {
        struct text new_content = {0};
        text_append_n(&new_content, content.data, (size_t)(begin - content.data));
        text_append(&new_content, expected->data);
        text_append(&new_content, end);
        assert_int_equal(file_replace_text(path, &new_content), ERR_NONE);
        text_free(&new_content);
    } else if (!equal) {
        fail_msg("%s: the part \"%s\" is not what the code says; run test_docs --write", path,
                 name);
    }
    text_free(&content);
}

static void columns_are_documented(void **state)
{
    (void)state;
    const struct table *const in_readme[] = {&candidates_table, &generations_table, &pareto_table,
                                             &operators_table};
    for (size_t i = 0; i < sizeof in_readme / sizeof in_readme[0]; i++) {
        struct text rows = {0};
        table_dictionary(&rows, in_readme[i]);
        check_made("README.md", in_readme[i]->file, &rows);
        text_free(&rows);
    }
    for (const struct table *const *table = all_tables; *table != NULL; table++) {
        struct text rows = {0};
        text_printf(&rows, "%s\n\n", (*table)->help);
        table_dictionary(&rows, *table);
        check_made("docs/csv.md", (*table)->file, &rows);
        text_free(&rows);
    }
}

/* Text in a man page: lines that would be requests are not, dashes can be copied. */
static void append_roff(struct text *out, const char *s)
{
    bool line_start = true;
    for (; *s != '\0'; s++) {
        if (line_start && (*s == '.' || *s == '\''))
            text_append(out, "\\&");
        if (*s == '-')
            text_append(out, "\\-");
        else if (*s == '\\')
            text_append(out, "\\e");
        else
            text_append_n(out, s, 1);
        line_start = *s == '\n';
    }
}

static void tables_are_in_the_manual(void **state)
{
    (void)state;
    struct text roff = {0};
    for (const struct table *const *table = all_tables; *table != NULL; table++) {
        text_append(&roff, ".SS ");
        append_roff(&roff, (*table)->file);
        text_append(&roff, "\n");
        append_roff(&roff, (*table)->help);
        text_append(&roff, "\n");
        for (size_t i = 0; i < (*table)->column_count; i++) {
            const struct column *column = &(*table)->columns[i];
            text_printf(&roff, ".TP\n.BR %s \" (%s%s%s)\"\n", column->name,
                        column_type_name(column->type), column->unit[0] != '\0' ? ", " : "",
                        column->unit);
            append_roff(&roff, column->help);
            text_append(&roff, "\n");
        }
    }
    check_made("docs/clade-csv.5", "tables", &roff);
    text_free(&roff);
}

static void append_command(struct text *out, const struct command *command)
{
    text_append(out, ".SS \"clade ");
    append_roff(out, command->name);
    text_append(out, command->operands[0] != '\0' ? " " : "");
    append_roff(out, command->operands);
    text_append(out, "\"\n");
    append_roff(out, command->summary);
    text_append(out, ".\n");
    append_roff(out, command->text);
    for (const struct option_row *option = command->options; option->name != NULL; option++) {
        text_append(out, ".TP\n\\fB\\-\\-");
        append_roff(out, option->name);
        text_append(out, "\\fR");
        if (option->value != NULL) {
            text_append(out, " \\fI");
            append_roff(out, option->value);
            text_append(out, "\\fR");
        }
        text_append(out, "\n");
        append_roff(out, option->help);
        text_append(out, "\n");
    }
    if (command->examples[0] != '\0') {
        text_append(out, ".PP\nExamples:\n.PP\n.nf\n");
        append_roff(out, command->examples);
        text_append(out, ".fi\n");
    }
}

static void commands_are_documented(void **state)
{
    (void)state;
    struct text roff = {0};
    for (const struct command *const *command = all_commands; *command != NULL; command++)
        append_command(&roff, *command);
    check_made("docs/clade.1", "commands", &roff);
    text_free(&roff);
}

static void settings_are_documented(void **state)
{
    (void)state;
    struct text roff = {0};
    settings_manual(&roff);
    check_made("docs/clade-settings.5", "settings", &roff);
    text_free(&roff);
}

static void exit_codes_are_documented(void **state)
{
    (void)state;
    struct text markdown = {0}, roff = {0};
    text_append(&markdown, "| code | meaning |\n|--:|---|\n");
    for (int code = 0; code < ERR_COUNT; code++)
        text_printf(&markdown, "| %d | %s |\n", error_exit_code((enum error)code),
                    error_text((enum error)code));
    check_made("README.md", "exit codes", &markdown);
    for (int code = 0; code < ERR_COUNT; code++) {
        text_printf(&roff, ".TP\n.B %d\n", error_exit_code((enum error)code));
        append_roff(&roff, error_text((enum error)code));
        text_append(&roff, "\n");
    }
    check_made("docs/clade.1", "exit codes", &roff);
    text_free(&markdown);
    text_free(&roff);
}

static bool in_path(char c)
{
    return isalnum((unsigned char)c) || strchr("/._-", c) != NULL;
}

/* What stands from `open` to `close` and begins with a room and a slash is a file or a folder,
   unless NAME stands in it. */
static void check_names(const char *path, const struct text *content, const char *open, char close)
{
    static const char *const rooms[] = {"inputs/",  "cl_kernels/", "stages/", "pipeline/",
                                        "outputs/", "tests/",      "docs/",   "script/",
                                        "bench/",   "cmake/"};
    for (const char *at = content->data; (at = strstr(at, open)) != NULL;) {
        at += strlen(open);
        size_t n = 0;
        while (in_path(at[n]))
            n++;
        bool room = false;
        for (size_t i = 0; i < sizeof rooms / sizeof rooms[0]; i++)
            room = room || strncmp(at, rooms[i], strlen(rooms[i])) == 0;
        if (!room || at[n] != close)
            continue;
        char name[256];
        snprintf(name, sizeof name, "%.*s", (int)n, at);
        if (strstr(name, "NAME") == NULL && access(name, F_OK) != 0)
            fail_msg("%s names %s, which is not there", path, name);
    }
}

/* Words in backticks, links and pictures. */
static void check_paths(const char *path)
{
    struct text content = {0};
    read_document(&content, path);
    check_names(path, &content, "`", '`');
    check_names(path, &content, "](", ')');
    text_free(&content);
}

static void named_files_exist(void **state)
{
    (void)state;
    check_paths("README.md");
    check_paths("CONTRIBUTING.md");
    check_paths("docs/architecture.md");
    check_paths("docs/csv.md");
    check_paths("docs/results.md");
}

int main(int argc, char **argv)
{
    writing = argc == 2 && strcmp(argv[1], "--write") == 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_documented),    cmocka_unit_test(tables_are_in_the_manual),
        cmocka_unit_test(commands_are_documented),   cmocka_unit_test(settings_are_documented),
        cmocka_unit_test(exit_codes_are_documented), cmocka_unit_test(named_files_exist),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
