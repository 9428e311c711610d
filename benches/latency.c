/* latency.c: how long a sleeping host takes to run the callback of an fd.
 *
 * All sides are alive at once, each in a process of its own, asleep. One client wakes them one at a time, in an order that
 * is drawn anew for each round of wakes: it pauses for 200 to 500 us, notes the time and writes a byte. The callback
 * reads it, notes the time and sends that back. So what disturbs the machine meets every side alike.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "loop.h"

enum { WARM_UP = 50, MOST_SAMPLES = 1000 };

static const char WAKE = 'w', END = 'e';

struct sleeper {
    const struct loop_ops *ops;
    struct loop *loop;
    int fds[2]; /* the client's end, the host's end */
    pid_t pid;
    double *nanoseconds;
};

static void on_byte(void *data)
{
    struct sleeper *sleeper = data;
    char byte;
    bench_read(sleeper->fds[1], &byte, 1);
    uint64_t now = bench_now();
    if (byte == END)
        sleeper->ops->stop(sleeper->loop);
    else
        bench_write(sleeper->fds[1], &now, sizeof now);
}

static void sleep_and_serve(const void *argument, int unused)
{
    struct sleeper sleeper = *(const struct sleeper *)argument;
    close(unused);
    sleeper.loop = sleeper.ops->open();
    struct loop_call call = {on_byte, &sleeper};
    sleeper.ops->watch(sleeper.loop, sleeper.fds[1], &call);
    sleeper.ops->run(sleeper.loop);
    sleeper.ops->close(sleeper.loop);
}

static void start(struct sleeper *sleeper, const struct loop_ops *ops, size_t samples)
{
    *sleeper = (struct sleeper){.ops = ops, .nanoseconds = calloc(samples, sizeof(double))};
    if (sleeper->nanoseconds == NULL)
        bench_die("calloc", NULL);
    SYS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sleeper->fds));
    int unused;
    sleeper->pid = bench_fork(sleep_and_serve, sleeper, &unused);
    close(unused);
    close(sleeper->fds[1]);
}

static double wake(struct sleeper *sleeper, uint32_t *random)
{
    struct timespec pause = {0, 200000 + (long)(bench_random(random) % 300000)};
    nanosleep(&pause, NULL);
    uint64_t woken, asked = bench_now();
    bench_write(sleeper->fds[0], &WAKE, 1);
    bench_read(sleeper->fds[0], &woken, sizeof woken);
    return (double)(woken - asked);
}

static void stop(struct sleeper *sleeper)
{
    bench_write(sleeper->fds[0], &END, 1);
    bench_join(sleeper->pid);
    close(sleeper->fds[0]);
    free(sleeper->nanoseconds);
}

static void measure(const struct bench_side *sides, size_t side_count, double (*figures_out)[BENCH_METRICS])
{
    static uint32_t random = 1;
    size_t samples = bench_size(MOST_SAMPLES, 20), order[side_count];
    struct sleeper sleepers[side_count];
    for (size_t i = 0; i < side_count; i++) {
        start(&sleepers[i], sides[i].setup, samples);
        order[i] = i;
    }
    for (size_t sample = 0; sample < WARM_UP + samples; sample++) {
        for (size_t left = side_count; left > 0; left--) {
            size_t drawn = bench_random(&random) % left, side = order[drawn];
            order[drawn] = order[left - 1];
            order[left - 1] = side;
            double taken = wake(&sleepers[side], &random);
            if (sample >= WARM_UP)
                sleepers[side].nanoseconds[sample - WARM_UP] = taken;
        }
    }
    for (size_t i = 0; i < side_count; i++) {
        figures_out[i][0] = bench_percentile(sleepers[i].nanoseconds, samples, 0.5);
        figures_out[i][1] = bench_percentile(sleepers[i].nanoseconds, samples, 0.99);
        stop(&sleepers[i]);
    }
}

void bench_latency(void)
{
    enum { EPOLL, UV, UV_POLL, UV_CONDVAR, UV_EVENTFD, FD_POLL, FD_EPOLL, RUN, CONDVAR, EVENTFD };
    const struct bench_side sides[] = {
        [EPOLL] = {"bare epoll", NULL, &loop_epoll},
        [UV] = {"libuv", NULL, &loop_uv},
        [UV_POLL] = {"libuv by its backend fd", NULL, &loop_uv_poll},
        [UV_CONDVAR] = {"libuv on a thread", NULL, &loop_uv_condvar},
        [UV_EVENTFD] = {"libuv on a thread", NULL, &loop_uv_eventfd},
        [FD_POLL] = {"guest", NULL, &loop_guest_poll},
        [FD_EPOLL] = {"guest", NULL, &loop_guest_epoll},
        [RUN] = {"guest", NULL, &loop_guest_run},
        [CONDVAR] = {"guest", NULL, &loop_guest_condvar},
        [EVENTFD] = {"guest", NULL, &loop_guest_eventfd},
    };
#define ROWS(what, peer, own, goal)                                                                                    \
    {"wake latency, " what ", p50", peer, own, 0, UNIT_LATENCY, goal, false},                                          \
    {                                                                                                                  \
        "wake latency, " what ", p99", peer, own, 1, UNIT_LATENCY, goal, false                                         \
    }
    const struct bench_row rows[] = {
        ROWS("drive FD in a poll host", UV_POLL, FD_POLL, 1.0),
        ROWS("drive FD in a poll host", EPOLL, FD_POLL, 1.1),
        ROWS("drive FD in an epoll host", EPOLL, FD_EPOLL, 1.1),
        ROWS("guest_run", UV, RUN, 1.1),
        ROWS("drive THREAD, queue with condition variable", UV_CONDVAR, CONDVAR, 0.9),
        ROWS("drive THREAD, queue with eventfd", UV_EVENTFD, EVENTFD, 0.9),
    };
#undef ROWS
    bench_compare_together(sides, COUNT_OF(sides), rows, COUNT_OF(rows), 7, measure);
}
