/* Beginning a run, going on with one, and ending it: what `clade run` does around the pipeline. */
#ifndef CLADE_PIPELINE_RUN_OPEN_H
#define CLADE_PIPELINE_RUN_OPEN_H

#include "inputs/settings.h"
#include "pipeline/base/error.h"
#include "pipeline/pipeline.h"

/* Of *run, run_begin() and run_resume() read progress.level and set all else. */

/*
 * A new run. Settings, data, space and devices are checked before the directory is made, so a
 * mistake leaves nothing behind. `wanted` is the directory, NULL: one in outputs.dir.
 */
enum error run_begin(struct run *run, const struct settings *settings,
                     const struct settings_origins *origins, const char *wanted);

/*
 * An existing run: settings come from its store, files that are derived from it are written
 * again. ERR_DATA when the training files are no longer those it began with, ERR_BUSY when it is
 * live.
 */
enum error run_resume(struct run *run, const char *directory);

/* After either, also after a failure. */
enum error run_end(struct run *run);

#endif
