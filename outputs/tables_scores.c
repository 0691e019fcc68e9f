/* The table that `clade table build` writes: struct score_record. */
#include "outputs/tables.h"
#include "outputs/tables_cells.h"

GETTER(score_genome, struct score_record)
{
    genome_format(cell->text, &r->candidate->genome);
}

GETTER(score_replicate, struct score_record)
{
    set_integer(cell, r->replicate);
}

/* As in candidates.csv: spreadsheets keep only 15 digits of a number. */
GETTER(score_seed, struct score_record)
{
    snprintf(cell->text, sizeof cell->text, "s%016" PRIx64, r->candidate->seed);
}

GETTER(score_status, struct score_record)
{
    set_text(cell, candidate_status_name(r->candidate->status));
}

GETTER(score_parameters, struct score_record)
{
    set_integer(cell, r->candidate->cost.parameters);
}

GETTER(score_macs, struct score_record)
{
    set_integer(cell, r->candidate->cost.macs);
}

static double if_done(const struct score_record *r, double value)
{
    return r->candidate->status == CANDIDATE_DONE ? value : NAN;
}

GETTER(score_accuracy, struct score_record)
{
    set_number(cell, if_done(r, r->candidate->validation_accuracy));
}

GETTER(score_loss, struct score_record)
{
    set_number(cell, if_done(r, r->candidate->validation_loss));
}

GETTER(score_duration, struct score_record)
{
    set_number(cell, r->candidate->started_utc_us > 0 ? r->candidate->duration_s : NAN);
}

static const struct column score_columns[] = {
    SCHEMA_AND_RUN,
    {"genome", COLUMN_TEXT, "", "canonical text of the network", score_genome},
    {"replicate", COLUMN_INTEGER, "", "0 for the first training of the genome", score_replicate},
    {"seed", COLUMN_TEXT, "", "training seed, hexadecimal after an s", score_seed},
    {"status", COLUMN_TEXT, "", "how it ended, as in candidates.csv", score_status},
    {"parameters", COLUMN_INTEGER, "", "weights and biases", score_parameters},
    {"macs", COLUMN_INTEGER, "", "multiply-accumulates of one image, forward", score_macs},
    {"validation_accuracy", COLUMN_NUMBER, "share", "validation images classified right, 0 to 1",
     score_accuracy},
    {"validation_loss", COLUMN_NUMBER, "nat", "mean cross-entropy on the validation images",
     score_loss},
    {"duration_s", COLUMN_NUMBER, "s", "training and validation", score_duration},
};

const struct table scores_table = {"table.csv",
                                   "One training of one genome, as `clade table build` leaves it.",
                                   score_columns, COUNT(score_columns)};
