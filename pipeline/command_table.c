/* clade table build: every genome of a small space, trained under several seeds, as one CSV file.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inputs/dataset.h"
#include "inputs/space_walk.h"
#include "outputs/file.h"
#include "outputs/tables.h"
#include "pipeline/command.h"
#include "pipeline/command_settings.h"
#include "pipeline/run_open.h"
#include "stages/statistics.h"

enum { OPTION_OUT = 1, OPTION_SEEDS, OPTION_SET, OPTION_RUN, OPTION_RESUME };

struct request {
    const char *search, *out, *run, *resume;
    int seeds;
    struct assignments assignments;
};

static enum error read_arguments(struct request *request, struct arguments *arguments)
{
    enum error err = ERR_NONE;
    long long number;
    *request = (struct request){.seeds = 3};
    for (;;) {
        int id;
        const char *value;
        TRY(command_next(&id, &value, arguments));
        if (id == 0)
            break;
        if (id == OPTION_OUT)
            request->out = value;
        if (id == OPTION_RUN)
            request->run = value;
        if (id == OPTION_RESUME)
            request->resume = value;
        if (id == OPTION_SET)
            TRY(assignments_add(&request->assignments, arguments, id, NULL, value));
        if (id == OPTION_SEEDS) {
            TRY(command_integer(&number, arguments, id, value, 1, 1000));
            request->seeds = (int)number;
        }
    }
    if (strcmp(arguments->operands[0], "build") != 0)
        return error_set(ERR_USAGE, "table: unknown act %.40s; expected 'clade table build'",
                         arguments->operands[0]);
    request->search = arguments->operand_count > 1 ? arguments->operands[1] : NULL;
    if (request->out == NULL)
        return error_set(ERR_USAGE, "table build: expected --out TABLE.csv");
    if ((request->search == NULL) == (request->resume == NULL))
        return error_set(ERR_USAGE, "table build: expected SEARCH.ini or --resume DIR");
    if (request->resume != NULL && (request->run != NULL || request->assignments.count > 0))
        return error_set(ERR_USAGE, "table build: --resume takes all settings from the run's "
                                    "store; give it no --run and no --set");
out:
    return err;
}

/* Genomes of the space; the limits of cost need the size of the images. */
static enum error count_genomes(size_t *count, const struct settings *settings)
{
    enum error err = ERR_NONE;
    struct images images = {0};
    struct space space;
    struct genome *genomes = NULL;
    TRY(images_load_training(&images, &settings->data));
    TRY(space_init(&space, &settings->space, &images.shape));
    TRY(space_list(&genomes, count, &space));
out:
    free(genomes);
    images_free(&images);
    return err;
}

/* The search file says what the space and the recipe are; how it is gone through is fixed: one
   generation a seed. */
static enum error read_settings(struct settings *settings, struct settings_origins *origins,
                                const struct request *request)
{
    enum error err = ERR_NONE;
    static const char *const fixed[] = {"search.algorithm=grid", "search.populate=random",
                                        "search.sample=1", "confirm.seeds=0"};
    char cycles[64], population[64];
    size_t count;
    TRY(assignments_settings(settings, origins, request->search, &request->assignments));
    TRY(count_genomes(&count, settings));
    snprintf(cycles, sizeof cycles, "search.cycles=%zu", count * (size_t)request->seeds);
    snprintf(population, sizeof population, "search.population=%zu", count);
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        TRY(settings_apply(settings, origins, fixed[i]));
    TRY(settings_apply(settings, origins, cycles));
    TRY(settings_apply(settings, origins, population));
    TRY(settings_check(settings));
out:
    return err;
}

static enum error write_table(size_t *rows_written, const char *path, struct run *run)
{
    enum error err = ERR_NONE;
    struct candidate *candidates = NULL;
    struct csv_rows rows = {0};
    struct table_context context = {.run = run->info.name};
    size_t count;
    *rows_written = 0;
    TRY(store_read_candidates(&candidates, &count, run->store));
    table_header(&rows, &scores_table);
    for (size_t i = 0; i < count; i++) {
        struct score_record record = {
            .candidate = &candidates[i],
            .replicate = (int)(candidates[i].id / run->settings.search.population)};
        if (!candidate_ended(&candidates[i]))
            continue;
        table_row(&rows, &scores_table, &record, &context);
        ++*rows_written;
    }
    TRY(file_replace_text(path, &rows.text));
out:
    csv_free_rows(&rows);
    free(candidates);
    return err;
}

static enum error run_build(struct arguments *arguments)
{
    enum error err = ERR_NONE;
    struct request request;
    struct settings settings;
    /* Too large for the stack of a careful program. */
    static struct settings_origins origins;
    struct run run = {.lock = -1, .log = -1, .images = -1};
    size_t rows = 0;
    TRY(read_arguments(&request, arguments));
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    if (request.resume == NULL) {
        TRY(read_settings(&settings, &origins, &request));
        TRY(run_begin(&run, &settings, &origins, request.run));
    } else {
        TRY(run_resume(&run, request.resume));
        if (run.settings.search.algorithm != ALGORITHM_GRID) {
            err = error_set(ERR_USAGE, "table build: %s is no run of 'clade table build'",
                            request.resume);
            goto out;
        }
    }
    TRY(pipeline_run(&run));
    TRY(write_table(&rows, request.out, &run));
    printf("table                %s\n"
           "trainings            %zu of %d genomes\n"
           "run                  %s\n",
           request.out, rows, run.settings.search.population, run.directory);
out:;
    enum error ended = run_end(&run);
    return err != ERR_NONE ? err : ended;
}

static const struct option_row options[] = {
    {"out", OPTION_OUT, "TABLE.csv", "the table, written when all is trained"},
    {"seeds", OPTION_SEEDS, "N", "trainings of each genome, under different seeds (3)"},
    {"set", OPTION_SET, "SECTION.KEY=VALUE", "change one setting; may be repeated"},
    {"run", OPTION_RUN, "DIR", "the run's directory, new or empty (a new one in outputs.dir)"},
    {"resume", OPTION_RESUME, "DIR", "go on with the run in DIR"},
    {0},
};

const struct command command_table = {
    .name = "table",
    .operands = "build [SEARCH.ini]",
    .summary = "Train every genome of a small space, into a table of scores",
    .examples = "clade table build inputs/searches/table.ini --out table.csv\n"
                "clade table build --resume runs/20260131-021500 --out table.csv\n",
    .text =
        "'clade compare' replays searches on the table. A run does the work (search.algorithm =\n"
        "grid), so workers, resuming and all tables are those of 'clade run'; what [search]\n"
        "says about the algorithm and [confirm] do not count. The test images are not opened.\n",
    .options = options,
    .least = 1,
    .most = 2,
    .run = run_build,
};
