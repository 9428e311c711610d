/* Hazard: a host that inlines or refuses what the guest posts, and one that is gone. Neither may lose or double a callback, and
 * only "the host is gone" ends the run. */
#include "toy.h"

TEST(post_inlined_on_io_thread)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    guest_options_t options = options_for(GUEST_DRIVE_THREAD);
    options.repost_after = MS(5);
    toy_start_on(&toy, NULL, &options);
    toy_fault(&toy, FAULT_INLINE, 2);
    add_post(&toy, &probe);
    RUN_UNTIL(&toy, probe.drops == 1);
    ASSERT_EQ_U64(1, probe.calls);
    ASSERT_STATUS(GUEST_ETHREAD, toy.inline_status);
    ASSERT(toy_stats(&toy).inlined_tokens == 2);
    ASSERT(toy.posts >= 3);
    toy_end(&toy);
}

static void act_spin(probe_t *probe)
{
    (void)probe;
    spin(MS(1) / 4);
}

/* A burst longer than the budget: the delivery itself asks for its next turn, by post_local. */
static void local(fault_t fault)
{
    toy_t toy = {.has_local = true};
    probe_t probe = {.toy = &toy, .act = act_spin, .shared = true};
    guest_options_t options = options_for(GUEST_DRIVE_THREAD);
    options.batch_budget = MS(1);
    options.repost_after = MS(5);
    toy_start_on(&toy, NULL, &options);
    for (unsigned i = 0; i < 40; i++)
        add_post(&toy, &probe);
    RUN_UNTIL(&toy, probe.calls >= 1);
    toy_fault(&toy, fault, 1);
    RUN_UNTIL(&toy, probe.drops == 40);
    ASSERT_EQ_U64(40, probe.calls);
    ASSERT(toy.locals >= 1);
    if (fault == FAULT_INLINE) {
        ASSERT_STATUS(GUEST_EINLINE, toy.inline_status);
        ASSERT(toy_stats(&toy).inlined_tokens >= 1);
    }
    toy_end(&toy);
}

TEST(post_local_inlined)
{
    local(FAULT_INLINE);
}

TEST(post_local_fails)
{
    local(FAULT_FAIL);
}

TEST(post_fails_with_back_off)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    toy_fault(&toy, FAULT_FAIL, -1);
    add_post(&toy, &probe);
    uint64_t start = guest_now();
    loop_run_for(toy.loop, MS(60));
    unsigned tries = (unsigned)((guest_now() - start) / MS(1)) + 1;
    ASSERT(toy.refused >= 2); /* asked again ... */
    ASSERT(toy.refused <= tries); /* ... but never more often than every millisecond */
    ASSERT_EQ_U64(0, probe.calls);
    toy_fault(&toy, FAULT_NONE, 0);
    RUN_UNTIL(&toy, probe.drops == 1);
    ASSERT_EQ_U64(toy.refused, toy_stats(&toy).post_failures);
    toy_end(&toy);
}

static void never(guest_t *g, void *user_data)
{
    (void)g, (void)user_data;
    FAIL("a callback ran after the host was gone");
}

static bool run_has_ended(void *toy)
{
    return guest_post(((toy_t *)toy)->g, never, NULL, NULL) != GUEST_OK;
}

TEST(host_gone_then_shutdown)
{
    toy_t toy = {0};
    probe_t post = PROBE(&toy), timer = PROBE(&toy);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    add_timer(&toy, GUEST_FOREVER, 0, &timer);
    toy_await_polling(&toy);
    toy_fault(&toy, FAULT_GONE, -1);
    add_post(&toy, &post);
    await(run_has_ended, &toy, "the end of the run");
    pass(MS(5));
    ASSERT_EQ_U64(1, toy.posts); /* a host that is gone is not asked again */
    ASSERT_OK(guest_shutdown(toy.g, limit(SECONDS(5))));
    ASSERT_EQ_U64(1, toy.done);
    ASSERT_STATUS(GUEST_EHOSTGONE, toy.done_status);
    ASSERT(post.drops == 1 && timer.drops == 1);
    ASSERT_EQ_U64(0, post.calls); /* the run has ended: only drop functions run */
    toy_free(&toy);
    toy_close(&toy);
}
