/* clade: reads the command word, runs the command, turns its error into a line and an exit code. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pipeline/command.h"

/* Prints and frees `text`. */
static enum error print_text(struct text *text)
{
    enum error err = text_status(text);
    if (err == ERR_NONE)
        fputs(text->data, stdout);
    text_free(text);
    return err;
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

static enum error run_command(const struct command *command, int argc, char **argv)
{
    if (wants_help(argc, argv)) {
        struct text help = {0};
        command_help(&help, command);
        return print_text(&help);
    }
    struct arguments arguments = {.command = command, .argc = argc, .argv = argv};
    return command->run(&arguments);
}

static enum error run_program(int argc, char **argv)
{
    if (argc < 2)
        return error_set(ERR_USAGE, "expected a command, such as 'clade run inputs/searches/"
                                    "quick.ini'; see 'clade --help'");
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        struct text help = {0};
        const char *nearest;
        const struct command *about = argc > 2 ? command_find(argv[2], &nearest) : NULL;
        if (about != NULL)
            command_help(&help, about);
        else
            program_help(&help);
        return print_text(&help);
    }
    if (strcmp(word, "--version") == 0) {
        puts("clade " PROGRAM_VERSION);
        return ERR_NONE;
    }
    const char *nearest;
    const struct command *command = command_find(word, &nearest);
    if (command != NULL)
        return run_command(command, argc - 1, argv + 1);
    if (nearest != NULL)
        return error_set(ERR_USAGE,
                         "unknown command '%.80s'; did you mean '%s'? see 'clade --help'", word,
                         nearest);
    return error_set(ERR_USAGE, "unknown command '%.80s'; see 'clade --help'", word);
}

/* One line, whatever was in the message. */
static void print_error(enum error err)
{
    const char *message = error_message()[0] != '\0' ? error_message() : error_text(err);
    fputs("clade: ", stderr);
    for (const char *s = message; *s != '\0'; s++)
        fputc((unsigned char)*s < ' ' || *s == 0x7f ? ' ' : *s, stderr);
    fputc('\n', stderr);
}

/* A closed standard stream would give its number to the next file that is opened, and what is
   printed would go into a log, a lock or a store. Standard output then stays one that cannot be
   written, which is an error where there is a result to print. */
static void open_standard_streams(void)
{
    for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++)
        if (fcntl(stream, F_GETFD) < 0 && errno == EBADF &&
            open("/dev/null", stream == STDERR_FILENO ? O_WRONLY : O_RDONLY) != stream)
            abort();
}

int main(int argc, char **argv)
{
    open_standard_streams();
    enum error err = run_program(argc, argv);
    if ((fflush(stdout) != 0 || ferror(stdout)) && err == ERR_NONE)
        err = error_set(ERR_OUTPUT, "cannot write to standard output; is the disk full?");
    if (err != ERR_NONE)
        print_error(err);
    return error_exit_code(err);
}
