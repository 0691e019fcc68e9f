/* clade completion: a script that completes clade's command lines. */
#include <stdio.h>
#include <string.h>

#include "pipeline/command.h"
#include "pipeline/completion.h"

static enum error run_completion(struct arguments *arguments)
{
    enum error err = ERR_NONE;
    struct text script = {0};
    int id;
    const char *value;
    do
        TRY(command_next(&id, &value, arguments));
    while (id != 0);
    if (strcmp(arguments->operands[0], "bash") != 0) {
        err = error_set(ERR_USAGE, "completion: no completion for %.40s; expected bash",
                        arguments->operands[0]);
        goto out;
    }
    completion_bash(&script);
    TRY(text_status(&script));
    fputs(script.data, stdout);
out:
    text_free(&script);
    return err;
}

static const struct option_row options[] = {{0}};

const struct command command_completion = {
    .name = "completion",
    .operands = "bash",
    .summary = "Print a script that completes command lines in a shell",
    .examples = "source <(clade completion bash)\n",
    .text = "Commands, options, settings after --set and files are completed. An installed clade\n"
            "brings the script along, where the package bash-completion looks for it.\n",
    .options = options,
    .least = 1,
    .most = 1,
    .run = run_completion,
};
