/* Hazard: timers. On their grid, armed anew, and times that are too long to be added. */
#include "toy.h"

/* ---- repeating ------------------------------------------------------------------------------- */

static uint64_t grid_start;

/* The k-th expiration is due at start + k periods; none is early, and the sum is never ahead. */
static void act_on_grid(probe_t *probe)
{
    ASSERT(probe->value >= 1);
    ASSERT(probe->at >= grid_start + probe->total * MS(5));
    if (probe->calls == 2)
        spin(MS(23)); /* late for four periods */
    if (probe->calls == 3)
        ASSERT(probe->value >= 4); /* those that were missed came as one call */
}

TEST(timer_repeating_keeps_its_grid_and_counts_missed_periods)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    probe.act = act_on_grid;
    toy_start(&toy, GUEST_DRIVE_THREAD);
    grid_start = guest_now();
    add_timer(&toy, MS(5), MS(5), &probe);
    RUN_UNTIL(&toy, probe.calls >= 6);
    toy_end(&toy);
}

/* ---- arming anew ----------------------------------------------------------------------------- */

static void act_rearm(probe_t *probe)
{
    ASSERT_OK(guest_is_open(probe->g, probe->id));
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
    RUN_UNTIL(&toy, probe.drops == 1);
    ASSERT_EQ_U64(4, probe.calls);
    ASSERT_AT_LEAST(probe.at - start, MS(4));
    ASSERT_STATUS(GUEST_ESTALE, guest_close(toy.g, id));
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

/* ---- a deadline of the caller's --------------------------------------------------------------- */

static void a_deadline(uint32_t drive)
{
    toy_t toy = {0};
    toy_start(&toy, drive);
    loop_run_for(toy.loop, 0);
    uint64_t due = guest_now() + MS(2), events = toy_stats(&toy).events;
    ASSERT_OK(guest_deadline(toy.g, GUEST_FOREVER));
    ASSERT_OK(guest_deadline(toy.g, due));
    RUN_UNTIL(&toy, toy_stats(&toy).events > events);
    ASSERT(guest_now() >= due);
    ASSERT_OK(guest_cancel(toy.g));
    ASSERT_STATUS(GUEST_ECLOSED, guest_deadline(toy.g, 0));
    toy_end(&toy);
}

TEST(deadline_smoke_thread)
{
    a_deadline(GUEST_DRIVE_THREAD);
}

TEST(deadline_smoke_fd)
{
    a_deadline(GUEST_DRIVE_FD);
}
