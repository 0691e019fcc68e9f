/* The program as a user meets it: help, exit codes, one clear line for every mistake. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "pipeline/base/error.h"
#include "tests/clade_process.h"

static char directory[64];

static int set_up(void **state)
{
    (void)state;
    clade_directory(directory);
    clade_write_search(directory);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    clade_remove(directory);
    return 0;
}

static bool exists(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return access(path, F_OK) == 0;
}

static void test_help_and_version(void **state)
{
    (void)state;
    static const char *const commands[] = {"run",    "train", "describe",   "devices", "check",
                                           "status", "bench", "export-csv", "worker"};
    const struct clade_result *result = clade("--help");
    clade_assert_fine(result);
    assert_int_equal(strncmp(result->out, "Examples:\n", 10), 0);
    for (int code = 0; code < ERR_COUNT; code++)
        assert_non_null(strstr(result->out, error_text((enum error)code)));
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        result = clade("%s --help", commands[i]);
        clade_assert_fine(result);
        assert_int_equal(strncmp(result->out, "Examples:\n", 10), 0);
        assert_non_null(strstr(result->out, commands[i]));
        assert_string_equal(result->err, "");
    }
    result = clade("--version");
    assert_string_equal(result->out, "clade " CLADE_VERSION "\n");
}

static void test_mistakes_on_the_command_line(void **state)
{
    (void)state;
    static const struct {
        const char *line, *part;
    } cases[] = {
        {"", "clade --help"},
        {"rum", "did you mean 'run'?"},
        {"qqqqqqqq", "unknown command 'qqqqqqqq'"},
        {"run", "expected SEARCH.ini"},
        {"run a.ini b.ini", "unexpected 'b.ini'"},
        {"run a.ini --sett x", "did you mean --set?"},
        {"run a.ini -x", "unknown option -x"},
        {"run a.ini --out", "--out needs a value"},
        {"run --print-settings=yes", "--print-settings takes no value"},
        {"run /no/such.ini", "/no/such.ini"},
        {"run --resume /no/such", "/no/such"},
        {"run --resume /no/such --set search.seed=1", "--resume takes all settings"},
        {"run --print-settings --set search.sed=1", "seed"},
        {"run --print-settings --set search.seed", "section.key=value"},
        {"run --print-settings --set search.population=0", "search.population = 0"},
        {"run --print-settings --set search.sample=200", "search.sample = 200"},
        {"describe", "expected GENOME"},
        {"describe NC8k3:relu-FC64:relu", "RC"},
        {"describe --format json RC8k3:relu-RC8k3:relu-FC64:relu", "text or csv"},
        {"describe --shape 28x28 RC8k3:relu-RC8k3:relu-FC64:relu", "HEIGHTxWIDTHxCHANNELS"},
        {"describe --classes 0 RC8k3:relu-RC8k3:relu-FC64:relu", "from 1 to 256"},
        {"describe --classes 2x RC8k3:relu-RC8k3:relu-FC64:relu", "whole number"},
        {"train RC0k3:relu-RC8k3:relu-FC64:relu", "column"},
        {"train --epochs 0 RC8k3:relu-RC8k3:relu-FC64:relu", "--epochs: training.epochs = 0"},
        {"train --conv fast RC8k3:relu-RC8k3:relu-FC64:relu", "devices.conv = fast"},
        {"train --device 9 RC8k3:relu-RC8k3:relu-FC64:relu", "--device: devices.use = 9"},
        {"tune --batch 0", "--batch: training.batch = 0"},
        {"run --print-settings --until 25:00", "--until: deadline.until = 25:00"},
        {"run inputs/searches/quick.ini --out=", "--out '': expected a path"},
        {"devices --set devices.use=tpu", "devices.use = tpu"},
        {"status", "expected DIR"},
        {"status /no/such", "no run in this directory"},
        {"export-csv /no/such --out /tmp/x", "no run in this directory"},
        {"export-csv /no/such", "--out DIR"},
        {"worker /tmp --supervisor 1", "'clade run' starts"},
        {"worker /tmp --part 2 --parts 2", "parts count from 0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        clade_assert_refused(clade("%s", cases[i].line), ERR_USAGE, cases[i].part);
}

static void test_absurd_genomes(void **state)
{
    (void)state;
    static char text[5000] = "describe ";
    const struct clade_result *result;
    size_t length = strlen(text);
    while (length < 4000)
        text[length++] = 'N';
    result = clade("%s", text);
    assert_int_equal(result->status, 2);
    assert_true(strlen(result->err) < 300);
    clade_assert_refused(clade("describe RC8k3:relu-RC512k3:relu-FC64:relu"), ERR_USAGE, "511");
    clade_assert_refused(clade("describe RC8k3:relu-RC8k3:rely-FC64:relu"), ERR_USAGE,
                         "activation");
    clade_assert_refused(clade("describe RC8k3:relu-RC8k3:relu-FC64:relux"), ERR_USAGE, "column");
}

static void test_describe(void **state)
{
    (void)state;
    static const struct {
        const char *genome, *parameters;
    } cases[] = {
        {"NC32k3:relu-RC64k3:relu-NC64k3:relu-RC128k3:relu-NC64k3:relu-FC64:relu", "208202"},
        {"NC32k3:relu-RC32k3:relu-RC64k3:relu-NC48k3:relu-FC64:relu", "59546"},
        {"RC16k5:tanh-NC32k3:sigmoid-NC32k1:relu-RC64k3:swish-NC128k3:gelu-FC64:relu", "107370"},
        {"RC64k3:relu-NC128k3:relu-RC256k3:relu-NC256k3:relu-NC256k3:relu-FC64:relu", "1566922"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct clade_result *result = clade("describe %s", cases[i].genome);
        clade_assert_fine(result);
        assert_non_null(strstr(result->out, cases[i].parameters));
        assert_non_null(strstr(result->out, cases[i].genome));
    }
    const struct clade_result *result =
        clade("describe --format csv --shape 9x5x3 --classes 4 RC8k3:relu-RC16k1:gelu-FC64:tanh");
    assert_string_equal(
        result->out, "genome,layer,output_height,output_width,output_channels,parameters,macs\r\n"
                     "\"RC8k3:relu-RC16k1:gelu-FC64:tanh\",\"RC8k3:relu\",5,3,8,224,3240\r\n"
                     "\"RC8k3:relu-RC16k1:gelu-FC64:tanh\",\"RC16k1:gelu\",3,2,16,144,768\r\n"
                     "\"RC8k3:relu-RC16k1:gelu-FC64:tanh\",\"average pooling\",1,1,16,0,0\r\n"
                     "\"RC8k3:relu-RC16k1:gelu-FC64:tanh\",\"FC64:tanh\",1,1,64,1088,1024\r\n"
                     "\"RC8k3:relu-RC16k1:gelu-FC64:tanh\",\"classes\",1,1,4,260,256\r\n");
}

static void test_print_settings_is_valid_input(void **state)
{
    (void)state;
    static char first[CLADE_OUTPUT_SIZE];
    const struct clade_result *result =
        clade("run --print-settings %s/search.ini --set search.seed=77", directory);
    clade_assert_fine(result);
    assert_non_null(strstr(result->out, "; --set"));
    assert_non_null(strstr(result->out, "search.ini:8")); /* validation_images */
    strcpy(first, result->out);
    clade_write_text(directory, "printed.ini", first);
    result = clade("run --print-settings %s/printed.ini", directory);
    clade_assert_fine(result);
    /* The same values; only the origins differ. */
    char *a = first, *b = (char *)(uintptr_t)result->out;
    while (*a != '\0' && *b != '\0') {
        size_t length_a = strcspn(a, ";\n"), length_b = strcspn(b, ";\n");
        assert_int_equal(length_a, length_b);
        assert_memory_equal(a, b, length_a);
        a += strcspn(a, "\n") + 1;
        b += strcspn(b, "\n") + 1;
    }
    assert_true(*a == *b);
}

static void test_check(void **state)
{
    (void)state;
    const struct clade_result *result =
        clade("check %s/search.ini --samples 2 --seconds 0.1 --format csv", directory);
    clade_assert_fine(result);
    assert_int_equal(strncmp(result->out, "check,status,value,unit,detail\r\n", 32), 0);
    double predicted;
    assert_non_null(strstr(result->out, "\"self-test\",\"ok\","));
    const char *time = strstr(result->out, "\"time\",\"ok\",");
    assert_non_null(time);
    assert_int_equal(sscanf(time, "\"time\",\"ok\",%lf,\"s\"", &predicted), 1);
    assert_true(predicted > 0);
    result = clade("check %s/search.ini --samples 2 --seconds 0.1 --set search.cycles=0 "
                   "--search-budget 2s --format csv",
                   directory);
    clade_assert_fine(result);
    time = strstr(result->out, "\"search time\",\"ok\",");
    assert_non_null(time);
    assert_int_equal(sscanf(time, "\"search time\",\"ok\",%lf,\"s\"", &predicted), 1);
    assert_float_equal(predicted, 2, 1e-6);
    /* The baseline's search takes as long again, within what the run has. */
    result = clade("check %s/search.ini --samples 2 --seconds 0.1 --set search.cycles=0 "
                   "--set confirm.baseline=random --search-budget 2s --budget 2h --format csv",
                   directory);
    clade_assert_fine(result);
    assert_non_null(strstr(result->out, "\"search time\",\"ok\",4.0"));
    result = clade("check %s/search.ini --samples 2 --seconds 0.1 --set confirm.epochs=10000 "
                   "--budget 1s --format csv",
                   directory);
    clade_assert_fine(result);
    assert_non_null(strstr(result->out, "\"time\",\"warning\",1.0"));
    assert_non_null(strstr(result->out, "confirm alone takes longer"));
    clade_assert_refused(clade("check %s/search.ini --set space.max_parameters=10", directory),
                         ERR_USAGE, "space");
    clade_assert_refused(clade("check %s/search.ini --set data.dir=/no/such", directory), ERR_DATA,
                         "/no/such");
    clade_assert_refused(clade("check %s/search.ini --samples 1", directory), ERR_USAGE,
                         "from 2 to 64");
}

static void test_bench(void **state)
{
    (void)state;
    char genome[128];
    long long parameters;
    double images_per_s, gflops, peak;
    const struct clade_result *result =
        clade("bench --genome RC8k3:relu-RC16k3:relu-FC64:relu --batch 4096 --seconds 0.1 "
              "--format csv --set devices.slots=1 --genome "
              "RC511k7:relu-NC511k7:relu-NC511k7:relu-NC511k7:relu-RC511k7:relu-FC64:relu "
              "--genome RC8k3:relu-RC8k3:relu-FC64:relu");
    clade_assert_fine(result);
    assert_int_equal(
        strncmp(result->out, "genome,parameters,batch,images_per_s,gflops,peak_gflops,", 56), 0);
    const char *row = strchr(result->out, '\n') + 1;
    assert_int_equal(sscanf(row, "\"%127[^\"]\",%lld,4096,%lf,%lf,%lf,1,", genome, &parameters,
                            &images_per_s, &gflops, &peak),
                     5);
    assert_string_equal(genome, "RC8k3:relu-RC16k3:relu-FC64:relu");
    assert_int_equal(parameters, 2986);
    assert_true(images_per_s > 0 && gflops > 0 && peak > gflops);
    result = clade("bench --pack 3 --genome RC8k3:relu-RC16k3:relu-FC64:relu --batch 16 --seconds "
                   "0.1 --format csv --set devices.slots=1");
    clade_assert_fine(result);
    assert_non_null(strstr(result->out, ",\"ok\",3\r\n"));
    result = clade("bench --ops --pack 3 --genome RC8k3:relu-RC16k3:relu-FC64:relu --batch 16 "
                   "--seconds 0.1 --format csv --set devices.slots=1");
    clade_assert_fine(result);
    clade_assert_refused(clade("bench --pack 17"), ERR_USAGE, "devices.pack");
    clade_assert_refused(clade("bench --genome RC8k3:relu"), ERR_USAGE, "column");
    clade_assert_refused(clade("bench --seconds 0"), ERR_USAGE, "--seconds 0");
}

/* The only child of a process, the same one for six seconds: longer than devices are looked for. */
static pid_t lasting_child(pid_t parent)
{
    char path[64];
    pid_t last = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
    for (int same = 0, tries = 0; same < 60; tries++) {
        int child = 0;
        assert_true(tries < 600);
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
        FILE *file = fopen(path, "r");
        assert_non_null(file);
        if (fscanf(file, "%d", &child) != 1)
            child = 0;
        fclose(file);
        same = child > 0 && child == last ? same + 1 : 0;
        last = child;
    }
    return last;
}

/* It is told at once, and nothing is waited for. */
static void test_bench_without_its_slot(void **state)
{
    (void)state;
    pid_t pid = clade_start("bench --genome RC8k3:relu-RC16k3:relu-FC64:relu --batch 16 --no-tune "
                            "--seconds 200 --set devices.slots=1");
    assert_int_equal(kill(lasting_child(pid), SIGKILL), 0);
    assert_int_equal(clade_wait(pid, 15), error_exit_code(ERR_DEVICE));
}

static void test_bench_operations(void **state)
{
    (void)state;
    const struct clade_result *result = clade(
        "bench --ops --genome RC8k3:relu-RC16k5:tanh-FC64:relu --batch 8 --seconds 0.1 "
        "--format csv --set devices.slots=1 --genome "
        "RC511k7:relu-NC511k7:relu-NC511k7:relu-NC511k7:relu-RC511k7:relu-FC64:relu --batch 4096");
    clade_assert_fine(result);
    assert_int_equal(
        strncmp(result->out, "genome,batch,operation,layer,gene,duration_s,time_share,", 56), 0);
    int rows = 0;
    double longest = 1e30, shares = 0, whole = 0, sum = 0;
    for (const char *row = strchr(result->out, '\n') + 1; *row != '\0';
         row = strchr(row, '\n') + 1) {
        char operation[32], layer[8] = "", gene[32] = "";
        double seconds, share;
        if (strstr(row, "RC511k7") == row + 1) {
            assert_non_null(strstr(row, ",,,,,"));
            assert_non_null(strstr(row, "\"too_big\""));
            continue;
        }
        const char *at = strstr(row, ",4096,\"") + 7;
        int length = (int)strcspn(at, "\"");
        snprintf(operation, sizeof operation, "%.*s", length, at);
        at += length + 2;
        length = (int)strcspn(at, ",");
        snprintf(layer, sizeof layer, "%.*s", length, at);
        at += length + 1;
        length = (int)strcspn(at, ",");
        snprintf(gene, sizeof gene, "%.*s", length, at);
        assert_int_equal(sscanf(at + length + 1, "%lf,%lf", &seconds, &share), 2);
        if (strcmp(layer, "2") == 0)
            assert_string_equal(gene, "\"RC16k5:tanh\"");
        if (strcmp(operation, "step") == 0) {
            whole = seconds;
            assert_string_equal(layer, "");
            break;
        }
        assert_true(seconds <= longest && seconds > 0);
        longest = seconds;
        sum += seconds;
        shares += share;
        rows++;
    }
    /* batch, head, optimizer; two layers; no first dx; norms forward and back */
    assert_int_equal(rows, 3 + 2 + 2 + 1 + 2 * 2);
    assert_true(shares > 0.999 && shares < 1.001);
    assert_true(sum > 0.999 * whole && sum < 1.001 * whole);
    assert_non_null(strstr(result->out, "\"norm_gradient\",2,\"RC16k5:tanh\""));
    result = clade("bench --ops --genome RC8k3:relu-RC16k5:tanh-FC64:relu --batch 8 --seconds 0.1 "
                   "--format csv --set devices.slots=1 --set training.norm=none");
    clade_assert_fine(result);
    assert_null(strstr(result->out, "norm"));
}

static void test_full_disk_is_an_error(void **state)
{
    (void)state;
    char command[2048];
    snprintf(command, sizeof command,
             "%s describe RC8k3:relu-RC8k3:relu-FC64:relu > /dev/full 2> "
             "%s/err",
             CLADE_BINARY, directory);
    int status = system(command);
    assert_int_equal(WEXITSTATUS(status), error_exit_code(ERR_OUTPUT));
}

/* ---- devices ---- */

static void test_devices(void **state)
{
    (void)state;
    const struct clade_result *result = clade("devices --format csv --set devices.slots=3");
    clade_assert_fine(result);
    assert_non_null(strstr(result->out, "platform_index,device_index,platform,device,type,"));
    assert_non_null(strstr(result->out, "\r\n0,0,"));
    assert_non_null(strstr(result->out, ",3,"));
    result = clade("devices --self-test --format csv");
    clade_assert_fine(result);
    assert_non_null(strstr(result->out, ",\"passed\"\r\n"));
    clade_assert_refused(
        clade("train --device 7.7 --set data.dir=%s RC8k3:relu-RC8k3:relu-FC64:relu", directory),
        ERR_DATA, directory); /* data come first */
    clade_assert_refused(clade("train --device 7.7 --settings %s/search.ini "
                               "RC8k3:relu-RC8k3:relu-FC64:relu",
                               directory),
                         ERR_NO_DEVICE, "7.7");
}

static void test_no_driver(void **state)
{
    (void)state;
    char empty[128];
    snprintf(empty, sizeof empty, "%s/no_drivers", directory);
    assert_int_equal(mkdir(empty, 0777), 0);
    setenv("OCL_ICD_VENDORS", empty, 1);
    const struct clade_result *result = clade("devices");
    assert_int_equal(result->status, error_exit_code(ERR_NO_DEVICE));
    assert_non_null(strstr(result->err, "pocl-opencl-icd"));
    clade_assert_run_refused(clade("run %s/search.ini --out %s/run", directory, directory),
                             ERR_NO_DEVICE, "no OpenCL device");
    unsetenv("OCL_ICD_VENDORS");
    assert_false(exists("run"));
}

static void test_bad_data_leaves_nothing(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s/train-images", directory);
    struct stat whole;
    assert_int_equal(stat(path, &whole), 0);
    assert_int_equal(truncate(path, whole.st_size - 1), 0);
    clade_assert_run_refused(clade("run %s/search.ini --out %s/run", directory, directory),
                             ERR_DATA, "train-images");
    assert_int_equal(truncate(path, 0), 0);
    clade_assert_run_refused(clade("run %s/search.ini --out %s/run", directory, directory),
                             ERR_DATA, "train-images");
    assert_int_equal(unlink(path), 0);
    clade_assert_run_refused(clade("run %s/search.ini --out %s/run", directory, directory),
                             ERR_DATA, "train-images");
    clade_assert_run_refused(
        clade("run %s/search.ini --set data.dir=/no/such --out %s/run", directory, directory),
        ERR_DATA, "/no/such");
    assert_false(exists("run"));
}

static void test_bad_settings_leave_nothing(void **state)
{
    (void)state;
    clade_assert_run_refused(
        clade("run %s/search.ini --set space.max_parameters=10 --out %s/run", directory, directory),
        ERR_USAGE, "space");
    clade_assert_run_refused(
        clade("run %s/search.ini --set data.validation_images=300 --out %s/run", directory,
              directory),
        ERR_USAGE, "300");
    clade_assert_run_refused(
        clade("run %s/search.ini --set devices.use=5.0 --out %s/run", directory, directory),
        ERR_NO_DEVICE, "5.0");
    assert_false(exists("run"));
}

static void test_output_that_cannot_be_made(void **state)
{
    (void)state;
    clade_assert_run_refused(
        clade("run %s/search.ini --out %s/search.ini/run", directory, directory), ERR_OUTPUT,
        "search.ini");
    clade_assert_run_refused(clade("run %s/search.ini --out /proc/clade/run", directory),
                             ERR_OUTPUT, "/proc/clade");
    clade_assert_run_refused(clade("run %s/search.ini --out %s/search.ini", directory, directory),
                             ERR_USAGE, "search.ini");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_help_and_version),
        CASE(test_mistakes_on_the_command_line),
        CASE(test_absurd_genomes),
        CASE(test_describe),
        CASE(test_print_settings_is_valid_input),
        CASE(test_check),
        CASE(test_bench),
        CASE(test_bench_without_its_slot),
        CASE(test_bench_operations),
        CASE(test_full_disk_is_an_error),
        CASE(test_devices),
        CASE(test_no_driver),
        CASE(test_bad_data_leaves_nothing),
        CASE(test_bad_settings_leave_nothing),
        CASE(test_output_that_cannot_be_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
