/* wakes.c: posts from another thread, one at a time (ping-pong) and as fast as it can (burst).
 *
 * Measured on the wall; the bursts of one drive also in the processor time of all threads, which other
 * programs on the machine disturb less.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "loop.h"

enum { MOST_PRODUCERS = 4 };
enum { WALL, SPENT };

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
        if (atomic_load_explicit(&traffic->answered, memory_order_acquire) >= wanted)
            return;
        if (turn % 256 == 0)
            sched_yield();
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

static void run_traffic(const struct loop_ops *ops, void *(*producer)(void *), size_t producers, size_t posts,
                        double *metrics_out)
{
    struct traffic traffic = {.loop = ops->open(), .posts = posts, .producers = producers};
    traffic.call = (struct loop_call){on_post, &traffic};
    pthread_t threads[MOST_PRODUCERS];
    uint64_t began = bench_now(), spent = bench_spent();
    for (size_t i = 0; i < producers; i++)
        PTHREAD(pthread_create(&threads[i], NULL, producer, &traffic));
    ops->run(traffic.loop);
    uint64_t ended = bench_now();
    spent = bench_spent() - spent;
    for (size_t i = 0; i < producers; i++)
        PTHREAD(pthread_join(threads[i], NULL));
    ops->close(traffic.loop);
    metrics_out[WALL] = (double)(ended - began) / (double)(posts * producers);
    metrics_out[SPENT] = (double)spent / (double)(posts * producers);
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

static void compare(const char *what, void (*run)(const void *, double *), bool spins)
{
    enum { UV, UV_CONDVAR, FD, RUN, CONDVAR };
    const struct bench_side sides[] = {
        [UV] = {"libuv", run, &loop_uv},
        [UV_CONDVAR] = {"libuv on a thread", run, &loop_uv_condvar},
        [FD] = {"guest", run, &loop_guest_poll},
        [RUN] = {"guest", run, &loop_guest_run},
        [CONDVAR] = {"guest", run, &loop_guest_condvar},
    };
    static const char *const drives[] = {"drive FD in a poll host", "guest_run", "drive THREAD in a queue host",
                                         "drive FD, processor time"};
    char work[COUNT_OF(drives)][96];
    for (size_t i = 0; i < COUNT_OF(drives); i++)
        snprintf(work[i], sizeof work[i], "%s, %s", what, drives[i]);
    const struct bench_row rows[] = {
        {work[0], UV, FD, WALL, UNIT_EACH, 1.0, false},
        {work[1], UV, RUN, WALL, UNIT_EACH, 1.0, false},
        {work[2], UV_CONDVAR, CONDVAR, WALL, UNIT_EACH, 1.0, false},
        {work[3], UV, FD, SPENT, UNIT_EACH, 1.0, false},
    };
    /* What a spinning producer burns says nothing. */
    bench_compare(sides, COUNT_OF(sides), rows, COUNT_OF(rows) - (spins ? 1 : 0), 5);
}

void bench_wakes(void)
{
    compare("wake by post and answer, one at a time", run_ping_pong, true);
    compare("post from 1 thread, as fast as it can", run_burst, false);
    compare("post from 4 threads, as fast as they can", run_crowded_burst, false);
}
