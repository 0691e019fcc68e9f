/* Weights that a command line names: a run's directory, or a file of weights. */
#ifndef CLADE_PIPELINE_WEIGHTS_H
#define CLADE_PIPELINE_WEIGHTS_H

#include "inputs/model.h"
#include "inputs/settings.h"
#include "pipeline/base/error.h"

/*
 * Reads the winner of the run in the directory `operand`, or the file `operand`. `settings` (may
 * be NULL) become those of the run; for a file they stay. ERR_USAGE when the directory holds no
 * weights (yet); the others as safetensors_read(). model_free().
 */
enum error weights_load(struct model *model, struct settings *settings, const char *operand);

#endif
