#include "inputs/settings.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>

#include "inputs/class_names.h"
#include "inputs/settings_table.h"
#include "inputs/space_walk.h"

/* Text from outside, fit for a message: printable and short. */
enum { EXCERPT_SIZE = 100 };

static const char *excerpt(char out[EXCERPT_SIZE], const char *s)
{
    size_t n = 0;
    for (; s[n] != '\0' && n < EXCERPT_SIZE - 4; n++)
        out[n] = iscntrl((unsigned char)s[n]) ? '?' : s[n];
    strcpy(out + n, s[n] != '\0' ? "..." : "");
    return out;
}

static bool same_section(size_t row, const char *section)
{
    return strcmp(setting_table[row].section, section) == 0;
}

static enum error unknown_section(const char *location, const char *section, const char *key,
                                  const char *value)
{
    const char *words[SETTINGS_KEYS_MAX];
    size_t count = 0;
    struct text all = {0};
    for (size_t i = 0; i < setting_count; i++) {
        if (count > 0 && same_section(i, words[count - 1]))
            continue;
        words[count++] = setting_table[i].section;
        text_printf(&all, "%s[%s]", count > 1 ? " " : "", setting_table[i].section);
    }
    char a[EXCERPT_SIZE], b[EXCERPT_SIZE], c[EXCERPT_SIZE];
    const char *nearest = text_nearest(section, words, count);
    enum error err = text_status(&all);
    if (err == ERR_NONE)
        err = error_set(ERR_USAGE, "%s: %s.%s = %s: no such section%s%s%s; sections: %s", location,
                        excerpt(a, section), excerpt(b, key), excerpt(c, value),
                        nearest != NULL ? "; did you mean [" : "", nearest != NULL ? nearest : "",
                        nearest != NULL ? "]?" : "", all.data);
    text_free(&all);
    return err;
}

/* The key may be misspelt, or right but in another section. */
static enum error unknown_key(const char *location, const char *section, const char *key,
                              const char *value)
{
    const char *words[SETTINGS_KEYS_MAX];
    size_t rows[SETTINGS_KEYS_MAX];
    size_t count = 0;
    const struct setting *meant = NULL;
    struct text known = {0}, allowed = {0};
    for (size_t i = 0; i < setting_count; i++) {
        if (same_section(i, section)) {
            rows[count] = i;
            words[count++] = setting_table[i].key;
            text_printf(&known, "%s%s", count > 1 ? ", " : "", setting_table[i].key);
        } else if (strcmp(setting_table[i].key, key) == 0) {
            meant = &setting_table[i];
        }
    }
    if (count == 0)
        return unknown_section(location, section, key, value);
    const char *nearest = text_nearest(key, words, count);
    for (size_t i = 0; i < count && nearest != NULL && meant == NULL; i++) {
        if (words[i] == nearest)
            meant = &setting_table[rows[i]];
    }
    char a[EXCERPT_SIZE], b[EXCERPT_SIZE];
    if (meant != NULL) {
        text_printf(&allowed, "did you mean %s in [%s]: ", meant->key, meant->section);
        setting_allowed(&allowed, meant);
        text_append(&allowed, "?");
    } else {
        text_append(&allowed, "known here: ");
        text_append(&allowed, known.data);
    }
    enum error err = text_status(&known);
    if (err == ERR_NONE)
        err = text_status(&allowed);
    if (err == ERR_NONE)
        err = error_set(ERR_USAGE, "%s: %s.%s = %s: no such key; %s", location, section,
                        excerpt(a, key), excerpt(b, value), allowed.data);
    text_free(&known);
    text_free(&allowed);
    return err;
}

/* `location` is where the assignment stands and becomes the key's origin. *row_index may be
   NULL. */
static enum error assign(struct settings *settings, struct settings_origins *origins,
                         const char *location, const char *section, const char *key,
                         const char *value, size_t *row_index)
{
    size_t i = 0;
    while (i < setting_count &&
           !(same_section(i, section) && strcmp(setting_table[i].key, key) == 0))
        i++;
    if (i == setting_count)
        return unknown_key(location, section, key, value);
    const char *wrong = setting_parse(settings, &setting_table[i], value);
    if (wrong != NULL) {
        struct text allowed = {0};
        setting_meant(&allowed, &setting_table[i], value);
        text_append(&allowed, allowed.length > 0 ? " allowed: " : "; allowed: ");
        setting_allowed(&allowed, &setting_table[i]);
        char short_value[EXCERPT_SIZE];
        enum error err = text_status(&allowed);
        if (err == ERR_NONE)
            err = error_set(ERR_USAGE, "%s: %s.%s = %s: %s%s%s", location, section, key,
                            excerpt(short_value, value), wrong, allowed.data,
                            strchr(value, '#') != NULL || strchr(value, ';') != NULL
                                ? "; a comment behind a value starts with a blank and \";\""
                                : "");
        text_free(&allowed);
        return err;
    }
    if (origins != NULL)
        snprintf(origins->text[i], sizeof origins->text[i], "%s", location);
    if (row_index != NULL)
        *row_index = i;
    return ERR_NONE;
}

void settings_defaults(struct settings *settings, struct settings_origins *origins)
{
    *settings = (struct settings){0};
    for (size_t i = 0; i < setting_count; i++) {
        const char *wrong = setting_parse(settings, &setting_table[i], setting_table[i].initial);
        assert(wrong == NULL);
        (void)wrong;
        if (origins != NULL)
            strcpy(origins->text[i], "default");
    }
}

/* Of a section's or a key's name, with its end. */
enum { NAME_PART_SIZE = 64 };

enum error settings_set(struct settings *settings, struct settings_origins *origins,
                        const char *origin, const char *key, const char *value)
{
    char section[NAME_PART_SIZE];
    size_t length = strcspn(key, ".");
    assert(key[length] == '.' && length < sizeof section);
    snprintf(section, sizeof section, "%.*s", (int)length, key);
    return assign(settings, origins, origin, section, key + length + 1, value, NULL);
}

enum error settings_apply(struct settings *settings, struct settings_origins *origins,
                          const char *assignment)
{
    char key[2 * NAME_PART_SIZE], shown[EXCERPT_SIZE];
    const char *dot = strchr(assignment, '.');
    const char *equals = strchr(assignment, '=');
    if (dot == NULL || equals == NULL || dot > equals || dot - assignment >= NAME_PART_SIZE ||
        equals - dot > NAME_PART_SIZE)
        return error_set(ERR_USAGE,
                         "--set %s: expected section.key=value, such as "
                         "training.epochs=5",
                         excerpt(shown, assignment));
    snprintf(key, sizeof key, "%.*s", (int)(equals - assignment), assignment);
    return settings_set(settings, origins, "--set", key, equals + 1);
}

/* A file being read. inih asks next_line() for lines and calls on_pair(); both stop at the first
   error, whose line is kept: inih finds syntax errors on its own, and the earlier one is told. */
struct reading {
    struct settings *settings;
    struct settings_origins *origins;
    FILE *file;
    const char *path;
    int line;
    int seen[SETTINGS_KEYS_MAX]; /* the line on which a key stood; 0: not yet */
    enum error err;
};

static void locate(char location[SETTINGS_ORIGIN_SIZE], const struct reading *reading, int line)
{
    char path[SETTINGS_ORIGIN_SIZE - 16];
    size_t length = strlen(reading->path);
    size_t cut = length < sizeof path ? 0 : length - sizeof path + 4;
    snprintf(path, sizeof path, "%s%s", cut > 0 ? "..." : "", reading->path + cut);
    for (char *c = path; *c != '\0'; c++) {
        if (iscntrl((unsigned char)*c))
            *c = '?';
    }
    snprintf(location, SETTINGS_ORIGIN_SIZE, "%s:%d", path, line);
}

static char *stop_reading(struct reading *reading, const char *why)
{
    char location[SETTINGS_ORIGIN_SIZE];
    locate(location, reading, reading->line);
    reading->err = error_set(ERR_USAGE, "%s: %s", location, why);
    return NULL;
}

/*
 * inih's line source, with its surprises taken out: a line that does not fit is an error instead
 * of two lines, blanks at the start do not continue the line before, comments cost no room, and
 * nothing may follow a section's "]".
 */
static char *next_line(char *line, int size, void *user)
{
    struct reading *reading = user;
    if (reading->err != ERR_NONE)
        return NULL;
    int n = 0, c;
    bool any = false, comment = false;
    reading->line++;
    while ((c = getc(reading->file)) != EOF && c != '\n') {
        any = true;
        if (c == '\0')
            return stop_reading(reading, "a NUL byte; settings are plain text");
        bool after_blank = n == 0 || line[n - 1] == ' ' || line[n - 1] == '\t';
        if ((c == ';' && after_blank) || (c == '#' && n == 0))
            comment = true;
        if (comment || (n == 0 && isspace(c)))
            continue;
        if (n == size - 2)
            return stop_reading(reading, "the line is too long");
        line[n++] = (char)c;
    }
    if (ferror(reading->file)) {
        reading->err = error_set(ERR_USAGE, "cannot read settings from %s: %s", reading->path,
                                 strerror(errno));
        return NULL;
    }
    if (c == EOF && !any)
        return NULL;
    line[n] = '\0';
    const char *bracket = line[0] == '[' ? strchr(line, ']') : NULL;
    if (bracket != NULL && bracket[1 + strspn(bracket + 1, " \t\r")] != '\0')
        return stop_reading(reading, "text after the section's \"]\"; keys go on their own lines");
    line[n] = '\n';
    line[n + 1] = '\0';
    return line;
}

static int on_pair(void *user, const char *section, const char *key, const char *value)
{
    struct reading *reading = user;
    char location[SETTINGS_ORIGIN_SIZE];
    if (reading->err != ERR_NONE)
        return 0;
    locate(location, reading, reading->line);
    size_t row;
    reading->err = assign(reading->settings, reading->origins, location, section, key, value, &row);
    if (reading->err == ERR_NONE && reading->seen[row] != 0)
        reading->err = error_set(ERR_USAGE, "%s: %s.%s stands twice, first on line %d", location,
                                 section, key, reading->seen[row]);
    if (reading->err != ERR_NONE)
        return 0;
    reading->seen[row] = reading->line;
    return 1;
}

/* Reads and closes `file`. */
static enum error read_stream(struct settings *settings, struct settings_origins *origins,
                              FILE *file, const char *name)
{
    struct reading reading = {.settings = settings, .origins = origins, .file = file, .path = name};
    ini_max_line = 4096; /* a path of SETTINGS_PATH_SIZE fits */
    int line = ini_parse_stream(next_line, &reading, on_pair, &reading);
    /* After its first error inih returns that line; on_pair's own errors are of a later line only
       when the syntax error came first. */
    if (line > 0 && (reading.err == ERR_NONE || line < reading.line)) {
        reading.line = line;
        stop_reading(&reading, "expected [section] or key = value");
    } else if (line < 0) {
        reading.err = error_set(ERR_INTERNAL, "out of memory while reading settings %s", name);
    }
    fclose(file);
    return reading.err;
}

enum error settings_read_file(struct settings *settings, struct settings_origins *origins,
                              const char *path)
{
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return error_set(ERR_USAGE, "cannot open settings %s: %s", path, strerror(errno));
    return read_stream(settings, origins, file, path);
}

enum error settings_read_text(struct settings *settings, struct settings_origins *origins,
                              const char *ini, const char *name)
{
    size_t length = strlen(ini);
    if (length == 0)
        return ERR_NONE;
    FILE *file = fmemopen((void *)(uintptr_t)ini, length, "r");
    if (file == NULL)
        return error_set(ERR_INTERNAL, "out of memory while reading settings %s", name);
    return read_stream(settings, origins, file, name);
}

void settings_complete(struct settings *settings)
{
    static const int usual_cycles = 100;
    bool timed = settings->deadline.until >= 0 || settings->deadline.budget_s > 0 ||
                 settings->search.budget_s > 0;
    if (settings->search.cycles == 0 && !timed)
        settings->search.cycles = usual_cycles;
}

int64_t search_cycles(const struct search_settings *search)
{
    return search->cycles > 0 ? search->cycles : INT64_MAX;
}

enum error settings_check(const struct settings *settings)
{
    const struct space_settings *space = &settings->space;
    const struct search_settings *search = &settings->search;
    if (space->min_layers > space->max_layers)
        return error_set(ERR_USAGE,
                         "space.min_layers = %d is over space.max_layers = %d: no genome has so "
                         "many and so few layers",
                         space->min_layers, space->max_layers);
    if (search->sample > search->population)
        return error_set(ERR_USAGE,
                         "search.sample = %d is over search.population = %d: lower the sample or "
                         "raise the population",
                         search->sample, search->population);
    if (search->populate != POPULATE_RANDOM && strcmp(settings->memory.file, MEMORY_NONE) == 0)
        return error_set(ERR_USAGE,
                         "search.populate = %s takes genomes of earlier nights: name "
                         "their file in memory.file, or set search.populate = random",
                         search->populate == POPULATE_MEMORY ? "memory" : "mixed");
    if (search->algorithm == ALGORITHM_GRID && space_size(space) > SPACE_WALK_MOST)
        return error_set(
            ERR_USAGE,
            "search.algorithm = grid trains every genome of [space], which has %.3g of "
            "them; at most %.0f can be listed",
            space_size(space), SPACE_WALK_MOST);
    if (search->algorithm == ALGORITHM_GRID && search->populate != POPULATE_RANDOM)
        return error_set(ERR_USAGE,
                         "search.algorithm = grid takes the genomes of [space] in order: "
                         "set search.populate = random");
    const struct confirm_settings *confirm = &settings->confirm;
    if (confirm->baseline == BASELINE_RANDOM &&
        (search->algorithm == ALGORITHM_RANDOM || search->algorithm == ALGORITHM_GRID))
        return error_set(
            ERR_USAGE,
            "confirm.baseline = random compares a search with a random one: "
            "search.algorithm = %s has nothing to compare; set confirm.baseline = none",
            algorithm_name(search->algorithm));
    if (confirm->baseline == BASELINE_RANDOM && confirm->seeds == 0)
        return error_set(ERR_USAGE, "confirm.baseline = random compares confirmed networks: set "
                                    "confirm.seeds to 1 or more, or confirm.baseline = none");
    if (search->algorithm == ALGORITHM_GRID && search->fidelity.rungs.count > 0)
        return error_set(ERR_USAGE, "search.algorithm = grid gives every genome the same training: "
                                    "set fidelity.rungs = none");
    double weights = 0;
    for (int i = 0; i < MUTATION_COUNT; i++)
        weights += search->mutation_weights[i];
    if (search->algorithm != ALGORITHM_RANDOM && search->algorithm != ALGORITHM_GRID &&
        weights == 0)
        return error_set(ERR_USAGE,
                         "every search.weight_* is 0: search.algorithm = %s needs a mutation; "
                         "raise one, or set search.algorithm = random",
                         algorithm_name(search->algorithm));
    if (strcmp(settings->data.class_names, CLASS_NAMES_AUTO) != 0)
        return class_names_check(settings->data.class_names, settings->data.classes);
    return ERR_NONE;
}

void settings_print(struct text *out, const struct settings *settings,
                    const struct settings_origins *origins)
{
    for (size_t i = 0; i < setting_count; i++) {
        const struct setting *row = &setting_table[i];
        if (i == 0 || !same_section(i - 1, row->section))
            text_printf(out, "%s[%s]\n", i > 0 ? "\n" : "", row->section);
        size_t start = out->length;
        text_printf(out, "%s = ", row->key);
        setting_format(out, settings, row);
        if (origins != NULL) {
            size_t width = out->length - start;
            text_printf(out, "%*s ; %s", width < 40 ? (int)(40 - width) : 0, "", origins->text[i]);
        }
        text_append(out, "\n");
    }
}

/* troff: a hyphen in a word to be typed is \-, and a line must not start with a control. */
static void manual_text(struct text *out, const char *s)
{
    for (; *s != '\0'; s++) {
        if (*s == '-')
            text_append(out, "\\-");
        else if (*s == '\\')
            text_append(out, "\\e");
        else
            text_append_n(out, s, 1);
    }
}

void settings_manual(struct text *out)
{
    for (size_t i = 0; i < setting_count; i++) {
        const struct setting *row = &setting_table[i];
        if (i == 0 || !same_section(i - 1, row->section))
            text_printf(out, ".SS [%s]\n", row->section);
        struct text allowed = {0};
        setting_allowed(&allowed, row);
        if (allowed.failed) {
            out->failed = true;
            return;
        }
        text_printf(out, ".TP\n\\fB%s\\fR = ", row->key);
        manual_text(out, row->initial);
        text_append(out, "\n");
        manual_text(out, row->help);
        text_append(out, "\nAllowed: ");
        manual_text(out, allowed.data);
        text_append(out, ".\n");
        text_free(&allowed);
    }
}

bool settings_get(struct text *out, const struct settings *settings, const char *key)
{
    for (size_t i = 0; i < setting_count; i++) {
        const struct setting *row = &setting_table[i];
        size_t n = strlen(row->section);
        if (strncmp(key, row->section, n) == 0 && key[n] == '.' &&
            strcmp(key + n + 1, row->key) == 0) {
            setting_format(out, settings, row);
            return true;
        }
    }
    return false;
}
