/*
 * The end of a run that has one: deadline.until, deadline.budget and search.budget. Times are of
 * clock_monotonic_s(). The search ends early enough for confirm and report: how long a training
 * takes is learned from those of this run (stages/pace.h).
 */
#ifndef CLADE_PIPELINE_DEADLINE_H
#define CLADE_PIPELINE_DEADLINE_H

#include <stdbool.h>

#include "pipeline/base/error.h"
#include "pipeline/store.h"

struct run;

struct deadline {
    double end_s;            /* of the run; INFINITY: none */
    double search_s;         /* of the search, by search.budget; INFINITY: none */
    double search_limit_s;   /* of the search, with what is kept back for confirm */
    double baseline_limit_s; /* of the random search beside the search */
    double confirm_s;        /* what confirm and test are going to take; NAN: not known */
    double confirm_end_s;    /* as it was expected when confirm began; NAN: not known */
    double write_s;          /* that the tables took longest so far */
};

/* After the settings are read: from now on, of an invocation that began at run->began_s. Writes
   the times to the store. */
enum error deadline_begin(struct run *run);

/* Plans anew, from what the store and run->history say. When the candidate that is next in the
   queue cannot end in time, the search is closed (run->closed): nothing more is handed out. */
enum error deadline_plan(struct run *run);

/* ERR_STOPPED when the time of the search was up before any candidate had a score. */
enum error deadline_check_score(const struct run *run);

/* For struct supervisor_hooks; `user` is the run. */
bool deadline_search_is_over(void *user);
bool deadline_baseline_is_over(void *user);
bool deadline_is_over(void *user);

/* When the random search beside the search is about to begin: sets baseline_limit_s. */
enum error deadline_begin_baseline(struct run *run);

/* When confirm is about to begin: sets confirm_end_s, and warns when there is too little time. */
enum error deadline_begin_confirm(struct run *run);

/* ERR_STOPPED when the time was up with jobs of this kind, JOB_CONFIRM or JOB_TEST, still to do. */
enum error deadline_is_cut(const struct run *run, enum job_kind kind);

/* For the progress line: how long the run goes on, when the search still needs `search_s` (NAN: not
   known), and when it confirms or tests. NAN: not known. */
double deadline_search_left_s(const struct run *run, double search_s);
double deadline_confirm_left_s(const struct run *run);

#endif
