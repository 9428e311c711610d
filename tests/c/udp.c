/* Hazard: datagrams. Whole, with the address they came from; what could not be sent or has come to nothing is said. */
#include "toy.h"

#include <netinet/in.h>

typedef struct mailbox mailbox_t;
struct mailbox {
    toy_t *toy;
    guest_id_t id;
    guest_address_t local, from;
    void (*act)(mailbox_t *mailbox, const void *data, size_t size);
    unsigned calls, failures, drops;
    int32_t os_error;
    size_t size, total;
};

static void received(guest_t *g, guest_id_t id, guest_status_t status, int32_t os_error, const guest_address_t *from,
                     const void *data, size_t size, void *user_data)
{
    mailbox_t *mailbox = user_data;
    if (!pthread_equal(pthread_self(), mailbox->toy->loop->thread))
        FAIL("a datagram was told on another thread than the host's");
    ASSERT(g == mailbox->toy->g && id == mailbox->id);
    ASSERT_EQ_U64(0, mailbox->drops);
    if (status != GUEST_OK) {
        ASSERT_STATUS(GUEST_EOS, status);
        ASSERT(!from && !data && !size);
        mailbox->failures++;
        mailbox->os_error = os_error;
        return;
    }
    mailbox->calls++;
    mailbox->from = *from;
    mailbox->size = size;
    mailbox->total += size;
    if (mailbox->act)
        mailbox->act(mailbox, data, size);
}

static void dropped(void *user_data)
{
    mailbox_t *mailbox = user_data;
    ASSERT_EQ_U64(0, mailbox->drops++);
}

static void open_at(mailbox_t *mailbox, const char *node, uint32_t flags)
{
    guest_udp_info_t info = {.struct_size = sizeof info};
    ASSERT_OK(guest_udp_bind(mailbox->toy->g, node, NULL, flags, received, mailbox, dropped, &mailbox->id));
    ASSERT_OK(guest_udp_info(mailbox->toy->g, mailbox->id, &info));
    mailbox->local = info.local;
}

static guest_status_t send_to(mailbox_t *mailbox, const guest_address_t *to, const void *data, size_t size)
{
    guest_buffer_t halves[] = {{data, size / 2}, {(const char *)data + size / 2, size - size / 2}};
    return guest_udp_send(mailbox->toy->g, mailbox->id, to, halves, COUNT(halves));
}

static void answer(mailbox_t *mailbox, const void *data, size_t size)
{
    ASSERT_OK(send_to(mailbox, &mailbox->from, data, size));
}

static void round_trip(uint32_t drive, const char *server_node, const char *client_node)
{
    static char bytes[65507];
    toy_t toy = {0};
    mailbox_t server = {.toy = &toy, .act = answer}, client = {.toy = &toy};
    toy_start(&toy, drive);
    open_at(&server, server_node, 0);
    open_at(&client, client_node, GUEST_UDP_BROADCAST);
    const size_t sizes[] = {1, 0, 1400, sizeof bytes};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        ASSERT_OK(send_to(&client, &server.local, bytes, sizes[i]));
        RUN_UNTIL(&toy, client.calls == i + 1);
        ASSERT_EQ_U64(sizes[i], client.size);
        ASSERT_EQ_U64(sizes[i], server.size);
    }
    guest_udp_info_t info = {.struct_size = sizeof info};
    ASSERT_OK(guest_udp_info(toy.g, client.id, &info));
    ASSERT(info.sent == COUNT(sizes) && info.received == COUNT(sizes) && info.fd >= 0);
    ASSERT_OK(guest_close(toy.g, server.id));
    RUN_UNTIL(&toy, server.drops == 1);
    toy_end(&toy);
    ASSERT_EQ_U64(1, client.drops);
}

TEST(udp_round_trip)
{
    for (uint32_t drive = GUEST_DRIVE_THREAD; drive <= GUEST_DRIVE_FD; drive++) {
        round_trip(drive, "127.0.0.1", "127.0.0.1");
        round_trip(drive, "::1", "::1");
        round_trip(drive, "127.0.0.1", NULL); /* IPv4 from a socket for both */
    }
}

static void in_order(mailbox_t *mailbox, const void *data, size_t size)
{
    ASSERT_EQ_U64(1, size);
    ASSERT_EQ_U64(mailbox->calls - 1, *(const unsigned char *)data);
}

/* Many that wait at once come one by one, in order. */
TEST(udp_burst)
{
    toy_t toy = {0};
    mailbox_t server = {.toy = &toy, .act = in_order}, client = {.toy = &toy};
    probe_t timer = {.toy = &toy};
    toy_start(&toy, GUEST_DRIVE_THREAD);
    open_at(&server, "127.0.0.1", 0);
    open_at(&client, "127.0.0.1", 0);
    for (unsigned char i = 0; i < 100; i++)
        ASSERT_OK(send_to(&client, &server.local, &i, 1));
    add_timer(&toy, 0, 0, &timer);
    RUN_UNTIL(&toy, server.calls == 100 && timer.drops == 1);
    toy_end(&toy);
}

static void to_itself(mailbox_t *mailbox, const void *data, size_t size)
{
    ASSERT_OK(send_to(mailbox, &mailbox->local, data, size));
}

static void counts(probe_t *probe)
{
    const mailbox_t *mailbox = probe->argument;
    probe->total = mailbox->calls;
    ASSERT_OK(guest_cancel(probe->toy->g));
}

TEST(udp_that_never_ends_leaves_a_timer_its_turn)
{
    toy_t toy = {0};
    mailbox_t mailbox = {.toy = &toy, .act = to_itself};
    probe_t timer = {.toy = &toy, .act = counts, .argument = &mailbox};
    guest_options_t options = patient_options_for(GUEST_DRIVE_FD);
    toy_start_on(&toy, NULL, &options);
    open_at(&mailbox, "127.0.0.1", 0);
    ASSERT_OK(send_to(&mailbox, &mailbox.local, "x", 1));
    add_timer(&toy, 0, 0, &timer);
    toy_deliver(&toy, 0);
    ASSERT_EQ_U64(1, timer.calls);
    ASSERT(timer.total <= 32);
    toy_end(&toy);
}

/* One that is longer than any of UDP: the other kind of socket that guest_udp_adopt takes has them. */
TEST(udp_that_is_cut_is_not_told_as_whole)
{
    toy_t toy = {0};
    mailbox_t mailbox = {.toy = &toy};
    static char bytes[100000];
    int ends[2];
    ASSERT_EQ_I64(0, socketpair(AF_UNIX, SOCK_DGRAM, 0, ends));
    toy_start(&toy, GUEST_DRIVE_FD);
    ASSERT_OK(guest_udp_adopt(toy.g, ends[0], received, &mailbox, dropped, &mailbox.id));
    ASSERT_EQ_I64(sizeof bytes, send(ends[1], bytes, sizeof bytes, 0));
    ASSERT_EQ_I64(5, send(ends[1], bytes, 5, 0));
    RUN_UNTIL(&toy, mailbox.calls == 1);
    ASSERT_EQ_U64(1, mailbox.failures);
    ASSERT_EQ_I64(EMSGSIZE, mailbox.os_error);
    ASSERT_EQ_U64(5, mailbox.size);
    close(ends[1]);
    toy_end(&toy);
}

TEST(udp_that_comes_to_nothing)
{
    toy_t toy = {0};
    mailbox_t gone = {.toy = &toy}, client = {.toy = &toy};
    guest_udp_info_t info = {.struct_size = sizeof info};
    static char bytes[70000];
    int32_t os_error;
    toy_start(&toy, GUEST_DRIVE_FD);
    open_at(&gone, "127.0.0.1", 0);
    open_at(&client, "127.0.0.1", 0);
    ASSERT_STATUS(GUEST_EOS, send_to(&client, &gone.local, bytes, sizeof bytes));
    ASSERT_OK(guest_last_error(NULL, &os_error, NULL, 0, NULL));
    ASSERT_EQ_I64(EMSGSIZE, os_error);
    ASSERT_STATUS(GUEST_EOS, send_to(&client, NULL, bytes, 1)); /* connected to nobody */

    ASSERT_OK(guest_udp_info(toy.g, client.id, &info));
    MUST(connect(info.fd, (const struct sockaddr *)(const void *)gone.local.sockaddr, gone.local.length));
    ASSERT_OK(guest_close(toy.g, gone.id));
    ASSERT_OK(send_to(&client, NULL, "x", 1));
    RUN_UNTIL(&toy, client.failures == 1);
    ASSERT_EQ_I64(ECONNREFUSED, client.os_error);
    ASSERT_EQ_U64(0, client.calls);
    toy_end(&toy);
}

static void close_itself(mailbox_t *mailbox, const void *data, size_t size)
{
    (void)data, (void)size;
    ASSERT_OK(guest_close(mailbox->toy->g, mailbox->id));
    ASSERT_STATUS(GUEST_ESTALE, send_to(mailbox, &mailbox->from, "x", 1));
    ASSERT_EQ_U64(0, mailbox->drops);
}

TEST(udp_closed_in_its_own_callback)
{
    toy_t toy = {0};
    mailbox_t server = {.toy = &toy, .act = close_itself}, client = {.toy = &toy};
    toy_start(&toy, GUEST_DRIVE_THREAD);
    open_at(&server, "127.0.0.1", 0);
    open_at(&client, "127.0.0.1", 0);
    for (unsigned i = 0; i < 3; i++)
        ASSERT_OK(send_to(&client, &server.local, "datagram", 8));
    RUN_UNTIL(&toy, server.drops == 1);
    ASSERT_EQ_U64(1, server.calls);
    toy_end(&toy);
}

TEST(udp_refused)
{
    toy_t toy = {0};
    mailbox_t mailbox = {.toy = &toy};
    guest_udp_info_t info = {.struct_size = sizeof info};
    guest_address_t address = {.length = 129};
    guest_buffer_t buffer = {"x", 1}, null = {NULL, 1};
    guest_id_t id = 77;
    struct sockaddr_in name;
    char port[8];
    int stream = (int)MUST(socket(AF_INET, SOCK_STREAM, 0)), datagrams = (int)MUST(socket(AF_INET, SOCK_DGRAM, 0));
    toy_start(&toy, GUEST_DRIVE_THREAD);
    open_at(&mailbox, "127.0.0.1", 0);
    memcpy(&name, mailbox.local.sockaddr, sizeof name);
    snprintf(port, sizeof port, "%u", ntohs(name.sin_port));
    ASSERT_STATUS(GUEST_ENULL, guest_udp_bind(NULL, NULL, NULL, 0, received, &mailbox, dropped, &id));
    ASSERT_STATUS(GUEST_ENULL, guest_udp_bind(toy.g, NULL, NULL, 0, NULL, &mailbox, dropped, &id));
    ASSERT_STATUS(GUEST_EFLAGS, guest_udp_bind(toy.g, NULL, NULL, 8, received, &mailbox, dropped, &id));
    ASSERT_STATUS(GUEST_EINVAL, guest_udp_bind(toy.g, "localhost", NULL, 0, received, &mailbox, dropped, &id));
    ASSERT_STATUS(GUEST_EOS, guest_udp_bind(toy.g, "127.0.0.1", port, 0, received, &mailbox, dropped, &id));
    ASSERT_STATUS(GUEST_ENULL, guest_udp_adopt(NULL, datagrams, received, &mailbox, dropped, &id));
    ASSERT_STATUS(GUEST_ENULL, guest_udp_adopt(toy.g, datagrams, NULL, &mailbox, dropped, &id));
    ASSERT_STATUS(GUEST_EOS, guest_udp_adopt(toy.g, -1, received, &mailbox, dropped, &id));
    ASSERT_STATUS(GUEST_EINVAL, guest_udp_adopt(toy.g, stream, received, &mailbox, dropped, &id));
    ASSERT_STATUS(GUEST_ENULL, guest_udp_send(NULL, mailbox.id, NULL, &buffer, 1));
    ASSERT_STATUS(GUEST_ENULL, guest_udp_send(toy.g, mailbox.id, NULL, NULL, 1));
    ASSERT_STATUS(GUEST_ENULL, guest_udp_send(toy.g, mailbox.id, NULL, &null, 1));
    ASSERT_STATUS(GUEST_EINVAL, guest_udp_send(toy.g, mailbox.id, &address, &buffer, 1));
    ASSERT_STATUS(GUEST_ESTALE, guest_udp_send(toy.g, 0, NULL, &buffer, 1));
    ASSERT_STATUS(GUEST_ENULL, guest_udp_info(NULL, mailbox.id, &info));
    ASSERT_STATUS(GUEST_ENULL, guest_udp_info(toy.g, mailbox.id, NULL));
    ASSERT_STATUS(GUEST_ESTALE, guest_udp_info(toy.g, 0, &info));
    ASSERT_STATUS(GUEST_ESTALE, guest_stream_write(toy.g, mailbox.id, &buffer, 1, NULL, NULL)); /* another kind */
    ASSERT_EQ_U64(77, id);
    ASSERT_EQ_U64(0, mailbox.drops);
    mailbox_t adopted = {.toy = &toy};
    ASSERT_OK(guest_udp_adopt(toy.g, datagrams, received, &adopted, dropped, &adopted.id));
    ASSERT_OK(send_to(&adopted, &mailbox.local, "x", 1));
    RUN_UNTIL(&toy, mailbox.calls == 1);
    toy_end(&toy);
    MUST(close(stream));
}
