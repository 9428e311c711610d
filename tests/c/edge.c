/* Hazard: a host that watches guest_fd edge-triggered, as many event loops do. It is told again whenever a
 * delivery leaves something, or it would never come back. */
#include "toy.h"

#include <sys/epoll.h>

static toy_t toy;
static int epoll;

static void start(void)
{
    guest_options_t options = options_for(GUEST_DRIVE_FD);
    options.batch_budget = MS(1);
    toy_start_on(&toy, NULL, &options);
    guest_os_fd_t fd;
    ASSERT_OK(guest_fd(toy.g, &fd));
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    epoll = (int)MUST(epoll_create1(EPOLL_CLOEXEC));
    MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
}

/* One turn: waits for an edge. */
static void turn(void)
{
    struct epoll_event event;
    ASSERT_EQ_I64(1, MUST(epoll_wait(epoll, &event, 1, (int)(limit(SECONDS(2)) / MS(1)))));
    toy_deliver(&toy, 0);
}

static void end(void)
{
    ASSERT_OK(guest_cancel(toy.g));
    while (!toy.done)
        turn();
    toy_free(&toy);
    toy_close(&toy);
    MUST(close(epoll));
}

static void act_slowly(probe_t *probe)
{
    if (probe->argument)
        act_read_one(probe);
    pass(MS(2));
}

static void slow_drop(void *probe)
{
    pass(MS(2));
    on_drop(probe);
}

TEST(edge_after_a_budget_spent_in_callbacks)
{
    channel_t pipe = channel_open();
    probe_t fd = {.toy = &toy, .act = act_slowly, .argument = &pipe};
    probe_t timer = {.toy = &toy, .act = act_slowly}, post = {.toy = &toy, .act = act_slowly};
    start();
    add_fd(&toy, pipe.in, GUEST_READABLE, &fd);
    channel_write(&pipe, 3);
    add_timer(&toy, 0, 0, &timer);
    add_post(&toy, &post);
    while (fd.calls < 3 || !timer.drops || !post.drops)
        turn();
    end();
    channel_close(&pipe);
}

TEST(edge_after_a_budget_spent_in_drops)
{
    channel_t pipe = channel_open();
    probe_t fd = {.toy = &toy, .act = act_read_one, .argument = &pipe}, timer = PROBE(&toy);
    guest_id_t id;
    start();
    ASSERT_OK(guest_timer_add(toy.g, GUEST_FOREVER, 0, on_timer, &timer, slow_drop, &id));
    add_fd(&toy, pipe.in, GUEST_READABLE, &fd);
    channel_write(&pipe, 2);
    ASSERT_OK(guest_close(toy.g, id));
    while (fd.calls < 2)
        turn();
    ASSERT_EQ_U64(1, timer.drops);
    end();
    channel_close(&pipe);
}
