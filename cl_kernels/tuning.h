/*
 * What the tuner found out about a device: for classes of convolutions, what was timed and what was
 * chosen. conv_create() looks here before it takes a rule (device_tuning()).
 *
 * Tiles change no bit of a result, families round differently: equal results need an equal tuning.
 * So it is kept on disk (tuning_file.h) and, for a run, in the run's store.
 */
#ifndef CLADE_CL_KERNELS_TUNING_H
#define CLADE_CL_KERNELS_TUNING_H

#include <stdbool.h>
#include <stddef.h>

#include "cl_kernels/conv.h"
#include "cl_kernels/gemm.h"
#include "pipeline/base/text.h"

/* Convolutions that share a choice. Channels are those that stand for all of the class, in whole
   blocks: of 16 there are 1, 2, 3, 4 (for 4 to 7) or 8 (for more), of 8 there are 1, 3 or 5 (for
   more); an input image's channels are its own. */
struct tune_class {
    enum conv_family family; /* asked for; CONV_AUTO: of families, too, one is chosen */
    int kernel, stride;
    int channels_in, channels_out;
    int height, width; /* of the input */
    int batch;         /* a power of two, 16 to 256, at least the batch where there is one */
};

struct tune_class tune_class_of(const struct conv_plan *plan);

/* A plan that stands for the class, of a family. */
struct conv_plan tune_class_plan(const struct tune_class *class, enum conv_family family);

bool tune_class_equal(const struct tune_class *a, const struct tune_class *b);

enum tune_pass { TUNE_FORWARD, TUNE_INPUT_GRADIENT, TUNE_WEIGHT_GRADIENT, TUNE_PASS_COUNT };

enum tune_status {
    TUNE_OK,
    TUNE_DISQUALIFIED, /* wrong results, or it does not run: `reason` */
    TUNE_UNTIMED,      /* the time was over: the rule's choice stands */
    TUNE_STATUS_COUNT
};

const char *tune_pass_name(enum tune_pass pass);
const char *tune_status_name(enum tune_status status);

enum { TUNE_REASON_SIZE = 160 };

/* One candidate in one pass of one class. */
struct tune_row {
    struct tune_class class;
    enum tune_pass pass;
    enum conv_family family;
    int group, tile; /* of struct conv_tiles; 0: the family's rule, or it has no choice */
    enum tune_status status;
    bool chosen;
    double gflops;                 /* 0 unless TUNE_OK */
    char reason[TUNE_REASON_SIZE]; /* of TUNE_DISQUALIFIED: no quotes, commas or line ends */
};

/* One set of parameters of CLBlast's products, for the whole device: CLBlast knows no other way. */
struct tune_product {
    int set; /* of gemm.h */
    enum tune_status status;
    bool chosen;
    double gflops;                 /* 0 unless TUNE_OK */
    char reason[TUNE_REASON_SIZE]; /* as of struct tune_row */
};

/* Start with {0}. Rows of a class stand together, in the order in which they were timed; one row of
   each pass is chosen (of an input image no row has TUNE_INPUT_GRADIENT). Of products, when there
   are any, one is chosen. */
struct tuning {
    struct tune_row *rows;
    size_t count, capacity;
    struct tune_product products[GEMM_SETS_MAX + 1];
    int product_count;
};

void tuning_free(struct tuning *tuning);
enum error tuning_add(struct tuning *tuning, const struct tune_row *row);
void tuning_remove(struct tuning *tuning, const struct tune_class *class);

/* Whether there is a row of the class; *timed (may be NULL): and it was timed. */
bool tuning_has(const struct tuning *tuning, const struct tune_class *class, bool *timed);

/*
 * What was chosen for the plan's class: its family and tiles go into the plan. False, and nothing
 * is changed, when nothing is known or what was chosen is not to be had for this plan. A family
 * whose tiles do not suit the plan keeps its rule's tiles.
 */
bool tuning_apply(const struct tuning *tuning, const struct device *device, struct conv_plan *plan);

/* The set that products are to use; GEMM_OWN when none was timed. */
int tuning_product(const struct tuning *tuning);

/*
 * The table as text: a line of `key`, a header, a row a line, products, a line with their number
 * and a check sum. Reading refuses what is not whole, of another version or of another key (may be
 * NULL: any), and says why in a constant text.
 */
enum error tuning_format(struct text *out, const struct tuning *tuning, const char *key);
enum error tuning_parse(struct tuning *tuning, const char *text, const char *key, const char **why);

/* The key of such a text; "" when it has none. */
void tuning_text_key(char key[TUNING_KEY_SIZE], const char *text);

#endif
