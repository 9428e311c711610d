#include "wire.h"

#include <netinet/tcp.h>

/* A write whose end is awaited. */
typedef struct note {
    wire_t *wire;
    unsigned number;
    char *bytes;
} note_t;

static wire_t *alive(guest_t *g, guest_id_t id, void *user_data)
{
    wire_t *wire = user_data;
    if (!pthread_equal(pthread_self(), wire->toy->loop->thread))
        FAIL("a stream told something on another thread than the host's");
    if (wire->closed || wire->drops)
        FAIL("a stream told something after its end");
    ASSERT(!wire->toy->g || g == wire->toy->g);
    ASSERT(wire->id == 0 || wire->id == id);
    wire->id = id;
    return wire;
}

static void act(wire_t *wire, told_t told, const void *data, size_t size)
{
    if (wire->act)
        wire->act(wire, told, data, size);
}

static void opened(guest_t *g, guest_id_t id, void *user_data)
{
    wire_t *wire = alive(g, id, user_data);
    ASSERT_EQ_U64(0, wire->opened++ + wire->received);
    act(wire, TOLD_OPENED, NULL, 0);
}

static uint32_t digest(uint32_t before, const void *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        before = (before ^ ((const unsigned char *)data)[i]) * 16777619u;
    return before;
}

static void told_read(guest_t *g, guest_id_t id, const void *data, size_t size, void *user_data)
{
    wire_t *wire = alive(g, id, user_data);
    ASSERT_EQ_U64(0, wire->ends);
    wire->received += size;
    wire->digest = digest(wire->digest, data, size);
    wire->ends += size == 0;
    act(wire, size ? TOLD_READ : TOLD_END, data, size);
}

static void water(guest_t *g, guest_id_t id, uint32_t level, uint64_t queued, void *user_data)
{
    wire_t *wire = alive(g, id, user_data);
    ASSERT_EQ_U64(wire->highs == wire->lows ? GUEST_WATER_HIGH : GUEST_WATER_LOW, level);
    *(level == GUEST_WATER_HIGH ? &wire->highs : &wire->lows) += 1;
    wire->queued = queued;
    act(wire, TOLD_WATER, NULL, 0);
}

static void closed(guest_t *g, guest_id_t id, guest_status_t status, int32_t os_error, void *user_data)
{
    wire_t *wire = alive(g, id, user_data);
    wire->closed = 1;
    wire->status = status;
    wire->os_error = os_error;
    act(wire, TOLD_CLOSED, NULL, 0);
}

void wire_written(guest_t *g, guest_id_t id, guest_status_t status, int32_t os_error, void *user_data)
{
    note_t *note = user_data;
    wire_t *wire = note->wire;
    if (!pthread_equal(pthread_self(), wire->toy->loop->thread))
        FAIL("the end of a write was told on another thread than the host's");
    ASSERT(g != NULL);
    ASSERT_EQ_U64(0, wire->closed + wire->drops); /* both come after all writes */
    ASSERT_EQ_U64(wire->next_written++, note->number);
    ASSERT(wire->id == 0 || wire->id == id);
    wire->written[status != GUEST_OK]++;
    wire->written_status = status;
    wire->written_error = os_error;
    memset(note->bytes, 0, 1); /* the bytes are ours again */
    free(note->bytes);
    free(note);
    act(wire, TOLD_WRITTEN, NULL, 0);
}

void wire_drop(void *user_data)
{
    wire_t *wire = user_data;
    if (!pthread_equal(pthread_self(), wire->toy->loop->thread))
        FAIL("a stream was dropped on another thread than the host's");
    ASSERT_EQ_U64(0, wire->drops++);
}

guest_stream_options_t wire_options(uint32_t flags)
{
    return (guest_stream_options_t){.struct_size = sizeof(guest_stream_options_t),
                                    .opened = opened,
                                    .read = told_read,
                                    .water = water,
                                    .closed = closed,
                                    .flags = flags};
}

static unsigned char pattern(uint64_t at)
{
    return (unsigned char)(at * 31 + (at >> 8) * 7 + 1);
}

size_t pattern_fill(char *bytes, uint64_t at, size_t size)
{
    for (size_t byte = 0; byte < size; byte++)
        bytes[byte] = (char)pattern(at + byte);
    return size;
}

uint32_t pattern_digest(uint64_t size)
{
    uint32_t result = 0;
    for (uint64_t at = 0; at < size; at++) {
        unsigned char byte = pattern(at);
        result = digest(result, &byte, 1);
    }
    return result;
}

void wire_write(wire_t *wire, size_t size)
{
    note_t *note = malloc(sizeof *note);
    ASSERT(note);
    *note = (note_t){wire, wire->writes++, malloc(size + 1)};
    ASSERT(note->bytes);
    wire->at += pattern_fill(note->bytes, wire->at, size);
    /* Of two parts, the first one empty now and then. */
    guest_buffer_t buffers[] = {{note->bytes, size / 3}, {note->bytes + size / 3, size - size / 3}};
    ASSERT_OK(guest_stream_write(wire->toy->g, wire->id, buffers, COUNT(buffers), wire_written, note));
}

guest_id_t wire_adopt(wire_t *wire, int fd, uint32_t flags)
{
    guest_stream_options_t options = wire_options(flags);
    ASSERT_OK(guest_stream_adopt(wire->toy->g, fd, &options, wire, wire_drop, &wire->id));
    return wire->id;
}

guest_id_t wire_connect(wire_t *wire, const char *node, uint16_t port)
{
    guest_stream_options_t options = wire_options(GUEST_STREAM_NODELAY | GUEST_STREAM_KEEPALIVE);
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    ASSERT_OK(guest_stream_connect(wire->toy->g, node, service, &options, wire, wire_drop, &wire->id));
    return wire->id;
}

void wire_close(wire_t *wire)
{
    if (guest_is_open(wire->toy->g, wire->id) == GUEST_OK)
        ASSERT_OK(guest_close(wire->toy->g, wire->id));
    RUN_UNTIL(wire->toy, wire->drops == 1);
}

void door_offer(guest_t *g, guest_id_t id, guest_status_t status, int32_t os_error, void *user_data)
{
    door_t *door = user_data;
    ASSERT_EQ_U64(0, door->drops);
    if (status != GUEST_OK) {
        ASSERT_STATUS(GUEST_EOS, status);
        door->refusals++;
        door->os_error = os_error;
    } else if (door->taken < door->count) {
        wire_t *wire = &door->wires[door->taken++];
        guest_stream_options_t options = wire_options(0);
        ASSERT_OK(guest_stream_accept(g, id, &options, wire, wire_drop, &wire->id));
        ASSERT_STATUS(GUEST_EORDER, guest_stream_accept(g, id, &options, wire, wire_drop, NULL));
    }
    if (door->act)
        door->act(door);
}

void door_drop(void *user_data)
{
    door_t *door = user_data;
    ASSERT_EQ_U64(0, door->drops++);
}

void door_open(door_t *door, const char *node)
{
    guest_listener_info_t info = {.struct_size = sizeof info};
    ASSERT_OK(guest_listener_tcp(door->toy->g, node, NULL, NULL, door_offer, door, door_drop, &door->id));
    ASSERT_OK(guest_listener_info(door->toy->g, door->id, &info));
    const struct sockaddr_in *name = (const void *)info.local.sockaddr; /* the port is at the same place for both */
    door->port = ntohs(name->sin_port);
    ASSERT(door->port != 0);
}

static void both_nonblocking(int ends[2])
{
    for (int i = 0; i < 2; i++)
        MUST(fcntl(ends[i], F_SETFL, O_NONBLOCK));
}

void unix_pair(int ends[2])
{
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    both_nonblocking(ends);
}

void tcp_pair(int ends[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = (int)MUST(socket(AF_INET, SOCK_STREAM, 0));
    MUST(bind(listener, (struct sockaddr *)&address, sizeof address));
    MUST(listen(listener, 1));
    MUST(getsockname(listener, (struct sockaddr *)&address, &length));
    ends[0] = (int)MUST(socket(AF_INET, SOCK_STREAM, 0));
    MUST(connect(ends[0], (struct sockaddr *)&address, sizeof address));
    ends[1] = (int)MUST(accept(listener, NULL, NULL));
    MUST(close(listener));
    both_nonblocking(ends);
}

bool peer_read(int peer, uint64_t *received, uint32_t *sum)
{
    char bytes[65536];
    ssize_t count;
    while ((count = recv(peer, bytes, sizeof bytes, 0)) > 0) {
        *received += (uint64_t)count;
        if (sum)
            *sum = digest(*sum, bytes, (size_t)count);
    }
    if (count < 0)
        ASSERT_EQ_I64(EAGAIN, errno);
    return count == 0;
}

void peer_reset(int peer)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    MUST(setsockopt(peer, SOL_SOCKET, SO_LINGER, &now, sizeof now));
    MUST(close(peer));
}
