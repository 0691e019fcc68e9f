#include "pipeline/run_memory.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "pipeline/base/log.h"
#include "pipeline/memory.h"

enum error run_memory_check(const struct run *run)
{
    const char *file = run->settings.memory.file;
    struct memory *memory = NULL;
    if (strcmp(file, MEMORY_NONE) == 0)
        return ERR_NONE;
    enum error err = memory_open(&memory, file, "", run->info.data_check, &run->settings);
    return err == ERR_NONE ? memory_close(memory) : err;
}

enum error run_memory_open(struct run *run)
{
    const char *file = run->settings.memory.file;
    char name[STORE_NAME_SIZE + 32];
    if (strcmp(file, MEMORY_NONE) == 0)
        return ERR_NONE;
    snprintf(name, sizeof name, "%s/%" PRId64, run->info.name, run->info.created_utc_us);
    return memory_open(&run->memory, file, name, run->info.data_check, &run->settings);
}

enum error run_memory_recall(struct run *run, struct candidate *candidate)
{
    enum error err = ERR_NONE;
    struct remembered known;
    if (run->memory == NULL)
        return ERR_NONE;
    TRY(memory_earlier(&known, run->memory, &candidate->genome));
    candidate->earlier = known.count;
    candidate->earlier_mean = known.count > 0 ? known.mean : NAN;
    candidate->earlier_deviation =
        known.count > 1 ? sqrt(known.squares / (double)(known.count - 1)) : NAN;
    TRY(memory_fresh_seed(&candidate->seed, run->memory, &candidate->genome, candidate->seed));
out:
    return err;
}

/* Scores of lower rungs are not comparable. */
static bool is_worth_keeping(const struct run *run, const struct candidate *candidate)
{
    int rungs = run->settings.search.fidelity.rungs.count;
    return candidate->status == CANDIDATE_DONE && (rungs == 0 || candidate->rung == rungs - 1);
}

void run_memory_add(struct run *run, const struct candidate *candidate)
{
    if (run->memory == NULL || !is_worth_keeping(run, candidate))
        return;
    if (memory_add(run->memory, candidate) != ERR_NONE)
        log_event(LOG_WARNING, "%s", error_message());
}

enum error run_memory_add_all(struct run *run)
{
    enum error err = ERR_NONE;
    for (size_t i = 0; i < run->history_count && run->memory != NULL; i++)
        if (is_worth_keeping(run, &run->history[i]))
            TRY(memory_add(run->memory, &run->history[i]));
out:
    return err;
}
