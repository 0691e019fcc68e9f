/* How values of settings become text and back. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inputs/settings_table.h"
#include "pipeline/base/clock.h"

static const char not_whole[] = "not a whole number";
static const char not_number[] = "not a number";
static const char out_of_range[] = "out of range";
static const char not_known[] = "not one of the known words";

static const char *parse_whole(double *number, const struct setting *row, const char *value)
{
    long long whole;
    if (!text_to_long(value, &whole)) {
        double real;
        /* Too long for a long long is a number all the same. */
        return text_to_double(value, &real) && strpbrk(value, ".eExXpP") == NULL ? out_of_range
                                                                                 : not_whole;
    }
    if ((double)whole < row->least || (double)whole > row->most)
        return out_of_range;
    if ((whole - (long long)row->least) % row->step != 0)
        return "an even number";
    *number = (double)whole;
    return NULL;
}

static const char *parse_word(double *number, const struct setting *row, const char *value)
{
    const char *word;
    for (int i = 0; (word = row->word(i)) != NULL; i++) {
        if (strcmp(word, value) == 0) {
            *number = i;
            return NULL;
        }
    }
    return not_known;
}

/* Items of lists are separated by blanks, commas or both. */
static const char separators[] = " \t,";

static const char *parse_list(struct int_list *list, const struct setting *row, const char *value)
{
    struct int_list parsed = {0};
    for (const char *at = value + strspn(value, separators); *at != '\0';
         at += strspn(at, separators)) {
        char item[32];
        size_t length = strcspn(at, separators);
        snprintf(item, sizeof item, "%.*s", (int)(length < sizeof item ? length : sizeof item), at);
        double number;
        const char *wrong = row->type == SETTING_WORD_LIST ? parse_word(&number, row, item)
                                                           : parse_whole(&number, row, item);
        if (wrong != NULL)
            return wrong;
        for (int i = 0; i < parsed.count; i++) {
            if (parsed.values[i] == (int)number)
                return "one value stands twice";
        }
        if (parsed.count == SETTINGS_LIST_MAX)
            return "more than 32 values";
        parsed.values[parsed.count++] = (int)number;
        at += length;
    }
    if (parsed.count == 0)
        return "an empty list";
    *list = parsed;
    return NULL;
}

/* EPOCHS "x" ( IMAGES | "all" ), several of them with blanks or commas between; or "none". */
static const char *parse_rungs(struct rung_list *list, const char *value)
{
    static const char wrong[] = "not a list of EPOCHSxIMAGES";
    struct rung_list parsed = {0};
    if (strcmp(value, "none") == 0)
        value = "";
    else if (value[strspn(value, separators)] == '\0')
        return wrong;
    for (const char *at = value + strspn(value, separators); *at != '\0';
         at += strspn(at, separators)) {
        struct rung rung = {0};
        int end = 0;
        if (sscanf(at, "%5d%n", &rung.epochs, &end) != 1 || rung.epochs < 1 || at[end] != 'x')
            return wrong;
        at += end + 1;
        if (strncmp(at, "all", 3) == 0)
            end = 3;
        else if (sscanf(at, "%9d%n", &rung.train_images, &end) != 1 || rung.train_images < 1)
            return wrong;
        at += end;
        if (*at != '\0' && strchr(separators, *at) == NULL)
            return wrong;
        if (parsed.count == RUNGS_MAX)
            return "more than 8 rungs";
        parsed.values[parsed.count++] = rung;
    }
    *list = parsed;
    return NULL;
}

/* What cannot stand in an INI file could not be printed and read back. */
static const char *parse_text(char *field, const struct setting *row, const char *value)
{
    size_t length = strlen(value);
    if (length == 0)
        return "empty";
    if (length >= row->size)
        return "too long";
    for (size_t i = 0; i < length; i++) {
        if (iscntrl((unsigned char)value[i]))
            return "a control character in it";
        if (value[i] == ';' && (i == 0 || isspace((unsigned char)value[i - 1])))
            return "\";\" after a blank starts a comment";
    }
    if (isspace((unsigned char)value[0]) || isspace((unsigned char)value[length - 1]))
        return "a blank at its start or end";
    memcpy(field, value, length + 1);
    return NULL;
}

/* all | cpu | gpu | number "." number *( "," number "." number ) */
static const char *parse_devices(char *field, const struct setting *row, const char *value)
{
    static const char wrong[] = "neither a known word nor a list of indices";
    if (strcmp(value, "all") != 0 && strcmp(value, "cpu") != 0 && strcmp(value, "gpu") != 0) {
        const char *at = value;
        for (bool more = true; more;) {
            size_t digits = strspn(at, "0123456789");
            size_t after = at[digits] == '.' ? strspn(at + digits + 1, "0123456789") : 0;
            if (digits == 0 || after == 0 || digits > 4 || after > 4)
                return wrong;
            at += digits + 1 + after;
            more = *at == ',';
            at += more;
        }
        if (*at != '\0')
            return wrong;
    }
    return parse_text(field, row, value);
}

/* "none" is a value beside those that `known` says are right. */
static const char *parse_or_none(double *number, double none, const char *value, bool known)
{
    if (known)
        return NULL;
    *number = none;
    return strcmp(value, "none") == 0 ? NULL : "not understood";
}

const char *setting_parse(struct settings *settings, const struct setting *row, const char *value)
{
    void *field = (char *)settings + row->offset;
    double number = 0;
    int minutes = -1;
    const char *wrong = NULL;
    switch (row->type) {
    case SETTING_INT:
    case SETTING_INT64:
        wrong = parse_whole(&number, row, value);
        break;
    case SETTING_REAL:
        if (!text_to_double(value, &number))
            wrong = not_number;
        else if (number < row->least || number > row->most)
            wrong = out_of_range;
        break;
    case SETTING_WORD:
        wrong = parse_word(&number, row, value);
        break;
    case SETTING_DURATION:
        wrong = parse_or_none(&number, 0, value, clock_parse_duration(&number, value));
        break;
    case SETTING_TIME:
        wrong = parse_or_none(&number, -1, value, clock_parse_time(&minutes, value));
        number = minutes >= 0 ? minutes : number;
        break;
    case SETTING_TEXT:
        return parse_text(field, row, value);
    case SETTING_DEVICES:
        return parse_devices(field, row, value);
    case SETTING_INT_LIST:
    case SETTING_WORD_LIST:
        return parse_list(field, row, value);
    case SETTING_RUNGS:
        return parse_rungs(field, value);
    }
    if (wrong != NULL)
        return wrong;
    int small = (int)(row->size == sizeof(int) ? number : 0);
    int64_t large = (int64_t)number;
    if (row->type == SETTING_REAL || row->type == SETTING_DURATION)
        memcpy(field, &number, sizeof number);
    else if (row->type == SETTING_INT64)
        memcpy(field, &large, sizeof large);
    else
        memcpy(field, &small, sizeof small);
    return NULL;
}

/* The shortest decimal that reads back as the same number. */
static void format_real(struct text *out, double number)
{
    char shortest[40] = "";
    for (int digits = 1; digits <= 17; digits++) {
        char decimal[40];
        double again;
        snprintf(decimal, sizeof decimal, "%.*g", digits, number);
        if (text_to_double(decimal, &again) && again == number &&
            (shortest[0] == '\0' || strlen(decimal) < strlen(shortest)))
            strcpy(shortest, decimal);
    }
    text_append(out, shortest);
}

static void format_rungs(struct text *out, const struct rung_list *list)
{
    if (list->count == 0)
        text_append(out, "none");
    for (int i = 0; i < list->count; i++) {
        text_printf(out, "%s%dx", i > 0 ? " " : "", list->values[i].epochs);
        if (list->values[i].train_images > 0)
            text_printf(out, "%d", list->values[i].train_images);
        else
            text_append(out, "all");
    }
}

void setting_format(struct text *out, const struct settings *settings, const struct setting *row)
{
    const void *field = (const char *)settings + row->offset;
    const struct int_list *list = field;
    int small;
    int64_t large;
    double real;
    char duration[CLOCK_DURATION_SIZE];
    switch (row->type) {
    case SETTING_INT:
        memcpy(&small, field, sizeof small);
        text_printf(out, "%d", small);
        break;
    case SETTING_INT64:
        memcpy(&large, field, sizeof large);
        text_printf(out, "%lld", (long long)large);
        break;
    case SETTING_REAL:
        memcpy(&real, field, sizeof real);
        format_real(out, real);
        break;
    case SETTING_DURATION:
        memcpy(&real, field, sizeof real);
        clock_format_duration(duration, real);
        text_append(out, real > 0 ? duration : "none");
        break;
    case SETTING_TIME:
        memcpy(&small, field, sizeof small);
        text_printf(out, small >= 0 ? "%02d:%02d" : "none", small / 60, small % 60);
        break;
    case SETTING_TEXT:
    case SETTING_DEVICES:
        text_append(out, field);
        break;
    case SETTING_WORD:
        memcpy(&small, field, sizeof small);
        text_append(out, row->word(small));
        break;
    case SETTING_INT_LIST:
        for (int i = 0; i < list->count; i++)
            text_printf(out, "%s%d", i > 0 ? " " : "", list->values[i]);
        break;
    case SETTING_WORD_LIST:
        for (int i = 0; i < list->count; i++)
            text_printf(out, "%s%s", i > 0 ? " " : "", row->word(list->values[i]));
        break;
    case SETTING_RUNGS:
        format_rungs(out, field);
        break;
    }
}

static void allowed_words(struct text *out, const struct setting *row)
{
    const char *word;
    for (int i = 0; (word = row->word(i)) != NULL; i++)
        text_printf(out, "%s%s", i > 0 ? ", " : "", word);
}

void setting_allowed(struct text *out, const struct setting *row)
{
    switch (row->type) {
    case SETTING_INT:
    case SETTING_INT64:
        text_printf(out, "a whole number from %.0f to %.0f", row->least, row->most);
        break;
    case SETTING_REAL:
        text_append(out, "a number from ");
        format_real(out, row->least);
        text_append(out, " to ");
        format_real(out, row->most);
        break;
    case SETTING_DURATION:
        text_append(out, "none, or hours, minutes and seconds such as 7h30m, 90m or 45s, "
                         "to 8760h");
        break;
    case SETTING_TIME:
        text_append(out, "none, or a time of the day such as 06:30");
        break;
    case SETTING_TEXT:
        text_printf(out, "a text of 1 to %zu bytes", row->size - 1);
        break;
    case SETTING_DEVICES:
        text_append(out, "all, cpu, gpu, or indices such as 0.0,1.0");
        break;
    case SETTING_WORD:
        text_append(out, "one of ");
        allowed_words(out, row);
        break;
    case SETTING_INT_LIST:
        text_printf(out, "different %swhole numbers from %.0f to %.0f, at most %d of them",
                    row->step == 2 ? "odd " : "", row->least, row->most, SETTINGS_LIST_MAX);
        break;
    case SETTING_WORD_LIST:
        text_append(out, "different words of ");
        allowed_words(out, row);
        break;
    case SETTING_RUNGS:
        text_printf(out, "none, or 1 to %d of EPOCHSxIMAGES or EPOCHSxall, such as 1x10000 3xall",
                    RUNGS_MAX);
        break;
    }
    if (row->unit[0] != '\0')
        text_printf(out, " (%s)", row->unit);
}

void setting_meant(struct text *out, const struct setting *row, const char *value)
{
    static const char *const devices[] = {"all", "cpu", "gpu"};
    const char *words[64], *word;
    size_t count = 0;
    if (row->type == SETTING_DEVICES)
        for (; count < sizeof devices / sizeof devices[0]; count++)
            words[count] = devices[count];
    if (row->type == SETTING_WORD || row->type == SETTING_WORD_LIST)
        for (; count < sizeof words / sizeof words[0] && (word = row->word((int)count)) != NULL;
             count++)
            words[count] = word;
    for (const char *at = value + strspn(value, separators); *at != '\0';
         at += strspn(at, separators)) {
        char item[64];
        double number;
        size_t length = strcspn(at, separators);
        /* All words are lower case. */
        for (size_t i = 0; i <= length && i < sizeof item; i++)
            item[i] = (char)(i < length ? tolower((unsigned char)at[i]) : '\0');
        item[sizeof item - 1] = '\0';
        bool known = row->type == SETTING_WORD_LIST && length < sizeof item &&
                     strncmp(item, at, length) == 0 && parse_word(&number, row, item) == NULL;
        const char *nearest = known ? NULL : text_nearest(item, words, count);
        if (nearest != NULL)
            text_printf(out, "; did you mean %s?", nearest);
        if (!known)
            return;
        at += length;
    }
}
