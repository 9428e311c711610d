/* Hazard: callbacks that close, modify or replace the sources of the batch they are part of. */
#include "toy.h"

#include <signal.h>
#include <sys/wait.h>

/* Two pipes that are readable in the same batch, each with a probe. */
typedef struct pair {
    toy_t toy;
    channel_t pipes[2];
    probe_t probes[2], newcomer;
    guest_id_t ids[2];
} pair_t;

static pair_t p;

static void pair_open(void (*act)(probe_t *))
{
    toy_start(&p.toy, GUEST_DRIVE_FD);
    for (unsigned i = 0; i < 2; i++) {
        p.pipes[i] = channel_open();
        p.probes[i] = (probe_t){.toy = &p.toy, .act = act, .argument = &p.pipes[i]};
        p.ids[i] = add_fd(&p.toy, p.pipes[i].in, GUEST_READABLE, &p.probes[i]);
    }
    channel_write(&p.pipes[0], 1);
    channel_write(&p.pipes[1], 1);
    p.newcomer.toy = &p.toy;
}

static void pair_end(void)
{
    toy_end(&p.toy);
    ASSERT_EQ_U64(1, p.probes[0].drops);
    ASSERT_EQ_U64(1, p.probes[1].drops);
    channel_close(&p.pipes[0]);
    channel_close(&p.pipes[1]);
}

static unsigned index_of(const probe_t *probe)
{
    return probe == &p.probes[1];
}

/* Whichever of the two comes first closes the other. */
static void act_close_other(probe_t *probe)
{
    ASSERT_OK(guest_close(probe->g, p.ids[!index_of(probe)]));
    act_read_one(probe);
}

TEST(close_other_in_batch)
{
    pair_open(act_close_other);
    RUN_UNTIL(&p.toy, p.probes[0].calls + p.probes[1].calls == 1);
    loop_run_for(p.toy.loop, MS(5));
    ASSERT_EQ_U64(1, p.probes[0].calls + p.probes[1].calls);
    ASSERT_EQ_U64(1, p.probes[0].drops + p.probes[1].drops);
    pair_end();
}

static void act_read_and_close_self(probe_t *probe)
{
    act_close_self(probe);
    ASSERT_EQ_U64(0, probe->drops); /* its callback is running: the drop function waits */
    ASSERT_STATUS(GUEST_ESTALE, guest_close(probe->g, probe->id));
}

TEST(close_itself_in_batch)
{
    pair_open(act_read_and_close_self);
    RUN_UNTIL(&p.toy, p.probes[0].drops && p.probes[1].drops);
    ASSERT_EQ_U64(1, p.probes[0].calls);
    ASSERT_EQ_U64(1, p.probes[1].calls);
    pair_end();
}

/* Closes the other source and its fd, and registers a new, empty pipe under the same number. */
static void reuse_number(probe_t *probe, bool close_source)
{
    unsigned other = !index_of(probe);
    channel_t fresh = channel_open();
    if (close_source)
        ASSERT_OK(guest_close(probe->g, p.ids[other]));
    MUST(dup2(fresh.in, p.pipes[other].in)); /* closes what had that number */
    MUST(close(fresh.in));
    MUST(close(p.pipes[other].out));
    p.pipes[other].out = fresh.out;
    p.newcomer.argument = &p.pipes[other];
    p.newcomer.act = act_read_one;
    add_fd(&p.toy, p.pipes[other].in, GUEST_READABLE, &p.newcomer);
    if (!close_source)
        ASSERT_STATUS(GUEST_ESTALE, guest_close(probe->g, p.ids[other]));
    act_read_one(probe);
    probe->act = act_read_one;
}

static void act_reuse_closed(probe_t *probe)
{
    reuse_number(probe, true);
}

static void act_reuse_unclosed(probe_t *probe)
{
    reuse_number(probe, false);
}

static void fd_number_reused(void (*act)(probe_t *))
{
    pair_open(act);
    RUN_UNTIL(&p.toy, p.probes[0].calls + p.probes[1].calls == 1);
    loop_run_for(p.toy.loop, MS(5));
    ASSERT_EQ_U64(0, p.newcomer.calls); /* the old number's event did not reach the new pipe */
    ASSERT_EQ_U64(1, p.probes[0].calls + p.probes[1].calls);
    channel_write(p.newcomer.argument, 1);
    RUN_UNTIL(&p.toy, p.newcomer.calls == 1);
    ASSERT_EQ_U64(1, p.probes[0].drops + p.probes[1].drops);
    pair_end();
    ASSERT_EQ_U64(1, p.newcomer.drops);
}

TEST(fd_number_reused_in_batch)
{
    fd_number_reused(act_reuse_closed);
}

TEST(fd_number_reused_in_batch_without_close)
{
    fd_number_reused(act_reuse_unclosed);
}

static void act_pause_other(probe_t *probe)
{
    ASSERT_OK(guest_fd_modify(probe->g, p.ids[!index_of(probe)], 0));
    act_read_one(probe);
    probe->act = act_read_one;
}

TEST(modify_in_batch)
{
    pair_open(act_pause_other);
    RUN_UNTIL(&p.toy, p.probes[0].calls + p.probes[1].calls == 1);
    loop_run_for(p.toy.loop, MS(5));
    ASSERT_EQ_U64(1, p.probes[0].calls + p.probes[1].calls);
    unsigned paused = p.probes[0].calls ? 1 : 0;
    p.probes[paused].act = act_read_one;
    ASSERT_OK(guest_fd_modify(p.toy.g, p.ids[paused], GUEST_READABLE)); /* its byte is still there */
    RUN_UNTIL(&p.toy, p.probes[paused].calls == 1);
    pair_end();
}

/* What the other is watched for changes while its event of the old kind is in the batch. */
static void act_want_writable(probe_t *probe)
{
    ASSERT_OK(guest_fd_modify(probe->g, p.ids[!index_of(probe)], GUEST_WRITABLE));
    act_read_one(probe);
}

TEST(modify_in_batch_to_another_event)
{
    pair_open(act_want_writable);
    RUN_UNTIL(&p.toy, p.probes[0].calls + p.probes[1].calls == 1);
    loop_run_for(p.toy.loop, MS(5));
    ASSERT_EQ_U64(1, p.probes[0].calls + p.probes[1].calls); /* a read end is never writable */
    pair_end();
}

/* ---- timers of one batch --------------------------------------------------------------------- */

static guest_id_t victim;

static void act_close_victim(probe_t *probe)
{
    ASSERT_OK(guest_close(probe->g, victim));
}

static void act_postpone_victim(probe_t *probe)
{
    ASSERT_OK(guest_timer_modify(probe->g, victim, MS(30), 0));
}

TEST(close_timer_in_batch)
{
    toy_t toy = {0};
    probe_t first = PROBE(&toy), second = PROBE(&toy);
    first.act = act_close_victim;
    toy_start(&toy, GUEST_DRIVE_FD);
    add_timer(&toy, 0, 0, &first);
    victim = add_timer(&toy, 0, 0, &second);
    RUN_UNTIL(&toy, first.drops && second.drops);
    ASSERT_EQ_U64(0, second.calls);
    toy_end(&toy);
}

TEST(modify_timer_in_batch)
{
    toy_t toy = {0};
    probe_t first = PROBE(&toy), second = PROBE(&toy);
    first.act = act_postpone_victim;
    toy_start(&toy, GUEST_DRIVE_FD);
    add_timer(&toy, 0, 0, &first);
    victim = add_timer(&toy, 0, 0, &second);
    RUN_UNTIL(&toy, second.drops);
    ASSERT_EQ_U64(1, second.calls);
    ASSERT_AT_LEAST(second.at - first.at, MS(30));
    toy_end(&toy);
}

/* ---- order of kinds -------------------------------------------------------------------------- */

TEST(order_fds_timers_posts_signals_children)
{
    toy_t toy = {0};
    probe_t fd = PROBE(&toy), timer = PROBE(&toy), post = PROBE(&toy), sig = PROBE(&toy), kid = PROBE(&toy);
    channel_t pipe = channel_open();
    fd.act = act_read_one;
    fd.argument = &pipe;
    toy_start(&toy, GUEST_DRIVE_FD);
    pid_t child = (pid_t)MUST(fork());
    if (child == 0)
        _exit(0);
    add_child(&toy, child, &kid);
    siginfo_t ended;
    MUST(waitid(P_PID, (id_t)child, &ended, WEXITED | WNOWAIT)); /* it has ended, but is unreaped */
    add_signal(&toy, SIGUSR1, &sig);
    MUST(raise(SIGUSR1));
    add_post(&toy, &post);
    add_timer(&toy, 0, 0, &timer);
    add_fd(&toy, pipe.in, GUEST_READABLE, &fd);
    channel_write(&pipe, 1);
    ASSERT_OK(guest_deliver_batch_for(toy.g, 0, GUEST_FOREVER));
    RUN_UNTIL(&toy, kid.calls); /* the waiter thread of systems without pidfd may need a moment */
    ASSERT(fd.calls && timer.calls && post.calls && sig.calls);
    ASSERT(fd.last < timer.last);
    ASSERT(timer.last < post.last);
    ASSERT(post.last < sig.last);
    ASSERT(post.last < kid.last);
    toy_end(&toy);
    channel_close(&pipe);
}
