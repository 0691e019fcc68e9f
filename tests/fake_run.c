/*
 * fake_run DIR CANDIDATES [DIALECT]: the files of a made-up run with that many candidates, in DIR,
 * which must exist, and runs.csv beside them. Names that come from outside are hostile. For the
 * tests that open them in a browser or in a spreadsheet.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inputs/space.h"
#include "outputs/run_files.h"
#include "outputs/runs_file.h"
#include "pipeline/base/rng.h"
#include "stages/report.h"

enum {
    CLASSES = 10,
    TEST_IMAGES = 1000,
    CONFIRMATIONS = 2,
    EPOCHS = 5,
    LANES = 3,
    MISSES = 30,
    PIXELS = 28 * 28
};

static const char *const devices[LANES] = {"=HYPERLINK(\"http://x.test\")", "</script><b>\"'&",
                                           "+1-800; 3,5"};

static void make_candidate(struct candidate *c, int64_t id, int64_t count, struct rng *rng,
                           const struct space *space)
{
    static const char *const operators[] = {"swap", "filters", "layer", "add", "remove"};
    const struct image_shape shape = {28, 28, 1, CLASSES};
    *c = (struct candidate){.id = id,
                            .generation = (int)(id / 10),
                            .attempt = 1,
                            .status = id % 17 == 16 ? CANDIDATE_DIVERGED : CANDIDATE_DONE,
                            .parent = id < 10 ? -1 : (int64_t)rng_below(rng, (uint32_t)id),
                            .epochs = 2,
                            .train_images = 10000,
                            .seed = (uint64_t)id,
                            .worker = 1 + (int)(id % LANES),
                            .started_utc_us = 1769825700000000 + id / LANES * 10000000,
                            .duration_s = 9.5};
    strcpy(c->operator_name, id < 10 ? "random" : operators[rng_below(rng, 5)]);
    space_random_genome(space, rng, &c->genome);
    c->cost = genome_cost(&c->genome, &shape);
    strcpy(c->device, devices[id % LANES]);
    double gain = 0.1 * (double)id / (double)count;
    bool done = c->status == CANDIDATE_DONE;
    c->validation_accuracy = done ? 0.7 + gain + 0.05 * rng_uniform(rng) : NAN;
    c->validation_loss = c->train_loss = done ? 1 - c->validation_accuracy : NAN;
    c->images_per_s = done ? 1000 + 0.125 * (double)id : NAN;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    long long count = atoll(argv[2]);
    static struct settings settings;
    struct space space;
    struct rng rng;
    rng_seed(&rng, 1);
    settings_defaults(&settings, NULL);
    strcpy(settings.data.dir, "=1+1/</script>/\"data\"");
    strcpy(settings.data.class_names, "T-shirt/top,</script><b>,=1+1,Dress,Coat,Sandal,Shirt,"
                                      "Sneaker,Bag,A class of a rather long name");
    settings.search.cycles = (int)count;
    settings.search.population = 10;
    if (argc > 3) {
        char assignment[64];
        snprintf(assignment, sizeof assignment, "outputs.dialect=%.32s", argv[3]);
        if (settings_apply(&settings, NULL, assignment) != ERR_NONE)
            return 2;
    }
    const struct image_shape shape = {28, 28, 1, CLASSES};
    if (space_init(&space, &settings.space, &shape) != ERR_NONE)
        return 1;
    struct candidate *list = calloc((size_t)count, sizeof *list);
    struct epoch_record epochs[CONFIRMATIONS * EPOCHS];
    struct confirmation confirmations[CONFIRMATIONS];
    static uint8_t predictions[TEST_IMAGES], labels[TEST_IMAGES];
    static uint32_t confusion[CLASSES * CLASSES];
    static struct miss misses[MISSES];
    static uint8_t miss_pixels[MISSES * PIXELS];
    if (list == NULL)
        return 1;
    int64_t best = 0;
    for (int64_t i = 0; i < count; i++) {
        make_candidate(&list[i], i, count, &rng, &space);
        if (list[i].validation_accuracy > list[best].validation_accuracy)
            best = i;
    }
    for (int i = 0; i < MISSES; i++)
        misses[i] =
            (struct miss){(uint32_t)(31 * i), i % CLASSES, (i + 1) % CLASSES, 0.99 - 0.01 * i};
    for (int i = 0; i < MISSES * PIXELS; i++)
        miss_pixels[i] = (uint8_t)rng_below(&rng, 256);
    for (int i = 0; i < CLASSES * CLASSES; i++)
        confusion[i] = i % (CLASSES + 1) == 0 ? 91 : 1;
    for (int i = 0; i < CONFIRMATIONS; i++) {
        confirmations[i] =
            (struct confirmation){.candidate = best,
                                  .replicate = i,
                                  .genome = list[best].genome,
                                  .epochs = EPOCHS,
                                  .train_images = 50000,
                                  .validation_accuracy = 0.92 + 0.01 * i,
                                  .test_accuracy = 0.91,
                                  .duration_s = 60,
                                  .classes = CLASSES,
                                  .test_images = TEST_IMAGES,
                                  .predictions = predictions,
                                  .labels = labels,
                                  .confusion = confusion,
                                  .misses = misses,
                                  .miss_pixels = miss_pixels,
                                  .miss_count = MISSES,
                                  .miss_size = PIXELS,
                                  .started_utc_us = list[count - 1].started_utc_us + 30000000};
        strcpy(confirmations[i].device, devices[i]);
        for (int e = 0; e < EPOCHS; e++)
            epochs[i * EPOCHS + e] = (struct epoch_record){.confirm = true,
                                                           .candidate = best,
                                                           .replicate = i,
                                                           .attempt = 1,
                                                           .epoch = e + 1,
                                                           .train_loss = 1.0 / (e + 1),
                                                           .train_accuracy = 0.8 + 0.02 * e,
                                                           .seconds = 12,
                                                           .images_per_s = 4000.125};
    }
    struct device_version versions[LANES];
    for (int i = 0; i < LANES; i++) {
        snprintf(versions[i].device, sizeof versions[i].device, "%s", devices[i]);
        strcpy(versions[i].platform, "=Portable Computing Language</td>");
        strcpy(versions[i].platform_version,
               "OpenCL 3.0 PoCL 5.0-debian Linux, None+Asserts, RELOC, "
               "SPIR, LLVM 16.0.6, SLEEF, DISTRO, POCL_DEBUG");
        strcpy(versions[i].driver_version, "5.0-debian");
        strcpy(versions[i].device_version, "OpenCL 3.0 PoCL HSTR: cpu-x86_64-pc-linux-gnu-skylake");
    }
    struct report report;
    enum error err =
        report_make(&report, &(struct report_input){.run = "=2+3</title><script>alert(1)</script>",
                                                    .version = "0",
                                                    .settings = &settings,
                                                    .shape = shape,
                                                    .candidates = list,
                                                    .candidate_count = (size_t)count,
                                                    .confirmations = confirmations,
                                                    .confirmation_count = CONFIRMATIONS,
                                                    .epochs = epochs,
                                                    .epoch_count = CONFIRMATIONS * EPOCHS,
                                                    .versions = versions,
                                                    .version_count = LANES});
    char parent[4096];
    snprintf(parent, sizeof parent, "%s/..", argv[1]);
    if (err == ERR_NONE)
        err = run_files_tables(argv[1], &report);
    if (err == ERR_NONE)
        err = run_files_report(argv[1], &report);
    if (err == ERR_NONE)
        err = run_files_workbook(argv[1], &report);
    if (err == ERR_NONE)
        err = runs_file_update(parent, &report);
    if (err != ERR_NONE)
        fprintf(stderr, "fake_run: %s\n", error_message());
    report_free(&report);
    free(list);
    return err != ERR_NONE;
}
