/* Hazard: callbacks that run a nested host loop, as a modal dialog does. Everything else goes on;
 * what is on the stack is not entered again; and a host that is merely busy is no nested loop. */
#include "toy.h"

static toy_t toy;
static probe_t level[3], tick, pinged, posted;
static channel_t door, ping;

/* In the innermost dialog: timers, fds and posts of the outer world still arrive. */
static void everything_goes_on(void)
{
    unsigned ticks = tick.calls, pings = pinged.calls, posts = posted.calls;
    for (unsigned i = 1; i <= 3; i++) {
        channel_write(&ping, 1);
        add_post(&toy, &posted);
        RUN_UNTIL(&toy, tick.calls >= ticks + i && pinged.calls == pings + i && posted.calls == posts + i);
    }
}

static void act_third(probe_t *probe)
{
    (void)probe;
    everything_goes_on();
    ASSERT(level[0].depth == 1 && level[1].depth == 1);
    ASSERT_EQ_U64(GUEST_STATE_DELIVERING, toy_state(&toy));
}

static void act_second(probe_t *probe)
{
    (void)probe;
    add_post(&toy, &level[2]);
    RUN_UNTIL(&toy, level[2].drops == 1);
    everything_goes_on();
}

static void act_first(probe_t *probe)
{
    add_timer(&toy, MS(1), 0, &level[1]);
    RUN_UNTIL(&toy, level[1].drops == 1);
    everything_goes_on();
    /* Its own byte was there all along, but the source is on the stack. */
    ASSERT_EQ_U64(1, level[0].calls);
    act_read_one(probe);
}

static void three_deep(uint32_t drive)
{
    toy_start(&toy, drive);
    door = channel_open();
    ping = channel_open();
    void (*const acts[])(probe_t *) = {act_first, act_second, act_third};
    for (unsigned i = 0; i < 3; i++)
        level[i] = (probe_t){.toy = &toy, .act = acts[i], .argument = &door};
    tick = (probe_t){.toy = &toy};
    pinged = (probe_t){.toy = &toy, .act = act_read_one, .argument = &ping};
    posted = (probe_t){.toy = &toy, .shared = true};
    add_timer(&toy, MS(1), MS(1), &tick);
    add_fd(&toy, ping.in, GUEST_READABLE, &pinged);
    add_fd(&toy, door.in, GUEST_READABLE, &level[0]);
    channel_write(&door, 2);
    RUN_UNTIL(&toy, level[0].calls == 1 && level[0].depth == 0);
    ASSERT_EQ_U64(1, level[1].calls);
    ASSERT_EQ_U64(1, level[2].calls);
    ASSERT(toy_stats(&toy).nested >= 3);

    level[0].act = act_read_one; /* the second byte: the source comes again when it has returned */
    RUN_UNTIL(&toy, level[0].calls == 2);
    everything_goes_on();
    toy_end(&toy);
    ASSERT_EQ_U64(1, level[0].drops);
    channel_close(&door);
    channel_close(&ping);
}

TEST(nested_three_deep_thread)
{
    three_deep(GUEST_DRIVE_THREAD);
}

TEST(nested_three_deep_fd)
{
    three_deep(GUEST_DRIVE_FD);
}

/* While the source on the stack stays readable, the nested loop must be able to sleep. */
static void act_dialog(probe_t *probe)
{
    (void)probe;
    pass(MS(15)); /* longer than nested_after */
    unsigned before = toy.deliveries;
    loop_run_for(toy.loop, MS(60));
    if (toy.deliveries - before > 20)
        FAIL("%u deliveries in 60 ms in which nothing was due", toy.deliveries - before);
    act_read_one(probe);
}

static void source_on_stack_is_quiet(uint32_t drive)
{
    toy_start(&toy, drive);
    door = channel_open();
    probe_t dialog = {.toy = &toy, .act = act_dialog, .argument = &door};
    add_fd(&toy, door.in, GUEST_READABLE, &dialog);
    channel_write(&door, 1);
    RUN_UNTIL(&toy, dialog.calls == 1);
    loop_run_for(toy.loop, MS(10));
    ASSERT_EQ_U64(1, dialog.calls);
    toy_end(&toy);
    channel_close(&door);
}

TEST(nested_source_on_the_stack_does_not_spin_thread)
{
    source_on_stack_is_quiet(GUEST_DRIVE_THREAD);
}

TEST(nested_source_on_the_stack_does_not_spin_fd)
{
    source_on_stack_is_quiet(GUEST_DRIVE_FD);
}

static void act_busy(probe_t *probe)
{
    channel_write(&ping, 1); /* the I/O thread sees it and may ask for a nested turn */
    spin(MS(50));
    ASSERT(probe->toy->posts <= 2); /* this one's token, and one for the nested turn */
}

TEST(nested_host_is_merely_busy)
{
    guest_options_t options = options_for(GUEST_DRIVE_THREAD);
    options.repost_after = GUEST_FOREVER;
    toy_start_on(&toy, NULL, &options);
    ping = channel_open();
    probe_t busy = {.toy = &toy, .act = act_busy};
    pinged = (probe_t){.toy = &toy, .act = act_read_one, .argument = &ping};
    add_fd(&toy, ping.in, GUEST_READABLE, &pinged);
    add_timer(&toy, 0, 0, &busy);
    RUN_UNTIL(&toy, busy.drops == 1 && pinged.calls == 1);
    loop_run_for(toy.loop, MS(5));
    ASSERT_EQ_U64(1, busy.calls);
    ASSERT_EQ_U64(1, pinged.calls);
    ASSERT_EQ_U64(0, toy_stats(&toy).nested);
    toy_end(&toy);
    channel_close(&ping);
}

/* The rest of a batch that a dialog interrupts: the nested deliveries run it. */
static void act_wait_for_rest(probe_t *probe)
{
    (void)probe;
    RUN_UNTIL(&toy, level[1].drops && level[2].drops);
}

static void rest_of_batch(uint32_t drive)
{
    toy_start(&toy, drive);
    for (unsigned i = 0; i < 3; i++) {
        level[i] = (probe_t){.toy = &toy, .act = i ? NULL : act_wait_for_rest};
        add_timer(&toy, 0, 0, &level[i]);
    }
    RUN_UNTIL(&toy, level[0].drops);
    for (unsigned i = 0; i < 3; i++)
        ASSERT_EQ_U64(1, level[i].calls);
    ASSERT(level[1].last < level[2].last);
    toy_end(&toy);
}

TEST(nested_runs_the_rest_of_the_batch_thread)
{
    rest_of_batch(GUEST_DRIVE_THREAD);
}

TEST(nested_runs_the_rest_of_the_batch_fd)
{
    rest_of_batch(GUEST_DRIVE_FD);
}

/* Closing the dialog's own source, from deep within. */
static guest_id_t outer_id;

static void act_close_outer(probe_t *probe)
{
    ASSERT_OK(guest_close(probe->g, outer_id));
    ASSERT_STATUS(GUEST_ESTALE, guest_close(probe->g, outer_id));
}

static void act_until_closed(probe_t *probe)
{
    outer_id = probe->id;
    add_timer(&toy, MS(1), 0, &level[1]);
    RUN_UNTIL(&toy, level[1].drops);
    loop_run_for(toy.loop, MS(5));
    ASSERT_EQ_U64(0, probe->drops); /* its callback still runs */
}

TEST(nested_closes_the_source_on_the_stack)
{
    toy_start(&toy, GUEST_DRIVE_THREAD);
    level[0] = (probe_t){.toy = &toy, .act = act_until_closed};
    level[1] = (probe_t){.toy = &toy, .act = act_close_outer};
    add_timer(&toy, 0, MS(1), &level[0]);
    RUN_UNTIL(&toy, level[0].drops);
    ASSERT_EQ_U64(1, level[0].calls);
    toy_end(&toy);
}

/* guest_free and guest_cancel inside a nested delivery wait for the outermost one. */
static void act_end(probe_t *probe)
{
    if (probe->argument)
        toy_free(&toy);
    else
        ASSERT_OK(guest_cancel(probe->g));
}

static void act_until_ended(probe_t *probe)
{
    add_timer(&toy, MS(1), 0, &level[1]);
    RUN_UNTIL(&toy, level[1].calls);
    loop_run_for(toy.loop, MS(20));
    ASSERT_EQ_U64(0, toy.done);
    ASSERT_EQ_U64(0, probe->drops);
}

static void ended_in_nested(uint32_t drive, bool by_free)
{
    toy_start(&toy, drive);
    level[0] = (probe_t){.toy = &toy, .act = act_until_ended};
    level[1] = (probe_t){.toy = &toy, .act = act_end, .argument = by_free ? &toy : NULL};
    add_timer(&toy, 0, 0, &level[0]);
    RUN_UNTIL(&toy, toy.done);
    ASSERT_EQ_U64(1, level[0].drops);
    ASSERT_EQ_U64(1, level[1].drops);
    if (toy.g)
        toy_free(&toy);
    toy_close(&toy);
}

TEST(nested_free_thread)
{
    ended_in_nested(GUEST_DRIVE_THREAD, true);
}

TEST(nested_free_fd)
{
    ended_in_nested(GUEST_DRIVE_FD, true);
}

TEST(nested_cancel_thread)
{
    ended_in_nested(GUEST_DRIVE_THREAD, false);
}

TEST(nested_cancel_fd)
{
    ended_in_nested(GUEST_DRIVE_FD, false);
}

static void act_cancel(probe_t *probe)
{
    ASSERT_OK(guest_cancel(probe->g));
}

static void act_run_until_cancelled(probe_t *probe)
{
    add_timer(probe->toy, 0, 0, probe->argument);
    ASSERT_STATUS(GUEST_ECLOSED, guest_run(probe->g, limit(SECONDS(5))));
    ASSERT_EQ_U64(0, probe->toy->done); /* this callback is on the stack */
}

TEST(nested_run_ends_when_cancelled)
{
    for (uint32_t drive = GUEST_DRIVE_THREAD; drive <= GUEST_DRIVE_RUN; drive++) {
        toy_t toy = {0};
        probe_t inner = {.toy = &toy, .act = act_cancel};
        probe_t outer = {.toy = &toy, .act = act_run_until_cancelled, .argument = &inner};
        toy_start(&toy, drive);
        add_timer(&toy, 0, 0, &outer);
        ASSERT_OK(guest_run(toy.g, limit(SECONDS(10))));
        ASSERT(inner.drops == 1 && outer.drops == 1);
        toy_free(&toy);
        toy_close(&toy);
    }
}

static bool reposted(void *toy)
{
    return ((toy_t *)toy)->posts >= 2;
}

static bool came_soon;

static void act_dialog_at_once(probe_t *probe)
{
    probe_t *inner = probe->argument;
    channel_write(inner->argument, 1);
    RUN_UNTIL(probe->toy, inner->calls == 1);
    came_soon = inner->at - probe->at < MS(100);
}

static void nested_after_a_blocked_host(void)
{
    toy_t toy = {0};
    channel_t pipe = channel_open();
    guest_options_t options = options_for(GUEST_DRIVE_THREAD);
    options.repost_after = MS(800);
    toy_start_on(&toy, NULL, &options);
    probe_t inner = {.toy = &toy, .act = act_read_one, .argument = &pipe};
    probe_t outer = {.toy = &toy, .act = act_dialog_at_once, .argument = &inner};
    add_fd(&toy, pipe.in, GUEST_READABLE, &inner);
    add_timer(&toy, 0, 0, &outer);
    await(reposted, &toy, "the same token once more");
    RUN_UNTIL(&toy, outer.drops == 1);
    toy_end(&toy);
    channel_close(&pipe);
}

/* The I/O thread has just looked after a token that is long overdue, and looks again only in 200 ms: were that what brings
 * the nested token, it would be late each time, and not only when this thread is kept off its processor. */
TEST(nested_soon_after_a_blocked_host)
{
    for (int i = 0; i < 5 && !came_soon; i++)
        nested_after_a_blocked_host();
    ASSERT(came_soon);
}
