/* Hazard: signals. The library takes a disposition only while a guest watches it, calls on to what
 * was there before, and gives it back. */
#include "toy.h"

#include <signal.h>

static void delivered(uint32_t drive)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    toy_start(&toy, drive);
    guest_id_t id = add_signal(&toy, SIGUSR1, &probe);
    for (unsigned i = 1; i <= 3; i++) {
        MUST(raise(SIGUSR1));
        RUN_UNTIL(&toy, probe.calls == i);
        ASSERT_EQ_U64(SIGUSR1, probe.flags);
        ASSERT_EQ_I64(1, probe.value);
        ASSERT_EQ_U64(id, probe.id);
    }
    toy_end(&toy);
    ASSERT_EQ_U64(1, probe.drops);
}

TEST(signal_delivered)
{
    for (uint32_t drive = GUEST_DRIVE_THREAD; drive <= GUEST_DRIVE_FD; drive++)
        delivered(drive);
}

TEST(signal_refused)
{
    toy_t toy = {0};
    guest_id_t id = 77;
    const int refused[] = {SIGKILL, SIGSEGV, SIGFPE,  SIGILL,
#ifndef _WIN32
                           SIGSTOP, SIGBUS,  SIGTRAP,
#endif
                           0,       -1,      1000};
    toy_start(&toy, GUEST_DRIVE_THREAD);
    for (size_t i = 0; i < COUNT(refused); i++)
        ASSERT_STATUS(GUEST_EINVAL, guest_signal_add(toy.g, refused[i], on_signal, NULL, on_drop, &id));
    ASSERT_EQ_U64(77, id);
    toy_end(&toy);
}

static guest_t *woken;

static void waking_handler(int signum)
{
    (void)signum;
    errno = ENOTTY;
    if (guest_wake(woken) != GUEST_OK || errno != ENOTTY)
        _exit(1);
}

static void wake_from_handler(uint32_t drive)
{
    toy_t toy = {0};
    guest_options_t options = patient_options_for(drive);
    toy_start_on(&toy, NULL, &options);
    woken = toy.g;
    loop_run_for(toy.loop, MS(5));
    uint64_t batches = toy_stats(&toy).batches;
    in_signal_handler(waking_handler);
    in_signal_handler(waking_handler);
    RUN_UNTIL(&toy, toy_stats(&toy).batches > batches);
    loop_run_for(toy.loop, MS(5));
    ASSERT(toy_stats(&toy).batches <= batches + 2); /* and then it is quiet again */
    toy_end(&toy);
}

TEST(wake_from_a_signal_handler)
{
    for (uint32_t drive = GUEST_DRIVE_THREAD; drive <= GUEST_DRIVE_FD; drive++)
        wake_from_handler(drive);
}

#ifndef _WIN32 /* whose console has handlers in place of dispositions: tests/guest/console.rs */
static volatile sig_atomic_t handled;

static void handler(int signum)
{
    (void)signum;
    handled++;
}

static void install(int signum)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigaddset(&action.sa_mask, SIGWINCH);
    MUST(sigaction(signum, &action, NULL));
}

static struct sigaction disposition(int signum)
{
    struct sigaction action;
    MUST(sigaction(signum, NULL, &action));
    action.sa_flags &= ~0x04000000; /* SA_RESTORER: the C library's own business */
    return action;
}

static void assert_same(struct sigaction want, struct sigaction got)
{
    ASSERT_EQ_PTR((void *)want.sa_sigaction, (void *)got.sa_sigaction);
    ASSERT_EQ_I64(want.sa_flags, got.sa_flags);
    for (int i = 1; i < NSIG; i++)
        ASSERT_EQ_I64(sigismember(&want.sa_mask, i), sigismember(&got.sa_mask, i));
}

TEST(signal_disposition_restored)
{
    toy_t toy = {0};
    probe_t first = PROBE(&toy), second = PROBE(&toy);
    install(SIGUSR1);
    struct sigaction before = disposition(SIGUSR1), default_before = disposition(SIGUSR2);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    assert_same(before, disposition(SIGUSR1)); /* a guest alone takes nothing */
    guest_id_t id = add_signal(&toy, SIGUSR1, &first);
    add_signal(&toy, SIGUSR2, &second);
    ASSERT(disposition(SIGUSR1).sa_sigaction != before.sa_sigaction);
    ASSERT_OK(guest_close(toy.g, id));
    assert_same(before, disposition(SIGUSR1));
    toy_end(&toy); /* the end of the guest gives the other one back */
    assert_same(default_before, disposition(SIGUSR2));
}

TEST(signal_arrivals_are_counted)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy), again = PROBE(&toy);
    install(SIGUSR1);
    struct sigaction saved = disposition(SIGUSR1);
    toy_start(&toy, GUEST_DRIVE_FD);
    guest_id_t id = add_signal(&toy, SIGUSR1, &probe);
    MUST(raise(SIGUSR1));
    ASSERT_EQ_U64(1, guest_signal_arrivals(SIGUSR1));
    MUST(sigaction(SIGUSR1, &saved, NULL)); /* in the library's place, as a language's runtime puts one back */
    MUST(raise(SIGUSR1));
    ASSERT_EQ_I64(2, handled);
    ASSERT_EQ_U64(1, guest_signal_arrivals(SIGUSR1));
    ASSERT_OK(guest_close(toy.g, id));
    add_signal(&toy, SIGUSR1, &again);
    MUST(raise(SIGUSR1));
    ASSERT_EQ_I64(3, handled);
    ASSERT_EQ_U64(2, guest_signal_arrivals(SIGUSR1));
    RUN_UNTIL(&toy, again.calls == 1);
    ASSERT_EQ_I64(1, again.value);
    toy_end(&toy);
    ASSERT_EQ_U64(0, guest_signal_arrivals(-1) + guest_signal_arrivals(0) + guest_signal_arrivals(SIGKILL));
}
#endif
