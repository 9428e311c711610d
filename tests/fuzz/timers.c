/* Timers, and the deadline of those who keep timers of their own. */
#include "model.h"

static uint64_t some_delay(random_t *r)
{
    switch (below(r, 6)) {
    case 0:
        return 0;
    case 1:
        return GUEST_FOREVER;
    case 2:
        return below(r, MS(1));
    default:
        return below(r, MS(20));
    }
}

static uint64_t some_period(random_t *r)
{
    return chance(r, 25) ? MS(5) + below(r, MS(10)) : 0;
}

static void arm(item_t *item, uint64_t before, uint64_t delay, uint64_t period)
{
    item->timer.armed = delay != GUEST_FOREVER;
    item->timer.period = period;
    item->timer.over = item->timer.displaced = false;
    item->timer.early = delay == GUEST_FOREVER ? GUEST_FOREVER : before + delay;
    item->timer.late = delay == GUEST_FOREVER ? GUEST_FOREVER : guest_now() + delay;
}

void timer_add(subject_t *s, random_t *r)
{
    uint64_t delay = some_delay(r), period = some_period(r), before = guest_now();
    item_t *item = item_new(s, KIND_TIMER, r);
    guest_timer_fn callback = s->pull && chance(r, 50) ? NULL : on_timer;
    guest_status_t status = guest_timer_add(s->g, delay, period, callback, item, item_drop(item), &item->id);
    EXPECT(status, subject_takes(s, STATUS(OK)));
    arm(item, before, delay, period);
    item_registered(item, status);
}

static void modify(item_t *item, uint64_t delay, uint64_t period)
{
    subject_t *s = item->subject;
    uint64_t before = guest_now();
    guest_status_t status = guest_timer_modify(s->g, item->id, delay, period);
    EXPECT(status, subject_takes(s, STATUS(OK)) | (s->may_end ? STATUS(ESTALE) : 0));
    if (status == GUEST_OK)
        arm(item, before, delay, period);
}

void timer_modify(subject_t *s, random_t *r)
{
    item_t *item = item_any(s, r, item_is, KIND_TIMER);
    if (!item)
        return;
    uint64_t delay = some_delay(r), period = item->calls > 8 ? 0 : some_period(r);
    modify(item, delay, period);
}

/* One that has come often stops, so that a slow machine has time for the rest. */
void timer_tame(item_t *item)
{
    if (item->timer.period && item->calls >= 8 && item_is_open(item) && !world.forked)
        modify(item, GUEST_FOREVER, 0);
}

void deadline_set(subject_t *s, random_t *r)
{
    uint64_t delay = some_delay(r);
    uint64_t deadline = delay == GUEST_FOREVER ? GUEST_FOREVER : delay ? guest_now() + delay : 0;
    guest_status_t status = guest_deadline(s->g, deadline);
    EXPECT(status, subject_takes(s, STATUS(OK)));
    if (status == GUEST_OK) {
        s->deadline = deadline;
        s->dues += deadline != GUEST_FOREVER;
    }
}
