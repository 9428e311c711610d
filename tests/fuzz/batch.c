/* The pull form: batches as arrays of events, which nest. */
#include "model.h"

void batch_begin(subject_t *s, guest_token_t token)
{
    uint32_t allowed = STATUS(OK) | (token ? STATUS(ESTALE) : 0);
    if (s->done)
        allowed = STATUS(ECLOSED);
    if (!s->pull)
        allowed = STATUS(EDRIVE);
    subject_enter(s);
    guest_status_t status = guest_batch_begin(s->g, token);
    EXPECT(status, allowed);
    s->stale += status == GUEST_ESTALE;
    if (status == GUEST_OK)
        s->batches++;
    else
        subject_leave(s);
}

/* The library may drop from here on what the arrays before had. */
static void let_go(subject_t *s)
{
    for (item_t *item = s->items; item; item = item->next)
        item->held = false;
}

static kind_t kind_of(uint32_t event)
{
    static const kind_t kinds[] = {KINDS,       KIND_FD,    KIND_TIMER, KIND_POST,
                                   KIND_SIGNAL, KIND_CHILD, KIND_WORK,  KIND_RESOLVE};
    ASSERT(event >= GUEST_EVENT_FD && event < COUNT(kinds));
    return kinds[event];
}

static void handed_out(subject_t *s, const guest_event_t *event)
{
    item_t *item = event->user_data;
    ASSERT_EQ_PTR(s, item->subject);
    ASSERT_EQ_I64(item->kind, kind_of(event->kind));
    ASSERT_EQ_U64(item->kind == KIND_POST ? 0 : item->id, event->id);
    if (item->kind == KIND_RESOLVE)
        ASSERT_EQ_I64(item->resolve.status == GUEST_OK, event->value > 0 && event->data);
    item_told(item, event->value, event->flags);
    if (item->kind > KIND_SIGNAL || (item->kind == KIND_TIMER && item->timer.over)) {
        item_close(item);
        item->held = item->kind != KIND_POST; /* threads own the lists of theirs */
    }
}

size_t batch_next(subject_t *s, uint64_t timeout, random_t *r)
{
    guest_event_t events[8];
    size_t capacity = 1 + below(r, COUNT(events)), count = 0;
    uint32_t allowed = s->batches ? STATUS(OK) : STATUS(EORDER);
    let_go(s);
    subject_enter(s);
    bool open = s->batches > 0;
    s->batches -= open; /* for the drop functions that run now it is not there */
    guest_status_t status = timeout ? guest_batch_wait(s->g, timeout, events, capacity, &count)
                                    : guest_batch_next(s->g, events, capacity, &count);
    if (world.forked)
        return 0;
    EXPECT(status, allowed);
    s->batches += open;
    ASSERT(count <= capacity);
    for (size_t i = 0; i < count; i++)
        handed_out(s, &events[i]);
    subject_leave(s);
    for (size_t i = 0; i < count && subject_usable(s); i++) {
        item_t *item = events[i].user_data;
        if (item->kind < KIND_CHILD && !(item->kind == KIND_FD && item->fd.dead))
            EXPECT(guest_is_open(s->g, item->id),
                   item->closed ? STATUS(ESTALE) : STATUS(OK) | (s->may_end ? STATUS(ESTALE) : 0));
        if (item->kind != KIND_POST || !item->drops)
            item_act(item);
    }
    return count;
}

void batch_end(subject_t *s)
{
    bool open = s->batches > 0;
    let_go(s);
    subject_enter(s);
    s->batches -= open;
    guest_status_t status = guest_batch_end(s->g);
    if (world.forked)
        return;
    EXPECT(status, open ? STATUS(OK) : STATUS(EORDER));
    s->frames -= open;
    subject_leave(s);
}
