/* bench.c: rounds, statistics and the table. */
#include "bench.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { HANG_SECONDS = 120 };

struct bench_options bench_options;

size_t bench_size(size_t full, size_t quick)
{
    return bench_options.quick ? quick : full;
}

void bench_die(const char *what, const char *why)
{
    fprintf(stderr, "bench: %s: %s\n", what, why != NULL ? why : strerror(errno));
    exit(1);
}

static uint64_t read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t bench_now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t bench_spent(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

uint32_t bench_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_percentile(double *values, size_t count, double p)
{
    qsort(values, count, sizeof *values, compare_doubles);
    size_t at = (size_t)(p * (double)count);
    return values[at < count ? at : count - 1];
}

double bench_median(const double *values, size_t count)
{
    double sorted[count];
    memcpy(sorted, values, sizeof sorted);
    qsort(sorted, count, sizeof *sorted, compare_doubles);
    return count % 2 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

void bench_read(int fd, void *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = read(fd, (char *)bytes + done, size - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            bench_die("a side ended without a result", "see above");
        done += (size_t)got;
    }
}

void bench_write(int fd, const void *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t put = write(fd, (const char *)bytes + done, size - done);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            bench_die("write", NULL);
        done += (size_t)put;
    }
}

pid_t bench_fork(void (*body)(const void *argument, int pipe_fd), const void *argument, int *pipe_out)
{
    int ends[2];
    SYS(pipe(ends));
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        bench_die("fork", NULL);
    if (pid == 0) {
        close(ends[0]);
        SYS(prctl(PR_SET_PDEATHSIG, SIGKILL));
        alarm(HANG_SECONDS);
        body(argument, ends[1]);
        fflush(NULL);
        _exit(0);
    }
    close(ends[1]);
    *pipe_out = ends[0];
    return pid;
}

static int wait_for(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            bench_die("waitpid", NULL);
    return status;
}

void bench_reap(pid_t pid)
{
    wait_for(pid);
}

void bench_join(pid_t pid)
{
    int status = wait_for(pid);
    if (WIFSIGNALED(status))
        bench_die("a side was ended by", strsignal(WTERMSIG(status)));
    if (WEXITSTATUS(status) != 0)
        bench_die("a side failed", "see above");
}

static void run_side(const void *argument, int pipe_fd)
{
    const struct bench_side *side = argument;
    double metrics[BENCH_METRICS] = {0};
    side->run(side->setup, metrics);
    bench_write(pipe_fd, metrics, sizeof metrics);
}

static void format(char *text, size_t size, enum bench_unit unit, double value)
{
    switch (unit) {
    case UNIT_EACH:
        snprintf(text, size, value < 9999.5 ? "%.0f ns (%.2f M/s)" : "%.0f ns (%.3f M/s)", value,
                 value > 0 ? 1e3 / value : 0);
        break;
    case UNIT_LATENCY:
        snprintf(text, size, "%.1f us", value / 1e3);
        break;
    case UNIT_BYTES:
        snprintf(text, size, "%.0f B", value);
        break;
    case UNIT_PLAIN:
        snprintf(text, size, "%g", value);
        break;
    }
}

void bench_print_row(const struct bench_row *row, const char *peer_name, double peer, double own, const double *ratios,
                     size_t ratio_count)
{
    char peer_text[64], own_text[64], ratio_text[64] = "-";
    format(peer_text, sizeof peer_text, row->unit, peer);
    format(own_text, sizeof own_text, row->unit, own);
    double verdict = own;
    if (!row->absolute) {
        double sorted[ratio_count];
        memcpy(sorted, ratios, sizeof sorted);
        verdict = bench_median(ratios, ratio_count);
        double low = bench_percentile(sorted, ratio_count, 0.25);
        double high = bench_percentile(sorted, ratio_count, 0.75);
        snprintf(ratio_text, sizeof ratio_text, "%.2f (%.2f-%.2f)", verdict, low, high);
    }
    printf("| %s | %s %s | %s | %s | <= %g | %s |\n", row->work, peer_name, peer_text, own_text, ratio_text, row->goal,
           verdict <= row->goal ? "yes" : "**no**");
    fflush(stdout);
}

void bench_compare_together(const struct bench_side *sides, size_t side_count, const struct bench_row *rows,
                            size_t row_count, unsigned rounds,
                            void (*measure)(const struct bench_side *sides, size_t side_count,
                                            double (*figures_out)[BENCH_METRICS]))
{
    if (bench_options.rounds > 0)
        rounds = bench_options.rounds;
    if (bench_options.quick)
        rounds = 1;
    double (*figures)[side_count][BENCH_METRICS] = calloc(rounds, sizeof *figures);
    if (figures == NULL)
        bench_die("calloc", NULL);
    for (unsigned round = 0; round < rounds; round++)
        measure(sides, side_count, figures[round]);

    for (const struct bench_row *row = rows; row < rows + row_count; row++) {
        double peer[rounds], own[rounds], ratios[rounds];
        for (unsigned round = 0; round < rounds; round++) {
            peer[round] = figures[round][row->peer][row->metric];
            own[round] = figures[round][row->own][row->metric];
            ratios[round] = own[round] / peer[round];
        }
        bench_print_row(row, sides[row->peer].name, bench_median(peer, rounds), bench_median(own, rounds), ratios,
                        rounds);
    }
    free(figures);
}

/* Each round begins with another side than the one before. */
static void measure_in_turn(const struct bench_side *sides, size_t side_count, double (*figures_out)[BENCH_METRICS])
{
    static unsigned round;
    for (size_t turn = 0; turn < side_count; turn++) {
        size_t side = (turn + round) % side_count;
        int results;
        pid_t pid = bench_fork(run_side, &sides[side], &results);
        bench_read(results, figures_out[side], sizeof figures_out[side]);
        close(results);
        bench_join(pid);
    }
    round++;
}

void bench_compare(const struct bench_side *sides, size_t side_count, const struct bench_row *rows, size_t row_count,
                   unsigned rounds)
{
    bench_compare_together(sides, side_count, rows, row_count, rounds, measure_in_turn);
}
