/* loop.h: what the comparisons need of an event loop, so that all of them do the same work.
 *
 * A loop is opened, used, run and closed on one thread, its host thread; only loop_post may be called
 * from others.
 */
#ifndef LOOP_H
#define LOOP_H

#include <stdint.h>

/* A function and its data. The caller's; it stays valid until the loop is closed. */
struct loop_call {
    void (*fn)(void *data);
    void *data;
};

struct loop;

struct loop_ops {
    const char *name;
    struct loop *(*open)(void);
    /* Makes the call whenever `fd` is readable. */
    void (*watch)(struct loop *loop, int fd, struct loop_call *call);
    /* Makes the call once, on the host thread. NULL where the loop has nothing like it. */
    void (*post)(struct loop *loop, struct loop_call *call);
    /* Makes the call after `milliseconds`. NULL where the loop has nothing like it. */
    void (*timer)(struct loop *loop, uint64_t milliseconds, struct loop_call *call);
    /* Runs callbacks until one of them calls `stop`. */
    void (*run)(struct loop *loop);
    void (*stop)(struct loop *loop);
    void (*close)(struct loop *loop);
};

/* The first member of every loop. */
struct loop {
    const struct loop_ops *ops;
};

/* The bare loop: one epoll set, a function and its data in each event. */
extern const struct loop_ops loop_epoll;

/* libuv in its own loop; loop_post is uv_async_send and a locked list. */
extern const struct loop_ops loop_uv;
/* The same; loop_post is for the host thread only: uv_check, uv_idle and a list, as in Node. */
extern const struct loop_ops loop_uv_soon;
/* The same in a host that waits in poll for its backend fd, with its backend timeout. */
extern const struct loop_ops loop_uv_poll;
/* libuv in a queue host: a thread polls its backend fd and posts to the host, as Electron does. */
extern const struct loop_ops loop_uv_condvar;
extern const struct loop_ops loop_uv_eventfd;

/* A guest in a host that waits in poll or epoll_wait for the guest's fd. */
extern const struct loop_ops loop_guest_poll;
extern const struct loop_ops loop_guest_epoll;
/* A guest with its I/O thread in a queue host. */
extern const struct loop_ops loop_guest_condvar;
extern const struct loop_ops loop_guest_eventfd;
/* A guest without a host. */
extern const struct loop_ops loop_guest_run;

#endif
