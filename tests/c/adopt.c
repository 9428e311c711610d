/* Hazard: a guest that is made on one thread and run on another: what was registered before has to work on the new
 * host thread, and the old one is a stranger. */
#include "toy.h"

#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

static guest_t *g;
static channel_t pipe_;
static unsigned fds, timers, posts, signals;

static void on_fd_here(guest_t *guest, guest_id_t id, uint32_t events, void *user_data)
{
    (void)guest, (void)id, (void)events, (void)user_data;
    char byte;
    ASSERT_EQ_I64(1, read(pipe_.in, &byte, 1));
    fds++;
}

static void on_timer_here(guest_t *guest, guest_id_t id, uint64_t expirations, void *user_data)
{
    (void)id, (void)expirations, (void)user_data;
    ASSERT_STATUS(GUEST_EORDER, guest_adopt(guest)); /* a delivery is on the stack */
    timers++;
}

static void on_signal_here(guest_t *guest, guest_id_t id, int32_t signum, uint32_t count, void *user_data)
{
    (void)guest, (void)id, (void)signum, (void)count, (void)user_data;
    signals++;
}

static void on_post_here(guest_t *guest, void *user_data)
{
    (void)user_data;
    posts++;
    if (fds && timers && signals)
        ASSERT_OK(guest_cancel(guest));
}

static void *run(void *unused)
{
    (void)unused;
    ASSERT_STATUS(GUEST_ETHREAD, guest_run(g, 0));
    ASSERT_OK(guest_adopt(g));
    ASSERT_OK(guest_adopt(g)); /* it is ours already */
    while (!(fds && timers && signals))
        ASSERT_STATUS(GUEST_ETIMEDOUT, guest_run(g, MS(5)));
    ASSERT_OK(guest_post(g, on_post_here, NULL, NULL));
    ASSERT_OK(guest_run(g, limit(SECONDS(5))));
    return NULL;
}

TEST(adopted_by_another_thread)
{
    for (uint32_t drive = GUEST_DRIVE_FD; drive <= GUEST_DRIVE_RUN; drive++) {
        guest_options_t options = options_for(drive);
        fds = timers = posts = signals = 0;
        pipe_ = channel_open();
        ASSERT_OK(guest_start(NULL, &options, &g));
        ASSERT_OK(guest_fd_add(g, pipe_.in, GUEST_READABLE, on_fd_here, NULL, NULL, NULL));
        ASSERT_OK(guest_timer_add(g, MS(1), 0, on_timer_here, NULL, NULL, NULL));
        ASSERT_OK(guest_signal_add(g, SIGUSR1, on_signal_here, NULL, NULL, NULL));
        ASSERT_OK(guest_post(g, on_post_here, NULL, NULL));
        channel_write(&pipe_, 1);
        ASSERT_EQ_I64(0, raise(SIGUSR1));
        join(spawn(run, NULL));
        ASSERT_EQ_U64(1, fds);
        ASSERT_EQ_U64(1, timers);
        ASSERT_EQ_U64(1, signals);
        ASSERT_EQ_U64(2, posts);
        ASSERT_STATUS(GUEST_ETHREAD, guest_shutdown(g, 0));
        ASSERT_OK(guest_adopt(g));
        guest_free(g);
        channel_close(&pipe_);
    }
}

/* Without any order between the two threads but that of their creation. */
static atomic_bool posted;

static void *adopt_and_run(void *unused)
{
    (void)unused;
    while (!atomic_load_explicit(&posted, memory_order_relaxed))
        sched_yield();
    ASSERT_OK(guest_adopt(g));
    ASSERT_OK(guest_run(g, limit(SECONDS(5))));
    return NULL;
}

static void in_order(guest_t *guest, void *number)
{
    ASSERT_EQ_U64(posts, (uintptr_t)number);
    posts++;
    if (number == (void *)99)
        ASSERT_OK(guest_cancel(guest));
}

/* A post is a matter of any thread, also of the one that was the host thread until now. */
TEST(adopted_while_the_old_thread_posts)
{
    for (unsigned round = 0; round < 20; round++) {
        guest_options_t options = options_for(GUEST_DRIVE_FD);
        posts = 0;
        atomic_store(&posted, false);
        ASSERT_OK(guest_start(NULL, &options, &g));
        pthread_t host = spawn(adopt_and_run, NULL);
        for (uintptr_t i = 0; i < 100; i++) {
            ASSERT_OK(guest_post(g, in_order, (void *)i, NULL));
            atomic_store_explicit(&posted, true, memory_order_relaxed);
        }
        join(host);
        ASSERT_EQ_U64(100, posts);
        ASSERT_OK(guest_adopt(g));
        guest_free(g);
    }
}

TEST(adopt_refused_in_a_batch)
{
    guest_options_t options = options_for(GUEST_DRIVE_FD);
    options.flags = GUEST_FLAG_PULL;
    ASSERT_OK(guest_start(NULL, &options, &g));
    ASSERT_OK(guest_batch_begin(g, 0));
    ASSERT_STATUS(GUEST_EORDER, guest_adopt(g));
    ASSERT_OK(guest_batch_end(g));
    ASSERT_OK(guest_adopt(g));
    guest_free(g);
}
