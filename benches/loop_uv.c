/* loop_uv.c: libuv, in its own loop, in a host's poll, and as a lodger in a queue host.
 *
 * As a lodger it is run the way Electron runs it: a thread waits on the backend fd, with the backend's
 * timeout, posts to the host, and waits for the semaphore until the host has run the loop once without
 * waiting. The thread waits on the backend fd directly, one layer less than Electron's own epoll set.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <uv.h>

#include "bench.h"
#include "loop.h"
#include "queue_host.h"

struct item {
    struct loop_call *call;
    struct item *next;
};

struct handle {
    union {
        uv_poll_t poll;
        uv_timer_t timer;
    } uv;
    struct loop_call *call;
    struct handle *next;
};

struct uv_loop {
    struct loop base;
    uv_loop_t uv;
    struct handle *handles;
    bool stopped;

    pthread_mutex_t lock; /* guards the list below where other threads post */
    struct item *first;
    struct item **last;
    uv_async_t async;
    uv_check_t check;
    uv_idle_t idle;

    struct queue_host host;
    pthread_t poller;
    sem_t turn;
    atomic_bool ending;
};

static void append(struct uv_loop *loop, struct item *item)
{
    *loop->last = item;
    loop->last = &item->next;
}

static struct item *take_all(struct uv_loop *loop)
{
    struct item *items = loop->first;
    loop->first = NULL;
    loop->last = &loop->first;
    return items;
}

static void run_items(struct item *items)
{
    while (items != NULL) {
        struct item item = *items;
        free(items);
        item.call->fn(item.call->data);
        items = item.next;
    }
}

static struct item *new_item(struct loop_call *call)
{
    struct item *item = malloc(sizeof *item);
    if (item == NULL)
        bench_die("malloc", NULL);
    *item = (struct item){call, NULL};
    return item;
}

static void on_async(uv_async_t *async)
{
    struct uv_loop *loop = async->data;
    pthread_mutex_lock(&loop->lock);
    struct item *items = take_all(loop);
    pthread_mutex_unlock(&loop->lock);
    run_items(items);
}

static void uv_post(struct loop *base, struct loop_call *call)
{
    struct uv_loop *loop = (struct uv_loop *)base;
    struct item *item = new_item(call);
    pthread_mutex_lock(&loop->lock);
    append(loop, item);
    pthread_mutex_unlock(&loop->lock);
    UV(uv_async_send(&loop->async));
}

/* The idle handle only keeps the loop from sleeping. */
static void on_idle(uv_idle_t *idle)
{
    (void)idle;
}

static void on_check(uv_check_t *check)
{
    struct uv_loop *loop = check->data;
    run_items(take_all(loop));
    if (loop->first == NULL)
        UV(uv_idle_stop(&loop->idle));
}

static void uv_post_soon(struct loop *base, struct loop_call *call)
{
    struct uv_loop *loop = (struct uv_loop *)base;
    if (loop->first == NULL)
        UV(uv_idle_start(&loop->idle, on_idle));
    append(loop, new_item(call));
}

static struct uv_loop *open_common(const struct loop_ops *ops)
{
    struct uv_loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL)
        bench_die("calloc", NULL);
    loop->base.ops = ops;
    loop->last = &loop->first;
    PTHREAD(pthread_mutex_init(&loop->lock, NULL));
    UV(uv_loop_init(&loop->uv));
    UV(uv_async_init(&loop->uv, &loop->async, on_async));
    loop->async.data = loop;
    return loop;
}

static struct loop *uv_open(void)
{
    return &open_common(&loop_uv)->base;
}

static struct loop *uv_open_soon(void)
{
    struct uv_loop *loop = open_common(&loop_uv_soon);
    UV(uv_idle_init(&loop->uv, &loop->idle));
    UV(uv_check_init(&loop->uv, &loop->check));
    loop->check.data = loop;
    UV(uv_check_start(&loop->check, on_check));
    return &loop->base;
}

static struct handle *new_handle(struct uv_loop *loop, struct loop_call *call)
{
    struct handle *handle = calloc(1, sizeof *handle);
    if (handle == NULL)
        bench_die("calloc", NULL);
    handle->call = call;
    handle->next = loop->handles;
    loop->handles = handle;
    return handle;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct handle *handle = (struct handle *)poll;
    handle->call->fn(handle->call->data);
}

static void uv_watch(struct loop *base, int fd, struct loop_call *call)
{
    struct uv_loop *loop = (struct uv_loop *)base;
    struct handle *handle = new_handle(loop, call);
    UV(uv_poll_init(&loop->uv, &handle->uv.poll, fd));
    UV(uv_poll_start(&handle->uv.poll, UV_READABLE, on_poll));
}

static void on_timer(uv_timer_t *timer)
{
    struct handle *handle = (struct handle *)timer;
    handle->call->fn(handle->call->data);
}

static void uv_add_timer(struct loop *base, uint64_t milliseconds, struct loop_call *call)
{
    struct uv_loop *loop = (struct uv_loop *)base;
    struct handle *handle = new_handle(loop, call);
    UV(uv_timer_init(&loop->uv, &handle->uv.timer));
    UV(uv_timer_start(&handle->uv.timer, on_timer, milliseconds, 0));
}

static void uv_run_alone(struct loop *base)
{
    struct uv_loop *loop = (struct uv_loop *)base;
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

static void uv_stop_alone(struct loop *base)
{
    uv_stop(&((struct uv_loop *)base)->uv);
}

static void close_handle(uv_handle_t *handle, void *unused)
{
    (void)unused;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void uv_close_alone(struct loop *base)
{
    struct uv_loop *loop = (struct uv_loop *)base;
    uv_walk(&loop->uv, close_handle, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    UV(uv_loop_close(&loop->uv));
    pthread_mutex_destroy(&loop->lock);
    while (loop->handles != NULL) {
        struct handle *next = loop->handles->next;
        free(loop->handles);
        loop->handles = next;
    }
    free(loop);
}

static struct loop *uv_open_poll(void)
{
    return &open_common(&loop_uv_poll)->base;
}

static void uv_run_poll(struct loop *base)
{
    struct uv_loop *loop = (struct uv_loop *)base;
    struct pollfd waiting = {.fd = uv_backend_fd(&loop->uv), .events = POLLIN};
    loop->stopped = false;
    uv_run(&loop->uv, UV_RUN_NOWAIT); /* registers the fds */
    while (!loop->stopped) {
        if (poll(&waiting, 1, uv_backend_timeout(&loop->uv)) < 0 && errno != EINTR)
            bench_die("poll", NULL);
        uv_run(&loop->uv, UV_RUN_NOWAIT);
    }
}

static void uv_stop_hosted(struct loop *base)
{
    ((struct uv_loop *)base)->stopped = true;
}

static void wait_for_turn(struct uv_loop *loop)
{
    while (sem_wait(&loop->turn) < 0)
        if (errno != EINTR)
            bench_die("sem_wait", NULL);
}

static void *poll_backend(void *data)
{
    struct uv_loop *loop = data;
    int backend = uv_backend_fd(&loop->uv);
    for (wait_for_turn(loop); !atomic_load(&loop->ending); wait_for_turn(loop)) {
        struct epoll_event event;
        while (epoll_wait(backend, &event, 1, uv_backend_timeout(&loop->uv)) < 0)
            if (errno != EINTR)
                bench_die("epoll_wait", NULL);
        if (queue_host_post(&loop->host, 1) < 0)
            bench_die("queue_host_post", "queue full");
    }
    return NULL;
}

static struct loop *open_lodger(const struct loop_ops *ops, enum queue_sleep sleep)
{
    struct uv_loop *loop = open_common(ops);
    queue_host_open(&loop->host, sleep);
    SYS(sem_init(&loop->turn, 0, 0));
    PTHREAD(pthread_create(&loop->poller, NULL, poll_backend, loop));
    return &loop->base;
}

static struct loop *uv_open_condvar(void)
{
    return open_lodger(&loop_uv_condvar, QUEUE_CONDVAR);
}

static struct loop *uv_open_eventfd(void)
{
    return open_lodger(&loop_uv_eventfd, QUEUE_EVENTFD);
}

static void uv_run_lodger(struct loop *base)
{
    struct uv_loop *loop = (struct uv_loop *)base;
    loop->stopped = false;
    uv_run(&loop->uv, UV_RUN_NOWAIT); /* registers the fds */
    while (!loop->stopped) {
        SYS(sem_post(&loop->turn));
        queue_host_take(&loop->host);
        uv_run(&loop->uv, UV_RUN_NOWAIT);
    }
}

static void uv_close_lodger(struct loop *base)
{
    struct uv_loop *loop = (struct uv_loop *)base;
    atomic_store(&loop->ending, true);
    SYS(sem_post(&loop->turn));
    PTHREAD(pthread_join(loop->poller, NULL));
    sem_destroy(&loop->turn);
    queue_host_close(&loop->host);
    uv_close_alone(base);
}

const struct loop_ops loop_uv = {"libuv",      uv_open,      uv_watch,      uv_post,
                                 uv_add_timer, uv_run_alone, uv_stop_alone, uv_close_alone};

const struct loop_ops loop_uv_soon = {"libuv idle+check", uv_open_soon, uv_watch,      uv_post_soon,
                                      uv_add_timer,       uv_run_alone, uv_stop_alone, uv_close_alone};

const struct loop_ops loop_uv_poll = {"libuv in poll", uv_open_poll, uv_watch,       uv_post,
                                      uv_add_timer,    uv_run_poll,  uv_stop_hosted, uv_close_alone};

const struct loop_ops loop_uv_condvar = {"libuv on a thread", uv_open_condvar, uv_watch,       uv_post,
                                         uv_add_timer,        uv_run_lodger,   uv_stop_hosted, uv_close_lodger};

const struct loop_ops loop_uv_eventfd = {"libuv on a thread", uv_open_eventfd, uv_watch,       uv_post,
                                         uv_add_timer,        uv_run_lodger,   uv_stop_hosted, uv_close_lodger};
