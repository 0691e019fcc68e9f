/*
 * The table of settings: one row a key, and how a value becomes text and back. What speaks of keys
 * (files, --set, printing, the manual, completion in shells) walks this table; what uses settings
 * needs inputs/settings.h only.
 */
#ifndef CLADE_INPUTS_SETTINGS_TABLE_H
#define CLADE_INPUTS_SETTINGS_TABLE_H

#include <stddef.h>

#include "inputs/settings.h"

enum setting_type {
    SETTING_INT,       /* int */
    SETTING_INT64,     /* int64_t or uint64_t, below 2^53 */
    SETTING_REAL,      /* double */
    SETTING_TEXT,      /* char[size] */
    SETTING_DEVICES,   /* char[size]: all, cpu, gpu or platform.device indices */
    SETTING_DURATION,  /* double, seconds; 0: none */
    SETTING_TIME,      /* int, minutes after midnight; -1: none */
    SETTING_WORD,      /* an enum, by word() */
    SETTING_INT_LIST,  /* struct int_list */
    SETTING_WORD_LIST, /* struct int_list of an enum, by word() */
    SETTING_RUNGS,     /* struct rung_list */
};

struct setting {
    const char *section, *key;
    enum setting_type type;
    size_t offset, size;            /* of the field in struct settings */
    const char *initial;            /* the default, as text */
    const char *unit;               /* "" when it has none */
    double least, most;             /* of a number, or of each number of a list; both allowed */
    int step;                       /* 2: odd numbers only */
    const char *(*word)(int value); /* NULL past the last */
    const char *help;               /* sentences; no double quotes, no backslashes */
};

extern const struct setting setting_table[];
extern const size_t setting_count;

/* Reads `value` into the row's field. NULL on success, else what is wrong with the value; the
   field is then unchanged. */
const char *setting_parse(struct settings *settings, const struct setting *row, const char *value);

/* Appends the field's value; setting_parse() of it gives the same field. */
void setting_format(struct text *out, const struct settings *settings, const struct setting *row);

/* Appends what is allowed: "a whole number from 1 to 64 (layers)". */
void setting_allowed(struct text *out, const struct setting *row);

/* For a value that setting_parse() refuses: where the first wrong word in it is near to a right
   one, appends "; did you mean aging?". */
void setting_meant(struct text *out, const struct setting *row, const char *value);

#endif
