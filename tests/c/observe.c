/* Hazard: figures that lie, and a watchdog that is silent. */
#include "toy.h"

static uint64_t sum(const uint64_t *histogram)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < GUEST_HISTOGRAM_BUCKETS; i++)
        total += histogram[i];
    return total;
}

TEST(stats_count_what_happens)
{
    toy_t toy = {0};
    probe_t post = {.toy = &toy, .shared = true}, timer = PROBE(&toy);
    guest_options_t options = patient_options_for(GUEST_DRIVE_THREAD);
    toy_start_on(&toy, NULL, &options);
    for (unsigned i = 0; i < 10; i++)
        add_post(&toy, &post);
    ASSERT_EQ_U64(10, toy_stats(&toy).live_posts);
    RUN_UNTIL(&toy, post.drops == 10);
    add_timer(&toy, GUEST_FOREVER, 0, &timer);
    guest_stats_t stats = toy_stats(&toy);
    ASSERT_EQ_U64(10, stats.events);
    ASSERT_EQ_U64(0, stats.live_posts);
    ASSERT_EQ_U64(1, stats.live_sources);
    ASSERT_EQ_U64(toy.deliveries - toy.stale, stats.batches);
    ASSERT_EQ_U64(toy.posts, stats.tokens + stats.reposts);
    ASSERT_EQ_U64(toy.stale, stats.stale_tokens);
    ASSERT_EQ_U64(0, stats.post_failures);
    ASSERT_EQ_U64(0, stats.inlined_tokens);
    ASSERT_EQ_U64(0, stats.nested);
    ASSERT(stats.io_wakeups >= 1);
    ASSERT(stats.latch == GUEST_LATCH_HANDLE || stats.latch == GUEST_LATCH_INBOX);
    toy_end(&toy);
}

static void act_spin(probe_t *probe)
{
    (void)probe;
    spin(MS(2));
}

TEST(histograms_add_up)
{
    toy_t toy = {0};
    probe_t probe = {.toy = &toy, .act = act_spin, .shared = true};
    guest_options_t options = patient_options_for(GUEST_DRIVE_THREAD);
    toy_start_on(&toy, NULL, &options);
    for (unsigned i = 1; i <= 5; i++) {
        add_post(&toy, &probe);
        RUN_UNTIL(&toy, probe.drops == i);
    }
    guest_stats_t stats = toy_stats(&toy);
    ASSERT_EQ_U64(stats.batches, sum(stats.delivery_duration));
    ASSERT_EQ_U64(stats.batches, sum(stats.delivery_latency)); /* each batch had a token of its own */
    uint64_t long_ones = 0;
    for (unsigned i = 20; i < GUEST_HISTOGRAM_BUCKETS; i++) /* from 2^20 ns, about 1 ms */
        long_ones += stats.delivery_duration[i];
    ASSERT_EQ_U64(5, long_ones);
    toy_end(&toy);
}

static void act_delivering(probe_t *probe)
{
    ASSERT_EQ_U64(GUEST_STATE_DELIVERING, toy_state(probe->toy));
}

static bool is_posted(void *toy)
{
    return toy_state(toy) == GUEST_STATE_POSTED;
}

TEST(state_in_drive_thread)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    probe.act = act_delivering;
    toy_start(&toy, GUEST_DRIVE_THREAD);
    toy_await_polling(&toy);
    add_post(&toy, &probe);
    await(is_posted, &toy, "GUEST_STATE_POSTED");
    RUN_UNTIL(&toy, probe.drops == 1);
    toy_await_polling(&toy);
    ASSERT_OK(guest_shutdown(toy.g, limit(SECONDS(5))));
    ASSERT_EQ_U64(GUEST_STATE_ENDED, toy_state(&toy));
    toy_free(&toy);
    toy_close(&toy);
}

/* ---- stalls: reported while they last, once each --------------------------------------------- */

static void start_watched(toy_t *toy, uint32_t drive)
{
    guest_options_t options = options_for(drive);
    options.stall_after = limit(MS(10)); /* on a slow machine, healthy deliveries are slow */
    toy_start_on(toy, NULL, &options);
}

TEST(stall_of_an_undelivered_token)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    start_watched(&toy, GUEST_DRIVE_THREAD);
    add_post(&toy, &probe);
    latch_wait(&toy.stalled, 1); /* the host's loop does not run: this thread waits here */
    ASSERT_EQ_U64(GUEST_STALL_UNDELIVERED, toy.stall_kind);
    ASSERT_AT_LEAST(toy.stall_time, limit(MS(10)));
    pass(limit(MS(30)));
    ASSERT_EQ_U64(1, toy.stalled.count); /* once for each stall */
    ASSERT_EQ_U64(1, toy_stats(&toy).stalls);
    ASSERT_EQ_U64(0, probe.calls);
    RUN_UNTIL(&toy, probe.drops == 1);
    toy_end(&toy);
}

static void act_stuck(probe_t *probe)
{
    probe->toy->stall_kind = 0; /* of the token, which may have waited too long as well */
    for (unsigned n = 1; probe->toy->stall_kind != GUEST_STALL_DELIVERING; n++)
        latch_wait(&probe->toy->stalled, n); /* returns only when it has been reported */
    ASSERT_AT_LEAST(probe->toy->stall_time, limit(MS(10)));
}

TEST(stall_of_a_callback)
{
    for (uint32_t drive = GUEST_DRIVE_THREAD; drive <= GUEST_DRIVE_FD; drive++) {
        toy_t toy = {0};
        probe_t probe = {.toy = &toy, .act = act_stuck, .shared = true};
        start_watched(&toy, drive);
        add_post(&toy, &probe);
        RUN_UNTIL(&toy, probe.drops == 1);
        add_post(&toy, &probe);
        RUN_UNTIL(&toy, probe.drops == 2);
        ASSERT(toy.stalled.count >= 2);
        toy_end(&toy);
    }
}

/* ---- idle is free ---------------------------------------------------------------------------- */
