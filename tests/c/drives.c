/* Hazard: the ways to wait: guest_fd, guest_run, and the time that one delivery may take. */
#include "toy.h"

TEST(drive_fd_under_poll)
{
    toy_t toy = {0};
    channel_t pipe = channel_open();
    probe_t fd = {.toy = &toy, .act = act_read_one, .argument = &pipe};
    probe_t timer = PROBE(&toy), posts = {.toy = &toy, .shared = true};
    struct pollfd watched = {.events = POLLIN};
    toy_start(&toy, GUEST_DRIVE_FD);
    ASSERT_OK(guest_fd(toy.g, &watched.fd));
    add_fd(&toy, pipe.in, GUEST_READABLE, &fd);
    for (unsigned round = 1; round <= 10; round++) {
        channel_write(&pipe, 2); /* one byte stays: level-triggered within, whatever is without */
        add_timer(&toy, MS(round % 3), 0, &timer);
        add_post(&toy, &posts);
        while (fd.calls < 2 * round || timer.calls == 0 || posts.drops < round) {
            if (MUST(poll(&watched, 1, (int)(limit(SECONDS(2)) / MS(1)))) != 1)
                FAIL("asleep in round %u: fd %u, timer %u, posts %u", round, fd.calls, timer.calls, posts.drops);
            ASSERT_OK(guest_deliver_batch(toy.g, 0));
        }
        timer = (probe_t)PROBE(&toy);
    }
    toy_end(&toy);
    channel_close(&pipe);
}

TEST(drive_thread_has_no_fd)
{
    toy_t toy = {0};
    guest_os_fd_t fd = 77;
    toy_start(&toy, GUEST_DRIVE_THREAD);
    ASSERT_STATUS(GUEST_EDRIVE, guest_fd(toy.g, &fd));
    ASSERT_EQ_I64(77, fd);
    toy_end(&toy);
}

/* ---- guest_run ------------------------------------------------------------------------------- */

static void act_cancel_at_five(probe_t *probe)
{
    if (probe->calls == 5)
        ASSERT_OK(guest_cancel(probe->g));
}

static void run_until_ended(uint32_t drive)
{
    toy_t toy = {0};
    probe_t timer = PROBE(&toy);
    timer.act = act_cancel_at_five;
    toy_start(&toy, drive);
    add_timer(&toy, MS(1), MS(1), &timer);
    ASSERT_OK(guest_run(toy.g, GUEST_FOREVER));
    ASSERT_EQ_U64(5, timer.calls);
    ASSERT_EQ_U64(1, timer.drops);
    ASSERT_EQ_U64(1, toy.done);
    toy_free(&toy);
    toy_close(&toy);
}

TEST(run_until_the_guest_ends)
{
    for (uint32_t drive = GUEST_DRIVE_THREAD; drive <= GUEST_DRIVE_RUN; drive++)
        run_until_ended(drive);
}

static void run_for_a_time(uint32_t drive)
{
    toy_t toy = {0};
    probe_t timer = PROBE(&toy);
    toy_start(&toy, drive);
    add_timer(&toy, MS(1), MS(1), &timer);
    uint64_t start = guest_now();
    ASSERT_STATUS(GUEST_ETIMEDOUT, guest_run(toy.g, MS(20)));
    ASSERT_AT_LEAST(guest_now() - start, MS(20));
    ASSERT(timer.calls >= 1);
    ASSERT_EQ_U64(0, toy.done);
    unsigned calls = timer.calls;
    pass(MS(2));
    ASSERT_STATUS(GUEST_ETIMEDOUT, guest_run(toy.g, 0)); /* delivers once, and does not wait */
    ASSERT(timer.calls > calls);
    toy_end(&toy);
}

TEST(run_timeout)
{
    for (uint32_t drive = GUEST_DRIVE_THREAD; drive <= GUEST_DRIVE_RUN; drive++)
        run_for_a_time(drive);
}

static channel_t first_, second_;

static void act_pass_on(probe_t *probe)
{
    char byte;
    ASSERT_EQ_I64(1, read(first_.in, &byte, 1));
    channel_write(&second_, 1);
    spin(*(uint64_t *)probe->argument);
}

static void run_catches_up(uint32_t drive, uint64_t timeout, uint64_t lasts)
{
    toy_t toy = {0};
    guest_options_t options = patient_options_for(drive);
    probe_t first = {.toy = &toy, .act = act_pass_on, .argument = &lasts};
    probe_t second = {.toy = &toy, .act = act_read_one, .argument = &second_};
    first_ = channel_open();
    second_ = channel_open();
    toy_start_on(&toy, NULL, &options);
    add_fd(&toy, first_.in, GUEST_READABLE, &first);
    add_fd(&toy, second_.in, GUEST_READABLE, &second);
    channel_write(&first_, 1);
    ASSERT_STATUS(GUEST_ETIMEDOUT, guest_run(toy.g, timeout));
    ASSERT_EQ_U64(1, first.calls);
    ASSERT_EQ_U64(1, second.calls);
    toy_end(&toy);
    channel_close(&first_);
    channel_close(&second_);
}

TEST(run_catches_up_also_when_it_does_not_wait_any_more)
{
    for (uint32_t drive = GUEST_DRIVE_THREAD; drive <= GUEST_DRIVE_RUN; drive++) {
        run_catches_up(drive, 0, 0);
        run_catches_up(drive, MS(1), MS(3)); /* its time is over in the callback */
    }
}

static void *cancel_soon(void *g)
{
    pass(MS(5));
    ASSERT_OK(guest_cancel(g));
    return NULL;
}

TEST(run_timeout_saturates)
{
    toy_t toy = {0};
    toy_start(&toy, GUEST_DRIVE_RUN);
    pthread_t thread = spawn(cancel_soon, toy.g);
    ASSERT_OK(guest_run(toy.g, GUEST_FOREVER - 1));
    join(thread);
    toy_free(&toy);
    toy_close(&toy);
}

/* ---- guest_deliver_batch_for ------------------------------------------------------------------ */

static void act_spin_1ms(probe_t *probe)
{
    (void)probe;
    spin(MS(1));
}

TEST(budget_of_one_call)
{
    toy_t toy = {0};
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
