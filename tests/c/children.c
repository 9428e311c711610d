/* Hazard: child processes. Each is reaped once, by the guest that watches it, without SIGCHLD. */
#include "toy.h"

#include <signal.h>
#include <sys/wait.h>

static pid_t child_that_exits(int code)
{
    pid_t child = (pid_t)MUST(fork());
    if (child == 0)
        _exit(code);
    return child;
}

/* A child that lives until `go` is written to or closed. */
static pid_t child_that_waits(channel_t *go, int code)
{
    *go = channel_open();
    pid_t child = (pid_t)MUST(fork());
    if (child == 0) {
        channel_t inherited = *go;
        char byte;
        close(inherited.out);
        while (read(inherited.in, &byte, 1) < 0 && errno == EAGAIN)
            pass(MS(1));
        _exit(code);
    }
    return child;
}

static void exit_code(uint32_t drive)
{
    toy_t toy = {0};
    toy_start(&toy, drive);
    const int codes[] = {0, 1, 42, 255};
    for (size_t i = 0; i < COUNT(codes); i++) {
        probe_t probe = PROBE(&toy);
        pid_t child = child_that_exits(codes[i]);
        guest_id_t id = add_child(&toy, child, &probe);
        RUN_UNTIL(&toy, probe.drops == 1);
        ASSERT_EQ_U64(1, probe.calls);
        ASSERT_EQ_I64(codes[i], probe.value);
        ASSERT_EQ_U64(0, probe.flags);
        ASSERT_EQ_U64(id, probe.id);
        ASSERT_STATUS(GUEST_ESTALE, guest_close(toy.g, id)); /* it has closed itself */
        ASSERT_EQ_I64(-1, waitpid(child, NULL, WNOHANG));    /* and the child is reaped */
        ASSERT_EQ_I64(ECHILD, errno);
    }
    toy_end(&toy);
}

TEST(child_exit_code)
{
    for (uint32_t drive = GUEST_DRIVE_THREAD; drive <= GUEST_DRIVE_FD; drive++)
        exit_code(drive);
}

TEST(child_killed_by_signal)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    channel_t go;
    toy_start(&toy, GUEST_DRIVE_THREAD);
    pid_t child = child_that_waits(&go, 0);
    add_child(&toy, child, &probe);
    loop_run_for(toy.loop, MS(5));
    ASSERT_EQ_U64(0, probe.calls); /* still alive */
    MUST(kill(child, SIGKILL));
    RUN_UNTIL(&toy, probe.drops == 1);
    ASSERT_EQ_I64(-1, probe.value);
    ASSERT_EQ_U64(SIGKILL, probe.flags);
    toy_end(&toy);
    channel_close(&go);
}

TEST(child_reaped_by_somebody_else)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    channel_t go;
    toy_start(&toy, GUEST_DRIVE_THREAD);
    pid_t child = child_that_waits(&go, 7);
    add_child(&toy, child, &probe);
    channel_write(&go, 1);
    bool stolen = waitpid(child, NULL, 0) == child; /* a waiter thread may have been quicker */
    RUN_UNTIL(&toy, probe.drops == 1);
    ASSERT_EQ_I64(stolen ? GUEST_EXIT_UNKNOWN : 7, probe.value);
    ASSERT_EQ_U64(0, probe.flags);
    toy_end(&toy);
    channel_close(&go);
}

TEST(child_that_does_not_exist)
{
    toy_t toy = {0};
    guest_id_t id = 77;
    int32_t os_error;
    pid_t child = child_that_exits(0);
    MUST(waitpid(child, NULL, 0));
    toy_start(&toy, GUEST_DRIVE_THREAD);
    ASSERT_STATUS(GUEST_EOS, guest_child_add(toy.g, child, on_child, NULL, on_drop, &id));
    ASSERT_OK(guest_last_error(NULL, &os_error, NULL, 0, NULL));
    ASSERT_EQ_I64(ESRCH, os_error);
    const int32_t invalid[] = {0, -1, INT32_MIN};
    for (size_t i = 0; i < COUNT(invalid); i++)
        ASSERT_STATUS(GUEST_EINVAL, guest_child_add(toy.g, invalid[i], on_child, NULL, on_drop, &id));
    ASSERT_EQ_U64(77, id);
    toy_end(&toy);
}
