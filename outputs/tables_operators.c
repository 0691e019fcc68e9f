/* operators.csv: struct operator_credit. */
#include "outputs/tables.h"
#include "outputs/tables_cells.h"

GETTER(operator_operator, struct operator_credit)
{
    set_text(cell, r->name);
}

GETTER(operator_uses, struct operator_credit)
{
    set_integer(cell, r->uses);
}

GETTER(operator_failed, struct operator_credit)
{
    set_integer(cell, r->failed);
}

GETTER(operator_compared, struct operator_credit)
{
    set_integer(cell, r->compared);
}

GETTER(operator_better, struct operator_credit)
{
    set_integer(cell, r->better);
}

GETTER(operator_better_share, struct operator_credit)
{
    set_number(cell, r->compared > 0 ? (double)r->better / r->compared : NAN);
}

GETTER(operator_better_share_low, struct operator_credit)
{
    set_number(cell, r->better_interval.low);
}

GETTER(operator_better_share_high, struct operator_credit)
{
    set_number(cell, r->better_interval.high);
}

GETTER(operator_accuracy_change, struct operator_credit)
{
    set_number(cell, r->accuracy_change.mean);
}

GETTER(operator_accuracy_change_low, struct operator_credit)
{
    set_number(cell, r->accuracy_change.interval.low);
}

GETTER(operator_accuracy_change_high, struct operator_credit)
{
    set_number(cell, r->accuracy_change.interval.high);
}

GETTER(operator_parameter_change, struct operator_credit)
{
    set_number(cell, r->parameter_change.mean);
}

GETTER(operator_parameter_change_low, struct operator_credit)
{
    set_number(cell, r->parameter_change.interval.low);
}

GETTER(operator_parameter_change_high, struct operator_credit)
{
    set_number(cell, r->parameter_change.interval.high);
}

static const struct column operator_columns[] = {
    SCHEMA_AND_RUN,
    {"operator", COLUMN_TEXT, "", "mutation, or random, or what else made candidates",
     operator_operator},
    {"uses", COLUMN_INTEGER, "", "candidates it made that have ended", operator_uses},
    {"failed", COLUMN_INTEGER, "", "of them those without a score", operator_failed},
    {"compared", COLUMN_INTEGER, "", "of them those with a score whose parent has one too",
     operator_compared},
    {"better", COLUMN_INTEGER, "", "of those compared, better than the parent, by search.objective",
     operator_better},
    {"better_share", COLUMN_NUMBER, "share", "better / compared", operator_better_share},
    {"better_share_low", COLUMN_NUMBER, "share", "lower end of its 95 % interval (Wilson)",
     operator_better_share_low},
    {"better_share_high", COLUMN_NUMBER, "share", "upper end", operator_better_share_high},
    {"accuracy_change", COLUMN_NUMBER, "share",
     "mean validation accuracy of the child minus that of its parent; parents were chosen for high "
     "scores, so less than 0 is normal",
     operator_accuracy_change},
    {"accuracy_change_low", COLUMN_NUMBER, "share", "lower end of its 95 % interval (Student)",
     operator_accuracy_change_low},
    {"accuracy_change_high", COLUMN_NUMBER, "share", "upper end", operator_accuracy_change_high},
    {"parameter_change", COLUMN_NUMBER, "parameters",
     "mean parameters of the child minus those of its parent", operator_parameter_change},
    {"parameter_change_low", COLUMN_NUMBER, "parameters",
     "lower end of its 95 % interval (Student)", operator_parameter_change_low},
    {"parameter_change_high", COLUMN_NUMBER, "parameters", "upper end",
     operator_parameter_change_high},
};

const struct table operators_table = {
    "operators.csv",
    "What one operator did, over the whole search. Compare operators with each other.",
    operator_columns, COUNT(operator_columns)};
