/* Hazard: child processes. Each is reaped once, by the guest that watches it, without SIGCHLD. */
#include "toy.h"

static void exit_code(uint32_t drive)
{
    toy_t toy = {0};
    toy_start(&toy, drive);
    const int codes[] = {0, 1, 42, 255};
    for (size_t i = 0; i < 2 * COUNT(codes); i++) {
        probe_t probe = PROBE(&toy);
        int code = codes[i / 2];
        bool has_ended = i % 2;
        pid_t child = has_ended ? ending_child(code) : child_for_later(code);
        guest_id_t id = add_child(&toy, child, &probe);
        if (!has_ended)
            child_go(child);
        RUN_UNTIL(&toy, probe.drops == 1);
        ASSERT_EQ_U64(1, probe.calls);
        ASSERT_EQ_I64(code, probe.value);
        ASSERT_EQ_U64(0, probe.flags);
        ASSERT_EQ_U64(id, probe.id);
        ASSERT_STATUS(GUEST_ESTALE, guest_close(toy.g, id)); /* it has closed itself */
        assert_reaped(child);
    }
    toy_end(&toy);
}

TEST(child_exit_code)
{
    for (uint32_t drive = GUEST_DRIVE_THREAD; drive <= GUEST_DRIVE_FD; drive++)
        exit_code(drive);
}

TEST(child_killed)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    pid_t child = waiting_child();
    add_child(&toy, child, &probe);
    loop_run_for(toy.loop, MS(5));
    ASSERT_EQ_U64(0, probe.calls); /* still alive */
    kill_child(child);
    RUN_UNTIL(&toy, probe.drops == 1);
    ASSERT_EQ_I64(KILLED_CODE, probe.value);
    ASSERT_EQ_U64(KILLED_SIGNAL, probe.flags);
    toy_end(&toy);
}

#ifndef _WIN32 /* where nobody reaps */
TEST(child_reaped_by_somebody_else)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    pid_t child = child_for_later(7);
    add_child(&toy, child, &probe);
    child_go(child);
    bool stolen = waitpid(child, NULL, 0) == child; /* a waiter thread may have been quicker */
    RUN_UNTIL(&toy, probe.drops == 1);
    ASSERT_EQ_I64(stolen ? GUEST_EXIT_UNKNOWN : 7, probe.value);
    ASSERT_EQ_U64(0, probe.flags);
    toy_end(&toy);
}
#endif

TEST(child_that_does_not_exist)
{
    toy_t toy = {0};
    guest_id_t id = 77;
    int32_t os_error;
    pid_t child = no_child();
    toy_start(&toy, GUEST_DRIVE_THREAD);
    ASSERT_STATUS(GUEST_EOS, guest_child_add(toy.g, (int32_t)child, on_child, NULL, on_drop, &id));
    ASSERT_OK(guest_last_error(NULL, &os_error, NULL, 0, NULL));
    ASSERT_EQ_I64(NO_SUCH_CHILD, os_error);
    const int32_t invalid[] = {0, -1, INT32_MIN};
    for (size_t i = 0; i < COUNT(invalid); i++)
        ASSERT_STATUS(GUEST_EINVAL, guest_child_add(toy.g, invalid[i], on_child, NULL, on_drop, &id));
    ASSERT_EQ_U64(77, id);
    toy_end(&toy);
}
