/* Hazard: tokens that are old, doubled, foreign or made up, and deliveries without one. */
#include "toy.h"

static toy_t toy;

/* A guest whose one token is posted and lost: the test delivers by hand. */
static guest_token_t take_token(probe_t *probe)
{
    guest_options_t options = patient_options_for(GUEST_DRIVE_THREAD);
    toy_start_on(&toy, NULL, &options);
    toy_fault(&toy, FAULT_DROP, -1);
    add_post(&toy, probe);
    RUN_UNTIL(&toy, toy.posts == 1);
    return toy.last_token;
}

/* The token that was lost is never posted again, so the end needs no host either. */
static void end(void)
{
    ASSERT_OK(guest_shutdown(toy.g, limit(SECONDS(5))));
    toy_free(&toy);
    toy_close(&toy);
}

TEST(token_is_never_zero)
{
    probe_t probe = PROBE(&toy);
    ASSERT(take_token(&probe) != 0);
    end();
}

TEST(token_doubled)
{
    probe_t probe = PROBE(&toy);
    guest_token_t token = take_token(&probe);
    ASSERT_OK(guest_deliver_batch(toy.g, token));
    ASSERT_EQ_U64(1, probe.calls);
    ASSERT_STATUS(GUEST_ESTALE, guest_deliver_batch(toy.g, token));
    ASSERT_EQ_U64(1, probe.calls);
    ASSERT_EQ_U64(1, toy_stats(&toy).stale_tokens);
    end();
}

TEST(token_old)
{
    probe_t first = PROBE(&toy), second = PROBE(&toy);
    guest_token_t old = take_token(&first);
    ASSERT_OK(guest_deliver_batch(toy.g, old));
    toy.posts = 0;
    add_post(&toy, &second);
    RUN_UNTIL(&toy, toy.posts == 1);
    ASSERT(toy.last_token != old);
    ASSERT_STATUS(GUEST_ESTALE, guest_deliver_batch(toy.g, old));
    ASSERT_EQ_U64(0, second.calls); /* an old token does nothing at all */
    ASSERT_OK(guest_deliver_batch(toy.g, toy.last_token));
    ASSERT_EQ_U64(1, second.calls);
    end();
}

TEST(token_made_up)
{
    probe_t probe = PROBE(&toy);
    guest_token_t token = take_token(&probe);
    const guest_token_t made_up[] = {token + 1, token - 1, token ^ (1ull << 40), UINT64_MAX, 12345};
    for (size_t i = 0; i < COUNT(made_up); i++)
        if (made_up[i] != 0)
            ASSERT_STATUS(GUEST_ESTALE, guest_deliver_batch(toy.g, made_up[i]));
    ASSERT_EQ_U64(0, probe.calls);
    ASSERT_OK(guest_deliver_batch(toy.g, token));
    ASSERT_EQ_U64(1, probe.calls);
    end();
}

TEST(token_of_another_guest)
{
    probe_t probe = PROBE(&toy);
    guest_token_t token = take_token(&probe);
    toy_t other = {0};
    toy_start(&other, GUEST_DRIVE_THREAD);
    ASSERT_STATUS(GUEST_ESTALE, guest_deliver_batch(other.g, token));
    ASSERT_OK(guest_deliver_batch(toy.g, token));
    ASSERT_EQ_U64(1, probe.calls);
    toy_end(&other);
    end();
}

TEST(token_zero_takes_everything)
{
    probe_t probe = PROBE(&toy);
    guest_token_t token = take_token(&probe);
    ASSERT_OK(guest_deliver_batch(toy.g, 0));
    ASSERT_EQ_U64(1, probe.calls);
    guest_status_t late = guest_deliver_batch(toy.g, token); /* nothing is left for it */
    ASSERT(late == GUEST_OK || late == GUEST_ESTALE);
    ASSERT_EQ_U64(1, probe.calls);
    end();
}

TEST(token_in_drive_fd)
{
    toy_start(&toy, GUEST_DRIVE_FD);
    ASSERT_STATUS(GUEST_ESTALE, guest_deliver_batch(toy.g, 1)); /* this drive gives out none */
    ASSERT_OK(guest_deliver_batch(toy.g, 0));
    toy_end(&toy);
    ASSERT_EQ_U64(0, toy.posts);
}

/* A game loop: no token, no waiting, a delivery for every frame. */
static void step(uint32_t drive)
{
    guest_options_t options = options_for(drive);
    options.repost_after = GUEST_FOREVER;
    probe_t timer = PROBE(&toy), fd = PROBE(&toy);
    channel_t pipe = channel_open();
    fd.act = act_read_one;
    fd.argument = &pipe;
    toy_start_on(&toy, NULL, &options);
    toy_fault(&toy, FAULT_DROP, -1);
    add_timer(&toy, MS(2), MS(2), &timer);
    add_fd(&toy, pipe.in, GUEST_READABLE, &fd);
    for (unsigned frame = 0; frame < 1000 && (timer.calls < 5 || fd.calls < 5); frame++) {
        if (timer.calls > fd.calls)
            channel_write(&pipe, 1);
        ASSERT_OK(guest_deliver_batch(toy.g, 0));
        pass(MS(1));
    }
    ASSERT(timer.calls >= 5 && fd.calls >= 5);
    end();
    channel_close(&pipe);
}

TEST(step_in_drive_thread)
{
    step(GUEST_DRIVE_THREAD);
}

TEST(step_in_drive_fd)
{
    step(GUEST_DRIVE_FD);
}

TEST(step_in_drive_run)
{
    step(GUEST_DRIVE_RUN);
}
