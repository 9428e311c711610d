/* chain.c: posts from the host thread to itself: a chain, each callback posting the next, and a heap
 * of posts made at once and then run; in processor time.
 */
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
    if (--chain->left == 0) chain->loop->ops->stop(chain->loop);
}

static void run_posts(const struct loop_ops *ops, void (*fn)(void *), size_t posts, size_t at_once,
                      double *metrics_out)
{
    struct chain chain = {.loop = ops->open(), .left = posts};
    chain.link = (struct loop_call){fn, &chain};
    uint64_t began = bench_spent();
    for (size_t i = 0; i < at_once; i++) ops->post(chain.loop, &chain.link);
    ops->run(chain.loop);
    metrics_out[0] = (double)(bench_spent() - began) / (double)posts;
    ops->close(chain.loop);
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

static void compare(const char *const work[3], void (*run)(const void *, double *))
{
    enum { ASYNC, SOON, FD, CONDVAR };
    const struct bench_side sides[] = {
        [ASYNC] = {"libuv async", run, &loop_uv},
        [SOON] = {"libuv idle and check", run, &loop_uv_soon},
        [FD] = {"guest", run, &loop_guest_poll},
        [CONDVAR] = {"guest", run, &loop_guest_condvar},
    };
    const struct bench_row rows[] = {
        {work[0], ASYNC, FD, 0, UNIT_EACH, 1.0, false},
        {work[1], SOON, FD, 0, UNIT_EACH, 1.0, false},
        {work[2], SOON, CONDVAR, 0, UNIT_EACH, 1.0, false},
    };
    bench_compare(sides, COUNT_OF(sides), rows, COUNT_OF(rows), 5);
}

void bench_chain(void)
{
    compare((const char *const[]){"chain of posts on the host thread, drive FD",
                                  "chain of posts on the host thread, drive FD",
                                  "chain of posts on the host thread, drive THREAD"},
            run_chain);
    compare((const char *const[]){"a million posts of the host thread at once, drive FD",
                                  "a million posts of the host thread at once, drive FD",
                                  "a million posts of the host thread at once, drive THREAD"},
            run_heap);
}
