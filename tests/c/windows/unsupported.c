/* Hazard: what this system does not have yet. Each call says so, and takes nothing. */
#include "toy.h"

static void never(guest_t *g, guest_id_t id, guest_status_t status, int32_t os_error, void *user_data)
{
    (void)g, (void)id, (void)status, (void)os_error, (void)user_data;
    FAIL("something that was refused has run");
}

static void never_datagram(guest_t *g, guest_id_t id, guest_status_t status, int32_t os_error,
                           const guest_address_t *from, const void *data, size_t size, void *user_data)
{
    (void)from, (void)data, (void)size;
    never(g, id, status, os_error, user_data);
}

TEST(unsupported_streams)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    guest_stream_options_t options = {.struct_size = sizeof options, .closed = never};
    guest_address_t address = {.family = AF_INET, .length = 16};
    guest_id_t id = 77;
    char text[200];
    channel_t pipe = channel_open();
    toy_start(&toy, GUEST_DRIVE_THREAD);
    ASSERT_STATUS(GUEST_ENOTSUP, guest_stream_connect(toy.g, "::1", "1", &options, &probe, on_drop, &id));
    ASSERT_STATUS(GUEST_ENOTSUP, guest_stream_connect_to(toy.g, &address, 1, &options, &probe, on_drop, &id));
    ASSERT_STATUS(GUEST_ENOTSUP, guest_stream_connect_unix(toy.g, "x", &options, &probe, on_drop, &id));
    ASSERT_STATUS(GUEST_ENOTSUP, guest_stream_adopt(toy.g, (guest_os_fd_t)pipe.in, &options, &probe, on_drop, &id));
    ASSERT_STATUS(GUEST_ENOTSUP, guest_stream_accept(toy.g, 1ull << 32, &options, &probe, on_drop, &id));
    ASSERT_STATUS(GUEST_ENOTSUP, guest_listener_tcp(toy.g, NULL, NULL, NULL, never, &probe, on_drop, &id));
    ASSERT_STATUS(GUEST_ENOTSUP, guest_listener_unix(toy.g, "x", NULL, never, &probe, on_drop, &id));
    ASSERT_STATUS(GUEST_ENOTSUP, guest_listener_adopt(toy.g, (guest_os_fd_t)pipe.in, never, &probe, on_drop, &id));
    ASSERT_STATUS(GUEST_ENOTSUP, guest_udp_bind(toy.g, NULL, NULL, 0, never_datagram, &probe, on_drop, &id));
    ASSERT_STATUS(GUEST_ENOTSUP, guest_udp_adopt(toy.g, (guest_os_fd_t)pipe.in, never_datagram, &probe, on_drop, &id));
    ASSERT_OK(guest_last_error(NULL, NULL, text, sizeof text, NULL));
    ASSERT(strstr(text, "guest_fd_add") != NULL); /* the remedy */
    ASSERT_EQ_U64(77, id);
    toy_end(&toy);
    ASSERT_EQ_U64(0, probe.drops);
    channel_close(&pipe);
}
