/* Hazard: streams and listeners that are called wrongly: NULL, a wrong fd, a wrong thread, a wrong guest, a fork. What is refused
 * leaves no trace: no drop function runs, and an fd stays its owner's. */
#include "wire.h"

#define ENULL(call) ASSERT_STATUS(GUEST_ENULL, call)

TEST(null_stream)
{
    toy_t toy = {0};
    wire_t wire = WIRE(&toy);
    guest_stream_options_t options = wire_options(0), without = wire_options(0);
    guest_address_t address = {0};
    guest_stream_info_t info = {.struct_size = sizeof info};
    guest_buffer_t nothing = {NULL, 0}, null = {NULL, 1};
    guest_id_t id = 77;
    int ends[2];
    without.closed = NULL;
    unix_pair(ends);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    ENULL(guest_stream_connect(NULL, "127.0.0.1", "1", &options, &wire, wire_drop, &id));
    ENULL(guest_stream_connect(toy.g, "127.0.0.1", "1", NULL, &wire, wire_drop, &id));
    ENULL(guest_stream_connect(toy.g, "127.0.0.1", "1", &without, &wire, wire_drop, &id));
    ASSERT_STATUS(GUEST_EINVAL, guest_stream_connect(toy.g, NULL, NULL, &options, &wire, wire_drop, &id));
    ENULL(guest_stream_connect_to(NULL, &address, 1, &options, &wire, wire_drop, &id));
    ENULL(guest_stream_connect_to(toy.g, NULL, 1, &options, &wire, wire_drop, &id));
    ENULL(guest_stream_connect_to(toy.g, &address, 1, NULL, &wire, wire_drop, &id));
    ASSERT_STATUS(GUEST_EINVAL, guest_stream_connect_to(toy.g, NULL, 0, &options, &wire, wire_drop, &id));
    address.length = 129;
    ASSERT_STATUS(GUEST_EINVAL, guest_stream_connect_to(toy.g, &address, 1, &options, &wire, wire_drop, &id));
    ENULL(guest_stream_connect_unix(NULL, "/tmp/x", &options, &wire, wire_drop, &id));
    ENULL(guest_stream_connect_unix(toy.g, NULL, &options, &wire, wire_drop, &id));
    ENULL(guest_stream_connect_unix(toy.g, "/tmp/x", NULL, &wire, wire_drop, &id));
    ASSERT_STATUS(GUEST_EINVAL, guest_stream_connect_unix(toy.g, "", &options, &wire, wire_drop, &id));
    ENULL(guest_stream_adopt(NULL, ends[0], &options, &wire, wire_drop, &id));
    ENULL(guest_stream_adopt(toy.g, ends[0], NULL, &wire, wire_drop, &id));
    ENULL(guest_stream_accept(NULL, 1, &options, &wire, wire_drop, &id));
    ENULL(guest_stream_accept(toy.g, 1, NULL, &wire, wire_drop, &id));
    ASSERT_EQ_U64(77, id);

    wire_adopt(&wire, ends[0], 0);
    ENULL(guest_stream_write(NULL, wire.id, &nothing, 1, NULL, NULL));
    ENULL(guest_stream_write(toy.g, wire.id, NULL, 1, NULL, NULL));
    ENULL(guest_stream_write(toy.g, wire.id, &null, 1, NULL, NULL));
    null.size = SIZE_MAX;
    ASSERT_STATUS(GUEST_EINVAL, guest_stream_write(toy.g, wire.id, &null, 1, NULL, NULL));
    ASSERT_OK(guest_stream_write(toy.g, wire.id, &nothing, 1, NULL, NULL));
    ASSERT_OK(guest_stream_write(toy.g, wire.id, NULL, 0, NULL, NULL));
    ENULL(guest_stream_pause(NULL, wire.id));
    ENULL(guest_stream_resume(NULL, wire.id));
    ENULL(guest_stream_shutdown(NULL, wire.id));
    ENULL(guest_stream_close(NULL, wire.id));
    ENULL(guest_stream_info(NULL, wire.id, &info));
    ENULL(guest_stream_info(toy.g, wire.id, NULL));
    info.struct_size = 0;
    ASSERT_STATUS(GUEST_ESIZE, guest_stream_info(toy.g, wire.id, &info));
    toy_end(&toy);
    MUST(close(ends[1]));
}

TEST(null_listener)
{
    toy_t toy = {0};
    door_t door = {.toy = &toy};
    guest_listener_info_t info = {.struct_size = sizeof info};
    guest_id_t id = 77;
    toy_start(&toy, GUEST_DRIVE_THREAD);
    ENULL(guest_listener_tcp(NULL, NULL, NULL, NULL, door_offer, &door, door_drop, &id));
    ENULL(guest_listener_tcp(toy.g, NULL, NULL, NULL, NULL, &door, door_drop, &id));
    ENULL(guest_listener_unix(NULL, "/tmp/x", NULL, door_offer, &door, door_drop, &id));
    ENULL(guest_listener_unix(toy.g, NULL, NULL, door_offer, &door, door_drop, &id));
    ENULL(guest_listener_unix(toy.g, "/tmp/x", NULL, NULL, &door, door_drop, &id));
    ENULL(guest_listener_adopt(NULL, 0, door_offer, &door, door_drop, &id));
    ENULL(guest_listener_adopt(toy.g, 0, NULL, &door, door_drop, &id));
    ENULL(guest_listener_info(NULL, 1, &info));
    ENULL(guest_listener_pause(NULL, 1));
    ENULL(guest_listener_resume(NULL, 1));
    ASSERT_EQ_U64(77, id);
    door_open(&door, "127.0.0.1");
    ENULL(guest_listener_info(toy.g, door.id, NULL));
    toy_end(&toy);
}

TEST(stream_of_a_wrong_fd)
{
    toy_t toy = {0};
    wire_t wire = WIRE(&toy);
    guest_stream_options_t options = wire_options(0);
    guest_id_t id = 77;
    channel_t pipe = channel_open();
    int ends[2], datagrams = (int)MUST(socket(AF_INET, SOCK_DGRAM, 0)),
                 listener = (int)MUST(socket(AF_INET, SOCK_STREAM, 0));
    MUST(listen(listener, 1));
    unix_pair(ends);
    toy_start(&toy, GUEST_DRIVE_FD);
    const struct {
        int fd;
        guest_status_t status;
        int32_t os_error;
    } wrong[] = {{-1, GUEST_EOS, EBADF},
                 {1000000, GUEST_EOS, EBADF},
                 {pipe.in, GUEST_EOS, ENOTSOCK},
                 {datagrams, GUEST_EINVAL, 0},
                 {listener, GUEST_EINVAL, 0}};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        int32_t os_error;
        ASSERT_STATUS(wrong[i].status, guest_stream_adopt(toy.g, wrong[i].fd, &options, &wire, wire_drop, &id));
        ASSERT_OK(guest_last_error(NULL, &os_error, NULL, 0, NULL));
        ASSERT_EQ_I64(wrong[i].os_error, os_error);
    }
    options.low_water = 3, options.high_water = 2;
    ASSERT_STATUS(GUEST_EINVAL, guest_stream_adopt(toy.g, ends[0], &options, &wire, wire_drop, &id));
    options = wire_options(8);
    ASSERT_STATUS(GUEST_EFLAGS, guest_stream_adopt(toy.g, ends[0], &options, &wire, wire_drop, &id));
    options = wire_options(0);
    options.struct_size--;
    ASSERT_STATUS(GUEST_ESIZE, guest_stream_adopt(toy.g, ends[0], &options, &wire, wire_drop, &id));
    ASSERT_EQ_U64(77, id);
    MUST(fcntl(ends[0], F_GETFD)); /* still its owner's */

    wire_adopt(&wire, ends[0], 0);
    options = wire_options(0);
    ASSERT_STATUS(GUEST_EEXIST, guest_stream_adopt(toy.g, ends[0], &options, &wire, wire_drop, &id));
    ASSERT_STATUS(GUEST_EEXIST, guest_fd_add(toy.g, ends[0], GUEST_READABLE, on_fd, NULL, NULL, NULL));
    MUST(send(ends[1], "x", 1, 0));
    RUN_UNTIL(&toy, wire.received == 1);
    toy_end(&toy);
    MUST(close(ends[1]));
    MUST(close(datagrams));
    MUST(close(listener));
    channel_close(&pipe);
}

static void never_datagram(guest_t *g, guest_id_t id, guest_status_t status, int32_t os_error,
                           const guest_address_t *from, const void *data, size_t size, void *user_data)
{
    (void)g, (void)id, (void)status, (void)os_error, (void)from, (void)data, (void)size, (void)user_data;
    FAIL("something that was refused has run");
}

static bool blocks(int fd)
{
    return !(MUST(fcntl(fd, F_GETFL)) & O_NONBLOCK);
}

/* Adopting fails late: the fd is as its owner has left it. */
TEST(stream_refused_adoption_leaves_no_trace)
{
    toy_t toy = {0};
    guest_stream_options_t options = wire_options(0);
    int fds[3] = {(int)MUST(socket(AF_UNIX, SOCK_STREAM, 0)), (int)MUST(socket(AF_INET, SOCK_STREAM, 0)),
                  (int)MUST(socket(AF_INET, SOCK_DGRAM, 0))};
    guest_id_t watches[3];
    MUST(listen(fds[1], 1));
    toy_start(&toy, GUEST_DRIVE_FD);
    for (int i = 0; i < 3; i++)
        ASSERT_OK(guest_fd_add(toy.g, fds[i], 0, on_fd, NULL, NULL, &watches[i]));
    ASSERT_STATUS(GUEST_EEXIST, guest_stream_adopt(toy.g, fds[0], &options, NULL, NULL, NULL));
    ASSERT_STATUS(GUEST_EEXIST, guest_listener_adopt(toy.g, fds[1], door_offer, NULL, NULL, NULL));
    ASSERT_STATUS(GUEST_EEXIST, guest_udp_adopt(toy.g, fds[2], never_datagram, NULL, NULL, NULL));
    ASSERT(blocks(fds[0]) && blocks(fds[1]) && blocks(fds[2]));
    toy_end(&toy);
    for (int i = 0; i < 3; i++)
        MUST(close(fds[i]));
}

TEST(stream_in_a_pull_guest)
{
    guest_options_t pull = options_for(GUEST_DRIVE_FD);
    guest_stream_options_t options = wire_options(0);
    int ends[2];
    guest_t *g;
    unix_pair(ends);
    pull.flags = GUEST_FLAG_PULL;
    ASSERT_OK(guest_start(NULL, &pull, &g));
    ASSERT_STATUS(GUEST_EDRIVE, guest_stream_adopt(g, ends[0], &options, NULL, wire_drop, NULL));
    ASSERT_STATUS(GUEST_EDRIVE, guest_stream_connect(g, "::1", "1", &options, NULL, wire_drop, NULL));
    ASSERT_STATUS(GUEST_EDRIVE, guest_udp_bind(g, NULL, NULL, 0, NULL, NULL, door_drop, NULL));
    ASSERT_STATUS(GUEST_EDRIVE, guest_listener_tcp(g, NULL, NULL, NULL, NULL, NULL, door_drop, NULL));
    guest_free(g);
    MUST(close(ends[0]));
    MUST(close(ends[1]));
}

/* Every function on another thread, in a forked child, of a guest that was cancelled: each says so and does nothing. */
typedef struct subject {
    wire_t wire;
    door_t door;
    guest_id_t mailbox;
    guest_status_t status;
} subject_t;

static void *all_refused(void *argument)
{
    subject_t *s = argument;
    guest_t *g = s->wire.toy->g;
    guest_stream_options_t options = wire_options(0);
    guest_address_t address = {.length = 16};
    guest_buffer_t buffer = {"x", 1};
    ASSERT_STATUS(s->status, guest_stream_connect(g, "::1", "1", &options, s, door_drop, NULL));
    ASSERT_STATUS(s->status, guest_stream_connect_to(g, &address, 1, &options, s, door_drop, NULL));
    ASSERT_STATUS(s->status, guest_stream_connect_unix(g, "/tmp/x", &options, s, door_drop, NULL));
    ASSERT_STATUS(s->status, guest_stream_adopt(g, 0, &options, s, door_drop, NULL));
    ASSERT_STATUS(s->status, guest_stream_accept(g, s->door.id, &options, s, door_drop, NULL));
    ASSERT_STATUS(s->status, guest_stream_write(g, s->wire.id, &buffer, 1, wire_written, s));
    ASSERT_STATUS(s->status, guest_stream_pause(g, s->wire.id));
    ASSERT_STATUS(s->status, guest_stream_resume(g, s->wire.id));
    ASSERT_STATUS(s->status, guest_stream_shutdown(g, s->wire.id));
    ASSERT_STATUS(s->status, guest_stream_close(g, s->wire.id));
    ASSERT_STATUS(s->status, guest_listener_tcp(g, NULL, NULL, NULL, door_offer, s, door_drop, NULL));
    ASSERT_STATUS(s->status, guest_listener_unix(g, "/tmp/x", NULL, door_offer, s, door_drop, NULL));
    ASSERT_STATUS(s->status, guest_listener_adopt(g, 0, door_offer, s, door_drop, NULL));
    ASSERT_STATUS(s->status, guest_listener_pause(g, s->door.id));
    ASSERT_STATUS(s->status, guest_listener_resume(g, s->door.id));
    ASSERT_STATUS(s->status, guest_udp_bind(g, NULL, NULL, 0, never_datagram, s, door_drop, NULL));
    ASSERT_STATUS(s->status, guest_udp_adopt(g, 0, never_datagram, s, door_drop, NULL));
    ASSERT_STATUS(s->status, guest_udp_send(g, s->mailbox, &address, &buffer, 1));
    if (s->status != GUEST_ECLOSED) {
        guest_udp_info_t udp = {.struct_size = sizeof udp};
        ASSERT_STATUS(s->status, guest_udp_info(g, s->mailbox, &udp));
        guest_stream_info_t info = {.struct_size = sizeof info};
        guest_listener_info_t listener = {.struct_size = sizeof listener};
        ASSERT_STATUS(s->status, guest_stream_info(g, s->wire.id, &info));
        ASSERT_STATUS(s->status, guest_listener_info(g, s->door.id, &listener));
    }
    return NULL;
}

static void in_child(void *argument)
{
    subject_t *s = argument;
    s->status = GUEST_EFORKED;
    all_refused(s);
    uint64_t before = open_fds();
    guest_free(s->wire.toy->g); /* gives the child's copies of all sockets back, and tells nobody anything */
    /* The stream, the listener, the UDP socket; poller and alarm; in drive THREAD the latch, its kick and limit. The waker's eventfd stays:
     * docs/abi.md. */
    ASSERT_EQ_U64(before - (s->wire.toy->drive == GUEST_DRIVE_THREAD ? 8 : 5), open_fds());
    ASSERT_EQ_U64(0, s->wire.drops + s->door.drops + s->wire.written[0] + s->wire.written[1]);
}

static void refused(uint32_t drive)
{
    toy_t toy = {0};
    subject_t s = {.wire = WIRE(&toy), .door = {.toy = &toy}, .status = GUEST_ETHREAD};
    int ends[2];
    uint64_t received = 0;
    unix_pair(ends);
    toy_start(&toy, drive);
    wire_adopt(&s.wire, ends[0], 0);
    door_open(&s.door, "127.0.0.1");
    ASSERT_OK(guest_udp_bind(toy.g, NULL, NULL, 0, never_datagram, NULL, NULL, &s.mailbox));
    wire_write(&s.wire, 1000000);
    join(spawn(all_refused, &s));
    ASSERT_EQ_I64(0, in_fork(in_child, &s));

    /* The parent's stream is unharmed. */
    RUN_UNTIL(&toy, (peer_read(ends[1], &received, NULL), received == 1000000));
    RUN_UNTIL(&toy, s.wire.written[0] == 1);
    ASSERT_OK(guest_cancel(toy.g));
    s.status = GUEST_ECLOSED;
    all_refused(&s);
    toy_end(&toy);
    ASSERT(s.wire.drops == 1 && s.door.drops == 1);
    ASSERT(peer_read(ends[1], &received, NULL)); /* no copy keeps the connection open */
    MUST(close(ends[1]));
}

TEST(stream_refused_on_another_thread_in_a_fork_and_after_cancel)
{
    for (uint32_t drive = GUEST_DRIVE_THREAD; drive <= GUEST_DRIVE_FD; drive++)
        refused(drive);
}
