/* Hazard: more ready than a window's frame can bear. A delivery ends with its budget, keeps the
 * order of the rest, and lets the host have its turn first. */
#include "toy.h"

enum { BURST = 20000 };

static toy_t toy;
static unsigned next_number, host_turns, calls_in_turn, most_in_turn;
static bool host_busy_asking;

static void numbered(guest_t *g, void *user_data)
{
    (void)g;
    ASSERT_EQ_U64(next_number, (uintptr_t)user_data); /* none lost, none doubled, none overtakes */
    next_number++;
    most_in_turn = ++calls_in_turn > most_in_turn ? calls_in_turn : most_in_turn;
    spin(5000);
}

/* The host's own work: always one item in its queue. */
static void host_turn(void *argument)
{
    (void)argument;
    host_turns++;
    calls_in_turn = 0;
    if (host_busy_asking)
        loop_call(toy.loop, host_turn, NULL);
}

static void burst(uint32_t drive)
{
    toy_start(&toy, drive);
    for (uintptr_t i = 0; i < BURST; i++)
        ASSERT_OK(guest_post(toy.g, numbered, (void *)i, NULL));
    host_busy_asking = true;
    loop_call(toy.loop, host_turn, NULL);
    RUN_UNTIL(&toy, next_number == BURST);
    host_busy_asking = false;
    /* 20 000 x 5 us are 100 ms; a delivery may last 4 ms and the callback that overruns them. */
    ASSERT(toy.deliveries >= 10);
    ASSERT(host_turns >= 10);
    ASSERT(most_in_turn <= MS(4) / 5000 + 1);
    ASSERT(toy_stats(&toy).budget_spent >= 10);
    toy_end(&toy);
}

TEST(budget_splits_a_burst_thread)
{
    burst(GUEST_DRIVE_THREAD);
}

TEST(budget_splits_a_burst_fd)
{
    burst(GUEST_DRIVE_FD);
}

static void act_spin_1ms(probe_t *probe)
{
    (void)probe;
    spin(MS(1));
}

TEST(budget_of_a_guest)
{
    guest_options_t options = options_for(GUEST_DRIVE_FD);
    options.batch_budget = 1; /* at least one callback runs, and no second */
    probe_t probe = {.toy = &toy, .act = act_spin_1ms, .shared = true};
    toy_start_on(&toy, NULL, &options);
    for (unsigned i = 0; i < 5; i++)
        add_post(&toy, &probe);
    for (unsigned i = 1; i <= 5; i++) {
        ASSERT_OK(guest_deliver_batch(toy.g, 0));
        ASSERT_EQ_U64(i, probe.calls);
    }
    ASSERT_EQ_U64(5, toy_stats(&toy).events);
    toy_end(&toy);
}

TEST(budget_of_one_call)
{
    probe_t probe = {.toy = &toy, .act = act_spin_1ms, .shared = true};
    toy_start(&toy, GUEST_DRIVE_FD);
    for (unsigned i = 0; i < 20; i++)
        add_post(&toy, &probe);
    ASSERT_OK(guest_deliver_batch_for(toy.g, 0, 0));
    ASSERT_EQ_U64(1, probe.calls);
    ASSERT_OK(guest_deliver_batch_for(toy.g, 0, MS(2)));
    ASSERT(probe.calls >= 2 && probe.calls <= 4);
    ASSERT_OK(guest_deliver_batch_for(toy.g, 0, GUEST_FOREVER)); /* until nothing is due */
    ASSERT_EQ_U64(20, probe.calls);
    ASSERT_EQ_U64(20, probe.drops);
    toy_end(&toy);
}

static void act_again(probe_t *probe)
{
    spin(MS(1) / 2);
    add_post(probe->toy, probe);
}

/* A guest that is never finished, and a host that has its own queue, timers and sockets to serve. */
static void saturated(uint32_t drive, bool has_local)
{
    toy.has_local = has_local;
    toy_start(&toy, drive);
    probe_t probe = {.toy = &toy, .act = act_again, .shared = true};
    add_post(&toy, &probe);
    host_busy_asking = true;
    RUN_UNTIL(&toy, probe.calls >= 1);
    loop_call(toy.loop, host_turn, NULL);
    RUN_UNTIL(&toy, host_turns >= 10);
    host_busy_asking = false;
    ASSERT(probe.calls >= 10); /* and the guest had its turns in between */
    toy_end(&toy); /* even the end gets through */
    ASSERT_EQ_U64(probe.calls + 1, probe.drops);
}

TEST(saturated_guest_with_a_live_host_thread)
{
    saturated(GUEST_DRIVE_THREAD, false);
}

TEST(saturated_guest_with_a_live_host_local)
{
    saturated(GUEST_DRIVE_THREAD, true);
}

TEST(saturated_guest_with_a_live_host_fd)
{
    saturated(GUEST_DRIVE_FD, false);
}

/* Posts that post again must not starve fds and timers either. */
TEST(saturated_guest_serves_its_other_sources)
{
    toy_start(&toy, GUEST_DRIVE_THREAD);
    channel_t pipe = channel_open();
    probe_t post = {.toy = &toy, .act = act_again, .shared = true};
    probe_t fd = PROBE(&toy), timer = PROBE(&toy);
    add_post(&toy, &post);
    add_fd(&toy, pipe.in, GUEST_READABLE, &fd); /* never read: always ready */
    add_timer(&toy, MS(1), MS(1), &timer);
    channel_write(&pipe, 1);
    RUN_UNTIL(&toy, fd.calls >= 10 && timer.calls >= 10 && post.calls >= 10);
    toy_end(&toy);
    channel_close(&pipe);
}

static unsigned slow_in_turn;

static void quick(guest_t *g, void *unused)
{
    (void)g;
    (void)unused;
}

static void slow(guest_t *g, void *unused)
{
    (void)g;
    (void)unused;
    slow_in_turn++;
    pass(MS(12));
}

/* Whenever the slow ones begin: the first of them uses the budget up. */
TEST(budget_slow_callbacks_after_quick_ones)
{
    toy_start(&toy, GUEST_DRIVE_FD);
    for (unsigned quick_ones = 24; quick_ones < 32; quick_ones++) {
        for (unsigned i = 0; i < quick_ones + 4; i++)
            ASSERT_OK(guest_post(toy.g, i < quick_ones ? quick : slow, NULL, NULL));
        while (toy_stats(&toy).live_posts) {
            slow_in_turn = 0;
            toy_deliver(&toy, 0);
            ASSERT(slow_in_turn <= 1);
        }
    }
    toy_end(&toy);
}
