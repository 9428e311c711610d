/* Which operation comes next: from outside, and from inside callbacks and drop functions. */
#include "model.h"

static void close_some(subject_t *s, random_t *r)
{
    static const kind_t kinds[] = {KIND_FD,     KIND_STREAM, KIND_TIMER, KIND_TIMER,
                                   KIND_SIGNAL, KIND_CHILD,  KIND_WORK,  KIND_RESOLVE};
    item_t *item = item_any(s, r, item_is, kinds[below(r, COUNT(kinds))]);
    if (!item)
        return;
    s->closing = true;
    guest_status_t status = guest_close(s->g, item->id);
    s->closing = false;
    EXPECT(status, STATUS(OK) | (s->may_end || !item_is_certain(item) ? STATUS(ESTALE) : 0));
    item_close(item);
    EXPECT(guest_close(s->g, item->id), STATUS(ESTALE));
}

static void deliver(subject_t *s, random_t *r)
{
    turn_deliver(s, 0, r);
}

static void serve(subject_t *s, random_t *r)
{
    turn_serve(s, 0, r);
}

static void run(subject_t *s, random_t *r)
{
    turn_run(s, below(r, MS(2)));
}

static void loop(subject_t *s, random_t *r)
{
    (void)s;
    turn_loop(guest_now() + below(r, MS(2)), r);
}

static void begin(subject_t *s, random_t *r)
{
    (void)r;
    if (s->batches < 4 && !s->freeing) /* guest_free would end one that it meets */
        batch_begin(s, 0);
}

static void next(subject_t *s, random_t *r)
{
    batch_next(s, chance(r, 30) ? 1 + below(r, MS(2)) : 0, r);
}

static void end(subject_t *s, random_t *r)
{
    (void)r;
    batch_end(s);
}

static void wake(subject_t *s, random_t *r)
{
    (void)r;
    EXPECT(guest_wake(s->g), s->done ? STATUS(ECLOSED) : STATUS(OK) | (s->may_end ? STATUS(ECLOSED) : 0));
}

static void cancel(subject_t *s, random_t *r)
{
    if (chance(r, 20))
        subject_cancel(s);
}

static void release(subject_t *s, random_t *r)
{
    if (chance(r, 10))
        subject_free(s);
}

static void shut(subject_t *s, random_t *r)
{
    (void)r;
    if (s->frames)
        EXPECT(guest_shutdown(s->g, 0), STATUS(EORDER) | (s->done ? STATUS(OK) : 0));
}

static void start(subject_t *s, random_t *r)
{
    (void)s;
    if (chance(r, 50))
        subject_start(r);
    else
        misuse_start(r);
}

static void raise_one(subject_t *s, random_t *r)
{
    (void)s;
    signal_raise(r);
}

static void stats(subject_t *s, random_t *r)
{
    (void)r;
    uint32_t state;
    EXPECT(guest_state(s->g, &state), STATUS(OK));
    if (s->has_done)
        ASSERT_EQ_I64(s->done, state == GUEST_STATE_ENDED);
    if (s->frames && !s->done)
        ASSERT_EQ_U64(GUEST_STATE_DELIVERING, state);
    subject_check_stats(s);
}

static void misbehave(subject_t *s, random_t *r)
{
    static const fault_t faults[] = {FAULT_LOSE, FAULT_DOUBLE, FAULT_REFUSE, FAULT_INLINE};
    s->fault_count = 0;
    s->fault = chance(r, 2) ? FAULT_GONE : faults[below(r, COUNT(faults))];
    s->fault_count = 1 + (int)below(r, 4);
}

static void open_gates(subject_t *s, random_t *r)
{
    (void)s, (void)r;
    work_open_all();
}

static void adopt(subject_t *s, random_t *r);

static const struct operation {
    const char *name;
    unsigned outside, inside; /* how often, in parts */
    void (*play)(subject_t *s, random_t *r);
} operations[] = {
    {"timer_add", 10, 8, timer_add},
    {"timer_modify", 5, 6, timer_modify},
    {"deadline", 4, 2, deadline_set},
    {"fd_add", 6, 3, fd_add},
    {"fd_modify", 4, 3, fd_modify},
    {"fd_fill", 10, 4, fd_fill},
    {"fd_hang_up", 2, 1, fd_hang_up},
    {"fd_abandon", 1, 1, fd_abandon},
    {"stream_add", 4, 2, stream_add},
    {"stream_write", 5, 4, stream_write},
    {"stream_change", 4, 3, stream_change},
    {"stream_peer", 10, 4, stream_peer},
    {"signal_add", 3, 1, signal_add},
    {"raise", 4, 2, raise_one},
    {"child_add", 1, 0, child_add},
    {"child_kill", 2, 1, child_kill},
    {"work", 3, 2, work_add},
    {"open_gates", 2, 1, open_gates},
    {"resolve", 2, 1, resolve_add},
    {"post", 10, 6, post_here},
    {"post_from_thread", 3, 1, post_from_thread},
    {"close", 8, 8, close_some},
    {"wake", 3, 2, wake},
    {"serve", 8, 6, serve},
    {"deliver", 5, 5, deliver},
    {"token", 4, 3, turn_token},
    {"run", 3, 2, run},
    {"loop", 6, 3, loop},
    {"batch_begin", 3, 3, begin},
    {"batch_next", 5, 4, next},
    {"batch_end", 4, 3, end},
    {"settle", 6, 0, settle},
    {"await_wake", 6, 0, await_wake},
    {"cancel", 1, 1, cancel},
    {"free", 1, 1, release},
    {"shutdown", 0, 1, shut},
    {"start", 3, 1, start},
    {"stats", 4, 3, stats},
    {"misbehave", 3, 1, misbehave},
    {"nulls", 2, 1, misuse_nulls},
    {"sizes", 2, 1, misuse_sizes},
    {"ids", 4, 3, misuse_ids},
    {"wrong_thread", 1, 1, misuse_thread},
    {"starve", 1, 1, starve},
    {"fork", 1, 1, fork_here},
    {"adopt", 1, 1, adopt},
};

static void play_one(subject_t *s, bool inside, random_t *r)
{
    uint64_t parts = 0;
    for (size_t i = 0; i < COUNT(operations); i++)
        parts += inside ? operations[i].inside : operations[i].outside;
    uint64_t chosen = below(r, parts);
    const struct operation *operation = operations;
    for (;; operation++) {
        uint64_t part = inside ? operation->inside : operation->outside;
        if (chosen < part)
            break;
        chosen -= part;
    }
    if (subject_usable(s)) {
        trace("%*s%u guest %u: %s", (int)world.depth * 2, "", world.op, s->number, operation->name);
        operation->play(s, r);
    }
}

void play(random_t *r)
{
    subject_t *s = subject_any(r);
    if (s)
        play_one(s, false, r);
    else if (!world.forked)
        subject_start(r);
}

void play_inside(const item_t *item)
{
    random_t r = random_of(world.seed ^ item->number << 8, item->calls + 1000 * item->drops);
    for (uint64_t left = below(&r, 3); left && world.fuel && world.depth < 6 && !world.forked; left--) {
        world.fuel--;
        subject_t *s = chance(&r, 70) && subject_usable(item->subject) ? item->subject : subject_any(&r);
        if (s)
            play_one(s, true, &r);
    }
}

/* Another thread is the host for a while. */
static void *host_for_a_while(void *random)
{
    world.host = pthread_self();
    for (unsigned i = 0; i < SUBJECTS; i++)
        if (world.subjects[i] && subject_usable(world.subjects[i]))
            EXPECT(guest_adopt(world.subjects[i]->g), STATUS(OK));
    for (unsigned i = 0; i < 4; i++) {
        play(random);
        if (world.forked)
            _exit(0);
    }
    for (unsigned i = 0; i < SUBJECTS; i++)
        while (world.subjects[i] && subject_usable(world.subjects[i]) && world.subjects[i]->batches)
            batch_end(world.subjects[i]);
    return NULL;
}

static void adopt(subject_t *s, random_t *r)
{
    bool idle = world.depth == 0;
    for (unsigned i = 0; i < SUBJECTS; i++)
        idle &= !world.subjects[i] || world.subjects[i]->frames == 0;
    if (!idle) {
        EXPECT(guest_adopt(s->g), s->frames ? STATUS(EORDER) : STATUS(OK));
        return;
    }
    static unsigned level;
    if (level)
        return;
    level++;
    join(spawn(host_for_a_while, r));
    level--;
    world.host = pthread_self();
    for (unsigned i = 0; i < SUBJECTS; i++)
        if (world.subjects[i] && subject_usable(world.subjects[i]))
            EXPECT(guest_adopt(world.subjects[i]->g), STATUS(OK));
}
