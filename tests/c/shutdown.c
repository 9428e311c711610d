/* Hazard: guest_shutdown: the end without the host's help, under a deadline; and what is refused then. */
#include "toy.h"

static void act_shutdown(probe_t *probe)
{
    ASSERT_STATUS(GUEST_EORDER, guest_shutdown(probe->g, SECONDS(1)));
}

TEST(shutdown_in_callback)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    probe.act = act_shutdown;
    toy_start(&toy, GUEST_DRIVE_THREAD);
    add_timer(&toy, 0, 0, &probe);
    RUN_UNTIL(&toy, probe.drops == 1);
    ASSERT_EQ_U64(0, toy.done); /* a refused call changes nothing */
    toy_end(&toy);
}

static gate_t working = GATE, release = GATE;

static void blocked_work(void *user_data)
{
    (void)user_data;
    gate_open(&working);
    gate_wait(&release, 1);
}

TEST(shutdown_with_deadline)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    add_work(&toy, blocked_work, &probe);
    gate_wait(&working, 1);
    uint64_t start = guest_now();
    ASSERT_STATUS(GUEST_ETIMEDOUT, guest_shutdown(toy.g, MS(20)));
    ASSERT_AT_LEAST(guest_now() - start, MS(20));
    ASSERT_EQ_U64(0, toy.done);
    ASSERT_EQ_U64(0, probe.drops);
    ASSERT_STATUS(GUEST_ETIMEDOUT, guest_shutdown(toy.g, 0));
    gate_open(&release);
    ASSERT_OK(guest_shutdown(toy.g, limit(SECONDS(5))));
    ASSERT_EQ_U64(1, toy.done);
    ASSERT_EQ_U64(1, probe.drops);
    ASSERT_EQ_U64(0, probe.calls);
    ASSERT_OK(guest_shutdown(toy.g, 0)); /* done has been called before */
    toy_free(&toy);
    toy_close(&toy);
}

TEST(shutdown_runs_drops)
{
    for (uint32_t drive = GUEST_DRIVE_THREAD; drive <= GUEST_DRIVE_RUN; drive++) {
        toy_t toy = {0};
        probe_t timer = PROBE(&toy), post = PROBE(&toy);
        toy_start(&toy, drive);
        add_timer(&toy, GUEST_FOREVER, 0, &timer);
        add_post(&toy, &post);
        ASSERT_OK(guest_shutdown(toy.g, limit(SECONDS(5))));
        ASSERT_EQ_U64(1, timer.drops);
        ASSERT_EQ_U64(1, post.drops);
        ASSERT_EQ_U64(0, post.calls);
        toy_free(&toy);
        toy_close(&toy);
    }
}

static void slow_drop(void *probe)
{
    pass(MS(2));
    on_drop(probe);
}

/* Its timeout is for work that is running; drop functions run all the same. */
TEST(shutdown_runs_slow_drops)
{
    toy_t toy = {0};
    probe_t probe = {.toy = &toy, .shared = true};
    guest_options_t options = options_for(GUEST_DRIVE_FD);
    options.batch_budget = MS(1);
    toy_start_on(&toy, NULL, &options);
    for (unsigned i = 0; i < 5; i++)
        ASSERT_OK(guest_timer_add(toy.g, GUEST_FOREVER, 0, on_timer, &probe, slow_drop, NULL));
    ASSERT_OK(guest_shutdown(toy.g, 0));
    ASSERT_EQ_U64(5, probe.drops);
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
