/* The stages of a run, for the table in pipeline.c, and what they share. */
#ifndef CLADE_PIPELINE_RUN_STAGES_H
#define CLADE_PIPELINE_RUN_STAGES_H

#include "pipeline/base/error.h"
#include "pipeline/pipeline.h"

enum error run_populate(struct run *run); /* run_search.c */
enum error run_evolve(struct run *run);   /* run_search.c */
enum error run_baseline(struct run *run); /* run_baseline.c */
enum error run_confirm(struct run *run);  /* run_confirm.c */
enum error run_test(struct run *run);     /* run_confirm.c */
enum error run_report(struct run *run);

/* Reads the candidates from the store; before the first stage. */
enum error run_load_history(struct run *run);

/* Makes run->supervisor, unless it is there. */
enum error run_need_supervisor(struct run *run);

#endif
