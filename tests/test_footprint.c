/* What workers take of the machine's memory: the images once for all of them, and no more than
   clade check says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "pipeline/base/clock.h"
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
    unsetenv("CLADE_FAULT");
    clade_remove(directory);
    return 0;
}

/* What /proc/PID/smaps says of a process's mapping of the shared images. */
struct mapping {
    long rss_kb, pss_kb; /* pss: a page counts 1/n to each of n processes */
};

static bool read_mapping(struct mapping *mapping, pid_t pid)
{
    char path[64], line[512];
    bool inside = false;
    *mapping = (struct mapping){0};
    snprintf(path, sizeof path, "/proc/%d/smaps", (int)pid);
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (line[0] >= '0' && line[0] <= 'f' && strchr(line, '-') != NULL &&
            strchr(line, ':') > strchr(line, ' '))
            inside = strstr(line, "/memfd:clade-images") != NULL;
        if (inside) {
            sscanf(line, "Rss: %ld", &mapping->rss_kb);
            sscanf(line, "Pss: %ld", &mapping->pss_kb);
        }
    }
    if (file != NULL)
        fclose(file);
    return mapping->rss_kb > 0;
}

/* Both workers of a run, hanging with the images open. */
static void test_images_are_held_once(void **state)
{
    (void)state;
    pid_t workers[2];
    setenv("CLADE_FAULT", "hang:*", 1);
    pid_t pid =
        clade_start("run %s/search.ini --set devices.slots=2 --out %s/run", directory, directory);
    struct mapping one = {0}, two = {0};
    double end = clock_monotonic_s() + 200;
    while (one.rss_kb == 0 || one.rss_kb != two.rss_kb || one.pss_kb == one.rss_kb) {
        assert_true(clock_monotonic_s() < end);
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        if (clade_find_workers(workers, 2, directory) == 2)
            if (!read_mapping(&one, workers[0]) || !read_mapping(&two, workers[1]))
                one.rss_kb = 0;
    }
    assert_true(one.rss_kb >= 300 * 64 / 1024);
    assert_in_range(one.pss_kb, one.rss_kb / 2, one.rss_kb / 2 + 1);
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(clade_wait(pid, 20), error_exit_code(ERR_STOPPED));
}

/* The number in a row of `clade check --format csv`. */
static double checked(const char *row, const char *filters)
{
    char name[64];
    double value;
    const struct clade_result *result =
        clade("check %s/slice.ini --set space.filters=%s --samples 2 --seconds 0.05 --format csv",
              directory, filters);
    clade_assert_fine(result);
    snprintf(name, sizeof name, "\"%s\",\"ok\",", row);
    const char *at = strstr(result->out, name);
    if (at == NULL || sscanf(at + strlen(name), "%lf", &value) != 1)
        fail_msg("no %s in %s", row, result->out);
    return value;
}

static double peak_bytes(pid_t pid)
{
    char path[64], line[256];
    long kilobytes = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        sscanf(line, "VmHWM: %ld", &kilobytes);
    if (file != NULL)
        fclose(file);
    return 1024.0 * (double)kilobytes;
}

/* Of the only worker of a run, from its start to its end. */
static double worker_peak(const char *filters)
{
    double peak = 0;
    int status;
    pid_t worker, pid = clade_start("run %s/slice.ini --set space.filters=%s --out %s/%s",
                                    directory, filters, directory, filters);
    do {
        if (clade_find_workers(&worker, 1, directory) == 1)
            peak = fmax(peak, peak_bytes(worker));
        status = clade_wait(pid, 0.02);
    } while (status == -1);
    assert_int_equal(status, 0);
    return peak;
}

/* On Fashion-MNIST, in spaces of a single genome: a small one, and one with large tensors. */
static void test_check_predicts_a_worker(void **state)
{
    (void)state;
    static const char *const filters[] = {"8", "128"};
    clade_write_text(directory, "slice.ini",
                     "[space]\nmin_layers = 2\nmax_layers = 2\nkernels = 3\nactivations = relu\n"
                     "max_parameters = 0\nmax_macs = 0\n"
                     "[search]\npopulation = 1\nsample = 1\ncycles = 1\nin_flight = 1\n"
                     "[training]\nepochs = 1\nbatch = 256\ntrain_images = 1024\n"
                     "[devices]\nslots = 1\n[confirm]\nepochs = 1\ntrain_images = 1024\n");
    /* AddressSanitizer keeps what was freed for a while. */
    const char *old = getenv("ASAN_OPTIONS");
    char options[512];
    snprintf(options, sizeof options, "%s:quarantine_size_mb=1", old != NULL ? old : "");
    setenv("ASAN_OPTIONS", options, 1);
    double peaks[2];
    for (int i = 0; i < 2; i++) {
        double predicted = checked("worker memory", filters[i]);
        peaks[i] = worker_peak(filters[i]);
        print_message("%s filters: predicted %.1f MB, measured %.1f MB\n", filters[i],
                      predicted / 1e6, peaks[i] / 1e6);
        assert_true(fabs(predicted / peaks[i] - 1) <= 0.2);
    }
    assert_true(peaks[1] > peaks[0] + 50e6); /* the two are really different */
}

/* From here on this process and its children have no memfd_create(). The last test. */
static void forbid_memfd(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), /* the number of the system call */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_create, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    assert_int_equal(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    assert_int_equal(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

static void test_same_results_without_sharing(void **state)
{
    (void)state;
    clade_assert_fine(
        clade("run %s/search.ini --set search.cycles=3 --out %s/shared", directory, directory));
    forbid_memfd();
    clade_assert_fine(
        clade("run %s/search.ini --set search.cycles=3 --out %s/alone", directory, directory));
    char command[256], shared[128], alone[128];
    snprintf(shared, sizeof shared, "%s/shared", directory);
    snprintf(alone, sizeof alone, "%s/alone", directory);
    snprintf(command, sizeof command, "grep -q 'its own copy of the images' %s/log.txt", alone);
    assert_int_equal(system(command), 0);
    clade_assert_same_file(shared, alone, "best_genome.safetensors");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_images_are_held_once),
        CASE(test_check_predicts_a_worker),
        CASE(test_same_results_without_sharing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
