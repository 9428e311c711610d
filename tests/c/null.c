/* Hazard: NULL for every pointer of every export. One test per section of the header. */
#include "toy.h"

#define ENULL(call) ASSERT_STATUS(GUEST_ENULL, call)

static void never(void *user_data)
{
    (void)user_data;
    FAIL("something that was refused has run");
}

static void never_post(guest_t *g, void *user_data)
{
    (void)g;
    never(user_data);
}

TEST(null_status)
{
    char text[8];
    size_t length;
    ENULL(guest_status_message(GUEST_OK, NULL, 1, &length));
    ASSERT_OK(guest_status_message(GUEST_OK, NULL, 0, &length));
    ASSERT(length > 0);
    ASSERT_OK(guest_status_message(GUEST_OK, text, sizeof text, NULL));
    ENULL(guest_last_error(NULL, NULL, NULL, 1, NULL));
    ASSERT_OK(guest_last_error(NULL, NULL, NULL, 0, NULL));
    ENULL(guest_live(NULL));
    ASSERT(guest_status_name(12345) != NULL);
    ASSERT(guest_version_string() != NULL);
}

TEST(null_start)
{
    guest_t *g = NULL;
    guest_options_t fd = options_for(GUEST_DRIVE_FD), run = options_for(GUEST_DRIVE_RUN);
    guest_host_t host = {.struct_size = sizeof host};
    ENULL(guest_start(NULL, &fd, NULL));
    ENULL(guest_start(NULL, NULL, &g));  /* drive THREAD cannot do without post */
    ENULL(guest_start(&host, NULL, &g)); /* nor with a host that has none */
    ASSERT_EQ_PTR(NULL, g);

    ASSERT_OK(guest_start(NULL, &fd, &g));
    ASSERT_EQ_PTR(NULL, guest_host_data(g));
    ASSERT_OK(guest_deliver_batch(g, 0));
    guest_free(g);
    ASSERT_OK(guest_start(&host, &run, &g)); /* no done: nobody is told */
    ASSERT_STATUS(GUEST_ETIMEDOUT, guest_run(g, 0));
    guest_free(g);
}

TEST(null_lifecycle)
{
    guest_stats_t stats = {.struct_size = sizeof stats};
    uint32_t state;
    guest_os_fd_t fd;
    ENULL(guest_deliver_batch(NULL, 0));
    ENULL(guest_deliver_batch_for(NULL, 0, 1));
    ENULL(guest_run(NULL, 0));
    ENULL(guest_shutdown(NULL, 0));
    ENULL(guest_cancel(NULL));
    ENULL(guest_fd(NULL, &fd));
    ENULL(guest_wake(NULL));
    ENULL(guest_state(NULL, &state));
    ENULL(guest_stats(NULL, &stats));
    ENULL(guest_close(NULL, 1));
    ENULL(guest_is_open(NULL, 1));
    ASSERT_EQ_PTR(NULL, guest_host_data(NULL));
    guest_free(NULL);

    toy_t toy = {0};
    toy_start(&toy, GUEST_DRIVE_FD);
    ENULL(guest_fd(toy.g, NULL));
    ENULL(guest_state(toy.g, NULL));
    ENULL(guest_stats(toy.g, NULL));
    toy_end(&toy);
}

TEST(null_pull)
{
    guest_options_t options = options_for(GUEST_DRIVE_FD);
    options.flags = GUEST_FLAG_PULL;
    guest_t *g;
    guest_event_t event;
    size_t count;
    ENULL(guest_batch_begin(NULL, 0));
    ENULL(guest_batch_next(NULL, &event, 1, &count));
    ENULL(guest_adopt(NULL));
    ENULL(guest_batch_wait(NULL, 1, &event, 1, &count));
    ENULL(guest_batch_end(NULL));
    ASSERT_OK(guest_start(NULL, &options, &g));
    ASSERT_OK(guest_batch_begin(g, 0));
    ENULL(guest_batch_next(g, NULL, 1, &count));
    ENULL(guest_batch_next(g, &event, 1, NULL));
    ENULL(guest_batch_wait(g, 1, NULL, 1, &count));
    ENULL(guest_batch_wait(g, 1, &event, 1, NULL));
    ASSERT_OK(guest_batch_end(g));
    guest_free(g);
}

TEST(null_fd)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    channel_t pipe = channel_open();
    guest_id_t id = 77;
    toy_start(&toy, GUEST_DRIVE_THREAD);
    ENULL(guest_fd_add(NULL, pipe.in, GUEST_READABLE, on_fd, &probe, never, &id));
    ENULL(guest_fd_add(toy.g, pipe.in, GUEST_READABLE, NULL, &probe, never, &id));
    ENULL(guest_fd_modify(NULL, 1, GUEST_READABLE));
    ASSERT_EQ_U64(77, id); /* outputs are written only on success */
    ASSERT_OK(guest_fd_add(toy.g, pipe.in, GUEST_READABLE, on_fd, &probe, NULL, NULL));
    toy_end(&toy);
    ASSERT_EQ_U64(0, probe.drops);
    channel_close(&pipe);
}

TEST(null_timer)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    guest_id_t id = 77;
    toy_start(&toy, GUEST_DRIVE_THREAD);
    ENULL(guest_timer_add(NULL, 0, 0, on_timer, &probe, never, &id));
    ENULL(guest_timer_add(toy.g, 0, 0, NULL, &probe, never, &id));
    ENULL(guest_timer_modify(NULL, 1, 0, 0));
    ENULL(guest_deadline(NULL, 0));
    ASSERT_EQ_U64(77, id);
    ASSERT_OK(guest_timer_add(toy.g, 0, 0, on_timer, &probe, NULL, NULL));
    RUN_UNTIL(&toy, probe.calls == 1);
    toy_end(&toy);
}

TEST(null_post)
{
    toy_t toy = {0};
    guest_poster_t *poster = NULL;
    toy_start(&toy, GUEST_DRIVE_THREAD);
    ENULL(guest_post(NULL, never_post, NULL, never));
    ENULL(guest_post(toy.g, NULL, NULL, never));
    ENULL(guest_poster_new(NULL, &poster));
    ENULL(guest_poster_new(toy.g, NULL));
    ASSERT_EQ_PTR(NULL, poster);
    ENULL(guest_poster_post(NULL, never_post, NULL, never));
    ENULL(guest_poster_wake(NULL));
    ENULL(guest_poster_cancel(NULL));
    guest_poster_free(NULL);

    probe_t probe = PROBE(&toy);
    ASSERT_OK(guest_poster_new(toy.g, &poster));
    ENULL(guest_poster_post(poster, NULL, NULL, never));
    ASSERT_OK(guest_poster_post(poster, on_post, &probe, NULL));
    RUN_UNTIL(&toy, probe.calls == 1);
    guest_poster_free(poster);
    toy_end(&toy);
}

TEST(null_signal)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    guest_id_t id = 77;
    toy_start(&toy, GUEST_DRIVE_THREAD);
    ENULL(guest_signal_add(NULL, SIGUSR1, on_signal, &probe, never, &id));
    ENULL(guest_signal_add(toy.g, SIGUSR1, NULL, &probe, never, &id));
    ASSERT_EQ_U64(77, id);
    ASSERT_OK(guest_signal_add(toy.g, SIGUSR1, on_signal, &probe, NULL, NULL));
    toy_end(&toy);
}

TEST(null_child)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    guest_id_t id = 77;
    toy_start(&toy, GUEST_DRIVE_THREAD);
    pid_t child = ending_child(3);
    ENULL(guest_child_add(NULL, child, on_child, &probe, never, &id));
    ENULL(guest_child_add(toy.g, child, NULL, &probe, never, &id));
    ASSERT_EQ_U64(77, id);
    ASSERT_OK(guest_child_add(toy.g, child, on_child, &probe, NULL, NULL));
    RUN_UNTIL(&toy, probe.calls == 1);
    toy_end(&toy);
}

static void open_latch(void *latch)
{
    latch_open(latch);
}

TEST(null_work)
{
    toy_t toy = {0};
    latch_t worked = LATCH;
    guest_id_t id = 77;
    toy_start(&toy, GUEST_DRIVE_THREAD);
    ENULL(guest_work(NULL, never, NULL, NULL, never, &id));
    ENULL(guest_work(toy.g, NULL, NULL, NULL, never, &id));
    ASSERT_EQ_U64(77, id);
    ASSERT_OK(guest_work(toy.g, open_latch, NULL, &worked, NULL, NULL)); /* no done, no drop, no id */
    latch_wait(&worked, 1);
    RUN_UNTIL(&toy, toy_stats(&toy).live_sources == 0);
    toy_end(&toy);
}

TEST(null_resolve)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    guest_id_t id = 77;
    toy_start(&toy, GUEST_DRIVE_THREAD);
    ENULL(guest_resolve(NULL, "127.0.0.1", NULL, 0, SOCK_STREAM, 0, on_resolve, &probe, never, &id));
    ENULL(guest_resolve(toy.g, "127.0.0.1", NULL, 0, SOCK_STREAM, 0, NULL, &probe, never, &id));
    ASSERT_STATUS(GUEST_EINVAL, guest_resolve(toy.g, NULL, NULL, 0, SOCK_STREAM, 0, on_resolve, &probe, never, &id));
    ASSERT_EQ_U64(77, id);
    ASSERT_OK(guest_resolve(toy.g, "127.0.0.1", NULL, 0, SOCK_STREAM, 0, on_resolve, &probe, NULL, NULL));
    RUN_UNTIL(&toy, probe.calls == 1);
    toy_end(&toy);
}
