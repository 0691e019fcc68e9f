#include "inputs/class_names.h"

#include <stdio.h>
#include <string.h>

enum error class_names_check(const char *names, int classes)
{
    int count = 1;
    size_t length = strlen(names);
    for (size_t i = 0; i < length; i++) {
        if (names[i] < ' ' || names[i] > '~')
            return error_set(ERR_USAGE, "class names: character %zu is not printable ASCII", i + 1);
        if (names[i] != ',')
            continue;
        count++;
        if (i == 0 || names[i - 1] == ',')
            return error_set(ERR_USAGE, "class names: the name before character %zu is empty",
                             i + 1);
    }
    if (length == 0 || names[length - 1] == ',')
        return error_set(ERR_USAGE, "class names: the last name is empty");
    if (classes != 0 && count != classes)
        return error_set(ERR_USAGE, "class names: %d names for %d classes", count, classes);
    return ERR_NONE;
}

static bool is_called(const char *dir, const char *name)
{
    size_t length = strlen(dir), n = strlen(name);
    while (length > 0 && dir[length - 1] == '/')
        length--;
    return length >= n && memcmp(dir + length - n, name, n) == 0 &&
           (length == n || dir[length - n - 1] == '/');
}

const char *class_names_of(const struct data_settings *data, int classes)
{
    if (strcmp(data->class_names, CLASS_NAMES_AUTO) != 0)
        return data->class_names;
    if (classes == 10 && is_called(data->dir, "fashion-mnist"))
        return "T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot";
    return "";
}

void class_name(char out[CLASS_NAME_SIZE], const char *names, int index)
{
    for (int i = 0; i < index && *names != '\0'; i++) {
        names += strcspn(names, ",");
        names += *names == ',';
    }
    size_t length = strcspn(names, ",");
    if (length > 0)
        snprintf(out, CLASS_NAME_SIZE, "%.*s", (int)length, names);
    else
        snprintf(out, CLASS_NAME_SIZE, "%d", index);
}
