/* Pipes and sockets: what is written to them, how their ends are closed, and what the guest is told to watch. */
#include "model.h"

#include <fcntl.h>
#include <sys/socket.h>

static uint32_t some_interest(const item_t *item, random_t *r)
{
    static const uint32_t interests[] = {GUEST_READABLE, GUEST_READABLE, 0, GUEST_READABLE | GUEST_PRIORITY};
    uint32_t writable = item->fd.socket && chance(r, 30) ? GUEST_WRITABLE : 0;
    return interests[below(r, COUNT(interests))] | writable;
}

item_t *fd_dead_one(subject_t *s, int fd)
{
    for (item_t *item = s->items; item; item = item->next)
        if (item_is(item, KIND_FD) && item->fd.dead && item->fd.in == fd)
            return item;
    return NULL;
}

static void add_again(subject_t *s, const item_t *known)
{
    guest_id_t id = 0;
    guest_status_t status = guest_fd_add(s->g, known->fd.in, GUEST_READABLE, on_fd, NULL, NULL, &id);
    EXPECT(status, subject_takes(s, STATUS(EEXIST)));
    ASSERT_EQ_U64(0, id);
}

static bool is_alive(const item_t *item, int unused)
{
    (void)unused;
    return item_is(item, KIND_FD) && !item->fd.dead;
}

void fd_add(subject_t *s, random_t *r)
{
    item_t *known = chance(r, 10) ? item_any(s, r, is_alive, 0) : NULL;
    if (known) {
        add_again(s, known);
        return;
    }
    int ends[2];
    bool socket = chance(r, 30);
    MUST(socket ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends)
                : pipe2(ends, O_CLOEXEC | O_NONBLOCK));
    item_t *item = item_new(s, KIND_FD, r), *dead = fd_dead_one(s, ends[0]);
    item->fd.socket = socket;
    item->fd.in = ends[0];
    item->fd.out = ends[1];
    item->fd.emptied = ~0u;
    item->fd.interest = some_interest(item, r);
    guest_fd_fn callback = s->pull && chance(r, 50) ? NULL : on_fd;
    guest_status_t status =
        guest_fd_add(s->g, item->fd.in, item->fd.interest, callback, item, item_drop(item), &item->id);
    EXPECT(status, subject_takes(s, STATUS(OK) | (dead && !dead->fd.interest ? STATUS(EEXIST) : 0)));
    item_registered(item, status);
    if (dead && status == GUEST_OK)
        item_close(dead);
    if (status != GUEST_OK)
        fd_release(item);
}

static void modify(item_t *item, uint32_t interest)
{
    subject_t *s = item->subject;
    guest_status_t status = guest_fd_modify(s->g, item->id, interest);
    EXPECT(status, subject_takes(s, STATUS(OK)) | (s->may_end ? STATUS(ESTALE) : 0));
    if (status == GUEST_OK)
        item->fd.interest = interest;
}

void fd_modify(subject_t *s, random_t *r)
{
    item_t *item = item_any(s, r, is_alive, 0);
    if (item)
        modify(item, some_interest(item, r));
}

/* What was written comes out byte by byte, and now and then later; what is always ready is not watched for ever. */
void fd_read(item_t *item)
{
    char byte;
    random_t r = random_of(world.seed ^ item->number, item->calls);
    if (item->fd.bytes && !item->fd.dead && !chance(&r, 20)) {
        ASSERT_EQ_I64(1, MUST(read(item->fd.in, &byte, 1)));
        if (--item->fd.bytes == 0)
            item->fd.emptied = world.op;
    }
    if (item->fd.dead || !item_is_open(item))
        return;
    if (item->fd.hung && item->fd.bytes == 0)
        modify(item, 0);
    else if (item->fd.interest & GUEST_WRITABLE)
        modify(item, GUEST_READABLE);
}

void fd_fill(subject_t *s, random_t *r)
{
    item_t *item = item_any(s, r, is_alive, 0);
    if (!item || item->fd.hung)
        return;
    unsigned count = 1 + (unsigned)below(r, 3);
    ASSERT_EQ_I64(count, MUST(write(item->fd.out, "xxx", count)));
    item->fd.bytes += count;
}

void fd_hang_up(subject_t *s, random_t *r)
{
    item_t *item = item_any(s, r, is_alive, 0);
    if (!item || item->fd.hung)
        return;
    MUST(close(item->fd.out));
    item->fd.out = -1;
    item->fd.hung = true;
}

/* Against the rules: the fd first, then, some time, its source. */
void fd_abandon(subject_t *s, random_t *r)
{
    item_t *item = item_any(s, r, is_alive, 0);
    if (!item || item->depth)
        return;
    MUST(close(item->fd.in));
    if (!item->fd.hung)
        MUST(close(item->fd.out));
    item->fd.dead = item->fd.hung = true;
    item->fd.out = -1;
}

void fd_release(item_t *item)
{
    if (!item->fd.dead)
        MUST(close(item->fd.in));
    if (!item->fd.hung)
        MUST(close(item->fd.out));
    item->fd.dead = item->fd.hung = true;
}
