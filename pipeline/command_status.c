/* clade status: how far a run is. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "pipeline/base/clock.h"
#include "pipeline/command.h"
#include "pipeline/listing.h"
#include "pipeline/results.h"
#include "pipeline/run_directory.h"

enum { OPTION_FORMAT = 1 };

struct status {
    bool live;
    struct store_counts search, confirm, test;
    struct results results;
};

static enum error read_status(struct status *status, const char *directory, struct store *store)
{
    enum error err = ERR_NONE;
    status->live = run_directory_is_locked(directory);
    TRY(store_count(&status->search, store, JOB_SEARCH));
    TRY(store_count(&status->confirm, store, JOB_CONFIRM));
    TRY(store_count(&status->test, store, JOB_TEST));
    TRY(results_load(&status->results, store));
out:
    return err;
}

static const char *state_word(const struct status *status)
{
    bool searched = status->results.run.search_ended_utc_us != 0;
    bool confirmed = status->confirm.total > 0 && status->confirm.final == status->confirm.total;
    bool tested = status->test.final == status->confirm.status[CANDIDATE_DONE];
    if (status->live)
        return status->test.total > 0 ? "testing" : searched ? "confirming" : "searching";
    return searched && confirmed && tested ? "finished" : "stopped";
}

/* Seconds, as far as they can be known from the store: to the end of a live run that has one, else
   of its search; NAN. *word is what ends then. */
static double time_left(const char **word, const struct status *status)
{
    const struct store_run *run = &status->results.run;
    const struct report *report = &status->results.report;
    int64_t end_us = run->deadline_utc_us;
    *word = "the run";
    if (!status->live)
        return NAN;
    if (end_us == 0 && run->search_ended_utc_us == 0) {
        end_us = run->search_deadline_utc_us;
        *word = "the search";
    }
    if (end_us != 0)
        return fmax(1e-6 * (double)(end_us - clock_utc_us()), 0);
    int cycles = status->results.settings.search.cycles;
    if (run->search_ended_utc_us != 0 || cycles == 0 || report->ended == 0)
        return NAN;
    return report->elapsed_s / report->ended * (cycles - report->ended);
}

/* Of a directory, which may have any name; a terminal must not obey it. */
static void print_name(const char *name)
{
    for (; *name != '\0'; name++)
        putchar((unsigned char)*name < ' ' || *name == 0x7f ? '?' : *name);
}

static void print_text(const struct status *status, const char *directory)
{
    char genome[GENOME_TEXT_SIZE], begun[CLOCK_UTC_SIZE], spent[CLOCK_DURATION_SIZE], of[32] = "";
    const struct results *results = &status->results;
    const struct report *report = &results->report;
    const char *state = state_word(status);
    clock_utc_text(begun, results->run.created_utc_us);
    clock_duration_text(spent, report->elapsed_s);
    if (results->settings.search.cycles > 0)
        snprintf(of, sizeof of, " of %d", results->settings.search.cycles);
    printf("run        ");
    print_name(results->run.name);
    printf(", %s\n"
           "begun      %s UTC, %s between the first start and the last result\n"
           "search     %" PRId64 "%s candidates, generation %d\n"
           "states     ",
           state, begun, spent, status->search.final, of,
           report->generation_count > 0 ? (int)report->generation_count - 1 : 0);
    const char *comma = "", *word;
    for (int i = 0; i < CANDIDATE_STATUS_COUNT; i++) {
        if (status->search.status[i] == 0)
            continue;
        printf("%s%" PRId64 " %s", comma, status->search.status[i],
               candidate_status_name((enum candidate_status)i));
        comma = ", ";
    }
    printf("%s\n", comma[0] == '\0' ? "no candidates yet" : "");
    if (results->settings.confirm.baseline == BASELINE_RANDOM)
        printf("random     %d of %s%d candidates\n", report->baseline_ended,
               report->rung_count > 0 ? "about " : "",
               report->ended - report->attempts[CANDIDATE_STOPPED]);
    if (status->confirm.total > 0)
        printf("confirm    %" PRId64 " of %" PRId64 " trainings\n", status->confirm.final,
               status->confirm.total);
    double left_s = time_left(&word, status);
    if (!isnan(left_s)) {
        clock_duration_text(spent, left_s);
        printf("time left  %s of %s\n", spent, word);
    }
    if (report->best != NULL) {
        genome_format(genome, &report->best->genome);
        printf("best       %.4f validation accuracy, %" PRId64 " parameters\n"
               "           %s\n",
               report->best->validation_accuracy, report->best->cost.parameters, genome);
    }
    if (report->winner != NULL)
        printf("test       %.4f accuracy\n", report->winner->test_accuracy);
    else if (status->test.total > 0)
        printf("test       %" PRId64 " of %" PRId64 " networks\n", status->test.final,
               status->test.total);
    else if (status->confirm.total > 0)
        printf("test       when the last training has ended\n");
    if (report->winner != NULL && report->duel_count > 0 && report->duels[0].other != NULL)
        printf("better than random: %s\n", verdict_name(report->duels[0].verdict));
    if (strcmp(state, "stopped") == 0)
        printf("go on      clade run --resume %s\n", directory);
}

static const struct listing_column columns[] = {
    {"run", NULL, 0},
    {"state", NULL, 0},
    {"begun_utc", NULL, 0},
    {"elapsed_s", NULL, 0},
    {"cycles", NULL, 0},
    {"ended", NULL, 0},
    {"queued", NULL, 0},
    {"running", NULL, 0},
    {"done", NULL, 0},
    {"diverged", NULL, 0},
    {"too_big", NULL, 0},
    {"timeout", NULL, 0},
    {"failed", NULL, 0},
    {"confirm_trainings", NULL, 0},
    {"confirm_ended", NULL, 0},
    {"best_genome", NULL, 0},
    {"best_parameters", NULL, 0},
    {"best_validation_accuracy", NULL, 0},
    {"test_accuracy", NULL, 0},
    {"time_left_s", NULL, 0},
    {"stopped", NULL, 0},
    {"random_ended", NULL, 0},
    {"better_than_random", NULL, 0},
    {"tests", NULL, 0},
    {"tests_ended", NULL, 0},
};

static enum error print_row(const struct status *status, enum format format)
{
    static const enum candidate_status shown[] = {
        CANDIDATE_QUEUED,  CANDIDATE_RUNNING, CANDIDATE_DONE,  CANDIDATE_DIVERGED,
        CANDIDATE_TOO_BIG, CANDIDATE_TIMEOUT, CANDIDATE_FAILED};
    char text[GENOME_TEXT_SIZE];
    const char *word;
    struct listing listing;
    const struct report *report = &status->results.report;
    listing_begin(&listing, format, columns, sizeof columns / sizeof columns[0]);
    listing_text(&listing, status->results.run.name);
    listing_text(&listing, state_word(status));
    listing_time(&listing, status->results.run.created_utc_us);
    listing_number(&listing, report->elapsed_s);
    if (status->results.settings.search.cycles > 0)
        listing_integer(&listing, status->results.settings.search.cycles);
    else
        listing_missing(&listing);
    listing_integer(&listing, status->search.final);
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++)
        listing_integer(&listing, status->search.status[shown[i]]);
    listing_integer(&listing, status->confirm.total);
    listing_integer(&listing, status->confirm.final);
    if (report->best != NULL) {
        genome_format(text, &report->best->genome);
        listing_text(&listing, text);
        listing_integer(&listing, report->best->cost.parameters);
        listing_number(&listing, report->best->validation_accuracy);
    } else {
        for (int i = 0; i < 3; i++)
            listing_missing(&listing);
    }
    listing_number(&listing, report->winner != NULL ? report->winner->test_accuracy : NAN);
    listing_number(&listing, time_left(&word, status));
    listing_integer(&listing, status->search.status[CANDIDATE_STOPPED]);
    listing_integer(&listing, report->baseline_ended);
    if (report->winner != NULL && report->duel_count > 0 && report->duels[0].other != NULL)
        listing_text(&listing, verdict_name(report->duels[0].verdict));
    else
        listing_missing(&listing);
    listing_integer(&listing, status->test.total);
    listing_integer(&listing, status->test.final);
    return listing_print(&listing);
}

static enum error run(struct arguments *arguments)
{
    enum error err = ERR_NONE;
    enum format format = FORMAT_TEXT;
    struct store *store = NULL;
    struct status status = {0};
    char path[RUN_PATH_SIZE];
    for (;;) {
        int id;
        const char *value;
        TRY(command_next(&id, &value, arguments));
        if (id == 0)
            break;
        TRY(format_parse_json(&format, value));
    }
    const char *directory = arguments->operands[0];
    TRY(run_store_path(path, directory));
    TRY(store_open(&store, path, false));
    TRY(read_status(&status, directory, store));
    if (format == FORMAT_TEXT)
        print_text(&status, directory);
    else
        TRY(print_row(&status, format));
out:
    results_free(&status.results);
    enum error closed = store_close(store);
    return err != ERR_NONE ? err : closed;
}

static const struct option_row options[] = {
    {"format", OPTION_FORMAT, "text|csv|json", "for reading, or one row for programs"},
    {0},
};

const struct command command_status = {
    .name = "status",
    .operands = "DIR",
    .summary = "Say how far a run is; it may be live",
    .examples = "clade status runs/20260131-021500\n"
                "clade status runs/20260131-021500 --format json\n",
    .text = "",
    .options = options,
    .least = 1,
    .most = 1,
    .run = run,
};
