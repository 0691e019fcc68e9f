/* candidates.csv and pareto.csv: struct candidate. */
#include <string.h>

#include "outputs/tables.h"
#include "outputs/tables_cells.h"

GETTER(candidate_id, struct candidate)
{
    set_id(cell, r->id);
}

GETTER(candidate_generation, struct candidate)
{
    set_integer(cell, r->generation);
}

GETTER(candidate_attempt, struct candidate)
{
    set_integer(cell, r->attempt);
}

GETTER(candidate_status_text, struct candidate)
{
    set_text(cell, candidate_status_name(r->status));
}

GETTER(candidate_genome, struct candidate)
{
    genome_format(cell->text, &r->genome);
}

GETTER(candidate_origin, struct candidate)
{
    bool promoted = strcmp(r->operator_name, CANDIDATE_PROMOTE) == 0;
    set_text(cell, r->parent < 0 || promoted ? r->operator_name : "mutation");
}

GETTER(candidate_operator, struct candidate)
{
    set_text(cell, r->operator_name);
}

GETTER(candidate_parent, struct candidate)
{
    set_id(cell, r->parent);
}

GETTER(candidate_layers, struct candidate)
{
    set_integer(cell, r->genome.layer_count);
}

GETTER(candidate_parameters, struct candidate)
{
    set_integer(cell, r->cost.parameters);
}

GETTER(candidate_macs, struct candidate)
{
    set_integer(cell, r->cost.macs);
}

GETTER(candidate_activations, struct candidate)
{
    set_integer(cell, r->cost.activations);
}

GETTER(candidate_redraws, struct candidate)
{
    set_integer(cell, r->redraws);
}

GETTER(candidate_earlier, struct candidate)
{
    set_integer(cell, r->earlier);
}

GETTER(candidate_earlier_mean, struct candidate)
{
    set_number(cell, r->earlier_mean);
}

GETTER(candidate_earlier_deviation, struct candidate)
{
    set_number(cell, r->earlier_deviation);
}

GETTER(candidate_epochs, struct candidate)
{
    set_integer(cell, r->epochs);
}

GETTER(candidate_train_images, struct candidate)
{
    set_integer(cell, r->train_images);
}

/* As text with a letter: spreadsheets keep only 15 digits of a number. */
GETTER(candidate_seed, struct candidate)
{
    snprintf(cell->text, sizeof cell->text, "s%016" PRIx64, r->seed);
}

static double if_scored(const struct candidate *r, double value)
{
    return r->status == CANDIDATE_DONE ? value : NAN;
}

GETTER(candidate_train_loss, struct candidate)
{
    set_number(cell, if_scored(r, r->train_loss));
}

GETTER(candidate_validation_loss, struct candidate)
{
    set_number(cell, if_scored(r, r->validation_loss));
}

GETTER(candidate_validation_accuracy, struct candidate)
{
    set_number(cell, if_scored(r, r->validation_accuracy));
}

GETTER(candidate_device, struct candidate)
{
    set_text(cell, r->device);
}

static bool started(const struct candidate *r)
{
    return r->started_utc_us > 0;
}

GETTER(candidate_worker, struct candidate)
{
    snprintf(cell->text, sizeof cell->text, "w%02d", r->worker);
    cell->missing = !started(r);
}

GETTER(candidate_started, struct candidate)
{
    cell->integer = r->started_utc_us;
    cell->missing = !started(r);
}

GETTER(candidate_duration, struct candidate)
{
    set_number(cell, started(r) ? r->duration_s : NAN);
}

GETTER(candidate_images_per_s, struct candidate)
{
    set_number(cell, if_scored(r, r->images_per_s));
}

GETTER(candidate_rung, struct candidate)
{
    set_integer(cell, r->rung);
}

static const struct column candidate_columns[] = {
    SCHEMA_AND_RUN,
    {"candidate", COLUMN_TEXT, "", "id, in the order in which candidates were proposed",
     candidate_id},
    {"generation", COLUMN_INTEGER, "",
     "0 for the first population, then one more every time as many candidates were proposed again",
     candidate_generation},
    {"attempt", COLUMN_INTEGER, "",
     "1 for the first try; a candidate whose worker died is tried again", candidate_attempt},
    {"status", COLUMN_TEXT, "",
     "how the attempt ended: done, diverged (loss not finite), too_big (does not fit in the "
     "device's memory), timeout, lost (worker died, tried again), failed (lost too often)",
     candidate_status_text},
    {"genome", COLUMN_TEXT, "", "canonical text of the network", candidate_genome},
    {"origin", COLUMN_TEXT, "",
     "mutation of a parent; or random, memory (of earlier runs), grid (in order) or promote (its "
     "parent on a higher rung)",
     candidate_origin},
    {"operator", COLUMN_TEXT, "", "the mutation that made it, or its origin", candidate_operator},
    {"parent", COLUMN_TEXT, "", "candidate that was mutated, or promoted; empty for a random one",
     candidate_parent},
    {"layers", COLUMN_INTEGER, "", "convolutions", candidate_layers},
    {"parameters", COLUMN_INTEGER, "", "weights and biases", candidate_parameters},
    {"macs", COLUMN_INTEGER, "", "multiply-accumulates of one image, forward", candidate_macs},
    {"epochs", COLUMN_INTEGER, "", "passes over the training images", candidate_epochs},
    {"train_images", COLUMN_INTEGER, "", "training images in an epoch", candidate_train_images},
    {"seed", COLUMN_TEXT, "", "training seed, hexadecimal after an s", candidate_seed},
    {"train_loss", COLUMN_NUMBER, "nat", "mean cross-entropy over the last training epoch",
     candidate_train_loss},
    {"validation_loss", COLUMN_NUMBER, "nat", "mean cross-entropy on the validation images",
     candidate_validation_loss},
    {"validation_accuracy", COLUMN_NUMBER, "share", "validation images classified right, 0 to 1",
     candidate_validation_accuracy},
    {"device", COLUMN_TEXT, "", "OpenCL device that trained it", candidate_device},
    {"worker", COLUMN_TEXT, "", "worker process that trained it, numbered as they were started",
     candidate_worker},
    {"started_utc", COLUMN_TIME, "UTC", "when the attempt started", candidate_started},
    {"duration_s", COLUMN_NUMBER, "s", "training and validation", candidate_duration},
    {"images_per_s", COLUMN_NUMBER, "images/s", "training images a second in this worker",
     candidate_images_per_s},
    {"activations", COLUMN_INTEGER, "", "output values of all convolutions for one image",
     candidate_activations},
    {"redraws", COLUMN_INTEGER, "", "genomes drawn before this one that were duplicates",
     candidate_redraws},
    {"earlier_trainings", COLUMN_INTEGER, "",
     "trainings of this genome in earlier runs, as memory.file had them", candidate_earlier},
    {"earlier_accuracy", COLUMN_NUMBER, "share", "their mean validation accuracy",
     candidate_earlier_mean},
    {"earlier_deviation", COLUMN_NUMBER, "share", "its standard deviation over them",
     candidate_earlier_deviation},
    {"rung", COLUMN_INTEGER, "", "the training of fidelity.rungs that it had, 0 for the lowest",
     candidate_rung},
};

const struct table candidates_table = {
    "candidates.csv",
    "Every attempt that ended, by candidate and attempt. generations/gen_0000.csv and so on have "
    "the same columns, with the last attempt of every candidate of one generation.",
    candidate_columns, COUNT(candidate_columns)};

const struct table baseline_table = {
    "baseline.csv",
    "The same of the random search, with confirm.baseline = random; its first candidates are those "
    "of the search, and stand in candidates.csv alone.",
    candidate_columns, COUNT(candidate_columns)};

static const struct column pareto_columns[] = {
    SCHEMA_AND_RUN,
    {"candidate", COLUMN_TEXT, "", "id, as in candidates.csv", candidate_id},
    {"generation", COLUMN_INTEGER, "", "in which it was proposed", candidate_generation},
    {"genome", COLUMN_TEXT, "", "canonical text of the network", candidate_genome},
    {"parameters", COLUMN_INTEGER, "", "weights and biases", candidate_parameters},
    {"macs", COLUMN_INTEGER, "", "multiply-accumulates of one image, forward", candidate_macs},
    {"validation_accuracy", COLUMN_NUMBER, "share", "validation images classified right, 0 to 1",
     candidate_validation_accuracy},
};

const struct table pareto_table = {
    "pareto.csv",
    "A candidate that no other beats in accuracy without costing more; the smallest first. What "
    "counts as cost is search.costs: parameters, unless it is changed.",
    pareto_columns, COUNT(pareto_columns)};
