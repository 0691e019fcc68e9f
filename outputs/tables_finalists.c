/* finalists.csv: struct finalist. */
#include "outputs/tables.h"
#include "outputs/tables_cells.h"

GETTER(finalist_candidate, struct finalist)
{
    set_id(cell, r->candidate->id);
}

GETTER(finalist_place, struct finalist)
{
    set_integer(cell, r->place);
    cell->missing = r->place == 0;
}

GETTER(finalist_reason, struct finalist)
{
    static const char *const words[] = {"best", "band", "front"};
    set_text(cell, words[r->reason]);
}

GETTER(finalist_band, struct finalist)
{
    set_integer(cell, r->band);
    cell->missing = r->band == 0;
}

GETTER(finalist_genome, struct finalist)
{
    genome_format(cell->text, &r->candidate->genome);
}

GETTER(finalist_parameters, struct finalist)
{
    set_integer(cell, r->candidate->cost.parameters);
}

GETTER(finalist_macs, struct finalist)
{
    set_integer(cell, r->candidate->cost.macs);
}

GETTER(finalist_search_accuracy, struct finalist)
{
    set_number(cell, r->candidate->validation_accuracy);
}

GETTER(finalist_seeds, struct finalist)
{
    set_integer(cell, r->trained);
}

GETTER(finalist_validation, struct finalist)
{
    set_number(cell, r->validation_mean);
}

GETTER(finalist_test, struct finalist)
{
    set_number(cell, r->test.mean);
}

GETTER(finalist_test_low, struct finalist)
{
    set_number(cell, r->test.interval.low);
}

GETTER(finalist_test_high, struct finalist)
{
    set_number(cell, r->test.interval.high);
}

GETTER(finalist_test_lowest, struct finalist)
{
    set_number(cell, r->test_lowest);
}

GETTER(finalist_test_highest, struct finalist)
{
    set_number(cell, r->test_highest);
}

GETTER(finalist_images, struct finalist)
{
    cell->missing = r->deployed == NULL || r->deployed->test_images == 0;
    if (!cell->missing)
        set_integer(cell, r->deployed->test_images);
}

GETTER(finalist_search, struct finalist)
{
    set_text(cell, r->baseline ? "random" : "search");
}

static const struct column finalist_columns[] = {
    SCHEMA_AND_RUN,
    {"candidate", COLUMN_TEXT, "", "whose genome was trained again", finalist_candidate},
    {"place", COLUMN_INTEGER, "",
     "in its search, by the mean validation accuracy of its confirmations, as search.objective has "
     "it; 1: the winner; empty without a confirmation",
     finalist_place},
    {"reason", COLUMN_TEXT, "",
     "best (by search.objective, in the search), band (the most accurate within a limit of "
     "confirm.bands), front (on the Pareto front)",
     finalist_reason},
    {"band", COLUMN_INTEGER, "parameters", "tightest limit of confirm.bands that it keeps",
     finalist_band},
    {"genome", COLUMN_TEXT, "", "the network, layer by layer", finalist_genome},
    {"parameters", COLUMN_INTEGER, "parameters", "weights and biases", finalist_parameters},
    {"macs", COLUMN_INTEGER, "multiply-accumulates", "for one image, forward", finalist_macs},
    {"search_accuracy", COLUMN_NUMBER, "share", "validation accuracy in the search",
     finalist_search_accuracy},
    {"seeds", COLUMN_INTEGER, "", "confirmations, each under its own seed", finalist_seeds},
    {"validation_accuracy", COLUMN_NUMBER, "share", "mean over the confirmations",
     finalist_validation},
    {"test_accuracy", COLUMN_NUMBER, "share", "mean over the confirmations", finalist_test},
    {"test_accuracy_low", COLUMN_NUMBER, "share",
     "lower end of the 95 % interval of that mean (Student, over the seeds; empty for one seed)",
     finalist_test_low},
    {"test_accuracy_high", COLUMN_NUMBER, "share", "upper end", finalist_test_high},
    {"test_accuracy_lowest", COLUMN_NUMBER, "share", "of the confirmations", finalist_test_lowest},
    {"test_accuracy_highest", COLUMN_NUMBER, "share", "of the confirmations",
     finalist_test_highest},
    {"test_images", COLUMN_INTEGER, "images", "that each confirmation was tested on",
     finalist_images},
    {"search", COLUMN_TEXT, "",
     "search, or random: of the random search beside it (confirm.baseline), where a candidate that "
     "both have stands twice",
     finalist_search},
};

const struct table finalists_table = {
    "finalists.csv",
    "What the confirmations of one finalist gave, over its seeds. Empty before the first one.",
    finalist_columns, COUNT(finalist_columns)};
