/* Hazard: host-class functions on another thread are refused and change nothing; the others work. */
#include "toy.h"

#define ETHREAD(call) ASSERT_STATUS(GUEST_ETHREAD, call)

static void never(void *user_data)
{
    (void)user_data;
    FAIL("something that was refused has run");
}

/* Runs `run(toy)` on another thread against a living guest, and then shows that it still works. */
static void elsewhere(void *(*run)(void *), guest_options_t options)
{
    toy_t toy = {0};
    toy_start_on(&toy, NULL, &options);
    join(spawn(run, &toy));
    ASSERT_EQ_U64(0, toy_stats(&toy).live_sources);
    if (!(options.flags & GUEST_FLAG_PULL)) {
        probe_t probe = PROBE(&toy);
        add_timer(&toy, 0, 0, &probe);
        RUN_UNTIL(&toy, probe.drops == 1);
    }
    toy_free(&toy);
    toy_close(&toy);
}

static void *lifecycle(void *argument)
{
    toy_t *toy = argument;
    guest_os_fd_t fd;
    ETHREAD(guest_deliver_batch(toy->g, 0));
    ETHREAD(guest_deliver_batch_for(toy->g, 0, GUEST_FOREVER));
    ETHREAD(guest_run(toy->g, 0));
    ETHREAD(guest_shutdown(toy->g, 0));
    ETHREAD(guest_fd(toy->g, &fd));
    ETHREAD(guest_close(toy->g, 1));
    ETHREAD(guest_is_open(toy->g, 1));
    return NULL;
}

TEST(wrong_thread_lifecycle)
{
    elsewhere(lifecycle, options_for(GUEST_DRIVE_FD));
}

static void *release(void *argument)
{
    toy_t *toy = argument;
    guest_free(toy->g);
    guest_status_t status;
    char text[256];
    ASSERT_OK(guest_last_error(&status, NULL, text, sizeof text, NULL));
    ASSERT_STATUS(GUEST_ETHREAD, status);
    ASSERT(strlen(text) > 10);
    return NULL;
}

TEST(wrong_thread_free)
{
    elsewhere(release, options_for(GUEST_DRIVE_THREAD));
}

static void *pull(void *argument)
{
    toy_t *toy = argument;
    guest_event_t event;
    size_t count;
    ETHREAD(guest_batch_begin(toy->g, 0));
    ETHREAD(guest_batch_next(toy->g, &event, 1, &count));
    ETHREAD(guest_batch_wait(toy->g, 1, &event, 1, &count));
    ETHREAD(guest_batch_end(toy->g));
    return NULL;
}

TEST(wrong_thread_pull)
{
    guest_options_t options = options_for(GUEST_DRIVE_FD);
    options.flags = GUEST_FLAG_PULL;
    elsewhere(pull, options);
}

static void *sources(void *argument)
{
    toy_t *toy = argument;
    guest_id_t id = 77;
    channel_t pipe = channel_open();
    ETHREAD(guest_fd_add(toy->g, pipe.in, GUEST_READABLE, on_fd, toy, never, &id));
    ETHREAD(guest_fd_modify(toy->g, 1, GUEST_READABLE));
    ETHREAD(guest_timer_add(toy->g, 0, 0, on_timer, toy, never, &id));
    ETHREAD(guest_timer_modify(toy->g, 1, 0, 0));
    ETHREAD(guest_deadline(toy->g, 0));
    ETHREAD(guest_signal_add(toy->g, SIGUSR1, on_signal, toy, never, &id));
    ETHREAD(guest_child_add(toy->g, getpid(), on_child, toy, never, &id));
    ETHREAD(guest_work(toy->g, never, on_work_done, toy, never, &id));
    ETHREAD(guest_resolve(toy->g, "127.0.0.1", NULL, 0, SOCK_STREAM, 0, on_resolve, toy, never, &id));
    ASSERT_EQ_U64(77, id);
    channel_close(&pipe);
    return NULL;
}

TEST(wrong_thread_sources)
{
    elsewhere(sources, options_for(GUEST_DRIVE_THREAD));
}

static void *anything(void *argument)
{
    toy_t *toy = argument;
    uint32_t state;
    guest_stats_t stats = {.struct_size = sizeof stats};
    guest_poster_t *poster;
    ASSERT_OK(guest_state(toy->g, &state));
    ASSERT_OK(guest_stats(toy->g, &stats));
    ASSERT_OK(guest_wake(toy->g));
    ASSERT_EQ_PTR(toy, guest_host_data(toy->g));
    ASSERT_OK(guest_poster_new(toy->g, &poster));
    ASSERT_OK(guest_post(toy->g, on_post, toy->argument, on_drop));
    ASSERT_OK(guest_poster_post(poster, on_post, toy->argument, on_drop));
    ASSERT_OK(guest_poster_wake(poster));
    ASSERT_OK(guest_poster_cancel(poster));
    ASSERT_OK(guest_cancel(toy->g));
    ASSERT_STATUS(GUEST_ECLOSED, guest_post(toy->g, on_post, toy->argument, on_drop));
    guest_poster_free(poster);
    return NULL;
}

TEST(any_thread_functions)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    probe.shared = true;
    toy.argument = &probe;
    toy_start(&toy, GUEST_DRIVE_THREAD);
    join(spawn(anything, &toy));
    RUN_UNTIL(&toy, toy.done);
    ASSERT_EQ_U64(2, probe.drops); /* one drop for each post that was taken, run or not */
    toy_free(&toy);
    toy_close(&toy);
}

static void *thread_with_guest(void *argument)
{
    toy_t toy = {0};
    probe_t timer = PROBE(&toy), posts = PROBE(&toy);
    posts.shared = true;
    toy_start(&toy, *(unsigned *)argument % 2 ? GUEST_DRIVE_FD : GUEST_DRIVE_THREAD);
    add_timer(&toy, MS(1), MS(1), &timer);
    for (unsigned i = 0; i < 100; i++) {
        add_post(&toy, &posts);
        RUN_UNTIL(&toy, posts.drops == i + 1);
    }
    RUN_UNTIL(&toy, timer.calls >= 5);
    toy_end(&toy);
    return NULL;
}

TEST(eight_threads_with_a_guest_each)
{
    pthread_t threads[8];
    unsigned numbers[8];
    for (unsigned i = 0; i < 8; i++) {
        numbers[i] = i;
        threads[i] = spawn(thread_with_guest, &numbers[i]);
    }
    for (unsigned i = 0; i < 8; i++)
        join(threads[i]);
}
