#include "pipeline/pipeline.h"

#include <stdio.h>
#include <stdlib.h>

#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"
#include "pipeline/results.h"
#include "pipeline/run_memory.h"
#include "pipeline/run_stages.h"
#include "stages/confirm.h"

/* The pipeline, in order. */
static const struct {
    const char *name;
    enum error (*run)(struct run *run);
} stages[] = {
    {"populate", run_populate}, /* the first P candidates are written, random ones */
    {"evolve", run_evolve},     /* all are trained; children are proposed as results come in */
    {"baseline", run_baseline}, /* so is a random search, where one is asked for */
    {"confirm", run_confirm},   /* finalists are trained again, and the winner is settled */
    {"test", run_test},         /* their networks meet the test images */
    {"report", run_report},     /* tables and report are written */
};

enum error run_need_supervisor(struct run *run)
{
    if (run->supervisor != NULL)
        return ERR_NONE;
    return supervisor_create(
        &run->supervisor, &(struct supervisor_plan){
                              .directory = run->directory,
                              .store = run->store,
                              .slots = run->slots,
                              .slot_count = run->slot_count,
                              .retries = run->settings.devices.retries,
                              .time_limit_s = run->settings.devices.time_limit_s,
                              .confirm_limit_s = confirm_time_limit_s(
                                  &run->settings, (uint32_t)(run->info.training_images -
                                                             run->settings.data.validation_images)),
                              .log = run->log,
                              .images = run->images,
                          });
}

/* `confirmed`: the stages confirm and test are over. */
static enum error write_results(struct run *run, bool confirmed)
{
    enum error err = ERR_NONE;
    struct results results;
    TRY(results_load(&results, run->store));
    TRY(results_write(&results, run->directory, 0, &run->generations_written));
    TRY(results_write_workbook(&results, run->directory));
    /* The directory above may be someone else's: a run does not fail for its sake. */
    if (results_write_run_row(&results, run->directory) != ERR_NONE)
        log_event(LOG_WARNING, "no row in runs.csv: %s", error_message());
    if (confirmed && results.confirmation_count == 0 && run->settings.confirm.seeds > 0)
        err = error_set(ERR_DEVICE,
                        "no finalist could be confirmed: all trainings at confirm failed; see "
                        "%s/log.txt",
                        run->directory);
    else if (confirmed && results.confirmation_count > 0 && results.report.winner == NULL)
        err = error_set(ERR_DEVICE,
                        "the winner was confirmed, but could not be tested; see %s/log.txt",
                        run->directory);
out:
    results_free(&results);
    return err;
}

enum error run_report(struct run *run)
{
    enum error err = write_results(run, true);
    return err == ERR_NONE ? run_memory_add_all(run) : err;
}

/* After an early end the tables show what there is; the error that ended the run is what counts. */
static enum error write_tables_after(struct run *run, enum error err)
{
    char message[1024];
    snprintf(message, sizeof message, "%s", error_message());
    log_event(LOG_ERROR, "%s", message);
    store_add_event(run->store, LOG_ERROR, message);
    write_results(run, false);
    return error_set(err, "%s", message);
}

enum error pipeline_run(struct run *run)
{
    enum error err = run_memory_open(run);
    if (err == ERR_NONE)
        err = run_load_history(run);
    if (err == ERR_NONE)
        err = deadline_begin(run);
    if (err != ERR_NONE)
        return err;
    for (size_t i = 0; i < sizeof stages / sizeof stages[0] && err == ERR_NONE; i++) {
        log_event(LOG_INFO, "stage %s", stages[i].name);
        err = stages[i].run(run);
    }
    if (err != ERR_NONE && err != ERR_OUTPUT)
        err = write_tables_after(run, err);
    enum error closed = supervisor_destroy(run->supervisor);
    run->supervisor = NULL;
    return err != ERR_NONE ? err : closed;
}
