/* The host's turns: deliveries by token and by step, guest_run, and the loop that a host would have. */
#include "model.h"

#include <poll.h>
#include <time.h>

/* A token is let in once. */
static void use_token(subject_t *s, guest_token_t token)
{
    pthread_mutex_lock(&s->lock);
    for (unsigned i = 0; i < s->uses && i < COUNT(s->used); i++)
        if (s->used[i] == token)
            FAIL("token %llu was let in twice", (unsigned long long)token);
    s->used[s->uses++ % COUNT(s->used)] = token;
    pthread_mutex_unlock(&s->lock);
}

static uint32_t delivery_may_say(const subject_t *s, guest_token_t token)
{
    if (s->done)
        return STATUS(ECLOSED);
    return STATUS(OK) | (token ? STATUS(ESTALE) : 0);
}

/* The pull form is not delivered to, before its end. Asked after the call: another thread may have brought it meanwhile. */
static uint32_t unless_pull(const subject_t *s, bool ending, uint32_t allowed)
{
    return !s->pull || ending ? allowed : STATUS(EDRIVE) | (s->may_end ? allowed : 0);
}

/* The copy that a callback has forked finds out on its way back. */
static void answered(subject_t *s, guest_token_t token, guest_status_t status, uint32_t allowed)
{
    if (world.forked) {
        EXPECT(status, STATUS(EFORKED));
        return;
    }
    EXPECT(status, allowed);
    s->stale += status == GUEST_ESTALE;
    if (status == GUEST_OK && token)
        use_token(s, token);
    subject_leave(s);
}

void turn_deliver(subject_t *s, guest_token_t token, random_t *r)
{
    uint32_t allowed = delivery_may_say(s, token);
    static const uint64_t budgets[] = {0, 1, MS(1) / 10, GUEST_FOREVER};
    subject_enter(s);
    bool ending = s->silent;
    guest_status_t status = chance(r, 30) ? guest_deliver_batch_for(s->g, token, budgets[below(r, COUNT(budgets))])
                                          : guest_deliver_batch(s->g, token);
    answered(s, token, status, unless_pull(s, ending, allowed));
}

void turn_serve(subject_t *s, guest_token_t token, random_t *r)
{
    if (!s->pull) {
        turn_deliver(s, token, r);
        return;
    }
    unsigned open = s->batches;
    batch_begin(s, token);
    if (!subject_usable(s) || s->batches <= open)
        return;
    while (subject_usable(s) && s->batches && batch_next(s, 0, r) > 0)
        ;
    if (subject_usable(s) && s->batches)
        batch_end(s);
}

void turn_run(subject_t *s, uint64_t timeout)
{
    uint32_t allowed = STATUS(OK) | STATUS(ETIMEDOUT);
    if (s->frames || s->pull)
        allowed |= STATUS(ECLOSED); /* also inside a batch that a handler in it has opened */
    if (s->done)
        allowed = STATUS(OK);
    subject_enter(s);
    bool ending = s->silent || s->done;
    guest_status_t status = guest_run(s->g, timeout);
    bool ended = s->done || s->freeing || !s->has_done;
    answered(s, 0, status, unless_pull(s, ending, allowed));
    if (!world.forked && status == GUEST_OK && !ended)
        FAIL("guest_run says that the guest has ended, and done was not called");
}

/* The newest one, one that was used, another guest's, or one that never was. */
void turn_token(subject_t *s, random_t *r)
{
    guest_token_t token = s->last_token;
    uint64_t way = below(r, 4);
    if (way == 1 && s->uses)
        token = s->used[below(r, s->uses < COUNT(s->used) ? s->uses : COUNT(s->used))];
    if (way == 2)
        token = random_next(r) | 1;
    for (unsigned i = 0; way == 3 && i < SUBJECTS; i++)
        if (world.subjects[i] && world.subjects[i] != s)
            token = world.subjects[i]->last_token;
    turn_serve(s, token, r);
}

void turn_loop(uint64_t until, random_t *r)
{
    uint64_t drained;
    (void)!read(world.wake, &drained, sizeof drained);
    struct pollfd fds[1 + SUBJECTS] = {{.fd = world.wake, .events = POLLIN}};
    subject_t *watched[1 + SUBJECTS];
    nfds_t count = 1;
    bool found = false;
    for (unsigned i = 0; i < SUBJECTS; i++) {
        subject_t *s = world.subjects[i];
        guest_token_t token;
        while (s && subject_pop(s, &token)) {
            found = true;
            if (subject_usable(s))
                turn_serve(s, token, r);
            if (world.forked)
                return;
        }
    }
    for (unsigned i = 0; i < SUBJECTS; i++) {
        subject_t *s = world.subjects[i];
        guest_os_fd_t fd;
        if (!s || !subject_usable(s) || s->options.drive != GUEST_DRIVE_FD)
            continue;
        EXPECT(guest_fd(s->g, &fd), STATUS(OK));
        watched[count] = s;
        fds[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
    }
    uint64_t now = guest_now(), left = found || until <= now ? 0 : until - now;
    struct timespec timeout = {(time_t)(left / 1000000000u), (long)(left % 1000000000u)};
    if (ppoll(fds, count, &timeout, NULL) < 0)
        ASSERT_EQ_I64(EINTR, errno);
    for (nfds_t i = 1; i < count && !world.forked; i++)
        if (fds[i].revents && subject_usable(watched[i]))
            turn_serve(watched[i], 0, r);
}
