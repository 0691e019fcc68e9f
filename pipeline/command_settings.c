#include "pipeline/command_settings.h"

#include <stdio.h>
#include <string.h>

enum error assignments_add(struct assignments *assignments, const struct arguments *arguments,
                           int option, const char *key, const char *value)
{
    if (assignments->count == ASSIGNMENTS_MAX)
        return error_set(ERR_USAGE, "%s: more than %d --set; write them into a file",
                         arguments->command->name, ASSIGNMENTS_MAX);
    int i = assignments->count++;
    assignments->list[i].option = command_option(arguments, option);
    assignments->list[i].key = key;
    assignments->list[i].value = value;
    return ERR_NONE;
}

const char *time_option_key(const struct arguments *arguments, int option)
{
    static const char *const keys[][2] = {{"until", "deadline.until"},
                                          {"budget", "deadline.budget"},
                                          {"search-budget", "search.budget"}};
    const char *name = command_option(arguments, option);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (strcmp(name, keys[i][0]) == 0)
            return keys[i][1];
    return NULL;
}

enum error assignments_apply(struct settings *settings, struct settings_origins *origins,
                             const struct assignments *assignments)
{
    enum error err = ERR_NONE;
    char origin[SETTINGS_ORIGIN_SIZE];
    for (int i = 0; i < assignments->count; i++) {
        const char *key = assignments->list[i].key, *value = assignments->list[i].value;
        snprintf(origin, sizeof origin, "--%s", assignments->list[i].option);
        if (key == NULL)
            TRY(settings_apply(settings, origins, value));
        else
            TRY(settings_set(settings, origins, origin, key, value));
    }
out:
    return err;
}

enum error assignments_settings(struct settings *settings, struct settings_origins *origins,
                                const char *file, const struct assignments *assignments)
{
    enum error err = ERR_NONE;
    settings_defaults(settings, origins);
    if (file != NULL)
        TRY(settings_read_file(settings, origins, file));
    TRY(assignments_apply(settings, origins, assignments));
    settings_complete(settings);
    TRY(settings_check(settings));
out:
    return err;
}

enum error shape_parse(struct image_shape *shape, const struct arguments *arguments,
                       const char *text)
{
    enum { SIDE_MAX = 4096, CHANNELS_MAX = 1024 };
    int end = 0;
    if (sscanf(text, "%4dx%4dx%4d%n", &shape->height, &shape->width, &shape->channels, &end) == 3 &&
        text[end] == '\0' && shape->height > 0 && shape->height <= SIDE_MAX && shape->width > 0 &&
        shape->width <= SIDE_MAX && shape->channels > 0 && shape->channels <= CHANNELS_MAX)
        return ERR_NONE;
    return error_set(ERR_USAGE,
                     "%s: --shape %.40s: expected HEIGHTxWIDTHxCHANNELS, such as 28x28x1, sides up "
                     "to %d, channels up to %d",
                     arguments->command->name, text, SIDE_MAX, CHANNELS_MAX);
}

static enum error take_point(int *at, size_t *count, size_t most, const char *command,
                             const char *item)
{
    long long number;
    if (!text_to_long(item, &number) || number < 1 || number > EVALUATIONS_MAX)
        return error_set(ERR_USAGE,
                         "%s: --at: %s: expected numbers of evaluations from 1 to %d, such as "
                         "20,50,150",
                         command, item, EVALUATIONS_MAX);
    if (*count > 0 && number <= at[*count - 1])
        return error_set(ERR_USAGE,
                         "%s: --at: %lld does not come after %d; expected rising numbers", command,
                         number, at[*count - 1]);
    if (*count == most)
        return error_set(ERR_USAGE, "%s: --at: more than %zu numbers", command, most);
    at[(*count)++] = (int)number;
    return ERR_NONE;
}

enum error points_parse(int *at, size_t *count, size_t most, const struct arguments *arguments,
                        const char *list)
{
    enum error err = ERR_NONE;
    *count = 0;
    for (const char *next = list;; next++) {
        char item[32];
        size_t length = strcspn(next, ",");
        snprintf(item, sizeof item, "%.*s", (int)(length < sizeof item ? length : sizeof item),
                 next);
        TRY(take_point(at, count, most, arguments->command->name, item));
        next += length;
        if (*next == '\0')
            break;
    }
out:
    return err;
}
