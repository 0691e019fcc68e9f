/* outputs/progress: what is written, at every width, to a file and to a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <math.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "outputs/progress.h"

static const struct progress_state half = {.stage = "search",
                                           .done = 120,
                                           .total = 240,
                                           .failed = 3,
                                           .best_accuracy = 0.9123,
                                           .best_parameters = 59546,
                                           .images_per_s = 1520.4,
                                           .left_s = 7500};

static void assert_line(const struct progress_state *state, int width, bool colour,
                        const char *expected)
{
    struct text line = {0};
    progress_format(&line, state, width, colour);
    assert_string_equal(line.data, expected);
    text_free(&line);
}

static void says_everything_when_there_is_room(void **state)
{
    (void)state;
    assert_line(&half, 200, false,
                "search  120/240  [##########..........]  best 0.9123 (59546 parameters)  "
                "1520 images/s  2 h 05 min left  3 failed");
    assert_line(&half, 200, true,
                "search  120/240  \x1b[36m[##########..........]\x1b[0m  "
                "\x1b[32mbest 0.9123 (59546 parameters)\x1b[0m  "
                "1520 images/s  2 h 05 min left  \x1b[33m3 failed\x1b[0m");
}

static void leaves_out_what_is_not_known(void **state)
{
    (void)state;
    struct progress_state start = {
        .stage = "search", .total = 240, .best_accuracy = NAN, .images_per_s = NAN, .left_s = NAN};
    assert_line(&start, 200, false, "search  0/240  [....................]");
    start.total = 0;
    assert_line(&start, 200, false, "search  0");
    start.done = 7; /* more than asked for must not overflow the bar */
    start.total = 5;
    assert_line(&start, 200, false, "search  7/5  [####################]");
}

static void fits_every_width(void **state)
{
    (void)state;
    assert_line(&half, 40, false, "120/240  2 h 05 min left");
    assert_line(&half, 7, false, "120/240");
    for (int width = 1; width < 200; width++) {
        struct text line = {0};
        progress_format(&line, &half, width, false);
        assert_in_range(strlen(line.data), 1, width);
        text_free(&line);
    }
}

static void fills_a_block(void **state)
{
    (void)state;
    struct progress_slot slots[12];
    for (size_t i = 0; i < 12; i++)
        slots[i] =
            (struct progress_slot){"a \x1b[2J device of a very long name indeed, of the kind "
                                   "that drivers give",
                                   "c000123, epoch 2 of 3", i == 0 ? NAN : 760, 12};
    struct progress_event events[2] = {{1769825700000000, LOG_INFO, "stage evolve"},
                                       {1769825760000000, LOG_WARNING, "worker 3\nended"}};
    struct progress_state whole = half;
    whole.front_size = 12;
    whole.slots = slots;
    whole.slot_count = 2;
    struct text block = {0};
    progress_format_block(&block, &whole, events, 2, 79, 24, false);
    assert_string_equal(
        block.data,
        "search  120/240  [##########..........]  2 h 05 min left\n"
        "best 0.9123 (59546 parameters)  front of 12  1520 images/s  3 failed\n"
        "  slot 0   c000123, epoch 2 of 3                       12 s  a ?[2J device of a\n"
        "  slot 1   c000123, epoch 2 of 3     760 images/s      12 s  a ?[2J device of a\n"
        "  02:15:00  stage evolve\n"
        "  02:16:00  ! worker 3?ended\n");
    text_free(&block);

    /* At every size it keeps to it, whatever there is to say. */
    whole.slot_count = 12;
    for (int rows = PROGRESS_BLOCK_ROWS; rows < 30; rows++) {
        for (int width = PROGRESS_BLOCK_WIDTH; width < 140; width += 13) {
            progress_format_block(&block, &whole, events, 2, width, rows, false);
            int lines = 0;
            for (const char *line = block.data; *line != '\0'; lines++) {
                size_t length = strcspn(line, "\n");
                assert_in_range(length, 1, width);
                line += length + 1;
            }
            assert_int_equal(lines, rows - 1 < 16 ? rows - 1 : 16);
            assert_non_null(strstr(block.data, rows < 17 ? " more slots\n" : "slot 11"));
            assert_non_null(strstr(block.data, "! worker 3"));
            text_free(&block);
        }
    }
}

static void dates_a_generation(void **state)
{
    (void)state;
    struct generation generation = {.number = 3,
                                    .evaluated = 24,
                                    .failed = 1,
                                    .best = 0.9,
                                    .median = 0.85,
                                    .best_candidate = 80,
                                    .best_cost = {.parameters = 208202}};
    struct text line = {0};
    progress_format_generation(&line, &generation, &half, 1769825700000000);
    assert_string_equal(line.data,
                        "2026-01-31T02:15:00 generation 3: 24 evaluated, 1 failed, best 0.9000 "
                        "(208202 parameters), median 0.8500; search 120/240, overall best 0.9123 "
                        "(59546 parameters), 1520 images/s, 2 h 05 min left\n");
    text_free(&line);

    generation.best_candidate = -1;
    generation.evaluated = 0;
    progress_format_generation(&line, &generation, &half, 1769825700000000);
    assert_non_null(strstr(line.data, "generation 3: 0 evaluated, 1 failed; search 120/240"));
    text_free(&line);
}

static void draws_nothing_into_a_file(void **state)
{
    (void)state;
    FILE *file = tmpfile();
    assert_non_null(file);
    struct progress progress;
    progress_init(&progress, file, PROGRESS_NORMAL);
    assert_false(progress.terminal);
    progress_draw(&progress, &half);
    progress_clear(&progress);
    fflush(file);
    assert_int_equal(ftell(file), 0);

    struct generation generation = {.number = 3, .best_candidate = -1};
    progress_generation(&progress, &generation, &half);
    rewind(file);
    char line[512];
    assert_non_null(fgets(line, sizeof line, file));
    assert_non_null(strstr(line, " generation 3: "));
    assert_null(strchr(line, '\x1b'));
    assert_null(fgets(line, sizeof line, file));
    fclose(file);
}

/* What was written so far, which is then forgotten. */
static void take(char *text, size_t size, FILE *file)
{
    rewind(file);
    text[fread(text, 1, size - 1, file)] = '\0';
    rewind(file);
    assert_int_equal(ftruncate(fileno(file), 0), 0);
}

/* A log of a night shows life, and no more than that. */
static void breaks_a_long_silence(void **state)
{
    (void)state;
    char text[512];
    struct progress progress;
    FILE *file = tmpfile();
    assert_non_null(file);
    progress_init(&progress, file, PROGRESS_NORMAL);
    progress_note(&progress, "run a\nb begins");
    take(text, sizeof text, file);
    assert_string_equal(text + 19, " run a?b begins\n");

    progress.last_line_s -= PROGRESS_SILENCE_S - 5;
    progress_alive(&progress, &half);
    take(text, sizeof text, file);
    assert_string_equal(text, "");
    progress.last_line_s -= 5;
    progress_alive(&progress, &half);
    progress_alive(&progress, &half);
    take(text, sizeof text, file);
    assert_string_equal(text + 19, " search 120/240, overall best 0.9123 (59546 parameters), 1520 "
                                   "images/s, 2 h 05 min left\n");
    fclose(file);
}

static void is_quiet_when_told(void **state)
{
    (void)state;
    char text[512];
    struct progress progress;
    FILE *file = tmpfile();
    assert_non_null(file);
    progress_init(&progress, file, PROGRESS_QUIET);
    progress_note(&progress, "run begins");
    progress.last_line_s -= PROGRESS_SILENCE_S;
    progress_alive(&progress, &half);
    take(text, sizeof text, file);
    assert_string_equal(text, "");
    fclose(file);
}

/* A pseudo-terminal: what is written to *terminal can be read from the returned descriptor. */
static int open_terminal(FILE **terminal, unsigned short columns)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(master >= 0);
    assert_int_equal(grantpt(master), 0);
    assert_int_equal(unlockpt(master), 0);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    assert_true(slave >= 0);
    struct winsize size = {.ws_row = 24, .ws_col = columns};
    assert_int_equal(ioctl(slave, TIOCSWINSZ, &size), 0);
    *terminal = fdopen(slave, "w");
    assert_non_null(*terminal);
    return master;
}

static void draws_on_a_terminal(void **state)
{
    (void)state;
    setenv("TERM", "xterm", 1);
    unsetenv("NO_COLOR");
    FILE *terminal;
    int master = open_terminal(&terminal, 41);
    struct progress progress;
    progress_init(&progress, terminal, PROGRESS_NORMAL);
    assert_true(progress.terminal && progress.colour);

    progress_draw(&progress, &half);
    char drawn[256] = "";
    assert_true(read(master, drawn, sizeof drawn - 1) > 0);
    assert_string_equal(drawn, "\r120/240  2 h 05 min left\x1b[K");

    /* Too soon after the last one, and no generation lines here: only the clearing is seen. */
    struct generation generation = {.number = 3, .best_candidate = -1};
    progress_draw(&progress, &half);
    progress_generation(&progress, &generation, &half);
    progress_clear(&progress);
    progress_clear(&progress);
    memset(drawn, 0, sizeof drawn);
    assert_true(read(master, drawn, sizeof drawn - 1) > 0);
    assert_string_equal(drawn, "\r\x1b[K");
    fclose(terminal);
    close(master);
}

static void minds_the_environment(void **state)
{
    (void)state;
    FILE *terminal;
    int master = open_terminal(&terminal, 80);
    struct progress progress;
    setenv("TERM", "xterm", 1);
    setenv("NO_COLOR", "1", 1);
    progress_init(&progress, terminal, PROGRESS_NORMAL);
    assert_true(progress.terminal && !progress.colour);
    setenv("NO_COLOR", "", 1); /* an empty one does not count (no-color.org) */
    progress_init(&progress, terminal, PROGRESS_NORMAL);
    assert_true(progress.colour);
    setenv("TERM", "dumb", 1);
    progress_init(&progress, terminal, PROGRESS_NORMAL);
    assert_false(progress.terminal || progress.colour);
    unsetenv("TERM");
    progress_init(&progress, terminal, PROGRESS_NORMAL);
    assert_false(progress.terminal);
    fclose(terminal);
    close(master);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_everything_when_there_is_room),
        cmocka_unit_test(leaves_out_what_is_not_known),
        cmocka_unit_test(fits_every_width),
        cmocka_unit_test(fills_a_block),
        cmocka_unit_test(dates_a_generation),
        cmocka_unit_test(draws_nothing_into_a_file),
        cmocka_unit_test(breaks_a_long_silence),
        cmocka_unit_test(is_quiet_when_told),
        cmocka_unit_test(draws_on_a_terminal),
        cmocka_unit_test(minds_the_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
