#include "pipeline/results.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "inputs/class_names.h"
#include "outputs/run_files.h"
#include "outputs/runs_file.h"
#include "outputs/safetensors.h"
#include "pipeline/command.h"
#include "pipeline/run_directory.h"
#include "stages/report.h"
#include "stages/statistics.h"

enum error results_load(struct results *results, struct store *store)
{
    enum error err = ERR_NONE;
    *results = (struct results){0};
    TRY(store_read_run(&results->run, store));
    TRY(run_read_settings(&results->settings, NULL, store));
    TRY(store_read_attempts(&results->attempts, &results->attempt_count, store));
    TRY(store_read_baseline_attempts(&results->baseline, &results->baseline_count, store));
    TRY(store_read_confirmations(&results->confirmations, &results->confirmation_count, store));
    TRY(store_read_curves(&results->epochs, &results->epoch_count, store));
    TRY(store_read_versions(&results->versions, &results->version_count, store));
    TRY(report_make(&results->report,
                    &(struct report_input){.run = results->run.name,
                                           .version = PROGRAM_VERSION,
                                           .search_ended = results->run.search_ended_utc_us != 0,
                                           .settings = &results->settings,
                                           .shape = results->run.shape,
                                           .candidates = results->attempts,
                                           .candidate_count = results->attempt_count,
                                           .baseline = results->baseline,
                                           .baseline_count = results->baseline_count,
                                           .confirmations = results->confirmations,
                                           .confirmation_count = results->confirmation_count,
                                           .epochs = results->epochs,
                                           .epoch_count = results->epoch_count,
                                           .versions = results->versions,
                                           .version_count = results->version_count}));
    if (results->report.first != NULL)
        TRY(store_read_weights(&results->weights, &results->weight_count, store,
                               results->report.first->deployed->candidate,
                               results->report.first->deployed->replicate));
out:
    return err;
}

void results_free(struct results *results)
{
    report_free(&results->report);
    store_free_confirmations(results->confirmations, results->confirmation_count);
    free(results->attempts);
    free(results->baseline);
    free(results->epochs);
    free(results->versions);
    free(results->weights);
    *results = (struct results){0};
}

/* Generation g is complete when all its candidates have ended; when the search has, all are. */
static int complete_generations(const struct results *results)
{
    size_t count = results->attempt_count;
    if (results->run.search_ended_utc_us != 0)
        return count > 0 ? results->attempts[count - 1].generation + 1 : 0;
    const struct search_settings *search = &results->settings.search;
    int generation = 0;
    size_t at = 0;
    for (;; generation++) {
        int64_t first = (int64_t)generation * search->population;
        int64_t end = first + search->population;
        if (end > search_cycles(search))
            end = search_cycles(search);
        if (first >= end)
            return generation;
        int64_t ended = 0;
        for (; at < results->attempt_count && results->attempts[at].id < end; at++)
            ended += candidate_ended(&results->attempts[at]);
        if (ended < end - first)
            return generation;
    }
}

static enum error write_weights(const struct results *results, const char *directory)
{
    const struct confirmation *winner = results->report.first->deployed;
    struct model model = {.genome = winner->genome,
                          .shape = results->run.shape,
                          .mean = results->run.mean,
                          .std = results->run.std,
                          .test_accuracy = winner->test_accuracy,
                          .weights = results->weights,
                          .weight_count = results->weight_count};
    const char *names = class_names_of(&results->settings.data, results->run.shape.classes);
    char path[RUN_PATH_SIZE];
    enum error err = ERR_NONE;
    if ((int64_t)model.weight_count != genome_cost(&model.genome, &model.shape).parameters)
        return error_set(ERR_DATA, "the store of %s is damaged: %zu weights of its best genome",
                         directory, model.weight_count);
    if (names[0] != '\0')
        TRY(model_set_class_names(&model, names));
    TRY(run_path(path, directory, RUN_WEIGHTS));
    TRY(safetensors_write(path, &model));
out:
    return err;
}

enum error results_write(const struct results *results, const char *directory, int first_generation,
                         int *complete)
{
    enum error err = ERR_NONE;
    const struct report *report = &results->report;
    int generations = complete_generations(results);
    if (complete != NULL)
        *complete = generations;
    for (int i = first_generation; i < generations; i++)
        TRY(run_files_generation(directory, report, i));
    TRY(run_files_tables(directory, report));
    TRY(run_files_report(directory, report));
    if (report->first != NULL)
        TRY(write_weights(results, directory));
out:
    return err;
}

enum error results_write_workbook(const struct results *results, const char *directory)
{
    return run_files_workbook(directory, &results->report);
}

enum error results_write_run_row(const struct results *results, const char *directory)
{
    char *parent = realpath(directory, NULL);
    if (parent == NULL)
        return error_set(ERR_OUTPUT, "cannot find %s: %s", directory, strerror(errno));
    char *slash = strrchr(parent, '/');
    slash[slash == parent] = '\0'; /* "/" stays */
    enum error err = runs_file_update(parent, &results->report);
    free(parent);
    return err;
}
