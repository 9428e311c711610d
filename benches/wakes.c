/* wakes.c: posts from another thread, one at a time (ping-pong) and as fast as it can (burst). */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "bench.h"
#include "loop.h"

enum { MOST_PRODUCERS = 4 };

struct traffic {
    struct loop *loop;
    size_t posts; /* of each producer */
    size_t producers;
    size_t taken; /* the host's */
    struct loop_call call;
    atomic_size_t answered;
};

/* Spins, since waking this thread would cost more than what is measured, but lets a host that was
 * put on the same processor have its turn. */
static void wait_for_answer(struct traffic *traffic, size_t wanted)
{
    for (unsigned turn = 1;; turn++) {
        if (atomic_load_explicit(&traffic->answered, memory_order_acquire) >= wanted) return;
        if (turn % 256 == 0) sched_yield();
    }
}

static void *ping(void *data)
{
    struct traffic *traffic = data;
    for (size_t i = 0; i < traffic->posts; i++) {
        traffic->loop->ops->post(traffic->loop, &traffic->call);
        wait_for_answer(traffic, i + 1);
    }
    return NULL;
}

static void *produce(void *data)
{
    struct traffic *traffic = data;
    for (size_t i = 0; i < traffic->posts; i++)
        traffic->loop->ops->post(traffic->loop, &traffic->call);
    return NULL;
}

static void on_post(void *data)
{
    struct traffic *traffic = data;
    if (++traffic->taken == traffic->posts * traffic->producers)
        traffic->loop->ops->stop(traffic->loop);
    atomic_store_explicit(&traffic->answered, traffic->taken, memory_order_release);
}

static void run_traffic(const struct loop_ops *ops, void *(*producer)(void *), size_t producers,
                        size_t posts, double *metrics_out)
{
    struct traffic traffic = {.loop = ops->open(), .posts = posts, .producers = producers};
    traffic.call = (struct loop_call){on_post, &traffic};
    pthread_t threads[MOST_PRODUCERS];
    uint64_t began = bench_now();
    for (size_t i = 0; i < producers; i++)
        PTHREAD(pthread_create(&threads[i], NULL, producer, &traffic));
    ops->run(traffic.loop);
    uint64_t ended = bench_now();
    for (size_t i = 0; i < producers; i++) PTHREAD(pthread_join(threads[i], NULL));
    ops->close(traffic.loop);
    metrics_out[0] = (double)(ended - began) / (double)(posts * producers);
}

static void run_ping_pong(const void *setup, double *metrics_out)
{
    run_traffic(setup, ping, 1, bench_size(20000, 200), metrics_out);
}

static void run_burst(const void *setup, double *metrics_out)
{
    run_traffic(setup, produce, 1, bench_size(1000000, 10000), metrics_out);
}

static void run_crowded_burst(const void *setup, double *metrics_out)
{
    run_traffic(setup, produce, MOST_PRODUCERS, bench_size(250000, 2500), metrics_out);
}

static void compare(const char *const work[4], void (*run)(const void *, double *))
{
    enum { UV, UV_CONDVAR, FD, RUN, CONDVAR };
    const struct bench_side sides[] = {
        [UV] = {"libuv", run, &loop_uv},
        [UV_CONDVAR] = {"libuv on a thread", run, &loop_uv_condvar},
        [FD] = {"guest", run, &loop_guest_poll},
        [RUN] = {"guest", run, &loop_guest_run},
        [CONDVAR] = {"guest", run, &loop_guest_condvar},
    };
    const struct bench_row rows[] = {
        {work[0], UV, FD, 0, UNIT_EACH, 1.0, false},
        {work[1], UV, RUN, 0, UNIT_EACH, 1.0, false},
        {work[2], UV_CONDVAR, CONDVAR, 0, UNIT_EACH, 1.0, false},
    };
    bench_compare(sides, COUNT_OF(sides), rows, COUNT_OF(rows), 7);
}

#define NAMES(what)                                                       \
    (const char *const[]){what ", drive FD in a poll host", what ", guest_run", \
                          what ", drive THREAD in a queue host", NULL}

void bench_wakes(void)
{
    compare(NAMES("wake by post and answer, one at a time"), run_ping_pong);
    compare(NAMES("post from 1 thread, as fast as it can"), run_burst);
    compare(NAMES("post from 4 threads, as fast as they can"), run_crowded_burst);
}
