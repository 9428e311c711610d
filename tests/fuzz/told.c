/* What must hold when an event of a kind is told: it was asked for, it is not early, its turn has come. */
#include "model.h"

/* What one look has found is told also if a nested delivery has read it meanwhile; of the pull form, in a later batch. */
static bool may_be_late(const item_t *item)
{
    return item->subject->pull ? item->fd.emptied != ~0u : item->fd.emptied == world.op;
}

void told_fd(item_t *item, uint32_t events)
{
    uint32_t reported = GUEST_ERROR | GUEST_HANGUP;
    if (item->fd.dead)
        return; /* of what was found before it was closed */
    if (events == 0 || item->fd.interest == 0 || (events & ~(item->fd.interest | reported)))
        FAIL("fd: told %#x, asked for %#x", events, item->fd.interest);
    if ((events & GUEST_READABLE) && item->fd.bytes == 0 && !item->fd.hung && !may_be_late(item))
        FAIL("fd: readable without data");
    if ((events & GUEST_HANGUP) && !item->fd.hung)
        FAIL("fd: hung up, but its other end is open");
}

/* Timers that are due together fire by deadline: no other may be left whose deadline was before this one's. */
static void has_its_turn(const item_t *item)
{
    for (const item_t *other = item->subject->items; other; other = other->next)
        if (other != item && item_is(other, KIND_TIMER) && other->timer.armed && !other->depth &&
            !other->timer.displaced && other->timer.late < item->timer.early)
            FAIL("timer %llu fires before %llu, which is due earlier", (unsigned long long)item->number,
                 (unsigned long long)other->number);
}

void told_timer(item_t *item, uint64_t expirations)
{
    uint64_t now = guest_now(), period = item->timer.period;
    if (!item->timer.armed)
        FAIL("timer: fires without being armed");
    if (now < item->timer.early)
        FAIL("timer: %llu ns too early", (unsigned long long)(item->timer.early - now));
    ASSERT(expirations >= 1);
    if (period == 0)
        ASSERT_EQ_U64(1, expirations);
    else if (item->timer.early + (expirations - 1) * period > now)
        FAIL("timer: %llu expirations are too many", (unsigned long long)expirations);
    if (!item->timer.displaced)
        has_its_turn(item);
    item->timer.displaced = false;
    item->timer.armed = period != 0;
    item->timer.over = period == 0;
    item->timer.early += expirations * period;
    item->timer.late += expirations * period;
}

void told_post(item_t *item)
{
    lane_t *lane = item->post.lane;
    if (lane->cut)
        FAIL("post: runs after one before it was dropped");
    if (item->post.place != lane->run)
        FAIL("post: number %llu of its thread runs, and it is the turn of %llu", (unsigned long long)item->post.place,
             (unsigned long long)lane->run);
    lane->run++;
}
