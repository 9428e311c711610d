/* fds.c: many fds registered, few of them active.
 *
 * The host itself makes `active` eventfds ready (one write each), the loop finds them, each callback
 * reads its own; the last one of a round starts the next. The active ones are always the same, spread
 * over all of them: what wandering would cost is the kernel's cache, not the loop's. The cost holds the
 * write and the read, which are the same for all sides. A loop that has the thread to itself never sleeps
 * here and is measured in processor time; with an I/O thread, the time on the wall counts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bench.h"
#include "loop.h"

enum { WALL, SPENT };

struct shape {
    const struct loop_ops *ops;
    size_t registered;
    size_t active;
};

struct crowd {
    struct loop *loop;
    const struct shape *shape;
    struct watched {
        struct loop_call call;
        struct crowd *crowd;
        int fd;
    } *watched;
    size_t pending; /* of this round */
    size_t events;  /* in all */
    size_t left;    /* events until the end */
    uint64_t began; /* on the wall */
    uint64_t ended;
    uint64_t spent; /* by the process: first at the beginning, in the end since then */
};

static void start_round(struct crowd *crowd)
{
    size_t active = crowd->shape->active, stride = crowd->shape->registered / active;
    crowd->pending = active;
    for (size_t i = 0; i < active; i++) {
        uint64_t one = 1;
        bench_write(crowd->watched[i * stride].fd, &one, sizeof one);
    }
}

static void on_ready(void *data)
{
    struct watched *watched = data;
    struct crowd *crowd = watched->crowd;
    uint64_t value;
    /* Not before: libuv registers its fds when it first runs. */
    if (crowd->left == crowd->events) {
        crowd->began = bench_now();
        crowd->spent = bench_spent();
    }
    bench_read(watched->fd, &value, sizeof value);
    if (--crowd->left == 0) {
        crowd->ended = bench_now();
        crowd->spent = bench_spent() - crowd->spent;
        crowd->loop->ops->stop(crowd->loop);
    } else if (--crowd->pending == 0) {
        start_round(crowd);
    }
}

static void run_crowd(const void *setup, double *metrics_out)
{
    const struct shape *shape = setup;
    struct crowd crowd = {.shape = shape, .loop = shape->ops->open()};
    crowd.watched = calloc(shape->registered, sizeof *crowd.watched);
    if (crowd.watched == NULL)
        bench_die("calloc", NULL);
    for (size_t i = 0; i < shape->registered; i++) {
        struct watched *watched = &crowd.watched[i];
        SYS(watched->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
        watched->crowd = &crowd;
        watched->call = (struct loop_call){on_ready, watched};
        shape->ops->watch(crowd.loop, watched->fd, &watched->call);
    }
    crowd.events = crowd.left = bench_size(20000, 1000) / shape->active * shape->active;
    start_round(&crowd);
    shape->ops->run(crowd.loop);
    metrics_out[WALL] = (double)(crowd.ended - crowd.began) / (double)crowd.events;
    metrics_out[SPENT] = (double)crowd.spent / (double)crowd.events;
    shape->ops->close(crowd.loop);
    for (size_t i = 0; i < shape->registered; i++)
        close(crowd.watched[i].fd);
    free(crowd.watched);
}

static void compare(size_t registered, size_t active)
{
    const struct shape shapes[] = {
        {&loop_uv, registered, active},
        {&loop_guest_poll, registered, active},
        {&loop_uv_condvar, registered, active},
        {&loop_guest_condvar, registered, active},
    };
    const struct bench_side sides[] = {
        {"libuv", run_crowd, &shapes[0]},
        {"guest", run_crowd, &shapes[1]},
        {"libuv on a thread", run_crowd, &shapes[2]},
        {"guest", run_crowd, &shapes[3]},
    };
    char work[2][96];
    snprintf(work[0], sizeof work[0], "fd event, %zu of %zu active, drive FD", active, registered);
    snprintf(work[1], sizeof work[1], "fd event, %zu of %zu active, drive THREAD", active, registered);
    const struct bench_row rows[] = {
        {work[0], 0, 1, SPENT, UNIT_EACH, 1.0, false},
        {work[1], 2, 3, WALL, UNIT_EACH, 1.0, false},
    };
    bench_compare(sides, COUNT_OF(sides), rows, COUNT_OF(rows), 5);
}

/* The same events out of 100 and out of 10 000: what one more registered fd costs. */
static void compare_growth(void)
{
    enum { ACTIVE = 16 };
    const struct shape shapes[] = {
        {&loop_guest_poll, 100, ACTIVE},
        {&loop_guest_poll, 10000, ACTIVE},
        {&loop_guest_condvar, 100, ACTIVE},
        {&loop_guest_condvar, 10000, ACTIVE},
    };
    const struct bench_side sides[] = {
        {"guest, 100 fds", run_crowd, &shapes[0]},
        {"guest", run_crowd, &shapes[1]},
        {"guest, 100 fds", run_crowd, &shapes[2]},
        {"guest", run_crowd, &shapes[3]},
    };
    const struct bench_row rows[] = {
        {"growth from 100 to 10 000 fds, 16 active, drive FD", 0, 1, SPENT, UNIT_EACH, 1.1, false},
        {"growth from 100 to 10 000 fds, 16 active, drive THREAD", 2, 3, SPENT, UNIT_EACH, 1.1, false},
    };
    bench_compare(sides, COUNT_OF(sides), rows, COUNT_OF(rows), 5);
}

void bench_fds(void)
{
    static const size_t shapes[][2] = {
        {1, 1}, {100, 1}, {100, 4}, {100, 16}, {10000, 1}, {10000, 4}, {10000, 16},
    };
    for (size_t i = 0; i < COUNT_OF(shapes); i++)
        compare(shapes[i][0], shapes[i][1]);
    compare_growth();
}
