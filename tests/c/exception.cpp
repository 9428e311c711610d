/* Hazard: a C++ exception that leaves a callback. It passes out of guest_deliver_batch, the rest of
 * the batch is kept, and the guest goes on. The callbacks here throw through no C frame of ours. */
#include "toy.h"

#ifndef _WIN32
#include <sys/epoll.h>
#endif
#include <stdexcept>
#include <vector>

static toy_t toy;
static std::vector<int> ran;
static int drops, caught;

struct thrown : std::runtime_error {
    thrown() : std::runtime_error("from a callback") {}
};

static void drop(void *)
{
    drops++;
}

static void number(void *user_data)
{
    int n = static_cast<int>(reinterpret_cast<intptr_t>(user_data));
    ran.push_back(n);
    if (n < 0)
        throw thrown();
}

static void timer_number(guest_t *, guest_id_t, uint64_t, void *user_data)
{
    number(user_data);
}

static void post_number(guest_t *, void *user_data)
{
    number(user_data);
}

static void fd_number(guest_t *, guest_id_t, uint32_t, void *user_data)
{
    number(user_data);
}

static void *as_data(int n)
{
    return reinterpret_cast<void *>(static_cast<intptr_t>(n));
}

static guest_id_t add(int n)
{
    guest_id_t id;
    ASSERT_OK(guest_timer_add(toy.g, 0, 0, timer_number, as_data(n), drop, &id));
    return id;
}

static void post(int n)
{
    ASSERT_OK(guest_post(toy.g, post_number, as_data(n), drop));
}

/* A host written in C++: it catches what its callbacks throw, and carries on. */
static guest_status_t deliver_catching(toy_t *t, guest_token_t token)
{
    try {
        return guest_deliver_batch(t->g, token);
    } catch (const thrown &) {
        caught++;
        return GUEST_OK;
    }
}

static void expect(const std::vector<int> &want)
{
    RUN_UNTIL(&toy, ran.size() >= want.size());
    for (size_t i = 0; i < want.size(); i++)
        ASSERT_EQ_I64(want[i], ran[i]);
    RUN_UNTIL(&toy, drops == static_cast<int>(want.size()));
    ASSERT_EQ_U64(want.size(), ran.size());
}

static void start(uint32_t drive)
{
    ran.clear();
    drops = caught = 0;
    toy.done = 0;
    toy.deliver = deliver_catching;
    toy_start(&toy, drive);
}

static void in_timers(uint32_t drive)
{
    start(drive);
    for (int n : {1, -2, 3, -4, 5})
        add(n);
    expect({1, -2, 3, -4, 5});
    ASSERT_EQ_I64(2, caught);
    toy_end(&toy);
}

static void in_posts(uint32_t drive)
{
    start(drive);
    for (int n : {1, -2, 3, -4, 5})
        post(n);
    expect({1, -2, 3, -4, 5});
    ASSERT_EQ_I64(2, caught);
    toy_end(&toy);
}

TEST(exception_from_a_timer)
{
    for (uint32_t drive = GUEST_DRIVE_THREAD; drive <= GUEST_DRIVE_FD; drive++)
        in_timers(drive);
}

TEST(exception_from_a_post)
{
    for (uint32_t drive = GUEST_DRIVE_THREAD; drive <= GUEST_DRIVE_FD; drive++)
        in_posts(drive);
}

TEST(exception_from_an_fd)
{
    start(GUEST_DRIVE_THREAD);
    channel_t pipe = channel_open();
    guest_id_t id;
    ASSERT_OK(guest_fd_add(toy.g, pipe.in, GUEST_READABLE, fd_number, as_data(-1), drop, &id));
    channel_write(&pipe, 1);
    RUN_UNTIL(&toy, caught >= 3); /* level-triggered: it throws again and again */
    ASSERT_OK(guest_is_open(toy.g, id));
    ASSERT_EQ_I64(0, drops);
    ASSERT_OK(guest_close(toy.g, id));
    RUN_UNTIL(&toy, drops == 1);
    toy_end(&toy);
    channel_close(&pipe);
}

#ifndef _WIN32 /* there are no streams yet */
static void read_throws(guest_t *, guest_id_t, const void *, size_t, void *user_data)
{
    number(user_data);
}

static void written_throws(guest_t *, guest_id_t, guest_status_t status, int32_t, void *user_data)
{
    ASSERT_OK(status);
    number(user_data);
}

static void closed(guest_t *, guest_id_t, guest_status_t status, int32_t, void *)
{
    ASSERT_OK(status);
    ran.push_back(99);
}

/* A stream whose functions throw goes on, and tells its end. */
TEST(exception_from_a_stream)
{
    int ends[2];
    guest_id_t id;
    guest_stream_options_t options = {};
    guest_buffer_t buffer = {"x", 1};
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    options.struct_size = sizeof options;
    options.read = read_throws;
    options.closed = closed;
    toy.deliver = deliver_catching;
    toy_start(&toy, GUEST_DRIVE_THREAD);
    ASSERT_OK(guest_stream_adopt(toy.g, ends[0], &options, as_data(-1), drop, &id));
    MUST(send(ends[1], "a", 1, 0));
    RUN_UNTIL(&toy, ran.size() == 1);
    ASSERT_OK(guest_stream_write(toy.g, id, &buffer, 1, written_throws, as_data(-2)));
    RUN_UNTIL(&toy, ran.size() == 2);
    MUST(send(ends[1], "b", 1, 0));
    RUN_UNTIL(&toy, ran.size() == 3);
    ASSERT_OK(guest_stream_close(toy.g, id));
    RUN_UNTIL(&toy, drops == 1);
    ASSERT(ran.size() == 4 && ran[1] == -2 && ran[3] == 99);
    ASSERT_EQ_I64(3, caught);
    toy_end(&toy);
    MUST(close(ends[1]));
}
#endif

/* The state after an exception is that of an ordinary return: idle, not stuck in "delivering". */
TEST(exception_leaves_the_guest_whole)
{
    start(GUEST_DRIVE_THREAD);
    guest_id_t repeating;
    ASSERT_OK(guest_timer_add(toy.g, MS(1), MS(1), timer_number, as_data(-7), drop, &repeating));
    RUN_UNTIL(&toy, caught >= 5);
    ASSERT(toy_state(&toy) != GUEST_STATE_DELIVERING);
    ASSERT_OK(guest_is_open(toy.g, repeating)); /* a repeating timer survives its exception */
    ASSERT_EQ_I64(0, drops);
    toy_end(&toy);
    ASSERT_EQ_I64(1, drops);
}

TEST(exception_in_a_nested_delivery)
{
    static auto dialog = [](guest_t *, guest_id_t, uint64_t, void *) {
        add(-2);
        add(3);
        RUN_UNTIL(&toy, ran.size() == 2); /* the inner exception ends in the inner host loop */
        ran.push_back(4);
        throw thrown();
    };
    start(GUEST_DRIVE_THREAD);
    ASSERT_OK(guest_timer_add(toy.g, 0, 0, dialog, nullptr, drop, nullptr));
    RUN_UNTIL(&toy, drops == 3);
    ASSERT_EQ_I64(2, caught);
    ASSERT(ran == (std::vector<int>{-2, 3, 4}));
    ran.clear();
    drops = 0;
    add(5);
    expect({5});
    toy_end(&toy);
}

TEST(exception_out_of_guest_run)
{
    toy_start(&toy, GUEST_DRIVE_RUN);
    add(-1);
    add(2);
    try {
        guest_run(toy.g, limit(SECONDS(5)));
    } catch (const thrown &) {
        caught++;
    }
    ASSERT_EQ_I64(1, caught);
    ASSERT_STATUS(GUEST_ETIMEDOUT, guest_run(toy.g, MS(5)));
    ASSERT(ran == (std::vector<int>{-1, 2}));
    ASSERT_EQ_I64(2, drops);
    toy_end(&toy);
}

TEST(exception_after_free_in_callback)
{
    static auto free_and_throw = [](guest_t *, guest_id_t, uint64_t, void *) {
        toy_free(&toy);
        throw thrown();
    };
    start(GUEST_DRIVE_THREAD);
    ASSERT_OK(guest_timer_add(toy.g, 0, 0, free_and_throw, nullptr, drop, nullptr));
    RUN_UNTIL(&toy, caught == 1);
    ASSERT_EQ_U64(1, toy.done); /* the free took effect on the way out */
    ASSERT_EQ_I64(1, drops);
    toy_close(&toy);
}

#ifndef _WIN32 /* where hosts wait for a handle, never for its edges */
/* What the exception left is announced once more to a host that watches the fd edge-triggered. */
TEST(exception_with_an_edge_triggered_host)
{
    static channel_t pipe = channel_open();
    static auto read_one = [](guest_t *, guest_id_t, uint32_t, void *) {
        char byte;
        ASSERT_EQ_I64(1, MUST(read(pipe.in, &byte, 1)));
        number(as_data(ran.empty() ? -1 : 2));
    };
    start(GUEST_DRIVE_FD);
    guest_os_fd_t fd;
    ASSERT_OK(guest_fd(toy.g, &fd));
    int epoll = static_cast<int>(MUST(epoll_create1(EPOLL_CLOEXEC)));
    struct epoll_event event = {};
    event.events = EPOLLIN | EPOLLET;
    MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
    ASSERT_OK(guest_fd_add(toy.g, pipe.in, GUEST_READABLE, read_one, nullptr, drop, nullptr));
    channel_write(&pipe, 2);
    while (ran.size() < 2) {
        ASSERT_EQ_I64(1, MUST(epoll_wait(epoll, &event, 1, static_cast<int>(limit(SECONDS(2)) / MS(1)))));
        toy_deliver(&toy, 0);
    }
    ASSERT_EQ_I64(1, caught);
    MUST(close(epoll));
    toy_end(&toy);
    channel_close(&pipe);
}
#endif
