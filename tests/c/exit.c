/* Hazard: the process ends while a guest runs: from outside, from a callback, with work under way, with very much pending.
 * It ends at once and with the code that it was given. */
#include "toy.h"

#ifdef _WIN32
#include "windows/events.h"
#endif

enum { CODE = 7, EACH = 250 };

static toy_t last_toy;
static probe_t last_timer, last_post;

static void exit_now(probe_t *probe)
{
    (void)probe;
    exit(CODE);
}

static void leave_running(void (*act)(probe_t *))
{
    last_timer = (probe_t){.toy = &last_toy, .act = act};
    last_post = (probe_t){.toy = &last_toy};
    toy_start(&last_toy, GUEST_DRIVE_THREAD);
    add_timer(&last_toy, MS(1), MS(1), &last_timer);
}

static void exit_from_outside(void)
{
    leave_running(NULL);
    RUN_UNTIL(&last_toy, last_timer.calls >= 2);
    add_post(&last_toy, &last_post);
    exit(CODE);
}

static void exit_from_callback(void)
{
    leave_running(exit_now);
    RUN_UNTIL(&last_toy, false);
}

static void sleep_for_ever(void *user_data)
{
    (void)user_data;
    for (;;)
        pass(SECONDS(3600));
}

static void exit_with_work(void)
{
    leave_running(NULL);
    add_work(&last_toy, sleep_for_ever, &last_post);
    RUN_UNTIL(&last_toy, last_timer.calls >= 2);
    exit(CODE);
}

TEST(exit_with_running_guest)
{
    ASSERT_EQ_I64(CODE, in_process(exit_from_outside));
}

TEST(exit_inside_a_callback)
{
    ASSERT_EQ_I64(CODE, in_process(exit_from_callback));
}

TEST(exit_with_running_work)
{
    ASSERT_EQ_I64(CODE, in_process(exit_with_work));
}

/* ---- a thousand operations --------------------------------------------------------------------- */

static probe_t pending[4 * EACH];

/* fds that are polled, timers, work of which the pool does some, and handles, or where there are none more timers. */
static void leave_pending(uint32_t drive)
{
    toy_start(&last_toy, drive);
    for (unsigned i = 0; i < COUNT(pending); i++) {
        probe_t *probe = &pending[i];
        probe->toy = &last_toy;
        switch (i % 4) {
        case 0:
            add_fd(&last_toy, channel_open().in, GUEST_READABLE, probe);
            break;
        case 1:
            add_timer(&last_toy, SECONDS(3600), 0, probe);
            break;
        case 2:
            add_work(&last_toy, sleep_for_ever, probe);
            break;
        default:
#ifdef _WIN32
            add_handle(&last_toy, new_event(), probe);
#else
            add_timer(&last_toy, GUEST_FOREVER, 0, probe);
#endif
        }
    }
    if (drive == GUEST_DRIVE_THREAD)
        toy_await_polling(&last_toy);
    ASSERT_EQ_U64(COUNT(pending), toy_stats(&last_toy).live_sources);
    last_post = (probe_t){.toy = &last_toy};
    add_post(&last_toy, &last_post);
    printf("%u operations pending\n", (unsigned)COUNT(pending));
    fflush(stdout);
}

static void exit_with_pending(void)
{
    leave_pending(GUEST_DRIVE_THREAD);
    exit(CODE);
}

static void exit_with_pending_fd(void)
{
    leave_pending(GUEST_DRIVE_FD);
    exit(CODE);
}

static void return_with_pending(void)
{
    leave_pending(GUEST_DRIVE_THREAD);
    return_from_main(CODE);
}

static void end_with_pending(void)
{
    leave_pending(GUEST_DRIVE_THREAD);
    end_process(CODE);
}

TEST(exit_with_a_thousand_pending)
{
    ASSERT_EQ_I64(CODE, in_process(exit_with_pending));
}

TEST(exit_with_a_thousand_pending_fd)
{
    ASSERT_EQ_I64(CODE, in_process(exit_with_pending_fd));
}

TEST(exit_by_return_from_main_with_a_thousand_pending)
{
    ASSERT_EQ_I64(CODE, in_process(return_with_pending));
}

/* Without the functions that were registered for the exit. */
TEST(exit_at_once_with_a_thousand_pending)
{
    ASSERT_EQ_I64(CODE, in_process(end_with_pending));
}

/* ---- guest_free while the process ends ---------------------------------------------------------- */

static void free_last(void)
{
    toy_free(&last_toy);
    ASSERT_EQ_U64(1, last_toy.done);
    ASSERT_EQ_U64(1, last_post.drops);
    puts("freed");
    fflush(stdout);
}

static void exit_that_frees(void)
{
    toy_start(&last_toy, GUEST_DRIVE_THREAD);
    last_post = (probe_t){.toy = &last_toy};
    add_timer(&last_toy, GUEST_FOREVER, 0, &last_post);
    toy_await_polling(&last_toy);
    ASSERT_EQ_I64(0, atexit(free_last));
    exit(CODE);
}

TEST(exit_frees_a_guest_that_waits)
{
    ASSERT_EQ_I64(CODE, in_process(exit_that_frees));
}
