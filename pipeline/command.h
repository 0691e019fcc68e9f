/*
 * Commands of the program: each is one file, command_NAME.c, with one row here. Help, parsing and
 * "did you mean" come from the rows.
 */
#ifndef CLADE_PIPELINE_COMMAND_H
#define CLADE_PIPELINE_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "inputs/settings.h"
#include "pipeline/base/error.h"
#include "pipeline/base/text.h"

struct option_row {
    const char *name;  /* long name without dashes; NULL ends the list */
    int id;            /* what command_next() gives; 1 to 31, unique in the list */
    const char *value; /* what the value is called in the help; NULL: the option takes none */
    const char *help;
};

struct arguments;

struct command {
    const char *name;
    const char *operands; /* "SEARCH.ini", "" for none */
    const char *summary;  /* a line for the list of commands, without the full stop */
    const char *examples; /* lines, each ended */
    const char *text;     /* what a user has to know; lines, each ended */
    const struct option_row *options;
    int least, most; /* operands */
    bool internal;   /* not in the list */
    enum error (*run)(struct arguments *arguments);
};

extern const struct command command_run, command_train, command_describe, command_devices,
    command_check, command_compare, command_ablate, command_table, command_status, command_bench,
    command_eval, command_export, command_export_csv, command_log, command_predict, command_report,
    command_completion, command_tune, command_worker;

/* Every command; ends with NULL. */
extern const struct command *const all_commands[];

enum { COMMAND_OPTIONS_MAX = 32 }; /* of one command */

/* The command line of one command, while it is read. */
struct arguments {
    const struct command *command;
    int argc;
    char **argv; /* argv[0] is the command's name; getopt_long() moves the operands to the end */
    char **operands;
    int operand_count;
};

/*
 * The next option: its id and value (NULL if it takes none); id 0 at the end, when operands are
 * complete. ERR_USAGE with a hint on an unknown option, a missing or superfluous value, too few or
 * too many operands.
 */
enum error command_next(int *id, const char **value, struct arguments *arguments);

/* A whole number, or ERR_USAGE that names the option, the value and the range. */
enum error command_integer(long long *number, const struct arguments *arguments, int id,
                           const char *value, long long least, long long most);
enum error command_real(double *number, const struct arguments *arguments, int id,
                        const char *value, double least, double most);

/* The name of an option, without dashes. */
const char *command_option(const struct arguments *arguments, int id);

/* A setting that has an option of its own: key "section.key". */
enum error command_setting(struct settings *settings, const struct arguments *arguments, int id,
                           const char *key, const char *value);

/* Log events from information up are lines on standard error from here on, for commands that use
   devices in their own process: compiling takes seconds. A line that was just printed is not
   repeated. */
void command_show_log(void);

/* The help of one command, and of the program. */
void command_help(struct text *out, const struct command *command);
void program_help(struct text *out);

/* The command of that name; else NULL, and *nearest is the best guess or NULL. */
const struct command *command_find(const char *name, const char **nearest);

#define PROGRAM_VERSION CLADE_VERSION /* by CMake */

#endif
