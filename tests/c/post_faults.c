/* Hazard: a host that drops, delays, doubles, reorders, inlines or refuses what the guest posts.
 * None of it may lose or double a callback, and only "the host is gone" ends the run. */
#include "toy.h"

/* Starts a guest whose next `count` posts suffer `fault`, and sees `rounds` posts of ours through. */
static void survive(toy_t *toy, fault_t fault, int count, unsigned rounds)
{
    guest_options_t options = options_for(GUEST_DRIVE_THREAD);
    options.repost_after = MS(5);
    toy_start_on(toy, NULL, &options);
    toy_fault(toy, fault, count);
    for (unsigned i = 0; i < rounds; i++) {
        probe_t probe = PROBE(toy);
        add_post(toy, &probe);
        RUN_UNTIL(toy, probe.drops == 1);
        ASSERT_EQ_U64(1, probe.calls);
    }
}

TEST(post_dropped)
{
    toy_t toy = {0};
    survive(&toy, FAULT_DROP, 3, 1);
    ASSERT(toy.posts >= 4);
    ASSERT(toy_stats(&toy).reposts >= 3);
    toy_end(&toy);
}

TEST(post_dropped_is_posted_again_under_its_name)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    guest_options_t options = options_for(GUEST_DRIVE_THREAD);
    options.repost_after = MS(5);
    toy_start_on(&toy, NULL, &options);
    toy_fault(&toy, FAULT_DROP, -1);
    uint64_t first = guest_now();
    add_post(&toy, &probe);
    RUN_UNTIL(&toy, toy.posts >= 1);
    guest_token_t token = toy.last_token;
    RUN_UNTIL(&toy, toy.posts >= 4);
    ASSERT_EQ_U64(token, toy.last_token); /* at most one is outstanding */
    ASSERT_EQ_U64(1, toy_stats(&toy).tokens);
    ASSERT_AT_LEAST(guest_now() - first, MS(5) + MS(5)); /* three pauses, growing from 5 ms */
    toy_fault(&toy, FAULT_NONE, 0);
    RUN_UNTIL(&toy, probe.drops == 1);
    toy_end(&toy);
}

TEST(post_delayed)
{
    toy_t toy = {0};
    survive(&toy, FAULT_DELAY, -1, 3);
    toy_end(&toy);
}

TEST(post_doubled)
{
    toy_t toy = {0};
    survive(&toy, FAULT_DOUBLE, -1, 20);
    ASSERT(toy.stale > 0); /* the second copies were refused */
    toy_end(&toy);
}

static unsigned turns;

static void take_turn(void *loop)
{
    if (++turns < 50)
        loop_call(loop, take_turn, loop);
}

TEST(post_reordered)
{
    toy_t toy = {0};
    survive(&toy, FAULT_REORDER, -1, 5);
    for (unsigned i = 0; i < 5; i++)
        loop_call(toy.loop, take_turn, toy.loop);
    for (unsigned i = 0; i < 5; i++) {
        probe_t probe = PROBE(&toy);
        add_post(&toy, &probe);
        RUN_UNTIL(&toy, probe.drops == 1);
    }
    toy_end(&toy);
}

TEST(post_inlined_on_io_thread)
{
    toy_t toy = {0};
    survive(&toy, FAULT_INLINE, 2, 1);
    ASSERT_STATUS(GUEST_ETHREAD, toy.inline_status);
    ASSERT(toy.posts >= 3);
    toy_end(&toy);
}

/* A burst longer than the budget: the delivery itself asks for its next turn, by post_local. */
static void burst(toy_t *toy, probe_t *probe, unsigned count)
{
    probe->shared = true;
    for (unsigned i = 0; i < count; i++)
        add_post(toy, probe);
}

static void act_spin(probe_t *probe)
{
    (void)probe;
    spin(MS(1) / 4);
}

static void local(fault_t fault)
{
    toy_t toy = {.has_local = true};
    probe_t probe = PROBE(&toy);
    probe.act = act_spin;
    guest_options_t options = options_for(GUEST_DRIVE_THREAD);
    options.batch_budget = MS(1);
    options.repost_after = MS(5);
    toy_start_on(&toy, NULL, &options);
    burst(&toy, &probe, 40);
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

TEST(post_local_asks_for_the_next_turn)
{
    local(FAULT_NONE);
}

TEST(post_local_inlined)
{
    local(FAULT_INLINE);
}

TEST(post_local_fails)
{
    local(FAULT_FAIL);
}

TEST(post_local_dropped)
{
    local(FAULT_DROP);
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
    ASSERT(toy.refused >= 2);     /* asked again ... */
    ASSERT(toy.refused <= tries); /* ... but never more often than every millisecond */
    ASSERT_EQ_U64(0, probe.calls);
    toy_fault(&toy, FAULT_NONE, 0);
    RUN_UNTIL(&toy, probe.drops == 1);
    ASSERT_EQ_U64(toy.refused, toy_stats(&toy).post_failures);
    toy_end(&toy);
}

TEST(post_fails_under_a_tiny_repost_after)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    guest_options_t options = options_for(GUEST_DRIVE_THREAD);
    options.repost_after = 1;
    toy_start_on(&toy, NULL, &options);
    toy_fault(&toy, FAULT_FAIL, -1);
    uint64_t start = guest_now();
    add_post(&toy, &probe);
    RUN_UNTIL(&toy, toy.refused >= 5);
    unsigned refused = toy.refused; /* read before the clock */
    ASSERT(refused <= (guest_now() - start) / MS(1) + 1);
    toy_fault(&toy, FAULT_NONE, 0);
    RUN_UNTIL(&toy, probe.drops == 1);
    toy_end(&toy);
}

TEST(post_before_the_loop_runs)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    add_timer(&toy, 0, 0, &probe);
    pass(MS(20)); /* the token waits in a queue that nobody empties yet */
    RUN_UNTIL(&toy, probe.drops == 1);
    toy_end(&toy);
}

/* ---- the host is gone ------------------------------------------------------------------------ */

typedef struct departed {
    toy_t toy;
    probe_t post, timer;
} departed_t;

static void never(guest_t *g, void *user_data)
{
    (void)g, (void)user_data;
    FAIL("a callback ran after the host was gone");
}

static bool run_has_ended(void *toy)
{
    return guest_post(((toy_t *)toy)->g, never, NULL, NULL) != GUEST_OK;
}

static void host_goes(departed_t *d)
{
    toy_start(&d->toy, GUEST_DRIVE_THREAD);
    d->post.toy = d->timer.toy = &d->toy;
    add_timer(&d->toy, GUEST_FOREVER, 0, &d->timer);
    toy_await_polling(&d->toy);
    toy_fault(&d->toy, FAULT_GONE, -1);
    add_post(&d->toy, &d->post);
    await(run_has_ended, &d->toy, "the end of the run");
    pass(MS(5));
    ASSERT_EQ_U64(1, d->toy.posts); /* a host that is gone is not asked again */
}

static void host_went(departed_t *d)
{
    ASSERT_EQ_U64(1, d->toy.done);
    ASSERT_STATUS(GUEST_EHOSTGONE, d->toy.done_status);
    ASSERT_EQ_U64(1, d->post.drops);
    ASSERT_EQ_U64(1, d->timer.drops);
    ASSERT_EQ_U64(0, d->post.calls); /* the run has ended: only drop functions run */
    if (d->toy.g)
        toy_free(&d->toy);
    toy_close(&d->toy);
}

TEST(host_gone_then_shutdown)
{
    departed_t d = {0};
    host_goes(&d);
    ASSERT_OK(guest_shutdown(d.toy.g, limit(SECONDS(5))));
    host_went(&d);
}

TEST(host_gone_then_free)
{
    departed_t d = {0};
    host_goes(&d);
    toy_free(&d.toy);
    host_went(&d);
}

static bool delivery_ends(void *toy)
{
    guest_deliver_batch(((toy_t *)toy)->g, 0);
    return ((toy_t *)toy)->done;
}

TEST(host_gone_then_delivery)
{
    departed_t d = {0};
    host_goes(&d);
    await(delivery_ends, &d.toy, "done");
    host_went(&d);
}
