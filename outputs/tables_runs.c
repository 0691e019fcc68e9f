/* runs.csv: struct report, what is said of a whole run. */
#include <string.h>

#include "outputs/tables.h"
#include "outputs/tables_cells.h"

GETTER(run_started, struct report)
{
    set_integer(cell, r->first_start_us);
    cell->missing = r->first_start_us <= 0;
}

GETTER(run_state, struct report)
{
    bool searched = r->search_ended || r->ended >= search_cycles(&r->settings->search);
    set_text(cell, r->winner != NULL ? "confirmed" : searched ? "searched" : "unfinished");
}

GETTER(run_elapsed, struct report)
{
    set_number(cell, r->elapsed_s);
}

GETTER(run_busy, struct report)
{
    set_number(cell, r->busy_s);
}

GETTER(run_confirm, struct report)
{
    set_number(cell, r->confirm_s);
}

GETTER(run_cycles, struct report)
{
    set_integer(cell, r->settings->search.cycles);
    cell->missing = r->settings->search.cycles == 0;
}

GETTER(run_ended, struct report)
{
    set_integer(cell, r->ended);
}

GETTER(run_evaluated, struct report)
{
    set_integer(cell, r->evaluated);
}

GETTER(run_algorithm, struct report)
{
    set_text(cell, algorithm_name(r->settings->search.algorithm));
}

GETTER(run_objective, struct report)
{
    set_text(cell, objective_name(r->settings->search.objective));
}

GETTER(run_seed, struct report)
{
    snprintf(cell->text, sizeof cell->text, "s%llu", (unsigned long long)r->settings->search.seed);
}

GETTER(run_data, struct report)
{
    set_text(cell, r->settings->data.dir);
}

GETTER(run_devices, struct report)
{
    size_t length = 0;
    cell->text[0] = '\0';
    for (size_t i = 0; i < r->device_count && length < sizeof cell->text; i++)
        length += (size_t)snprintf(cell->text + length, sizeof cell->text - length, "%s%s",
                                   i > 0 ? " + " : "", r->devices[i].name);
    cell->missing = r->device_count == 0;
}

GETTER(run_images_per_s, struct report)
{
    set_number(cell, r->images_per_s);
}

GETTER(run_best_candidate, struct report)
{
    set_id(cell, r->best != NULL ? r->best->id : -1);
}

GETTER(run_best_genome, struct report)
{
    cell->missing = r->best == NULL;
    if (!cell->missing)
        genome_format(cell->text, &r->best->genome);
}

GETTER(run_best_parameters, struct report)
{
    cell->missing = r->best == NULL;
    set_integer(cell, r->best != NULL ? r->best->cost.parameters : 0);
}

GETTER(run_best_macs, struct report)
{
    cell->missing = r->best == NULL;
    set_integer(cell, r->best != NULL ? r->best->cost.macs : 0);
}

GETTER(run_best_accuracy, struct report)
{
    set_number(cell, r->best != NULL ? r->best->validation_accuracy : NAN);
}

GETTER(run_gain, struct report)
{
    set_number(cell, r->gain);
}

GETTER(run_test_accuracy, struct report)
{
    set_number(cell, r->winner != NULL ? r->winner->test_accuracy : NAN);
}

GETTER(run_test_low, struct report)
{
    set_number(cell, r->winner != NULL ? r->test_interval.low : NAN);
}

GETTER(run_test_high, struct report)
{
    set_number(cell, r->winner != NULL ? r->test_interval.high : NAN);
}

GETTER(run_replicates, struct report)
{
    set_integer(cell, r->replicates);
}

GETTER(run_test_mean, struct report)
{
    set_number(cell, r->test_mean);
}

GETTER(run_front, struct report)
{
    set_integer(cell, (int64_t)r->front_count);
}

GETTER(run_version, struct report)
{
    snprintf(cell->text, sizeof cell->text, "clade %s", r->version);
}

GETTER(run_better, struct report)
{
    cell->missing = r->duel_count == 0 || isnan(r->duels[0].images.p);
    if (!cell->missing)
        set_text(cell, verdict_name(r->duels[0].verdict));
}

GETTER(run_random_mean, struct report)
{
    bool known = r->duel_count > 0 && r->duels[0].other != NULL;
    set_number(cell, known ? r->duels[0].other->test.mean : NAN);
}

static const struct column run_columns[] = {
    SCHEMA_AND_RUN,
    {"started_utc", COLUMN_TIME, "UTC", "first start of a training", run_started},
    {"state", COLUMN_TEXT, "",
     "unfinished, searched (all candidates ended), confirmed (the best has a test accuracy)",
     run_state},
    {"elapsed_s", COLUMN_NUMBER, "s", "search, from the first start to the last end", run_elapsed},
    {"busy_s", COLUMN_NUMBER, "s", "search, summed over the attempts", run_busy},
    {"confirm_s", COLUMN_NUMBER, "s", "confirmation, summed over the trainings", run_confirm},
    {"cycles", COLUMN_INTEGER, "",
     "search.cycles: candidates asked for; empty: as many as there is time for", run_cycles},
    {"ended", COLUMN_INTEGER, "", "candidates that ended", run_ended},
    {"evaluated", COLUMN_INTEGER, "", "of them with a score", run_evaluated},
    {"algorithm", COLUMN_TEXT, "", "search.algorithm", run_algorithm},
    {"objective", COLUMN_TEXT, "", "search.objective", run_objective},
    {"seed", COLUMN_TEXT, "", "search.seed after an s", run_seed},
    {"data", COLUMN_TEXT, "", "data.dir", run_data},
    {"devices", COLUMN_TEXT, "", "OpenCL devices that trained", run_devices},
    {"images_per_s", COLUMN_NUMBER, "images/s", "training images a second, all workers together",
     run_images_per_s},
    {"best_candidate", COLUMN_TEXT, "", "the best by search.objective", run_best_candidate},
    {"best_genome", COLUMN_TEXT, "", "its genome", run_best_genome},
    {"best_parameters", COLUMN_INTEGER, "", "its weights and biases", run_best_parameters},
    {"best_macs", COLUMN_INTEGER, "", "its multiply-accumulates of one image, forward",
     run_best_macs},
    {"best_validation_accuracy", COLUMN_NUMBER, "share", "its score in the search, 0 to 1",
     run_best_accuracy},
    {"gain", COLUMN_NUMBER, "share", "that less the score of the best of generation 0", run_gain},
    {"test_accuracy", COLUMN_NUMBER, "share", "test images classified right after confirmation",
     run_test_accuracy},
    {"test_accuracy_low", COLUMN_NUMBER, "share", "lower end of its 95 % interval", run_test_low},
    {"test_accuracy_high", COLUMN_NUMBER, "share", "upper end of its 95 % interval", run_test_high},
    {"replicates", COLUMN_INTEGER, "", "trainings of the best that were confirmed", run_replicates},
    {"test_accuracy_mean", COLUMN_NUMBER, "share", "mean over them", run_test_mean},
    {"front", COLUMN_INTEGER, "", "candidates on the Pareto front", run_front},
    {"version", COLUMN_TEXT, "", "the program that wrote the row", run_version},
    {"better_than_random", COLUMN_TEXT, "",
     "with confirm.baseline = random: yes, no or not shown, on the test images", run_better},
    {"random_test_accuracy_mean", COLUMN_NUMBER, "share",
     "mean test accuracy of the winner of the random search", run_random_mean},
};

const struct table runs_table = {
    "runs.csv",
    "A run. The file stands beside the directories of the runs; a run that is written again "
    "replaces its row.",
    run_columns, COUNT(run_columns)};
