/* Hazard: a bug of the library's own. The panic does not cross the boundary, the guest is poisoned,
 * and guest_free still works. Needs the library built with the feature "test-hooks". */
#include "toy.h"

guest_status_t guest_test_panic(guest_t *g);

#define EPANIC(call) ASSERT_STATUS(GUEST_EPANIC, call)

static void poisoned(guest_t *g, guest_id_t id)
{
    channel_t pipe = channel_open();
    EPANIC(guest_test_panic(g));
    EPANIC(guest_deliver_batch(g, 0));
    EPANIC(guest_deliver_batch_for(g, 0, 0));
    EPANIC(guest_run(g, 0));
    EPANIC(guest_shutdown(g, 0));
    EPANIC(guest_close(g, id));
    EPANIC(guest_is_open(g, id));
    EPANIC(guest_timer_add(g, 0, 0, on_timer, NULL, on_drop, NULL));
    EPANIC(guest_timer_modify(g, id, 0, 0));
    EPANIC(guest_fd_add(g, pipe.in, GUEST_READABLE, on_fd, NULL, on_drop, NULL));
    EPANIC(guest_signal_add(g, 10, on_signal, NULL, on_drop, NULL));
    EPANIC(guest_child_add(g, getpid(), on_child, NULL, on_drop, NULL));
    EPANIC(guest_resolve(g, "::1", NULL, 0, SOCK_STREAM, 0, on_resolve, NULL, on_drop, NULL));
    channel_close(&pipe);
    char text[256];
    guest_status_t status;
    ASSERT_OK(guest_last_error(&status, NULL, text, sizeof text, NULL));
    EPANIC(status);
    ASSERT(strlen(text) > 10);
}

/* Whether a poisoned guest still calls done is left open. */
static void end(toy_t *toy)
{
    toy_free(toy);
    loop_close(toy->loop);
}

static void panic_outside(uint32_t drive)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    toy_start(&toy, drive);
    guest_id_t id = add_timer(&toy, SECONDS(3600), 0, &probe);
    EPANIC(guest_test_panic(toy.g));
    poisoned(toy.g, id);
    end(&toy);
    ASSERT_EQ_U64(0, probe.calls);
}

TEST(panic_inside)
{
    for (uint32_t drive = GUEST_DRIVE_THREAD; drive <= GUEST_DRIVE_FD; drive++)
        panic_outside(drive);
}

static void act_panic(probe_t *probe)
{
    EPANIC(guest_test_panic(probe->g));
}

static guest_status_t deliver_poisoned(toy_t *toy, guest_token_t token)
{
    guest_status_t status = guest_deliver_batch(toy->g, token);
    if (status != GUEST_ESTALE && status != GUEST_OK)
        EPANIC(status);
    return GUEST_OK;
}

TEST(panic_inside_a_callback)
{
    toy_t toy = {.deliver = deliver_poisoned};
    probe_t probe = PROBE(&toy);
    probe.act = act_panic;
    toy_start(&toy, GUEST_DRIVE_THREAD);
    guest_id_t id = add_timer(&toy, 0, 0, &probe);
    RUN_UNTIL(&toy, probe.calls == 1);
    poisoned(toy.g, id);
    end(&toy);
}

TEST(panic_leaves_other_guests_alone)
{
    toy_t toy = {0}, other = {0};
    probe_t probe = PROBE(&other);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    toy_start(&other, GUEST_DRIVE_THREAD);
    EPANIC(guest_test_panic(toy.g));
    EPANIC(guest_deliver_batch(toy.g, 0));
    add_timer(&other, MS(1), 0, &probe);
    RUN_UNTIL(&other, probe.drops == 1);
    end(&toy);
    toy_end(&other);
}

/* A batch that nobody can end any more does not keep guest_free waiting. */
TEST(panic_in_an_open_batch)
{
    toy_t toy = {0};
    guest_options_t options = options_for(GUEST_DRIVE_FD);
    options.flags = GUEST_FLAG_PULL;
    probe_t told = PROBE(&toy), waiting = PROBE(&toy);
    guest_event_t event;
    size_t count;
    toy_start_on(&toy, NULL, &options);
    ASSERT_OK(guest_post(toy.g, NULL, &told, on_drop));
    ASSERT_OK(guest_post(toy.g, NULL, &waiting, on_drop));
    ASSERT_OK(guest_batch_begin(toy.g, 0));
    ASSERT_OK(guest_batch_next(toy.g, &event, 1, &count));
    ASSERT_EQ_U64(1, count);
    EPANIC(guest_test_panic(toy.g));
    EPANIC(guest_batch_end(toy.g));
    end(&toy); /* and the frame checks that nothing is alive */
    ASSERT(told.drops == 1 && waiting.drops == 1);
}

TEST(panic_ends_the_delivery)
{
    toy_t toy = {0};
    probe_t first = {.toy = &toy, .act = act_panic}, second = PROBE(&toy);
    toy_start(&toy, GUEST_DRIVE_FD);
    add_post(&toy, &first);
    add_post(&toy, &second);
    EPANIC(guest_deliver_batch(toy.g, 0));
    ASSERT_EQ_U64(1, first.calls);
    end(&toy);
    ASSERT_EQ_U64(0, second.calls);
}
