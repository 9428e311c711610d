/* Posts, by the host thread and by others: each keeps its order, and each is accepted or refused as a whole. */
#include "model.h"

#include <sched.h>

lane_t *lane_new(subject_t *s)
{
    lane_t *lane = calloc(1, sizeof *lane);
    ASSERT(lane);
    lane->subject = s;
    lane->number = ++world.lanes;
    EXPECT(guest_poster_new(s->g, &lane->poster), STATUS(OK));
    lane->next = s->lanes;
    return s->lanes = lane;
}

/* By a poster, or by the guest itself where it is certain to be there. */
static void post(lane_t *lane, bool by_guest, random_t *r)
{
    subject_t *s = lane->subject;
    item_t *item = item_new(s, KIND_POST, r);
    item->post.lane = lane;
    item->post.place = lane->accepted;
    item->number = lane->number << 32 | item->post.place;
    item->next = lane->posts;
    lane->posts = item;
    guest_post_fn callback = s->pull && chance(r, 50) ? NULL : on_post;
    bool too_late = s->cancelled;
    guest_status_t status = by_guest ? guest_post(s->g, callback, item, item_drop(item))
                                     : guest_poster_post(lane->poster, callback, item, item_drop(item));
    uint32_t allowed = STATUS(OK) | (s->may_end ? STATUS(ECLOSED) : 0);
    EXPECT(status, too_late ? STATUS(ECLOSED) : allowed);
    item->accepted = status == GUEST_OK;
    lane->accepted += status == GUEST_OK;
}

void post_here(subject_t *s, random_t *r)
{
    lane_t *lane = s->lanes;
    while (lane->threaded)
        lane = lane->next;
    for (uint64_t left = 1 + below(r, 4); left--;)
        post(lane, chance(r, 50), r);
}

static void *post_all(void *argument)
{
    lane_t *lane = argument;
    subject_t *s = lane->subject;
    random_t r = random_of(world.seed, ~lane->number);
    for (unsigned i = 0; i < lane->count; i++) {
        post(lane, false, &r);
        if (chance(&r, 10))
            EXPECT(guest_poster_wake(lane->poster), STATUS(OK) | (s->may_end ? STATUS(ECLOSED) : 0));
        if (chance(&r, 20))
            sched_yield();
    }
    if (lane->cancels) {
        s->may_end = true;
        EXPECT(guest_poster_cancel(lane->poster), STATUS(OK));
        s->cancelled = true;
    }
    return NULL;
}

void post_from_thread(subject_t *s, random_t *r)
{
    unsigned lanes = 0;
    for (lane_t *lane = s->lanes; lane; lane = lane->next)
        lanes++;
    if (lanes > 12)
        return;
    lane_t *lane = lane_new(s);
    lane->threaded = true;
    lane->count = 1 + (unsigned)below(r, 40);
    lane->cancels = chance(r, 3);
    lane->thread = spawn(post_all, lane);
}

void lane_join(lane_t *lane)
{
    if (lane->threaded && !lane->joined)
        join(lane->thread);
    lane->joined = true;
}
