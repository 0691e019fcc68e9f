/* What the tests of the store share: a store in a directory of its own, and rows to put in. */
#ifndef CLADE_TESTS_STORE_FIXTURE_H
#define CLADE_TESTS_STORE_FIXTURE_H

#include "pipeline/store.h"

#define OK(call) assert_int_equal((call), ERR_NONE)

extern char fixture_path[128]; /* of the store */
extern const struct store_run fixture_run;

int fixture_set_up(void **state);
int fixture_tear_down(void **state);

/* An empty store. */
struct store *fixture_create(void);

/* Candidate `id`: every field that a proposal has is set, and differs between neighbours. */
struct candidate fixture_candidate(int64_t id);
void fixture_add(struct store *store, int64_t first, int64_t count);

int64_t fixture_worker(struct store *store);
struct job fixture_claim(struct store *store, int64_t worker);
bool fixture_nothing_to_claim(struct store *store, int64_t worker);

struct job_result fixture_done(double accuracy);

/* Whether it was accepted. */
bool fixture_commit(struct store *store, int64_t worker, const struct job *job,
                    const struct job_result *result);

/* Search jobs in this state. */
int64_t fixture_count(struct store *store, enum candidate_status status);

#endif
