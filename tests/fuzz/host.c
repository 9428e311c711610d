/* The host of a subject: a queue that any thread may fill, and what it does wrong when it is told to. */
#include "model.h"

static void push(subject_t *s, guest_token_t token)
{
    pthread_mutex_lock(&s->lock);
    if (s->queued < COUNT(s->queue))
        s->queue[s->queued++] = token;
    pthread_mutex_unlock(&s->lock);
    MUST(write(world.wake, &(uint64_t){1}, 8));
}

bool subject_pop(subject_t *s, guest_token_t *token)
{
    pthread_mutex_lock(&s->lock);
    bool found = s->queued > 0;
    if (found) {
        *token = s->queue[0];
        memmove(s->queue, s->queue + 1, --s->queued * sizeof *s->queue);
    }
    pthread_mutex_unlock(&s->lock);
    return found;
}

static int32_t commit(subject_t *s, guest_token_t token)
{
    if (world.forked)
        FAIL("the forked child posts");
    s->last_token = token;
    fault_t fault = FAULT_NONE;
    if (s->fault_count > 0) {
        s->fault_count--;
        fault = (fault_t)s->fault;
    }
    switch (fault) {
    case FAULT_LOSE:
        return 0;
    case FAULT_REFUSE:
        s->refused++;
        return -1;
    case FAULT_INLINE:
        s->inlined++;
        if (s->g)
            EXPECT(guest_deliver_batch(s->g, token), STATUS(ETHREAD) | STATUS(EINLINE) | STATUS(EDRIVE));
        return 0;
    case FAULT_GONE:
        s->may_end = true;
        s->gone++;
        return GUEST_HOST_GONE;
    case FAULT_DOUBLE:
        push(s, token);
        break;
    case FAULT_NONE:
        break;
    }
    push(s, token);
    return 0;
}

static int32_t host_post(void *data, guest_token_t token)
{
    return commit(data, token);
}

static int32_t host_post_local(void *data, guest_token_t token)
{
    if (!pthread_equal(pthread_self(), world.host))
        FAIL("post_local was called on another thread than the host's");
    return commit(data, token);
}

static void host_done(void *data, guest_status_t status)
{
    subject_t *s = data;
    if (!pthread_equal(pthread_self(), world.host) || world.forked)
        FAIL("done was called on another thread than the host's");
    if (!s->may_end)
        FAIL("done was called, and nobody has ended the guest");
    ASSERT_EQ_U64(0, s->done);
    if (s->frames == 0)
        FAIL("done was called outside of any delivery");
    EXPECT(status, STATUS(OK) | (s->gone ? STATUS(EHOSTGONE) : 0));
    for (const item_t *item = s->items; item; item = item->next)
        if (item->accepted && item->has_drop && !item->drops && !(item->kind == KIND_WORK && s->freeing))
            FAIL("done was called, and user_data %llu is not dropped yet", (unsigned long long)item->number);
    s->done = 1;
    s->silent = true;
    trace("  guest %u: done: %s, %u frames", s->number, guest_status_name(status), s->frames);
    random_t r = random_of(world.seed, world.op);
    if (!s->freeing && chance(&r, 30)) {
        s->freeing = true;
        guest_free(s->g);
    }
}

static void host_on_stall(void *data, uint32_t kind, uint64_t nanoseconds)
{
    (void)data;
    if (pthread_equal(pthread_self(), world.host))
        FAIL("on_stall was called on the host thread");
    ASSERT((kind == GUEST_STALL_UNDELIVERED || kind == GUEST_STALL_DELIVERING) && nanoseconds > 0);
}

static guest_options_t some_options(random_t *r)
{
    static const uint64_t budgets[] = {0, 1, MS(1) / 10, GUEST_FOREVER}, nesting[] = {0, 1000, MS(1), GUEST_FOREVER};
    static const uint64_t reposts[] = {MS(1), MS(5)}, stalls[] = {0, 0, MS(1), GUEST_FOREVER};
    guest_options_t options = {.struct_size = sizeof options, .drive = (uint32_t)below(r, 3)};
    options.flags = chance(r, 30) ? GUEST_FLAG_PULL : 0;
    options.batch_budget = budgets[below(r, COUNT(budgets))];
    options.nested_after = nesting[below(r, COUNT(nesting))];
    options.repost_after = reposts[below(r, COUNT(reposts))];
    options.stall_after = options.drive == GUEST_DRIVE_RUN ? 0 : stalls[below(r, COUNT(stalls))];
    options.work_threads = (uint32_t)below(r, 4);
    return options;
}

void subject_start(random_t *r)
{
    unsigned place = 0;
    while (place < SUBJECTS && world.subjects[place])
        place++;
    if (place == SUBJECTS)
        return;
    subject_t *s = calloc(1, sizeof *s);
    ASSERT(s);
    pthread_mutex_init(&s->lock, NULL);
    s->number = place;
    s->options = some_options(r);
    s->pull = s->options.flags & GUEST_FLAG_PULL;
    s->has_done = !chance(r, 10);
    s->deadline = GUEST_FOREVER;
    guest_host_t host = {.struct_size = sizeof host, .data = s, .done = s->has_done ? host_done : NULL};
    host.post = s->options.drive == GUEST_DRIVE_THREAD ? host_post : NULL;
    host.post_local = chance(r, 50) ? host_post_local : NULL;
    host.on_stall = chance(r, 50) ? host_on_stall : NULL;
    trace("guest_start: drive %u, flags %u, budget %llu, nested %llu, stall %llu", s->options.drive, s->options.flags,
          (unsigned long long)s->options.batch_budget, (unsigned long long)s->options.nested_after,
          (unsigned long long)s->options.stall_after);
    guest_t *g;
    EXPECT(guest_start(&host, &s->options, &g), STATUS(OK));
    s->g = g;
    ASSERT_EQ_PTR(s, guest_host_data(s->g));
    lane_new(s);
    world.subjects[place] = s;
}
