#include "outputs/run_files.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>

#include "outputs/csv.h"
#include "outputs/file.h"
#include "outputs/report_markdown.h"
#include "outputs/tables.h"

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

enum error run_files_generation(const char *dir, const char *run,
                                const struct candidate *candidates, size_t count, int generation)
{
    enum error err = ERR_NONE;
    struct csv_rows rows = {0};
    struct table_context context = {.run = run};
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

enum error run_files_tables(const char *dir, const struct report *report)
{
    enum error err = ERR_NONE;
    struct csv_rows rows = {0};
    struct table_context context = {.run = report->run};

    table_header(&rows, &candidates_table);
    for (size_t i = 0; i < report->candidate_count; i++)
        if (attempt_ended(&report->candidates[i]))
            table_row(&rows, &candidates_table, &report->candidates[i], &context);
    TRY(write_text(dir, candidates_table.file, &rows.text));

    csv_free_rows(&rows);
    table_header(&rows, &generations_table);
    for (size_t i = 0; i < report->generation_count; i++)
        table_row(&rows, &generations_table, &report->generations[i], &context);
    TRY(write_text(dir, generations_table.file, &rows.text));

    csv_free_rows(&rows);
    table_header(&rows, &pareto_table);
    for (size_t i = 0; i < report->front_count; i++)
        table_row(&rows, &pareto_table, report->front[i], &context);
    TRY(write_text(dir, pareto_table.file, &rows.text));

    csv_free_rows(&rows);
    table_header(&rows, &operators_table);
    for (size_t i = 0; i < report->operator_count; i++)
        table_row(&rows, &operators_table, &report->operators[i], &context);
    TRY(write_text(dir, operators_table.file, &rows.text));
out:
    csv_free_rows(&rows);
    return err;
}

enum error run_files_report(const char *dir, const struct report *report)
{
    enum error err = ERR_NONE;
    struct text text = {0};
    report_markdown(&text, report);
    TRY(write_text(dir, "report.md", &text));
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
