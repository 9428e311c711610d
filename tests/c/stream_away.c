/* Hazard: the host is away, blocked between two deliveries or inside a callback, and a stream is read ahead. What is taken is
 * bounded, nothing is lost, and all is told in order: before what the system has, before the end. */
#include "wire.h"

#include <sys/ioctl.h>

enum { LIMIT = 256 << 10, ALL = 3 << 20 };

static void adopt_ahead(wire_t *wire, int fd, uint32_t flags, uint64_t read_ahead)
{
    guest_stream_options_t options = wire_options(flags);
    options.read_ahead = read_ahead;
    ASSERT_OK(guest_stream_adopt(wire->toy->g, fd, &options, wire, wire_drop, &wire->id));
}

static uint64_t held(const wire_t *wire)
{
    guest_stream_info_t info = {.struct_size = sizeof info};
    ASSERT_OK(guest_stream_info(wire->toy->g, wire->id, &info));
    return info.read_ahead;
}

/* A peer that sends the pattern, as much as is taken. */
typedef struct sender {
    const toy_t *toy;
    int fd;
    uint64_t sent, all;
    bool full; /* the last send was refused */
    uint64_t until; /* so much has been read ahead in all */
} sender_t;

static void send_more(sender_t *sender)
{
    while (sender->sent < sender->all) {
        char bytes[4096];
        size_t size = pattern_fill(bytes, sender->sent, sizeof bytes);
        if (size > sender->all - sender->sent)
            size = (size_t)(sender->all - sender->sent);
        ssize_t sent = send(sender->fd, bytes, size, MSG_NOSIGNAL);
        sender->full = sent < 0;
        if (sent < 0) {
            ASSERT_EQ_I64(EAGAIN, errno);
            return;
        }
        sender->sent += (uint64_t)sent;
    }
}

static bool has_read(void *argument)
{
    sender_t *sender = argument;
    send_more(sender);
    return toy_stats(sender->toy).read_ahead >= sender->until;
}

static bool is_full(void *argument)
{
    sender_t *sender = argument;
    return has_read(sender) && sender->full;
}

static void sends_all(toy_t *toy, sender_t *sender, wire_t *wire)
{
    RUN_UNTIL(toy, (send_more(sender), wire->received == sender->all));
    ASSERT_EQ_U64(pattern_digest(sender->all), wire->digest);
}

TEST(stream_away_between_deliveries)
{
    toy_t toy = {0};
    wire_t wire = WIRE(&toy);
    int ends[2], queued;
    unix_pair(ends);
    sender_t sender = {&toy, ends[1], 0, ALL, false, LIMIT};
    toy_start(&toy, GUEST_DRIVE_THREAD);
    adopt_ahead(&wire, ends[0], 0, LIMIT);
    await(is_full, &sender, "the limit to be reached and the system's buffers to be full");
    ASSERT_EQ_U64(LIMIT, held(&wire));
    ASSERT_EQ_U64(LIMIT, toy_stats(&toy).read_ahead);
    MUST(ioctl(ends[0], FIONREAD, &queued));
    ASSERT_EQ_U64(LIMIT + (uint64_t)queued, sender.sent); /* the rest waits in the system, then at the peer */
    ASSERT_EQ_U64(0, wire.received);
    sends_all(&toy, &sender, &wire);
    ASSERT_EQ_U64(0, held(&wire));
    wire_close(&wire);
    toy_end(&toy);
    MUST(close(ends[1]));
}

static bool holds_all(void *argument)
{
    wire_t *wire = argument;
    send_more(wire->argument);
    return held(wire) == LIMIT;
}

static void blocks(wire_t *wire, told_t told, const void *data, size_t size)
{
    sender_t *sender = wire->argument;
    (void)data, (void)size;
    if (told != TOLD_READ || sender->until)
        return;
    uint64_t received = wire->received;
    sender->until = 1;
    await(holds_all, wire, "the limit to be reached while a callback blocks");
    ASSERT_EQ_U64(received, wire->received);
}

TEST(stream_away_in_its_own_callback)
{
    toy_t toy = {0};
    int ends[2];
    tcp_pair(ends);
    sender_t sender = {&toy, ends[1], 0, ALL, false, 0};
    wire_t wire = {.toy = &toy, .act = blocks, .argument = &sender};
    toy_start(&toy, GUEST_DRIVE_THREAD);
    adopt_ahead(&wire, ends[0], 0, LIMIT);
    sends_all(&toy, &sender, &wire);
    wire_close(&wire);
    toy_end(&toy);
    MUST(close(ends[1]));
}

/* What was read ahead comes before the end, whatever that is. */
static void ended(bool reset)
{
    toy_t toy = {0};
    wire_t wire = WIRE(&toy);
    int ends[2];
    tcp_pair(ends);
    sender_t sender = {&toy, ends[1], 0, 100000, false, 100000};
    toy_start(&toy, GUEST_DRIVE_THREAD);
    adopt_ahead(&wire, ends[0], 0, LIMIT);
    await(has_read, &sender, "all to be read ahead");
    if (reset)
        peer_reset(ends[1]);
    else
        MUST(shutdown(ends[1], SHUT_WR));
    RUN_UNTIL(&toy, reset ? wire.drops : wire.ends);
    ASSERT_EQ_U64(100000, wire.received);
    ASSERT_EQ_U64(pattern_digest(100000), wire.digest);
    if (reset) {
        ASSERT_EQ_U64(0, wire.ends);
        ASSERT_STATUS(GUEST_EOS, wire.status);
        ASSERT_EQ_I64(ECONNRESET, wire.os_error);
    } else {
        wire_write(&wire, 5); /* half-open, as ever */
        ASSERT_OK(guest_stream_shutdown(toy.g, wire.id));
        RUN_UNTIL(&toy, wire.drops);
        ASSERT_OK(wire.status);
        MUST(close(ends[1]));
    }
    toy_end(&toy);
}

TEST(stream_away_at_the_end)
{
    ended(false);
    ended(true);
}

static void pauses(wire_t *wire, told_t told, const void *data, size_t size)
{
    (void)data, (void)size;
    if (told == TOLD_READ)
        ASSERT_OK(guest_stream_pause(wire->toy->g, wire->id));
}

TEST(stream_away_and_paused)
{
    toy_t toy = {0};
    wire_t other = WIRE(&toy), wire = {.toy = &toy, .act = pauses};
    int ends[2], others[2];
    unix_pair(ends);
    unix_pair(others);
    sender_t sender = {&toy, ends[1], 0, 200000, false, 0}, witness = {&toy, others[1], 0, 1, false, 1};
    toy_start(&toy, GUEST_DRIVE_THREAD);
    adopt_ahead(&wire, ends[0], GUEST_STREAM_PAUSED, LIMIT);
    adopt_ahead(&other, others[0], 0, LIMIT);
    send_more(&sender);
    await(has_read, &witness, "the other stream to be read ahead");
    ASSERT_EQ_U64(0, held(&wire)); /* paused: not read ahead either */
    RUN_UNTIL(&toy, other.received == 1);
    ASSERT_OK(guest_stream_resume(toy.g, wire.id));
    sender.until = 1 + 150000;
    await(has_read, &sender, "the stream to be read ahead once it is resumed");
    RUN_UNTIL(&toy, wire.received > 0); /* its callback pauses it */
    uint64_t received = wire.received;
    loop_run_for(toy.loop, MS(3));
    ASSERT_EQ_U64(received, wire.received);
    ASSERT(held(&wire) > 0);
    while (wire.received < 200000) {
        received = wire.received;
        ASSERT_OK(guest_stream_resume(toy.g, wire.id));
        RUN_UNTIL(&toy, (send_more(&sender), wire.received > received));
    }
    ASSERT_EQ_U64(pattern_digest(200000), wire.digest);
    wire_close(&wire);
    wire_close(&other);
    toy_end(&toy);
    MUST(close(ends[1]));
    MUST(close(others[1]));
}

static void closes(wire_t *wire, told_t told, const void *data, size_t size)
{
    (void)data, (void)size;
    if (told == TOLD_READ)
        ASSERT_OK(guest_close(wire->toy->g, wire->id));
}

static void ends_it(wire_t *wire, told_t told, const void *data, size_t size)
{
    (void)data, (void)size;
    if (told == TOLD_READ)
        ASSERT_OK(guest_stream_close(wire->toy->g, wire->id));
}

/* What was read ahead and is not wanted any more is dropped. */
TEST(stream_away_and_closed)
{
    void (*acts[])(wire_t *, told_t, const void *, size_t) = {NULL, closes, ends_it};
    for (size_t i = 0; i < COUNT(acts); i++) {
        toy_t toy = {0};
        int ends[2];
        unix_pair(ends);
        wire_t wire = {.toy = &toy, .act = acts[i]};
        sender_t sender = {&toy, ends[1], 0, ALL, false, LIMIT};
        toy_start(&toy, GUEST_DRIVE_THREAD);
        adopt_ahead(&wire, ends[0], 0, LIMIT);
        await(is_full, &sender, "the limit to be reached");
        if (!acts[i])
            ASSERT_OK(guest_close(toy.g, wire.id));
        RUN_UNTIL(&toy, wire.drops);
        ASSERT(wire.received < LIMIT && wire.ends == 0);
        ASSERT_EQ_U64(acts[i] == ends_it, wire.closed);
        toy_end(&toy);
        MUST(close(ends[1]));
    }
}

/* Streams that connect, and such that are accepted. */
static void take_ahead(guest_t *g, guest_id_t id, guest_status_t status, int32_t os_error, void *user_data)
{
    wire_t *wire = user_data;
    guest_stream_options_t options = wire_options(0);
    (void)os_error;
    ASSERT_OK(status);
    options.read_ahead = LIMIT;
    ASSERT_OK(guest_stream_accept(g, id, &options, wire, wire_drop, &wire->id));
}

TEST(stream_away_of_both_ends)
{
    toy_t toy = {0};
    wire_t server = WIRE(&toy), client = WIRE(&toy);
    guest_listener_info_t info = {.struct_size = sizeof info};
    guest_stream_options_t options = wire_options(0);
    guest_id_t listener;
    toy_start(&toy, GUEST_DRIVE_THREAD);
    ASSERT_OK(guest_listener_tcp(toy.g, "127.0.0.1", NULL, NULL, take_ahead, &server, NULL, &listener));
    ASSERT_OK(guest_listener_info(toy.g, listener, &info));
    options.read_ahead = LIMIT;
    ASSERT_OK(guest_stream_connect_to(toy.g, &info.local, 1, &options, &client, wire_drop, &client.id));
    RUN_UNTIL(&toy, client.opened && server.id);
    wire_write(&client, 50000); /* sent at once: the host need not be there */
    wire_write(&server, 60000);
    sender_t none = {&toy, -1, 0, 0, false, 110000};
    await(has_read, &none, "both ends to be read ahead");
    ASSERT_EQ_U64(60000, held(&client));
    ASSERT_EQ_U64(50000, held(&server));
    RUN_UNTIL(&toy, client.received == 60000 && server.received == 50000);
    ASSERT_EQ_U64(pattern_digest(60000), client.digest);
    ASSERT_EQ_U64(pattern_digest(50000), server.digest);
    toy_end(&toy);
}

/* Nobody is there to read ahead: the option has no effect. */
TEST(stream_away_without_an_io_thread)
{
    toy_t toy = {0};
    wire_t wire = WIRE(&toy);
    int ends[2];
    unix_pair(ends);
    sender_t sender = {&toy, ends[1], 0, ALL, false, 0};
    toy_start(&toy, GUEST_DRIVE_FD);
    adopt_ahead(&wire, ends[0], 0, UINT64_MAX);
    send_more(&sender);
    ASSERT(sender.full);
    sends_all(&toy, &sender, &wire);
    ASSERT_EQ_U64(0, toy_stats(&toy).read_ahead);
    wire_close(&wire);
    toy_end(&toy);
    MUST(close(ends[1]));
}

/* The end of a guest whose stream is just being read ahead, and what a forked child gives back. */
static void in_child(void *argument)
{
    wire_t *wire = argument;
    uint64_t before = open_fds();
    guest_free(wire->toy->g);
    /* Poller and alarm; latch, kick and limit, the set of what is read ahead; two sockets. The waker's eventfd stays: docs/abi.md. */
    ASSERT_EQ_U64(before - 8, open_fds());
}

static void *floods(void *argument)
{
    sender_t *sender = argument;
    char bytes[4096] = {0};
    while (send(sender->fd, bytes, sizeof bytes, MSG_NOSIGNAL) > 0) {
    }
    return NULL;
}

TEST(stream_away_freed_and_forked)
{
    for (int i = 0; i < 20; i++) {
        toy_t toy = {0};
        wire_t wires[2] = {WIRE(&toy), WIRE(&toy)};
        int ends[2][2];
        pthread_t threads[2];
        sender_t senders[2];
        toy_start(&toy, GUEST_DRIVE_THREAD);
        for (int w = 0; w < 2; w++) {
            MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, ends[w]));
            senders[w] = (sender_t){&toy, ends[w][1], 0, 0, false, 1};
            adopt_ahead(&wires[w], ends[w][0], 0, 64 << 20);
            threads[w] = spawn(floods, &senders[w]);
        }
        await(has_read, &senders[0], "something to be read ahead");
        if (i == 0)
            ASSERT_EQ_I64(0, in_fork(in_child, &wires[0]));
        toy_free(&toy);
        toy_close(&toy);
        for (int w = 0; w < 2; w++) {
            join(threads[w]); /* its peer is closed */
            ASSERT_EQ_U64(1, wires[w].drops);
            MUST(close(ends[w][1]));
        }
    }
}
