#include "pipeline/command_repeats.h"

#include <string.h>

enum error repeats_option(struct repeats_request *request, const struct arguments *arguments,
                          int id, const char *value)
{
    enum error err = ERR_NONE;
    long long number;
    switch (id) {
    case REPEATS_TABLE:
        request->table = value;
        break;
    case REPEATS_AT:
        TRY(points_parse(request->at, request->at_count, request->at_most, arguments, value));
        break;
    case REPEATS_REPEATS:
        TRY(command_integer(&number, arguments, id, value, 2, 100000));
        *request->repeats = (size_t)number;
        break;
    case REPEATS_SEED:
        TRY(command_integer(&number, arguments, id, value, 0, INT64_MAX));
        *request->seed = (uint64_t)number;
        break;
    case REPEATS_SET:
        TRY(assignments_add(&request->assignments, arguments, id, NULL, value));
        break;
    case REPEATS_FORMAT:
        request->markdown = strcmp(value, "markdown") == 0;
        if (!request->markdown)
            TRY(format_parse(&request->format, value));
        break;
    case REPEATS_SHAPE:
        TRY(shape_parse(&request->shape, arguments, value));
        break;
    case REPEATS_CLASSES:
        TRY(command_integer(&number, arguments, id, value, 1, 256));
        request->shape.classes = (int)number;
        break;
    }
out:
    return err;
}
