/* Hazard: how a connection ends, or stops, of which something was read ahead: as if the system still had it. */
#include "wire.h"

#include <fcntl.h>
#include <sys/resource.h>

enum { LIMIT = 256 << 10, SOME = 50000 };

static void adopt_ahead(wire_t *wire, int fd)
{
    guest_stream_options_t options = wire_options(0);
    options.read_ahead = LIMIT;
    ASSERT_OK(guest_stream_adopt(wire->toy->g, fd, &options, wire, wire_drop, &wire->id));
}

static uint64_t held(const wire_t *wire)
{
    guest_stream_info_t info = {.struct_size = sizeof info};
    ASSERT_OK(guest_stream_info(wire->toy->g, wire->id, &info));
    return info.read_ahead;
}

static void send_some(int fd, size_t size)
{
    static const char bytes[SOME];
    ASSERT_EQ_I64((int64_t)size, send(fd, bytes, size, MSG_NOSIGNAL));
}

typedef struct count {
    const toy_t *toy;
    uint64_t bytes;
} count_t;

static bool has_read(void *argument)
{
    const count_t *count = argument;
    return toy_stats(count->toy).read_ahead >= count->bytes;
}

static void await_read(const toy_t *toy, uint64_t bytes)
{
    count_t count = {toy, toy_stats(toy).read_ahead + bytes};
    await(has_read, &count, "bytes to be read ahead");
}

/* A second stream, which is reported after what has come before: when it was read, the other one was looked at, too. */
typedef struct witness {
    wire_t wire;
    int peer;
} witness_t;

static void witness_open(witness_t *witness, toy_t *toy)
{
    int ends[2];
    unix_pair(ends);
    witness->wire = (wire_t)WIRE(toy);
    witness->peer = ends[1];
    adopt_ahead(&witness->wire, ends[0]);
}

static void witness_await(const witness_t *witness)
{
    uint64_t before = toy_stats(witness->wire.toy).read_ahead;
    count_t count = {witness->wire.toy, before + 1};
    send_some(witness->peer, 1);
    await(has_read, &count, "the other stream to be read ahead");
}

static void witness_close(witness_t *witness)
{
    wire_close(&witness->wire);
    MUST(close(witness->peer));
}

/* What nobody was told of is unread, wherever it lies: the peer learns that. */
TEST(stream_ahead_and_unread_resets)
{
    for (int by = 0; by < 3; by++) {
        toy_t toy = {0};
        wire_t wire = WIRE(&toy);
        int ends[2];
        char byte;
        tcp_pair(ends);
        toy_start(&toy, GUEST_DRIVE_THREAD);
        adopt_ahead(&wire, ends[0]);
        send_some(ends[1], SOME);
        await_read(&toy, SOME);
        if (by == 0)
            ASSERT_OK(guest_close(toy.g, wire.id));
        else if (by == 1)
            ASSERT_OK(guest_stream_close(toy.g, wire.id));
        if (by == 2)
            toy_free(&toy);
        else
            RUN_UNTIL(&toy, wire.drops);
        ASSERT_EQ_I64(-1, recv(ends[1], &byte, 1, 0));
        ASSERT_EQ_I64(ECONNRESET, errno);
        if (by == 2)
            toy_close(&toy);
        else
            toy_end(&toy);
        MUST(close(ends[1]));
    }
}

/* A write that comes before the read says why the connection has broken, which the I/O thread was told by the system. */
TEST(stream_ahead_and_reset_is_the_reason)
{
    toy_t toy = {0};
    wire_t wire = WIRE(&toy);
    witness_t witness;
    int ends[2];
    tcp_pair(ends);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    adopt_ahead(&wire, ends[0]);
    witness_open(&witness, &toy);
    send_some(ends[1], 5);
    await_read(&toy, 5);
    peer_reset(ends[1]);
    witness_await(&witness);
    wire_write(&wire, 5);
    RUN_UNTIL(&toy, wire.drops);
    ASSERT_EQ_U64(5, wire.received);
    ASSERT_EQ_I64(ECONNRESET, wire.os_error);
    ASSERT_EQ_I64(ECONNRESET, wire.written_error);
    witness_close(&witness);
    toy_end(&toy);
}

typedef struct stop {
    guest_status_t (*by)(guest_t *g, guest_id_t id);
    witness_t witness;
    int peer;
} stop_t;

static void stops(wire_t *wire, told_t told, const void *data, size_t size)
{
    stop_t *stop = wire->argument;
    (void)data, (void)size;
    if (told != TOLD_READ)
        return;
    wire->act = NULL;
    ASSERT_OK(stop->by(wire->toy->g, wire->id));
    send_some(stop->peer, SOME);
    witness_await(&stop->witness);
    ASSERT_EQ_U64(0, held(wire));
}

/* From the call on, and not only when the callback has returned. */
TEST(stream_ahead_stops_inside_the_callback)
{
    guest_status_t (*by[])(guest_t *, guest_id_t) = {guest_stream_pause, guest_stream_close};
    for (size_t i = 0; i < COUNT(by); i++) {
        toy_t toy = {0};
        int ends[2];
        tcp_pair(ends);
        stop_t stop = {.by = by[i], .peer = ends[1]};
        wire_t wire = {.toy = &toy, .act = stops, .argument = &stop};
        toy_start(&toy, GUEST_DRIVE_THREAD);
        adopt_ahead(&wire, ends[0]);
        witness_open(&stop.witness, &toy);
        send_some(ends[1], 1);
        RUN_UNTIL(&toy, !wire.act);
        if (by[i] == guest_stream_pause) {
            ASSERT_OK(guest_stream_resume(toy.g, wire.id));
            RUN_UNTIL(&toy, wire.received == 1 + SOME);
            wire_close(&wire);
        } else {
            RUN_UNTIL(&toy, wire.drops);
        }
        witness_close(&stop.witness);
        toy_end(&toy);
        MUST(close(ends[1]));
    }
}

/* Who connects is told at once that there can be no reading ahead: a connection that stands does not break for it. */
TEST(stream_ahead_lacks_fds)
{
    toy_t toy = {0};
    wire_t server = WIRE(&toy), client = WIRE(&toy);
    door_t door = {.toy = &toy, .wires = &server, .count = 1};
    struct rlimit before, none;
    guest_listener_info_t info = {.struct_size = sizeof info};
    guest_stream_options_t options = wire_options(0);
    options.read_ahead = LIMIT;
    toy_start(&toy, GUEST_DRIVE_THREAD);
    door_open(&door, "127.0.0.1");
    ASSERT_OK(guest_listener_info(toy.g, door.id, &info));
    MUST(getrlimit(RLIMIT_NOFILE, &before));
    none = before;
    none.rlim_cur = 0;
    MUST(setrlimit(RLIMIT_NOFILE, &none));
    guest_status_t refused = guest_stream_connect_to(toy.g, &info.local, 1, &options, &client, wire_drop, &client.id);
    MUST(setrlimit(RLIMIT_NOFILE, &before));
    ASSERT_STATUS(GUEST_EOS, refused);
    ASSERT_OK(guest_stream_connect_to(toy.g, &info.local, 1, &options, &client, wire_drop, &client.id));
    RUN_UNTIL(&toy, client.opened && server.id);
    wire_close(&client);
    wire_close(&server);
    ASSERT_OK(guest_close(toy.g, door.id));
    RUN_UNTIL(&toy, door.drops);
    toy_end(&toy);
}
