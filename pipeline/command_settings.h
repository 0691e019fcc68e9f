/* What several commands read of a command line: a search file with --set, and an image shape. */
#ifndef CLADE_PIPELINE_COMMAND_SETTINGS_H
#define CLADE_PIPELINE_COMMAND_SETTINGS_H

#include "inputs/genome.h"
#include "inputs/settings.h"
#include "pipeline/base/error.h"
#include "pipeline/command.h"

enum { ASSIGNMENTS_MAX = 128 };

/* What the command line says of settings, in its order; start with {0}. */
struct assignments {
    struct {
        const char *option; /* its name */
        const char *key;    /* of an option that stands for a setting; NULL: --set */
        const char *value;  /* --set: "section.key=value" */
    } list[ASSIGNMENTS_MAX];
    int count;
};

/* Notes one; texts are borrowed. ERR_USAGE when there are too many. */
enum error assignments_add(struct assignments *assignments, const struct arguments *arguments,
                           int option, const char *key, const char *value);

/* The setting that --until, --budget or --search-budget stands for; NULL: another option. */
const char *time_option_key(const struct arguments *arguments, int option);

/* Assigns them to settings that are there. `origins` may be NULL. */
enum error assignments_apply(struct settings *settings, struct settings_origins *origins,
                             const struct assignments *assignments);

/* Defaults, then the file (NULL: none), then the assignments, completed and
   checked. `origins` may be NULL. */
enum error assignments_settings(struct settings *settings, struct settings_origins *origins,
                                const char *file, const struct assignments *assignments);

enum { EVALUATIONS_MAX = 100000 };

/* "20,50,150" of --at: at most `most` rising numbers of evaluations, 1 to EVALUATIONS_MAX. */
enum error points_parse(int *at, size_t *count, size_t most, const struct arguments *arguments,
                        const char *list);

/* "28x28x1"; `classes` stays. */
enum error shape_parse(struct image_shape *shape, const struct arguments *arguments,
                       const char *text);

#endif
