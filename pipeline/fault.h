/*
 * Faults that tests ask a worker for, through the environment variable CLADE_FAULT:
 *
 *     KIND:CANDIDATE     crash:3   the worker kills itself when it has claimed candidate 3
 *                        device:3  the device fails while it trains candidate 3
 *                        hang:3    the worker stops for good
 *     KIND_once:...      only at the first attempt
 *
 * CANDIDATE may be "*": every one. Nothing but the worker reads it.
 */
#ifndef CLADE_PIPELINE_FAULT_H
#define CLADE_PIPELINE_FAULT_H

#include "pipeline/base/error.h"
#include "pipeline/store.h"

/* Called when a job was claimed. ERR_DEVICE when that was asked for. */
enum error fault_inject(const struct job *job);

#endif
