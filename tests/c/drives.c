/* Hazard: the ways to wait. Drive FD under poll, select and edge-triggered epoll; guest_run. */
#include "toy.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>

/* Waits until the guest's fd is readable, for two seconds at most. */
typedef bool (*wait_fn)(int fd);

static bool wait_poll(int fd)
{
    struct pollfd watched = {.fd = fd, .events = POLLIN};
    return MUST(poll(&watched, 1, 2000)) == 1;
}

static bool wait_select(int fd)
{
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fd, &set);
    struct timeval timeout = {.tv_sec = 2};
    return MUST(select(fd + 1, &set, NULL, NULL, &timeout)) == 1;
}

static int edge = -1;

/* One registration for the whole test: only fresh edges are reported. */
static bool wait_epoll_edge(int fd)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    if (edge < 0) {
        edge = (int)MUST(epoll_create1(EPOLL_CLOEXEC));
        MUST(epoll_ctl(edge, EPOLL_CTL_ADD, fd, &event));
    }
    return MUST(epoll_wait(edge, &event, 1, 2000)) == 1;
}

static void watched_by(wait_fn wait)
{
    toy_t toy = {0};
    channel_t pipe = channel_open();
    probe_t fd = {.toy = &toy, .act = act_read_one, .argument = &pipe};
    probe_t timer = PROBE(&toy), posts = {.toy = &toy, .shared = true};
    guest_os_fd_t guest_os_fd;
    toy_start(&toy, GUEST_DRIVE_FD);
    ASSERT_OK(guest_fd(toy.g, &guest_os_fd));
    add_fd(&toy, pipe.in, GUEST_READABLE, &fd);
    for (unsigned round = 1; round <= 10; round++) {
        channel_write(&pipe, 2); /* one byte stays: level-triggered within, whatever is without */
        add_timer(&toy, MS(round % 3), 0, &timer);
        add_post(&toy, &posts);
        while (fd.calls < 2 * round || timer.calls == 0 || posts.drops < round) {
            if (!wait(guest_os_fd))
                FAIL("asleep in round %u: fd %u, timer %u, posts %u", round, fd.calls, timer.calls, posts.drops);
            ASSERT_OK(guest_deliver_batch(toy.g, 0));
        }
        timer = (probe_t)PROBE(&toy);
    }
    toy_end(&toy);
    channel_close(&pipe);
}

TEST(drive_fd_under_poll)
{
    watched_by(wait_poll);
}

TEST(drive_fd_under_select)
{
    watched_by(wait_select);
}

TEST(drive_fd_under_edge_triggered_epoll)
{
    watched_by(wait_epoll_edge);
    MUST(close(edge));
}

/* A budget that is spent leaves the fd readable, also for those who wait for an edge. */
TEST(drive_fd_stays_readable_after_the_budget)
{
    toy_t toy = {0};
    probe_t posts = {.toy = &toy, .shared = true};
    guest_os_fd_t fd;
    toy_start(&toy, GUEST_DRIVE_FD);
    ASSERT_OK(guest_fd(toy.g, &fd));
    for (unsigned i = 0; i < 10; i++)
        add_post(&toy, &posts);
    for (unsigned i = 1; i <= 10; i++) {
        ASSERT(wait_epoll_edge(fd));
        ASSERT(wait_poll(fd));
        ASSERT_OK(guest_deliver_batch_for(toy.g, 0, 0));
        ASSERT_EQ_U64(i, posts.calls);
    }
    toy_end(&toy);
    MUST(close(edge));
}

TEST(drive_fd_wakes_by_posts_of_another_thread)
{
    toy_t toy = {0};
    guest_os_fd_t fd;
    toy_start(&toy, GUEST_DRIVE_FD);
    ASSERT_OK(guest_fd(toy.g, &fd));
    struct pollfd watched = {.fd = fd, .events = POLLIN};
    ASSERT_EQ_I64(0, MUST(poll(&watched, 1, 5)));
    ASSERT_OK(guest_wake(toy.g));
    ASSERT_EQ_I64(1, MUST(poll(&watched, 1, 2000)));
    ASSERT_OK(guest_deliver_batch(toy.g, 0));
    ASSERT_EQ_I64(0, MUST(poll(&watched, 1, 5))); /* delivered: asleep again */
    ASSERT_OK(guest_cancel(toy.g));
    ASSERT_EQ_I64(1, MUST(poll(&watched, 1, 2000))); /* the end has to be delivered, too */
    ASSERT_OK(guest_deliver_batch(toy.g, 0));
    ASSERT_EQ_U64(1, toy.done);
    toy_free(&toy);
    toy_close(&toy);
}

TEST(drive_thread_has_no_fd)
{
    toy_t toy = {0};
    guest_os_fd_t fd = 77;
    toy_start(&toy, GUEST_DRIVE_THREAD);
    ASSERT_STATUS(GUEST_EDRIVE, guest_fd(toy.g, &fd));
    ASSERT_EQ_I64(77, fd);
    toy_end(&toy);
}

/* ---- guest_run ------------------------------------------------------------------------------- */

static void act_cancel_at_five(probe_t *probe)
{
    if (probe->calls == 5)
        ASSERT_OK(guest_cancel(probe->g));
}

static void run_until_ended(uint32_t drive)
{
    toy_t toy = {0};
    probe_t timer = PROBE(&toy);
    timer.act = act_cancel_at_five;
    toy_start(&toy, drive);
    add_timer(&toy, MS(1), MS(1), &timer);
    ASSERT_OK(guest_run(toy.g, GUEST_FOREVER));
    ASSERT_EQ_U64(5, timer.calls);
    ASSERT_EQ_U64(1, timer.drops);
    ASSERT_EQ_U64(1, toy.done);
    toy_free(&toy);
    toy_close(&toy);
}

TEST(run_until_the_guest_ends_run)
{
    run_until_ended(GUEST_DRIVE_RUN);
}

TEST(run_until_the_guest_ends_thread)
{
    run_until_ended(GUEST_DRIVE_THREAD);
}

TEST(run_until_the_guest_ends_fd)
{
    run_until_ended(GUEST_DRIVE_FD);
}

static void run_timeout(uint32_t drive)
{
    toy_t toy = {0};
    probe_t timer = PROBE(&toy);
    toy_start(&toy, drive);
    add_timer(&toy, MS(1), MS(1), &timer);
    uint64_t start = guest_now();
    ASSERT_STATUS(GUEST_ETIMEDOUT, guest_run(toy.g, MS(20)));
    ASSERT_AT_LEAST(guest_now() - start, MS(20));
    ASSERT(timer.calls >= 1);
    ASSERT_EQ_U64(0, toy.done);
    unsigned calls = timer.calls;
    pass(MS(2));
    ASSERT_STATUS(GUEST_ETIMEDOUT, guest_run(toy.g, 0)); /* delivers once, and does not wait */
    ASSERT(timer.calls > calls);
    toy_end(&toy);
}

TEST(run_timeout_run)
{
    run_timeout(GUEST_DRIVE_RUN);
}

TEST(run_timeout_thread)
{
    run_timeout(GUEST_DRIVE_THREAD);
}

TEST(run_timeout_fd)
{
    run_timeout(GUEST_DRIVE_FD);
}

static void *cancel_soon(void *g)
{
    pass(MS(5));
    ASSERT_OK(guest_cancel(g));
    return NULL;
}

TEST(run_timeout_saturates)
{
    toy_t toy = {0};
    toy_start(&toy, GUEST_DRIVE_RUN);
    pthread_t thread = spawn(cancel_soon, toy.g);
    ASSERT_OK(guest_run(toy.g, GUEST_FOREVER - 1));
    join(thread);
    toy_free(&toy);
    toy_close(&toy);
}

/* A dialog of a program without any other loop. */
static void act_run_nested(probe_t *probe)
{
    probe_t *inner = probe->argument;
    add_timer(probe->toy, MS(1), 0, inner);
    for (unsigned i = 0; i < 1000 && !inner->drops; i++)
        ASSERT_STATUS(GUEST_ETIMEDOUT, guest_run(probe->g, MS(5)));
    ASSERT_EQ_U64(1, inner->calls);
}

TEST(run_inside_a_callback)
{
    toy_t toy = {0};
    probe_t inner = PROBE(&toy), outer = {.toy = &toy, .act = act_run_nested, .argument = &inner};
    toy_start(&toy, GUEST_DRIVE_RUN);
    add_timer(&toy, 0, 0, &outer);
    for (unsigned i = 0; i < 1000 && !outer.drops; i++)
        ASSERT_STATUS(GUEST_ETIMEDOUT, guest_run(toy.g, MS(5)));
    ASSERT_EQ_U64(1, outer.calls);
    toy_end(&toy);
}
