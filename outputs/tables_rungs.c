/* rungs.csv: struct rung_record. */
#include "outputs/tables.h"
#include "outputs/tables_cells.h"

GETTER(rung_rung, struct rung_record)
{
    set_integer(cell, r->rung);
}

GETTER(rung_epochs, struct rung_record)
{
    set_integer(cell, r->epochs);
}

GETTER(rung_train_images, struct rung_record)
{
    set_integer(cell, r->train_images);
}

GETTER(rung_scored, struct rung_record)
{
    set_integer(cell, r->scored);
}

GETTER(rung_promoted, struct rung_record)
{
    set_integer(cell, r->promoted);
}

GETTER(rung_pairs, struct rung_record)
{
    set_integer(cell, r->pairs);
}

GETTER(rung_spearman, struct rung_record)
{
    set_number(cell, r->spearman.statistic);
}

GETTER(rung_spearman_p, struct rung_record)
{
    set_number(cell, r->spearman.p);
}

GETTER(rung_kendall, struct rung_record)
{
    set_number(cell, r->kendall.statistic);
}

GETTER(rung_kendall_p, struct rung_record)
{
    set_number(cell, r->kendall.p);
}

GETTER(rung_off, struct rung_record)
{
    set_integer(cell, r->off);
}

static const struct column rung_columns[] = {
    SCHEMA_AND_RUN,
    {"rung", COLUMN_INTEGER, "", "0 for the lowest", rung_rung},
    {"epochs", COLUMN_INTEGER, "", "passes over the training images", rung_epochs},
    {"train_images", COLUMN_INTEGER, "",
     "training images asked for in an epoch; 0: all that are not validation images",
     rung_train_images},
    {"scored", COLUMN_INTEGER, "", "trainings with a score", rung_scored},
    {"promoted", COLUMN_INTEGER, "", "of them those that went on to a higher rung", rung_promoted},
    {"pairs", COLUMN_INTEGER, "", "of them those with a score there too", rung_pairs},
    {"spearman", COLUMN_NUMBER, "", "rank correlation of both scores", rung_spearman},
    {"spearman_p", COLUMN_NUMBER, "", "its p-value, two-sided", rung_spearman_p},
    {"kendall", COLUMN_NUMBER, "", "Kendall's tau-b of both scores", rung_kendall},
    {"kendall_p", COLUMN_NUMBER, "", "its p-value, two-sided", rung_kendall_p},
    {"off", COLUMN_INTEGER, "", "1: switched off, for a correlation below fidelity.min_correlation",
     rung_off},
};

const struct table rungs_table = {
    "rungs.csv",
    "A rung of fidelity.rungs, and what its scores tell of those of the next one; no rows without "
    "rungs. Only promoted candidates have both scores.",
    rung_columns, COUNT(rung_columns)};
