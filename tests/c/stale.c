/* Hazard: ids that are closed, finished, of another kind, of another guest, or made up. */
#include "toy.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

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

TEST(stale_id_timer)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    close_and_end(&toy, add_timer(&toy, 0, 1, &probe), &probe);
}

TEST(stale_id_timer_finished)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    guest_id_t id = add_timer(&toy, 0, 0, &probe);
    RUN_UNTIL(&toy, probe.drops == 1);
    assert_stale(&toy, id);
    toy_end(&toy);
}

TEST(stale_id_signal)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    close_and_end(&toy, add_signal(&toy, SIGUSR1, &probe), &probe);
}

TEST(stale_id_child)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    int lives[2];
    toy_start(&toy, GUEST_DRIVE_THREAD);
    MUST(pipe(lives));
    pid_t child = (pid_t)MUST(fork());
    if (child == 0) {
        char byte;
        close(lives[1]);
        _exit(read(lives[0], &byte, 1) == 0 ? 5 : 6); /* until the parent closes its end */
    }
    close(lives[0]);
    close_and_end(&toy, add_child(&toy, child, &probe), &probe);
    close(lives[1]);
    int status;
    MUST(waitpid(child, &status, 0)); /* closing the source left the child unreaped */
    ASSERT_EQ_I64(5, WEXITSTATUS(status));
}

static void nothing(void *user_data)
{
    (void)user_data;
}

TEST(stale_id_work)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    close_and_end(&toy, add_work(&toy, nothing, &probe), &probe);
}

TEST(stale_id_resolve)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    guest_id_t id;
    toy_start(&toy, GUEST_DRIVE_THREAD);
    ASSERT_OK(guest_resolve(toy.g, "127.0.0.1", NULL, 0, SOCK_STREAM, 0, on_resolve, &probe, on_drop, &id));
    close_and_end(&toy, id, &probe);
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

/* All that one look has found was closed by the handling of the event before: the pull form looks once more. */
TEST(stale_events_end_no_batch)
{
    toy_t toy = {0};
    guest_options_t options = options_for(GUEST_DRIVE_FD);
    options.flags = GUEST_FLAG_PULL;
    options.batch_budget = GUEST_FOREVER;
    probe_t fds[2] = {PROBE(&toy), PROBE(&toy)}, post = PROBE(&toy);
    channel_t pipes[2] = {channel_open(), channel_open()};
    guest_id_t ids[2];
    guest_event_t event;
    size_t count;
    toy_start_on(&toy, NULL, &options);
    for (unsigned i = 0; i < 2; i++) {
        ASSERT_OK(guest_fd_add(toy.g, pipes[i].in, GUEST_READABLE, NULL, &fds[i], on_drop, &ids[i]));
        channel_write(&pipes[i], 1);
    }
    ASSERT_OK(guest_batch_begin(toy.g, 0));
    ASSERT_OK(guest_batch_next(toy.g, &event, 1, &count));
    ASSERT_EQ_U64(1, count);
    ASSERT_OK(guest_close(toy.g, ids[0]));
    ASSERT_OK(guest_close(toy.g, ids[1]));
    ASSERT_OK(guest_post(toy.g, NULL, &post, on_drop));
    ASSERT_OK(guest_batch_next(toy.g, &event, 1, &count));
    ASSERT_EQ_U64(1, count);
    ASSERT_EQ_PTR(&post, event.user_data);
    ASSERT_OK(guest_batch_end(toy.g));
    ASSERT_OK(guest_shutdown(toy.g, limit(SECONDS(5))));
    ASSERT(fds[0].drops == 1 && fds[1].drops == 1 && post.drops == 1);
    toy_free(&toy);
    toy_close(&toy);
    channel_close(&pipes[0]);
    channel_close(&pipes[1]);
}
