#include "tests/store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[64];
char fixture_path[128];

int fixture_set_up(void **state)
{
    (void)state;
    /* In memory where that is to be had: what is tested is what processes see. */
    snprintf(directory, sizeof directory, "%s/clade_test_store.XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(directory));
    snprintf(fixture_path, sizeof fixture_path, "%s/store.sqlite", directory);
    return 0;
}

int fixture_tear_down(void **state)
{
    (void)state;
    static const char *const names[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char file[160];
        snprintf(file, sizeof file, "%s%s", fixture_path, names[i]);
        unlink(file);
    }
    return rmdir(directory);
}

const struct store_run fixture_run = {
    .name = "20260131-021500",
    .created_utc_us = 1769825700123456,
    .shape = {.height = 28, .width = 27, .channels = 3, .classes = 11},
    .training_images = 60000,
    .data_check = -77,
    .mean = 0.1f,
    .std = 0.3f,
};

struct store *fixture_create(void)
{
    struct store *store;
    OK(store_create(&store, fixture_path, &fixture_run, "[search]\ncycles = 5\n"));
    return store;
}

struct candidate fixture_candidate(int64_t id)
{
    struct candidate c = {.id = id,
                          .generation = (int)id / 4,
                          .parent = id < 4 ? -1 : id - 4,
                          .redraws = (int)id % 3,
                          .earlier = id % 2,
                          .earlier_mean = id % 2 ? 0.75 : NAN,
                          .earlier_deviation = NAN,
                          .cost = {.parameters = 1000 + id, .macs = 5000 + id, .activations = 7},
                          .rung = (int)id % 2,
                          .epochs = 3,
                          .train_images = 500,
                          .seed = 0xfedcba9876543210u + (uint64_t)id};
    snprintf(c.operator_name, sizeof c.operator_name, "%s", id < 4 ? "random" : "swap");
    OK(genome_parse(&c.genome, id % 2 ? "RC8k3:relu-RC16k5:gelu-FC64:tanh"
                                      : "NC32k1:swish-RC8k3:relu-RC16k5:sigmoid-FC64:relu"));
    return c;
}

void fixture_add(struct store *store, int64_t first, int64_t count)
{
    struct candidate list[64];
    assert_true(count <= 64);
    for (int64_t i = 0; i < count; i++)
        list[i] = fixture_candidate(first + i);
    OK(store_add(store, list, (size_t)count));
}

int64_t fixture_worker(struct store *store)
{
    int64_t worker;
    static const struct device_version version = {"Some CPU, 3.1", "a platform", "OpenCL 3.0",
                                                  "5.0", "OpenCL 1.2"};
    OK(store_add_worker(&worker, store, 0, &version));
    return worker;
}

struct job fixture_claim(struct store *store, int64_t worker)
{
    struct job job;
    bool found;
    OK(store_claim(&job, &found, store, worker));
    assert_true(found);
    return job;
}

bool fixture_nothing_to_claim(struct store *store, int64_t worker)
{
    struct job job;
    bool found;
    OK(store_claim(&job, &found, store, worker));
    return !found;
}

struct job_result fixture_done(double accuracy)
{
    return (struct job_result){.status = CANDIDATE_DONE,
                               .duration_s = 1.5,
                               .train_images = 444,
                               .train_loss = 0.5,
                               .validation_loss = 0.25,
                               .validation_accuracy = accuracy,
                               .images_per_s = 1234.5,
                               .gflops = 10};
}

bool fixture_commit(struct store *store, int64_t worker, const struct job *job,
                    const struct job_result *result)
{
    bool accepted;
    OK(store_commit(&accepted, store, worker, job, result));
    return accepted;
}

int64_t fixture_count(struct store *store, enum candidate_status status)
{
    struct store_counts counts;
    OK(store_count(&counts, store, JOB_SEARCH));
    return counts.status[status];
}
