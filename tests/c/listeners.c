/* Hazard: listeners. Nobody takes the connection, no fd is left for it, addresses that are taken or are none. */
#include "wire.h"

#include <sys/resource.h>
#include <sys/stat.h>

/* A connected socket of somebody else's. */
static int client_of(uint16_t port, int family)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT, .sin6_port = htons(port)};
    int client = (int)MUST(socket(family, SOCK_STREAM, 0));
    if (family == AF_INET)
        MUST(connect(client, (struct sockaddr *)&v4, sizeof v4));
    else
        MUST(connect(client, (struct sockaddr *)&v6, sizeof v6));
    MUST(fcntl(client, F_SETFL, O_NONBLOCK));
    return client;
}

TEST(listener_takes_both_families)
{
    toy_t toy = {0};
    wire_t wires[2] = {WIRE(&toy), WIRE(&toy)};
    door_t door = {.toy = &toy, .wires = wires, .count = 2};
    toy_start(&toy, GUEST_DRIVE_THREAD);
    door_open(&door, NULL);
    int v4 = client_of(door.port, AF_INET), v6 = client_of(door.port, AF_INET6);
    RUN_UNTIL(&toy, door.taken == 2);
    guest_listener_info_t info = {.struct_size = sizeof info};
    ASSERT_OK(guest_listener_info(toy.g, door.id, &info));
    ASSERT(info.accepted == 2 && info.fd >= 0);
    /* What it has accepted goes on without it. */
    ASSERT_OK(guest_close(toy.g, door.id));
    RUN_UNTIL(&toy, door.drops == 1);
    MUST(send(v4, "4", 1, 0));
    MUST(send(v6, "6", 1, 0));
    RUN_UNTIL(&toy, wires[0].received == 1 && wires[1].received == 1);
    toy_end(&toy);
    MUST(close(v4));
    MUST(close(v6));
}

TEST(listener_connection_that_nobody_takes_is_closed)
{
    toy_t toy = {0};
    door_t door = {.toy = &toy};
    guest_stream_options_t options = wire_options(0);
    uint64_t received = 0;
    toy_start(&toy, GUEST_DRIVE_FD);
    door_open(&door, "127.0.0.1");
    int client = client_of(door.port, AF_INET);
    RUN_UNTIL(&toy, peer_read(client, &received, NULL));
    ASSERT_STATUS(GUEST_EORDER,
                  guest_stream_accept(toy.g, door.id, &options, NULL, NULL, NULL)); /* not in its callback */
    ASSERT_STATUS(GUEST_ESTALE, guest_stream_accept(toy.g, 0, &options, NULL, NULL, NULL));
    toy_end(&toy);
    MUST(close(client));
}

static unsigned open_sockets(void)
{
    struct stat status;
    unsigned count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode);
    return count;
}

static unsigned others; /* sockets that are not the library's */
static pid_t child = -1;

static void fork_in_callback(door_t *door)
{
    child = (pid_t)MUST(fork());
    if (child == 0)
        guest_free(door->toy->g);
}

static guest_status_t deliver(toy_t *toy, guest_token_t token)
{
    guest_status_t status = guest_deliver_batch(toy->g, token);
    if (child == 0)
        _exit(open_sockets() == others ? 0 : 1); /* the callback has returned: the child's copy is gone */
    return status;
}

/* The child gives back the connection that is offered, too: its peer would not see the end while the child lives. */
TEST(listener_fork_in_its_callback)
{
    toy_t toy = {0};
    door_t door = {.toy = &toy, .act = fork_in_callback};
    uint64_t received = 0;
    int status;
    toy.deliver = deliver;
    others = open_sockets() + 1;
    toy_start(&toy, GUEST_DRIVE_FD);
    door_open(&door, "127.0.0.1");
    int client = client_of(door.port, AF_INET);
    RUN_UNTIL(&toy, child > 0);
    ASSERT_EQ_I64(child, MUST(waitpid(child, &status, 0)));
    ASSERT_EQ_I64(0, status);
    ASSERT(peer_read(client, &received, NULL));
    toy_end(&toy);
    MUST(close(client));
}

static void close_in_callback(door_t *door)
{
    ASSERT_OK(guest_close(door->toy->g, door->id));
    door->act = NULL;
}

TEST(listener_closed_in_its_own_callback)
{
    toy_t toy = {0};
    wire_t wire = WIRE(&toy);
    door_t door = {.toy = &toy, .wires = &wire, .count = 1, .act = close_in_callback};
    toy_start(&toy, GUEST_DRIVE_THREAD);
    door_open(&door, "127.0.0.1");
    int client = client_of(door.port, AF_INET), second = client_of(door.port, AF_INET);
    RUN_UNTIL(&toy, door.drops == 1);
    MUST(send(client, "x", 1, 0));
    RUN_UNTIL(&toy, wire.received == 1);
    ASSERT_EQ_U64(1, door.taken);
    toy_end(&toy);
    MUST(close(client));
    MUST(close(second));
}

/* No fd is left: it backs off, says so once, and takes what waits when there is one again. */
static void shortage(uint32_t drive)
{
    toy_t toy = {0};
    wire_t wires[2] = {WIRE(&toy), WIRE(&toy)};
    door_t door = {.toy = &toy, .wires = wires, .count = 2};
    struct rlimit before, none;
    int fillers[64], count = 0;
    toy_start(&toy, drive);
    door_open(&door, "127.0.0.1");
    int first = client_of(door.port, AF_INET), second = client_of(door.port, AF_INET);
    MUST(getrlimit(RLIMIT_NOFILE, &before));
    none = before;
    none.rlim_cur = (rlim_t)second + 8;
    MUST(setrlimit(RLIMIT_NOFILE, &none));
    while ((fillers[count] = dup(first)) >= 0)
        ASSERT(++count < (int)COUNT(fillers));
    ASSERT_EQ_I64(EMFILE, errno);

    RUN_UNTIL(&toy, door.refusals == 1);
    ASSERT_EQ_I64(EMFILE, door.os_error);
    loop_run_for(toy.loop, MS(20));
    uint64_t batches = toy_stats(&toy).batches;
    loop_run_for(toy.loop, MS(50));
    ASSERT(toy_stats(&toy).batches - batches < 10); /* it does not keep the host busy */
    loop_run_for(toy.loop, MS(200));
    ASSERT(door.refusals == 1 && door.taken == 0);

    ASSERT_OK(guest_listener_pause(toy.g, door.id));
    while (count > 0)
        MUST(close(fillers[--count]));
    MUST(setrlimit(RLIMIT_NOFILE, &before));
    loop_run_for(toy.loop, MS(150)); /* paused: it does not try */
    ASSERT_EQ_U64(0, door.taken);
    ASSERT_OK(guest_listener_resume(toy.g, door.id));
    RUN_UNTIL(&toy, door.taken == 2);
    ASSERT_EQ_U64(1, door.refusals);
    toy_end(&toy);
    MUST(close(first));
    MUST(close(second));
}

TEST(listener_without_an_fd_backs_off_and_recovers)
{
    for (uint32_t drive = GUEST_DRIVE_THREAD; drive <= GUEST_DRIVE_FD; drive++)
        shortage(drive);
}

static void pause_in_callback(door_t *door)
{
    ASSERT_OK(guest_listener_pause(door->toy->g, door->id));
    ASSERT_OK(guest_listener_resume(door->toy->g, door->id));
    ASSERT_OK(guest_listener_pause(door->toy->g, door->id));
}

/* While it is paused the backlog fills, and peers wait; nothing of it is lost. */
static void paused(uint32_t drive)
{
    toy_t toy = {0};
    wire_t wires[3] = {WIRE(&toy), WIRE(&toy), WIRE(&toy)};
    door_t door = {.toy = &toy, .wires = wires, .count = 3, .act = pause_in_callback};
    int clients[3];
    toy_start(&toy, drive);
    door_open(&door, "127.0.0.1");
    ASSERT_OK(guest_listener_resume(toy.g, door.id)); /* it is not paused */
    for (int i = 0; i < 3; i++)
        clients[i] = client_of(door.port, AF_INET);
    for (unsigned taken = 1; taken <= 3; taken++) {
        RUN_UNTIL(&toy, door.taken == taken); /* its callback has paused it */
        loop_run_for(toy.loop, MS(3));
        ASSERT_EQ_U64(taken, door.taken);
        ASSERT_OK(guest_listener_resume(toy.g, door.id));
    }
    ASSERT_OK(guest_listener_pause(toy.g, door.id));
    ASSERT_OK(guest_listener_pause(toy.g, door.id));
    int late = client_of(door.port, AF_INET);
    MUST(send(clients[2], "x", 1, 0));
    RUN_UNTIL(&toy, wires[2].received == 1); /* what was accepted goes on */
    ASSERT_STATUS(GUEST_ESTALE, guest_listener_pause(toy.g, wires[2].id));
    ASSERT_OK(guest_close(toy.g, door.id)); /* closed while it is paused */
    RUN_UNTIL(&toy, door.drops == 1);
    ASSERT_EQ_U64(3, door.taken);
    ASSERT_STATUS(GUEST_ESTALE, guest_listener_pause(toy.g, door.id));
    ASSERT_STATUS(GUEST_ESTALE, guest_listener_resume(toy.g, door.id));
    toy_end(&toy);
    for (int i = 0; i < 3; i++)
        MUST(close(clients[i]));
    MUST(close(late));
}

TEST(listener_paused_at_any_moment)
{
    for (uint32_t drive = GUEST_DRIVE_THREAD; drive <= GUEST_DRIVE_FD; drive++)
        paused(drive);
}

/* Its callback pauses and resumes it, and waits in a nested loop: it is not offered the next one inside that. */
static unsigned depth;

static void nests(door_t *door)
{
    ASSERT_EQ_U64(0, depth++);
    ASSERT_OK(guest_listener_pause(door->toy->g, door->id));
    loop_run_for(door->toy->loop, MS(3)); /* it has become ready, but is paused */
    ASSERT_OK(guest_listener_resume(door->toy->g, door->id));
    loop_run_for(door->toy->loop, MS(3));
    depth--;
}

TEST(listener_paused_in_a_nested_loop)
{
    toy_t toy = {0};
    wire_t wires[2] = {WIRE(&toy), WIRE(&toy)};
    door_t door = {.toy = &toy, .wires = wires, .count = 2, .act = nests};
    toy_start(&toy, GUEST_DRIVE_THREAD);
    door_open(&door, "127.0.0.1");
    int first = client_of(door.port, AF_INET), second = client_of(door.port, AF_INET);
    RUN_UNTIL(&toy, door.taken == 2 && depth == 0);
    toy_end(&toy);
    MUST(close(first));
    MUST(close(second));
}

TEST(listener_adopted)
{
    toy_t toy = {0};
    wire_t wire = WIRE(&toy);
    door_t door = {.toy = &toy, .wires = &wire, .count = 1};
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = (int)MUST(socket(AF_INET, SOCK_STREAM, 0));
    toy_start(&toy, GUEST_DRIVE_THREAD);
    ASSERT_STATUS(GUEST_EINVAL, guest_listener_adopt(toy.g, listener, door_offer, &door, door_drop, NULL));
    MUST(bind(listener, (struct sockaddr *)&name, sizeof name));
    MUST(listen(listener, 5));
    ASSERT_OK(guest_listener_adopt(toy.g, listener, door_offer, &door, door_drop, &door.id));
    ASSERT_STATUS(GUEST_EEXIST, guest_listener_adopt(toy.g, listener, door_offer, &door, door_drop, NULL));
    guest_listener_info_t info = {.struct_size = sizeof info};
    ASSERT_OK(guest_listener_info(toy.g, door.id, &info));
    memcpy(&name, info.local.sockaddr, sizeof name);
    int client = client_of(ntohs(name.sin_port), AF_INET);
    RUN_UNTIL(&toy, door.taken == 1);
    toy_end(&toy);
    ASSERT_EQ_I64(-1, fcntl(listener, F_GETFD)); /* closed with its listener */
    MUST(close(client));
}

TEST(listener_refused)
{
    toy_t toy = {0};
    door_t door = {.toy = &toy};
    guest_listener_options_t options = {.struct_size = sizeof options, .flags = 4};
    guest_listener_info_t info = {.struct_size = sizeof info};
    guest_id_t id = 77;
    char port[8];
    toy_start(&toy, GUEST_DRIVE_THREAD);
    door_open(&door, "127.0.0.1");
    snprintf(port, sizeof port, "%u", door.port);
    ASSERT_STATUS(GUEST_EOS, guest_listener_tcp(toy.g, "127.0.0.1", port, NULL, door_offer, &door, door_drop, &id));
    int32_t os_error;
    ASSERT_OK(guest_last_error(NULL, &os_error, NULL, 0, NULL));
    ASSERT_EQ_I64(EADDRINUSE, os_error);
    ASSERT_STATUS(GUEST_EINVAL, guest_listener_tcp(toy.g, "localhost", port, NULL, door_offer, &door, door_drop, &id));
    ASSERT_STATUS(GUEST_EINVAL, guest_listener_tcp(toy.g, NULL, "http", NULL, door_offer, &door, door_drop, &id));
    ASSERT_STATUS(GUEST_EFLAGS, guest_listener_tcp(toy.g, NULL, NULL, &options, door_offer, &door, door_drop, &id));
    options.struct_size = 8;
    ASSERT_STATUS(GUEST_ESIZE, guest_listener_tcp(toy.g, NULL, NULL, &options, door_offer, &door, door_drop, &id));
    ASSERT_STATUS(GUEST_EINVAL, guest_listener_unix(toy.g, "", NULL, door_offer, &door, door_drop, &id));
    ASSERT_STATUS(GUEST_ESTALE, guest_listener_info(toy.g, 0, &info));
    ASSERT_EQ_U64(77, id);
    ASSERT_EQ_U64(0, door.drops);
    toy_end(&toy);
}
