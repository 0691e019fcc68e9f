#include "outputs/run_files.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>

#include "outputs/csv.h"
#include "outputs/file.h"
#include "outputs/report_html.h"
#include "outputs/report_markdown.h"
#include "outputs/tables.h"
#include "outputs/workbook.h"

static enum error join(char path[PATH_MAX], const char *dir, const char *name)
{
    int n = snprintf(path, PATH_MAX, "%s/%s", dir, name);
    if (n < 0 || n >= PATH_MAX)
        return error_set(ERR_OUTPUT, "cannot write %s in %.100s...: the path is too long", name,
                         dir);
    return ERR_NONE;
}

static enum error write_text(const char *dir, const char *name, const struct text *text)
{
    char path[PATH_MAX];
    enum error err = join(path, dir, name);
    return err == ERR_NONE ? file_replace_text(path, text) : err;
}

static bool attempt_ended(const struct candidate *candidate)
{
    return candidate->status != CANDIDATE_QUEUED && candidate->status != CANDIDATE_RUNNING;
}

enum error run_files_settings(const char *dir, const struct settings *settings,
                              const struct settings_origins *origins)
{
    struct text text = {0};
    settings_print(&text, settings, origins);
    enum error err = write_text(dir, "settings.ini", &text);
    text_free(&text);
    return err;
}

enum error run_files_generation(const char *dir, const struct report *report, int generation)
{
    enum error err = ERR_NONE;
    struct csv_rows rows = {.dialect = report->settings->outputs.dialect};
    struct table_context context = {.run = report->run};
    const struct candidate *candidates = report->candidates;
    size_t count = report->candidate_count;
    char name[64];
    snprintf(name, sizeof name, "generations/gen_%04d.csv", generation);

    table_header(&rows, &candidates_table);
    for (size_t i = 0; i < count; i++) {
        bool last = i + 1 == count || candidates[i + 1].id != candidates[i].id;
        if (candidates[i].generation == generation && last && attempt_ended(&candidates[i]))
            table_row(&rows, &candidates_table, &candidates[i], &context);
    }
    char path[PATH_MAX];
    TRY(join(path, dir, "generations"));
    TRY(file_make_directory(path));
    TRY(write_text(dir, name, &rows.text));
out:
    csv_free_rows(&rows);
    return err;
}

/* Row number `index` of a table, NULL when it is left out. */
typedef const void *get_row(const struct report *report, size_t index);

static const void *candidate_row(const struct report *report, size_t index)
{
    const struct candidate *candidate = &report->candidates[index];
    return attempt_ended(candidate) ? candidate : NULL;
}

static const void *generation_row(const struct report *report, size_t index)
{
    return &report->generations[index];
}

static const void *front_row(const struct report *report, size_t index)
{
    return report->front[index];
}

static const void *operator_row(const struct report *report, size_t index)
{
    return &report->operators[index];
}

static const void *baseline_row(const struct report *report, size_t index)
{
    const struct candidate *candidate = &report->baseline[index];
    return attempt_ended(candidate) ? candidate : NULL;
}

static const void *finalist_row(const struct report *report, size_t index)
{
    return &report->finalists[index];
}

static const void *rung_row(const struct report *report, size_t index)
{
    return &report->rungs[index];
}

static const void *device_row(const struct report *report, size_t index)
{
    return &report->devices[index];
}

static const void *epoch_row(const struct report *report, size_t index)
{
    return &report->epochs[index];
}

static enum error write_metadata(const char *dir, const struct table *table,
                                 enum csv_dialect dialect)
{
    struct text text = {0};
    char name[128];
    snprintf(name, sizeof name, "%s-metadata.json", table->file);
    table_metadata(&text, table, dialect);
    enum error err = write_text(dir, name, &text);
    text_free(&text);
    return err;
}

static enum error write_table(const char *dir, const struct report *report,
                              const struct table *table, size_t count, get_row *get)
{
    enum error err = ERR_NONE;
    struct csv_rows rows = {.dialect = report->settings->outputs.dialect};
    struct table_context context = {.run = report->run};
    table_header(&rows, table);
    for (size_t i = 0; i < count; i++) {
        const void *row = get(report, i);
        if (row != NULL)
            table_row(&rows, table, row, &context);
    }
    TRY(write_text(dir, table->file, &rows.text));
    TRY(write_metadata(dir, table, rows.dialect));
out:
    csv_free_rows(&rows);
    return err;
}

enum error run_files_tables(const char *dir, const struct report *report)
{
    enum error err = ERR_NONE;
    TRY(write_table(dir, report, &candidates_table, report->candidate_count, candidate_row));
    TRY(write_table(dir, report, &generations_table, report->generation_count, generation_row));
    TRY(write_table(dir, report, &pareto_table, report->front_count, front_row));
    TRY(write_table(dir, report, &operators_table, report->operator_count, operator_row));
    TRY(write_table(dir, report, &finalists_table, report->finalist_count, finalist_row));
    if (report->settings->confirm.baseline != BASELINE_NONE)
        TRY(write_table(dir, report, &baseline_table, report->baseline_count, baseline_row));
    if (report->rung_count > 0)
        TRY(write_table(dir, report, &rungs_table, report->rung_count, rung_row));
    TRY(write_table(dir, report, &devices_table, report->device_count, device_row));
    TRY(write_table(dir, report, &epochs_table, report->epoch_count, epoch_row));
out:
    return err;
}

enum error run_files_report(const char *dir, const struct report *report)
{
    enum error err = ERR_NONE;
    struct text text = {0};
    report_markdown(&text, report);
    TRY(write_text(dir, "report.md", &text));
    text_free(&text);
    report_html(&text, report);
    TRY(write_text(dir, "report.html", &text));
    if (report->best != NULL) {
        char genome[GENOME_TEXT_SIZE];
        genome_format(genome, &report->best->genome);
        text_free(&text);
        text_printf(&text, "%s\n", genome);
        TRY(write_text(dir, "best_genome.txt", &text));
    }
out:
    text_free(&text);
    return err;
}

enum error run_files_workbook(const char *dir, const struct report *report)
{
    char path[PATH_MAX];
    enum error err = join(path, dir, "results.xlsx");
    return err == ERR_NONE ? workbook_write(path, report) : err;
}
