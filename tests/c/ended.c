/* Hazard: user code that runs at the end and calls the guest once more, and a guest that goes on after `done`. */
#include "toy.h"

#include <poll.h>

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

static void free_with_drop(void (*then)(void))
{
    call = then;
    start(GUEST_DRIVE_FD, 0, drop_that_calls);
    toy_free(&toy);
    ASSERT_EQ_U64(COUNT(probes), calls);
    ended();
}

static void free_with_done(void (*then)(void))
{
    call = then;
    toy.on_done = done_that_calls;
    start(GUEST_DRIVE_THREAD, 0, on_drop);
    toy_free(&toy);
    ASSERT_EQ_U64(1, calls);
    ended();
}

TEST(free_with_a_drop_that_delivers)
{
    free_with_drop(call_deliver);
}

TEST(free_with_a_drop_that_runs)
{
    free_with_drop(call_run);
}

TEST(free_with_a_drop_that_shuts_down)
{
    free_with_drop(call_shutdown);
}

TEST(free_with_a_done_that_delivers)
{
    free_with_done(call_deliver);
}

TEST(free_with_a_done_that_runs)
{
    free_with_done(call_run);
}

TEST(free_with_a_done_that_shuts_down)
{
    free_with_done(call_shutdown);
}

TEST(done_after_drops_that_deliver)
{
    for (uint32_t drive = GUEST_DRIVE_THREAD; drive <= GUEST_DRIVE_FD; drive++) {
        toy = (toy_t){0};
        memset(probes, 0, sizeof probes);
        call = call_deliver;
        start(drive, 0, drop_that_calls);
        ASSERT_OK(guest_cancel(toy.g));
        RUN_UNTIL(&toy, toy.done);
        ended();
    }
}

/* ---- a held event of an outer batch: its drop function comes at the outer batch's end */

static void nested_deliver(void)
{
    ASSERT_OK(guest_deliver_batch(toy.g, 0));
}

static void nested_batch(void)
{
    guest_event_t events[4];
    size_t count;
    ASSERT_OK(guest_batch_begin(toy.g, 0));
    ASSERT_OK(guest_batch_next(toy.g, events, COUNT(events), &count));
    ASSERT_EQ_U64(0, count);
    ASSERT_OK(guest_batch_end(toy.g));
}

static void held_event(void (*nested)(void))
{
    probe_t held = PROBE(&toy);
    guest_event_t event;
    size_t count;
    start(GUEST_DRIVE_FD, GUEST_FLAG_PULL, on_drop);
    ASSERT_OK(guest_post(toy.g, NULL, &held, on_drop));
    ASSERT_OK(guest_batch_begin(toy.g, 0));
    ASSERT_OK(guest_batch_next(toy.g, &event, 1, &count));
    ASSERT_EQ_U64(1, count);
    ASSERT_OK(guest_cancel(toy.g));
    nested();
    ASSERT(probes[0].drops == 1 && probes[1].drops == 1);
    ASSERT(held.drops == 0 && toy.done == 0);
    ASSERT_OK(guest_batch_end(toy.g));
    ASSERT_EQ_U64(1, held.drops);
    ended();
}

TEST(done_after_a_held_event_deliver)
{
    held_event(nested_deliver);
}

TEST(done_after_a_held_event_batch)
{
    held_event(nested_batch);
}

/* ---- after `done` */

static bool is_readable(void)
{
    guest_os_fd_t fd;
    ASSERT_OK(guest_fd(toy.g, &fd));
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    return MUST(poll(&poll_fd, 1, 0)) > 0;
}

static unsigned posts_at_the_end;

static void note_posts(toy_t *ending)
{
    posts_at_the_end = ending->posts;
}

/* Lets more time pass than the pauses between repeated posts. */
static void is_silent(void)
{
    pass(MS(60));
    if (toy.drive == GUEST_DRIVE_FD)
        ASSERT(!is_readable());
    ASSERT_EQ_U64(posts_at_the_end, toy.posts);
    ASSERT_STATUS(GUEST_ECLOSED, guest_wake(toy.g));
    pass(MS(5));
    if (toy.drive == GUEST_DRIVE_FD)
        ASSERT(!is_readable());
    ASSERT_EQ_U64(posts_at_the_end, toy.posts);
}

static void silent_after_done(uint32_t drive)
{
    toy.on_done = note_posts;
    start(drive, 0, on_drop);
    if (drive == GUEST_DRIVE_THREAD)
        toy_await_polling(&toy);
    ASSERT_OK(guest_cancel(toy.g));
    RUN_UNTIL(&toy, toy.done);
    is_silent();
    ended();
}

TEST(silent_after_done_thread)
{
    silent_after_done(GUEST_DRIVE_THREAD);
}

TEST(silent_after_done_fd)
{
    silent_after_done(GUEST_DRIVE_FD);
}

static bool has_posted(void *unused)
{
    (void)unused;
    return toy.posts > 0;
}

TEST(silent_after_a_shutdown_with_a_lost_token)
{
    probe_t post = PROBE(&toy);
    guest_options_t options = options_for(GUEST_DRIVE_THREAD);
    options.repost_after = MS(30);
    toy.on_done = note_posts;
    toy_start_on(&toy, NULL, &options);
    toy_fault(&toy, FAULT_DROP, -1);
    add_post(&toy, &post);
    await(has_posted, NULL, "a token");
    ASSERT_OK(guest_shutdown(toy.g, limit(SECONDS(5))));
    ASSERT_EQ_U64(1, post.drops);
    is_silent();
    toy_free(&toy);
    toy_close(&toy);
}

/* ---- many sources */

/* Each delivery does its share, as its budget says. */
TEST(end_of_many_sources_in_slices)
{
    enum { SOURCES = 20000 };
    probe_t many = {.toy = &toy, .shared = true};
    unsigned deliveries = 0;
    toy_start(&toy, GUEST_DRIVE_FD);
    for (unsigned i = 0; i < SOURCES; i++)
        add_timer(&toy, GUEST_FOREVER, 0, &many);
    ASSERT_OK(guest_cancel(toy.g));
    for (uint64_t left = SOURCES; !toy.done; deliveries++) {
        ASSERT(is_readable());
        ASSERT_OK(guest_deliver_batch_for(toy.g, 0, 1));
        uint64_t now_left = toy_stats(&toy).live_sources;
        ASSERT(left - now_left <= SOURCES / 10);
        left = now_left;
    }
    ASSERT(deliveries > 10);
    ASSERT_EQ_U64(SOURCES, many.drops);
    toy_free(&toy);
    toy_close(&toy);
}

/* What has been written to the eventfds of this process and not been read: wake-ups that nobody has seen yet. */
static uint64_t unread_wakes(void)
{
    uint64_t sum = 0;
    for (int fd = 0; fd < 256; fd++) {
        char path[64], line[128];
        snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
        FILE *file = fopen(path, "re");
        while (file && fgets(line, sizeof line, file))
            if (strncmp(line, "eventfd-count:", 14) == 0)
                sum += strtoull(line + 14, NULL, 16);
        if (file)
            fclose(file);
    }
    return sum;
}

TEST(many_closes_wake_once)
{
    enum { SOURCES = 1000 };
    guest_id_t ids[SOURCES];
    probe_t many = {.toy = &toy, .shared = true};
    toy_start(&toy, GUEST_DRIVE_FD);
    for (unsigned i = 0; i < SOURCES; i++)
        ids[i] = add_timer(&toy, GUEST_FOREVER, 0, &many);
    while (is_readable())
        toy_deliver(&toy, 0);
    uint64_t before = unread_wakes();
    for (unsigned i = 0; i < SOURCES; i++)
        ASSERT_OK(guest_close(toy.g, ids[i]));
    ASSERT(is_readable());
    ASSERT(unread_wakes() - before <= 2);
    RUN_UNTIL(&toy, many.drops == SOURCES);
    toy_end(&toy);
}
