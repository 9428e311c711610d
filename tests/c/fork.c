/* Hazard: fork, with a guest running. */
#include "toy.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define EFORKED(call) ASSERT_STATUS(GUEST_EFORKED, call)

/* What the fork of `toy`'s process sees: a failed assert exits with 1. */
typedef struct inheritance {
    toy_t toy;
    probe_t timer, fd;
    guest_id_t timer_id, fd_id;
    channel_t pipe;
    guest_poster_t *poster;
} inheritance_t;

/* Posts of the callback that forks. */
static unsigned told, told_and_dropped;

static void never(void *user_data)
{
    (void)user_data;
    FAIL("something of the parent's has run in the child");
}

static void never_post(guest_t *g, void *user_data)
{
    (void)g;
    never(user_data);
}

/* Wherever the child is: the poller and the alarm, at least, are closed when guest_free returns. */
static void free_copy(guest_t *g)
{
    uint64_t before = open_fds();
    guest_free(g);
    ASSERT(open_fds() + 2 <= before);
}

static void in_child(void *argument)
{
    inheritance_t *i = argument;
    guest_t *g = i->toy.g;
    uint32_t state;
    guest_stats_t stats = {.struct_size = sizeof stats};
    guest_os_fd_t fd;
    guest_id_t id;
    guest_event_t event;
    size_t count;
    guest_poster_t *poster;
    EFORKED(guest_deliver_batch(g, 0));
    EFORKED(guest_deliver_batch_for(g, i->toy.last_token, MS(1)));
    EFORKED(guest_run(g, 0));
    EFORKED(guest_shutdown(g, 0));
    EFORKED(guest_cancel(g));
    EFORKED(guest_fd(g, &fd));
    EFORKED(guest_wake(g));
    EFORKED(guest_state(g, &state));
    EFORKED(guest_stats(g, &stats));
    EFORKED(guest_close(g, i->timer_id));
    EFORKED(guest_is_open(g, i->timer_id));
    EFORKED(guest_batch_begin(g, 0));
    EFORKED(guest_batch_next(g, &event, 1, &count));
    EFORKED(guest_adopt(g));
    EFORKED(guest_batch_wait(g, 1, &event, 1, &count));
    EFORKED(guest_batch_end(g));
    EFORKED(guest_fd_add(g, i->pipe.out, GUEST_WRITABLE, on_fd, NULL, never, &id));
    EFORKED(guest_fd_modify(g, i->fd_id, 0));
    EFORKED(guest_timer_add(g, 0, 0, on_timer, NULL, never, &id));
    EFORKED(guest_timer_modify(g, i->timer_id, 0, 0));
    EFORKED(guest_post(g, never_post, NULL, never));
    EFORKED(guest_poster_new(g, &poster));
    EFORKED(guest_poster_post(i->poster, never_post, NULL, never));
    EFORKED(guest_poster_wake(i->poster));
    EFORKED(guest_poster_cancel(i->poster));
    EFORKED(guest_signal_add(g, 10, on_signal, NULL, never, &id));
    EFORKED(guest_child_add(g, getppid(), on_child, NULL, never, &id));
    EFORKED(guest_work(g, never, on_work_done, NULL, never, &id));
    EFORKED(guest_resolve(g, "::1", NULL, 0, SOCK_STREAM, 0, on_resolve, NULL, never, &id));
    guest_poster_free(i->poster);
    free_copy(g);
    ASSERT_EQ_U64(0, told + told_and_dropped);
    ASSERT_EQ_U64(0, i->timer.drops); /* the copy is released; nothing runs */
    ASSERT_EQ_U64(0, i->toy.done);
}

static void inherit(inheritance_t *i, uint32_t drive)
{
    toy_start(&i->toy, drive);
    i->pipe = channel_open();
    i->timer = (probe_t){.toy = &i->toy};
    i->fd = (probe_t){.toy = &i->toy, .act = act_read_one, .argument = &i->pipe};
    i->timer_id = add_timer(&i->toy, SECONDS(3600), 0, &i->timer);
    i->fd_id = add_fd(&i->toy, i->pipe.in, GUEST_READABLE, &i->fd);
    ASSERT_OK(guest_poster_new(i->toy.g, &i->poster));
    if (drive == GUEST_DRIVE_THREAD)
        toy_await_polling(&i->toy);
}

/* The parent's guest is unharmed: its sources are still watched, its posts still arrive. */
static void unharmed(inheritance_t *i)
{
    probe_t post = PROBE(&i->toy);
    unsigned calls = i->fd.calls;
    add_post(&i->toy, &post);
    channel_write(&i->pipe, 1);
    RUN_UNTIL(&i->toy, post.drops && i->fd.calls == calls + 1);
    ASSERT_OK(guest_timer_modify(i->toy.g, i->timer_id, 0, 0));
    RUN_UNTIL(&i->toy, i->timer.drops == 1);
    guest_poster_free(i->poster);
    toy_end(&i->toy);
    channel_close(&i->pipe);
}

static void fork_with_guest(uint32_t drive)
{
    inheritance_t i = {0};
    inherit(&i, drive);
    ASSERT_EQ_I64(0, in_fork(in_child, &i));
    unharmed(&i);
}

TEST(fork_with_running_guest)
{
    for (uint32_t drive = GUEST_DRIVE_THREAD; drive <= GUEST_DRIVE_FD; drive++)
        fork_with_guest(drive);
}

static void guest_of_its_own(void *argument)
{
    (void)argument;
    toy_t toy = {0};
    probe_t timer = PROBE(&toy);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    add_timer(&toy, MS(1), 0, &timer);
    RUN_UNTIL(&toy, timer.drops == 1);
    toy_end(&toy);
}

TEST(fork_child_starts_its_own_guest)
{
    inheritance_t i = {0};
    inherit(&i, GUEST_DRIVE_THREAD);
    ASSERT_EQ_I64(0, in_fork(guest_of_its_own, NULL));
    unharmed(&i);
}

static guest_id_t forked_in;

static void told_in_the_parent(guest_t *g, void *told)
{
    (void)g;
    ++*(unsigned *)told;
}

static void drop_in_the_parent(void *user_data)
{
    (void)user_data;
    ASSERT_EQ_U64(told, ++told_and_dropped);
}

/* What it has posted before is the parent's. */
static void act_fork(probe_t *probe)
{
    ASSERT_OK(guest_post(probe->g, told_in_the_parent, &told, drop_in_the_parent));
    ASSERT_EQ_I64(0, in_fork(in_child, probe->argument));
    forked_in = probe->id;
}

TEST(fork_inside_a_callback)
{
    inheritance_t i = {0};
    inherit(&i, GUEST_DRIVE_THREAD);
    probe_t probe = {.toy = &i.toy, .act = act_fork, .argument = &i};
    add_timer(&i.toy, 0, 0, &probe);
    RUN_UNTIL(&i.toy, probe.drops == 1);
    RUN_UNTIL(&i.toy, told_and_dropped == 1);
    ASSERT(forked_in != 0);
    unharmed(&i);
}

static pid_t parent;

/* The child goes back through the library, as the parent does, and ends in `forked_by_a_drop`. */
static void drop_and_fork(void *forks)
{
    if (getpid() != parent)
        never(NULL);
    ++*(unsigned *)forks;
    fflush(NULL);
    pid_t child = (pid_t)MUST(fork());
    int status;
    if (child == 0)
        return;
    MUST(waitpid(child, &status, 0));
    ASSERT_EQ_I64(0, status);
}

static void by_delivery(guest_t *g)
{
    guest_deliver_batch(g, 0);
}

static void by_run(guest_t *g)
{
    guest_run(g, 0);
}

static void by_shutdown(guest_t *g)
{
    guest_shutdown(g, 0);
}

static void by_next(guest_t *g)
{
    guest_event_t events[2];
    size_t count;
    guest_batch_next(g, events, 2, &count);
}

static void by_end(guest_t *g)
{
    guest_batch_end(g);
}

/* Two drop functions are due; each forks, and the child of the first must not run the second. */
static void forked_by_a_drop(bool pull, void (*by)(guest_t *g))
{
    guest_options_t options = patient_options_for(GUEST_DRIVE_FD); /* a fork may take longer than a delivery */
    options.flags = pull ? GUEST_FLAG_PULL : 0;
    guest_t *g;
    unsigned forks = 0;
    guest_event_t events[2];
    size_t count;
    parent = getpid();
    ASSERT_OK(guest_start(NULL, &options, &g));
    for (unsigned i = 0; i < 2; i++) {
        guest_id_t id;
        ASSERT_OK(guest_timer_add(g, pull ? 0 : GUEST_FOREVER, 0, on_timer, &forks, drop_and_fork, &id));
        if (!pull && by != guest_free)
            ASSERT_OK(guest_close(g, id));
    }
    if (pull) {
        ASSERT_OK(guest_batch_begin(g, 0));
        ASSERT_OK(guest_batch_next(g, events, 2, &count));
        ASSERT_EQ_U64(2, count);
    }
    by(g);
    if (getpid() != parent) {
        if (by != guest_free) {
            EFORKED(guest_deliver_batch(g, 0));
            guest_free(g);
        }
        _exit(0);
    }
    ASSERT_EQ_U64(2, forks);
    if (by == by_next)
        ASSERT_OK(guest_batch_end(g));
    if (by != guest_free)
        guest_free(g);
}

TEST(fork_inside_a_drop_function)
{
    forked_by_a_drop(false, by_delivery);
    forked_by_a_drop(false, by_run);
    forked_by_a_drop(false, by_shutdown);
    forked_by_a_drop(false, guest_free);
    forked_by_a_drop(true, by_next);
    forked_by_a_drop(true, by_end);
}

static void told_here(guest_t *g, void *user_data)
{
    (void)g;
    if (getpid() != parent)
        never(user_data);
}

static void fired_here(guest_t *g, guest_id_t id, uint64_t expirations, void *user_data)
{
    (void)id, (void)expirations;
    told_here(g, user_data);
}

/* A drop function that follows the last event forks: the child must not run what is due next. */
static void post_twice(guest_t *g, void *forks)
{
    for (unsigned i = 0; i < 2; i++)
        ASSERT_OK(guest_post(g, told_here, forks, drop_and_fork));
}

static void forked_after_the_last_event(bool post, bool by_a_callback)
{
    guest_options_t options = patient_options_for(GUEST_DRIVE_FD);
    guest_t *g;
    guest_id_t id;
    unsigned forks = 0;
    parent = getpid();
    ASSERT_OK(guest_start(NULL, &options, &g));
    if (by_a_callback)
        ASSERT_OK(guest_post(g, post_twice, &forks, NULL));
    else if (post)
        post_twice(g, &forks);
    else
        for (unsigned i = 0; i < 2; i++)
            ASSERT_OK(guest_timer_add(g, 0, 0, fired_here, &forks, drop_and_fork, &id));
    guest_status_t status = guest_deliver_batch(g, 0);
    if (getpid() != parent) {
        ASSERT_STATUS(GUEST_EFORKED, status);
        guest_free(g);
        _exit(0);
    }
    ASSERT_OK(status);
    ASSERT_EQ_U64(2, forks);
    guest_free(g);
}

TEST(fork_inside_the_drop_after_the_last_event)
{
    forked_after_the_last_event(false, false);
    forked_after_the_last_event(true, false);
    forked_after_the_last_event(true, true);
}

static void free_here(guest_t *g, void *user_data)
{
    (void)user_data;
    guest_free(g);
}

/* guest_free has waited for the callback, and what it drops forks: the call on the stack is the last that can tell. */
TEST(fork_inside_a_drop_of_guest_free_in_a_callback)
{
    guest_t *g;
    guest_id_t id;
    unsigned forks = 0;
    guest_options_t options = patient_options_for(GUEST_DRIVE_FD);
    parent = getpid();
    ASSERT_OK(guest_start(NULL, &options, &g));
    for (unsigned i = 0; i < 2; i++)
        ASSERT_OK(guest_timer_add(g, GUEST_FOREVER, 0, on_timer, &forks, drop_and_fork, &id));
    ASSERT_OK(guest_post(g, free_here, NULL, NULL));
    guest_status_t status = guest_deliver_batch_for(g, 0, 1); /* spent by the post: all else is left to guest_free */
    if (getpid() != parent) {
        ASSERT_STATUS(GUEST_EFORKED, status);
        _exit(0);
    }
    ASSERT_OK(status);
    ASSERT_EQ_U64(2, forks);
}

static channel_t reused;
static bool parent_frees;

/* In the child: something of its own gets the numbers of what was closed. */
static void fork_and_free(guest_t *g, void *pull)
{
    if (parent_frees)
        guest_free(g);
    fflush(NULL);
    pid_t child = (pid_t)MUST(fork());
    if (child == 0) {
        if (pull)
            EFORKED(guest_batch_end(g));
        free_copy(g);
        reused = channel_open();
        return;
    }
    int status;
    MUST(waitpid(child, &status, 0));
    ASSERT_EQ_I64(0, status);
}

static void reused_stays_open(void)
{
    MUST(fcntl(reused.in, F_GETFD));
    MUST(fcntl(reused.out, F_GETFD));
    _exit(0);
}

/* guest_free inside of the delivery that has forked closes the copies there, and what is on the stack closes nothing. */
static void forked_inside_a_callback(void)
{
    guest_t *g;
    guest_options_t options = patient_options_for(GUEST_DRIVE_FD);
    parent = getpid();
    ASSERT_OK(guest_start(NULL, &options, &g));
    ASSERT_OK(guest_post(g, fork_and_free, NULL, NULL));
    guest_status_t status = guest_deliver_batch(g, 0);
    if (getpid() != parent) {
        ASSERT_STATUS(GUEST_EFORKED, status);
        reused_stays_open();
    }
    ASSERT_OK(status);
    if (!parent_frees)
        guest_free(g);
}

/* The same in the pull form, where the batch has no end in the child. */
static void forked_inside_a_batch(void)
{
    guest_t *g;
    guest_options_t options = patient_options_for(GUEST_DRIVE_FD);
    options.flags = GUEST_FLAG_PULL;
    parent = getpid();
    ASSERT_OK(guest_start(NULL, &options, &g));
    ASSERT_OK(guest_batch_begin(g, 0));
    fork_and_free(g, g);
    if (getpid() != parent)
        reused_stays_open();
    ASSERT_OK(guest_batch_end(g));
    if (!parent_frees)
        guest_free(g);
}

TEST(fork_and_free_inside_a_callback)
{
    forked_inside_a_callback();
}

TEST(fork_and_free_inside_a_batch)
{
    forked_inside_a_batch();
}

/* A callback or batch that the guest_free of the parent waits for: the child waits for none. */
TEST(fork_and_free_where_the_parent_has)
{
    parent_frees = true;
    forked_inside_a_callback();
    forked_inside_a_batch();
}
