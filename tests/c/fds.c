/* Hazard: fds. Level-triggered, each condition under its name, dead and doubled registrations. */
#include "toy.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>

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

TEST(fd_level_triggered_partial_read_thread)
{
    level_triggered(GUEST_DRIVE_THREAD);
}

TEST(fd_level_triggered_partial_read_fd)
{
    level_triggered(GUEST_DRIVE_FD);
}

TEST(fd_writable)
{
    toy_t toy = {0};
    channel_t pipe = channel_open();
    probe_t probe = PROBE(&toy);
    char block[4096] = {0};
    toy_start(&toy, GUEST_DRIVE_THREAD);
    while (write(pipe.out, block, sizeof block) > 0)
        ;
    guest_id_t id = add_fd(&toy, pipe.out, GUEST_WRITABLE, &probe);
    loop_run_for(toy.loop, MS(5));
    ASSERT_EQ_U64(0, probe.calls); /* the pipe is full */
    while (read(pipe.in, block, sizeof block) > 0)
        ;
    RUN_UNTIL(&toy, probe.calls >= 1);
    ASSERT_EQ_U64(GUEST_WRITABLE, probe.flags);
    ASSERT_OK(guest_close(toy.g, id));
    toy_end(&toy);
    channel_close(&pipe);
}

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

TEST(fd_hang_up_of_a_socket)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    int ends[2];
    probe.act = act_close_self;
    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends));
    toy_start(&toy, GUEST_DRIVE_FD);
    add_fd(&toy, ends[0], GUEST_READABLE, &probe);
    ASSERT_EQ_I64(1, MUST(write(ends[1], "x", 1)));
    MUST(close(ends[1]));
    RUN_UNTIL(&toy, probe.drops == 1);
    ASSERT_EQ_U64(GUEST_READABLE | GUEST_HANGUP, probe.flags); /* what was sent can still be read */
    toy_end(&toy);
    MUST(close(ends[0]));
}

TEST(fd_error)
{
    toy_t toy = {0};
    channel_t pipe = channel_open();
    probe_t probe = PROBE(&toy);
    probe.act = act_close_self;
    toy_start(&toy, GUEST_DRIVE_THREAD);
    add_fd(&toy, pipe.out, GUEST_WRITABLE, &probe);
    MUST(close(pipe.in)); /* a write would fail with EPIPE now */
    RUN_UNTIL(&toy, probe.drops == 1 && probe.calls);
    if (!(probe.flags & GUEST_ERROR)) {
        /* Writable was due first: the error comes with a later event. */
        probe_t again = PROBE(&toy);
        again.act = act_close_self;
        add_fd(&toy, pipe.out, GUEST_WRITABLE, &again);
        RUN_UNTIL(&toy, again.drops == 1);
        ASSERT(again.flags & GUEST_ERROR);
    }
    toy_end(&toy);
    MUST(close(pipe.out));
}

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

TEST(fd_regular_file)
{
    toy_t toy = {0};
    FILE *file = tmpfile();
    guest_id_t id = 77;
    ASSERT(file);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    ASSERT_STATUS(GUEST_EOS, guest_fd_add(toy.g, fileno(file), GUEST_READABLE, on_fd, NULL, on_drop, &id));
    assert_os_error(EPERM);
    ASSERT_EQ_U64(77, id);
    toy_end(&toy);
    fclose(file);
}

TEST(fd_refused)
{
    toy_t toy = {0};
    channel_t pipe = channel_open();
    guest_id_t id = 77;
    toy_start(&toy, GUEST_DRIVE_THREAD);
    ASSERT_STATUS(GUEST_EINVAL, guest_fd_add(toy.g, -1, GUEST_READABLE, on_fd, NULL, on_drop, &id));
    ASSERT_STATUS(GUEST_EOS, guest_fd_add(toy.g, 1000000, GUEST_READABLE, on_fd, NULL, on_drop, &id));
    assert_os_error(EBADF);
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

TEST(fd_registered_twice)
{
    toy_t toy = {0}, other = {0};
    channel_t pipe = channel_open();
    probe_t probe = PROBE(&toy), twin = PROBE(&toy), foreign = PROBE(&other);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    toy_start(&other, GUEST_DRIVE_FD);
    guest_id_t id = add_fd(&toy, pipe.in, GUEST_READABLE, &probe);
    ASSERT_STATUS(GUEST_EEXIST, guest_fd_add(toy.g, pipe.in, GUEST_READABLE, on_fd, NULL, on_drop, NULL));
    int copy = (int)MUST(dup(pipe.in));
    add_fd(&toy, copy, GUEST_READABLE, &twin); /* another number: another registration */
    add_fd(&other, pipe.in, GUEST_READABLE, &foreign); /* one per fd and guest */
    channel_write(&pipe, 1);
    RUN_UNTIL(&toy, probe.calls && twin.calls);
    RUN_UNTIL(&other, foreign.calls);
    ASSERT_OK(guest_close(toy.g, id));
    probe_t again = PROBE(&toy);
    add_fd(&toy, pipe.in, GUEST_READABLE, &again); /* at once, before the first one is dropped */
    RUN_UNTIL(&toy, again.calls && probe.drops == 1);
    toy_end(&toy);
    toy_end(&other);
    MUST(close(copy));
    channel_close(&pipe);
}

/* A hung-up fd that nobody wants to hear of must not keep the guest busy. */
static void interest_zero(uint32_t drive)
{
    toy_t toy = {0};
    channel_t pipe = channel_open();
    probe_t probe = PROBE(&toy);
    probe.act = act_close_self;
    toy_start(&toy, drive);
    guest_id_t id = add_fd(&toy, pipe.in, 0, &probe);
    channel_write(&pipe, 1);
    MUST(close(pipe.out));
    loop_run_for(toy.loop, MS(5));
    guest_stats_t before = toy_stats(&toy);
    loop_run_for(toy.loop, MS(30));
    guest_stats_t after = toy_stats(&toy);
    ASSERT_EQ_U64(0, probe.calls);
    ASSERT_EQ_U64(before.batches, after.batches);
    ASSERT_EQ_U64(before.io_wakeups, after.io_wakeups);
    ASSERT_OK(guest_fd_modify(toy.g, id, GUEST_READABLE));
    RUN_UNTIL(&toy, probe.drops == 1);
    ASSERT(probe.flags & GUEST_READABLE);
    toy_end(&toy);
    MUST(close(pipe.in));
}

TEST(fd_interest_zero_pauses_thread)
{
    interest_zero(GUEST_DRIVE_THREAD);
}

TEST(fd_interest_zero_pauses_fd)
{
    interest_zero(GUEST_DRIVE_FD);
}

TEST(fd_added_while_the_io_thread_waits)
{
    toy_t toy = {0};
    channel_t pipe = channel_open();
    probe_t probe = {.toy = &toy, .act = act_read_one, .argument = &pipe};
    toy_start(&toy, GUEST_DRIVE_THREAD);
    channel_write(&pipe, 1);
    toy_await_polling(&toy);
    guest_id_t id = add_fd(&toy, pipe.in, 0, &probe);
    ASSERT_OK(guest_fd_modify(toy.g, id, GUEST_READABLE)); /* ready already: seen at once */
    RUN_UNTIL(&toy, probe.calls == 1);
    toy_end(&toy);
    channel_close(&pipe);
}

static void number_reused(bool replaced_at_once)
{
    toy_t toy = {0};
    channel_t first = channel_open(), second = channel_open();
    probe_t dead = PROBE(&toy), alive = PROBE(&toy);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    guest_id_t old = add_fd(&toy, first.in, GUEST_READABLE, &dead);
    if (!replaced_at_once) {
        MUST(close(first.in)); /* without guest_close: the registration is dead, and does not know */
        loop_run_for(toy.loop, MS(3));
    }
    MUST(dup2(second.in, first.in));
    alive.act = act_read_one;
    alive.argument = &second;
    guest_id_t id = add_fd(&toy, first.in, GUEST_READABLE, &alive);
    ASSERT(id != old);
    ASSERT_STATUS(GUEST_ESTALE, guest_is_open(toy.g, old));
    channel_write(&second, 1);
    RUN_UNTIL(&toy, alive.calls == 1 && dead.drops == 1);
    ASSERT_EQ_U64(0, dead.calls);
    toy_end(&toy);
    channel_close(&first);
    channel_close(&second);
}

TEST(fd_closed_without_close_and_number_reused)
{
    number_reused(false);
}

TEST(fd_overwritten_by_dup2_and_registered_again)
{
    number_reused(true);
}

TEST(fd_three_hundred_at_once)
{
    enum { PIPES = 300 };
    static channel_t pipes[PIPES];
    static probe_t probes[PIPES];
    toy_t toy = {0};
    toy_start(&toy, GUEST_DRIVE_THREAD);
    for (unsigned i = 0; i < PIPES; i++) {
        pipes[i] = channel_open();
        probes[i] = (probe_t){.toy = &toy, .act = act_read_one, .argument = &pipes[i]};
        add_fd(&toy, pipes[i].in, GUEST_READABLE, &probes[i]);
    }
    for (unsigned i = 0; i < PIPES; i++)
        channel_write(&pipes[i], 1);
    for (unsigned i = 0; i < PIPES; i++)
        RUN_UNTIL(&toy, probes[i].calls == 1);
    toy_end(&toy);
    for (unsigned i = 0; i < PIPES; i++)
        channel_close(&pipes[i]);
}
