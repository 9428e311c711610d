/* bench.h: comparisons. Several sides do the same work in turn, and each row of the table sets one
 * of our sides against a peer's.
 *
 * Every figure is a cost (time, bytes, wake-ups): less is better, and a ratio below 1 is ours. A
 * sample runs in a process of its own, so that no side inherits another's heap, fds or threads. The
 * sides take turns, A B C, B C A, ..., and a ratio is taken inside each round before the median over
 * the rounds, so that a machine that is busy for a while slows both terms. No time is ever asserted.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "asyncguest.h"

#define BENCH_METRICS 4
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

enum bench_unit {
    UNIT_EACH,    /* nanoseconds for one of many; also printed as how many in a second */
    UNIT_LATENCY, /* nanoseconds, printed as microseconds */
    UNIT_BYTES,
    UNIT_PLAIN
};

/* One contestant. `run` does the work once and writes what it cost, in up to BENCH_METRICS figures. */
struct bench_side {
    const char *name;
    void (*run)(const void *setup, double *metrics_out);
    const void *setup;
};

/* One line of the table: the figure `metric` of sides[own] against that of sides[peer]. */
struct bench_row {
    const char *work;
    size_t peer;
    size_t own;
    size_t metric;
    enum bench_unit unit;
    double goal; /* the ratio wanted at most; with `absolute`, the figure wanted at most */
    bool absolute;
};

/* What the command line asks for. */
struct bench_options {
    bool quick;
    unsigned rounds; /* 0: each comparison's own number */
};
extern struct bench_options bench_options;

/* `full`, or `quick` in a smoke run. */
size_t bench_size(size_t full, size_t quick);

/* Measures all sides in turn for `rounds` rounds (one in a smoke run) and prints the rows. */
void bench_compare(const struct bench_side *sides, size_t side_count, const struct bench_row *rows, size_t row_count,
                   unsigned rounds);

/* The same for sides that are measured together: `measure` writes what each has cost in one round. */
void bench_compare_together(const struct bench_side *sides, size_t side_count, const struct bench_row *rows,
                            size_t row_count, unsigned rounds,
                            void (*measure)(const struct bench_side *sides, size_t side_count,
                                            double (*figures_out)[BENCH_METRICS]));

/* Prints one finished row. */
void bench_print_row(const struct bench_row *row, const char *peer_name, double peer, double own, const double *ratios,
                     size_t ratio_count);

/* Starts `body` in a process of its own, with a pipe to write to. If it hangs it is ended after two
 * minutes, or when its parent is. */
pid_t bench_fork(void (*body)(const void *argument, int pipe_fd), const void *argument, int *pipe_out);
void bench_read(int fd, void *bytes, size_t size);
void bench_write(int fd, const void *bytes, size_t size);
/* Waits until it has ended: well, or at all. */
void bench_join(pid_t pid);
void bench_reap(pid_t pid);

uint64_t bench_now(void);
/* The processor time of this process: for work that never sleeps, so that other programs do not count. */
uint64_t bench_spent(void);
/* Sorts `values` and returns the value below which the share `p` of them lies. */
double bench_percentile(double *values, size_t count, double p);
double bench_median(const double *values, size_t count);
/* A small fixed random sequence, the same for all sides. */
uint32_t bench_random(uint32_t *state);

_Noreturn void bench_die(const char *what, const char *why);

/* For system calls, which set errno. */
#define SYS(call)                                                                                                      \
    do {                                                                                                               \
        if ((call) < 0)                                                                                                \
            bench_die(#call, NULL);                                                                                    \
    } while (0)
/* For pthread functions, which return an error number. */
#define PTHREAD(call)                                                                                                  \
    do {                                                                                                               \
        int pthread_error_ = (call);                                                                                   \
        if (pthread_error_ != 0)                                                                                       \
            bench_die(#call, strerror(pthread_error_));                                                                \
    } while (0)
#define GUEST(call)                                                                                                    \
    do {                                                                                                               \
        guest_status_t guest_status_ = (call);                                                                         \
        if (guest_status_ != GUEST_OK)                                                                                 \
            bench_die(#call, guest_status_name(guest_status_));                                                        \
    } while (0)
#define UV(call)                                                                                                       \
    do {                                                                                                               \
        int uv_status_ = (call);                                                                                       \
        if (uv_status_ < 0)                                                                                            \
            bench_die(#call, uv_strerror(uv_status_));                                                                 \
    } while (0)

/* The comparisons, one file each. */
void bench_wakes(void);
void bench_latency(void);
void bench_timers(void);
void bench_fds(void);
void bench_memory(void);
void bench_idle(void);
void bench_chain(void);
void bench_streams(void);
void bench_sockets(void);
void bench_away(void);

#endif
