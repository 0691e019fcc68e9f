/* pipeline/base: errors, text, random numbers, clock, log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "pipeline/base/clock.h"
#include "pipeline/base/error.h"
#include "pipeline/base/log.h"
#include "pipeline/base/rng.h"
#include "pipeline/base/text.h"

/* The n-th realloc from now fails; 0: none. */
static int fail_at;

void *__real_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n)
{
    return fail_at > 0 && --fail_at == 0 ? NULL : __real_realloc(p, n);
}

/* Reaches `after` only when the call succeeds. */
static enum error pass_on(enum error code, int *after)
{
    enum error err;
    TRY(code == ERR_NONE ? ERR_NONE : error_set(code, "tried %d", 7));
    *after = 1;
out:
    return err;
}

static void *other_thread(void *message_is_empty)
{
    *(bool *)message_is_empty = error_message()[0] == '\0';
    error_set(ERR_DATA, "of the other thread");
    return NULL;
}

static void test_error(void **state)
{
    (void)state;
    int after = 0;
    error_clear();
    assert_string_equal(error_message(), "");
    assert_int_equal(pass_on(ERR_DATA, &after), ERR_DATA);
    assert_int_equal(after, 0);
    assert_string_equal(error_message(), "tried 7");
    assert_int_equal(pass_on(ERR_NONE, &after), ERR_NONE);
    assert_int_equal(after, 1);

    pthread_t thread;
    bool empty = false;
    assert_int_equal(pthread_create(&thread, NULL, other_thread, &empty), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(empty);
    assert_string_equal(error_message(), "tried 7");

    char longest[5000];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(error_set(ERR_USAGE, "%s", longest), ERR_USAGE);
    assert_int_equal(strlen(error_message()), 1023);
}

/* The exit codes are an interface of the program. */
static void test_exit_codes(void **state)
{
    (void)state;
    static const struct {
        enum error code;
        int exit;
        const char *name;
    } expected[] = {
        {ERR_NONE, 0, "NONE"},     {ERR_INTERNAL, 1, "INTERNAL"},   {ERR_USAGE, 2, "USAGE"},
        {ERR_DATA, 3, "DATA"},     {ERR_NO_DEVICE, 4, "NO_DEVICE"}, {ERR_DEVICE, 5, "DEVICE"},
        {ERR_OUTPUT, 6, "OUTPUT"}, {ERR_BUSY, 7, "BUSY"},           {ERR_STOPPED, 75, "STOPPED"},
    };
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        assert_int_equal(error_exit_code(expected[i].code), expected[i].exit);
        assert_string_equal(error_name(expected[i].code), expected[i].name);
    }
    for (int a = 0; a < ERR_COUNT; a++) {
        assert_true(strlen(error_text((enum error)a)) > 0);
        for (int b = 0; b < a; b++)
            assert_true(error_exit_code((enum error)a) != error_exit_code((enum error)b));
    }
}

static void test_text(void **state)
{
    (void)state;
    struct text text = {0};
    assert_null(text.data);
    assert_int_equal(text_status(&text), ERR_NONE);
    char expected[4001] = "";
    for (int i = 0; i < 400; i++) {
        char part[16];
        snprintf(part, sizeof part, "%d,", i);
        strcat(expected, part);
        if (i % 3 == 0)
            text_append(&text, part);
        else if (i % 3 == 1)
            text_printf(&text, "%d%s", i, ",");
        else
            text_append_n(&text, part, strlen(part));
        assert_string_equal(text.data, expected);
        assert_int_equal(text.length, strlen(expected));
    }
    text_append_n(&text, "", 0);
    assert_string_equal(text.data, expected);
    text_free(&text);
    assert_null(text.data);
}

/* After a failed allocation nothing is appended any more, and what was there stays. */
static void test_text_no_memory(void **state)
{
    (void)state;
    struct text text = {0};
    text_append(&text, "kept");
    fail_at = 1;
    for (int i = 0; i < 500; i++)
        text_printf(&text, " %d", i);
    assert_true(text.failed);
    assert_int_equal(fail_at, 0);
    assert_int_equal(text_status(&text), ERR_INTERNAL);
    size_t length = text.length;
    assert_true(length < 256);
    assert_int_equal(strncmp(text.data, "kept 0 1 2", 10), 0);
    text_append(&text, "more");
    text_append_n(&text, "more", 4);
    assert_int_equal(text.length, length);
    assert_int_equal(strlen(text.data), length);
    text_free(&text);

    fail_at = 1;
    text_append(&text, "x");
    assert_null(text.data);
    assert_int_equal(text_status(&text), ERR_INTERNAL);
    text_free(&text);
}

static void test_nearest(void **state)
{
    (void)state;
    assert_int_equal(text_distance("kitten", "sitting"), 3);
    assert_int_equal(text_distance("", "abc"), 3);
    assert_int_equal(text_distance("abc", ""), 3);
    assert_int_equal(text_distance("abc", "abc"), 0);
    assert_int_equal(text_distance("flaw", "lawn"), 2);
    char longest[65];
    memset(longest, 'x', 64);
    longest[64] = '\0';
    assert_int_equal(text_distance(longest, "x"), 64);
    assert_int_equal(text_distance(longest + 1, longest + 1), 0);
    struct rng rng;
    rng_seed(&rng, 1);
    for (int i = 0; i < 500; i++) { /* a metric: symmetric, triangle inequality */
        char words[3][8];
        for (int w = 0; w < 3; w++) {
            size_t n = (size_t)rng_below(&rng, 8);
            for (size_t c = 0; c < n; c++)
                words[w][c] = (char)('a' + rng_below(&rng, 3));
            words[w][n] = '\0';
        }
        int ab = text_distance(words[0], words[1]), bc = text_distance(words[1], words[2]);
        assert_int_equal(ab, text_distance(words[1], words[0]));
        assert_true(text_distance(words[0], words[2]) <= ab + bc);
        assert_int_equal(ab == 0, strcmp(words[0], words[1]) == 0);
    }

    static const char *const words[] = {"epochs", "batch", "seed", "epoch_limit"};
    assert_string_equal(text_nearest("epoch", words, 4), "epochs");
    assert_string_equal(text_nearest("bach", words, 4), "batch");
    assert_null(text_nearest("population", words, 4));
    assert_null(text_nearest("epochs", words, 0));
}

static void test_numbers(void **state)
{
    (void)state;
    static const char *const not_whole[] = {
        "", "x", "1x", "1 ", "1.0", "--", "0x10", "1e3", "9223372036854775808"};
    long long whole = 77;
    for (size_t i = 0; i < sizeof not_whole / sizeof not_whole[0]; i++)
        assert_false(text_to_long(not_whole[i], &whole));
    assert_int_equal(whole, 77);
    assert_true(text_to_long("-9223372036854775808", &whole));
    assert_true(whole == INT64_MIN);
    assert_true(text_to_long("007", &whole));
    assert_int_equal(whole, 7);

    static const char *const not_real[] = {"", "x", "1x", "1 ", "nan", "inf", "-inf", "1e999"};
    double real = 77;
    for (size_t i = 0; i < sizeof not_real / sizeof not_real[0]; i++)
        assert_false(text_to_double(not_real[i], &real));
    assert_true(real == 77);
    assert_true(text_to_double("-1.5e-3", &real));
    assert_true(real == -0.0015);
}

/* Published values: xoshiro256** from the state 1, 2, 3, 4; splitmix64 from the seed 1234567. */
static void test_rng_reference(void **state)
{
    (void)state;
    static const uint64_t expected[] = {
        11520u, 0u, 1509978240u, 1215971899390074240u, 1216172134540287360u, 607988272756665600u};
    struct rng rng = {{1, 2, 3, 4}};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        assert_true(rng_next(&rng) == expected[i]);
    rng_seed(&rng, 1234567);
    assert_true(rng.state[0] == 6457827717110365317u);
    assert_true(rng.state[1] == 3203168211198807973u);
    assert_true(rng.state[2] == 9817491932198370423u);
    assert_true(rng.state[3] == 4593380528125082431u);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Nearby numbers, in any of the three places, give different seeds. */
static void test_rng_mix(void **state)
{
    (void)state;
    enum { SIDE = 24 };
    static uint64_t seeds[SIDE * SIDE * SIDE];
    size_t n = 0;
    for (uint64_t a = 0; a < SIDE; a++) {
        for (uint64_t b = 0; b < SIDE; b++) {
            for (uint64_t c = 0; c < SIDE; c++)
                seeds[n++] = rng_mix(a, b, c);
        }
    }
    assert_true(rng_mix(3, 4, 5) == seeds[(3 * SIDE + 4) * SIDE + 5]);
    qsort(seeds, n, sizeof seeds[0], compare);
    for (size_t i = 1; i < n; i++)
        assert_true(seeds[i] != seeds[i - 1]);
}

static void test_rng_distributions(void **state)
{
    (void)state;
    enum { DRAWS = 70000 };
    struct rng rng;
    rng_seed(&rng, 2);
    int counts[7] = {0};
    double sum = 0, squares = 0, cubes = 0, uniform = 0;
    for (int i = 0; i < DRAWS; i++) {
        uint64_t below = rng_below(&rng, 7);
        assert_true(below < 7);
        counts[below]++;
        double u = rng_uniform(&rng);
        assert_true(u >= 0 && u < 1);
        uniform += u;
        double z = rng_normal(&rng);
        assert_true(isfinite(z));
        sum += z;
        squares += z * z;
        cubes += z * z * z;
    }
    for (int i = 0; i < 7; i++)
        assert_true(abs(counts[i] - DRAWS / 7) < 5 * sqrt(DRAWS / 7.0));
    assert_true(fabs(uniform / DRAWS - 0.5) < 5 * sqrt(1.0 / 12 / DRAWS));
    assert_true(fabs(sum / DRAWS) < 5 * sqrt(1.0 / DRAWS));
    assert_true(fabs(squares / DRAWS - 1) < 5 * sqrt(2.0 / DRAWS));
    assert_true(fabs(cubes / DRAWS) < 5 * sqrt(15.0 / DRAWS));
    assert_true(rng_below(&rng, 1) == 0);
    for (int i = 0; i < 100; i++) /* a bound that rejects almost half of all draws */
        assert_true(rng_below(&rng, ((uint64_t)1 << 63) + 1) <= (uint64_t)1 << 63);
}

static void test_shuffle(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 3);
    int orders[6] = {0};
    for (int i = 0; i < 12000; i++) {
        uint32_t items[3] = {0, 1, 2};
        rng_shuffle(&rng, items, 3);
        assert_int_equal((1u << items[0]) | (1u << items[1]) | (1u << items[2]), 7);
        orders[items[0] * 2 + (items[1] > items[2])]++;
    }
    for (int i = 0; i < 6; i++)
        assert_true(abs(orders[i] - 2000) < 5 * sqrt(2000));
    uint32_t one = 9;
    rng_shuffle(&rng, &one, 1);
    rng_shuffle(&rng, &one, 0);
    assert_int_equal(one, 9);
}

static void test_clock(void **state)
{
    (void)state;
    char utc[CLOCK_UTC_SIZE], duration[CLOCK_DURATION_SIZE];
    clock_utc_text(utc, 0);
    assert_string_equal(utc, "1970-01-01T00:00:00");
    clock_utc_text(utc, INT64_C(1769825700) * 1000000 + 999999);
    assert_string_equal(utc, "2026-01-31T02:15:00");
    static const struct {
        double seconds;
        const char *text;
    } durations[] = {{-1, "0 s"},           {0.4, "0 s"},
                     {59.4, "59 s"},        {59.6, "1 min 00 s"},
                     {200, "3 min 20 s"},   {3599.7, "1 h 00 min"},
                     {25500, "7 h 05 min"}, {360000, "100 h 00 min"}};
    for (size_t i = 0; i < sizeof durations / sizeof durations[0]; i++) {
        clock_duration_text(duration, durations[i].seconds);
        assert_string_equal(duration, durations[i].text);
    }
    double before = clock_monotonic_s();
    assert_true(clock_monotonic_s() >= before);
    assert_true(clock_utc_us() > INT64_C(1700000000) * 1000000);
}

static void test_times_of_users(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double seconds; /* 0: refused */
        const char *again;
    } durations[] = {{"45s", 45, "45s"},
                     {"90m", 5400, "1h30m"},
                     {"7h30m", 27000, "7h30m"},
                     {"1h0m61s", 3661, "1h1m1s"},
                     {"8760h", 31536000, "8760h"},
                     {"8760h1s", 0, NULL},
                     {"", 0, NULL},
                     {"0s", 0, NULL},
                     {"90", 0, NULL},
                     {"m", 0, NULL},
                     {"1m1h", 0, NULL},
                     {"1m1m", 0, NULL},
                     {"1.5h", 0, NULL},
                     {"-5m", 0, NULL},
                     {" 5m", 0, NULL},
                     {"5m ", 0, NULL},
                     {"1234567890s", 0, NULL}};
    for (size_t i = 0; i < sizeof durations / sizeof durations[0]; i++) {
        double seconds = -1;
        char again[CLOCK_DURATION_SIZE];
        bool known = clock_parse_duration(&seconds, durations[i].text);
        assert_int_equal(known, durations[i].seconds > 0);
        if (!known)
            continue;
        assert_true(seconds == durations[i].seconds);
        clock_format_duration(again, seconds);
        assert_string_equal(again, durations[i].again);
    }
    static const char *const times[] = {"24:00", "6:60",   "6:5",    "630",
                                        ":30",   "006:30", "6:30pm", ""};
    int minutes;
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        assert_false(clock_parse_time(&minutes, times[i]));
    assert_true(clock_parse_time(&minutes, "23:59") && minutes == 23 * 60 + 59);
    assert_true(clock_parse_time(&minutes, "6:30") && minutes == 390);
    /* 2026-01-31T02:15:00 UTC, in a zone that is an hour ahead and changes at the end of March. */
    const int64_t second = 1000000, now = INT64_C(1769825700) * second;
    assert_int_equal(setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1), 0);
    tzset();
    assert_true(clock_next_local(390, now) == now + (3 * 3600 + 15 * 60) * second);
    assert_true(clock_next_local(195, now) == now + 24 * 3600 * second); /* 03:15 is now */
    assert_true(clock_next_local(196, now) == now + 60 * second);
    /* A night of 23 hours: from 2026-03-28T06:30 CET to 2026-03-29T06:30 CEST. */
    const int64_t saturday = INT64_C(1774675800) * second;
    assert_true(clock_next_local(390, saturday) == saturday + 23 * 3600 * second);
    assert_int_equal(unsetenv("TZ"), 0);
    tzset();
}

struct heard {
    int count, inside;
    enum log_level level;
    char text[64];
};

static void listen_to(enum log_level level, const char *text, void *user)
{
    struct heard *heard = user;
    assert_int_equal(heard->inside++, 0);
    heard->count++;
    heard->level = level;
    strncpy(heard->text, text, sizeof heard->text - 1);
    heard->inside--;
}

static void *log_much(void *unused)
{
    (void)unused;
    for (int i = 0; i < 2000; i++)
        log_event(LOG_DEBUG, "event %d", i);
    return NULL;
}

static void test_log(void **state)
{
    (void)state;
    struct heard heard = {0};
    log_event(LOG_ERROR, "nobody listens");
    log_set_sink(listen_to, &heard);
    log_event(LOG_WARNING, "slot %d is %s", 3, "slow");
    assert_int_equal(heard.count, 1);
    assert_int_equal(heard.level, LOG_WARNING);
    assert_string_equal(heard.text, "slot 3 is slow");
    assert_string_equal(log_level_name(LOG_WARNING), "warning");
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_much, NULL), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(heard.count, 6001);
    log_set_sink(NULL, NULL);
    log_event(LOG_ERROR, "nobody listens");
    assert_int_equal(heard.count, 6001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error),
        cmocka_unit_test(test_exit_codes),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_text_no_memory),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_rng_reference),
        cmocka_unit_test(test_rng_mix),
        cmocka_unit_test(test_rng_distributions),
        cmocka_unit_test(test_shuffle),
        cmocka_unit_test(test_clock),
        cmocka_unit_test(test_times_of_users),
        cmocka_unit_test(test_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
