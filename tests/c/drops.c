/* Hazard: user data dropped twice, never, too early or in the wrong place. on_drop itself fails the
 * test on a second drop, on a wrong thread, inside its callback and after done. */
#include "toy.h"

static void nothing(void *user_data)
{
    (void)user_data;
}

/* One source of every kind, none of them due. */
typedef struct zoo {
    toy_t toy;
    channel_t pipe;
    pid_t child;
    latch_t release;
    probe_t probes[7];
    guest_id_t ids[7];
} zoo_t;

static zoo_t z;

static void hold_pool(void *user_data)
{
    (void)user_data;
    latch_wait(&z.release, 1);
}

static void zoo_open(uint32_t drive)
{
    latch_t shut = LATCH;
    guest_options_t options = options_for(drive);
    options.work_threads = 1; /* the first piece of work holds up the others */
    z.release = shut;
    toy_start_on(&z.toy, NULL, &options);
    for (size_t i = 0; i < COUNT(z.probes); i++)
        z.probes[i] = (probe_t){.toy = &z.toy};
    z.pipe = channel_open();
    z.child = waiting_child();
    z.ids[0] = add_fd(&z.toy, z.pipe.in, GUEST_READABLE, &z.probes[0]);
    z.ids[1] = add_timer(&z.toy, SECONDS(3600), 0, &z.probes[1]);
    z.ids[2] = add_signal(&z.toy, SIGUSR1, &z.probes[2]);
    z.ids[3] = add_child(&z.toy, z.child, &z.probes[3]);
    z.ids[4] = add_work(&z.toy, hold_pool, &z.probes[4]);
    z.ids[5] = add_work(&z.toy, nothing, &z.probes[5]);
    ASSERT_OK(
        guest_resolve(z.toy.g, "127.0.0.1", NULL, 0, SOCK_STREAM, 0, on_resolve, &z.probes[6], on_drop, &z.ids[6]));
    ASSERT_EQ_U64(7, toy_stats(&z.toy).live_sources);
}

static bool all_dropped(void)
{
    bool all = true;
    for (size_t i = 0; i < COUNT(z.probes); i++)
        all = all && z.probes[i].drops == 1;
    return all;
}

static void zoo_close(void)
{
    for (size_t i = 0; i < COUNT(z.probes); i++) {
        ASSERT_EQ_U64(1, z.probes[i].drops);
        ASSERT_EQ_U64(0, z.probes[i].calls);
    }
    end_child(z.child);
    channel_close(&z.pipe);
}

TEST(drop_once_after_close)
{
    zoo_open(GUEST_DRIVE_THREAD);
    for (size_t i = 0; i < COUNT(z.ids); i++) {
        ASSERT_OK(guest_close(z.toy.g, z.ids[i]));
        ASSERT_EQ_U64(0, z.probes[i].drops); /* never inside guest_close */
    }
    latch_open(&z.release); /* the work that was running finishes first */
    RUN_UNTIL(&z.toy, all_dropped());
    toy_end(&z.toy);
    zoo_close();
}

TEST(drop_once_after_cancel)
{
    zoo_open(GUEST_DRIVE_FD);
    ASSERT_OK(guest_cancel(z.toy.g));
    latch_open(&z.release);
    toy_end(&z.toy);
    zoo_close();
}

TEST(drop_once_after_shutdown)
{
    zoo_open(GUEST_DRIVE_RUN);
    latch_open(&z.release);
    ASSERT_OK(guest_shutdown(z.toy.g, limit(SECONDS(5))));
    toy_free(&z.toy);
    toy_close(&z.toy);
    zoo_close();
}

TEST(drop_once_after_free)
{
    zoo_open(GUEST_DRIVE_THREAD);
    ASSERT_OK(guest_close(z.toy.g, z.ids[4]));
    latch_open(&z.release);
    RUN_UNTIL(&z.toy, z.probes[4].drops); /* running work would be abandoned to its thread */
    RUN_UNTIL(&z.toy, z.probes[5].drops && z.probes[6].drops);
    toy_free(&z.toy);
    toy_close(&z.toy);
    z.probes[5].calls = z.probes[6].calls = 0; /* these two ran, rightly */
    zoo_close();
}

TEST(drop_comes_after_one_shot_callbacks)
{
    toy_t toy = {0};
    probe_t timer = PROBE(&toy), post = PROBE(&toy), work = PROBE(&toy), name = PROBE(&toy);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    add_timer(&toy, 0, 0, &timer);
    add_post(&toy, &post);
    add_work(&toy, nothing, &work);
    ASSERT_OK(guest_resolve(toy.g, "127.0.0.1", NULL, 0, 0, 0, on_resolve, &name, on_drop, NULL));
    RUN_UNTIL(&toy, timer.drops && post.drops && work.drops && name.drops);
    ASSERT(timer.calls == 1 && post.calls == 1 && work.calls == 1 && name.calls == 1);
    toy_end(&toy);
}

TEST(drop_not_for_a_failed_registration)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    ASSERT_STATUS(GUEST_EINVAL, guest_fd_add(toy.g, -1, GUEST_READABLE, on_fd, &probe, on_drop, NULL));
    ASSERT_STATUS(GUEST_ENULL, guest_timer_add(toy.g, 0, 0, NULL, &probe, on_drop, NULL));
    ASSERT_STATUS(GUEST_EINVAL, guest_signal_add(toy.g, SIGKILL, on_signal, &probe, on_drop, NULL));
    ASSERT_STATUS(GUEST_EINVAL, guest_child_add(toy.g, 0, on_child, &probe, on_drop, NULL));
    ASSERT_STATUS(GUEST_ENULL, guest_work(toy.g, NULL, NULL, &probe, on_drop, NULL));
    ASSERT_STATUS(GUEST_EINVAL, guest_resolve(toy.g, NULL, NULL, 0, 0, 0, on_resolve, &probe, on_drop, NULL));
    ASSERT_STATUS(GUEST_ENULL, guest_post(toy.g, NULL, &probe, on_drop));
    loop_run_for(toy.loop, MS(3));
    toy_end(&toy);
    ASSERT_EQ_U64(0, probe.drops);
}

static void act_close_self_once(probe_t *probe)
{
    act_close_self(probe);
    ASSERT_EQ_U64(0, probe->drops); /* its callback is running: the drop function waits */
    ASSERT_STATUS(GUEST_ESTALE, guest_close(probe->g, probe->id));
}

TEST(close_itself_in_batch)
{
    toy_t toy = {0};
    channel_t pipe = channel_open();
    probe_t probe = {.toy = &toy, .act = act_close_self_once};
    toy_start(&toy, GUEST_DRIVE_FD);
    add_fd(&toy, pipe.in, GUEST_READABLE, &probe);
    channel_write(&pipe, 1);
    RUN_UNTIL(&toy, probe.drops == 1);
    ASSERT_EQ_U64(1, probe.calls);
    toy_end(&toy);
    channel_close(&pipe);
}

static void drop_and_cancel(void *toy)
{
    ASSERT_OK(guest_cancel(((toy_t *)toy)->g));
}

static void act_close(probe_t *probe)
{
    ASSERT_OK(guest_close(probe->g, *(guest_id_t *)probe->argument));
}

TEST(cancel_inside_a_drop_function)
{
    toy_t toy = {0};
    guest_id_t id;
    probe_t first = {.toy = &toy, .act = act_close, .argument = &id}, second = PROBE(&toy);
    toy_start(&toy, GUEST_DRIVE_FD);
    ASSERT_OK(guest_timer_add(toy.g, GUEST_FOREVER, 0, on_timer, &toy, drop_and_cancel, &id));
    add_post(&toy, &first);
    add_post(&toy, &second);
    RUN_UNTIL(&toy, second.drops == 1);
    ASSERT_EQ_U64(1, first.calls);
    ASSERT_EQ_U64(0, second.calls); /* was found ready with the first, and the cancel came before it */
    toy_end(&toy);
}
