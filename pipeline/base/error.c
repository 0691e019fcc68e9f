#include "pipeline/base/error.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local char message[1024];

static const struct {
    int exit_code;
    const char *name;
    const char *text;
} table[] = {
#define X(name, code, text) {code, #name, text},
    ERROR_TABLE(X)
#undef X
};

enum error error_set(enum error code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return code;
}

const char *error_message(void)
{
    return message;
}

void error_clear(void)
{
    message[0] = '\0';
}

int error_exit_code(enum error code)
{
    return table[code].exit_code;
}

const char *error_text(enum error code)
{
    return table[code].text;
}

const char *error_name(enum error code)
{
    return table[code].name + sizeof "ERR_" - 1;
}
