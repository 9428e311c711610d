/* Hazard: several guests, on one thread and on several. */
#include "toy.h"

static void act_stop(probe_t *probe)
{
    if (probe->calls == 5)
        act_close_self(probe);
}

/* `count` guests on one loop, drives mixed, each with a timer, an fd and posts of its own. */
static void on_one_thread(unsigned count)
{
    static toy_t toys[50];
    static probe_t timers[50], fds[50], posts[50];
    static channel_t pipes[50];
    loop_t loop;
    loop_open(&loop);
    for (unsigned i = 0; i < count; i++) {
        guest_options_t options = options_for(i % 2 ? GUEST_DRIVE_FD : GUEST_DRIVE_THREAD);
        toy_start_on(&toys[i], &loop, &options);
        pipes[i] = channel_open();
        timers[i] = (probe_t){.toy = &toys[i], .act = act_stop};
        fds[i] = (probe_t){.toy = &toys[i], .act = act_read_one, .argument = &pipes[i]};
        posts[i] = (probe_t){.toy = &toys[i], .shared = true};
        add_timer(&toys[i], MS(1), MS(1), &timers[i]);
        add_fd(&toys[i], pipes[i].in, GUEST_READABLE, &fds[i]);
    }
    for (unsigned round = 0; round < 5; round++)
        for (unsigned i = 0; i < count; i++) {
            channel_write(&pipes[i], 1);
            add_post(&toys[i], &posts[i]);
        }
    for (unsigned i = 0; i < count; i++) {
        RUN_UNTIL(&toys[i], timers[i].drops && fds[i].calls == 5 && posts[i].drops == 5);
        ASSERT_EQ_U64(5, timers[i].calls);
        ASSERT_EQ_U64(5, posts[i].calls);
    }
    for (unsigned i = 0; i < count; i++) {
        toy_end(&toys[i]); /* the others live on meanwhile */
        ASSERT_EQ_U64(1, fds[i].drops);
        channel_close(&pipes[i]);
    }
    loop_close(&loop);
}

TEST(two_guests_on_one_thread)
{
    on_one_thread(2);
}

TEST(fifty_guests_on_one_thread)
{
    on_one_thread(50);
}

static void *thread_with_guest(void *argument)
{
    toy_t toy = {0};
    probe_t timer = PROBE(&toy), posts = PROBE(&toy);
    posts.shared = true;
    toy_start(&toy, *(unsigned *)argument % 2 ? GUEST_DRIVE_FD : GUEST_DRIVE_THREAD);
    add_timer(&toy, MS(1), MS(1), &timer);
    for (unsigned i = 0; i < 100; i++) {
        add_post(&toy, &posts);
        RUN_UNTIL(&toy, posts.drops == i + 1);
    }
    RUN_UNTIL(&toy, timer.calls >= 5);
    toy_end(&toy);
    return NULL;
}

TEST(eight_threads_with_a_guest_each)
{
    pthread_t threads[8];
    unsigned numbers[8];
    for (unsigned i = 0; i < 8; i++) {
        numbers[i] = i;
        threads[i] = spawn(thread_with_guest, &numbers[i]);
    }
    for (unsigned i = 0; i < 8; i++)
        join(threads[i]);
}

TEST(start_and_free_a_hundred_times)
{
    for (unsigned i = 0; i < 100; i++) {
        toy_t toy = {0};
        probe_t probe = PROBE(&toy);
        toy_start(&toy, i % 3);
        add_timer(&toy, 0, 0, &probe);
        toy_free(&toy);
        ASSERT_EQ_U64(1, probe.drops);
        toy_close(&toy);
    }
}

/* A guest that runs inside another guest's callback, on the same thread. */
static void act_inner_guest(probe_t *probe)
{
    (void)probe;
    toy_t inner = {0};
    probe_t timer = PROBE(&inner);
    toy_start(&inner, GUEST_DRIVE_THREAD);
    add_timer(&inner, MS(1), 0, &timer);
    RUN_UNTIL(&inner, timer.drops == 1);
    toy_end(&inner);
}

TEST(guest_inside_the_callback_of_another)
{
    toy_t outer = {0};
    probe_t probe = PROBE(&outer);
    probe.act = act_inner_guest;
    toy_start(&outer, GUEST_DRIVE_THREAD);
    add_timer(&outer, 0, 0, &probe);
    RUN_UNTIL(&outer, probe.drops == 1);
    toy_end(&outer);
}

/* The guest in drive FD as a source of another guest: loops nest without threads. */
static void act_deliver_inner(probe_t *probe)
{
    toy_deliver(probe->argument, 0);
}

TEST(guest_as_an_fd_of_another_guest)
{
    toy_t outer = {0}, inner = {0};
    probe_t bridge = PROBE(&outer), timer = PROBE(&inner);
    guest_os_fd_t fd;
    toy_start(&inner, GUEST_DRIVE_FD);
    toy_start(&outer, GUEST_DRIVE_THREAD);
    bridge.act = act_deliver_inner;
    bridge.argument = &inner;
    ASSERT_OK(guest_fd(inner.g, &fd));
    guest_id_t id = add_fd(&outer, fd, GUEST_READABLE, &bridge);
    add_timer(&inner, MS(1), MS(1), &timer);
    RUN_UNTIL(&outer, timer.calls >= 5);
    ASSERT_OK(guest_close(outer.g, id));
    RUN_UNTIL(&outer, bridge.drops == 1);
    toy_end(&inner);
    toy_end(&outer);
}
