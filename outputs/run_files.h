/*
 * The files of a run's directory, made from what the store holds. Each is replaced whole
 * (file.h); a call that is repeated with the same input writes the same bytes, so the files can
 * always be made again. ERR_OUTPUT names the file.
 */
#ifndef CLADE_OUTPUTS_RUN_FILES_H
#define CLADE_OUTPUTS_RUN_FILES_H

#include <stddef.h>

#include "inputs/records.h"
#include "inputs/settings.h"
#include "pipeline/base/error.h"

/* DIR/settings.ini: the effective settings, valid as input. `origins` may be NULL. */
enum error run_files_settings(const char *dir, const struct settings *settings,
                              const struct settings_origins *origins);

/*
 * DIR/generations/gen_NNNN.csv: the last attempt of every candidate of `generation`, in the order
 * of ids; those queued or running are skipped. Makes DIR/generations if it is not there.
 */
enum error run_files_generation(const char *dir, const struct report *report, int generation);

/*
 * DIR/candidates.csv (every attempt that ended), generations.csv, pareto.csv, operators.csv,
 * finalists.csv, baseline.csv (with confirm.baseline = random), devices.csv and epochs.csv, each
 * with its metadata beside it (FILE-metadata.json). runs.csv is not of one run: runs_file.h.
 */
enum error run_files_tables(const char *dir, const struct report *report);

/* DIR/report.md, DIR/report.html, and DIR/best_genome.txt when there is a best
 * genome. */
enum error run_files_report(const char *dir, const struct report *report);

/* DIR/results.xlsx (workbook.h). Takes seconds for many thousand candidates. */
enum error run_files_workbook(const char *dir, const struct report *report);

#endif
