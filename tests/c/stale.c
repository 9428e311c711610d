/* Hazard: ids that are closed, finished, of another kind, of another guest, or made up. */
#include "toy.h"

static void assert_stale(toy_t *toy, guest_id_t id)
{
    ASSERT_STATUS(GUEST_ESTALE, guest_close(toy->g, id));
    ASSERT_STATUS(GUEST_ESTALE, guest_is_open(toy->g, id));
    ASSERT_STATUS(GUEST_ESTALE, guest_fd_modify(toy->g, id, GUEST_READABLE));
    ASSERT_STATUS(GUEST_ESTALE, guest_timer_modify(toy->g, id, 0, 0));
}

/* Closes `id` and waits for its drop function; the guest must then go on. */
static void close_and_end(toy_t *toy, guest_id_t id, probe_t *probe)
{
    ASSERT_OK(guest_is_open(toy->g, id));
    ASSERT_OK(guest_close(toy->g, id));
    ASSERT_EQ_U64(0, probe->drops); /* never inside guest_close itself */
    assert_stale(toy, id);
    RUN_UNTIL(toy, probe->drops == 1);
    assert_stale(toy, id);
    ASSERT_EQ_U64(0, probe->calls);

    probe_t alive = PROBE(toy);
    add_timer(toy, 0, 0, &alive);
    RUN_UNTIL(toy, alive.drops == 1);
    ASSERT_EQ_U64(1, alive.calls);
    toy_end(toy);
}

TEST(stale_id_fd)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    channel_t pipe = channel_open();
    toy_start(&toy, GUEST_DRIVE_THREAD);
    guest_id_t id = add_fd(&toy, pipe.in, GUEST_READABLE, &probe);
    channel_write(&pipe, 1);
    close_and_end(&toy, id, &probe);
    channel_close(&pipe);
}

TEST(stale_id_made_up)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    guest_id_t real = add_timer(&toy, GUEST_FOREVER, 0, &probe);
    const guest_id_t made_up[] = {
        0, 1, 7, UINT32_MAX, 1ull << 63, UINT64_MAX, real + 1, real + (1ull << 32), real ^ (1ull << 63)};
    for (size_t i = 0; i < COUNT(made_up); i++)
        assert_stale(&toy, made_up[i]);
    ASSERT_OK(guest_is_open(toy.g, real));
    toy_end(&toy);
    ASSERT_EQ_U64(1, probe.drops);
}

TEST(stale_id_of_another_guest)
{
    toy_t a = {0}, b = {0};
    probe_t probe = PROBE(&a), other = PROBE(&b);
    toy_start(&a, GUEST_DRIVE_THREAD);
    toy_start(&b, GUEST_DRIVE_FD);
    guest_id_t id = add_timer(&a, GUEST_FOREVER, 0, &probe);
    guest_id_t other_id = add_timer(&b, GUEST_FOREVER, 0, &other);
    assert_stale(&b, id);
    assert_stale(&a, other_id);
    ASSERT_OK(guest_is_open(a.g, id));
    ASSERT_OK(guest_is_open(b.g, other_id));
    toy_end(&a);
    toy_end(&b);
}

TEST(stale_id_of_another_kind)
{
    toy_t toy = {0};
    probe_t timer = PROBE(&toy), fd = PROBE(&toy);
    channel_t pipe = channel_open();
    toy_start(&toy, GUEST_DRIVE_THREAD);
    guest_id_t timer_id = add_timer(&toy, GUEST_FOREVER, 0, &timer);
    guest_id_t fd_id = add_fd(&toy, pipe.in, GUEST_READABLE, &fd);
    ASSERT_STATUS(GUEST_ESTALE, guest_fd_modify(toy.g, timer_id, GUEST_READABLE));
    ASSERT_STATUS(GUEST_ESTALE, guest_timer_modify(toy.g, fd_id, 0, 0));
    ASSERT_OK(guest_is_open(toy.g, timer_id));
    ASSERT_OK(guest_is_open(toy.g, fd_id));
    toy_end(&toy);
    channel_close(&pipe);
}

/* A slot is given out again and again; no id of an earlier tenant may reach the present one. */
TEST(stale_id_slot_reused)
{
    enum { ROUNDS = 1000 };
    static guest_id_t ids[ROUNDS];
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    probe.shared = true;
    toy_start(&toy, GUEST_DRIVE_FD);
    for (unsigned i = 0; i < ROUNDS; i++) {
        ids[i] = add_timer(&toy, GUEST_FOREVER, 0, &probe);
        if (i)
            ASSERT_STATUS(GUEST_ESTALE, guest_close(toy.g, ids[i - 1]));
        ASSERT_OK(guest_close(toy.g, ids[i]));
        ASSERT_OK(guest_deliver_batch(toy.g, 0)); /* drops it, and so frees its slot */
        ASSERT_EQ_U64(i + 1, probe.drops);
    }
    add_timer(&toy, GUEST_FOREVER, 0, &probe);
    for (unsigned i = 0; i < ROUNDS; i++)
        ASSERT_STATUS(GUEST_ESTALE, guest_close(toy.g, ids[i]));
    ASSERT_EQ_U64(1, toy_stats(&toy).live_sources);
    toy_end(&toy);
}
