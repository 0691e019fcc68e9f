/* runs.csv: one row a run, in the directory that holds the directories of runs. */
#ifndef CLADE_OUTPUTS_RUNS_FILE_H
#define CLADE_OUTPUTS_RUNS_FILE_H

#include "inputs/records.h"
#include "pipeline/base/error.h"

/*
 * Puts the row of `report` into PARENT/runs.csv, in the place of the row with the same run name or
 * at the end; other rows keep their cells. The file is replaced whole, under a lock
 * (PARENT/.runs.csv.lock), so runs that end at the same moment lose nothing. It is written in
 * settings.outputs.dialect, whichever it was in before; rows of an older version get empty cells
 * for newer columns. PARENT/runs.csv-metadata.json is written beside it (table_metadata()).
 *
 * ERR_OUTPUT when it cannot be written; ERR_DATA, and nothing is changed, when a file of this name
 * is there that is not ours: its header does not begin as ours does.
 */
enum error runs_file_update(const char *parent, const struct report *report);

#endif
