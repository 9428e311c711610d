/* Streams over socket pairs and over TCP, whose peers read late or not at all, half-close, hang up in the middle, or reset: what the
 * peer sends arrives whole and in order, what is written too, and the end of each write that was accepted is told once, before
 * the drop. */
#include "model.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { OPENED, READ, END, WATER, CLOSED, WRITTEN };

/* A write whose end is awaited. */
typedef struct note {
    item_t *item;
    uint64_t number;
    char bytes[];
} note_t;

static char pattern(uint64_t at)
{
    return (char)(at * 31 + (at >> 7));
}

/* What is sent to such a peer may fail. */
static bool takes_no_more(const item_t *item)
{
    return item->stream.hung || item->stream.deaf;
}

static bool sends_no_more(const item_t *item)
{
    return item->stream.hung || item->stream.mute;
}

static void told_read(guest_t *g, guest_id_t id, const void *data, size_t size, void *user_data)
{
    item_t *item = user_data;
    if (item->stream.paused || item->stream.closing)
        FAIL("stream: read though it was paused or closed");
    if (item->stream.ended)
        FAIL("stream: read after its end");
    for (size_t i = 0; i < size; i++)
        if (((const char *)data)[i] != pattern(item->stream.came + i))
            FAIL("stream: byte %llu is another one", (unsigned long long)(item->stream.came + i));
    item->stream.came += size;
    item->stream.ended = size == 0;
    if (item->stream.came > item->stream.sent || (item->stream.ended && !sends_no_more(item)))
        FAIL("stream: %llu bytes came of %llu", (unsigned long long)item->stream.came,
             (unsigned long long)item->stream.sent);
    called(g, id, item, (int64_t)size, size ? READ : END);
}

static void told_water(guest_t *g, guest_id_t id, uint32_t level, uint64_t queued, void *user_data)
{
    item_t *item = user_data;
    if ((level == GUEST_WATER_HIGH) == item->stream.high)
        FAIL("stream: the water is told twice");
    item->stream.high = level == GUEST_WATER_HIGH;
    called(g, id, item, (int64_t)queued, WATER);
}

static void told_closed(guest_t *g, guest_id_t id, guest_status_t status, int32_t os_error, void *user_data)
{
    item_t *item = user_data;
    if (item->stream.told != item->stream.writes)
        FAIL("stream: closed before the end of a write");
    if (status == GUEST_OK && !item->stream.closing && !(item->stream.ended && item->stream.shut))
        FAIL("stream: ended by itself");
    if (status != GUEST_OK && !takes_no_more(item))
        FAIL("stream: ended by %s, errno %d, and its peer is there", guest_status_name(status), os_error);
    item->stream.over = true;
    called(g, id, item, status, CLOSED);
}

static void told_written(guest_t *g, guest_id_t id, guest_status_t status, int32_t os_error, void *user_data)
{
    note_t *note = user_data;
    item_t *item = note->item;
    subject_t *s = item->subject;
    (void)os_error;
    if (note->number != item->stream.told++)
        FAIL("stream: the ends of writes are told out of order");
    free(note);
    if (status != GUEST_ECLOSED) {
        called(g, id, item, status, WRITTEN);
        return;
    }
    if (world.forked)
        FAIL("stream: an end of the parent's is told in the forked child");
    if (item->drops || item->depth || s->done)
        FAIL("stream: the end of a write comes after the stream's, or inside its callback");
    if (s->closing || (s->frames == 0 && !s->dropping))
        FAIL("stream: the end of a write is told outside of any delivery");
    if (!item->closed && !s->may_end)
        FAIL("stream: a write is given up while the stream is open");
    item_close(item);
    if (!s->dropping)
        play_inside(item);
}

/* The second end is the peer's. */
static void tcp_pair(int ends[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    const int kind = SOCK_STREAM | SOCK_CLOEXEC;
    int listener = (int)MUST(socket(AF_INET, kind, 0));
    MUST(bind(listener, (struct sockaddr *)&address, size));
    MUST(listen(listener, 1));
    MUST(getsockname(listener, (struct sockaddr *)&address, &size));
    ends[1] = (int)MUST(socket(AF_INET, kind, 0));
    MUST(connect(ends[1], (struct sockaddr *)&address, size));
    ends[0] = (int)MUST(accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));
    MUST(fcntl(ends[1], F_SETFL, O_NONBLOCK));
    MUST(close(listener));
}

void stream_add(subject_t *s, random_t *r)
{
    int ends[2];
    guest_stream_options_t options = {.struct_size = sizeof options,
                                      .read = told_read,
                                      .water = told_water,
                                      .closed = told_closed,
                                      .high_water = 1 + below(r, 3000),
                                      .flags = chance(r, 20) ? GUEST_STREAM_PAUSED : 0,
                                      .read_ahead = chance(r, 50) ? 1 + below(r, 6000) : 0};
    bool tcp = chance(r, 50);
    if (tcp)
        tcp_pair(ends);
    else
        MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends));
    const int least = 1; /* the system's smallest, so that much is queued */
    MUST(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &least, sizeof least));
    item_t *item = item_new(s, KIND_STREAM, r), *dead = fd_dead_one(s, ends[0]);
    item->stream.peer = ends[1];
    item->stream.tcp = tcp;
    item->stream.paused = options.flags != 0;
    guest_status_t status = guest_stream_adopt(s->g, ends[0], &options, item, item_drop(item), &item->id);
    EXPECT(status, s->pull ? STATUS(EDRIVE) | STATUS(ECLOSED)
                           : subject_takes(s, STATUS(OK) | (dead && !dead->fd.interest ? STATUS(EEXIST) : 0)));
    item_registered(item, status);
    if (dead && status == GUEST_OK)
        item_close(dead);
    if (status != GUEST_OK) {
        MUST(close(ends[0]));
        stream_release(item);
    }
}

static item_t *some(subject_t *s, random_t *r)
{
    return item_any(s, r, item_is, KIND_STREAM);
}

/* What a call may answer about a stream that the model takes for open. */
static uint32_t about(const subject_t *s, uint32_t allowed)
{
    return subject_takes(s, allowed) | (s->may_end ? STATUS(ESTALE) : 0);
}

void stream_write(subject_t *s, random_t *r)
{
    item_t *item = some(s, r);
    if (!item)
        return;
    size_t size = chance(r, 10) ? 100000 : below(r, 3000), half = size ? below(r, size) : 0;
    bool awaited = chance(r, 60);
    note_t *note = malloc(sizeof *note + size);
    ASSERT(note);
    *note = (note_t){item, item->stream.writes};
    for (size_t i = 0; i < size; i++)
        note->bytes[i] = pattern(item->stream.written + i);
    guest_buffer_t buffers[] = {{note->bytes, half}, {note->bytes + half, size - half}};
    bool late = item->stream.shut || item->stream.closing || item->stream.over;
    guest_status_t status = guest_stream_write(s->g, item->id, buffers, 2, awaited ? told_written : NULL, note);
    EXPECT(status, about(s, late ? STATUS(EORDER) | STATUS(ECLOSED)
                                 : STATUS(OK) | (takes_no_more(item) ? STATUS(ECLOSED) : 0)));
    item->stream.writes += status == GUEST_OK && awaited;
    item->stream.written += status == GUEST_OK ? size : 0;
    if (status != GUEST_OK || !awaited)
        free(note);
}

void stream_change(subject_t *s, random_t *r)
{
    item_t *item = some(s, r);
    if (!item)
        return;
    guest_status_t status;
    switch (below(r, 8)) {
    case 0:
        status = guest_stream_close(s->g, item->id);
        item->stream.closing |= status == GUEST_OK;
        break;
    case 1:
        status = guest_stream_shutdown(s->g, item->id);
        item->stream.shut |= status == GUEST_OK;
        break;
    case 2:
    case 3:
        status = guest_stream_pause(s->g, item->id);
        item->stream.paused |= status == GUEST_OK;
        break;
    default:
        status = guest_stream_resume(s->g, item->id);
        item->stream.paused &= status != GUEST_OK;
    }
    EXPECT(status, about(s, STATUS(OK)));
}

/* The other end sends, reads, says that it will not any more, or goes. */
void stream_peer(subject_t *s, random_t *r)
{
    char bytes[4096];
    item_t *item = some(s, r);
    if (!item || item->stream.hung)
        return;
    uint64_t what = below(r, 12);
    ssize_t count = 0;
    if (what == 0) {
        const struct linger at_once = {.l_onoff = 1};
        if (chance(r, 50)) /* over TCP, a reset */
            MUST(setsockopt(item->stream.peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once));
        stream_release(item);
    } else if (what == 1) {
        count = shutdown(item->stream.peer, SHUT_WR);
        item->stream.mute = true;
    } else if (what == 2) {
        count = shutdown(item->stream.peer, SHUT_RD);
        item->stream.deaf = true;
    } else if (what < 7) {
        size_t size = 1 + below(r, sizeof bytes - 1);
        for (size_t i = 0; i < size; i++)
            bytes[i] = pattern(item->stream.sent + i);
        count = send(item->stream.peer, bytes, size, MSG_NOSIGNAL);
        item->stream.sent += count > 0 ? (uint64_t)count : 0;
    } else {
        count = recv(item->stream.peer, bytes, sizeof bytes, 0);
        for (ssize_t i = 0; i < count; i++, item->stream.arrived++)
            if (bytes[i] != pattern(item->stream.arrived))
                FAIL("stream: byte %llu arrives as another one", (unsigned long long)item->stream.arrived);
        if (item->stream.arrived > item->stream.written)
            FAIL("stream: more arrives than was written");
    }
    if (count < 0)
        ASSERT(errno == EAGAIN || errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN);
}

bool stream_is_owed(const item_t *item)
{
    bool read = item->stream.came < item->stream.sent || (sends_no_more(item) && !item->stream.ended);
    return item_is(item, KIND_STREAM) && read && !item->stream.paused && !item->stream.closing;
}

void stream_release(item_t *item)
{
    if (!item->stream.hung)
        MUST(close(item->stream.peer));
    item->stream.hung = true;
}
