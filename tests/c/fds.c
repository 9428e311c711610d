/* Hazard: fds. Level-triggered, each condition under its name, dead and doubled registrations. */
#include "toy.h"

static void assert_os_error(int32_t want)
{
    int32_t os_error;
    ASSERT_OK(guest_last_error(NULL, &os_error, NULL, 0, NULL));
    ASSERT_EQ_I64(want, os_error);
}

static void level_triggered(uint32_t drive)
{
    toy_t toy = {0};
    channel_t pipe = channel_open();
    probe_t probe = {.toy = &toy, .act = act_read_one, .argument = &pipe};
    toy_start(&toy, drive);
    guest_id_t id = add_fd(&toy, pipe.in, GUEST_READABLE, &probe);
    channel_write(&pipe, 2);
    RUN_UNTIL(&toy, probe.calls == 2); /* the byte that was left made a second event */
    ASSERT_EQ_U64(id, probe.id);
    ASSERT_EQ_U64(GUEST_READABLE, probe.flags);
    loop_run_for(toy.loop, MS(3));
    ASSERT_EQ_U64(2, probe.calls);
    toy_end(&toy);
    channel_close(&pipe);
}

TEST(fd_level_triggered_partial_read)
{
    for (uint32_t drive = GUEST_DRIVE_THREAD; drive <= GUEST_DRIVE_FD; drive++)
        level_triggered(drive);
}

#ifndef _WIN32 /* a connection that is closed is readable there, on Linux too */
TEST(fd_hang_up)
{
    toy_t toy = {0};
    channel_t pipe = channel_open();
    probe_t probe = PROBE(&toy);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    probe.act = act_close_self;
    add_fd(&toy, pipe.in, GUEST_READABLE, &probe);
    MUST(close(pipe.out));
    RUN_UNTIL(&toy, probe.drops == 1);
    ASSERT(probe.flags & GUEST_HANGUP);
    toy_end(&toy);
    MUST(close(pipe.in));
}
#endif

TEST(fd_priority)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = (int)MUST(socket(AF_INET, SOCK_STREAM, 0));
    int client = (int)MUST(socket(AF_INET, SOCK_STREAM, 0));
    MUST(bind(listener, (struct sockaddr *)&address, sizeof address));
    MUST(listen(listener, 1));
    MUST(getsockname(listener, (struct sockaddr *)&address, &length));
    MUST(connect(client, (struct sockaddr *)&address, sizeof address));
    int server = (int)MUST(accept(listener, NULL, NULL));

    probe.act = act_close_self;
    toy_start(&toy, GUEST_DRIVE_THREAD);
    add_fd(&toy, server, GUEST_PRIORITY, &probe);
    MUST(send(client, "n", 1, 0));
    loop_run_for(toy.loop, MS(3));
    ASSERT_EQ_U64(0, probe.calls); /* ordinary data is not urgent */
    MUST(send(client, "u", 1, MSG_OOB));
    RUN_UNTIL(&toy, probe.drops == 1);
    ASSERT_EQ_U64(GUEST_PRIORITY, probe.flags);
    toy_end(&toy);
    MUST(close(server));
    MUST(close(client));
    MUST(close(listener));
}

TEST(fd_refused)
{
    toy_t toy = {0};
    channel_t pipe = channel_open();
    guest_id_t id = 77;
    toy_start(&toy, GUEST_DRIVE_THREAD);
    ASSERT_STATUS(GUEST_EINVAL, guest_fd_add(toy.g, -1, GUEST_READABLE, on_fd, NULL, on_drop, &id));
    ASSERT_STATUS(GUEST_EOS, guest_fd_add(toy.g, 1000000, GUEST_READABLE, on_fd, NULL, on_drop, &id));
    assert_os_error(NO_SUCH_FD);
    const uint32_t unknown[] = {GUEST_ERROR, GUEST_HANGUP, 32, 1u << 31, UINT32_MAX};
    for (size_t i = 0; i < COUNT(unknown); i++)
        ASSERT_STATUS(GUEST_EFLAGS, guest_fd_add(toy.g, pipe.in, unknown[i], on_fd, NULL, on_drop, &id));
    ASSERT_EQ_U64(77, id);

    probe_t probe = PROBE(&toy);
    id = add_fd(&toy, pipe.in, GUEST_READABLE, &probe); /* none of the refusals left a trace */
    for (size_t i = 0; i < COUNT(unknown); i++)
        ASSERT_STATUS(GUEST_EFLAGS, guest_fd_modify(toy.g, id, unknown[i]));
    toy_end(&toy);
    channel_close(&pipe);
}
