#include "pipeline/run_progress.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>

#include "pipeline/base/clock.h"
#include "stages/objective.h"

void run_draw(struct run *run, const struct progress_state *state)
{
    const struct candidate **front = NULL;
    size_t front_size;
    struct progress_state shown = *state;
    progress_alive(&run->progress, state);
    if (!progress_is_due(&run->progress))
        return;
    struct progress_slot *slots = calloc(run->slot_count, sizeof *slots);
    if (slots != NULL && run->supervisor != NULL) {
        supervisor_slots(slots, run->supervisor);
        shown.slots = slots;
        shown.slot_count = run->slot_count;
    }
    if (objective_front(&front, &front_size, run->history, run->history_count,
                        &run->settings.search) == ERR_NONE)
        shown.front_size = (int64_t)front_size;
    progress_draw(&run->progress, &shown);
    free(front);
    free(slots);
}

void run_say(struct run *run, const char *text)
{
    if (run->progress.level == PROGRESS_VERBOSE)
        progress_event(&run->progress, LOG_INFO, text, clock_utc_us());
    else
        progress_say(&run->progress, text);
}

__attribute__((format(printf, 2, 3))) static void note(struct run *run, const char *format, ...)
{
    char text[RUN_PATH_SIZE + SETTINGS_PATH_SIZE + 256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    progress_note(&run->progress, text);
}

void run_tell_start(struct run *run, const char *directory, int64_t ended)
{
    const char *data = run->settings.data.dir;
    if (ended >= 0)
        note(run, "run %s goes on, %" PRId64 " candidates have ended; reads the images in %s",
             directory, ended, data);
    else if (directory != NULL)
        note(run, "run %s begins; reads the images in %s", directory, data);
    else
        note(run, "a run in %s begins; reads the images in %s", run->settings.outputs.dir, data);
}

void run_tell_slots(struct run *run)
{
    struct text text = {0};
    text_printf(&text, "run %s: ", run->directory);
    for (size_t i = 0; i < run->slot_count; i++) {
        const struct probed *device = &run->slots[i].device;
        size_t slots = slots_on(run->slots, run->slot_count, device);
        if (slots_on(run->slots, i, device) == 0)
            text_printf(&text, "%s%zu slot%s on %s", i > 0 ? ", " : "", slots,
                        slots == 1 ? "" : "s", device->info.name);
    }
    if (!text.failed)
        progress_note(&run->progress, text.data);
    text_free(&text);
}

void run_tell_search(struct run *run)
{
    const struct search_settings *search = &run->settings.search;
    struct text text = {0};
    char utc[CLOCK_UTC_SIZE];
    text_printf(&text, "search %s: ", run->ended_at_start > 0 ? "goes on" : "begins");
    if (search->cycles > 0)
        text_printf(&text, "%" PRId64 " of %d candidates have ended", run->ended_at_start,
                    search->cycles);
    else
        text_printf(&text, "%" PRId64 " candidates have ended", run->ended_at_start);
    text_printf(&text, ", %d are a generation", search->population);
    if (run->info.search_deadline_utc_us != 0) {
        clock_utc_text(utc, run->info.search_deadline_utc_us);
        text_printf(&text, "; the search ends at %s", utc);
    }
    if (run->info.deadline_utc_us != 0) {
        clock_utc_text(utc, run->info.deadline_utc_us);
        text_printf(&text, "; the run ends at %s", utc);
    }
    if (!text.failed)
        progress_note(&run->progress, text.data);
    text_free(&text);
}

void run_tell_baseline(struct run *run, size_t ended, size_t wanted)
{
    note(run, "random search begins: %zu of %zu candidates have ended", ended, wanted);
}

/* ", 12 min 30 s left"; "" where it is not known. */
static void left_text(char *text, size_t size, const struct run *run)
{
    char duration[CLOCK_DURATION_SIZE];
    double left_s = deadline_confirm_left_s(run);
    text[0] = '\0';
    if (isnan(left_s))
        return;
    clock_duration_text(duration, left_s);
    snprintf(text, size, ", %s left", duration);
}

static bool is_told(const struct run *run, const struct confirmation *one)
{
    for (size_t i = 0; i < run->told_count; i++)
        if (run->told[i].candidate == one->candidate && run->told[i].replicate == one->replicate)
            return true;
    return false;
}

/* All that the store has are told of, `fresh` with a line each. */
static enum error tell_confirmations(struct run *run, const struct store_counts *fresh)
{
    struct confirmation *list;
    size_t count;
    char left[CLOCK_DURATION_SIZE + 8], label[CANDIDATE_LABEL_SIZE];
    enum error err = store_read_confirmations(&list, &count, run->store);
    if (err != ERR_NONE)
        return err;
    left_text(left, sizeof left, run);
    for (size_t i = 0; i < count && fresh != NULL; i++) {
        if (is_told(run, &list[i]))
            continue;
        candidate_label(label, list[i].candidate);
        note(run,
             "%s is confirmed under seed %d: validation accuracy %.4f; confirm %" PRId64 "/%" PRId64
             "%s",
             label, list[i].replicate + 1, list[i].validation_accuracy, fresh->final, fresh->total,
             left);
    }
    store_free_confirmations(run->told, run->told_count);
    run->told = list;
    run->told_count = count;
    return ERR_NONE;
}

enum error run_tell_confirm(struct run *run)
{
    enum error err = ERR_NONE;
    struct store_counts counts;
    char left[CLOCK_DURATION_SIZE + 8];
    TRY(store_count(&counts, run->store, JOB_CONFIRM));
    left_text(left, sizeof left, run);
    note(run, "confirm begins: %" PRId64 " of %" PRId64 " trainings have ended, %d epochs each%s",
         counts.final, counts.total, run->settings.confirm.epochs, left);
    TRY(tell_confirmations(run, NULL));
out:
    return err;
}

enum error run_tell_confirmed(struct run *run, const struct store_counts *counts)
{
    if (counts->status[CANDIDATE_DONE] == (int64_t)run->told_count)
        return ERR_NONE;
    return tell_confirmations(run, counts);
}

enum error run_tell_test(struct run *run)
{
    struct store_counts counts;
    enum error err = store_count(&counts, run->store, JOB_TEST);
    if (err == ERR_NONE)
        note(run, "test begins: %" PRId64 " of %" PRId64 " networks have met the test images",
             counts.final, counts.total);
    return err;
}
