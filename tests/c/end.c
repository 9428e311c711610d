/* Hazard: guest_cancel, guest_free and guest_shutdown, whoever calls them and wherever. done comes once, after the last drop. */
#include "toy.h"

/* A guest with three due sources, one that is not due, and an `act` on whatever runs first. */
typedef struct cast {
    toy_t toy;
    probe_t timers[3], parked;
} cast_t;

static cast_t c;

static void cast_start(uint32_t drive, void (*act)(probe_t *))
{
    toy_start(&c.toy, drive);
    for (unsigned i = 0; i < COUNT(c.timers); i++) {
        c.timers[i] = (probe_t){.toy = &c.toy, .act = i == 0 ? act : NULL};
        add_timer(&c.toy, 0, 0, &c.timers[i]);
    }
    c.parked.toy = &c.toy;
    add_timer(&c.toy, GUEST_FOREVER, 0, &c.parked);
}

/* Exactly the first timer's callback ran; everything was dropped once; done came once. */
static void cast_ended(void)
{
    ASSERT_EQ_U64(1, c.toy.done);
    ASSERT_STATUS(GUEST_OK, c.toy.done_status);
    for (unsigned i = 0; i < COUNT(c.timers); i++) {
        ASSERT_EQ_U64(i == 0, c.timers[i].calls);
        ASSERT_EQ_U64(1, c.timers[i].drops);
    }
    ASSERT_EQ_U64(0, c.parked.calls);
    ASSERT_EQ_U64(1, c.parked.drops);
    if (c.toy.g)
        toy_free(&c.toy);
    toy_close(&c.toy);
}

static void act_free(probe_t *probe)
{
    guest_t *g = probe->g;
    toy_free(probe->toy);
    ASSERT_EQ_U64(0, probe->toy->done); /* it takes effect when the outermost delivery returns */
    ASSERT_STATUS(GUEST_ECLOSED, guest_timer_add(g, 0, 0, on_timer, probe, NULL, NULL));
}

static void act_cancel(probe_t *probe)
{
    ASSERT_OK(guest_cancel(probe->g));
    ASSERT_OK(guest_cancel(probe->g));
    ASSERT_EQ_U64(0, probe->toy->done);
    ASSERT_STATUS(GUEST_ECLOSED, guest_timer_add(probe->g, 0, 0, on_timer, probe, NULL, NULL));
    ASSERT_STATUS(GUEST_ECLOSED, guest_post(probe->g, on_post, probe, NULL));
    ASSERT_STATUS(GUEST_EORDER, guest_shutdown(probe->g, 0));
}

TEST(free_in_callback_thread)
{
    cast_start(GUEST_DRIVE_THREAD, act_free);
    RUN_UNTIL(&c.toy, c.toy.done);
    cast_ended();
}

TEST(cancel_in_callback_thread)
{
    cast_start(GUEST_DRIVE_THREAD, act_cancel);
    RUN_UNTIL(&c.toy, c.toy.done);
    cast_ended();
}

static void free_in_done(toy_t *toy)
{
    toy_free(toy);
}

TEST(free_in_done_thread)
{
    toy_t toy = {.on_done = free_in_done};
    probe_t probe = PROBE(&toy);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    add_timer(&toy, GUEST_FOREVER, 0, &probe);
    ASSERT_OK(guest_cancel(toy.g));
    RUN_UNTIL(&toy, toy.done);
    ASSERT_EQ_U64(1, probe.drops);
    toy_close(&toy);
}

TEST(free_in_done_of_shutdown)
{
    toy_t toy = {.on_done = free_in_done};
    toy_start(&toy, GUEST_DRIVE_THREAD);
    ASSERT_OK(guest_shutdown(toy.g, limit(SECONDS(5))));
    toy_close(&toy);
}

static latch_t cancelled;

static void *cancel_elsewhere(void *g)
{
    ASSERT_OK(guest_cancel(g));
    latch_open(&cancelled);
    return NULL;
}

static void act_cancelled_elsewhere(probe_t *probe)
{
    join(spawn(cancel_elsewhere, probe->g));
    latch_wait(&cancelled, 1);
    ASSERT_EQ_U64(0, probe->toy->done);
}

TEST(cancel_from_another_thread_during_delivery)
{
    latch_t shut = LATCH;
    cancelled = shut;
    cast_start(GUEST_DRIVE_THREAD, act_cancelled_elsewhere);
    RUN_UNTIL(&c.toy, c.toy.done);
    cast_ended();
}

static void *cancel_quietly(void *g)
{
    ASSERT_OK(guest_cancel(g));
    return NULL;
}

/* The cancel hits deliveries at every point; whichever it hits, its wake is not lost. */
TEST(cancel_races_with_deliveries)
{
    for (unsigned round = 0; round < 300; round++) {
        toy_t toy = {0};
        toy_start(&toy, round % 3);
        pthread_t thread = spawn(cancel_quietly, toy.g);
        for (unsigned i = 0; i < 1 + round % 40 && !toy.done; i++)
            toy_deliver(&toy, 0);
        if (toy.drive == GUEST_DRIVE_RUN)
            ASSERT_OK(guest_run(toy.g, limit(SECONDS(5))));
        else
            RUN_UNTIL(&toy, toy.done);
        join(thread);
        toy_free(&toy);
        toy_close(&toy);
    }
}

static bool no_threads(void *unused)
{
    (void)unused;
    guest_live_t live = {.struct_size = sizeof live};
    ASSERT_OK(guest_live(&live));
    return live.threads == 0;
}

TEST(free_while_post_blocks)
{
    static toy_t toy; /* the thread that hangs in `post` still uses it */
    probe_t probe = PROBE(&toy);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    toy_fault(&toy, FAULT_BLOCK, -1);
    add_post(&toy, &probe);
    latch_wait(&toy.entered, 1);
    toy_free(&toy);
    ASSERT_EQ_U64(1, probe.drops);
    latch_open(&toy.unblock);
    await(no_threads, NULL, "the end of the thread that was left behind");
    ASSERT_EQ_U64(1, toy.posts); /* it has not called a host again that may be gone by then */
    toy_close(&toy);
}

static latch_t working = LATCH, release = LATCH;

static void blocked_work(void *user_data)
{
    (void)user_data;
    latch_open(&working);
    latch_wait(&release, 1);
}

TEST(shutdown_with_deadline)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    add_work(&toy, blocked_work, &probe);
    latch_wait(&working, 1);
    uint64_t start = guest_now();
    ASSERT_STATUS(GUEST_ETIMEDOUT, guest_shutdown(toy.g, MS(20)));
    ASSERT_AT_LEAST(guest_now() - start, MS(20));
    ASSERT_EQ_U64(0, toy.done);
    ASSERT_EQ_U64(0, probe.drops);
    ASSERT_STATUS(GUEST_ETIMEDOUT, guest_shutdown(toy.g, 0));
    latch_open(&release);
    ASSERT_OK(guest_shutdown(toy.g, limit(SECONDS(5))));
    ASSERT_EQ_U64(1, toy.done);
    ASSERT_EQ_U64(1, probe.drops);
    ASSERT_EQ_U64(0, probe.calls);
    ASSERT_OK(guest_shutdown(toy.g, 0)); /* done has been called before */
    toy_free(&toy);
    toy_close(&toy);
}

TEST(cancelled_guest_takes_nothing_new)
{
    toy_t toy = {0};
    channel_t pipe = channel_open();
    guest_id_t id = 77;
    toy_start(&toy, GUEST_DRIVE_THREAD);
    ASSERT_OK(guest_cancel(toy.g));
    ASSERT_STATUS(GUEST_ECLOSED, guest_fd_add(toy.g, pipe.in, GUEST_READABLE, on_fd, NULL, on_drop, &id));
    ASSERT_STATUS(GUEST_ECLOSED, guest_timer_add(toy.g, 0, 0, on_timer, NULL, on_drop, &id));
    ASSERT_STATUS(GUEST_ECLOSED, guest_signal_add(toy.g, 10, on_signal, NULL, on_drop, &id));
    ASSERT_STATUS(GUEST_ECLOSED, guest_child_add(toy.g, getpid(), on_child, NULL, on_drop, &id));
    ASSERT_STATUS(GUEST_ECLOSED, guest_work(toy.g, blocked_work, on_work_done, NULL, on_drop, &id));
    ASSERT_STATUS(GUEST_ECLOSED, guest_resolve(toy.g, "::1", NULL, 0, 1, 0, on_resolve, NULL, on_drop, &id));
    ASSERT_STATUS(GUEST_ECLOSED, guest_post(toy.g, on_post, NULL, on_drop));
    ASSERT_EQ_U64(77, id);
    toy_end(&toy);
    channel_close(&pipe);
}
