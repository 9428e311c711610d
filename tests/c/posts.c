/* Hazard: posts from other threads: none lost, none doubled, each thread's in order. */
#include "toy.h"

enum { THREADS = 8, EACH = 10000 };

static toy_t toy;
static unsigned ran[THREADS], dropped;

static void numbered(guest_t *g, void *user_data)
{
    uintptr_t n = (uintptr_t)user_data;
    ASSERT_EQ_PTR(toy.g, g);
    ASSERT(pthread_equal(pthread_self(), toy.loop->thread));
    ASSERT_EQ_U64(ran[n / EACH], n % EACH);
    ran[n / EACH]++;
}

static void drop_numbered(void *user_data)
{
    (void)user_data;
    dropped++;
}

static void *post_many(void *argument)
{
    uintptr_t thread = (uintptr_t)argument;
    for (uintptr_t i = 0; i < EACH; i++)
        ASSERT_OK(guest_post(toy.g, numbered, (void *)(thread * EACH + i), drop_numbered));
    return NULL;
}

static void from_eight_threads(uint32_t drive)
{
    pthread_t threads[THREADS];
    toy_start(&toy, drive);
    for (uintptr_t i = 0; i < THREADS; i++)
        threads[i] = spawn(post_many, (void *)i);
    RUN_UNTIL(&toy, dropped == THREADS * EACH);
    for (unsigned i = 0; i < THREADS; i++) {
        join(threads[i]);
        ASSERT_EQ_U64(EACH, ran[i]);
    }
    ASSERT_EQ_U64(0, toy_stats(&toy).live_posts);
    ASSERT_EQ_U64(THREADS * EACH, toy_stats(&toy).events);
    toy_end(&toy);
    ASSERT_EQ_U64(THREADS * EACH, dropped);
}

TEST(posts_from_eight_threads_thread)
{
    from_eight_threads(GUEST_DRIVE_THREAD);
}

TEST(posts_from_eight_threads_fd)
{
    from_eight_threads(GUEST_DRIVE_FD);
}

static bool has_posted(void *unused)
{
    (void)unused;
    return toy.posts > 0;
}

TEST(posts_burst_posts_one_token)
{
    guest_options_t options = patient_options_for(GUEST_DRIVE_THREAD);
    probe_t probe = {.toy = &toy, .shared = true};
    toy_start_on(&toy, NULL, &options);
    toy_await_polling(&toy);
    for (unsigned i = 0; i < 1000; i++)
        add_post(&toy, &probe);
    await(has_posted, NULL, "a token");
    pass(MS(20));
    ASSERT_EQ_U64(1, toy.posts);
    ASSERT_EQ_U64(1000, toy_stats(&toy).live_posts);
    RUN_UNTIL(&toy, probe.drops == 1000);
    ASSERT_EQ_U64(1000, probe.calls);
    toy_end(&toy);
}

TEST(posts_after_cancel_are_refused)
{
    probe_t taken = PROBE(&toy), refused = PROBE(&toy);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    add_post(&toy, &taken);
    ASSERT_OK(guest_cancel(toy.g));
    ASSERT_STATUS(GUEST_ECLOSED, guest_post(toy.g, on_post, &refused, on_drop));
    RUN_UNTIL(&toy, toy.done);
    ASSERT_EQ_U64(0, taken.calls); /* after a cancel only drop functions run */
    ASSERT_EQ_U64(1, taken.drops);
    ASSERT_EQ_U64(0, refused.drops);
    ASSERT_STATUS(GUEST_ECLOSED, guest_post(toy.g, on_post, &refused, on_drop));
    toy_free(&toy);
    toy_close(&toy);
}

TEST(posts_never_run_are_dropped)
{
    probe_t probe = {.toy = &toy, .shared = true};
    toy_start(&toy, GUEST_DRIVE_THREAD);
    for (unsigned i = 0; i < 100; i++)
        add_post(&toy, &probe);
    toy_free(&toy);
    ASSERT_EQ_U64(0, probe.calls);
    ASSERT_EQ_U64(100, probe.drops);
    toy_close(&toy);
}

/* Posts that race with the end: each one that was accepted is run or dropped, the others refused. */
static _Atomic(unsigned) accepted;

static void count_only(guest_t *g, void *user_data)
{
    (void)g, (void)user_data;
}

static void *post_counted(void *argument)
{
    while (guest_poster_post(argument, count_only, NULL, drop_numbered) == GUEST_OK)
        accepted++;
    return NULL;
}

TEST(posts_race_with_the_end)
{
    guest_poster_t *poster;
    pthread_t threads[4];
    toy_start(&toy, GUEST_DRIVE_THREAD);
    ASSERT_OK(guest_poster_new(toy.g, &poster));
    for (unsigned i = 0; i < 4; i++)
        threads[i] = spawn(post_counted, poster);
    RUN_UNTIL(&toy, dropped >= 1000);
    toy_free(&toy);
    for (unsigned i = 0; i < 4; i++)
        join(threads[i]);
    ASSERT_EQ_U64(accepted, dropped);
    guest_poster_free(poster);
    toy_close(&toy);
}

static void *cancel_by_poster(void *poster)
{
    ASSERT_OK(guest_poster_cancel(poster));
    return NULL;
}

/* The host sees a cancel at any moment of it; when it has seen it, nothing more is accepted. */
TEST(posts_race_with_a_cancel)
{
    /* Under Valgrind the poster keeps the only turn for long. */
    unsigned rounds = limit(1) > 1 ? 2 : long_mode() ? 10000 : 200;
    for (unsigned round = 0; round < rounds; round++) {
        guest_poster_t *poster;
        toy = (toy_t){0};
        accepted = dropped = 0;
        toy_start(&toy, GUEST_DRIVE_FD);
        ASSERT_OK(guest_poster_new(toy.g, &poster));
        pthread_t threads[] = {spawn(post_counted, poster), spawn(cancel_by_poster, poster)};
        while (!toy.done)
            toy_deliver(&toy, 0);
        unsigned at_end = dropped;
        join(threads[0]);
        join(threads[1]);
        toy_free(&toy);
        ASSERT_EQ_U64(accepted, at_end);
        ASSERT_EQ_U64(accepted, dropped);
        guest_poster_free(poster);
        toy_close(&toy);
    }
}

TEST(poster_outlives_the_guest)
{
    guest_poster_t *poster;
    probe_t probe = PROBE(&toy), late = PROBE(&toy);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    ASSERT_OK(guest_poster_new(toy.g, &poster));
    ASSERT_OK(guest_poster_post(poster, on_post, &probe, on_drop));
    RUN_UNTIL(&toy, probe.drops == 1);
    ASSERT_EQ_U64(1, probe.calls);
    toy_end(&toy);
    ASSERT_STATUS(GUEST_ECLOSED, guest_poster_post(poster, on_post, &late, on_drop));
    ASSERT_STATUS(GUEST_ECLOSED, guest_poster_wake(poster));
    ASSERT_OK(guest_poster_cancel(poster)); /* harmless */
    ASSERT_EQ_U64(0, late.calls + late.drops);
    guest_poster_free(poster);
}

TEST(poster_cancels_and_wakes)
{
    guest_poster_t *poster;
    toy_start(&toy, GUEST_DRIVE_THREAD);
    ASSERT_OK(guest_poster_new(toy.g, &poster));
    uint64_t batches = toy_stats(&toy).batches;
    ASSERT_OK(guest_poster_wake(poster));
    RUN_UNTIL(&toy, toy_stats(&toy).batches > batches);
    ASSERT_OK(guest_poster_cancel(poster));
    RUN_UNTIL(&toy, toy.done);
    toy_free(&toy);
    toy_close(&toy);
    guest_poster_free(poster);
}

/* A post made by a post belongs to a later pass: a chain of them does not hold up the host. */
static void act_chain(probe_t *probe)
{
    if (probe->calls < 1000)
        add_post(&toy, probe);
}

TEST(posts_that_post)
{
    probe_t probe = {.toy = &toy, .act = act_chain, .shared = true};
    toy_start(&toy, GUEST_DRIVE_FD);
    add_post(&toy, &probe);
    RUN_UNTIL(&toy, probe.drops == 1000);
    ASSERT_EQ_U64(1000, probe.calls);
    ASSERT_EQ_U64(1, probe.deepest);
    toy_end(&toy);
}

TEST(wake_several_times_makes_one_delivery)
{
    guest_options_t options = patient_options_for(GUEST_DRIVE_THREAD);
    toy_start_on(&toy, NULL, &options);
    toy_await_polling(&toy);
    for (unsigned i = 0; i < 100; i++)
        ASSERT_OK(guest_wake(toy.g));
    await(has_posted, NULL, "a token");
    pass(MS(10));
    ASSERT_EQ_U64(1, toy.posts);
    RUN_UNTIL(&toy, toy.deliveries == 1);
    loop_run_for(toy.loop, MS(5));
    ASSERT_EQ_U64(1, toy.deliveries);
    toy_end(&toy);
}
