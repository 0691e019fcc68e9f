#include "pipeline/run_progress.h"

#include <stdlib.h>

#include "pipeline/base/clock.h"
#include "stages/objective.h"

void run_draw(struct run *run, const struct progress_state *state)
{
    const struct candidate **front = NULL;
    size_t front_size;
    struct progress_state shown = *state;
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
