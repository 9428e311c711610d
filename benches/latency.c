/* latency.c: how long a sleeping host takes to run the callback of an fd.
 *
 * A second thread pauses for 200 to 500 us, long enough for the host to fall asleep, notes the time and
 * writes one byte. The callback reads it and notes the time. The writer pauses anew when the answer, a
 * counter in memory, has come.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "loop.h"

enum { WARM_UP = 50, MOST_SAMPLES = 1000 };

struct wakes {
    struct loop *loop;
    int fds[2]; /* the writer's end, the host's end */
    size_t samples;
    atomic_ulong asked_at;
    atomic_size_t answered;
    double nanoseconds[MOST_SAMPLES];
};

static void sleep_for(uint64_t nanoseconds)
{
    struct timespec pause = {0, (long)nanoseconds};
    nanosleep(&pause, NULL);
}

static void *write_now_and_then(void *data)
{
    struct wakes *wakes = data;
    uint32_t random = 1;
    for (size_t i = 0; i < WARM_UP + wakes->samples; i++) {
        sleep_for(200000 + bench_random(&random) % 300000);
        atomic_store(&wakes->asked_at, bench_now());
        bench_write(wakes->fds[0], "x", 1);
        while (atomic_load(&wakes->answered) <= i)
            sleep_for(20000);
    }
    return NULL;
}

static void on_byte(void *data)
{
    struct wakes *wakes = data;
    char byte;
    bench_read(wakes->fds[1], &byte, 1);
    double taken = (double)(bench_now() - atomic_load(&wakes->asked_at));
    size_t count = atomic_load(&wakes->answered);
    if (count >= WARM_UP)
        wakes->nanoseconds[count - WARM_UP] = taken;
    atomic_store(&wakes->answered, count + 1);
    if (count + 1 == WARM_UP + wakes->samples)
        wakes->loop->ops->stop(wakes->loop);
}

static void run_wakes(const void *setup, double *metrics_out)
{
    const struct loop_ops *ops = setup;
    struct wakes wakes = {.samples = bench_size(MOST_SAMPLES, 20)};
    SYS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, wakes.fds));
    wakes.loop = ops->open();
    struct loop_call call = {on_byte, &wakes};
    ops->watch(wakes.loop, wakes.fds[1], &call);
    pthread_t writer;
    PTHREAD(pthread_create(&writer, NULL, write_now_and_then, &wakes));
    ops->run(wakes.loop);
    PTHREAD(pthread_join(writer, NULL));
    ops->close(wakes.loop);
    close(wakes.fds[0]);
    close(wakes.fds[1]);
    metrics_out[0] = bench_percentile(wakes.nanoseconds, wakes.samples, 0.5);
    metrics_out[1] = bench_percentile(wakes.nanoseconds, wakes.samples, 0.99);
}

void bench_latency(void)
{
    enum { EPOLL, UV, UV_CONDVAR, UV_EVENTFD, FD_POLL, FD_EPOLL, RUN, CONDVAR, EVENTFD };
    const struct bench_side sides[] = {
        [EPOLL] = {"bare epoll", run_wakes, &loop_epoll},
        [UV] = {"libuv", run_wakes, &loop_uv},
        [UV_CONDVAR] = {"libuv on a thread", run_wakes, &loop_uv_condvar},
        [UV_EVENTFD] = {"libuv on a thread", run_wakes, &loop_uv_eventfd},
        [FD_POLL] = {"guest", run_wakes, &loop_guest_poll},
        [FD_EPOLL] = {"guest", run_wakes, &loop_guest_epoll},
        [RUN] = {"guest", run_wakes, &loop_guest_run},
        [CONDVAR] = {"guest", run_wakes, &loop_guest_condvar},
        [EVENTFD] = {"guest", run_wakes, &loop_guest_eventfd},
    };
#define ROWS(what, peer, own, goal)                                                                                    \
    {"wake latency, " what ", p50", peer, own, 0, UNIT_LATENCY, goal, false},                                          \
    {                                                                                                                  \
        "wake latency, " what ", p99", peer, own, 1, UNIT_LATENCY, goal, false                                         \
    }
    const struct bench_row rows[] = {
        ROWS("drive FD in a poll host", EPOLL, FD_POLL, 1.1),
        ROWS("drive FD in an epoll host", EPOLL, FD_EPOLL, 1.1),
        ROWS("drive FD in a poll host", UV, FD_POLL, 1.0),
        ROWS("guest_run", UV, RUN, 1.0),
        ROWS("drive THREAD, queue with condition variable", UV_CONDVAR, CONDVAR, 1.5),
        ROWS("drive THREAD, queue with eventfd", UV_EVENTFD, EVENTFD, 1.5),
    };
#undef ROWS
    bench_compare(sides, COUNT_OF(sides), rows, COUNT_OF(rows), 7);
}
