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

TEST(token_in_drive_fd)
{
    toy_start(&toy, GUEST_DRIVE_FD);
    ASSERT_STATUS(GUEST_ESTALE, guest_deliver_batch(toy.g, 1)); /* this drive gives out none */
    ASSERT_OK(guest_deliver_batch(toy.g, 0));
    toy_end(&toy);
    ASSERT_EQ_U64(0, toy.posts);
}
