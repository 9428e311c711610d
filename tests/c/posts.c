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

/* Posts of a callback have a queue of their own; all are told in the order in which they were accepted. */
static unsigned place, places;
static guest_poster_t *other_way;

static void in_place(guest_t *g, void *user_data)
{
    (void)g;
    ASSERT_EQ_U64(place, (uintptr_t)user_data);
    place++;
}

static void *post_in_place(void *argument)
{
    ASSERT_OK(guest_poster_post(other_way, in_place, argument, NULL));
    return NULL;
}

static void post_in_all_ways(guest_t *g)
{
    for (unsigned round = 0; round < 3; round++) {
        ASSERT_OK(guest_post(g, in_place, (void *)(uintptr_t)places++, NULL));
        ASSERT_OK(guest_post(g, in_place, (void *)(uintptr_t)places++, NULL));
        join(spawn(post_in_place, (void *)(uintptr_t)places++));
        ASSERT_OK(guest_post(g, in_place, (void *)(uintptr_t)places++, NULL));
        post_in_place((void *)(uintptr_t)places++);
    }
}

static void post_from_a_post(guest_t *g, void *user_data)
{
    ASSERT_EQ_U64(place, (uintptr_t)user_data);
    place++;
    post_in_all_ways(g);
}

/* Before, in and after a delivery of a nested loop. */
static void post_around_a_delivery(guest_t *g, void *user_data)
{
    (void)user_data;
    post_in_all_ways(g);
    ASSERT_EQ_U64(places - place + 1, toy_stats(&toy).live_posts);
    ASSERT_OK(guest_post(g, post_from_a_post, (void *)(uintptr_t)places++, NULL));
    ASSERT_OK(guest_deliver_batch_for(g, 0, GUEST_FOREVER));
    ASSERT_EQ_U64(places, place);
    post_in_all_ways(g);
}

static void check_places(uint32_t drive)
{
    toy = (toy_t){0};
    place = places = 0;
    toy_start(&toy, drive);
    ASSERT_OK(guest_poster_new(toy.g, &other_way));
    post_in_all_ways(toy.g);
    RUN_UNTIL(&toy, place == places);
    ASSERT_OK(guest_post(toy.g, post_around_a_delivery, NULL, NULL));
    RUN_UNTIL(&toy, place == 4 * 15 + 1);
    /* One at a time: what a post posts comes behind what was found together with it. */
    ASSERT_OK(guest_post(toy.g, post_from_a_post, (void *)(uintptr_t)places++, NULL));
    post_in_all_ways(toy.g);
    while (place < places)
        ASSERT_OK(guest_deliver_batch_for(toy.g, 0, 0));
    ASSERT_EQ_U64(6 * 15 + 2, place);
    ASSERT_EQ_U64(0, toy_stats(&toy).live_posts);
    guest_poster_free(other_way);
    toy_end(&toy);
}

TEST(posts_keep_their_place_thread)
{
    check_places(GUEST_DRIVE_THREAD);
}

TEST(posts_keep_their_place_fd)
{
    check_places(GUEST_DRIVE_FD);
}

/* What a callback has posted when it ends the guest: only dropped, in order, and nothing new is taken. */
static void (*end_here)(guest_t *g);
static guest_t *ending;

static void never(guest_t *g, void *user_data)
{
    (void)g, (void)user_data;
    FAIL("a post has run after the end");
}

static void drop_in_place(void *user_data)
{
    in_place(NULL, user_data);
    ASSERT_STATUS(GUEST_ECLOSED, guest_post(ending, never, NULL, NULL));
}

static void post_and_end(guest_t *g, void *user_data)
{
    (void)user_data;
    ending = g;
    ASSERT_OK(guest_post(g, never, (void *)(uintptr_t)places++, drop_in_place));
    ASSERT_OK(guest_post(g, never, (void *)(uintptr_t)places++, drop_in_place));
    ASSERT_OK(guest_poster_post(other_way, never, (void *)(uintptr_t)places++, drop_in_place));
    ASSERT_OK(guest_post(g, never, (void *)(uintptr_t)places++, drop_in_place));
    end_here(g);
    ASSERT_STATUS(GUEST_ECLOSED, guest_post(g, never, NULL, drop_in_place));
    guest_stats_t stats = {.struct_size = sizeof stats};
    ASSERT_OK(guest_stats(g, &stats));
    ASSERT_EQ_U64(0, place);
    ASSERT_EQ_U64(4 + 1, stats.live_posts);
}

static void *cancel_by_poster(void *poster)
{
    ASSERT_OK(guest_poster_cancel(poster));
    return NULL;
}

static void cancel_here(guest_t *g)
{
    ASSERT_OK(guest_cancel(g));
}

static void cancel_elsewhere(guest_t *g)
{
    (void)g;
    join(spawn(cancel_by_poster, other_way));
}

static void free_here(guest_t *g)
{
    (void)g;
    toy_free(&toy);
}

TEST(posts_of_a_callback_that_ends_the_guest)
{
    void (*ends[])(guest_t *g) = {cancel_here, cancel_elsewhere, free_here};
    for (unsigned i = 0; i < 2 * COUNT(ends); i++) {
        toy = (toy_t){0};
        place = places = 0;
        end_here = ends[i / 2];
        toy_start(&toy, i % 2 ? GUEST_DRIVE_FD : GUEST_DRIVE_THREAD);
        ASSERT_OK(guest_poster_new(toy.g, &other_way));
        ASSERT_OK(guest_post(toy.g, post_and_end, NULL, NULL));
        RUN_UNTIL(&toy, toy.done);
        ASSERT_EQ_U64(4, place);
        guest_poster_free(other_way);
        if (end_here != free_here)
            toy_free(&toy);
        toy_close(&toy);
    }
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

typedef struct race {
    guest_poster_t *poster;
    unsigned cancel_after; /* so many posts */
    latch_t begun;
} race_t;

/* A thousand at the most: a canceller that waits long for its turn makes no more work. */
static void *post_a_thousand(void *argument)
{
    race_t *race = argument;
    for (unsigned i = 0; i < 1000; i++) {
        if (i == race->cancel_after)
            latch_open(&race->begun);
        if (guest_poster_post(race->poster, count_only, NULL, drop_numbered) != GUEST_OK)
            break;
        accepted++;
    }
    return NULL;
}

static void *cancel_in_between(void *argument)
{
    race_t *race = argument;
    latch_wait(&race->begun, 1);
    return cancel_by_poster(race->poster);
}

/* The host sees a cancel at any moment of it; when it has seen it, nothing more is accepted. */
TEST(posts_race_with_a_cancel)
{
    /* Under Valgrind the poster keeps the only turn for long. */
    unsigned rounds = limit(1) > 1 ? 2 : 200;
    for (unsigned round = 0; round < rounds; round++) {
        race_t race = {.cancel_after = round, .begun = LATCH};
        toy = (toy_t){0};
        accepted = dropped = 0;
        toy_start(&toy, GUEST_DRIVE_FD);
        ASSERT_OK(guest_poster_new(toy.g, &race.poster));
        pthread_t threads[] = {spawn(post_a_thousand, &race), spawn(cancel_in_between, &race)};
        while (!toy.done)
            toy_deliver(&toy, 0);
        unsigned at_end = dropped;
        join(threads[0]);
        join(threads[1]);
        toy_free(&toy);
        ASSERT_EQ_U64(accepted, at_end);
        ASSERT_EQ_U64(accepted, dropped);
        guest_poster_free(race.poster);
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
