/* Completion for shells, from the tables of commands and settings. */
#ifndef CLADE_PIPELINE_COMPLETION_H
#define CLADE_PIPELINE_COMPLETION_H

#include "pipeline/base/text.h"

/* A script for bash 4.2 and later, complete by itself; errors are left in `out` (text_status()). */
void completion_bash(struct text *out);

#endif
