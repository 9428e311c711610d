/* loop_epoll.c: the bare loop, the least that watching fds can cost. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bench.h"
#include "loop.h"

struct epoll_loop {
    struct loop base;
    int fd;
    bool stopped;
};

static struct loop *epoll_open(void)
{
    struct epoll_loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL)
        bench_die("calloc", NULL);
    loop->base.ops = &loop_epoll;
    SYS(loop->fd = epoll_create1(EPOLL_CLOEXEC));
    return &loop->base;
}

static void epoll_watch(struct loop *base, int fd, struct loop_call *call)
{
    struct epoll_loop *loop = (struct epoll_loop *)base;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = call};
    SYS(epoll_ctl(loop->fd, EPOLL_CTL_ADD, fd, &event));
}

static void epoll_run(struct loop *base)
{
    struct epoll_loop *loop = (struct epoll_loop *)base;
    struct epoll_event events[256];
    loop->stopped = false;
    while (!loop->stopped) {
        int count = epoll_wait(loop->fd, events, COUNT_OF(events), -1);
        if (count < 0 && errno != EINTR)
            bench_die("epoll_wait", NULL);
        for (int i = 0; i < count; i++) {
            struct loop_call *call = events[i].data.ptr;
            call->fn(call->data);
        }
    }
}

static void epoll_stop(struct loop *base)
{
    ((struct epoll_loop *)base)->stopped = true;
}

static void epoll_close(struct loop *base)
{
    struct epoll_loop *loop = (struct epoll_loop *)base;
    close(loop->fd);
    free(loop);
}

const struct loop_ops loop_epoll = {
    .name = "bare epoll",
    .open = epoll_open,
    .watch = epoll_watch,
    .run = epoll_run,
    .stop = epoll_stop,
    .close = epoll_close,
};
