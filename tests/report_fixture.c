#include "tests/report_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <math.h>

#include <cmocka.h>

static struct candidate candidate(int64_t id, int64_t parent, const char *operator_name,
                                  const char *genome, double accuracy)
{
    struct candidate c = {.id = id,
                          .generation = (int)(id / 3),
                          .attempt = 1,
                          .status = CANDIDATE_DONE,
                          .parent = parent,
                          .epochs = 2,
                          .train_images = 1000,
                          .seed = 7,
                          .train_loss = 0.5,
                          .validation_loss = 0.4,
                          .validation_accuracy = accuracy,
                          .images_per_s = 500,
                          .device = "PoCL | cpu",
                          .worker = (int)(id % 2),
                          .started_utc_us = 1769825700000000 + 10000000 * id,
                          .duration_s = 8};
    struct image_shape shape = {28, 28, 1, 10};
    strcpy(c.operator_name, operator_name);
    assert_int_equal(genome_parse(&c.genome, genome), ERR_NONE);
    c.cost = genome_cost(&c.genome, &shape);
    return c;
}

static void make_confirmation(struct run *run, int i, int64_t id, double validation, int correct)
{
    struct confirmation *c = &run->confirmations[i];
    *c = (struct confirmation){.candidate = id,
                               .replicate = i,
                               .seed = 70 + (uint64_t)i,
                               .genome = run->candidates[5].genome,
                               .epochs = 10,
                               .train_images = 5000,
                               .validation_accuracy = validation,
                               .test_accuracy = correct / 100.0,
                               .duration_s = 100,
                               .classes = 10,
                               .test_images = 100,
                               .predictions = run->predictions[i],
                               .labels = run->labels,
                               .confusion = run->confusion[i]};
    /* 10 images a class; the wrong ones of class 0 are taken for class 6. */
    for (int k = 0; k < 10; k++)
        run->confusion[i][11 * k] = 10;
    run->confusion[i][0] -= (uint32_t)(100 - correct);
    run->confusion[i][6] += (uint32_t)(100 - correct);
}

struct run *make_run(void)
{
    struct run *run = calloc(1, sizeof *run);
    assert_non_null(run);
    settings_defaults(&run->settings, &run->origins);
    run->settings.data.validation_images = 1000;
    run->settings.search.population = 3;
    run->settings.search.cycles = 7;
    struct candidate *c = run->candidates;
    c[0] = candidate(0, -1, "random", "RC16k3:relu-RC32k3:relu-FC64:relu", 0.70);
    c[1] = candidate(1, -1, "random", "NC16k3:relu-RC16k3:relu-RC32k3:relu-FC64:relu", 0.80);
    c[2] = candidate(2, -1, "random", "RC8k1:tanh-RC8k1:tanh-FC64:relu", 0.30);
    c[3] = candidate(3, 1, "filters", "NC32k3:relu-RC16k3:relu-RC32k3:relu-FC64:relu", 0.85);
    c[4] = candidate(4, 1, "swap", "RC16k3:relu-NC16k3:relu-RC32k3:relu-FC64:relu", NAN);
    c[4].status = CANDIDATE_LOST;
    c[4].redraws = 3; /* of both its attempts */
    c[5] = c[4];
    c[5].attempt = 2;
    c[5].status = CANDIDATE_DIVERGED;
    c[6] =
        candidate(5, 3, "add", "NC32k3:relu-RC16k3:relu-NC64k3:relu-RC32k3:relu-FC64:relu", 0.90);
    c[7] = candidate(6, 5, "remove", "RC16k3:relu-NC64k3:relu-RC32k3:relu-FC64:relu", NAN);
    c[7].status = CANDIDATE_RUNNING;
    c[7].redraws = 2;
    c[7].genome = c[0].genome;
    make_confirmation(run, 0, 5, 0.91, 97);
    make_confirmation(run, 1, 5, 0.92, 95); /* the winner: by validation, not by test */
    make_confirmation(run, 2, 3, 0.99, 99); /* of a candidate that is best no longer */
    for (int i = 0; i < 2; i++)
        run->epochs[i] = (struct epoch_record){.confirm = i == 1,
                                               .candidate = 5,
                                               .attempt = 1,
                                               .epoch = 1,
                                               .train_loss = 0.5,
                                               .train_accuracy = 0.8,
                                               .seconds = 2,
                                               .images_per_s = 500};
    run->input = (struct report_input){.run = "night_1",
                                       .version = "0.1.0",
                                       .settings = &run->settings,
                                       .shape = {28, 28, 1, 10},
                                       .candidates = c,
                                       .candidate_count = RUN_CANDIDATES,
                                       .confirmations = run->confirmations,
                                       .confirmation_count = 3,
                                       .epochs = run->epochs,
                                       .epoch_count = 2};
    return run;
}

void assert_near(double value, double expected)
{
    if (!(fabs(value - expected) <= 1e-9))
        fail_msg("%.12f is not %.12f", value, expected);
}

void assert_has(const struct text *text, const char *part)
{
    if (strstr(text->data, part) == NULL)
        fail_msg("not in the report: %s\n%s", part, text->data);
}
