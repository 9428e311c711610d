/* What is owed: after a delivery without a budget nothing that was due may be left, and a host that only sleeps must be
 * woken for all that comes due. */
#include "model.h"

#include <sys/wait.h>

static bool timer_is_owed(const item_t *item, uint64_t moment)
{
    return item_is(item, KIND_TIMER) && item->timer.armed && item->timer.late <= moment;
}

static bool fd_is_owed(const item_t *item)
{
    if (!item_is(item, KIND_FD) || item->fd.dead || item->fd.interest == 0)
        return false;
    return item->fd.hung || (item->fd.interest & GUEST_WRITABLE) ||
           (item->fd.bytes && (item->fd.interest & GUEST_READABLE));
}

/* The first thing that is owed at that moment, by name, or NULL. */
static const char *owed(subject_t *s, uint64_t moment)
{
    static char text[100];
    for (const item_t *item = s->items; item; item = item->next) {
        if (timer_is_owed(item, moment))
            return "a timer";
        if (fd_is_owed(item)) {
            snprintf(text, sizeof text, "fd %llu: watched for %u, %u bytes, hung up %d",
                     (unsigned long long)item->number, item->fd.interest, item->fd.bytes, item->fd.hung);
            return text;
        }
        if (stream_is_owed(item) && !item->stream.tcp)
            return "what a peer has sent";
        if (item_is(item, KIND_SIGNAL) && item->signal.told < item->signal.raised)
            return "a signal";
    }
    return NULL;
}

/* What other threads, processes and the network owe comes a little later than the call that asked for it. */
static const char *owed_by_others(subject_t *s, uint64_t moment)
{
    for (const item_t *item = s->items; item; item = item->next) {
        if (item_is(item, KIND_WORK) && item->work.phase == WORK_FINISHED && !item->work.untold)
            return "finished work";
        if (item_is(item, KIND_CHILD) && item->child.ended)
            return "an ended child";
        if (item_is(item, KIND_RESOLVE))
            return "a name";
        if (stream_is_owed(item))
            return "what a peer has sent over TCP";
    }
    for (const lane_t *lane = s->lanes; lane; lane = lane->next)
        if (lane->run < lane->accepted)
            return "a post";
    return s->deadline <= moment ? "a deadline" : NULL;
}

static void mark_children(subject_t *s)
{
    for (item_t *item = s->items; item; item = item->next) {
        siginfo_t info = {.si_pid = 0};
        if (item_is(item, KIND_CHILD))
            item->child.zombie = waitid(P_PID, (id_t)item->child.pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
                                 info.si_pid == item->child.pid;
    }
}

/* Batches until one of them has had nothing, with budget left. Says whether no handler has ended one of them. */
static bool take_all(subject_t *s, random_t *r)
{
    for (bool over = false; !over && subject_usable(s) && !s->frames && !s->done;) {
        guest_stats_t before = {.struct_size = sizeof before}, after = before;
        EXPECT(guest_stats(s->g, &before), STATUS(OK));
        batch_begin(s, 0);
        bool first = true;
        while (subject_usable(s) && s->batches && batch_next(s, 0, r) > 0)
            first = false;
        if (!subject_usable(s) || s->batches != 1)
            return false;
        EXPECT(guest_stats(s->g, &after), STATUS(OK));
        batch_end(s);
        over = first && before.budget_spent == after.budget_spent;
    }
    return true;
}

void settle(subject_t *s, random_t *r)
{
    if (s->frames || s->done)
        return;
    uint64_t posts[64], moment = guest_now();
    unsigned count = 0;
    lane_t *newest = s->lanes;
    for (lane_t *lane = newest; lane && count < COUNT(posts); lane = lane->next)
        posts[count++] = lane->accepted;
    mark_children(s);
    if (s->pull) {
        if (!take_all(s, r))
            return;
    } else {
        subject_enter(s);
        guest_status_t status = guest_deliver_batch_for(s->g, 0, GUEST_FOREVER);
        if (world.forked)
            return;
        EXPECT(status, STATUS(OK));
        subject_leave(s);
    }
    if (!subject_usable(s) || s->may_end || s->frames)
        return;
    const char *left = owed(s, moment);
    if (left)
        FAIL("a delivery has left %s that was due", left);
    for (const item_t *item = s->items; item; item = item->next)
        if (item_is(item, KIND_CHILD) && item->child.zombie)
            FAIL("a delivery has left a child that had ended");
    count = 0;
    for (lane_t *lane = newest; lane && count < COUNT(posts); lane = lane->next)
        if (lane->run < posts[count++])
            FAIL("a delivery has left a post that was accepted before");
}

void await_wake(subject_t *s, random_t *r)
{
    if (s->frames || s->done)
        return;
    uint64_t moment = guest_now() + below(r, MS(10)), stop = guest_now() + limit(SECONDS(10));
    const char *what;
    while (subject_usable(s) && !s->frames && !s->may_end &&
           ((what = owed(s, moment)) || (what = owed_by_others(s, moment)))) {
        if (guest_now() > stop)
            FAIL("nobody wakes the host for %s", what);
        work_open_all(); /* what waits behind it in the pool is owed, too */
        if (s->options.drive != GUEST_DRIVE_RUN) {
            turn_loop(guest_now() + MS(100), r);
        } else if (!s->pull) {
            turn_run(s, MS(5));
        } else {
            batch_begin(s, 0);
            batch_next(s, MS(5), r);
            if (subject_usable(s) && s->batches)
                batch_end(s);
        }
    }
}
