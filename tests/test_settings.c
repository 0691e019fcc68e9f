/* Settings: the table, INI files with all that can be wrong in them, --set, printing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "inputs/settings.h"
#include "inputs/settings_table.h"

static char path[] = "/tmp/clade-settings-XXXXXX";

static int make_file(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static void write_bytes(const char *bytes, size_t n)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static enum error read_text(struct settings *settings, struct settings_origins *origins,
                            const char *text)
{
    write_bytes(text, strlen(text));
    settings_defaults(settings, origins);
    return settings_read_file(settings, origins, path);
}

static void assert_get(const struct settings *settings, const char *key, const char *expected)
{
    struct text text = {0};
    assert_true(settings_get(&text, settings, key));
    assert_string_equal(text.data, expected);
    text_free(&text);
}

/* The file is refused; the message has "PATH:LINE" and every other word given. */
static void assert_refused(const char *text, int line, const char *a, const char *b)
{
    struct settings settings;
    assert_int_equal(read_text(&settings, NULL, text), ERR_USAGE);
    char location[64];
    snprintf(location, sizeof location, "%s:%d: ", path, line);
    const char *message = error_message();
    if (strncmp(message, location, strlen(location)) != 0 || strstr(message, a) == NULL ||
        strstr(message, b) == NULL)
        fail_msg("for %.60s\n wanted %s%s ... %s\n got %s", text, location, a, b, message);
}

static void test_defaults(void **state)
{
    (void)state;
    struct settings settings;
    struct settings_origins origins;
    settings_defaults(&settings, &origins);
    assert_int_equal(settings_check(&settings), ERR_NONE);
    assert_string_equal(settings.data.dir, "/usr/share/datasets/fashion-mnist");
    assert_string_equal(settings.data.test_labels, "t10k-labels-idx1-ubyte.gz");
    assert_int_equal(settings.data.validation_images, 6000);
    assert_int_equal(settings.space.min_layers, 3);
    assert_int_equal(settings.space.max_layers, 8);
    assert_int_equal(settings.space.filters.count, 10);
    assert_int_equal(settings.space.filters.values[9], 256);
    assert_int_equal(settings.space.activations.count, ACT_COUNT);
    assert_int_equal(settings.space.activations.values[4], ACT_GELU);
    assert_int_equal(settings.search.algorithm, ALGORITHM_AGING);
    assert_int_equal(settings.search.population, 20);
    assert_true(settings.search.mutation_weights[MUTATION_REMOVE] == 1.0);
    assert_int_equal(settings.training.optimizer, OPTIMIZER_ADAMW);
    assert_true(settings.training.learning_rate == 0.003);
    assert_string_equal(settings.devices.use, "all");
    assert_string_equal(settings.outputs.dir, "runs");
    assert_string_equal(origins.text[0], "default");
}

/* Every row: fields do not overlap, the default reads back from its own text, keys are unique. */
static void test_table(void **state)
{
    (void)state;
    struct settings defaults;
    settings_defaults(&defaults, NULL);
    for (size_t i = 0; i < setting_count; i++) {
        const struct setting *row = &setting_table[i];
        for (size_t j = 0; j < i; j++) {
            const struct setting *other = &setting_table[j];
            assert_true(row->offset >= other->offset + other->size ||
                        other->offset >= row->offset + row->size);
            assert_true(strcmp(row->section, other->section) != 0 ||
                        strcmp(row->key, other->key) != 0);
        }
        struct settings copy = defaults;
        struct text text = {0};
        setting_format(&text, &copy, row);
        assert_null(setting_parse(&copy, row, text.data));
        assert_memory_equal(&copy, &defaults, sizeof copy);
        text_free(&text);
        assert_null(strpbrk(row->help, "\"\\"));
    }
}

static void test_file(void **state)
{
    (void)state;
    struct settings settings;
    struct settings_origins origins;
    assert_int_equal(read_text(&settings, &origins,
                               "\xEF\xBB\xBF; a comment\r\n"
                               "[training]\r\n"
                               "epochs = 7 ; inline\r\n"
                               "   learning_rate=1e-3\r\n"
                               "\r\n"
                               "# another comment with = and [\n"
                               "[space]\n"
                               "\tfilters = 1,2, 3\t511\n"
                               "activations : gelu relu\n"
                               "[data] ; more\n"
                               "dir = /some where/else;x ; not this\n"
                               "[training]\n"
                               "optimizer = sgd"),
                     ERR_NONE);
    assert_get(&settings, "training.epochs", "7");
    assert_get(&settings, "training.learning_rate", "0.001");
    assert_get(&settings, "space.filters", "1 2 3 511");
    assert_get(&settings, "space.activations", "gelu relu");
    assert_get(&settings, "data.dir", "/some where/else;x");
    assert_get(&settings, "training.optimizer", "sgd");
    assert_get(&settings, "training.batch", "128");
    char location[64];
    snprintf(location, sizeof location, "%s:3", path);
    bool found = false;
    for (size_t i = 0; i < setting_count; i++) {
        if (strcmp(setting_table[i].key, "epochs") == 0 &&
            strcmp(setting_table[i].section, "training") == 0) {
            assert_string_equal(origins.text[i], location);
            found = true;
        }
    }
    assert_true(found);
}

static void test_unknown(void **state)
{
    (void)state;
    assert_refused("[training]\nepoch = 5\n", 2, "training.epoch = 5", "did you mean epochs");
    assert_refused("[training]\nepoch = 5\n", 2, "[training]", "from 1 to 10000 (epochs)");
    assert_refused("[data]\nepochs = 5\n", 2, "data.epochs", "[confirm]");
    assert_refused("[data]\nxyzzy = 5\n", 2, "data.xyzzy", "validation_images");
    assert_refused("[trainin]\n\nepochs = 5\n", 3, "no such section", "did you mean [training]?");
    assert_refused("[zzzzzzzzzzzz]\nepochs = 5\n", 2, "no such section",
                   "[devices] [deadline] [memory] [outputs]");
    assert_refused("epochs = 5\n", 1, ".epochs = 5", "[data] [space]");
    assert_refused("[training]\nEpochs = 5\n", 2, "no such key", "did you mean epochs");
}

static void test_bad_values(void **state)
{
    (void)state;
    static const struct {
        const char *section, *assignment, *wrong, *allowed;
    } bad[] = {
        {"training", "epochs = 0", "out of range", "from 1 to 10000"},
        {"training", "epochs = -1", "out of range", "from 1 to 10000"},
        {"training", "epochs = 99999999999999999999", "out of range", "from 1 to 10000"},
        {"training", "epochs = 2.5", "not a whole number", "from 1 to 10000"},
        {"training", "epochs = 0x10", "not a whole number", "from 1 to 10000"},
        {"training", "epochs =", "not a whole number", "from 1 to 10000"},
        {"training", "epochs = 5 # five", "not a whole number", "starts with a blank and \";\""},
        {"training", "epochs = 5;five", "not a whole number", "starts with a blank and \";\""},
        {"training", "learning_rate = nan", "not a number", "from 1e-09 to 100"},
        {"training", "learning_rate = inf", "not a number", "from 1e-09 to 100"},
        {"training", "learning_rate = 0", "out of range", "from 1e-09 to 100"},
        {"training", "learning_rate = 1e999", "not a number", "from 1e-09 to 100"},
        {"training", "beta1 = 1", "out of range", "from 0 to 0.999999"},
        {"training", "optimizer = lion", "not one of", "adamw, adam, sgd"},
        {"search", "algorithm = Aging", "not one of", "aging, random"},
        {"search", "seed = -1", "out of range", "9007199254740991"},
        {"search", "weight_swap = -0.1", "out of range", "from 0 to 1000"},
        {"space", "filters = 8 512", "out of range", "from 1 to 511"},
        {"space", "filters = 0", "out of range", "from 1 to 511"},
        {"space", "filters = 8 16 8", "twice", "from 1 to 511"},
        {"space", "filters = , ,", "empty list", "from 1 to 511"},
        {"space", "filters = 8 x", "not a whole number", "from 1 to 511"},
        {"space",
         "filters = 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 "
         "27 28 29 30 31 32 33",
         "more than 32", "at most 32"},
        {"space", "filters = 00000000000000000000000000000000000000000000000000008", "",
         "from 1 to 511"},
        {"space", "kernels = 3 4", "even", "odd whole numbers from 1 to 7"},
        {"space", "kernels = 9", "out of range", "from 1 to 7"},
        {"space", "activations = relu mish", "not one of", "swish"},
        {"space", "activations = relu,relu", "twice", "swish"},
        {"space", "max_parameters = -1", "out of range", "from 0"},
        {"devices", "use = cpus", "neither", "0.0,1.0"},
        {"devices", "use = 0.0,", "neither", "0.0,1.0"},
        {"devices", "use = 0", "neither", "0.0,1.0"},
        {"devices", "use = 0.0,1.0x", "neither", "0.0,1.0"},
        {"devices", "use = 0.0 1.0", "neither", "0.0,1.0"},
        {"data", "dir =", "empty", "1023 bytes"},
        {"data", "dir = ; /x", "empty", "1023 bytes"},
        {"data", "dir = a\tb", "control character", "1023 bytes"},
        {"data", "classes = 257", "out of range", "from 0 to 256"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[512];
        snprintf(text, sizeof text, "\n[%s]\n%s\n", bad[i].section, bad[i].assignment);
        assert_refused(text, 3, bad[i].wrong, bad[i].allowed);
    }
}

/* Words as values, in a file and in --set: the nearest one, and all that there are. */
static void test_bad_words(void **state)
{
    (void)state;
    assert_refused("[search]\nalgorithm = agin\n", 2, "search.algorithm = agin: not one of",
                   "; did you mean aging? allowed: one of aging, ");
    assert_refused("[search]\nalgorithm = AGING\n", 2, "did you mean aging?", "");
    assert_refused("[space]\nactivations = tanh, rellu swich\n", 2, "; did you mean relu? allowed",
                   "");
    assert_refused("[space]\nactivations = tanh Gelu\n", 2, "; did you mean gelu? allowed", "");
    assert_refused("[devices]\nuse = cpus\n", 2, "; did you mean cpu? allowed: all, cpu", "");
    /* Nothing is near, or near words are not what is wrong. */
    assert_refused("[search]\nalgorithm = xyzzy-xyzzy\n", 2, "not one of the known words; allowed",
                   "");
    assert_refused("[space]\nactivations = relu relu\n", 2, "stands twice; allowed", "");
    assert_refused("[training]\nepochs = five\n", 2, "not a whole number; allowed", "");
    struct settings settings;
    settings_defaults(&settings, NULL);
    assert_int_equal(settings_apply(&settings, NULL, "search.algorithm=agin"), ERR_USAGE);
    assert_non_null(strstr(error_message(), "did you mean aging?"));
}

static void test_bad_files(void **state)
{
    (void)state;
    struct settings settings;
    assert_refused("[training]\nepochs 5\n", 2, "key = value", "");
    assert_refused("[training\nepochs = 5\n", 1, "[section]", "");
    /* The first of two errors is told. */
    assert_refused("nonsense\n[training]\nepochs = x\n", 1, "key = value", "");
    assert_refused("[training]\nepochs = x\nnonsense\n", 2, "training.epochs", "");
    assert_refused("[training] epochs = 5\n", 1, "after the section", "");
    assert_refused("[training]\nepochs = 5\nbatch = 64\nepochs = 5\n", 4, "twice", "line 2");
    assert_refused("[training]\nepochs = 5\n[data]\n[training]\nepochs = 5\n", 5, "twice",
                   "line 2");

    write_bytes("[training]\nepochs = 5\0\n", 23);
    assert_int_equal(settings_read_file(&settings, NULL, path), ERR_USAGE);
    assert_non_null(strstr(error_message(), ":2: a NUL byte"));

    assert_int_equal(settings_read_file(&settings, NULL, "/nonexistent/x.ini"), ERR_USAGE);
    assert_non_null(strstr(error_message(), "/nonexistent/x.ini: No such file"));
    assert_int_equal(settings_read_file(&settings, NULL, "/tmp"), ERR_USAGE);
    assert_non_null(strstr(error_message(), "Is a directory"));
    assert_int_equal(settings_read_file(&settings, NULL, "/dev/zero"), ERR_USAGE);

    /* Neither an empty file nor only comments is wrong. */
    assert_int_equal(read_text(&settings, NULL, ""), ERR_NONE);
    assert_int_equal(read_text(&settings, NULL, "; nothing\n\n[training]"), ERR_NONE);
}

/* A line is never cut: it is read whole or refused, at every length around inih's limits. */
static void test_long_lines(void **state)
{
    (void)state;
    static char text[20000];
    static const int lengths[] = {150, 196, 197, 198, 199, 200, 201, 254, 255, 256, 1000, 1023};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct settings settings;
        int n = sprintf(text, "[data]\ndir = ");
        memset(text + n, 'd', (size_t)lengths[i]);
        sprintf(text + n + lengths[i], "\n[training]\nepochs = 9\n");
        assert_int_equal(read_text(&settings, NULL, text), ERR_NONE);
        assert_int_equal(strlen(settings.data.dir), lengths[i]);
        assert_int_equal(settings.training.epochs, 9);
    }
    for (int length = 1024; length<12000; length += length> 4080 && length < 4100 ? 1 : 8) {
        int n = sprintf(text, "[data]\ndir = ");
        memset(text + n, 'd', (size_t)length);
        strcpy(text + n + length, "\n");
        bool fits = length + 6 <= 4094; /* "dir = " */
        assert_refused(text, 2, fits ? "ddd...: too long" : "the line is too long", "");
        assert_true(strlen(error_message()) < 400);
    }
    /* Comments may be of any length. */
    int n = sprintf(text, "[training]\nepochs = 9 ;");
    memset(text + n, 'c', 12000);
    strcpy(text + n + 12000, "\nbatch = 7\n");
    struct settings settings;
    assert_int_equal(read_text(&settings, NULL, text), ERR_NONE);
    assert_int_equal(settings.training.epochs, 9);
    assert_int_equal(settings.training.batch, 7);
}

static void test_apply(void **state)
{
    (void)state;
    struct settings settings;
    struct settings_origins origins;
    settings_defaults(&settings, &origins);
    assert_int_equal(settings_apply(&settings, &origins, "training.epochs=4"), ERR_NONE);
    assert_int_equal(settings_apply(&settings, &origins, "training.epochs=5"), ERR_NONE);
    assert_int_equal(settings_apply(&settings, &origins, "data.dir=/a=b.c"), ERR_NONE);
    assert_int_equal(settings.training.epochs, 5);
    assert_string_equal(settings.data.dir, "/a=b.c");
    assert_string_equal(origins.text[0], "--set");

    static const char *const bad[] = {"",
                                      "training",
                                      "training.epochs",
                                      "epochs=5",
                                      "=5",
                                      "a=b.c",
                                      "training.",
                                      ".epochs=5",
                                      "training.epochs=",
                                      "training.epochs=5 ",
                                      "data.dir= /x",
                                      "data.dir=/x ;y",
                                      "data.dir=a\nb"};
    struct settings before = settings;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (settings_apply(&settings, &origins, bad[i]) != ERR_USAGE)
            fail_msg("--set %s was taken", bad[i]);
        assert_non_null(strstr(error_message(), "--set"));
        assert_memory_equal(&settings, &before, sizeof settings);
    }
    char *longest = malloc(100001);
    assert_non_null(longest);
    memset(longest, 'x', 100000);
    longest[100000] = '\0';
    longest[5] = '.';
    longest[50000] = '=';
    assert_int_equal(settings_apply(&settings, &origins, longest), ERR_USAGE);
    longest[15] = '=';
    assert_int_equal(settings_apply(&settings, &origins, longest), ERR_USAGE);
    assert_true(strlen(error_message()) < 600);
    free(longest);
}

/* What is printed reads back to equal settings, whatever the origins are. */
static void test_print(void **state)
{
    (void)state;
    struct settings settings, again;
    struct settings_origins origins;
    settings_defaults(&settings, &origins);
    static const char *const sets[] = {"data.dir=/data ;set",
                                       "training.learning_rate=0.1",
                                       "training.weight_decay=0.30000000000000004",
                                       "search.seed=9007199254740991",
                                       "space.filters=511,1",
                                       "space.activations=gelu",
                                       "devices.use=1.0,0.12",
                                       "search.weight_add=0.3333333333333333",
                                       "search.budget=1h2s",
                                       "deadline.until=6:05",
                                       "deadline.budget=90m"};
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++)
        assert_int_equal(settings_apply(&settings, &origins, sets[i]), ERR_USAGE * (i == 0));
    assert_int_equal(settings_apply(&settings, &origins, "data.dir=/data;set/#1=x: y"), ERR_NONE);
    memset(origins.text[3], 'o', SETTINGS_ORIGIN_SIZE - 1);
    memset(settings.outputs.dir, 'p', SETTINGS_PATH_SIZE - 1);
    for (int with = 0; with < 2; with++) {
        struct text text = {0};
        settings_print(&text, &settings, with ? &origins : NULL);
        assert_int_equal(text_status(&text), ERR_NONE);
        if (read_text(&again, NULL, text.data) != ERR_NONE)
            fail_msg("%s", error_message());
        assert_memory_equal(&again, &settings, sizeof again);
        assert_true((strstr(text.data, "; --set\n") != NULL) == with);
        text_free(&text);
    }
}

static void test_check(void **state)
{
    (void)state;
    struct settings settings;
    settings_defaults(&settings, NULL);
    settings.search.sample = 21;
    assert_int_equal(settings_check(&settings), ERR_USAGE);
    assert_non_null(strstr(error_message(), "search.sample = 21"));
    settings_defaults(&settings, NULL);
    settings.space.min_layers = 9;
    assert_int_equal(settings_check(&settings), ERR_USAGE);
    assert_non_null(strstr(error_message(), "space.max_layers = 8"));
    settings_defaults(&settings, NULL);
    for (int i = 0; i < MUTATION_COUNT; i++)
        settings.search.mutation_weights[i] = 0;
    assert_int_equal(settings_check(&settings), ERR_USAGE);
    settings.search.algorithm = ALGORITHM_RANDOM;
    assert_int_equal(settings_check(&settings), ERR_NONE);
    settings.search.algorithm = ALGORITHM_GRID;
    assert_int_equal(settings_check(&settings), ERR_USAGE);
    assert_non_null(strstr(error_message(), "at most 1000000"));
    settings.search.algorithm = ALGORITHM_RANDOM;
    settings.search.populate = POPULATE_MIXED;
    assert_int_equal(settings_check(&settings), ERR_USAGE);
    assert_non_null(strstr(error_message(), "memory.file"));
    assert_int_equal(settings_apply(&settings, NULL, "memory.file=nights.sqlite"), ERR_NONE);
    assert_int_equal(settings_check(&settings), ERR_NONE);
    settings.confirm.baseline = BASELINE_RANDOM; /* of a random search */
    assert_int_equal(settings_check(&settings), ERR_USAGE);
    assert_non_null(strstr(error_message(), "search.algorithm = random"));
    settings_defaults(&settings, NULL);
    settings.confirm.baseline = BASELINE_RANDOM;
    assert_int_equal(settings_check(&settings), ERR_NONE);
    settings.confirm.seeds = 0;
    assert_int_equal(settings_check(&settings), ERR_USAGE);
    assert_non_null(strstr(error_message(), "confirm.seeds"));
}

static void test_times(void **state)
{
    (void)state;
    struct settings settings;
    static const char *const wrong[] = {"deadline.until=24:00", "deadline.until=6",
                                        "deadline.until=",      "deadline.budget=90",
                                        "search.budget=0s",     "search.budget=1m1h"};
    settings_defaults(&settings, NULL);
    assert_int_equal(settings.deadline.until, -1);
    assert_true(settings.deadline.budget_s == 0 && settings.search.budget_s == 0);
    /* Without any limit, one is set. */
    assert_true(search_cycles(&settings.search) == INT64_MAX);
    struct settings complete = settings;
    settings_complete(&complete);
    assert_int_equal(search_cycles(&complete.search), 100);
    assert_int_equal(settings_apply(&settings, NULL, "search.budget=90m"), ERR_NONE);
    assert_int_equal(settings_apply(&settings, NULL, "deadline.budget=7h30m"), ERR_NONE);
    assert_int_equal(settings_apply(&settings, NULL, "deadline.until=00:07"), ERR_NONE);
    assert_true(settings.search.budget_s == 5400 && settings.deadline.budget_s == 27000);
    assert_int_equal(settings.deadline.until, 7);
    settings_complete(&settings);
    assert_true(search_cycles(&settings.search) == INT64_MAX);
    assert_get(&settings, "search.budget", "1h30m");
    assert_get(&settings, "deadline.until", "00:07");
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(settings_apply(&settings, NULL, wrong[i]), ERR_USAGE);
    assert_int_equal(settings_apply(&settings, NULL, "deadline.until=none"), ERR_NONE);
    assert_int_equal(settings_apply(&settings, NULL, "search.budget=none"), ERR_NONE);
    assert_int_equal(settings.deadline.until, -1);
    assert_true(settings.search.budget_s == 0);
}

static void test_manual(void **state)
{
    (void)state;
    struct text text = {0};
    settings_manual(&text);
    assert_int_equal(text_status(&text), ERR_NONE);
    for (size_t i = 0; i < setting_count; i++) {
        char line[128];
        snprintf(line, sizeof line, "\\fB%s\\fR = ", setting_table[i].key);
        assert_non_null(strstr(text.data, line));
    }
    assert_non_null(strstr(text.data, ".SS [training]\n"));
    text_free(&text);
    struct settings settings;
    settings_defaults(&settings, NULL);
    assert_false(settings_get(&text, &settings, "training.epoch"));
    assert_false(settings_get(&text, &settings, "epochs"));
}

static void read_search(struct settings *settings, const char *name)
{
    char file[64];
    snprintf(file, sizeof file, "inputs/searches/%s.ini", name);
    settings_defaults(settings, NULL);
    if (settings_read_file(settings, NULL, file) != ERR_NONE ||
        settings_check(settings) != ERR_NONE)
        fail_msg("%s", error_message());
    assert_string_equal(settings->data.dir, "/usr/share/datasets/fashion-mnist");
}

static void test_searches(void **state)
{
    (void)state;
    struct settings quick, nightly, paper, random;
    read_search(&quick, "quick");
    read_search(&nightly, "nightly");
    read_search(&paper, "paper");
    read_search(&random, "random");
    assert_int_equal(paper.search.population, 100);
    assert_int_equal(paper.search.sample, 25);
    assert_int_equal(paper.search.algorithm, ALGORITHM_AGING);
    /* random.ini is what nightly.ini is measured against: nothing else may differ. */
    assert_int_equal(random.search.algorithm, ALGORITHM_RANDOM);
    random.search.algorithm = ALGORITHM_AGING;
    assert_memory_equal(&random, &nightly, sizeof random);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),   cmocka_unit_test(test_table),
        cmocka_unit_test(test_file),       cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_bad_values), cmocka_unit_test(test_bad_words),
        cmocka_unit_test(test_bad_files),  cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_apply),      cmocka_unit_test(test_print),
        cmocka_unit_test(test_check),      cmocka_unit_test(test_times),
        cmocka_unit_test(test_manual),     cmocka_unit_test(test_searches),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
