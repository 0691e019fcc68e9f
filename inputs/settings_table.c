#include "inputs/settings_table.h"

_Static_assert(sizeof(enum algorithm) == sizeof(int) && sizeof(enum objective) == sizeof(int) &&
                   sizeof(enum optimizer) == sizeof(int) && sizeof(enum schedule) == sizeof(int) &&
                   sizeof(enum conv_family) == sizeof(int),
               "words are stored as int");

#define WORDS(function, ...)                                                                       \
    static const char *function(int value)                                                         \
    {                                                                                              \
        static const char *const words[] = {__VA_ARGS__};                                          \
        return value < (int)(sizeof words / sizeof words[0]) ? words[value] : NULL;                \
    }

#define X(NAME, name, kind, help) #name,
WORDS(algorithm_word, ALGORITHM_TABLE(X))
#undef X
WORDS(objective_word, "accuracy", "weighted", "pareto")
WORDS(cost_word, "parameters", "macs", "activations")
WORDS(populate_word, "random", "memory", "mixed")
WORDS(duplicates_word, "avoid", "allow")
WORDS(adapt_word, "none", "bandit")
WORDS(baseline_word, "none", "random")
WORDS(mutation_word, "swap", "inversion", "filters", "layer", "add", "remove")
WORDS(optimizer_word, "adamw", "adam", "sgd")
WORDS(norm_word, "batch", "none")
WORDS(average_word, "none", "ema")
WORDS(schedule_word, "one_cycle", "constant")
WORDS(conv_word, "auto", "vector", "tiled", "clblast", "winograd")
WORDS(tune_word, "auto", "off")
WORDS(dialect_word, "rfc4180", "excel-eu")

static const char *activation_word(int value)
{
    return value < ACT_COUNT ? activation_name((enum activation)value) : NULL;
}

const char *algorithm_name(enum algorithm algorithm)
{
    return algorithm_word((int)algorithm);
}

const char *objective_name(enum objective objective)
{
    return objective_word((int)objective);
}

const char *cost_name(enum cost_kind kind)
{
    return cost_word((int)kind);
}

const char *mutation_name(enum mutation mutation)
{
    return mutation_word((int)mutation);
}

const char *optimizer_name(enum optimizer optimizer)
{
    return optimizer_word((int)optimizer);
}

const char *schedule_name(enum schedule schedule)
{
    return schedule_word((int)schedule);
}

const char *conv_family_name(enum conv_family family)
{
    return conv_word((int)family);
}

#define FIELD(type, section, field)                                                                \
    type, offsetof(struct settings, section.field), sizeof(((struct settings *)0)->section.field)

/* clang-format off */
#define ROW(type, section, key, initial, unit, least, most, word, help)                            \
    {#section, #key, FIELD(type, section, key), initial, unit, least, most, 1, word, help}
#define INTEGER(section, key, initial, unit, least, most, help)                                    \
    ROW(SETTING_INT, section, key, initial, unit, least, most, NULL, help)
#define INTEGER64(section, key, initial, unit, least, most, help)                                  \
    ROW(SETTING_INT64, section, key, initial, unit, least, most, NULL, help)
#define REAL(section, key, initial, unit, least, most, help)                                       \
    ROW(SETTING_REAL, section, key, initial, unit, least, most, NULL, help)
#define TEXT(section, key, initial, help)                                                          \
    ROW(SETTING_TEXT, section, key, initial, "", 0, 0, NULL, help)
#define DURATION(section, key, field, help)                                                        \
    {#section, key, FIELD(SETTING_DURATION, section, field), "none", "", 0, 0, 1, NULL, help}
#define WORD(section, key, initial, word, help)                                                    \
    ROW(SETTING_WORD, section, key, initial, "", 0, 0, word, help)
#define WEIGHT(key, mutation, help)                                                                \
    {"search", key, FIELD(SETTING_REAL, search, mutation_weights[mutation]), "1", "", 0, 1000, 1,  \
     NULL, help}
/* clang-format on */

/* Whole numbers up to here are exact in a double, and in a spreadsheet. */
#define MOST_EXACT 9007199254740991.0

const struct setting setting_table[] = {
    TEXT(data, dir, "/usr/share/datasets/fashion-mnist",
         "The directory of the four data files: IDX, plain or gzip."),
    TEXT(data, train_images, "train-images-idx3-ubyte.gz",
         "Training images, in data.dir unless the path is absolute."),
    TEXT(data, train_labels, "train-labels-idx1-ubyte.gz", "Labels of the training images."),
    TEXT(data, test_images, "t10k-images-idx3-ubyte.gz",
         "Test images: opened when the last training has ended."),
    TEXT(data, test_labels, "t10k-labels-idx1-ubyte.gz", "Labels of the test images."),
    INTEGER(data, classes, "10", "classes", 0, 256,
            "Labels are below this number. 0: the largest training label plus one."),
    INTEGER(data, validation_images, "6000", "images", 1, 1e9,
            "Taken from the training file, from each class its share, to score candidates."),
    INTEGER64(data, split_seed, "1", "", 0, MOST_EXACT,
              "Chooses the validation images. Accuracies of runs with different split seeds "
              "are not comparable."),
    TEXT(data, class_names, "auto",
         "The names of the classes, separated by commas, for reports and exports. auto: those of "
         "Fashion-MNIST where data.dir is called fashion-mnist, else their numbers."),

    INTEGER(space, min_layers, "3", "layers", GENOME_REDUCTIONS, GENOME_MAX_LAYERS,
            "The fewest convolutions of a genome, its two reduction layers included."),
    INTEGER(space, max_layers, "8", "layers", GENOME_REDUCTIONS, GENOME_MAX_LAYERS,
            "The most convolutions of a genome."),
    {"space", "filters", FIELD(SETTING_INT_LIST, space, filters), "8 16 24 32 48 64 96 128 192 256",
     "filters", 1, GENOME_MAX_FILTERS, 1, NULL, "The filter counts that a convolution may have."},
    {"space", "kernels", FIELD(SETTING_INT_LIST, space, kernels), "1 3 5", "pixels", 1, 7, 2, NULL,
     "The kernel sizes that a convolution may have."},
    {"space", "activations", FIELD(SETTING_WORD_LIST, space, activations),
     "relu sigmoid tanh swish gelu", "", 0, 0, 1, activation_word,
     "The activations that a layer may have."},
    INTEGER64(space, max_parameters, "0", "parameters", 0, MOST_EXACT,
              "The most weights and biases of a genome. 0: no limit."),
    INTEGER64(space, max_macs, "0", "multiply-accumulates", 0, MOST_EXACT,
              "The most multiply-accumulates for one image, forward. 0: no limit."),
    INTEGER64(space, max_activations, "0", "values", 0, MOST_EXACT,
              "The most activations: output values of all convolutions for one image, what a "
              "training keeps in memory. 0: no limit."),

#define X(NAME, name, kind, help) #name ": " help ". "
    WORD(search, algorithm, "aging", algorithm_word,
         "How candidates behind the first population are proposed. " ALGORITHM_TABLE(
             X) "All have the same budget."),
#undef X
    WORD(search, objective, "accuracy", objective_word,
         "What is searched for. accuracy; weighted: accuracy x (parameters / "
         "target_parameters)^size_exponent; pareto: the whole front of accuracy against costs."),
    INTEGER64(search, target_parameters, "100000", "parameters", 1, MOST_EXACT,
              "With objective = weighted: the size at which accuracy counts as it is."),
    REAL(
        search, size_exponent, "-0.07", "", -10, 0,
        "With objective = weighted: at -0.07 half the size is worth 5 % more accuracy, relatively; "
        "at 0 size is worth nothing."),
    {"search", "costs", FIELD(SETTING_WORD_LIST, search, costs), "parameters", "", 0, 0, 1,
     cost_word,
     "What accuracy is set against in the Pareto front, and in the search with objective = "
     "pareto."},
    INTEGER64(search, seed, "1", "", 0, MOST_EXACT,
              "Equal settings, seed, build and devices give an equal search; change it to search "
              "elsewhere."),
    INTEGER(search, population, "20", "candidates", 1, 100000,
            "P: so many random candidates come first, and so many of the most recent breed. It is "
            "also the length of a generation."),
    WORD(search, populate, "random", populate_word,
         "The first P candidates: random genomes; the best of earlier nights (memory.file), and "
         "random ones where they are not enough; or half and half (mixed)."),
    INTEGER(search, sample, "5", "candidates", 1, 100000,
            "S: the best of so many, drawn from the population with replacement, is the parent."),
    INTEGER(
        search, cycles, "0", "candidates", 0, 1e6,
        "Candidates in all, the first population included. 0: as many as there is time for; where "
        "none of deadline.until, deadline.budget and search.budget is set, 100."),
    DURATION(search, "budget", budget_s,
             "How long the search may take, with earlier parts of a run that was resumed; confirm "
             "comes after it and does not count."),
    INTEGER(search, in_flight, "4", "candidates", 1, 1024,
            "Candidate k is bred from the results of candidates 0 to k minus this number, so that "
            "the search does not depend on which worker is faster. It should not be below the "
            "number of slots, or some of them idle; 1 is the algorithm without parallelism."),
    WORD(
        search, duplicates, "avoid", duplicates_word,
        "avoid: a genome that was proposed before in this run is drawn again; allow: it is trained "
        "again, under a new seed."),
    INTEGER(search, redraws, "20", "draws", 1, 1000,
            "With duplicates = avoid: a genome is drawn again at most so many times, the last time "
            "at random; then it is trained, new or not."),
    WEIGHT("weight_swap", MUTATION_SWAP, "How often two layers change places; 0: never."),
    WEIGHT("weight_inversion", MUTATION_INVERSION, "How often a run of layers is reversed."),
    WEIGHT("weight_filters", MUTATION_FILTERS, "How often a layer gets another filter count."),
    WEIGHT("weight_layer", MUTATION_LAYER,
           "How often a layer is replaced by a random one of its kind."),
    WEIGHT("weight_add", MUTATION_ADD, "How often a normal layer is inserted."),
    WEIGHT("weight_remove", MUTATION_REMOVE, "How often a normal layer is taken out."),
    WORD(search, adapt, "none", adapt_word,
         "bandit: mutations whose children were better than their parents are drawn more often "
         "(Thompson sampling); none: the weights stay as they are."),
    INTEGER(search, adapt_window, "100", "children", 1, ADAPT_WINDOW_MAX,
            "With adapt = bandit: so many of the latest children count."),
    REAL(search, adapt_floor, "0.2", "", 0, 1,
         "With adapt = bandit: the share of mutations that is drawn by the weights alone, so that "
         "no operator dies."),

    INTEGER(training, epochs, "3", "epochs", 1, 10000, "Passes over the training images."),
    INTEGER(training, batch, "128", "images", 1, 4096, "Images in an optimiser step."),
    INTEGER(training, train_images, "0", "images", 0, 1e9,
            "How many training images a candidate sees. 0: all that are not validation images."),
    WORD(training, optimizer, "adamw", optimizer_word,
         "adamw: Adam with decoupled weight decay; adam: weight decay added to the gradient; sgd: "
         "with momentum."),
    WORD(training, schedule, "one_cycle", schedule_word,
         "The learning rate: up to learning_rate and down to nothing, or constant."),
    WORD(training, norm, "batch", norm_word,
         "Batch normalisation after each convolution, folded into it in the deployed network, or "
         "none."),
    REAL(training, learning_rate, "0.003", "", 1e-9, 100,
         "The learning rate; with one_cycle its peak."),
    REAL(training, weight_decay, "0.01", "", 0, 10, "Weight decay."),
    REAL(training, momentum, "0.9", "", 0, 0.999999, "Momentum of sgd."),
    REAL(training, beta1, "0.9", "", 0, 0.999999, "Decay of Adam's mean gradient."),
    REAL(training, beta2, "0.999", "", 0, 0.99999999, "Decay of Adam's mean squared gradient."),
    REAL(training, epsilon, "1e-8", "", 1e-12, 1, "Added to the root in Adam's step."),
    REAL(training, label_smoothing, "0", "", 0, 0.9,
         "The share of a label that is spread over all classes while training."),
    REAL(training, clip, "0", "", 0, 1e6,
         "The gradient is scaled down to this norm when it is longer. 0: never."),
    INTEGER(training, flip, "0", "", 0, 1,
            "1: half of the training images, drawn anew each time, are mirrored left to right."),
    INTEGER(training, shift, "0", "pixels", 0, 64,
            "Training images are moved by up to so many pixels, at random, both ways."),
    INTEGER(training, cutout, "0", "pixels", 0, 256,
            "The side of a square that is blanked at a random place of each training image. 0: "
            "none."),
    REAL(training, warmup, "0.3", "", 0, 1, "The share of the steps in which one_cycle climbs."),
    WORD(training, average, "none", average_word,
         "ema: what is scored and kept at the end are not the last weights, but their exponential "
         "moving average over the steps; the statistics of batch normalisation are made anew for "
         "it."),
    REAL(training, average_decay, "0.99", "", 0, 0.999999,
         "With average = ema: how much of the average a step leaves; 0.99 is the last 100 steps."),

    {"fidelity", "rungs", FIELD(SETTING_RUNGS, search, fidelity.rungs), "none", "", 0, 0, 1, NULL,
     "Trainings that candidates climb through, each EPOCHSxIMAGES, such as 1x10000 3xall: all "
     "candidates have the first, the best of them go on from their weights with the next. none: "
     "one training, as in [training]."},
    {"fidelity", "eta", FIELD(SETTING_INT, search, fidelity.eta), "3", "candidates", 2, 100, 1,
     NULL,
     "With rungs: one of so many goes on, of those that have a score in the same band of the same "
     "rung."},
    {"fidelity", "bands", FIELD(SETTING_INT_LIST, search, fidelity.bands),
     "2500 10000 25000 50000 100000 200000", "parameters", 1, 1e9, 1, NULL,
     "With rungs: candidates compete for the next one between two of these limits only, so that a "
     "small network is not ended by a large one."},
    {"fidelity", "min_correlation", FIELD(SETTING_REAL, search, fidelity.min_correlation), "0.1",
     "", -1, 1, 1, NULL,
     "A rung whose scores have a lower rank correlation (Spearman) with those of the next rung is "
     "switched off: candidates begin above it. -1: never."},
    {"fidelity", "min_pairs", FIELD(SETTING_INT, search, fidelity.min_pairs), "20", "candidates", 3,
     100000, 1, NULL,
     "So many candidates must have both scores before a rung can be switched off."},

    INTEGER(confirm, epochs, "10", "epochs", 1, 10000,
            "Passes over the training images when a finalist is trained again."),
    INTEGER(confirm, seeds, "1", "trainings", 0, 100,
            "How many times each finalist is trained again, each under its own seed. 0: none is, "
            "and the test images stay unopened."),
    INTEGER(confirm, train_images, "0", "images", 0, 1e9,
            "How many training images they see. 0: all that are not validation images."),
    INTEGER(confirm, finalists, "1", "genomes", 1, 100,
            "How many genomes are trained again: the best by search.objective, and others spread "
            "over the Pareto front. The one with the highest mean validation accuracy, by "
            "search.objective, wins."),
    {"confirm", "bands", FIELD(SETTING_INT_LIST, confirm, bands), "0", "parameters", 0, INT32_MAX,
     1, NULL,
     "Limits such as 2500 10000: the most accurate candidate within each is a finalist too. 0: "
     "none."},
    WORD(confirm, baseline, "none", baseline_word,
         "random: after the search, a random search is made with as much training and the same "
         "rungs, and its finalists are confirmed beside those of the search, to see whether the "
         "search was worth it. That about doubles the time."),

    {"devices", "use", FIELD(SETTING_DEVICES, devices, use), "all", "", 0, 0, 1, NULL,
     "Which OpenCL devices train, by type or by the indices that clade devices lists."},
    INTEGER(devices, slots, "0", "slots", 0, 1024,
            "Workers on a CPU device, each with its share of the cores. 0: one a core."),
    INTEGER(devices, pack, "1", "candidates", 0, PACK_MAX,
            "A slot trains up to so many candidates in shared launches when their networks have "
            "equal shapes, such as the seeds of confirm; results are the same. 0: one on a CPU "
            "device, on others one for every 8 compute units. Set search.in_flight to twice the "
            "number of slots times this, or packs of a search stay small."),
    INTEGER(devices, retries, "2", "attempts", 0, 100,
            "How often a candidate is tried again after its worker died."),
    REAL(devices, time_limit_s, "0", "seconds", 0, 1e7,
         "A candidate that trains longer ends as timeout. A confirmation may take as many times "
         "longer as it makes more passes over images. 0: no limit."),
    WORD(devices, conv, "auto", conv_word,
         "The family of convolution kernels; auto takes the best for the device."),
    WORD(devices, tune, "auto", tune_word,
         "auto: families and tiles of convolutions are timed when a device is first used, a few "
         "seconds, and what is fastest is kept on disk and used from then on. off: by rule."),

    {"deadline", "until", FIELD(SETTING_TIME, deadline, until), "none", "", 0, 0, 1, NULL,
     "The run ends at this local time, the next one after its start, or after it was resumed: so "
     "much time as confirm needs is kept back, and what cannot end is not begun."},
    DURATION(
        deadline, "budget", budget_s,
        "The run ends after so long, counted from its start, or from when it was resumed. With "
        "deadline.until too, the earlier of both counts."),

    TEXT(memory, file, MEMORY_NONE,
         "The results of all nights, in one SQLite file that is made when it is not there; several "
         "runs may share it. none: no memory."),

    TEXT(outputs, dir, "runs", "Where the directories of new runs are made."),
    WORD(
        outputs, dialect, "rfc4180", dialect_word,
        "How CSV files are written: rfc4180 with comma and decimal point; excel-eu with semicolon, "
        "decimal comma and byte order mark, for spreadsheets of countries that write 0,5."),
};

const size_t setting_count = sizeof setting_table / sizeof setting_table[0];

_Static_assert(sizeof setting_table / sizeof setting_table[0] <= SETTINGS_KEYS_MAX,
               "settings_origins has a place for every key");
