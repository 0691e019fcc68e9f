/* generations.csv, devices.csv and epochs.csv. */
#include "outputs/tables.h"
#include "outputs/tables_cells.h"

/* struct generation */

GETTER(generation_number, struct generation)
{
    set_integer(cell, r->number);
}

GETTER(generation_evaluated, struct generation)
{
    set_integer(cell, r->evaluated);
}

GETTER(generation_failed, struct generation)
{
    set_integer(cell, r->failed);
}

GETTER(generation_best, struct generation)
{
    set_number(cell, r->best);
}

GETTER(generation_mean, struct generation)
{
    set_number(cell, r->mean);
}

GETTER(generation_median, struct generation)
{
    set_number(cell, r->median);
}

GETTER(generation_worst, struct generation)
{
    set_number(cell, r->worst);
}

GETTER(generation_best_candidate, struct generation)
{
    set_id(cell, r->best_candidate);
}

GETTER(generation_best_genome, struct generation)
{
    cell->missing = r->best_candidate < 0;
    if (!cell->missing)
        genome_format(cell->text, &r->best_genome);
}

GETTER(generation_best_parameters, struct generation)
{
    cell->missing = r->best_candidate < 0;
    set_integer(cell, r->best_cost.parameters);
}

GETTER(generation_elapsed, struct generation)
{
    set_number(cell, r->elapsed_s);
}

static const struct column generation_columns[] = {
    SCHEMA_AND_RUN,
    {"generation", COLUMN_INTEGER, "", "0 for the first population", generation_number},
    {"evaluated", COLUMN_INTEGER, "", "candidates with a score", generation_evaluated},
    {"failed", COLUMN_INTEGER, "", "candidates that ended without one", generation_failed},
    {"best_validation_accuracy", COLUMN_NUMBER, "share", "the highest, 0 to 1", generation_best},
    {"mean_validation_accuracy", COLUMN_NUMBER, "share", "over those with a score",
     generation_mean},
    {"median_validation_accuracy", COLUMN_NUMBER, "share", "over those with a score",
     generation_median},
    {"worst_validation_accuracy", COLUMN_NUMBER, "share", "the lowest", generation_worst},
    {"best_candidate", COLUMN_TEXT, "", "the candidate with the highest",
     generation_best_candidate},
    {"best_genome", COLUMN_TEXT, "", "its genome", generation_best_genome},
    {"best_parameters", COLUMN_INTEGER, "", "its weights and biases", generation_best_parameters},
    {"elapsed_s", COLUMN_NUMBER, "s",
     "from the first start of the run to the generation's last end", generation_elapsed},
};

const struct table generations_table = {"generations.csv", "One generation.", generation_columns,
                                        COUNT(generation_columns)};

/* struct device_usage */

GETTER(device_name, struct device_usage)
{
    set_text(cell, r->name);
}

GETTER(device_workers, struct device_usage)
{
    set_integer(cell, r->workers);
}

GETTER(device_attempts, struct device_usage)
{
    set_integer(cell, r->attempts);
}

GETTER(device_failed, struct device_usage)
{
    set_integer(cell, r->failed);
}

GETTER(device_busy, struct device_usage)
{
    set_number(cell, r->busy_s);
}

GETTER(device_images_per_s, struct device_usage)
{
    set_number(cell, r->images_per_s);
}

GETTER(device_platform, struct device_usage)
{
    set_text(cell, r->platform);
}

GETTER(device_platform_version, struct device_usage)
{
    set_text(cell, r->platform_version);
}

GETTER(device_driver_version, struct device_usage)
{
    set_text(cell, r->driver_version);
}

GETTER(device_version, struct device_usage)
{
    set_text(cell, r->device_version);
}

static const struct column device_columns[] = {
    SCHEMA_AND_RUN,
    {"device", COLUMN_TEXT, "", "OpenCL device, as in candidates.csv", device_name},
    {"workers", COLUMN_INTEGER, "", "worker processes that trained on it", device_workers},
    {"attempts", COLUMN_INTEGER, "", "attempts of the search that ended on it", device_attempts},
    {"failed", COLUMN_INTEGER, "", "of them without a score", device_failed},
    {"busy_s", COLUMN_NUMBER, "s", "summed over the attempts", device_busy},
    {"images_per_s", COLUMN_NUMBER, "images/s",
     "training images a second in one worker, mean of the attempts with a score",
     device_images_per_s},
    {"platform", COLUMN_TEXT, "", "OpenCL platform, as its driver calls it", device_platform},
    {"platform_version", COLUMN_TEXT, "",
     "what the driver says; after an update in the run all of them, with \"; \" between",
     device_platform_version},
    {"driver_version", COLUMN_TEXT, "", "the same", device_driver_version},
    {"device_version", COLUMN_TEXT, "", "the same", device_version},
};

const struct table devices_table = {"devices.csv",
                                    "A device, and what it did in the search; in the order in "
                                    "which they were first used.",
                                    device_columns, COUNT(device_columns)};

/* struct epoch_record */

GETTER(epoch_stage, struct epoch_record)
{
    set_text(cell, r->confirm ? "confirm" : "search");
}

GETTER(epoch_candidate, struct epoch_record)
{
    set_id(cell, r->candidate);
}

GETTER(epoch_replicate, struct epoch_record)
{
    set_integer(cell, r->replicate);
    cell->missing = !r->confirm;
}

GETTER(epoch_attempt, struct epoch_record)
{
    set_integer(cell, r->attempt);
}

GETTER(epoch_number, struct epoch_record)
{
    set_integer(cell, r->epoch);
}

GETTER(epoch_train_loss, struct epoch_record)
{
    set_number(cell, r->train_loss);
}

GETTER(epoch_train_accuracy, struct epoch_record)
{
    set_number(cell, r->train_accuracy);
}

GETTER(epoch_seconds, struct epoch_record)
{
    set_number(cell, r->seconds);
}

GETTER(epoch_images_per_s, struct epoch_record)
{
    set_number(cell, r->images_per_s);
}

static const struct column epoch_columns[] = {
    SCHEMA_AND_RUN,
    {"stage", COLUMN_TEXT, "", "search or confirm", epoch_stage},
    {"candidate", COLUMN_TEXT, "", "id, as in candidates.csv", epoch_candidate},
    {"replicate", COLUMN_INTEGER, "", "confirm only: 0 for the first seed, and so on",
     epoch_replicate},
    {"attempt", COLUMN_INTEGER, "", "1 for the first try", epoch_attempt},
    {"epoch", COLUMN_INTEGER, "", "pass over the training images, from 1", epoch_number},
    {"train_loss", COLUMN_NUMBER, "nat", "mean cross-entropy over the epoch", epoch_train_loss},
    {"train_accuracy", COLUMN_NUMBER, "share", "training images classified right, 0 to 1",
     epoch_train_accuracy},
    {"duration_s", COLUMN_NUMBER, "s", "of the epoch", epoch_seconds},
    {"images_per_s", COLUMN_NUMBER, "images/s", "training images a second in this worker",
     epoch_images_per_s},
};

const struct table epochs_table = {
    "epochs.csv",
    "An epoch of a training that ended: the points of the learning curves, by training.",
    epoch_columns, COUNT(epoch_columns)};
