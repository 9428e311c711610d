/* Hazard: user code that runs at the end and calls the guest once more. */
#include "toy.h"

static toy_t toy;
static probe_t probes[2];
static guest_t *guest; /* toy.g is gone while guest_free runs */
static unsigned calls;
static void (*call)(void);

static void call_deliver(void)
{
    ASSERT_STATUS(toy.done ? GUEST_ECLOSED : GUEST_OK, guest_deliver_batch(guest, 0));
}

static void call_run(void)
{
    ASSERT_OK(guest_run(guest, 0)); /* it has been freed: there is nothing to wait for */
}

static void call_shutdown(void)
{
    ASSERT_STATUS(toy.done ? GUEST_OK : GUEST_EORDER, guest_shutdown(guest, 0));
}

/* `done` waits for this to return: on_drop fails after it. */
static void drop_that_calls(void *probe)
{
    calls++;
    call();
    on_drop(probe);
}

static void done_that_calls(toy_t *unused)
{
    (void)unused;
    calls++;
    call();
}

static void reset(void (*then)(void))
{
    toy = (toy_t){0};
    memset(probes, 0, sizeof probes);
    calls = 0;
    call = then;
}

static void start(uint32_t drive, uint32_t flags, guest_drop_fn drop)
{
    guest_options_t options = options_for(drive);
    options.flags = flags;
    options.batch_budget = GUEST_FOREVER; /* a slow machine must not split the deliveries */
    toy_start_on(&toy, NULL, &options);
    guest = toy.g;
    for (unsigned i = 0; i < COUNT(probes); i++) {
        probes[i].toy = &toy;
        ASSERT_OK(guest_timer_add(toy.g, GUEST_FOREVER, 0, on_timer, &probes[i], drop, NULL));
    }
}

static void ended(void)
{
    ASSERT(probes[0].drops == 1 && probes[1].drops == 1);
    ASSERT_EQ_U64(1, toy.done);
    if (toy.g)
        toy_free(&toy);
    toy_close(&toy);
}

static void (*const each_call[])(void) = {call_deliver, call_run, call_shutdown};

TEST(free_with_a_drop_that_calls)
{
    for (size_t i = 0; i < COUNT(each_call); i++) {
        reset(each_call[i]);
        start(GUEST_DRIVE_FD, 0, drop_that_calls);
        toy_free(&toy);
        ASSERT_EQ_U64(COUNT(probes), calls);
        ended();
    }
}

TEST(free_with_a_done_that_calls)
{
    for (size_t i = 0; i < COUNT(each_call); i++) {
        reset(each_call[i]);
        toy.on_done = done_that_calls;
        start(GUEST_DRIVE_THREAD, 0, on_drop);
        toy_free(&toy);
        ASSERT_EQ_U64(1, calls);
        ended();
    }
}

/* An outer batch holds the event: its drop function comes at that batch's end. */
TEST(done_after_a_held_event_batch)
{
    probe_t held = PROBE(&toy);
    guest_event_t events[4];
    size_t count;
    start(GUEST_DRIVE_FD, GUEST_FLAG_PULL, on_drop);
    ASSERT_OK(guest_post(toy.g, NULL, &held, on_drop));
    ASSERT_OK(guest_batch_begin(toy.g, 0));
    ASSERT_OK(guest_batch_next(toy.g, events, 1, &count));
    ASSERT_EQ_U64(1, count);
    ASSERT_OK(guest_cancel(toy.g));
    ASSERT_OK(guest_batch_begin(toy.g, 0));
    ASSERT_OK(guest_batch_next(toy.g, events, COUNT(events), &count));
    ASSERT_EQ_U64(0, count);
    ASSERT_OK(guest_batch_end(toy.g));
    ASSERT(probes[0].drops == 1 && probes[1].drops == 1);
    ASSERT(held.drops == 0 && toy.done == 0);
    ASSERT_OK(guest_batch_end(toy.g));
    ASSERT_EQ_U64(1, held.drops);
    ended();
}
