#include "pipeline/command.h"

#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "pipeline/base/log.h"

const struct command *const all_commands[] = {
    &command_run,     &command_train,   &command_describe,   &command_devices,    &command_check,
    &command_status,  &command_compare, &command_ablate,     &command_table,      &command_bench,
    &command_tune,    &command_eval,    &command_export,     &command_export_csv, &command_log,
    &command_predict, &command_report,  &command_completion, &command_worker,     NULL};

static const char *see_help(const struct arguments *arguments)
{
    static _Thread_local char text[64];
    snprintf(text, sizeof text, "see 'clade %s --help'", arguments->command->name);
    return text;
}

const char *command_option(const struct arguments *arguments, int id)
{
    const struct option_row *row = arguments->command->options;
    while (row->name != NULL && row->id != id)
        row++;
    return row->name;
}

static enum error unknown_option(const struct arguments *arguments, const char *word)
{
    const char *names[COMMAND_OPTIONS_MAX];
    size_t count = 0;
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "="), word);
    for (const struct option_row *o = arguments->command->options; o->name != NULL; o++)
        names[count++] = o->name;
    const char *nearest = text_nearest(name + strspn(name, "-"), names, count);
    if (nearest != NULL)
        return error_set(ERR_USAGE, "%s: unknown option %s; did you mean --%s? %s",
                         arguments->command->name, name, nearest, see_help(arguments));
    return error_set(ERR_USAGE, "%s: unknown option %s; %s", arguments->command->name, name,
                     see_help(arguments));
}

/* What getopt_long() could not read. */
static enum error bad_option(const struct arguments *arguments, int code)
{
    const char *name = command_option(arguments, optopt);
    if (code == ':')
        return error_set(ERR_USAGE, "%s: --%s needs a value; %s", arguments->command->name, name,
                         see_help(arguments));
    if (name != NULL)
        return error_set(ERR_USAGE, "%s: --%s takes no value; %s", arguments->command->name, name,
                         see_help(arguments));
    char letter[3] = {'-', (char)optopt, '\0'};
    return unknown_option(arguments, optopt != 0 ? letter : arguments->argv[optind - 1]);
}

static enum error check_operands(const struct arguments *arguments)
{
    const struct command *command = arguments->command;
    if (arguments->operand_count < command->least)
        return error_set(ERR_USAGE, "%s: expected %s; %s", command->name, command->operands,
                         see_help(arguments));
    if (arguments->operand_count > command->most)
        return error_set(ERR_USAGE, "%s: unexpected '%.80s'; %s", command->name,
                         arguments->operands[command->most], see_help(arguments));
    return ERR_NONE;
}

/* The few options that have a letter in every program have it here too; 0: none. */
static char option_letter(const struct option_row *row)
{
    return strcmp(row->name, "quiet") == 0 ? 'q' : strcmp(row->name, "verbose") == 0 ? 'v' : 0;
}

enum error command_next(int *id, const char **value, struct arguments *arguments)
{
    char letters[8] = ":";
    size_t letter_count = 1;
    struct option options[COMMAND_OPTIONS_MAX + 1] = {{0}};
    int count = 0;
    for (const struct option_row *row = arguments->command->options; row->name != NULL; row++) {
        assert(count < COMMAND_OPTIONS_MAX);
        options[count++] =
            (struct option){.name = row->name,
                            .has_arg = row->value != NULL ? required_argument : no_argument,
                            .val = row->id};
        if (option_letter(row) != 0 && letter_count + 1 < sizeof letters)
            letters[letter_count++] = option_letter(row);
    }
    opterr = 0;
    int code = getopt_long(arguments->argc, arguments->argv, letters, options, NULL);
    for (const struct option_row *row = arguments->command->options; row->name != NULL; row++)
        if (code != 0 && code == option_letter(row))
            code = row->id;
    *id = code == -1 ? 0 : code;
    *value = optarg;
    if (code == '?' || code == ':')
        return bad_option(arguments, code);
    if (code != -1)
        return ERR_NONE;
    arguments->operands = arguments->argv + optind;
    arguments->operand_count = arguments->argc - optind;
    return check_operands(arguments);
}

enum error command_integer(long long *number, const struct arguments *arguments, int id,
                           const char *value, long long least, long long most)
{
    if (text_to_long(value, number) && *number >= least && *number <= most)
        return ERR_NONE;
    return error_set(ERR_USAGE, "%s: --%s %.80s: expected a whole number from %lld to %lld",
                     arguments->command->name, command_option(arguments, id), value, least, most);
}

enum error command_real(double *number, const struct arguments *arguments, int id,
                        const char *value, double least, double most)
{
    if (text_to_double(value, number) && *number >= least && *number <= most)
        return ERR_NONE;
    return error_set(ERR_USAGE, "%s: --%s %.80s: expected a number from %g to %g",
                     arguments->command->name, command_option(arguments, id), value, least, most);
}

enum error command_setting(struct settings *settings, const struct arguments *arguments, int id,
                           const char *key, const char *value)
{
    char origin[SETTINGS_ORIGIN_SIZE];
    snprintf(origin, sizeof origin, "--%s", command_option(arguments, id));
    return settings_set(settings, NULL, origin, key, value);
}

/* Each line of `lines` with two blanks before it. */
static void indented(struct text *out, const char *lines)
{
    while (*lines != '\0') {
        size_t length = strcspn(lines, "\n");
        text_append(out, "  ");
        text_append_n(out, lines, length);
        text_append(out, "\n");
        lines += length + (lines[length] == '\n');
    }
}

static void option_lines(struct text *out, const struct option_row *row)
{
    enum { HELP_COLUMN = 30 };
    size_t start = out->length;
    char letter[8] = "";
    if (option_letter(row) != 0)
        snprintf(letter, sizeof letter, "-%c, ", option_letter(row));
    text_printf(out, "  %s--%s%s%s", letter, row->name, row->value != NULL ? " " : "",
                row->value != NULL ? row->value : "");
    size_t width = out->length - start;
    if (width + 2 > HELP_COLUMN)
        text_printf(out, "\n%*s", HELP_COLUMN, "");
    else
        text_printf(out, "%*s", (int)(HELP_COLUMN - width), "");
    for (const char *at = row->help; *at != '\0';) {
        size_t length = strcspn(at, "\n");
        text_append_n(out, at, length);
        text_append(out, "\n");
        at += length + (at[length] == '\n');
        if (*at != '\0')
            text_printf(out, "%*s", HELP_COLUMN, "");
    }
}

static void print_event(enum log_level level, const char *text, void *user)
{
    static char last[256];
    (void)user;
    if (level == LOG_DEBUG || strncmp(text, last, sizeof last - 1) == 0)
        return;
    snprintf(last, sizeof last, "%s", text);
    if (level == LOG_INFO)
        fprintf(stderr, "clade: %s\n", text);
    else
        fprintf(stderr, "clade: %s: %s\n", log_level_name(level), text);
}

void command_show_log(void)
{
    log_set_sink(print_event, NULL);
}

void command_help(struct text *out, const struct command *command)
{
    text_append(out, "Examples:\n");
    indented(out, command->examples);
    text_printf(out, "\nUsage: clade %s%s%s%s\n\n%s.\n", command->name,
                command->operands[0] != '\0' ? " " : "", command->operands,
                command->options[0].name != NULL ? " [OPTIONS]" : "", command->summary);
    if (command->text[0] != '\0')
        text_printf(out, "%s", command->text);
    text_append(out, "\nOptions:\n");
    for (const struct option_row *row = command->options; row->name != NULL; row++)
        option_lines(out, row);
    option_lines(out, &(struct option_row){"help", 1, NULL, "this text"});
}

void program_help(struct text *out)
{
    text_append(out, "Examples:\n"
                     "  clade run inputs/searches/quick.ini      search, results in runs/\n"
                     "  clade check inputs/searches/nightly.ini  is the night worth starting?\n"
                     "  clade devices                            what there is to train on\n"
                     "  clade describe NC32k3:relu-RC64k3:relu-RC128k3:relu-FC64:relu\n"
                     "\n"
                     "Usage: clade COMMAND [ARGUMENTS]\n"
                     "\n"
                     "Searches for small convolutional networks on OpenCL devices.\n"
                     "\n"
                     "Commands:\n");
    for (const struct command *const *c = all_commands; *c != NULL; c++)
        if (!(*c)->internal)
            text_printf(out, "  %-12s%s\n", (*c)->name, (*c)->summary);
    text_append(out, "\n"
                     "clade COMMAND --help explains a command, clade --version names the "
                     "version.\n"
                     "\n"
                     "Exit codes:\n");
    for (int code = 0; code < ERR_COUNT; code++)
        text_printf(out, "  %-4d%s\n", error_exit_code((enum error)code),
                    error_text((enum error)code));
}

const struct command *command_find(const char *name, const char **nearest)
{
    const char *names[32];
    size_t count = 0;
    for (const struct command *const *c = all_commands; *c != NULL; c++) {
        if (strcmp((*c)->name, name) == 0)
            return *c;
        if (!(*c)->internal)
            names[count++] = (*c)->name;
    }
    *nearest = text_nearest(name, names, count);
    return NULL;
}
