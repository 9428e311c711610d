/* One user_data from its registration to its drop: what must hold whenever the library hands it back. */
#include "model.h"

item_t *item_new(subject_t *s, kind_t kind, random_t *r)
{
    item_t *item = calloc(1, sizeof *item);
    ASSERT(item);
    item->subject = s;
    item->kind = kind;
    item->has_drop = !chance(r, 5);
    if (kind == KIND_POST)
        return item; /* its lane gives it a number */
    item->number = ++world.items;
    item->next = s->items;
    s->items = item;
    return item;
}

void item_registered(item_t *item, guest_status_t status)
{
    item->accepted = status == GUEST_OK;
    item->closed = status != GUEST_OK;
    if (status == GUEST_OK)
        ASSERT(item->id != 0);
    else
        ASSERT_EQ_U64(0, item->id); /* outputs are written on success alone */
}

void item_close(item_t *item)
{
    item->closed = true;
}

bool item_is_open(const item_t *item)
{
    return item->accepted && !item->closed;
}

bool item_is_certain(const item_t *item)
{
    return !(item->kind == KIND_FD && item->fd.dead) && !(item->kind == KIND_WORK && item->work.untold);
}

bool item_is(const item_t *item, int kind)
{
    return (int)item->kind == kind && item_is_open(item);
}

item_t *item_any(subject_t *s, random_t *r, bool (*fits)(const item_t *item, int argument), int argument)
{
    uint64_t count = 0;
    for (item_t *item = s->items; item; item = item->next)
        count += fits(item, argument);
    if (count == 0)
        return NULL;
    uint64_t chosen = below(r, count);
    for (item_t *item = s->items; item; item = item->next)
        if (fits(item, argument) && chosen-- == 0)
            return item;
    return NULL;
}

static const char *name(const item_t *item)
{
    static const char *const names[KINDS] = {"fd", "stream", "timer", "signal", "child", "work", "resolve", "post"};
    return names[item->kind];
}

static bool ends_with_its_event(const item_t *item)
{
    return item->kind > KIND_SIGNAL || (item->kind == KIND_TIMER && item->timer.over) ||
           (item->kind == KIND_STREAM && item->stream.over);
}

void item_told(item_t *item, int64_t value, uint32_t flags)
{
    subject_t *s = item->subject;
    if (world.forked)
        FAIL("a callback of the parent's runs in the forked child");
    if (!pthread_equal(pthread_self(), world.host))
        FAIL("%s: told on another thread than the host's", name(item));
    if (s->done)
        FAIL("%s: told after done", name(item));
    if (s->frames == 0)
        FAIL("%s: told outside of any delivery", name(item));
    if (s->silent)
        FAIL("%s: told after guest_cancel", name(item));
    if (item->closed)
        FAIL("%s: told after its close", name(item));
    if (item->drops)
        FAIL("%s: told after its drop", name(item));
    if (item->depth)
        FAIL("%s: told inside its own callback", name(item));
    if (item->kind != KIND_POST && !item->accepted)
        FAIL("%s: told though its registration was refused", name(item));
    s->told++;
    item->calls++;
    switch (item->kind) {
    case KIND_FD:
        told_fd(item, flags);
        break;
    case KIND_TIMER:
        told_timer(item, (uint64_t)value);
        break;
    case KIND_SIGNAL:
        ASSERT_EQ_I64(item->signal.signum, (int32_t)flags);
        ASSERT(value >= 1);
        item->signal.told += (uint64_t)value;
        if (item->signal.told > item->signal.raised)
            FAIL("signal: %llu told of %llu raised", (unsigned long long)item->signal.told,
                 (unsigned long long)item->signal.raised);
        break;
    case KIND_CHILD:
        ASSERT(item->child.ended);
        ASSERT_EQ_I64(item->child.exit_code, value);
        ASSERT_EQ_I64(item->child.term_signal, (int32_t)flags);
        item->child.reaped = true;
        break;
    case KIND_STREAM: /* has looked before */
        break;
    case KIND_WORK:
        if (item->work.phase != WORK_FINISHED)
            FAIL("work: told before it has finished");
        break;
    case KIND_RESOLVE:
        break;
    default:
        told_post(item);
    }
    trace("  %s %llu: value %lld, flags %u", name(item), (unsigned long long)item->number, (long long)value, flags);
}

static void dropped(void *user_data)
{
    item_t *item = user_data;
    subject_t *s = item->subject;
    bool abandoned = item->kind == KIND_WORK && s->freeing && item->work.phase != WORK_WAITS;
    if (item->drops++)
        FAIL("%s: dropped twice", name(item));
    if (item->kind == KIND_WORK && item->work.phase == WORK_RUNS)
        FAIL("work: dropped while it runs");
    if (abandoned && !pthread_equal(pthread_self(), world.host))
        return;
    if (world.forked)
        FAIL("a drop function of the parent's runs in the forked child");
    if (!pthread_equal(pthread_self(), world.host))
        FAIL("%s: dropped on another thread than the host's", name(item));
    if (item->depth)
        FAIL("%s: dropped while its callback runs", name(item));
    if (item->held)
        FAIL("%s: dropped while its event is in the caller's hands", name(item));
    if (s->closing)
        FAIL("%s: dropped inside guest_close", name(item));
    if (s->frames == 0 && !s->dropping)
        FAIL("%s: dropped outside of any delivery", name(item));
    if (s->done)
        FAIL("%s: dropped after done", name(item));
    if (item->kind == KIND_POST) {
        item->post.lane->cut |= item->calls == 0;
        if (item->calls == 0 && !s->may_end)
            FAIL("post: dropped without having run, and nobody has ended the guest");
        return;
    }
    if (!item->accepted)
        FAIL("%s: dropped though its registration was refused", name(item));
    if (!item->closed && !s->may_end && item_is_certain(item))
        FAIL("%s: dropped while it is open", name(item));
    item_close(item);
    if (!s->dropping)
        play_inside(item);
}

guest_drop_fn item_drop(const item_t *item)
{
    return item->has_drop ? dropped : NULL;
}

/* From the moment at which the callback of a source may be called again. */
static void left(item_t *item)
{
    if (ends_with_its_event(item) && !item->closed)
        item_close(item);
    if (item->kind == KIND_TIMER)
        item->timer.displaced = item->timer.armed && item->timer.early <= guest_now();
    item->subject->silent |= item->subject->cancelled;
}

void item_act(item_t *item)
{
    world.depth++;
    if (item->kind == KIND_FD)
        fd_read(item);
    if (item->kind == KIND_TIMER)
        timer_tame(item);
    play_inside(item);
    world.depth--;
}

void called(guest_t *g, guest_id_t id, void *user_data, int64_t value, uint32_t flags)
{
    item_t *item = user_data;
    if (item->kind != KIND_POST)
        ASSERT_EQ_U64(item->id, id);
    ASSERT_EQ_PTR(item->subject->g, g);
    item_told(item, value, flags);
    item->depth++;
    item_act(item);
    item->depth--;
    left(item);
}

void on_resolve(guest_t *g, guest_id_t id, guest_status_t status, int32_t gai_error, const guest_address_t *addresses,
                size_t count, void *item)
{
    ASSERT_STATUS(((item_t *)item)->resolve.status, status);
    ASSERT_EQ_I64(status == GUEST_OK, gai_error == 0);
    ASSERT_EQ_I64(status == GUEST_OK, count > 0 && addresses[0].length > 0);
    called(g, id, item, (int64_t)count, 0);
}
