/*
 * Settings of a run. Every key stands once, in the table of settings.c, with its default, unit,
 * range and help; INI files (through inih), --set, --print-settings and the man page use it.
 */
#ifndef CLADE_INPUTS_SETTINGS_H
#define CLADE_INPUTS_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "inputs/genome.h"
#include "pipeline/base/error.h"
#include "pipeline/base/text.h"

enum { SETTINGS_LIST_MAX = 32, SETTINGS_PATH_SIZE = 1024 };

struct int_list {
    int count;
    int values[SETTINGS_LIST_MAX];
};

struct data_settings {
    char dir[SETTINGS_PATH_SIZE]; /* where the four files are */
    char train_images[256], train_labels[256], test_images[256], test_labels[256];
    int classes;           /* labels are below it; 0: the largest training label + 1 */
    int validation_images; /* taken from the training file, stratified */
    uint64_t split_seed;
    char class_names[2048]; /* class_names.h */
};

struct space_settings {
    int min_layers, max_layers;
    struct int_list filters, kernels;
    struct int_list activations; /* enum activation */
    int64_t max_parameters;      /* 0: no limit */
    int64_t max_macs;            /* 0: no limit */
    int64_t max_activations;     /* output values of all convolutions, one image; 0: no limit */
};

/* What an algorithm's proposals depend on. */
enum algorithm_kind {
    ALGORITHM_GUIDED, /* on results, behind the first population */
    ALGORITHM_BLIND,  /* on no result, so none has to be waited for */
    ALGORITHM_LISTED, /* on the number of the candidate alone: no first population, no redraws */
};

/* X(NAME, name, kind, help): the search algorithms; stages/algorithm.h has their functions. */
#define ALGORITHM_TABLE(X)                                                                         \
    X(AGING, aging, GUIDED,                                                                        \
      "evolution in which the oldest leaves the population (Real et al. "                          \
      "2019)")                                                                                     \
    X(RANDOM, random, BLIND, "random genomes")                                                     \
    X(ELITIST, elitist, GUIDED, "evolution in which the worst leaves the population")              \
    X(LOCAL, local, GUIDED, "a mutation of the best so far")                                       \
    X(GRID, grid, LISTED, "every genome of a small space, in order, and then again")

enum algorithm {
#define X(NAME, name, kind, help) ALGORITHM_##NAME,
    ALGORITHM_TABLE(X)
#undef X
        ALGORITHM_COUNT
};

enum objective { OBJECTIVE_ACCURACY, OBJECTIVE_WEIGHTED, OBJECTIVE_PARETO };
enum cost_kind { COST_PARAMETERS, COST_MACS, COST_ACTIVATIONS }; /* of struct genome_cost */
enum populate { POPULATE_RANDOM, POPULATE_MEMORY, POPULATE_MIXED };
enum duplicates { DUPLICATES_AVOID, DUPLICATES_ALLOW };
enum adapt { ADAPT_NONE, ADAPT_BANDIT };
enum { ADAPT_WINDOW_MAX = 1000 };
enum mutation {
    MUTATION_SWAP,
    MUTATION_INVERSION,
    MUTATION_FILTERS,
    MUTATION_LAYER,
    MUTATION_ADD,
    MUTATION_REMOVE,
    MUTATION_COUNT
};

/* One training of a candidate, of those that it may climb through. */
struct rung {
    int epochs, train_images; /* 0 images: all that are not validation images */
};

enum { RUNGS_MAX = 8 };

struct rung_list {
    int count; /* 0: one rung, as [training] says */
    struct rung values[RUNGS_MAX];
};

struct fidelity_settings {
    struct rung_list rungs;
    int eta;               /* 1 of so many goes on */
    struct int_list bands; /* limits of parameters, between which candidates compete */
    double min_correlation;
    int min_pairs;
};

struct search_settings {
    enum algorithm algorithm;
    enum objective objective;
    int64_t target_parameters; /* weighted */
    double size_exponent;      /* weighted: w, at most 0 */
    struct int_list costs;     /* enum cost_kind: what accuracy is traded against */
    uint64_t seed;
    int population; /* P */
    enum populate populate;
    int sample;      /* S */
    int cycles;      /* candidates in all, the first P included; 0: search_cycles() */
    double budget_s; /* of the search, over all parts of a run; 0: none */
    int in_flight;   /* candidate k is bred from the results of candidates 0..k-in_flight only, so
                        the search does not depend on timing or on how many workers there are */
    enum duplicates duplicates;
    int redraws;                             /* to avoid a duplicate */
    double mutation_weights[MUTATION_COUNT]; /* relative; 0 switches one off */
    enum adapt adapt;
    int adapt_window;   /* bandit: children that count; 1..ADAPT_WINDOW_MAX */
    double adapt_floor; /* bandit: share of the draws by mutation_weights */
    struct fidelity_settings fidelity;
};

enum optimizer { OPTIMIZER_ADAMW, OPTIMIZER_ADAM, OPTIMIZER_SGD };
enum norm_kind { NORM_BATCH, NORM_NONE };
enum average { AVERAGE_NONE, AVERAGE_EMA };
enum schedule { SCHEDULE_ONE_CYCLE, SCHEDULE_CONSTANT };

struct training_settings {
    int epochs;
    int batch;
    int train_images; /* 0: all that are not validation images */
    enum optimizer optimizer;
    enum schedule schedule;
    enum norm_kind norm;
    double learning_rate; /* the peak of one-cycle */
    double weight_decay;
    double momentum; /* SGD */
    double beta1, beta2, epsilon;
    double label_smoothing; /* 0..1 */
    double clip;            /* largest norm of the gradient; 0: none */
    int flip;               /* augmentation: mirror left to right, 0 or 1; */
    int shift;              /* move by up to so many pixels; */
    int cutout;             /* blank a square of this side, pixels; 0: none */
    double warmup;          /* share of the steps that one-cycle climbs */
    enum average average;   /* of the weights, for scoring */
    double average_decay;   /* ema */
};

enum baseline { BASELINE_NONE, BASELINE_RANDOM };

struct confirm_settings {
    int epochs;
    int seeds;
    int finalists;         /* taken from the Pareto front */
    struct int_list bands; /* limits of parameters, each with a finalist more; 0: none */
    enum baseline baseline;
    int train_images; /* 0: all that are not validation images */
};

enum conv_family {
    CONV_AUTO,
    CONV_VECTOR,
    CONV_TILED,
    CONV_CLBLAST,
    CONV_WINOGRAD,
    CONV_FAMILY_COUNT
};

enum tune { TUNE_AUTO, TUNE_OFF };

enum { PACK_MAX = 16 }; /* candidates that train in shared launches, at most */

struct device_settings {
    char use[256]; /* "all", "cpu", "gpu" or a comma list of indices as `clade devices` shows */
    int slots;     /* a CPU device; 0: one a core */
    int pack;      /* candidates of equal shapes that train at once on a slot, at most; 0: auto */
    int retries;   /* of a candidate whose worker died */
    double time_limit_s; /* a candidate; 0: none */
    enum conv_family conv;
    enum tune tune;
};

struct deadline_settings {
    int until;       /* minutes after midnight, local time; -1: none */
    double budget_s; /* 0: none */
};

struct memory_settings {
    char file[SETTINGS_PATH_SIZE]; /* MEMORY_NONE: none */
};

#define MEMORY_NONE "none"

/* CSV_EXCEL_EU: semicolon, decimal comma, byte order mark. */
enum csv_dialect { CSV_RFC4180, CSV_EXCEL_EU };

struct output_settings {
    char dir[SETTINGS_PATH_SIZE]; /* new run directories are made here */
    enum csv_dialect dialect;
};

struct settings {
    struct data_settings data;
    struct space_settings space;
    struct search_settings search;
    struct training_settings training;
    struct confirm_settings confirm;
    struct device_settings devices;
    struct deadline_settings deadline;
    struct memory_settings memory;
    struct output_settings outputs;
};

/* Where each key got its value: "default", "FILE:LINE", "--set". One entry a table row. Wherever a
   function takes origins, NULL means that nobody wants to know. */
enum { SETTINGS_KEYS_MAX = 96, SETTINGS_ORIGIN_SIZE = 288 };
struct settings_origins {
    char text[SETTINGS_KEYS_MAX][SETTINGS_ORIGIN_SIZE];
};

void settings_defaults(struct settings *settings, struct settings_origins *origins);

/*
 * Reads an INI file over what *settings holds. A value ends at a blank followed by ";"; a key may
 * stand once. ERR_USAGE names file, line, key, value, the allowed range and the nearest known key;
 * ERR_USAGE too when the file cannot be read. After an error the settings are half read. Not for
 * two threads at once (inih's line length is global).
 */
enum error settings_read_file(struct settings *settings, struct settings_origins *origins,
                              const char *path);

/* The same for a text that is in memory, such as the store's; `name` stands for the path. */
enum error settings_read_text(struct settings *settings, struct settings_origins *origins,
                              const char *ini, const char *name);

/* Gives "section.key" a value, on behalf of `origin`, such as "--epochs", which messages name; the
   last of several for a key counts. ERR_USAGE as above. */
enum error settings_set(struct settings *settings, struct settings_origins *origins,
                        const char *origin, const char *key, const char *value);

/* The same for one "section.key=value" of --set. */
enum error settings_apply(struct settings *settings, struct settings_origins *origins,
                          const char *assignment);

/* Sets search.cycles to 100 where neither it nor a time limits the search. Before
   settings_check(). */
void settings_complete(struct settings *settings);

/* search.cycles, or INT64_MAX where it is 0: no limit. */
int64_t search_cycles(const struct search_settings *search);

/* Checks what concerns several keys at once (sample <= population, min_layers <= max_layers, ...).
   Call after the last change. */
enum error settings_check(const struct settings *settings);

/* All keys as a valid INI file; each line ends with a comment that names its origin. `origins`
   may be NULL: no comments. Reading it back gives equal settings. */
void settings_print(struct text *out, const struct settings *settings,
                    const struct settings_origins *origins);

/* The section of clade-settings(5): every key with default, unit, range and help, as man source. */
void settings_manual(struct text *out);

/* One key's value as text, by "section.key"; false if there is no such key. */
bool settings_get(struct text *out, const struct settings *settings, const char *key);

/* The words that stand for them in settings. */
const char *algorithm_name(enum algorithm algorithm);
const char *objective_name(enum objective objective);
const char *cost_name(enum cost_kind kind);
const char *mutation_name(enum mutation mutation);
const char *optimizer_name(enum optimizer optimizer);
const char *schedule_name(enum schedule schedule);
const char *conv_family_name(enum conv_family family);

#endif
