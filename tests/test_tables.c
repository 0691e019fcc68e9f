/* outputs/tables: headers and cells of every table, read back. */
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

#include "outputs/tables.h"
#include "tests/csv_fixture.h"

/* Golden headers: columns keep order and meaning, new ones go at the end. */
static void headers_are_kept(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "schema,run,candidate,generation,attempt,status,genome,origin,operator,parent,layers,"
        "parameters,macs,epochs,train_images,seed,train_loss,validation_loss,"
        "validation_accuracy,device,worker,started_utc,duration_s,images_per_s,activations,"
        "redraws,earlier_trainings,earlier_accuracy,earlier_deviation,rung\r\n",
        "schema,run,generation,evaluated,failed,best_validation_accuracy,"
        "mean_validation_accuracy,median_validation_accuracy,worst_validation_accuracy,"
        "best_candidate,best_genome,best_parameters,elapsed_s\r\n",
        "schema,run,candidate,generation,genome,parameters,macs,validation_accuracy\r\n",
        "schema,run,operator,uses,failed,compared,better,better_share,better_share_low,"
        "better_share_high,accuracy_change,accuracy_change_low,accuracy_change_high,"
        "parameter_change,parameter_change_low,parameter_change_high\r\n",
        "schema,run,candidate,place,reason,band,genome,parameters,macs,search_accuracy,seeds,"
        "validation_accuracy,test_accuracy,test_accuracy_low,test_accuracy_high,"
        "test_accuracy_lowest,test_accuracy_highest,test_images,search\r\n",
        "schema,run,candidate,generation,attempt,status,genome,origin,operator,parent,layers,"
        "parameters,macs,epochs,train_images,seed,train_loss,validation_loss,"
        "validation_accuracy,device,worker,started_utc,duration_s,images_per_s,activations,"
        "redraws,earlier_trainings,earlier_accuracy,earlier_deviation,rung\r\n",
        "schema,run,rung,epochs,train_images,scored,promoted,pairs,spearman,spearman_p,kendall,"
        "kendall_p,off\r\n",
        "schema,run,device,workers,attempts,failed,busy_s,images_per_s,platform,platform_version,"
        "driver_version,device_version\r\n",
        "schema,run,stage,candidate,replicate,attempt,epoch,train_loss,train_accuracy,duration_s,"
        "images_per_s\r\n",
        "schema,run,started_utc,state,elapsed_s,busy_s,confirm_s,cycles,ended,evaluated,algorithm,"
        "objective,seed,data,devices,images_per_s,best_candidate,best_genome,best_parameters,"
        "best_macs,best_validation_accuracy,gain,test_accuracy,test_accuracy_low,"
        "test_accuracy_high,replicates,test_accuracy_mean,front,version,"
        "better_than_random,random_test_accuracy_mean\r\n",
        "schema,run,genome,replicate,seed,status,parameters,macs,validation_accuracy,"
        "validation_loss,duration_s\r\n",
    };
    size_t i = 0;
    for (; all_tables[i] != NULL; i++) {
        struct csv_rows rows = {0};
        table_header(&rows, all_tables[i]);
        assert_string_equal(rows.text.data, headers[i]);
        csv_free_rows(&rows);
    }
    assert_int_equal(i, sizeof headers / sizeof headers[0]);
}

static struct candidate example(void)
{
    struct candidate candidate = {.id = 123,
                                  .generation = 4,
                                  .attempt = 1,
                                  .status = CANDIDATE_DONE,
                                  .operator_name = "filters",
                                  .parent = 99,
                                  .redraws = 2,
                                  .earlier = 3,
                                  .earlier_mean = 0.905,
                                  .earlier_deviation = NAN,
                                  .cost = {59546, 5700000, 40000},
                                  .rung = 1,
                                  .epochs = 2,
                                  .train_images = 10000,
                                  .seed = UINT64_C(0xfedcba9876543210),
                                  .train_loss = 0.5,
                                  .validation_loss = 0.25,
                                  .validation_accuracy = 0.9125,
                                  .images_per_s = 1500.5,
                                  .device = "=cmd()",
                                  .worker = 1,
                                  .started_utc_us = 1769825700000000,
                                  .duration_s = 13.25};
    assert_int_equal(
        genome_parse(&candidate.genome, "NC32k3:relu-RC32k3:relu-RC64k3:gelu-FC64:relu"), ERR_NONE);
    return candidate;
}

static void writes_candidates(void **state)
{
    (void)state;
    struct table_context context = {.run = "night"};
    struct candidate candidate = example();
    struct csv_rows rows = {0};
    table_row(&rows, &candidates_table, &candidate, &context);
    assert_string_equal(rows.text.data,
                        "1,\"night\",\"c000123\",4,1,\"done\","
                        "\"NC32k3:relu-RC32k3:relu-RC64k3:gelu-FC64:relu\",\"mutation\","
                        "\"filters\",\"c000099\",3,59546,5700000,2,10000,"
                        "\"sfedcba9876543210\",0.500000,0.250000,0.912500,\"'=cmd()\",\"w01\","
                        "2026-01-31T02:15:00,13.250000,1500.500000,40000,2,3,0.905000,,1\r\n");
    csv_free_rows(&rows);

    /* Diverged, random: no score, no parent, but times. */
    candidate.status = CANDIDATE_DIVERGED;
    candidate.parent = -1;
    strcpy(candidate.operator_name, "random");
    candidate.train_loss = NAN;
    table_row(&rows, &candidates_table, &candidate, &context);
    struct parsed parsed = parse(&rows);
    assert_int_equal(parsed.cell_count, candidates_table.column_count);
    assert_string_equal(parsed.cells[5], "diverged");
    assert_string_equal(parsed.cells[7], "random");
    assert_string_equal(parsed.cells[9], "");
    for (int i = 16; i <= 18; i++)
        assert_string_equal(parsed.cells[i], "");
    assert_string_equal(parsed.cells[21], "2026-01-31T02:15:00");
    assert_string_equal(parsed.cells[22], "13.250000");
    assert_string_equal(parsed.cells[23], "");
    parsed_free(&parsed);
    csv_free_rows(&rows);

    /* Not started. */
    candidate.status = CANDIDATE_QUEUED;
    candidate.started_utc_us = 0;
    candidate.device[0] = '\0';
    table_row(&rows, &candidates_table, &candidate, &context);
    parsed = parse(&rows);
    for (int i = 19; i <= 23; i++)
        assert_string_equal(parsed.cells[i], "");
    parsed_free(&parsed);
    csv_free_rows(&rows);
}

/* What drivers say is text from outside, as their names are. */
static void writes_devices(void **state)
{
    (void)state;
    struct table_context context = {.run = "night"};
    struct device_usage device = {.name = "cpu",
                                  .workers = 2,
                                  .attempts = 9,
                                  .failed = 1,
                                  .busy_s = 2.5,
                                  .images_per_s = NAN,
                                  .platform = "=cmd()",
                                  .platform_version = "OpenCL 3.0, \"PoCL\"",
                                  .driver_version = "3.1"};
    struct csv_rows rows = {0};
    table_row(&rows, &devices_table, &device, &context);
    assert_string_equal(rows.text.data, "1,\"night\",\"cpu\",2,9,1,2.500000,,\"'=cmd()\","
                                        "\"OpenCL 3.0, \"\"PoCL\"\"\",\"'3.1\",\r\n");
    csv_free_rows(&rows);
}

static void writes_generations(void **state)
{
    (void)state;
    struct table_context context = {.run = "night"};
    struct candidate candidate = example();
    struct generation generation = {.number = 4,
                                    .evaluated = 24,
                                    .failed = 1,
                                    .best = 0.9125,
                                    .mean = 0.875,
                                    .median = 0.88,
                                    .worst = 0.1,
                                    .best_candidate = 123,
                                    .best_genome = candidate.genome,
                                    .best_cost = candidate.cost,
                                    .elapsed_s = 3600};
    struct csv_rows rows = {0};
    table_row(&rows, &generations_table, &generation, &context);
    assert_string_equal(rows.text.data,
                        "1,\"night\",4,24,1,0.912500,0.875000,0.880000,0.100000,\"c000123\","
                        "\"NC32k3:relu-RC32k3:relu-RC64k3:gelu-FC64:relu\",59546,"
                        "3600.000000\r\n");
    csv_free_rows(&rows);

    /* All failed. */
    generation.evaluated = 0;
    generation.best_candidate = -1;
    generation.best = generation.mean = generation.median = generation.worst = NAN;
    table_row(&rows, &generations_table, &generation, &context);
    assert_string_equal(rows.text.data, "1,\"night\",4,0,1,,,,,,,,3600.000000\r\n");
    csv_free_rows(&rows);
}

static void writes_the_front(void **state)
{
    (void)state;
    struct table_context context = {.run = "night"};
    struct candidate candidate = example();
    struct csv_rows rows = {0};
    table_row(&rows, &pareto_table, &candidate, &context);
    assert_string_equal(rows.text.data,
                        "1,\"night\",\"c000123\",4,"
                        "\"NC32k3:relu-RC32k3:relu-RC64k3:gelu-FC64:relu\",59546,5700000,"
                        "0.912500\r\n");
    csv_free_rows(&rows);
}

static void writes_operators(void **state)
{
    (void)state;
    struct table_context context = {.run = "night"};
    struct operator_credit credit = {
        .name = "filters",
        .uses = 12,
        .failed = 1,
        .compared = 10,
        .better = 4,
        .better_interval = {0.17, 0.69},
        .accuracy_change = {10, -0.004, 0.02, {-0.018, 0.0102}},
        .parameter_change = {10, 1500.5, 4000, {-1361, 4362}},
    };
    struct csv_rows rows = {0};
    table_row(&rows, &operators_table, &credit, &context);
    assert_string_equal(rows.text.data,
                        "1,\"night\",\"filters\",12,1,10,4,0.400000,0.170000,0.690000,-0.004000,"
                        "-0.018000,0.010200,1500.500000,-1361.000000,4362.000000\r\n");
    csv_free_rows(&rows);

    /* Random genomes have no parents. */
    struct interval none = {NAN, NAN};
    credit = (struct operator_credit){.name = "random",
                                      .uses = 20,
                                      .better_interval = none,
                                      .accuracy_change = {0, NAN, NAN, none},
                                      .parameter_change = {0, NAN, NAN, none}};
    table_row(&rows, &operators_table, &credit, &context);
    assert_string_equal(rows.text.data, "1,\"night\",\"random\",20,0,0,0,,,,,,,,,\r\n");
    csv_free_rows(&rows);
}

static void writes_rungs(void **state)
{
    (void)state;
    struct table_context context = {.run = "night"};
    struct rung_record rung = {.rung = 0,
                               .epochs = 1,
                               .train_images = 10000,
                               .scored = 40,
                               .promoted = 12,
                               .pairs = 11,
                               .spearman = {0.25, 0.5, 0.25},
                               .kendall = {0.125, 0.625, 0.125},
                               .off = true};
    struct csv_rows rows = {0};
    table_row(&rows, &rungs_table, &rung, &context);
    assert_string_equal(rows.text.data, "1,\"night\",0,1,10000,40,12,11,0.250000,0.500000,0.125000,"
                                        "0.625000,1\r\n");
    csv_free_rows(&rows);
    rung = (struct rung_record){.rung = 1,
                                .epochs = 3,
                                .scored = 2,
                                .spearman = {NAN, NAN, NAN},
                                .kendall = {NAN, NAN, NAN}};
    table_row(&rows, &rungs_table, &rung, &context);
    assert_string_equal(rows.text.data, "1,\"night\",1,3,0,2,0,0,,,,,0\r\n");
    csv_free_rows(&rows);
}

static void writes_finalists(void **state)
{
    (void)state;
    struct table_context context = {.run = "night"};
    struct candidate candidate = example();
    struct confirmation deployed = {.test_images = 10000};
    struct finalist finalist = {.candidate = &candidate,
                                .reason = FINALIST_BAND,
                                .band = 60000,
                                .trained = 2,
                                .deployed = &deployed,
                                .place = 1,
                                .validation_mean = 0.925,
                                .test = {2, 0.9125, 0.0035, {0.875, 0.95}},
                                .test_lowest = 0.91,
                                .test_highest = 0.915};
    struct csv_rows rows = {0};
    table_row(&rows, &finalists_table, &finalist, &context);
    assert_string_equal(
        rows.text.data,
        "1,\"night\",\"c000123\",1,\"band\",60000,"
        "\"NC32k3:relu-RC32k3:relu-RC64k3:gelu-FC64:relu\",59546,5700000,0.912500,2,"
        "0.925000,0.912500,0.875000,0.950000,0.910000,0.915000,10000,\"search\"\r\n");
    csv_free_rows(&rows);

    /* All its trainings failed. */
    finalist = (struct finalist){.candidate = &candidate,
                                 .baseline = true,
                                 .validation_mean = NAN,
                                 .test = {0, NAN, NAN, {NAN, NAN}},
                                 .test_lowest = NAN,
                                 .test_highest = NAN};
    table_row(&rows, &finalists_table, &finalist, &context);
    assert_string_equal(
        rows.text.data,
        "1,\"night\",\"c000123\",,\"best\",,"
        "\"NC32k3:relu-RC32k3:relu-RC64k3:gelu-FC64:relu\",59546,5700000,0.912500,0,"
        ",,,,,,,\"random\"\r\n");
    csv_free_rows(&rows);
}

static void writes_epochs(void **state)
{
    (void)state;
    struct table_context context = {.run = "night"};
    struct epoch_record epoch = {.confirm = true,
                                 .candidate = 7,
                                 .replicate = 2,
                                 .attempt = 1,
                                 .epoch = 3,
                                 .train_loss = 0.25,
                                 .train_accuracy = 0.9,
                                 .seconds = 1.5,
                                 .images_per_s = 1000};
    struct csv_rows rows = {0};
    table_row(&rows, &epochs_table, &epoch, &context);
    epoch.confirm = false; /* has no replicate */
    table_row(&rows, &epochs_table, &epoch, &context);
    assert_string_equal(rows.text.data,
                        "1,\"night\",\"confirm\",\"c000007\",2,1,3,0.250000,0.900000,1.500000,"
                        "1000.000000\r\n"
                        "1,\"night\",\"search\",\"c000007\",,1,3,0.250000,0.900000,1.500000,"
                        "1000.000000\r\n");
    csv_free_rows(&rows);
}

/* CSVW: every column in its place, and the dialect's marks. */
static void describes_columns_for_programs(void **state)
{
    (void)state;
    for (size_t t = 0; all_tables[t] != NULL; t++) {
        struct text text = {0};
        table_metadata(&text, all_tables[t], CSV_RFC4180);
        assert_non_null(strstr(text.data, "\"delimiter\": \",\""));
        assert_null(strstr(text.data, "decimalChar"));
        const char *at = text.data;
        for (size_t i = 0; i < all_tables[t]->column_count; i++) {
            char name[64];
            snprintf(name, sizeof name, "{\"name\": \"%s\"", all_tables[t]->columns[i].name);
            at = strstr(at, name);
            assert_non_null(at);
        }
        text_free(&text);
    }
    struct text text = {0};
    table_metadata(&text, &candidates_table, CSV_EXCEL_EU);
    assert_non_null(strstr(text.data, "\"delimiter\": \";\""));
    assert_non_null(strstr(text.data, "\"decimalChar\": \",\""));
    text_free(&text);
}

static void writes_scores(void **state)
{
    (void)state;
    struct table_context context = {.run = "night"};
    struct candidate candidate = example();
    struct score_record record = {&candidate, 2};
    struct csv_rows rows = {0};
    table_row(&rows, &scores_table, &record, &context);
    assert_string_equal(rows.text.data,
                        "1,\"night\",\"NC32k3:relu-RC32k3:relu-RC64k3:gelu-FC64:relu\",2,"
                        "\"sfedcba9876543210\",\"done\",59546,5700000,0.912500,0.250000,13.250000"
                        "\r\n");
    csv_free_rows(&rows);
    candidate.status = CANDIDATE_DIVERGED;
    table_row(&rows, &scores_table, &record, &context);
    assert_non_null(strstr(rows.text.data, "\"diverged\",59546,5700000,,,13.250000"));
    csv_free_rows(&rows);
}

static void column_names_are_plain(void **state)
{
    (void)state;
    for (size_t t = 0; all_tables[t] != NULL; t++)
        for (size_t i = 0; i < all_tables[t]->column_count; i++) {
            const struct column *column = &all_tables[t]->columns[i];
            assert_int_equal(strspn(column->name, "abcdefghijklmnopqrstuvwxyz0123456789_"),
                             strlen(column->name));
            assert_true(strlen(column->help) > 0);
            for (size_t j = 0; j < i; j++)
                assert_string_not_equal(column->name, all_tables[t]->columns[j].name);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_kept),   cmocka_unit_test(writes_candidates),
        cmocka_unit_test(writes_generations), cmocka_unit_test(writes_devices),
        cmocka_unit_test(writes_the_front),   cmocka_unit_test(writes_operators),
        cmocka_unit_test(writes_rungs),       cmocka_unit_test(writes_finalists),
        cmocka_unit_test(writes_epochs),      cmocka_unit_test(describes_columns_for_programs),
        cmocka_unit_test(writes_scores),      cmocka_unit_test(column_names_are_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
