/* chain.c: posts from the host thread to itself: a chain, each callback posting the next, and a heap
 * of posts made at once and then run; in processor time.
 *
 * In a process with a second thread each system call costs more, since the kernel then counts the use of
 * fds. So drive THREAD is set against a libuv that has a second thread too, which sleeps.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "loop.h"

struct chain {
    struct loop *loop;
    struct loop_call link;
    size_t left;
};

static void on_chain(void *data)
{
    struct chain *chain = data;
    if (--chain->left == 0)
        chain->loop->ops->stop(chain->loop);
    else
        chain->loop->ops->post(chain->loop, &chain->link);
}

static void on_heap(void *data)
{
    struct chain *chain = data;
    if (--chain->left == 0)
        chain->loop->ops->stop(chain->loop);
}

static void run_posts(const struct loop_ops *ops, void (*fn)(void *), size_t posts, size_t at_once, double *metrics_out)
{
    struct chain chain = {.loop = ops->open(), .left = posts};
    chain.link = (struct loop_call){fn, &chain};
    uint64_t began = bench_spent();
    for (size_t i = 0; i < at_once; i++)
        ops->post(chain.loop, &chain.link);
    ops->run(chain.loop);
    metrics_out[0] = (double)(bench_spent() - began) / (double)posts;
    ops->close(chain.loop);
}

static void *sleep_until_the_end(void *end)
{
    while (sem_wait(end) < 0)
        if (errno != EINTR)
            bench_die("sem_wait", NULL);
    return NULL;
}

static void beside_a_thread(void (*run)(const void *, double *), const void *setup, double *metrics_out)
{
    sem_t end;
    pthread_t thread;
    SYS(sem_init(&end, 0, 0));
    PTHREAD(pthread_create(&thread, NULL, sleep_until_the_end, &end));
    run(setup, metrics_out);
    SYS(sem_post(&end));
    PTHREAD(pthread_join(thread, NULL));
    sem_destroy(&end);
}

static void run_chain(const void *setup, double *metrics_out)
{
    run_posts(setup, on_chain, bench_size(300000, 5000), 1, metrics_out);
}

static void run_heap(const void *setup, double *metrics_out)
{
    size_t posts = bench_size(1000000, 10000);
    run_posts(setup, on_heap, posts, posts, metrics_out);
}

static void run_chain_beside_a_thread(const void *setup, double *metrics_out)
{
    beside_a_thread(run_chain, setup, metrics_out);
}

static void run_heap_beside_a_thread(const void *setup, double *metrics_out)
{
    beside_a_thread(run_heap, setup, metrics_out);
}

/* `goal`: against the list with idle and check, which takes no lock. */
static void compare(const char *what, double goal, void (*run)(const void *, double *),
                    void (*run_beside_a_thread)(const void *, double *))
{
    enum { ASYNC, SOON, SOON_BESIDE, FD, CONDVAR };
    const struct bench_side sides[] = {
        [ASYNC] = {"libuv async", run, &loop_uv},
        [SOON] = {"libuv idle and check", run, &loop_uv_soon},
        [SOON_BESIDE] = {"libuv idle and check, two threads", run_beside_a_thread, &loop_uv_soon},
        [FD] = {"guest", run, &loop_guest_poll},
        [CONDVAR] = {"guest", run, &loop_guest_condvar},
    };
    char work[2][96];
    snprintf(work[0], sizeof work[0], "%s, drive FD", what);
    snprintf(work[1], sizeof work[1], "%s, drive THREAD", what);
    const struct bench_row rows[] = {
        {work[0], ASYNC, FD, 0, UNIT_EACH, 1.0, false},
        {work[0], SOON, FD, 0, UNIT_EACH, goal, false},
        {work[1], SOON_BESIDE, CONDVAR, 0, UNIT_EACH, goal, false},
    };
    bench_compare(sides, COUNT_OF(sides), rows, COUNT_OF(rows), 5);
}

void bench_chain(void)
{
    compare("chain of posts on the host thread", 1.0, run_chain, run_chain_beside_a_thread);
    compare("a million posts of the host thread at once", 1.2, run_heap, run_heap_beside_a_thread);
}
