/* Hazard: streams. What is told, in which order, exactly once; each direction on its own; nothing after the end. */
#include "wire.h"

static void echo(wire_t *wire, told_t told, const void *data, size_t size)
{
    guest_buffer_t buffer = {data, size};
    if (told == TOLD_READ) /* not told the end, so that what cannot be sent at once is copied: the view ends here */
        ASSERT_OK(guest_stream_write(wire->toy->g, wire->id, &buffer, 1, NULL, NULL));
    if (told == TOLD_END)
        ASSERT_OK(guest_stream_shutdown(wire->toy->g, wire->id));
}

static void on_datagram(guest_t *g, guest_id_t id, guest_status_t status, int32_t os_error, const guest_address_t *from,
                        const void *data, size_t size, void *user_data)
{
    (void)g, (void)id, (void)status, (void)os_error, (void)from, (void)data, (void)size, (void)user_data;
    FAIL("nobody has sent one");
}

static void round_trip(uint32_t drive, const char *node)
{
    toy_t toy = {0};
    wire_t server = {.toy = &toy, .act = echo}, client = WIRE(&toy);
    door_t door = {.toy = &toy, .wires = &server, .count = 1};
    toy_start(&toy, drive);
    door_open(&door, NULL);
    wire_connect(&client, node, door.port);
    wire_write(&client, 100000); /* before the connection stands */
    wire_write(&client, 0);
    wire_write(&client, 1234567);
    RUN_UNTIL(&toy, client.received == 1334567);
    ASSERT_EQ_U64(pattern_digest(1334567), client.digest);
    ASSERT(client.opened == 1 && server.opened == 0);
    ASSERT(client.written[0] == 3 && client.written[1] == 0);

    guest_stream_info_t info = {.struct_size = sizeof info}, other = info;
    ASSERT_OK(guest_stream_info(toy.g, client.id, &info));
    ASSERT_OK(guest_stream_info(toy.g, server.id, &other));
    ASSERT(info.queued == 0 && info.sent == 1334567 && info.received == 1334567);
    const struct sockaddr_in *ours = (const void *)info.local.sockaddr, *theirs = (const void *)other.peer.sockaddr;
    const struct sockaddr_in *to = (const void *)info.peer.sockaddr;
    ASSERT(ours->sin_port == theirs->sin_port && ntohs(to->sin_port) == door.port);
    int nodelay = 0;
    socklen_t length = sizeof nodelay;
    MUST(getsockopt(info.fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &nodelay, &length));
    ASSERT(nodelay);

    /* Each direction ends on its own; when both have, the stream has. */
    ASSERT_OK(guest_stream_shutdown(toy.g, client.id));
    RUN_UNTIL(&toy, client.drops && server.drops);
    ASSERT(client.ends == 1 && server.ends == 1 && client.closed && server.closed);
    ASSERT_OK(client.status);
    ASSERT_OK(server.status);
    ASSERT_STATUS(GUEST_ESTALE, guest_stream_info(toy.g, client.id, &info));
    toy_end(&toy);
    ASSERT_EQ_U64(1, door.drops);
}

/* Somebody has closed the fd of a source that was paused, and the stream's own socket gets its number. */
TEST(stream_whose_socket_has_the_number_of_a_dead_source)
{
    toy_t toy = {0};
    wire_t client = WIRE(&toy);
    door_t door = {.toy = &toy};
    probe_t dead = {.toy = &toy};
    int fds[2];
    toy_start(&toy, GUEST_DRIVE_FD);
    door_open(&door, "127.0.0.1");
    guest_address_t address;
    guest_listener_info_t info = {.struct_size = sizeof info};
    ASSERT_OK(guest_listener_info(toy.g, door.id, &info));
    address = info.local;
    MUST(pipe(fds));
    add_fd(&toy, fds[0], 0, &dead);
    MUST(close(fds[0])); /* the next number that is free */
    guest_stream_options_t options = wire_options(0);
    ASSERT_OK(guest_stream_connect_to(toy.g, &address, 1, &options, &client, wire_drop, &client.id));
    RUN_UNTIL(&toy, client.opened == 1 || client.closed);
    ASSERT_EQ_U64(1, client.opened);
    MUST(close(fds[1]));
    toy_end(&toy);
}

/* The same of what is bound and accepted. */
TEST(stream_sockets_with_the_numbers_of_dead_sources)
{
    toy_t toy = {0};
    wire_t wire = WIRE(&toy);
    door_t door = {.toy = &toy, .wires = &wire, .count = 1};
    guest_stream_options_t options = wire_options(0);
    guest_id_t mailbox;
    int client = (int)MUST(socket(AF_INET, SOCK_STREAM, 0)), numbers[3], dead[3];
    for (int i = 0; i < 3; i++)
        numbers[i] = dead[i] = (int)MUST(eventfd(0, 0));
    toy_start(&toy, GUEST_DRIVE_FD);
    for (int i = 0; i < 3; i++)
        ASSERT_OK(guest_fd_add(toy.g, dead[i], 0, on_fd, NULL, NULL, NULL));
    MUST(close(numbers[0])); /* the lowest number that is free, each time */
    door_open(&door, "127.0.0.1");
    guest_listener_info_t info = {.struct_size = sizeof info};
    ASSERT_OK(guest_listener_info(toy.g, door.id, &info));
    ASSERT_EQ_I64(numbers[0], info.fd);
    MUST(close(numbers[1]));
    guest_udp_info_t bound = {.struct_size = sizeof bound};
    ASSERT_OK(guest_udp_bind(toy.g, "127.0.0.1", NULL, 0, on_datagram, NULL, NULL, &mailbox));
    ASSERT_OK(guest_udp_info(toy.g, mailbox, &bound));
    ASSERT_EQ_I64(numbers[1], bound.fd);
    MUST(close(numbers[2]));
    MUST(connect(client, (const struct sockaddr *)(const void *)info.local.sockaddr, info.local.length));
    RUN_UNTIL(&toy, door.taken == 1);
    guest_stream_info_t taken = {.struct_size = sizeof taken};
    ASSERT_OK(guest_stream_info(toy.g, wire.id, &taken));
    ASSERT_EQ_I64(numbers[2], taken.fd);
    MUST(send(client, "x", 1, 0));
    RUN_UNTIL(&toy, wire.received == 1);
    /* One that is alive is still in the way. */
    ASSERT_STATUS(GUEST_EEXIST, guest_stream_adopt(toy.g, taken.fd, &options, NULL, NULL, NULL));
    toy_end(&toy);
    MUST(close(client));
}

TEST(stream_round_trip)
{
    for (uint32_t drive = GUEST_DRIVE_THREAD; drive <= GUEST_DRIVE_FD; drive++) {
        round_trip(drive, "127.0.0.1");
        round_trip(drive, "localhost");
    }
}

TEST(stream_unix_round_trip)
{
    toy_t toy = {0};
    wire_t server = {.toy = &toy, .act = echo}, client = WIRE(&toy);
    door_t door = {.toy = &toy, .wires = &server, .count = 1};
    guest_stream_options_t options = wire_options(GUEST_STREAM_NODELAY); /* which a Unix socket does without */
    char path[64];
    snprintf(path, sizeof path, "/tmp/asyncguest-%d.sock", (int)getpid());
    toy_start(&toy, GUEST_DRIVE_FD);
    ASSERT_OK(guest_listener_unix(toy.g, path, NULL, door_offer, &door, door_drop, &door.id));
    ASSERT_STATUS(GUEST_EOS, guest_listener_unix(toy.g, path, NULL, door_offer, &door, door_drop, NULL));
    ASSERT_OK(guest_stream_connect_unix(toy.g, path, &options, &client, wire_drop, &client.id));
    wire_write(&client, 500000);
    RUN_UNTIL(&toy, client.received == 500000);
    ASSERT_EQ_U64(pattern_digest(500000), client.digest);
    ASSERT_OK(guest_stream_close(toy.g, client.id));
    RUN_UNTIL(&toy, client.drops && server.drops);
    ASSERT_OK(client.status);
    ASSERT_EQ_U64(0, client.ends); /* not read any more */
    toy_end(&toy);
    MUST(unlink(path));
}

TEST(stream_half_open_peer)
{
    toy_t toy = {0};
    wire_t wire = WIRE(&toy);
    int ends[2];
    uint64_t received = 0;
    tcp_pair(ends);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    wire_adopt(&wire, ends[0], 0);
    MUST(send(ends[1], "last", 4, 0));
    MUST(shutdown(ends[1], SHUT_WR));
    RUN_UNTIL(&toy, wire.ends == 1);
    ASSERT_EQ_U64(4, wire.received);
    loop_run_for(toy.loop, MS(3)); /* told once, and nothing keeps the guest busy */
    wire_write(&wire, 300000);
    RUN_UNTIL(&toy, (peer_read(ends[1], &received, NULL), received == 300000));
    RUN_UNTIL(&toy, wire.written[0] == 1);
    ASSERT_EQ_U64(0, wire.closed);
    ASSERT_OK(guest_stream_shutdown(toy.g, wire.id));
    RUN_UNTIL(&toy, wire.drops);
    ASSERT_OK(wire.status);
    ASSERT(peer_read(ends[1], &received, NULL));
    toy_end(&toy);
    MUST(close(ends[1]));
}

static void pause_it(wire_t *wire, told_t told, const void *data, size_t size)
{
    (void)data, (void)size;
    if (told == TOLD_READ)
        ASSERT_OK(guest_stream_pause(wire->toy->g, wire->id));
}

static void paused(uint32_t drive)
{
    toy_t toy = {0};
    wire_t wire = {.toy = &toy, .act = pause_it};
    int ends[2];
    unix_pair(ends);
    toy_start(&toy, drive);
    wire_adopt(&wire, ends[0], GUEST_STREAM_PAUSED);
    MUST(send(ends[1], "one", 3, 0));
    loop_run_for(toy.loop, MS(3));
    ASSERT_EQ_U64(0, wire.received);
    ASSERT_OK(guest_stream_resume(toy.g, wire.id));
    RUN_UNTIL(&toy, wire.received == 3);
    MUST(send(ends[1], "two", 3, 0)); /* its callback has paused it */
    loop_run_for(toy.loop, MS(3));
    ASSERT_EQ_U64(3, wire.received);
    ASSERT_OK(guest_stream_resume(toy.g, wire.id));
    ASSERT_OK(guest_stream_pause(toy.g, wire.id));
    MUST(close(ends[1]));
    loop_run_for(toy.loop, MS(3));
    ASSERT(wire.received == 3 && wire.ends == 0);
    ASSERT_OK(guest_stream_resume(toy.g, wire.id));
    RUN_UNTIL(&toy, wire.received == 6);
    ASSERT_OK(guest_stream_resume(toy.g, wire.id)); /* nothing that came was lost, nor was the end */
    RUN_UNTIL(&toy, wire.ends == 1);
    wire_close(&wire);
    toy_end(&toy);
}

TEST(stream_paused_at_any_moment)
{
    for (uint32_t drive = GUEST_DRIVE_THREAD; drive <= GUEST_DRIVE_FD; drive++)
        paused(drive);
}

static void water_of_a_slow_peer(uint32_t drive)
{
    toy_t toy = {0};
    wire_t wire = WIRE(&toy);
    int ends[2];
    uint64_t received = 0;
    uint32_t sum = 0;
    unix_pair(ends);
    toy_start(&toy, drive);
    wire_adopt(&wire, ends[0], 0);
    for (unsigned i = 0; i < 100; i++)
        wire_write(&wire, 10000);
    RUN_UNTIL(&toy, wire.highs == 1);
    ASSERT(wire.queued > 65536 && wire.lows == 0);
    while (received < 1000000) {
        peer_read(ends[1], &received, &sum);
        loop_run_for(toy.loop, MS(1));
    }
    RUN_UNTIL(&toy, wire.lows == 1 && wire.written[0] == 100);
    ASSERT(wire.queued <= 16384 && wire.highs == 1);
    ASSERT_EQ_U64(pattern_digest(1000000), sum);
    wire_close(&wire);
    toy_end(&toy);
    MUST(close(ends[1]));
}

TEST(stream_water_of_a_slow_peer)
{
    for (uint32_t drive = GUEST_DRIVE_THREAD; drive <= GUEST_DRIVE_FD; drive++)
        water_of_a_slow_peer(drive);
}

/* A gibibyte of the same mebibyte, which is lent and not copied: high water is told long before, and refuses nothing. */
static unsigned lent_told;

static void lent(guest_t *g, guest_id_t id, guest_status_t status, int32_t os_error, void *user_data)
{
    (void)g, (void)id, (void)os_error, (void)user_data;
    ASSERT_STATUS(GUEST_ECLOSED, status);
    lent_told++;
}

TEST(stream_a_gibibyte_queued)
{
    enum { WRITES = 1024, SIZE = 1 << 20 };
    static char bytes[SIZE];
    toy_t toy = {0};
    wire_t wire = WIRE(&toy);
    int ends[2];
    unix_pair(ends);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    wire_adopt(&wire, ends[0], 0);
    guest_buffer_t buffer = {bytes, SIZE};
    for (unsigned i = 0; i < WRITES; i++)
        ASSERT_OK(guest_stream_write(toy.g, wire.id, &buffer, 1, lent, NULL));
    RUN_UNTIL(&toy, wire.highs == 1);
    guest_stream_info_t info = {.struct_size = sizeof info};
    ASSERT_OK(guest_stream_info(toy.g, wire.id, &info));
    ASSERT_EQ_U64((uint64_t)WRITES * SIZE, info.queued + info.sent);
    ASSERT(info.queued > (uint64_t)(WRITES - 16) * SIZE);
    ASSERT_EQ_U64(0, lent_told);
    wire_close(&wire);
    ASSERT_EQ_U64(WRITES, lent_told);
    toy_end(&toy);
    MUST(close(ends[1]));
}

/* A callback that runs a nested loop keeps its view, whatever other streams read meanwhile. */
struct other {
    wire_t *wire;
    int peer;
};

static void nested(wire_t *wire, told_t told, const void *data, size_t size)
{
    struct other *other = wire->argument;
    if (told != TOLD_READ)
        return;
    ASSERT_EQ_U64(5, size);
    MUST(send(other->peer, "inner", 5, 0));
    RUN_UNTIL(wire->toy, other->wire->received == 5);
    ASSERT(memcmp("outer", data, 5) == 0);
}

static void nested_views(uint32_t drive)
{
    toy_t toy = {0};
    int first[2], second[2];
    unix_pair(first);
    unix_pair(second);
    wire_t inner = WIRE(&toy);
    struct other other = {&inner, second[1]};
    wire_t outer = {.toy = &toy, .act = nested, .argument = &other};
    toy_start(&toy, drive);
    wire_adopt(&outer, first[0], 0);
    wire_adopt(&inner, second[0], 0);
    MUST(send(first[1], "outer", 5, 0));
    RUN_UNTIL(&toy, outer.received == 5);
    wire_close(&outer);
    wire_close(&inner);
    toy_end(&toy);
    MUST(close(first[1]));
    MUST(close(second[1]));
}

TEST(stream_views_in_nested_loops)
{
    for (uint32_t drive = GUEST_DRIVE_THREAD; drive <= GUEST_DRIVE_FD; drive++)
        nested_views(drive);
}
