/* Hazard: the ends of streams. Peers that go, names that there are not, what is closed inside its own callback, what is written
 * too late, guests that end with writes queued: each write that was accepted is told exactly once. */
#include "wire.h"

static const uint32_t drives[] = {GUEST_DRIVE_THREAD, GUEST_DRIVE_FD};

TEST(stream_reset_in_mid_write)
{
    for (size_t i = 0; i < COUNT(drives); i++) {
        toy_t toy = {0};
        wire_t wire = WIRE(&toy);
        int ends[2];
        tcp_pair(ends);
        toy_start(&toy, drives[i]);
        wire_adopt(&wire, ends[0], 0);
        for (unsigned n = 0; n < 20; n++)
            wire_write(&wire, 1000000);
        RUN_UNTIL(&toy, wire.highs == 1);
        peer_reset(ends[1]);
        RUN_UNTIL(&toy, wire.drops == 1);
        ASSERT_EQ_U64(20, wire.written[0] + wire.written[1]);
        ASSERT(wire.written[1] > 0 && wire.lows == 1);
        ASSERT_STATUS(GUEST_EOS, wire.written_status);
        ASSERT_STATUS(GUEST_EOS, wire.status);
        ASSERT(wire.os_error == ECONNRESET || wire.os_error == EPIPE);
        toy_end(&toy);
    }
}

/* What the peer has sent before it broke the connection can still be read, also by who has paused. */
TEST(stream_broken_for_writing_can_be_read)
{
    toy_t toy = {0};
    wire_t wire = WIRE(&toy);
    guest_buffer_t more = {"more", 4};
    int ends[2];
    unix_pair(ends);
    toy_start(&toy, GUEST_DRIVE_FD);
    wire_adopt(&wire, ends[0], GUEST_STREAM_PAUSED);
    MUST(send(ends[1], "answer", 6, 0));
    MUST(close(ends[1]));
    wire_write(&wire, 10);
    RUN_UNTIL(&toy, wire.written[1] == 1);
    ASSERT_EQ_I64(EPIPE, wire.written_error);
    ASSERT_STATUS(GUEST_ECLOSED, guest_stream_write(toy.g, wire.id, &more, 1, NULL, NULL));
    loop_run_for(toy.loop, MS(3));
    ASSERT(wire.closed == 0 && wire.received == 0);
    ASSERT_OK(guest_stream_resume(toy.g, wire.id));
    RUN_UNTIL(&toy, wire.drops == 1);
    ASSERT(wire.received == 6 && wire.ends == 1);
    ASSERT_EQ_I64(EPIPE, wire.os_error);
    toy_end(&toy);
}

TEST(stream_zero_window)
{
    toy_t toy = {0};
    wire_t wire = WIRE(&toy);
    int ends[2];
    tcp_pair(ends);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    wire_adopt(&wire, ends[0], 0);
    wire_write(&wire, 30000000);
    wire_write(&wire, 10);
    ASSERT_OK(guest_stream_close(toy.g, wire.id));
    ASSERT_OK(guest_stream_close(toy.g, wire.id));
    RUN_UNTIL(&toy, wire.highs == 1);
    loop_run_for(toy.loop, MS(5));
    ASSERT_EQ_U64(0, wire.written[0] + wire.closed); /* it waits for a peer that takes nothing */
    ASSERT_OK(guest_close(toy.g, wire.id));
    RUN_UNTIL(&toy, wire.drops == 1);
    ASSERT_EQ_U64(2, wire.written[1]);
    ASSERT_STATUS(GUEST_ECLOSED, wire.written_status);
    ASSERT_EQ_U64(0, wire.closed);
    toy_end(&toy);
    MUST(close(ends[1]));
}

TEST(stream_writes_after_close)
{
    toy_t toy = {0};
    wire_t shut = WIRE(&toy), closed = WIRE(&toy), gone = WIRE(&toy);
    guest_buffer_t late = {"late", 4};
    int ends[3][2];
    uint64_t received = 0;
    toy_start(&toy, GUEST_DRIVE_THREAD);
    for (unsigned i = 0; i < 3; i++) {
        unix_pair(ends[i]);
        wire_adopt(i == 0 ? &shut : i == 1 ? &closed : &gone, ends[i][0], 0);
    }
    wire_write(&shut, 3);
    ASSERT_OK(guest_stream_shutdown(toy.g, shut.id));
    ASSERT_STATUS(GUEST_EORDER, guest_stream_write(toy.g, shut.id, &late, 1, wire_written, NULL));
    ASSERT_OK(guest_stream_close(toy.g, closed.id));
    ASSERT_STATUS(GUEST_EORDER, guest_stream_write(toy.g, closed.id, &late, 1, wire_written, NULL));
    ASSERT_OK(guest_close(toy.g, gone.id));
    ASSERT_STATUS(GUEST_ESTALE, guest_stream_write(toy.g, gone.id, &late, 1, wire_written, NULL));
    ASSERT_STATUS(GUEST_ESTALE, guest_stream_pause(toy.g, gone.id));
    ASSERT_STATUS(GUEST_ESTALE, guest_stream_resume(toy.g, gone.id));
    ASSERT_STATUS(GUEST_ESTALE, guest_stream_shutdown(toy.g, gone.id));
    ASSERT_STATUS(GUEST_ESTALE, guest_stream_close(toy.g, gone.id));
    RUN_UNTIL(&toy, gone.drops && closed.drops && shut.written[0] == 1);
    ASSERT(closed.closed == 1 && gone.closed == 0);
    ASSERT(peer_read(ends[0][1], &received, NULL) && received == 3); /* the three bytes, and nothing late */
    guest_id_t timer;
    ASSERT_OK(guest_timer_add(toy.g, GUEST_FOREVER, 0, on_timer, NULL, NULL, &timer));
    ASSERT_STATUS(GUEST_ESTALE, guest_stream_write(toy.g, timer, &late, 1, NULL, NULL));
    wire_close(&shut);
    toy_end(&toy);
    for (unsigned i = 0; i < 3; i++)
        MUST(close(ends[i][1]));
}

/* Closed in the callback of each thing that is told. */
static void close_at(wire_t *wire, told_t told, const void *data, size_t size)
{
    (void)data, (void)size;
    if (told != *(told_t *)wire->argument)
        return;
    guest_id_t id = wire->id;
    wire->act = NULL;
    ASSERT_OK(guest_close(wire->toy->g, id));
    ASSERT_STATUS(GUEST_ESTALE, guest_close(wire->toy->g, id));
    ASSERT_EQ_U64(0, wire->drops); /* not before the callback has returned */
}

static void closed_at(uint32_t drive, told_t told)
{
    toy_t toy = {0};
    wire_t server = WIRE(&toy), wire = {.toy = &toy, .act = close_at, .argument = &told};
    door_t door = {.toy = &toy, .wires = &server, .count = 1};
    toy_start(&toy, drive);
    door_open(&door, "127.0.0.1");
    wire_connect(&wire, "127.0.0.1", door.port);
    for (unsigned i = 0; i < 10; i++)
        wire_write(&wire, told == TOLD_WATER ? 1000000 : 1000);
    RUN_UNTIL(&toy, server.id || wire.drops);
    if (server.id && guest_is_open(toy.g, server.id) == GUEST_OK) {
        wire_write(&server, 100);
        ASSERT_OK(guest_stream_shutdown(toy.g, server.id));
    }
    if (told == TOLD_CLOSED)
        ASSERT_OK(guest_stream_shutdown(toy.g, wire.id));
    RUN_UNTIL(&toy, wire.drops == 1);
    ASSERT(wire.act == NULL); /* it was told */
    ASSERT_EQ_U64(10, wire.written[0] + wire.written[1]);
    toy_end(&toy);
}

TEST(stream_closed_in_its_own_callback)
{
    static const told_t tolds[] = {TOLD_OPENED, TOLD_READ, TOLD_END, TOLD_WATER, TOLD_CLOSED, TOLD_WRITTEN};
    for (size_t i = 0; i < COUNT(drives); i++)
        for (size_t n = 0; n < COUNT(tolds); n++)
            closed_at(drives[i], tolds[n]);
}

/* A guest that ends, in each way, with writes queued that the peer does not take. */
typedef enum how { BY_CANCEL, BY_FREE, BY_SHUTDOWN, BY_FREE_IN_A_CALLBACK } how_t;

static void free_in(wire_t *wire, told_t told, const void *data, size_t size)
{
    (void)told, (void)data, (void)size;
    guest_free(wire->toy->g);
    wire->toy->g = NULL;
}

static void ended_with_writes_queued(uint32_t drive, how_t how)
{
    toy_t toy = {0};
    wire_t wire = WIRE(&toy), connecting = WIRE(&toy);
    int ends[2];
    unix_pair(ends);
    toy_start(&toy, drive);
    wire_adopt(&wire, ends[0], 0);
    for (unsigned i = 0; i < 50; i++)
        wire_write(&wire, 100000);
    wire_connect(&connecting, "localhost", 1); /* and one whose name is being resolved */
    wire_write(&connecting, 10);
    if (how == BY_CANCEL) {
        toy_end(&toy);
    } else if (how == BY_FREE) {
        toy_free(&toy);
        toy_close(&toy);
    } else if (how == BY_SHUTDOWN) {
        ASSERT_OK(guest_shutdown(toy.g, limit(SECONDS(10))));
        toy_free(&toy);
        toy_close(&toy);
    } else {
        wire.act = free_in;
        MUST(send(ends[1], "x", 1, 0));
        RUN_UNTIL(&toy, toy.done);
        toy_close(&toy);
    }
    ASSERT_EQ_U64(50, wire.written[0] + wire.written[1]);
    ASSERT(wire.written[1] > 0);
    ASSERT_EQ_U64(1, connecting.written[1]);
    ASSERT_STATUS(GUEST_ECLOSED, connecting.written_status);
    ASSERT(wire.drops == 1 && connecting.drops == 1 && wire.closed == 0);
    MUST(close(ends[1]));
}

TEST(stream_guest_ended_with_writes_queued)
{
    for (size_t i = 0; i < COUNT(drives); i++)
        for (how_t how = BY_CANCEL; how <= BY_FREE_IN_A_CALLBACK; how++)
            ended_with_writes_queued(drives[i], how);
}

TEST(stream_connection_refused)
{
    for (size_t i = 0; i < COUNT(drives); i++) {
        toy_t toy = {0};
        door_t door = {.toy = &toy};
        wire_t wire = WIRE(&toy);
        toy_start(&toy, drives[i]);
        door_open(&door, "127.0.0.1"); /* for a port that is nobody's */
        ASSERT_OK(guest_close(toy.g, door.id));
        wire_connect(&wire, "127.0.0.1", door.port);
        wire_write(&wire, 10);
        RUN_UNTIL(&toy, wire.drops == 1);
        ASSERT(wire.opened == 0 && wire.written[1] == 1);
        ASSERT_STATUS(GUEST_EOS, wire.status);
        ASSERT_EQ_I64(ECONNREFUSED, wire.os_error);
        toy_end(&toy);
    }
}

TEST(stream_name_that_does_not_resolve)
{
    toy_t toy = {0};
    wire_t wire = WIRE(&toy), given_up = WIRE(&toy);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    wire_connect(&wire, "name.invalid", 80);
    wire_connect(&given_up, "name.invalid", 80);
    ASSERT_OK(guest_close(toy.g, given_up.id));
    RUN_UNTIL(&toy, wire.drops && given_up.drops);
    ASSERT(wire.opened == 0 && given_up.closed == 0);
    ASSERT_STATUS(GUEST_ERESOLVE, wire.status);
    ASSERT(wire.os_error != 0); /* EAI_NONAME, or EAI_AGAIN on a machine without name server */
    toy_end(&toy);
}

typedef struct gate {
    latch_t started, release;
} gate_t;

static void blocked(void *user_data)
{
    gate_t *gate = user_data;
    latch_open(&gate->started);
    latch_wait(&gate->release, 1);
}

static void unblocked(guest_t *g, guest_id_t id, void *user_data)
{
    (void)g, (void)id, (void)user_data;
}

/* Its name is still resolved, or waits for that behind other work of the pool: the stream's end does not. */
TEST(stream_closed_while_its_name_resolves)
{
    for (size_t i = 0; i < COUNT(drives); i++) {
        toy_t toy = {0};
        wire_t wire = WIRE(&toy);
        gate_t gate = {LATCH, LATCH};
        guest_options_t options = options_for(drives[i]);
        options.work_threads = 1;
        toy_start_on(&toy, NULL, &options);
        ASSERT_OK(guest_work(toy.g, blocked, unblocked, &gate, NULL, NULL));
        latch_wait(&gate.started, 1);
        wire_connect(&wire, "127.0.0.1", 1);
        wire_close(&wire); /* runs until it is dropped */
        ASSERT_EQ_U64(0, wire.opened + wire.closed);
        latch_open(&gate.release);
        toy_end(&toy);
        ASSERT_EQ_U64(1, wire.drops);
    }
}

/* An address that nobody answers for: a listener whose backlog is full takes no connection. */
static int silent_address(guest_address_t *address_out, int filler[], size_t count)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof name;
    int listener = (int)MUST(socket(AF_INET, SOCK_STREAM, 0));
    MUST(bind(listener, (struct sockaddr *)&name, sizeof name));
    MUST(listen(listener, 0));
    MUST(getsockname(listener, (struct sockaddr *)&name, &length));
    for (size_t i = 0; i < count; i++) {
        filler[i] = (int)MUST(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
        if (connect(filler[i], (struct sockaddr *)&name, length) < 0)
            ASSERT_EQ_I64(EINPROGRESS, errno);
    }
    *address_out = (guest_address_t){.family = AF_INET, .length = length};
    memcpy(address_out->sockaddr, &name, sizeof name);
    return listener;
}

static guest_address_t loopback(uint16_t port)
{
    struct sockaddr_in name = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    guest_address_t address = {.family = AF_INET, .length = sizeof name};
    memcpy(address.sockaddr, &name, sizeof name);
    return address;
}

/* One refuses, one is silent; the one that answers wins. */
TEST(stream_tries_every_address)
{
    for (size_t i = 0; i < COUNT(drives); i++) {
        toy_t toy = {0};
        wire_t server = WIRE(&toy), wire = WIRE(&toy), given_up = WIRE(&toy);
        door_t door = {.toy = &toy, .wires = &server, .count = 1};
        guest_stream_options_t options = wire_options(0);
        guest_address_t addresses[3];
        int filler[4];
        toy_start(&toy, drives[i]);
        door_open(&door, "127.0.0.1");
        addresses[0] = loopback(door.port);
        ASSERT_OK(guest_close(toy.g, door.id)); /* refused */
        door_t second = {.toy = &toy, .wires = &server, .count = 1};
        int listener = silent_address(&addresses[1], filler, COUNT(filler));
        door_open(&second, "127.0.0.1");
        addresses[2] = loopback(second.port);
        ASSERT_OK(guest_stream_connect_to(toy.g, addresses, 3, &options, &wire, wire_drop, &wire.id));
        ASSERT_OK(guest_stream_connect_to(toy.g, addresses + 1, 1, &options, &given_up, wire_drop, &given_up.id));
        wire_write(&wire, 1000);
        RUN_UNTIL(&toy, server.received == 1000);
        ASSERT(wire.opened == 1 && given_up.opened == 0);
        wire_close(&wire);
        wire_close(&given_up);
        toy_end(&toy);
        for (size_t n = 0; n < COUNT(filler); n++)
            MUST(close(filler[n]));
        MUST(close(listener));
    }
}
