/* Hazard: waiting inside an open batch: an event that is slept through, a wake that is lost or counts twice, a token
 * that comes meanwhile, and a time that is not kept. */
#include "toy.h"

#include <signal.h>

static toy_t toy;
static guest_event_t events[8];

static void start(uint32_t drive)
{
    guest_options_t options = options_for(drive);
    options.flags = GUEST_FLAG_PULL;
    memset(&toy, 0, sizeof toy);
    toy_start_on(&toy, NULL, &options);
}

static void end(void)
{
    ASSERT_OK(guest_cancel(toy.g));
    ASSERT_OK(guest_shutdown(toy.g, limit(SECONDS(5))));
    toy_free(&toy);
    toy_close(&toy);
}

#define EACH_DRIVE(drive)                                                                                              \
    uint32_t drive = GUEST_DRIVE_THREAD;                                                                               \
    drive <= GUEST_DRIVE_RUN;                                                                                          \
    drive++

static size_t wait_for(uint64_t timeout)
{
    size_t count = 77;
    ASSERT_OK(guest_batch_wait(toy.g, timeout, events, COUNT(events), &count));
    return count;
}

/* A batch of one wait. */
static size_t batch(uint64_t timeout)
{
    ASSERT_OK(guest_batch_begin(toy.g, 0));
    size_t count = wait_for(timeout);
    ASSERT_OK(guest_batch_end(toy.g));
    return count;
}

TEST(wait_tells_what_is_due_at_once)
{
    for (EACH_DRIVE(drive)) {
        start(drive);
        ASSERT_OK(guest_post(toy.g, NULL, &toy, NULL));
        ASSERT_EQ_U64(1, batch(GUEST_FOREVER));
        ASSERT_EQ_U64(GUEST_EVENT_POST, events[0].kind);
        ASSERT_EQ_PTR(&toy, events[0].user_data);
        end();
    }
}

static void *post_soon(void *unused)
{
    (void)unused;
    pass(MS(5));
    ASSERT_OK(guest_post(toy.g, NULL, NULL, NULL));
    return NULL;
}

static void *write_soon(void *pipe)
{
    pass(MS(5));
    channel_write(pipe, 1);
    return NULL;
}

TEST(wait_ends_for_what_another_thread_does)
{
    for (EACH_DRIVE(drive)) {
        channel_t pipe = channel_open();
        guest_id_t id;
        start(drive);
        pthread_t other = spawn(post_soon, NULL);
        ASSERT_EQ_U64(1, batch(limit(SECONDS(10))));
        join(other);
        ASSERT_OK(guest_fd_add(toy.g, pipe.in, GUEST_READABLE, NULL, NULL, NULL, &id));
        other = spawn(write_soon, &pipe);
        ASSERT_EQ_U64(1, batch(limit(SECONDS(10))));
        ASSERT_EQ_U64(id, events[0].id);
        join(other);
        end();
        channel_close(&pipe);
    }
}

TEST(wait_timers_are_exact)
{
    for (EACH_DRIVE(drive)) {
        start(drive);
        for (unsigned i = 0; i < 10; i++) {
            uint64_t due = guest_now() + 2300000;
            ASSERT_OK(guest_timer_add(toy.g, 2300000, 0, NULL, NULL, NULL, NULL));
            ASSERT_EQ_U64(1, batch(GUEST_FOREVER));
            ASSERT_EQ_U64(GUEST_EVENT_TIMER, events[0].kind);
            ASSERT(guest_now() >= due);
        }
        end();
    }
}

TEST(wait_ends_with_the_time)
{
    for (EACH_DRIVE(drive)) {
        start(drive);
        ASSERT_OK(guest_timer_add(toy.g, SECONDS(3600), 0, NULL, NULL, NULL, NULL));
        uint64_t began = guest_now();
        ASSERT_EQ_U64(0, batch(2300000));
        ASSERT_AT_LEAST(guest_now() - began, 2300000);
        end();
    }
}

TEST(wait_without_time_is_next)
{
    size_t count = 77;
    start(GUEST_DRIVE_FD);
    ASSERT_STATUS(GUEST_EORDER, guest_batch_wait(toy.g, 0, events, 1, &count));
    ASSERT_STATUS(GUEST_EORDER, guest_batch_wait(toy.g, 1, events, 1, &count));
    ASSERT_OK(guest_batch_begin(toy.g, 0));
    ASSERT_STATUS(GUEST_EINVAL, guest_batch_wait(toy.g, 1, events, 0, &count));
    ASSERT_EQ_U64(77, count);
    ASSERT_EQ_U64(0, wait_for(0));
    ASSERT_OK(guest_post(toy.g, NULL, NULL, NULL));
    ASSERT_EQ_U64(1, wait_for(0));
    ASSERT_OK(guest_batch_end(toy.g));
    end();
}

static void *wake_soon(void *unused)
{
    (void)unused;
    pass(MS(5));
    ASSERT_OK(guest_wake(toy.g));
    return NULL;
}

TEST(wait_ends_for_a_wake_once)
{
    for (EACH_DRIVE(drive)) {
        start(drive);
        ASSERT_OK(guest_wake(toy.g)); /* before the batch */
        ASSERT_OK(guest_batch_begin(toy.g, 0));
        for (unsigned i = 0; i < 3; i++) {
            pthread_t other = 0;
            if (i == 1) {
                ASSERT_OK(guest_wake(toy.g)); /* inside it, any number */
                ASSERT_OK(guest_wake(toy.g));
            } else if (i == 2) {
                other = spawn(wake_soon, NULL);
            }
            uint64_t began = guest_now();
            ASSERT_EQ_U64(0, wait_for(limit(SECONDS(10))));
            ASSERT(guest_now() - began < limit(SECONDS(5)));
            if (i == 2)
                join(other);
            began = guest_now();
            ASSERT_EQ_U64(0, wait_for(MS(20)));
            ASSERT_AT_LEAST(guest_now() - began, MS(20));
        }
        ASSERT_OK(guest_batch_end(toy.g));
        end();
    }
}

static void ignore(int signum)
{
    (void)signum;
}

typedef struct knocker {
    pthread_t thread;
    volatile bool over;
} knocker_t;

/* Again and again: the first may come before that thread sleeps. */
static void *knock(void *argument)
{
    knocker_t *knocker = argument;
    while (!__atomic_load_n(&knocker->over, __ATOMIC_SEQ_CST)) {
        pass(MS(5));
        pthread_kill(knocker->thread, SIGUSR2);
    }
    return NULL;
}

TEST(wait_ends_for_a_signal)
{
    struct sigaction action = {.sa_handler = ignore, .sa_flags = SA_RESTART};
    MUST(sigaction(SIGUSR2, &action, NULL));
    for (EACH_DRIVE(drive)) {
        knocker_t knocker = {.thread = pthread_self()};
        start(drive);
        pthread_t other = spawn(knock, &knocker);
        uint64_t began = guest_now();
        ASSERT_EQ_U64(0, batch(limit(SECONDS(10))));
        ASSERT(guest_now() - began < limit(SECONDS(5)));
        __atomic_store_n(&knocker.over, true, __ATOMIC_SEQ_CST);
        join(other);
        end();
    }
}

static void *cancel_soon(void *unused)
{
    (void)unused;
    pass(MS(5));
    ASSERT_OK(guest_cancel(toy.g));
    return NULL;
}

TEST(wait_of_a_cancelled_guest_does_not_sleep)
{
    for (EACH_DRIVE(drive)) {
        start(drive);
        ASSERT_OK(guest_batch_begin(toy.g, 0));
        pthread_t other = spawn(cancel_soon, NULL);
        ASSERT_EQ_U64(0, wait_for(GUEST_FOREVER));
        ASSERT_EQ_U64(0, wait_for(GUEST_FOREVER));
        ASSERT_OK(guest_batch_end(toy.g));
        join(other);
        ASSERT_EQ_U64(1, toy.done);
        toy_free(&toy);
        toy_close(&toy);
    }
}

static bool has_posted(void *unused)
{
    (void)unused;
    return toy_stats(&toy).tokens > 0;
}

TEST(wait_needs_no_token_and_leaves_none)
{
    guest_options_t options = options_for(GUEST_DRIVE_THREAD);
    options.flags = GUEST_FLAG_PULL;
    options.nested_after = options.repost_after = MS(1);
    options.stall_after = MS(2);
    toy_start_on(&toy, NULL, &options);
    ASSERT_OK(guest_post(toy.g, NULL, NULL, NULL));
    await(has_posted, NULL, "a token");
    ASSERT_OK(guest_batch_begin(toy.g, 0));
    ASSERT_EQ_U64(1, wait_for(GUEST_FOREVER));
    ASSERT_EQ_U64(0, wait_for(MS(10)));
    /* The I/O thread may have been just about to when the wait began, and more than that if this thread, kept off its
     * processor, was late to begin it: then another wait tells. */
    bool quiet = false;
    for (unsigned i = 0; i < 20 && !quiet; i++) {
        guest_stats_t before = toy_stats(&toy);
        ASSERT_EQ_U64(0, wait_for(MS(60)));
        guest_stats_t after = toy_stats(&toy);
        quiet = after.tokens + after.reposts <= before.tokens + before.reposts + 1 && after.stalls <= before.stalls + 1;
    }
    ASSERT(quiet);
    ASSERT_OK(guest_batch_end(toy.g));
    end();
}
