/* The store: rows round trip, results never change. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "tests/store_fixture.h"

static void test_run_and_settings(void **state)
{
    (void)state;
    struct store *store = fixture_create();
    OK(store_close(store));
    OK(store_open(&store, fixture_path, true));
    struct store_run run;
    OK(store_read_run(&run, store));
    assert_string_equal(run.name, fixture_run.name);
    assert_int_equal(run.created_utc_us, fixture_run.created_utc_us);
    assert_memory_equal(&run.shape, &fixture_run.shape, sizeof run.shape);
    assert_int_equal(run.training_images, 60000);
    assert_int_equal(run.data_check, -77);
    assert_true(run.mean == 0.1f && run.std == 0.3f);
    struct text ini = {0};
    OK(store_read_settings(&ini, store));
    assert_string_equal(ini.data, "[search]\ncycles = 5\n");
    text_free(&ini);
    OK(store_close(store));
    assert_int_equal(store_create(&store, fixture_path, &fixture_run, ""), ERR_OUTPUT);
}

static void test_first_tuning_stays(void **state)
{
    (void)state;
    struct store *store = fixture_create();
    struct text text = {0};
    OK(store_read_tuning(&text, store, "abc"));
    assert_int_equal(text.length, 0);
    OK(store_add_tuning(store, "abc", "first"));
    OK(store_add_tuning(store, "abc", "second"));
    OK(store_add_tuning(store, "def", "other"));
    OK(store_read_tuning(&text, store, "abc"));
    assert_string_equal(text.data, "first");
    text_free(&text);
    OK(store_close(store));
}

static void test_rows_round_trip(void **state)
{
    (void)state;
    struct store *store = fixture_create();
    fixture_add(store, 0, 6);
    struct candidate *list;
    size_t count;
    OK(store_read_candidates(&list, &count, store));
    assert_int_equal(count, 6);
    for (int64_t i = 0; i < 6; i++) {
        struct candidate want = fixture_candidate(i);
        const struct candidate *have = &list[i];
        assert_int_equal(have->id, i);
        assert_int_equal(have->generation, want.generation);
        assert_int_equal(have->attempt, 0);
        assert_int_equal(have->status, CANDIDATE_QUEUED);
        assert_true(genome_equal(&have->genome, &want.genome));
        assert_string_equal(have->operator_name, want.operator_name);
        assert_int_equal(have->parent, want.parent);
        assert_int_equal(have->redraws, want.redraws);
        assert_int_equal(have->earlier, i % 2);
        assert_true(i % 2 ? have->earlier_mean == 0.75 : isnan(have->earlier_mean));
        assert_true(isnan(have->earlier_deviation));
        assert_memory_equal(&have->cost, &want.cost, sizeof want.cost);
        assert_int_equal(have->rung, i % 2);
        assert_int_equal(have->epochs, 3);
        assert_int_equal(have->train_images, 500);
        assert_true(have->seed == want.seed);
        assert_true(isnan(have->train_loss) && isnan(have->validation_loss) &&
                    isnan(have->validation_accuracy) && isnan(have->images_per_s));
        assert_string_equal(have->device, "");
    }
    free(list);

    int64_t worker = fixture_worker(store);
    struct job job = fixture_claim(store, worker);
    assert_int_equal(job.candidate, 0);
    assert_int_equal(job.kind, JOB_SEARCH);
    assert_int_equal(job.attempt, 1);
    assert_int_equal(job.epochs, 3);
    assert_int_equal(job.train_images, 500);
    assert_true(job.seed == fixture_candidate(0).seed);
    struct candidate first = fixture_candidate(0);
    assert_true(genome_equal(&job.genome, &first.genome));
    struct epoch epoch = {1, 0.75, 0.5, 2, 222};
    OK(store_add_epoch(store, worker, &job, &epoch));
    epoch = (struct epoch){2, NAN, 0.25, 3, 111};
    OK(store_add_epoch(store, worker, &job, &epoch));
    struct job_result result = fixture_done(0.8125);
    assert_true(fixture_commit(store, worker, &job, &result));

    struct candidate c;
    OK(store_read_candidate(&c, store, 0));
    assert_int_equal(c.status, CANDIDATE_DONE);
    assert_int_equal(c.attempt, 1);
    assert_int_equal(c.train_images, 444);
    assert_true(c.validation_accuracy == 0.8125);
    assert_true(c.validation_loss == 0.25 && c.train_loss == 0.5 && c.images_per_s == 1234.5);
    assert_true(c.duration_s == 1.5);
    assert_string_equal(c.device, "Some CPU, 3.1");
    assert_int_equal(c.worker, worker);
    assert_true(c.started_utc_us > fixture_run.created_utc_us / 2);
    assert_int_equal(store_read_candidate(&c, store, 6), ERR_DATA);

    struct epoch *epochs;
    OK(store_read_epochs(&epochs, &count, store, job.id, 1));
    assert_int_equal(count, 2);
    assert_int_equal(epochs[0].epoch, 1);
    assert_true(epochs[0].train_loss == 0.75 && epochs[0].images_per_s == 222);
    assert_true(isnan(epochs[1].train_loss) && epochs[1].train_accuracy == 0.25);
    free(epochs);

    struct worker_row *workers;
    OK(store_read_workers(&workers, &count, store));
    assert_int_equal(count, 1);
    assert_int_equal(workers[0].committed, 1);
    assert_int_equal(workers[0].ended_utc_us, 0);
    free(workers);

    /* The second worker says the same, the third one has a newer driver. */
    struct device_version newer = {"Some CPU, 3.1", "a platform", "OpenCL 3.0", "6.0",
                                   "OpenCL 1.2"};
    fixture_worker(store);
    OK(store_add_worker(&worker, store, 0, &newer));
    struct device_version *versions;
    OK(store_read_versions(&versions, &count, store));
    assert_int_equal(count, 2);
    assert_string_equal(versions[0].device, "Some CPU, 3.1");
    assert_string_equal(versions[0].platform, "a platform");
    assert_string_equal(versions[0].platform_version, "OpenCL 3.0");
    assert_string_equal(versions[0].driver_version, "5.0");
    assert_string_equal(versions[0].device_version, "OpenCL 1.2");
    assert_string_equal(versions[1].driver_version, "6.0");
    free(versions);
    OK(store_add_event(store, LOG_WARNING, "it's \"quoted\""));
    OK(store_close(store));
}

static void test_failed_results_have_no_scores(void **state)
{
    (void)state;
    struct store *store = fixture_create();
    fixture_add(store, 0, 3);
    int64_t worker = fixture_worker(store);
    static const enum candidate_status ends[] = {CANDIDATE_DIVERGED, CANDIDATE_TOO_BIG,
                                                 CANDIDATE_TIMEOUT};
    for (int i = 0; i < 3; i++) {
        struct job job = fixture_claim(store, worker);
        struct job_result result = fixture_done(0.9);
        result.status = ends[i];
        result.message = "why";
        assert_true(fixture_commit(store, worker, &job, &result));
    }
    struct candidate *list;
    size_t count;
    OK(store_read_attempts(&list, &count, store));
    assert_int_equal(count, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(list[i].status, ends[i]);
        assert_true(isnan(list[i].validation_accuracy) && isnan(list[i].images_per_s));
        assert_true(list[i].duration_s == 1.5);
    }
    free(list);
    OK(store_close(store));
}

static void test_end_of_the_search(void **state)
{
    (void)state;
    struct store *store = fixture_create();
    struct store_run run;
    struct store_counts counts;
    fixture_add(store, 0, 4);
    OK(store_read_run(&run, store));
    assert_int_equal(run.deadline_utc_us, 0);
    assert_int_equal(run.search_ended_utc_us, 0);
    OK(store_set_deadlines(store, 1769829300123456, 1769829000000000));
    int64_t worker = fixture_worker(store);
    struct job done = fixture_claim(store, worker);
    struct job_result result = fixture_done(0.5);
    assert_true(fixture_commit(store, worker, &done, &result));
    struct job held = fixture_claim(store, worker);
    OK(store_add_confirm(store, &(struct job){.candidate = 0, .epochs = 1}, 1));
    OK(store_end_search(store));
    /* What was queued of the search is over; what runs, and confirm, are not. */
    OK(store_count(&counts, store, JOB_SEARCH));
    assert_int_equal(counts.status[CANDIDATE_STOPPED], 2);
    assert_int_equal(counts.status[CANDIDATE_RUNNING], 1);
    assert_int_equal(counts.final, 3);
    assert_true(fixture_commit(store, worker, &held, &result));
    assert_int_equal(fixture_claim(store, worker).kind, JOB_CONFIRM);
    OK(store_read_run(&run, store));
    assert_int_equal(run.deadline_utc_us, 1769829300123456);
    assert_int_equal(run.search_deadline_utc_us, 1769829000000000);
    int64_t ended = run.search_ended_utc_us;
    assert_true(ended > run.created_utc_us / 2);
    OK(store_end_search(store)); /* the first time is kept */
    OK(store_read_run(&run, store));
    assert_int_equal(run.search_ended_utc_us, ended);
    OK(store_close(store));
}

/* A promotion is told whose parameters it goes on from, and uses them up. */
static void test_parameters_between_rungs(void **state)
{
    (void)state;
    struct store *store = fixture_create();
    const float parameters[] = {1.5f, -2, 0.25f};
    float *state_read;
    size_t count;
    fixture_add(store, 0, 2);
    int64_t worker = fixture_worker(store);
    struct job job = fixture_claim(store, worker);
    assert_int_equal(job.goes_on_from, -1);
    assert_int_equal(job.rung, 0);
    struct job_result result = fixture_done(0.5);
    result.state = parameters;
    result.state_count = 3;
    assert_true(fixture_commit(store, worker, &job, &result));
    job = fixture_claim(store, worker);
    assert_int_equal(job.rung, 1);
    struct job_result diverged = {
        .status = CANDIDATE_DIVERGED, .state = parameters, .state_count = 3};
    assert_true(fixture_commit(store, worker, &job, &diverged));
    assert_int_equal(store_read_state(&state_read, &count, store, 1), ERR_DATA);
    struct candidate promoted = fixture_candidate(2);
    strcpy(promoted.operator_name, CANDIDATE_PROMOTE);
    promoted.parent = 0;
    promoted.rung = 1;
    OK(store_add(store, &promoted, 1));
    OK(store_close(store));
    /* A killed worker leaves them to the next one. */
    OK(store_open(&store, fixture_path, true));
    OK(store_recover(NULL, store));
    worker = fixture_worker(store);
    for (int i = 0; i < 2; i++) {
        enum release what;
        job = fixture_claim(store, worker);
        assert_int_equal(job.candidate, 2);
        assert_int_equal(job.goes_on_from, 0);
        OK(store_read_state(&state_read, &count, store, job.goes_on_from));
        assert_int_equal(count, 3);
        assert_memory_equal(state_read, parameters, sizeof parameters);
        free(state_read);
        if (i == 0) {
            OK(store_release(&what, NULL, store, worker, "killed", true, 2));
            worker = fixture_worker(store);
        }
    }
    assert_true(fixture_commit(store, worker, &job, &result));
    assert_int_equal(store_read_state(&state_read, &count, store, 0), ERR_DATA);
    OK(store_read_state(&state_read, &count, store, 2));
    free(state_read);
    /* Only those that are named are dropped. */
    OK(store_drop_states(store, 0, 1));
    OK(store_drop_states(store, 3, INT64_MAX));
    OK(store_read_state(&state_read, &count, store, 2));
    free(state_read);
    /* Confirm begins anew. */
    OK(store_add_confirm(store, &(struct job){.candidate = 2, .epochs = 1}, 1));
    assert_int_equal(fixture_claim(store, worker).goes_on_from, -1);
    OK(store_drop_states(store, 2, 2));
    assert_int_equal(store_read_state(&state_read, &count, store, 2), ERR_DATA);
    OK(store_close(store));
}

static void test_pace_of_trainings(void **state)
{
    (void)state;
    struct store *store = fixture_create();
    struct pace_sample *samples;
    size_t count;
    fixture_add(store, 0, 3);
    int64_t worker = fixture_worker(store), other = fixture_worker(store);
    struct job done = fixture_claim(store, worker), running = fixture_claim(store, other);
    for (int i = 1; i <= 2; i++) {
        struct epoch epoch = {.epoch = i, .seconds = 0.25 * i, .images_per_s = 400};
        OK(store_add_epoch(store, worker, &done, &epoch));
        OK(store_add_epoch(store, other, &running, &epoch));
    }
    struct job_result result = fixture_done(0.5);
    assert_true(fixture_commit(store, worker, &done, &result));
    OK(store_read_pace(&samples, &count, store));
    assert_int_equal(count, 2);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(samples[i].device, "Some CPU, 3.1");
    /* The training that is done, 3 x 444 images, as if its epochs were like the second, and what it
       took besides. */
    assert_int_equal(samples[0].macs, 5000);
    assert_true(samples[0].images == 3 * 444 && samples[0].seconds == 1);
    assert_true(samples[0].rest_s == 0.5);
    assert_int_equal(samples[1].macs, 5001);
    assert_true(samples[1].images == 200 && samples[1].seconds == 0.5 && isnan(samples[1].rest_s));
    free(samples);
    OK(store_close(store));
}

static void test_proposals_are_written_once(void **state)
{
    (void)state;
    struct store *store = fixture_create();
    fixture_add(store, 0, 3);
    /* The second of the two is there already: neither may be written. */
    struct candidate twice[2] = {fixture_candidate(3), fixture_candidate(2)};
    assert_int_not_equal(store_add(store, twice, 2), ERR_NONE);
    assert_int_equal(fixture_count(store, CANDIDATE_QUEUED), 3);
    fixture_add(store, 3, 1);
    assert_int_equal(fixture_count(store, CANDIDATE_QUEUED), 4);
    /* A child of nobody. */
    struct candidate orphan = fixture_candidate(4);
    orphan.parent = 99;
    assert_int_not_equal(store_add(store, &orphan, 1), ERR_NONE);
    assert_int_equal(fixture_count(store, CANDIDATE_QUEUED), 4);
    OK(store_close(store));
}

static void test_final_jobs_are_frozen_by_the_file(void **state)
{
    (void)state;
    struct store *store = fixture_create();
    fixture_add(store, 0, 1);
    int64_t worker = fixture_worker(store);
    struct job job = fixture_claim(store, worker);
    struct job_result result = fixture_done(0.5);
    assert_true(fixture_commit(store, worker, &job, &result));
    OK(store_close(store));
    sqlite3 *raw;
    assert_int_equal(sqlite3_open(fixture_path, &raw), SQLITE_OK);
    assert_int_not_equal(sqlite3_exec(raw, "UPDATE jobs SET status = 'queued'", NULL, NULL, NULL),
                         SQLITE_OK);
    assert_int_not_equal(
        sqlite3_exec(raw,
                     "INSERT INTO jobs (kind, candidate, replicate, epochs, train_images, seed, "
                     "status, attempts) VALUES (0, 0, 0, 1, 1, 1, 'queued', 0)",
                     NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(raw);
}

static void test_confirm(void **state)
{
    (void)state;
    struct store *store = fixture_create();
    fixture_add(store, 0, 1);
    int64_t worker = fixture_worker(store);
    struct job job = fixture_claim(store, worker);
    struct job_result result = fixture_done(0.5);
    assert_true(fixture_commit(store, worker, &job, &result));

    struct job wanted[2] = {
        {.candidate = 0, .replicate = 0, .epochs = 9, .train_images = 0, .seed = 5},
        {.candidate = 0, .replicate = 1, .epochs = 9, .train_images = 0, .seed = UINT64_MAX}};
    OK(store_add_confirm(store, wanted, 2));
    OK(store_add_confirm(store, wanted, 2)); /* as a resumed run does */
    struct store_counts counts;
    OK(store_count(&counts, store, JOB_CONFIRM));
    assert_int_equal(counts.total, 2);
    assert_int_equal(counts.final, 0);

    uint8_t predictions[5] = {0, 1, 2, 1, 0}, labels[5] = {0, 1, 2, 1, 1};
    uint32_t confusion[9] = {2, 0, 0, 0, 1, 1, 0, 0, 1};
    float weights[3] = {0.5f, -1.25f, 3e-30f};
    struct miss misses[2] = {{4, 1, 0, 0.75}, {2, 0, 2, 0.5}};
    uint8_t pixels[2 * 3] = {9, 8, 7, 6, 5, 4};
    struct confirmation confirmation = {.test_loss = 0.375,
                                        .test_accuracy = 0.8,
                                        .classes = 3,
                                        .test_images = 5,
                                        .predictions = predictions,
                                        .labels = labels,
                                        .confusion = confusion,
                                        .misses = misses,
                                        .miss_pixels = pixels,
                                        .miss_count = 2,
                                        .miss_size = 3};
    struct job confirm = fixture_claim(store, worker);
    assert_int_equal(confirm.kind, JOB_CONFIRM);
    assert_int_equal(confirm.replicate, 0);
    result.weights = weights;
    result.weight_count = 3;
    assert_true(fixture_commit(store, worker, &confirm, &result));
    confirm = fixture_claim(store, worker);
    assert_true(confirm.seed == UINT64_MAX);
    assert_int_not_equal(store_add_tests(store), ERR_NONE); /* one still trains */
    OK(store_count(&counts, store, JOB_TEST));
    assert_int_equal(counts.total, 0);
    result.status = CANDIDATE_DIVERGED;
    assert_true(fixture_commit(store, worker, &confirm, &result));
    OK(store_count(&counts, store, JOB_CONFIRM));
    assert_int_equal(counts.final, 2);

    struct confirmation *list;
    size_t count;
    OK(store_read_confirmations(&list, &count, store));
    assert_int_equal(count, 1);
    assert_int_equal(list[0].test_images, 0);
    assert_true(isnan(list[0].test_accuracy) && isnan(list[0].test_loss));
    assert_null(list[0].predictions);
    store_free_confirmations(list, count);

    OK(store_add_tests(store));
    OK(store_add_tests(store)); /* as a resumed run does */
    OK(store_count(&counts, store, JOB_TEST));
    assert_int_equal(counts.total, 1); /* of the one that is done */
    struct job test = fixture_claim(store, worker);
    assert_int_equal(test.kind, JOB_TEST);
    assert_int_equal(test.candidate, 0);
    assert_int_equal(test.replicate, 0);
    result.status = CANDIDATE_DONE;
    result.confirmation = &confirmation;
    assert_true(fixture_commit(store, worker, &test, &result));
    OK(store_read_confirmations(&list, &count, store));
    assert_int_equal(count, 1);
    assert_int_equal(list[0].candidate, 0);
    assert_int_equal(list[0].replicate, 0);
    assert_int_equal(list[0].epochs, 9);
    assert_int_equal(list[0].train_images, 444);
    assert_true(list[0].test_loss == 0.375 && list[0].test_accuracy == 0.8);
    assert_int_equal(list[0].test_images, 5);
    assert_memory_equal(list[0].predictions, predictions, sizeof predictions);
    assert_memory_equal(list[0].labels, labels, sizeof labels);
    assert_int_equal(list[0].classes, 3);
    assert_memory_equal(list[0].confusion, confusion, sizeof confusion);
    assert_string_equal(list[0].device, "Some CPU, 3.1");
    assert_int_equal(list[0].miss_count, 2);
    assert_int_equal(list[0].miss_size, 3);
    assert_memory_equal(list[0].miss_pixels, pixels, sizeof pixels);
    for (int i = 0; i < 2; i++) {
        const struct miss *miss = &list[0].misses[i];
        assert_int_equal(miss->image, misses[i].image);
        assert_int_equal(miss->label, misses[i].label);
        assert_int_equal(miss->predicted, misses[i].predicted);
        assert_true(miss->probability == misses[i].probability);
    }
    struct candidate first = fixture_candidate(0);
    assert_true(genome_equal(&list[0].genome, &first.genome));
    store_free_confirmations(list, count);

    float *read;
    OK(store_read_weights(&read, &count, store, 0, 0));
    assert_int_equal(count, 3);
    assert_memory_equal(read, weights, sizeof weights);
    free(read);
    assert_int_equal(store_read_weights(&read, &count, store, 0, 1), ERR_DATA);
    assert_null(read);
    /* The search's own list does not see confirm. */
    struct candidate *attempts;
    OK(store_read_attempts(&attempts, &count, store));
    assert_int_equal(count, 1);
    free(attempts);
    OK(store_close(store));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_run_and_settings),
        CASE(test_first_tuning_stays),
        CASE(test_rows_round_trip),
        CASE(test_failed_results_have_no_scores),
        CASE(test_end_of_the_search),
        CASE(test_parameters_between_rungs),
        CASE(test_pace_of_trainings),
        CASE(test_proposals_are_written_once),
        CASE(test_final_jobs_are_frozen_by_the_file),
        CASE(test_confirm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
