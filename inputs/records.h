/*
 * Records that stages compute, the store keeps and outputs print, beside struct candidate. Plain
 * values. The functions that fill them are in stages/ (statistics.h, confirm.h, report.h).
 *
 * Accuracies are shares, 0..1; losses are mean cross-entropies in nats; a number that is not
 * known is NAN.
 */
#ifndef CLADE_INPUTS_RECORDS_H
#define CLADE_INPUTS_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "inputs/candidate.h"
#include "inputs/settings.h"

/* A test image that was taken for another class. */
struct miss {
    uint32_t image;       /* its index in the test file */
    int label, predicted; /* the true class, and the wrong one */
    double probability;   /* that the network gave to the wrong one */
};

/* One finalist retrained under one seed, and what its network says of the test images: unknown
   (test_images 0) until it is tested. */
struct confirmation {
    int64_t candidate; /* whose genome it is */
    int replicate;     /* 0.. */
    uint64_t seed;
    struct genome genome;
    int epochs;
    int train_images;
    double train_loss, validation_loss, validation_accuracy;
    double images_per_s; /* training only */
    double duration_s;
    /* The test part: */
    double test_loss, test_accuracy;
    int classes;
    uint32_t test_images;
    uint8_t *predictions; /* [test_images], the class with the largest logit; owned */
    uint8_t *labels;      /* [test_images], the true classes; owned */
    uint32_t *confusion;  /* [classes][classes], row: true class, column: predicted; owned */
    /* Some of the wrong ones, the surest first (stages/misses.h), and their pixels, [miss_count]
       [height][width][channels], miss_size bytes each; owned. NULL when there is none. */
    struct miss *misses;
    uint8_t *miss_pixels;
    size_t miss_count, miss_size;
    /* The caller's: */
    char device[CANDIDATE_DEVICE_SIZE];
    int worker;
    int64_t started_utc_us;
};

/* One generation, from the candidates in it that have ended. */
struct generation {
    int number;                       /* 0.. */
    int evaluated;                    /* candidates with a score */
    int failed;                       /* candidates that ended without one */
    double best, mean, median, worst; /* validation accuracy; NAN when evaluated is 0 */
    int64_t best_candidate;           /* -1 when evaluated is 0; the fields below are then unset */
    struct genome best_genome;
    struct genome_cost best_cost;
    double elapsed_s; /* from the first start of the run to the last end in this generation */
};

struct interval {
    double low, high;
};

/* A mean of `count` values. NAN where there are too few: the deviation and the interval need two.
 */
struct estimate {
    size_t count;
    double mean;
    double deviation;         /* of the values, with count - 1 */
    struct interval interval; /* 95 % of the mean */
};

/* A test on ranks; stages/inference.h. */
struct rank_test {
    double statistic; /* U, rho or tau */
    double p;         /* two-sided; NAN when it cannot be told */
    double effect;    /* -1..1 */
};

/* Two classifiers on the same images; stages/inference.h. */
struct paired_test {
    uint32_t only_a, only_b;  /* images that only this one gets right */
    double p;                 /* two-sided; 1 when there are none */
    double difference;        /* accuracy of a minus that of b */
    struct interval interval; /* 95 % of it */
};

/* Why a candidate is trained again; stages/finalists.h. */
enum finalist_reason {
    FINALIST_BEST, /* by search.objective */
    FINALIST_BAND, /* the most accurate within a limit of confirm.bands */
    FINALIST_FRONT /* on the Pareto front */
};

struct finalist {
    const struct candidate *candidate;
    bool baseline; /* of the random search, else of the search */
    enum finalist_reason reason;
    int64_t band; /* the tightest of confirm.bands that it keeps; 0: none */
    int trained;  /* its confirmations; without one what follows is NULL or NAN */
    int tested;   /* of them; without one what is said of tests is NAN */
    /* That with the highest validation accuracy: its weights are those of the genome. */
    const struct confirmation *deployed;
    int place; /* 1.. in its search by validation_mean, as search.objective has it; 0 without a
                  confirmation */
    double validation_mean;
    struct estimate test; /* accuracy, over the seeds */
    double test_lowest, test_highest;
};

/* Whether the search's networks are better than those of the random one; stages/baseline.h. */
enum verdict { VERDICT_YES, VERDICT_NO, VERDICT_NOT_SHOWN };

const char *verdict_name(enum verdict verdict);

/* The best of the search's finalists against that of the random search's. */
struct duel {
    int64_t limit;                       /* among those of so many parameters at most; 0: all */
    const struct finalist *ours, *other; /* NULL when there is none confirmed */
    struct paired_test images;           /* of their deployed networks; p NAN without both */
    double difference;                   /* of their mean test accuracies */
    struct interval seeds;               /* 95 % of it; NAN when one has a single seed */
    enum verdict verdict;
};

/* What the trainings of one genome gave, over several nights. */
struct remembered {
    struct genome genome;
    int64_t count;
    double mean;    /* of the validation accuracies */
    double squares; /* sum of the squared deviations from it */
};

/* One row of a table of scores. */
struct score_record {
    const struct candidate *candidate; /* that has ended */
    int replicate;                     /* 0.. */
};

/* What one operator did; stages/credit.h. A share, of which the interval is known, is better /
   compared. */
struct operator_credit {
    char name[CANDIDATE_OPERATOR_SIZE];
    int uses;                         /* candidates it made that have ended */
    int failed;                       /* of them without a score */
    int compared;                     /* with a score, as their parents */
    int better;                       /* of those compared, better than the parent */
    struct interval better_interval;  /* 95 %, Wilson */
    struct estimate accuracy_change;  /* child minus parent */
    struct estimate parameter_change; /* child minus parent */
};

/* One rung and what its scores are worth; stages/fidelity.h. */
struct rung_record {
    int rung; /* 0.. */
    int epochs, train_images;
    int scored;                         /* trainings with a score */
    int promoted;                       /* of them, those that a later rung went on from */
    int pairs;                          /* of them, those with a score there too */
    struct rank_test spearman, kendall; /* of both scores; NAN for too few pairs */
    bool off;                           /* switched off */
};

/* What a device's driver said of it when a worker began; texts from outside, one line each. */
enum { DEVICE_VERSION_SIZE = 128, DEVICE_VERSIONS_SIZE = 256 };
struct device_version {
    char device[CANDIDATE_DEVICE_SIZE];         /* its name, as candidates have it */
    char platform[DEVICE_VERSION_SIZE];         /* its name */
    char platform_version[DEVICE_VERSION_SIZE]; /* CL_PLATFORM_VERSION */
    char driver_version[DEVICE_VERSION_SIZE];   /* CL_DRIVER_VERSION */
    char device_version[DEVICE_VERSION_SIZE];   /* CL_DEVICE_VERSION */
};

/* What one device did. */
struct device_usage {
    char name[CANDIDATE_DEVICE_SIZE];
    int workers;         /* different ones */
    int attempts;        /* that ended on it */
    int failed;          /* of them */
    double busy_s;       /* sum over the attempts */
    double images_per_s; /* mean of the scored attempts, a worker; NAN when there is none */
    /* As in struct device_version; different ones, after an update in the run, with "; " between.
     */
    char platform[DEVICE_VERSIONS_SIZE], platform_version[DEVICE_VERSIONS_SIZE];
    char driver_version[DEVICE_VERSIONS_SIZE], device_version[DEVICE_VERSIONS_SIZE];
};

/* One pass of one training over its images: a point of a learning curve. */
struct epoch_record {
    bool confirm; /* of a confirmation, else of the search */
    int64_t candidate;
    int replicate; /* of a confirmation; 0 in the search */
    int attempt;   /* 1.. */
    int epoch;     /* 1.. */
    double train_loss, train_accuracy;
    double seconds, images_per_s;
};

/* How long a slot took for epochs of one training: what predictions of stages/pace.h are made
   from. */
struct pace_sample {
    char device[CANDIDATE_DEVICE_SIZE];
    int64_t macs;   /* of the genome */
    double images;  /* passes over single training images */
    double seconds; /* of them, > 0 */
    double rest_s;  /* of the same training, besides its epochs; NAN while it runs */
};

/* A time in which a slot trained; stages/timeline.h. Seconds since the first start. */
enum span_kind { SPAN_SEARCH, SPAN_FAILED, SPAN_CONFIRM };

struct timeline_span {
    int lane;
    enum span_kind kind;
    double from_s, to_s;
};

/* A slot: one row of the timeline. */
struct lane {
    char device[CANDIDATE_DEVICE_SIZE];
    int number;              /* 0.. on its device */
    double busy_s, failed_s; /* sums over its trainings */
    size_t last;             /* its latest span */
};

/* One class of the data in the winner's test result. */
struct class_score {
    uint32_t images; /* of this class in the test file */
    uint32_t correct;
    double accuracy;          /* NAN when there are no images */
    struct interval interval; /* 95 %, Wilson */
    int confused_with;        /* the class it is most often taken for; -1 when never */
};

/*
 * All that report.md says. Pointers into the input are borrowed and must outlive the report;
 * arrays marked "owned" are freed by report_free().
 */
struct report {
    /* Borrowed from the input: */
    const char *run;
    const char *version;
    bool search_ended; /* no further candidate is going to be trained */
    const struct settings *settings;
    const struct candidate *candidates;
    size_t candidate_count;
    const struct confirmation *confirmations;
    size_t confirmation_count;
    const struct epoch_record *epochs;
    size_t epoch_count;
    struct image_shape shape;

    /* By search.objective (in pareto the most accurate); NULL when none has a score: */
    const struct candidate *found;      /* in the search */
    const struct candidate *best;       /* of the finalists confirmed, else as found */
    const struct candidate *first_best; /* of generation 0 */
    /* Validation accuracy of best minus first_best, with its 95 % interval; NAN without both. */
    double gain;
    struct interval gain_interval;
    double parameter_ratio; /* parameters of best / of first_best; NAN without both */

    /* Owned; those of the search first, by parameters; none before the first confirmation. */
    struct finalist *finalists;
    size_t finalist_count;
    const struct finalist *first, *second; /* of the search, by place; NULL when there is none */
    struct paired_test against_second; /* first's weights against second's; p NAN without both */
    size_t ranked;                     /* finalists confirmed */
    struct rank_test rank; /* Spearman, of their scores in the search with mean test accuracies */

    /* With confirm.baseline = random: the attempts of the random search that are its own, borrowed;
       how many candidates it has that ended, shared ones too; and what came of it: all, then the
       limits of confirm.bands from small to large, owned. */
    const struct candidate *baseline;
    size_t baseline_count;
    int baseline_ended;
    struct duel *duels;
    size_t duel_count;

    /* first->deployed, or NULL until it is tested. The test images did not choose it, so its test
       accuracy is not flattered. */
    const struct confirmation *winner;
    struct interval test_interval;               /* 95 % of winner->test_accuracy, Wilson */
    int replicates;                              /* confirmations of best */
    double test_mean, test_lowest, test_highest; /* over them; NAN when there is none */
    struct class_score *classes; /* [winner->classes], owned; NULL without a winner */

    const struct candidate **lineage; /* owned: from best back to its random ancestor */
    size_t lineage_count;
    const struct candidate **front; /* owned: least of the first of search.costs first */
    size_t front_count;
    struct generation *generations; /* owned: in order, those that have begun to end */
    size_t generation_count;
    struct device_usage *devices; /* owned */
    size_t device_count;
    struct operator_credit *operators; /* owned */
    size_t operator_count;
    struct rung_record rungs[RUNGS_MAX];
    size_t rung_count; /* 0 where fidelity.rungs has none */

    int repeated;    /* candidates whose genome an earlier one had */
    int redrawn;     /* candidates before which duplicates were drawn */
    int64_t redraws; /* of them all, the duplicates that were not trained */

    struct lane *lanes; /* owned */
    size_t lane_count;
    struct timeline_span *spans; /* owned: by start */
    size_t span_count;
    double timeline_s; /* first start to last end, confirmations too */
    int known;         /* candidates with a score whose genome earlier runs had trained */
    struct estimate known_change;   /* their score minus the mean of earlier runs */
    struct estimate best_trainings; /* of best's genome: all trainings, this run's included */

    int64_t first_start_us;               /* of the search; 0: nothing has ended yet */
    int ended;                            /* candidates that ended, with a score or without */
    int evaluated;                        /* candidates with a score */
    int attempts[CANDIDATE_STATUS_COUNT]; /* by status */
    double elapsed_s;                     /* first start to last end */
    double busy_s;                        /* sum over the attempts */
    double confirm_s;                     /* sum over the confirmations */
    double trained_images;                /* passes over single images in scored attempts */
    double images_per_s;                  /* trained_images / elapsed_s; NAN without any */
};

#endif
