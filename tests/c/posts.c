/* Hazard: posts from other threads: none lost, none doubled, each thread's in order. */
#include "toy.h"

enum { THREADS = 8 };

static toy_t toy;
static uintptr_t each;
static unsigned ran[THREADS], dropped;

static void numbered(guest_t *g, void *user_data)
{
    uintptr_t n = (uintptr_t)user_data;
    ASSERT_EQ_PTR(toy.g, g);
    ASSERT(pthread_equal(pthread_self(), toy.loop->thread));
    ASSERT_EQ_U64(ran[n / each], n % each);
    ran[n / each]++;
}

static void drop_numbered(void *user_data)
{
    (void)user_data;
    dropped++;
}

static void *post_many(void *argument)
{
    uintptr_t thread = (uintptr_t)argument;
    for (uintptr_t i = 0; i < each; i++)
        ASSERT_OK(guest_post(toy.g, numbered, (void *)(thread * each + i), drop_numbered));
    return NULL;
}

/* ASYNCGUEST_TEST_OPERATIONS: how many posts. */
TEST(posts_from_eight_threads)
{
    pthread_t threads[THREADS];
    const char *count = getenv("ASYNCGUEST_TEST_OPERATIONS");
    each = (count ? strtoul(count, NULL, 10) : 80000) / THREADS;
    toy_start(&toy, GUEST_DRIVE_THREAD);
    for (uintptr_t i = 0; i < THREADS; i++)
        threads[i] = spawn(post_many, (void *)i);
    for (unsigned before = 0; dropped < THREADS * each; before = dropped)
        RUN_UNTIL(&toy, dropped > before);
    for (unsigned i = 0; i < THREADS; i++) {
        join(threads[i]);
        ASSERT_EQ_U64(each, ran[i]);
    }
    ASSERT_EQ_U64(0, toy_stats(&toy).live_posts);
    ASSERT_EQ_U64(THREADS * each, toy_stats(&toy).events);
    toy_end(&toy);
    ASSERT_EQ_U64(THREADS * each, dropped);
    printf("%u posts, each once and in its thread's order\n", dropped);
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
    unsigned rounds = limit(1) > 1 ? 2 : 200;
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
