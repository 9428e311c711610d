/* loop_guest.c: a guest in four hosts and in none. */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bench.h"
#include "loop.h"
#include "queue_host.h"

struct guest_loop {
    struct loop base;
    guest_t *guest;
    bool stopped;
    int epoll_fd;
    struct queue_host host;
};

static struct guest_loop *allocate(const struct loop_ops *ops)
{
    struct guest_loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL)
        bench_die("calloc", NULL);
    loop->base.ops = ops;
    loop->epoll_fd = -1;
    return loop;
}

static struct guest_loop *open_without_thread(const struct loop_ops *ops, uint32_t drive)
{
    struct guest_loop *loop = allocate(ops);
    guest_options_t options = {.struct_size = sizeof options, .drive = drive};
    GUEST(guest_start(NULL, &options, &loop->guest));
    return loop;
}

static struct guest_loop *open_with_thread(const struct loop_ops *ops, enum queue_sleep sleep)
{
    struct guest_loop *loop = allocate(ops);
    queue_host_open(&loop->host, sleep);
    guest_host_t host = {.struct_size = sizeof host, .data = &loop->host, .post = queue_host_post};
    GUEST(guest_start(&host, NULL, &loop->guest));
    return loop;
}

static struct loop *guest_open_poll(void)
{
    return &open_without_thread(&loop_guest_poll, GUEST_DRIVE_FD)->base;
}

static struct loop *guest_open_epoll(void)
{
    struct guest_loop *loop = open_without_thread(&loop_guest_epoll, GUEST_DRIVE_FD);
    guest_os_fd_t fd;
    GUEST(guest_fd(loop->guest, &fd));
    SYS(loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC));
    struct epoll_event event = {.events = EPOLLIN};
    SYS(epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event));
    return &loop->base;
}

static struct loop *guest_open_run(void)
{
    return &open_without_thread(&loop_guest_run, GUEST_DRIVE_RUN)->base;
}

static struct loop *guest_open_condvar(void)
{
    return &open_with_thread(&loop_guest_condvar, QUEUE_CONDVAR)->base;
}

static struct loop *guest_open_eventfd(void)
{
    return &open_with_thread(&loop_guest_eventfd, QUEUE_EVENTFD)->base;
}

static void on_fd(guest_t *g, guest_id_t id, uint32_t events, void *user_data)
{
    (void)g;
    (void)id;
    (void)events;
    struct loop_call *call = user_data;
    call->fn(call->data);
}

static void guest_watch(struct loop *base, int fd, struct loop_call *call)
{
    struct guest_loop *loop = (struct guest_loop *)base;
    GUEST(guest_fd_add(loop->guest, fd, GUEST_READABLE, on_fd, call, NULL, NULL));
}

static void on_post(guest_t *g, void *user_data)
{
    (void)g;
    struct loop_call *call = user_data;
    call->fn(call->data);
}

static void guest_post_call(struct loop *base, struct loop_call *call)
{
    struct guest_loop *loop = (struct guest_loop *)base;
    GUEST(guest_post(loop->guest, on_post, call, NULL));
}

static void on_timer(guest_t *g, guest_id_t id, uint64_t expirations, void *user_data)
{
    (void)g;
    (void)id;
    (void)expirations;
    struct loop_call *call = user_data;
    call->fn(call->data);
}

static void guest_add_timer(struct loop *base, uint64_t milliseconds, struct loop_call *call)
{
    struct guest_loop *loop = (struct guest_loop *)base;
    GUEST(guest_timer_add(loop->guest, milliseconds * 1000000u, 0, on_timer, call, NULL, NULL));
}

static void deliver(struct guest_loop *loop, guest_token_t token)
{
    guest_status_t status = guest_deliver_batch(loop->guest, token);
    if (status != GUEST_OK && status != GUEST_ESTALE)
        bench_die("guest_deliver_batch", guest_status_name(status));
}

static void guest_run_poll(struct loop *base)
{
    struct guest_loop *loop = (struct guest_loop *)base;
    struct pollfd waiting = {.events = POLLIN};
    GUEST(guest_fd(loop->guest, &waiting.fd));
    loop->stopped = false;
    while (!loop->stopped) {
        if (poll(&waiting, 1, -1) < 0 && errno != EINTR)
            bench_die("poll", NULL);
        if (waiting.revents != 0)
            deliver(loop, 0);
    }
}

static void guest_run_epoll(struct loop *base)
{
    struct guest_loop *loop = (struct guest_loop *)base;
    struct epoll_event events[16];
    loop->stopped = false;
    while (!loop->stopped) {
        int count = epoll_wait(loop->epoll_fd, events, COUNT_OF(events), -1);
        if (count < 0 && errno != EINTR)
            bench_die("epoll_wait", NULL);
        if (count > 0)
            deliver(loop, 0);
    }
}

static void guest_run_queue(struct loop *base)
{
    struct guest_loop *loop = (struct guest_loop *)base;
    loop->stopped = false;
    while (!loop->stopped)
        deliver(loop, queue_host_take(&loop->host));
}

static void guest_run_alone(struct loop *base)
{
    GUEST(guest_run(((struct guest_loop *)base)->guest, GUEST_FOREVER));
}

static void guest_stop(struct loop *base)
{
    ((struct guest_loop *)base)->stopped = true;
}

static void guest_stop_alone(struct loop *base)
{
    GUEST(guest_cancel(((struct guest_loop *)base)->guest));
}

static void guest_close_loop(struct loop *base)
{
    struct guest_loop *loop = (struct guest_loop *)base;
    guest_free(loop->guest);
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    free(loop);
}

static void guest_close_queue(struct loop *base)
{
    struct guest_loop *loop = (struct guest_loop *)base;
    guest_free(loop->guest);
    queue_host_close(&loop->host);
    free(loop);
}

const struct loop_ops loop_guest_poll = {"guest fd in poll", guest_open_poll, guest_watch, guest_post_call,
                                         guest_add_timer,    guest_run_poll,  guest_stop,  guest_close_loop};

const struct loop_ops loop_guest_epoll = {"guest fd in epoll", guest_open_epoll, guest_watch, guest_post_call,
                                          guest_add_timer,     guest_run_epoll,  guest_stop,  guest_close_loop};

const struct loop_ops loop_guest_run = {"guest_run",     guest_open_run,  guest_watch,      guest_post_call,
                                        guest_add_timer, guest_run_alone, guest_stop_alone, guest_close_loop};

const struct loop_ops loop_guest_condvar = {"guest thread, condition variable",
                                            guest_open_condvar,
                                            guest_watch,
                                            guest_post_call,
                                            guest_add_timer,
                                            guest_run_queue,
                                            guest_stop,
                                            guest_close_queue};

const struct loop_ops loop_guest_eventfd = {
    "guest thread, eventfd", guest_open_eventfd, guest_watch, guest_post_call,
    guest_add_timer,         guest_run_queue,    guest_stop,  guest_close_queue};
