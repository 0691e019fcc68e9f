#include "outputs/report_markdown.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "outputs/report_text.h"

enum { MATRIX_CLASSES_MAX = 20, CONFUSIONS_SHOWN = 10, FRONT_SHOWN = 30 };

static void write_head(struct text *out, const struct report *report)
{
    const struct candidate *best = report->best;
    const struct confirmation *winner = report->winner;
    text_append(out, "# Best genome of run ");
    report_put_outside(out, report->run);
    text_append(out, "\n\n");
    if (report->ended < search_cycles(&report->settings->search) && !report->search_ended) {
        text_append(out, "The search is not finished: ");
        report_put_ended(out, report);
        text_append(out, ".\n\n");
    }
    if (best == NULL) {
        text_append(out, "No candidate has a score yet, so there is no best genome. "
                         "`candidates.csv` has every attempt with its status.\n\n");
        return;
    }
    report_put_genome(out, &best->genome);
    text_append(out, "\n\n| | |\n|---|---|\n");
    if (winner != NULL) {
        text_printf(out, "| test accuracy | **%.4f** (95 %% interval %.4f to %.4f, %u images) |\n",
                    winner->test_accuracy, report->test_interval.low, report->test_interval.high,
                    winner->test_images);
        if (report->replicates > 1)
            text_printf(out, "| test accuracy over %d seeds | mean %.4f, %.4f to %.4f |\n",
                        report->replicates, report->test_mean, report->test_lowest,
                        report->test_highest);
        text_printf(
            out, "| validation accuracy | %.4f after %d epochs; %.4f after %d in the search |\n",
            winner->validation_accuracy, winner->epochs, best->validation_accuracy, best->epochs);
    } else {
        text_append(out, report->first != NULL ? "| test accuracy | not tested yet |\n"
                                               : "| test accuracy | not confirmed yet |\n");
        text_printf(out, "| validation accuracy | %.4f after %d epochs in the search |\n",
                    best->validation_accuracy, best->epochs);
    }
    text_append(out, "| parameters | ");
    report_put_count(out, best->cost.parameters);
    text_append(out, " |\n| multiply-accumulates | ");
    report_put_count(out, best->cost.macs);
    text_printf(out, " an image |\n| candidate | c%06" PRId64 ", generation %d |\n\n", best->id,
                best->generation);
    if (winner != NULL)
        text_append(out,
                    report->replicates > 1
                        ? "The test images were met once a seed, when the last training had ended. "
                          "The seed with the highest validation accuracy stands for the genome; "
                          "the test images did not choose it.\n\n"
                        : "The test images were met once, when the last training had ended.\n\n");
}

static void write_layers(struct text *out, const struct report *report)
{
    const struct genome *genome = &report->best->genome;
    const struct image_shape *shape = &report->shape;
    text_append(out, "## Layers\n\n"
                     "| layer | output (height x width x channels) | parameters | "
                     "multiply-accumulates |\n|---|---|--:|--:|\n");
    text_printf(out, "| input | %dx%dx%d | 0 | 0 |\n", shape->height, shape->width,
                shape->channels);
    for (int i = 0; i < genome->layer_count + 3; i++) {
        struct layer_cost cost = genome_layer_cost(genome, shape, i);
        if (i < genome->layer_count) {
            const struct layer *layer = &genome->layers[i];
            text_printf(out, "| convolution %dx%d, stride %d, %s ", layer->kernel, layer->kernel,
                        layer->kind == LAYER_REDUCTION ? 2 : 1, activation_name(layer->activation));
        } else if (i == genome->layer_count) {
            text_append(out, "| global average pooling ");
        } else if (i == genome->layer_count + 1) {
            text_printf(out, "| dense, %s ", activation_name(genome->head));
        } else {
            text_append(out, "| dense, one unit a class ");
        }
        text_printf(out, "| %dx%dx%d | ", cost.height, cost.width, cost.channels);
        report_put_count(out, cost.parameters);
        text_append(out, " | ");
        report_put_count(out, cost.macs);
        text_append(out, " |\n");
    }
    text_append(out, "| **total** | | **");
    report_put_count(out, report->best->cost.parameters);
    text_append(out, "** | **");
    report_put_count(out, report->best->cost.macs);
    text_append(out, "** |\n\n");
}

static void write_classes(struct text *out, const struct report *report)
{
    text_append(out, "## Classes\n\nOn the test images, with the 95 % interval.\n\n"
                     "| class | images | right | accuracy | interval | most often taken for |\n"
                     "|---|--:|--:|--:|---|---|\n");
    for (int c = 0; c < report->winner->classes; c++) {
        const struct class_score *score = &report->classes[c];
        text_append(out, "| ");
        report_put_class(out, report, c);
        text_printf(out, " | %u | %u | ", score->images, score->correct);
        report_put_number(out, "%.4f", score->accuracy);
        text_append(out, " | ");
        report_put_number(out, "%.4f to ", score->interval.low);
        report_put_number(out, "%.4f", score->interval.high);
        text_append(out, " | ");
        if (score->confused_with < 0)
            text_append(out, "-");
        else
            report_put_class(out, report, score->confused_with);
        text_append(out, " |\n");
    }
    text_append(out, "\n");
}

static void write_matrix(struct text *out, const struct report *report)
{
    int classes = report->winner->classes;
    text_append(out, "## Confusion matrix\n\n"
                     "Rows are true classes, columns what the network said.\n\n| |");
    for (int p = 0; p < classes; p++) {
        text_append(out, " ");
        report_put_class(out, report, p);
        text_append(out, " |");
    }
    text_append(out, "\n|---|");
    for (int p = 0; p < classes; p++)
        text_append(out, "--:|");
    text_append(out, "\n");
    for (int c = 0; c < classes; c++) {
        text_append(out, "| **");
        report_put_class(out, report, c);
        text_append(out, "** |");
        for (int p = 0; p < classes; p++)
            text_printf(out, c == p ? " **%u** |" : " %u |",
                        report->winner->confusion[c * classes + p]);
        text_append(out, "\n");
    }
    text_append(out, "\n");
}

/* For more classes than a page is wide: the pairs most often confused. */
static void write_confusions(struct text *out, const struct report *report)
{
    int classes = report->winner->classes;
    const uint32_t *confusion = report->winner->confusion;
    int64_t before = INT64_MAX; /* the key of the pair printed last; keys fall */
    text_printf(out,
                "## Confusions\n\nThe %d most frequent of %d classes.\n\n"
                "| true | said | images |\n|---|---|--:|\n",
                CONFUSIONS_SHOWN, classes);
    for (int shown = 0; shown < CONFUSIONS_SHOWN; shown++) {
        int64_t best = -1; /* count first, then the earlier pair */
        int place = -1;
        for (int i = 0; i < classes * classes; i++) {
            int64_t key = ((int64_t)confusion[i] << 20) + (classes * classes - i);
            if (i % (classes + 1) != 0 && confusion[i] > 0 && key < before && key > best) {
                best = key;
                place = i;
            }
        }
        if (place < 0)
            break;
        text_append(out, "| ");
        report_put_class(out, report, place / classes);
        text_append(out, " | ");
        report_put_class(out, report, place % classes);
        text_printf(out, " | %u |\n", confusion[place]);
        before = best;
    }
    text_append(out, "\n");
}

static void write_comparison(struct text *out, const struct report *report)
{
    const struct candidate *best = report->best, *first = report->first_best;
    if (first == NULL)
        return;
    text_append(out, "## Against the best of generation 0\n\n");
    if (first == best) {
        text_append(out, "The best genome is a random one of generation 0: the search has not "
                         "improved on it.\n\n");
        return;
    }
    text_append(out, "| | best | best of generation 0 |\n|---|--:|--:|\n");
    text_printf(out, "| candidate | c%06" PRId64 " | c%06" PRId64 " |\n", best->id, first->id);
    text_printf(out, "| validation accuracy | %.4f | %.4f |\n| parameters | ",
                best->validation_accuracy, first->validation_accuracy);
    report_put_count(out, best->cost.parameters);
    text_append(out, " | ");
    report_put_count(out, first->cost.parameters);
    text_append(out, " |\n| multiply-accumulates | ");
    report_put_count(out, best->cost.macs);
    text_append(out, " | ");
    report_put_count(out, first->cost.macs);
    text_append(out, " |\n| genome | ");
    report_put_genome(out, &best->genome);
    text_append(out, " | ");
    report_put_genome(out, &first->genome);
    text_printf(out,
                " |\n\nThe difference in validation accuracy is %+.4f (95 %% interval %+.4f to "
                "%+.4f), with %.2f times the parameters. Both were picked as the best of many on "
                "the same %d validation images, so both are flattered.\n\n",
                report->gain, report->gain_interval.low, report->gain_interval.high,
                report->parameter_ratio, report->settings->data.validation_images);
}

static void write_lineage(struct text *out, const struct report *report)
{
    text_append(out, "## Lineage\n\nFrom the random ancestor to the best genome.\n\n"
                     "| candidate | generation | operator | validation accuracy | parameters | "
                     "genome |\n|---|--:|---|--:|--:|---|\n");
    for (size_t i = report->lineage_count; i-- > 0;) {
        const struct candidate *step = report->lineage[i];
        text_printf(out, "| c%06" PRId64 " | %d | %s | ", step->id, step->generation,
                    step->operator_name);
        report_put_number(out, "%.4f",
                          step->status == CANDIDATE_DONE ? step->validation_accuracy : NAN);
        text_append(out, " | ");
        report_put_count(out, step->cost.parameters);
        text_append(out, " | ");
        report_put_genome(out, &step->genome);
        text_append(out, " |\n");
    }
    text_append(out, "\n");
}

static void write_front(struct text *out, const struct report *report)
{
    const struct int_list *costs = &report->settings->search.costs;
    text_append(out, "## Accuracy against size\n\n"
                     "The Pareto front: no other candidate is at least as accurate with as few ");
    for (int i = 0; i < costs->count; i++)
        text_printf(out, "%s%s", i > 0 ? " and " : "", cost_name((enum cost_kind)costs->values[i]));
    if (report->front_count > FRONT_SHOWN)
        text_printf(out, " (the last %d of %zu; `pareto.csv` has all)", FRONT_SHOWN,
                    report->front_count);
    text_append(out, ".\n\n| candidate | parameters | multiply-accumulates | validation accuracy | "
                     "genome |\n|---|--:|--:|--:|---|\n");
    size_t from = report->front_count > FRONT_SHOWN ? report->front_count - FRONT_SHOWN : 0;
    for (size_t i = from; i < report->front_count; i++) {
        const struct candidate *candidate = report->front[i];
        text_printf(out, "| c%06" PRId64 " | ", candidate->id);
        report_put_count(out, candidate->cost.parameters);
        text_append(out, " | ");
        report_put_count(out, candidate->cost.macs);
        text_printf(out, " | %.4f | ", candidate->validation_accuracy);
        report_put_genome(out, &candidate->genome);
        text_append(out, " |\n");
    }
    text_append(out, "\n");
}

static void write_totals(struct text *out, const struct report *report)
{
    text_printf(out, "## Totals\n\n| | |\n|---|--:|\n| candidates with a score | %d |\n",
                report->evaluated);
    for (int status = 0; status < CANDIDATE_STATUS_COUNT; status++)
        if (status != CANDIDATE_DONE && report->attempts[status] > 0)
            text_printf(out, "| attempts %s | %d |\n",
                        candidate_status_name((enum candidate_status)status),
                        report->attempts[status]);
    text_printf(out, "| generations | %zu |\n| search, first start to last end | ",
                report->generation_count);
    report_put_duration(out, report->elapsed_s);
    text_append(out, " |\n| search, summed over the workers | ");
    report_put_duration(out, report->busy_s);
    text_append(out, " |\n| confirmation, summed | ");
    report_put_duration(out, report->confirm_s);
    text_append(out, " |\n| training images | ");
    report_put_count(out, (int64_t)report->trained_images);
    text_append(out, " |\n| training images/s, all workers | ");
    report_put_number(out, "%.0f", report->images_per_s);
    text_append(out, " |\n\n");
}

static void write_devices(struct text *out, const struct report *report)
{
    text_append(out, "## Devices\n\n| device | workers | attempts | failed | busy, summed | "
                     "images/s a worker |\n|---|--:|--:|--:|--:|--:|\n");
    for (size_t i = 0; i < report->device_count; i++) {
        const struct device_usage *device = &report->devices[i];
        text_append(out, "| ");
        report_put_outside(out, device->name);
        text_printf(out, " | %d | %d | %d | ", device->workers, device->attempts, device->failed);
        report_put_duration(out, device->busy_s);
        text_append(out, " | ");
        report_put_number(out, "%.0f", device->images_per_s);
        text_append(out, " |\n");
    }
    text_append(out, "\n");
}

static void write_versions(struct text *out, const struct report *report)
{
    if (report->device_count == 0)
        return;
    text_append(out, "| device | platform | platform version | driver version | device version |\n"
                     "|---|---|---|---|---|\n");
    for (size_t i = 0; i < report->device_count; i++) {
        const struct device_usage *device = &report->devices[i];
        const char *const texts[] = {device->name, device->platform, device->platform_version,
                                     device->driver_version, device->device_version};
        for (size_t j = 0; j < sizeof texts / sizeof texts[0]; j++) {
            text_append(out, "| ");
            report_put_outside(out, texts[j]);
            text_append(out, " ");
        }
        text_append(out, "|\n");
    }
    text_append(out, "\n");
}

static void write_settings(struct text *out, const struct report *report)
{
    text_append(out, "## Settings and versions\n\n");
    write_versions(out, report);
    text_printf(out, "clade %s, with `settings.ini`:\n\n```ini\n", report->version);
    settings_print(out, report->settings, NULL);
    text_append(out, "```\n\n");
}

static void write_files(struct text *out)
{
    text_append(out,
                "## The other files\n\n"
                "- `candidates.csv`: every attempt; `generations/gen_0000.csv` and so on: the "
                "same, a generation a file.\n"
                "- `generations.csv`: best, mean, median and worst accuracy of each generation.\n"
                "- `pareto.csv`: the front above.\n"
                "- `operators.csv`: what each operator did; `finalists.csv`: what each finalist "
                "gave.\n"
                "- `best_genome.txt`: the genome alone; `clade describe` and `clade train` take "
                "it.\n"
                "- `settings.ini`: every setting as it was; `clade run settings.ini` repeats the "
                "run.\n"
                "- `log.txt`: what happened when. `store.sqlite`: everything, and what all other "
                "files are made from.\n\n"
                "The CSV files open in a spreadsheet as they are; clade's README says what each "
                "column means.\n");
}

void report_markdown(struct text *out, const struct report *report)
{
    write_head(out, report);
    report_put_finalists(out, report);
    if (report->best != NULL)
        write_layers(out, report);
    if (report->winner != NULL) {
        write_classes(out, report);
        if (report->winner->classes <= MATRIX_CLASSES_MAX)
            write_matrix(out, report);
        else
            write_confusions(out, report);
    }
    if (report->best != NULL) {
        write_comparison(out, report);
        write_lineage(out, report);
        write_front(out, report);
    }
    report_put_search(out, report);
    write_totals(out, report);
    write_devices(out, report);
    write_settings(out, report);
    write_files(out);
}
