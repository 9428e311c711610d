/* Hazard: guest_free inside a callback, of each kind there is, while the I/O thread waits. It takes effect when the delivery
 * ends; until then the guest takes nothing new. */
#include "toy.h"

#ifdef _WIN32
#include "windows/events.h"
#endif

static toy_t toy;
static probe_t probe, parked;
static channel_t channel;
static latch_t release;
static pid_t child;
static guest_id_t id;

static void act_free(probe_t *freed)
{
    guest_t *g = freed->g;
    uint32_t state;
    toy_free(&toy);
    ASSERT_EQ_U64(0, toy.done);
    ASSERT_OK(guest_state(g, &state));
    ASSERT(state != GUEST_STATE_ENDED);
    ASSERT_STATUS(GUEST_ECLOSED, guest_timer_add(g, 0, 0, on_timer, freed, NULL, NULL));
    ASSERT_STATUS(GUEST_ECLOSED, guest_post(g, on_post, freed, NULL));
    ASSERT_STATUS(GUEST_EORDER, guest_shutdown(g, 0));
}

static void add_channel(void)
{
    channel = channel_open();
    id = add_fd(&toy, channel.in, GUEST_READABLE, &probe);
}

static void write_channel(void)
{
    channel_write(&channel, 1);
}

static void close_channel(void)
{
    channel_close(&channel);
}

static void add_far_timer(void)
{
    id = add_timer(&toy, GUEST_FOREVER, 0, &probe);
}

static void set_timer(void)
{
    ASSERT_OK(guest_timer_modify(toy.g, id, 0, 0));
}

static void post_now(void)
{
    add_post(&toy, &probe);
}

static void watch_signal(void)
{
    add_signal(&toy, SIGUSR1, &probe);
}

static void raise_signal(void)
{
    MUST(raise(SIGUSR1));
}

static void watch_child(void)
{
    child = child_for_later(3);
    add_child(&toy, child, &probe);
}

static void end_watched_child(void)
{
    child_go(child);
}

static void wait_for_release(void *user_data)
{
    (void)user_data;
    latch_wait(&release, 1);
}

static void work_later(void)
{
    latch_t shut = LATCH;
    release = shut;
    add_work(&toy, wait_for_release, &probe);
}

static void release_work(void)
{
    latch_open(&release);
}

static void resolve_now(void)
{
    ASSERT_OK(
        guest_resolve(toy.g, "127.0.0.1", NULL, 0, SOCK_STREAM, AI_NUMERICHOST, on_resolve, &probe, on_drop, NULL));
}

#ifdef _WIN32
static HANDLE event;

static void watch_event(void)
{
    event = new_event();
    add_handle(&toy, event, &probe);
}

static void set_event(void)
{
    SetEvent(event);
}

static void close_event(void)
{
    CloseHandle(event);
}
#endif

static void nothing(void) {}

/* What calls back: how it is registered, and what makes it call. */
static const struct cause {
    const char *name;
    void (*add)(void), (*ready)(void), (*after)(void);
} causes[] = {
    {"fd", add_channel, write_channel, close_channel},
    {"timer", add_far_timer, set_timer, nothing},
    {"post", nothing, post_now, nothing},
    {"signal", watch_signal, raise_signal, nothing},
    {"child", watch_child, end_watched_child, nothing},
    {"work", work_later, release_work, nothing},
    {"resolve", nothing, resolve_now, nothing},
#ifdef _WIN32
    {"handle", watch_event, set_event, close_event},
#endif
};

static void start(void)
{
    toy = (toy_t){0};
    parked = (probe_t){.toy = &toy};
    probe = (probe_t){.toy = &toy, .act = act_free};
    toy_start(&toy, GUEST_DRIVE_THREAD);
    add_timer(&toy, GUEST_FOREVER, 0, &parked);
}

TEST(free_in_a_callback_of_each_kind)
{
    for (size_t i = 0; i < COUNT(causes); i++) {
        start();
        causes[i].add();
        toy_await_polling(&toy);
        causes[i].ready();
        RUN_UNTIL(&toy, toy.done);
        ASSERT_OK(toy.status); /* of the delivery that ended with it */
        ASSERT_OK(toy.done_status);
        ASSERT(probe.calls == 1 && probe.drops == 1);
        ASSERT(parked.calls == 0 && parked.drops == 1);
        toy_close(&toy);
        causes[i].after();
        printf("%s: freed\n", causes[i].name);
    }
}

static void free_here(toy_t *done)
{
    toy_free(done);
}

static void drop_that_frees(void *user_data)
{
    toy_free(&toy);
    on_drop(user_data);
}

static void cancelled(void)
{
    toy_await_polling(&toy);
    ASSERT_OK(guest_cancel(toy.g));
    RUN_UNTIL(&toy, toy.done);
    ASSERT_OK(toy.done_status);
    ASSERT(parked.drops == 1 && probe.drops == 1);
    toy_close(&toy);
}

TEST(free_in_done_and_in_a_drop_function)
{
    start();
    toy.on_done = free_here;
    add_timer(&toy, GUEST_FOREVER, 0, &probe);
    cancelled();
    start();
    ASSERT_OK(guest_timer_add(toy.g, GUEST_FOREVER, 0, on_timer, &probe, drop_that_frees, NULL));
    cancelled();
}
