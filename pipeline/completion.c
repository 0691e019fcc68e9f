#include "pipeline/completion.h"

#include <string.h>

#include "inputs/settings_table.h"
#include "pipeline/command.h"

extern const char completion_functions[]; /* pipeline/completion.bash, embedded by CMake */

/* Values of options that are the words of a setting: the name in the help, the setting. */
static const struct {
    const char *value, *section, *key;
} words_of_settings[] = {
    {"FAMILY", "devices", "conv"},
    {"DIALECT", "outputs", "dialect"},
};

static void append_words(struct text *out, const struct setting *row)
{
    const char *word;
    for (int i = 0; row->word != NULL && (word = row->word(i)) != NULL; i++)
        text_printf(out, "%s%s", i > 0 ? " " : "", word);
}

static void append_commands(struct text *out)
{
    text_append(out, "_clade_commands='");
    for (const struct command *const *c = all_commands; *c != NULL; c++)
        if (!(*c)->internal)
            text_printf(out, "%s ", (*c)->name);
    text_append(out, "help'\n\n_clade_options() { # COMMAND\n    case $1 in\n");
    for (const struct command *const *c = all_commands; *c != NULL; c++) {
        if ((*c)->internal)
            continue;
        text_printf(out, "    %s) echo '", (*c)->name);
        for (const struct option_row *row = (*c)->options; row->name != NULL; row++)
            text_printf(out, "--%s ", row->name);
        text_append(out, "--help' ;;\n");
    }
    text_append(out, "    esac\n}\n\n");
}

static void append_option_values(struct text *out)
{
    text_append(out, "_clade_option_value() { # \"COMMAND --OPTION\"\n    case $1 in\n");
    for (const struct command *const *c = all_commands; *c != NULL; c++)
        for (const struct option_row *row = (*c)->options; row->name != NULL; row++)
            if (!(*c)->internal && row->value != NULL)
                text_printf(out, "    '%s --%s') echo '%s' ;;\n", (*c)->name, row->name,
                            row->value);
    text_append(out, "    esac\n}\n\n");
}

static void append_operands(struct text *out)
{
    text_append(out, "_clade_operand() { # \"COMMAND N\", N from 0\n    case $1 in\n");
    for (const struct command *const *c = all_commands; *c != NULL; c++) {
        const char *at = (*c)->operands;
        for (int n = 0; !(*c)->internal && at[strspn(at, " []")] != '\0'; n++) {
            at += strspn(at, " []");
            size_t length = strcspn(at, " []");
            text_printf(out, "    '%s %d') echo '%.*s' ;;\n", (*c)->name, n, (int)length, at);
            at += length;
        }
    }
    text_append(out, "    esac\n}\n\n");
}

static void append_settings(struct text *out)
{
    text_append(out, "_clade_settings='");
    for (size_t i = 0; i < setting_count; i++)
        text_printf(out, "%s%s.%s", i > 0 ? "\n" : "", setting_table[i].section,
                    setting_table[i].key);
    text_append(out, "'\n\n_clade_setting_words() { # SECTION.KEY\n    case $1 in\n");
    for (size_t i = 0; i < setting_count; i++) {
        const struct setting *row = &setting_table[i];
        if (row->word == NULL && row->type != SETTING_TEXT)
            continue;
        text_printf(out, "    %s.%s) echo '", row->section, row->key);
        append_words(out, row);
        text_append(out, row->word == NULL ? "FILE' ;;\n" : "' ;;\n");
    }
    text_append(out, "    esac\n}\n\n_clade_known_values() { # NAME\n    case $1 in\n");
    for (size_t w = 0; w < sizeof words_of_settings / sizeof words_of_settings[0]; w++) {
        text_printf(out, "    %s) echo '", words_of_settings[w].value);
        for (size_t i = 0; i < setting_count; i++)
            if (strcmp(setting_table[i].section, words_of_settings[w].section) == 0 &&
                strcmp(setting_table[i].key, words_of_settings[w].key) == 0)
                append_words(out, &setting_table[i]);
        text_append(out, "' ;;\n");
    }
    text_append(out, "    esac\n}\n\n");
}

void completion_bash(struct text *out)
{
    text_append(out, "# Completion of clade's commands, options and settings in bash.\n"
                     "# shellcheck shell=bash\n\n");
    append_commands(out);
    append_option_values(out);
    append_operands(out);
    append_settings(out);
    text_append(out, completion_functions);
}
