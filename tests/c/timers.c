/* Hazard: timers. Never early, in order, on their grid, and cheap enough for a million. */
#include "toy.h"

static uint64_t seed = 88172645463325252u;

/* xorshift: the same numbers in every run. */
static uint64_t random_below(uint64_t bound)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % bound;
}

/* ---- many ------------------------------------------------------------------------------------ */

typedef struct alarm {
    uint64_t earliest;
    guest_id_t id;
    uint8_t calls, drops, cancelled;
} alarm_t;

static unsigned fired, dropped;

static void on_alarm(guest_t *g, guest_id_t id, uint64_t expirations, void *user_data)
{
    alarm_t *alarm = user_data;
    (void)g;
    uint64_t now = guest_now();
    if (now < alarm->earliest)
        FAIL("a timer fired %llu ns early", (unsigned long long)(alarm->earliest - now));
    ASSERT_EQ_U64(1, expirations);
    ASSERT_EQ_U64(alarm->id, id);
    ASSERT(!alarm->cancelled && !alarm->calls);
    alarm->calls++;
    fired++;
}

static void drop_alarm(void *user_data)
{
    alarm_t *alarm = user_data;
    ASSERT(!alarm->drops);
    alarm->drops++;
    dropped++;
}

static void many_timers(unsigned count, uint64_t spread, unsigned cancel_every)
{
    alarm_t *alarms = calloc(count, sizeof *alarms);
    ASSERT(alarms);
    toy_t toy = {0};
    toy_start(&toy, GUEST_DRIVE_THREAD);
    for (unsigned i = 0; i < count; i++) {
        uint64_t delay = random_below(spread);
        alarms[i].earliest = guest_now() + delay;
        ASSERT_OK(guest_timer_add(toy.g, delay, 0, on_alarm, &alarms[i], drop_alarm, &alarms[i].id));
    }
    unsigned cancelled = 0;
    for (unsigned i = 0; cancel_every && i < count; i += cancel_every, cancelled++) {
        ASSERT_OK(guest_close(toy.g, alarms[i].id));
        alarms[i].cancelled = true;
    }
    for (uint64_t stop = guest_now() + limit(SECONDS(30)); dropped < count && guest_now() < stop;)
        loop_step(toy.loop, stop);
    ASSERT_EQ_U64(count, dropped);
    ASSERT_EQ_U64(count - cancelled, fired);
    toy_end(&toy);
    free(alarms);
}

TEST(timer_million)
{
    many_timers(long_mode() ? 1000000 : 200000, MS(200), 2);
}

TEST(timer_precision_never_early)
{
    many_timers(1000, MS(5), 0);
}

/* The same promise to a host that watches one fd: poll(2) must not return before the time. */
TEST(timer_precision_never_early_fd)
{
    toy_t toy = {0};
    toy_start(&toy, GUEST_DRIVE_FD);
    for (unsigned i = 0; i < 200; i++) {
        uint64_t delay = random_below(MS(2)), start = guest_now();
        probe_t probe = PROBE(&toy);
        add_timer(&toy, delay, 0, &probe);
        RUN_UNTIL(&toy, probe.drops == 1);
        ASSERT_AT_LEAST(probe.at - start, delay);
    }
    ASSERT(toy.deliveries <= 400); /* it was not asked in vain all the time either */
    toy_end(&toy);
}

/* ---- order ----------------------------------------------------------------------------------- */

TEST(timer_order_by_deadline)
{
    toy_t toy = {0};
    probe_t probes[5];
    const uint64_t delays[5] = {MS(4), MS(2), MS(3), 0, MS(1)};
    uint64_t earliest[5], latest[5];
    toy_start(&toy, GUEST_DRIVE_FD);
    for (unsigned i = 0; i < 5; i++) {
        probes[i] = (probe_t)PROBE(&toy);
        earliest[i] = guest_now() + delays[i];
        add_timer(&toy, delays[i], 0, &probes[i]);
        latest[i] = guest_now() + delays[i];
    }
    pass(MS(10)); /* all are due in one batch */
    ASSERT_OK(guest_deliver_batch_for(toy.g, 0, GUEST_FOREVER));
    for (unsigned i = 0; i < 5; i++)
        ASSERT_EQ_U64(1, probes[i].calls);
    for (unsigned i = 0; i < 5; i++)
        for (unsigned j = 0; j < 5; j++)
            if (latest[i] < earliest[j]) /* which it is unless this thread was held up meanwhile */
                ASSERT(probes[i].last < probes[j].last);
    toy_end(&toy);
}

TEST(timer_order_by_start)
{
    enum { TIMERS = 100 };
    static probe_t probes[TIMERS];
    toy_t toy = {0};
    toy_start(&toy, GUEST_DRIVE_FD);
    for (unsigned i = 0; i < TIMERS; i++) {
        probes[i] = (probe_t)PROBE(&toy);
        add_timer(&toy, 0, 0, &probes[i]);
    }
    RUN_UNTIL(&toy, probes[TIMERS - 1].drops);
    for (unsigned i = 1; i < TIMERS; i++)
        ASSERT(probes[i - 1].last < probes[i].last);
    toy_end(&toy);
}

/* ---- repeating ------------------------------------------------------------------------------- */

static uint64_t grid_start;

/* The k-th expiration is due at start + k periods; none is early, and the sum is never ahead. */
static void act_on_grid(probe_t *probe)
{
    ASSERT(probe->value >= 1);
    ASSERT(probe->at >= grid_start + probe->total * MS(5));
    if (probe->calls == 2)
        spin(MS(23)); /* late for four periods */
}

TEST(timer_repeating_keeps_its_grid_and_counts_missed_periods)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    probe.act = act_on_grid;
    toy_start(&toy, GUEST_DRIVE_THREAD);
    grid_start = guest_now();
    add_timer(&toy, MS(5), MS(5), &probe);
    RUN_UNTIL(&toy, probe.calls == 2);
    RUN_UNTIL(&toy, probe.calls == 3);
    ASSERT(probe.value >= 4); /* the four that were missed came as one call */
    RUN_UNTIL(&toy, probe.calls == 6);
    toy_end(&toy);
}

static void act_spin_3ms(probe_t *probe)
{
    (void)probe;
    spin(MS(3));
}

/* A repeating timer that takes longer than its period: it must not fire in bursts or hog the guest. */
TEST(timer_repeating_slower_than_its_period)
{
    toy_t toy = {0};
    probe_t slow = PROBE(&toy), other = PROBE(&toy);
    slow.act = act_spin_3ms;
    toy_start(&toy, GUEST_DRIVE_THREAD);
    add_timer(&toy, MS(1), MS(1), &slow);
    add_timer(&toy, MS(1), MS(2), &other);
    RUN_UNTIL(&toy, slow.calls >= 5 && other.calls >= 5);
    ASSERT(slow.total >= 2 * (uint64_t)slow.calls - 2);
    toy_end(&toy);
}

static void act_close_at_three(probe_t *probe)
{
    if (probe->calls == 3)
        act_close_self(probe);
}

TEST(timer_repeating_closed_in_its_callback)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    probe.act = act_close_at_three;
    toy_start(&toy, GUEST_DRIVE_THREAD);
    add_timer(&toy, 0, 1, &probe);
    RUN_UNTIL(&toy, probe.drops == 1);
    loop_run_for(toy.loop, MS(3));
    ASSERT_EQ_U64(3, probe.calls);
    toy_end(&toy);
}

/* ---- arming anew ----------------------------------------------------------------------------- */

static void act_rearm(probe_t *probe)
{
    if (probe->calls < 4)
        ASSERT_OK(guest_timer_modify(probe->g, probe->id, MS(1), 0));
}

TEST(timer_one_shot_rearmed_in_its_callback)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    probe.act = act_rearm;
    toy_start(&toy, GUEST_DRIVE_THREAD);
    uint64_t start = guest_now();
    guest_id_t id = add_timer(&toy, MS(1), 0, &probe);
    RUN_UNTIL(&toy, probe.calls == 3);
    ASSERT_OK(guest_is_open(toy.g, id));
    RUN_UNTIL(&toy, probe.drops == 1);
    ASSERT_EQ_U64(4, probe.calls);
    ASSERT_AT_LEAST(probe.at - start, MS(4));
    ASSERT_STATUS(GUEST_ESTALE, guest_close(toy.g, id));
    toy_end(&toy);
}

TEST(timer_parked_until_armed)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    guest_id_t id = add_timer(&toy, GUEST_FOREVER, 0, &probe);
    loop_run_for(toy.loop, MS(10));
    ASSERT_EQ_U64(0, probe.calls);
    ASSERT_OK(guest_timer_modify(toy.g, id, MS(1), MS(1)));
    RUN_UNTIL(&toy, probe.calls >= 2);
    ASSERT_OK(guest_timer_modify(toy.g, id, GUEST_FOREVER, 0)); /* stopped, not closed */
    unsigned calls = probe.calls;
    loop_run_for(toy.loop, MS(10));
    ASSERT_EQ_U64(calls, probe.calls);
    ASSERT_OK(guest_is_open(toy.g, id));
    toy_end(&toy);
}

TEST(timer_armed_earlier_wakes_a_sleeping_guest)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    guest_id_t id = add_timer(&toy, SECONDS(3600), 0, &probe);
    toy_await_polling(&toy);
    ASSERT_OK(guest_timer_modify(toy.g, id, MS(2), 0));
    RUN_UNTIL(&toy, probe.drops == 1);
    toy_end(&toy);
}

TEST(timer_armed_later_does_not_fire_at_the_old_time)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    guest_id_t id = add_timer(&toy, MS(3), 0, &probe);
    uint64_t start = guest_now();
    ASSERT_OK(guest_timer_modify(toy.g, id, MS(20), 0));
    RUN_UNTIL(&toy, probe.drops == 1);
    ASSERT_AT_LEAST(probe.at - start, MS(20));
    toy_end(&toy);
}

TEST(timeouts_saturate)
{
    toy_t toy = {0};
    const uint64_t long_times[] = {GUEST_FOREVER, GUEST_FOREVER - 1, GUEST_FOREVER / 2 + 1, INT64_MAX,
                                   SECONDS(4000000000u)};
    probe_t probes[COUNT(long_times)], repeating = PROBE(&toy);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    for (size_t i = 0; i < COUNT(long_times); i++) {
        probes[i] = (probe_t)PROBE(&toy);
        add_timer(&toy, long_times[i], long_times[i], &probes[i]);
    }
    guest_id_t id = add_timer(&toy, 0, GUEST_FOREVER - 1, &repeating);
    RUN_UNTIL(&toy, repeating.calls == 1);
    loop_run_for(toy.loop, MS(10));
    ASSERT_EQ_U64(1, repeating.calls);
    ASSERT_OK(guest_is_open(toy.g, id));
    for (size_t i = 0; i < COUNT(long_times); i++)
        ASSERT_EQ_U64(0, probes[i].calls);
    ASSERT_OK(guest_deliver_batch_for(toy.g, 0, GUEST_FOREVER - 1));
    toy_end(&toy);
}

/* ---- zero delay ------------------------------------------------------------------------------ */

static void act_rearm_at_once(probe_t *probe)
{
    ASSERT_OK(guest_timer_modify(probe->g, probe->id, 0, 0));
}

TEST(timer_zero_delay_storm_keeps_fds_going)
{
    toy_t toy = {0};
    probe_t storm = PROBE(&toy), fd = PROBE(&toy), post = PROBE(&toy);
    channel_t pipe = channel_open();
    storm.act = act_rearm_at_once;
    fd.act = act_read_one;
    fd.argument = &pipe;
    toy_start(&toy, GUEST_DRIVE_THREAD);
    add_timer(&toy, 0, 0, &storm);
    add_fd(&toy, pipe.in, GUEST_READABLE, &fd);
    for (unsigned i = 1; i <= 20; i++) {
        channel_write(&pipe, 1);
        RUN_UNTIL(&toy, fd.calls == i);
    }
    add_post(&toy, &post);
    RUN_UNTIL(&toy, post.drops == 1);
    ASSERT(storm.calls >= 20);
    toy_end(&toy);
    ASSERT_EQ_U64(1, storm.drops);
    channel_close(&pipe);
}
