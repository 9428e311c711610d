/* Hazard: callbacks that run a nested host loop, as a modal dialog does. Everything else goes on;
 * what is on the stack is not entered again. */
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

TEST(nested_three_deep)
{
    toy_start(&toy, GUEST_DRIVE_THREAD);
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

static void *cancel_from_here(void *poster)
{
    ASSERT_OK(guest_poster_cancel(poster));
    return NULL;
}

static bool is_readable(guest_os_fd_t fd)
{
    struct pollfd watched = {.fd = fd, .events = POLLIN};
    return MUST(poll(&watched, 1, 0)) == 1;
}

/* The end comes when the callback has returned: a dialog has no work until then. */
static void act_dialog_after_the_cancel(probe_t *probe)
{
    guest_poster_t *poster;
    guest_os_fd_t fd;
    ASSERT_OK(guest_poster_new(probe->g, &poster));
    ASSERT_OK(guest_fd(probe->g, &fd));
    join(spawn(cancel_from_here, poster));
    guest_poster_free(poster);
    ASSERT(is_readable(fd));
    for (unsigned deliveries = 0; is_readable(fd); deliveries++) {
        ASSERT(deliveries < 100);
        ASSERT_OK(guest_deliver_batch(probe->g, 0));
    }
    ASSERT(!probe->toy->done);
}

TEST(nested_loop_rests_after_the_cancel)
{
    probe_t probe = {.toy = &toy, .act = act_dialog_after_the_cancel};
    toy_start(&toy, GUEST_DRIVE_FD);
    add_post(&toy, &probe);
    RUN_UNTIL(&toy, toy.done);
    ASSERT_EQ_U64(1, probe.calls);
    toy_end(&toy);
}
