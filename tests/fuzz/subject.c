/* One guest under test: how it is started, called and ended, and what must hold then. */
#include "model.h"

subject_t *subject_any(random_t *r)
{
    for (unsigned i = 0; i < 8; i++) {
        subject_t *s = world.subjects[below(r, SUBJECTS)];
        if (s && subject_usable(s))
            return s;
    }
    return NULL;
}

bool subject_usable(const subject_t *s)
{
    return s->g && !world.forked;
}

uint32_t subject_takes(const subject_t *s, uint32_t allowed)
{
    if (s->silent || s->done)
        return STATUS(ECLOSED) | (allowed & ~STATUS(OK));
    return s->may_end ? allowed | STATUS(ECLOSED) : allowed;
}

/* A delivery that begins or ends after it is the one that was asked for. */
static void meet_deadline(subject_t *s)
{
    if (s->deadline <= guest_now())
        s->deadline = GUEST_FOREVER;
}

/* Another thread's cancel counts from the moment at which the host thread could know of it. */
void subject_enter(subject_t *s)
{
    s->silent |= s->cancelled;
    s->frames++;
    meet_deadline(s);
}

void subject_leave(subject_t *s)
{
    if (world.forked)
        return;
    s->frames--;
    meet_deadline(s);
    if (s->freeing && s->frames == 0) {
        s->g = NULL;
        if (s->has_done)
            ASSERT_EQ_U64(1, s->done);
        s->done = 1;
    } else if (!s->has_done && s->may_end && s->g) {
        uint32_t state;
        ASSERT_OK(guest_state(s->g, &state));
        s->done = state == GUEST_STATE_ENDED;
    }
}

void subject_cancel(subject_t *s)
{
    s->may_end = true;
    EXPECT(guest_cancel(s->g), STATUS(OK));
    s->cancelled = true;
    s->silent = true;
}

void subject_free(subject_t *s)
{
    trace("  guest_free, %u frames", s->frames);
    s->may_end = s->silent = s->freeing = true;
    if (s->frames) {
        guest_free(s->g);
        s->cancelled = true;
        return;
    }
    s->dropping = true;
    s->frames++; /* its drop functions and `done` may call it, and it is there until it returns */
    guest_free(s->g);
    s->dropping = false;
    s->cancelled = true;
    subject_leave(s);
}

static bool work_is_over(void *subject)
{
    for (const item_t *item = ((subject_t *)subject)->items; item; item = item->next)
        if (item->kind == KIND_WORK && item->accepted &&
            (item->work.phase == WORK_RUNS || (item->has_drop && item->drops == 0)))
            return false;
    return true;
}

static void check_items(subject_t *s)
{
    for (const item_t *item = s->items; item; item = item->next)
        if (item->drops != (item->accepted && item->has_drop ? 1 : 0))
            FAIL("user_data %llu of kind %d was dropped %u times", (unsigned long long)item->number, item->kind,
                 item->drops);
    for (const item_t *item = s->items; item; item = item->next)
        if (item->kind == KIND_STREAM && item->stream.told != item->stream.writes)
            FAIL("stream %llu: %llu writes, and the ends of %llu were told", (unsigned long long)item->number,
                 (unsigned long long)item->stream.writes, (unsigned long long)item->stream.told);
    for (const lane_t *lane = s->lanes; lane; lane = lane->next) {
        if (lane->run > lane->accepted)
            FAIL("more posts have run than were accepted");
        for (const item_t *post = lane->posts; post; post = post->next)
            if (post->drops != (post->accepted && post->has_drop ? 1 : 0) || post->calls > post->accepted)
                FAIL("post %llu of thread %llu: accepted %d, ran %u times, dropped %u times",
                     (unsigned long long)post->post.place, (unsigned long long)lane->number, post->accepted,
                     post->calls, post->drops);
    }
}

/* Or until the host says that it is gone, which it may do to the token that this asks for. */
static void until_done(subject_t *s, random_t *r)
{
    subject_cancel(s);
    for (uint64_t stop = guest_now() + limit(SECONDS(10)); !s->done && !s->gone;) {
        if (guest_now() > stop)
            FAIL("the guest was cancelled and does not end");
        if (s->options.drive == GUEST_DRIVE_RUN)
            turn_run(s, MS(10));
        else
            turn_loop(guest_now() + MS(50), r);
    }
}

static void shut_down(subject_t *s, uint64_t timeout, uint32_t allowed)
{
    s->may_end = s->silent = s->dropping = true;
    subject_enter(s);
    EXPECT(guest_shutdown(s->g, timeout), allowed);
    s->cancelled = true;
    subject_leave(s);
    s->dropping = false;
}

void subject_end(subject_t *s, random_t *r)
{
    uint64_t way = below(r, 5);
    trace("end by way %llu", (unsigned long long)way);
    while (s->batches)
        batch_end(s);
    if (way < 3)
        work_open_all();
    if (s->g && way == 0)
        until_done(s, r);
    else if (s->g && way == 1)
        shut_down(s, limit(SECONDS(10)), STATUS(OK));
    else if (s->g && way == 3)
        shut_down(s, below(r, MS(1)), STATUS(OK) | STATUS(ETIMEDOUT));
    if (s->g)
        subject_free(s);
    ASSERT_EQ_PTR(NULL, s->g);
    work_open_all();
    for (lane_t *lane = s->lanes; lane; lane = lane->next)
        lane_join(lane);
    await(work_is_over, s, "the drop of abandoned work");
    check_items(s);
}

void subject_forget(subject_t *s)
{
    for (item_t *item = s->items, *next; item; item = next) {
        next = item->next;
        if (item->kind == KIND_FD)
            fd_release(item);
        if (item->kind == KIND_STREAM)
            stream_release(item);
        if (item->kind == KIND_CHILD)
            child_end(item);
        free(item);
    }
    for (lane_t *lane = s->lanes, *next_lane; lane; lane = next_lane) {
        next_lane = lane->next;
        for (item_t *post = lane->posts, *next; post; post = next) {
            next = post->next;
            free(post);
        }
        guest_poster_free(lane->poster);
        free(lane);
    }
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static unsigned count_open(const subject_t *s, bool certain)
{
    unsigned count = 0;
    for (const item_t *item = s->items; item; item = item->next)
        count += item_is_open(item) && !(certain && (item->depth || !item_is_certain(item)));
    return count;
}

void subject_check_stats(subject_t *s)
{
    unsigned refused = s->refused;
    guest_stats_t now = {.struct_size = sizeof now};
    EXPECT(guest_stats(s->g, &now), STATUS(OK));
    const uint64_t *before = &s->stats.batches, *after = &now.batches;
    for (; before <= &s->stats.io_wakeups; before++, after++)
        if (*after < *before)
            FAIL("counter %d of guest_stats has shrunk", (int)(before - &s->stats.batches));
    if (now.events < s->told || now.events > s->told + s->dues)
        FAIL("%llu events were told, with %llu deadlines, and guest_stats counts %llu", (unsigned long long)s->told,
             (unsigned long long)s->dues, (unsigned long long)now.events);
    ASSERT_EQ_U64(s->stale, now.stale_tokens);
    if (now.post_failures + 1 < refused || now.post_failures > s->refused + s->inlined + s->gone)
        FAIL("the host has refused %u tokens, and guest_stats counts %llu", refused,
             (unsigned long long)now.post_failures);
    if (!s->may_end && (now.live_sources < count_open(s, true) || now.live_sources > count_open(s, false)))
        FAIL("%u sources are open, and guest_stats counts %llu", count_open(s, false),
             (unsigned long long)now.live_sources);
    s->stats = now;
}
