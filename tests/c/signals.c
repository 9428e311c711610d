/* Hazard: signals. The library takes a disposition only while a guest watches it, calls on to what
 * was there before, and gives it back. */
#include "toy.h"

#include <signal.h>

static volatile sig_atomic_t handled;

static void handler(int signum)
{
    (void)signum;
    handled++;
}

static void other_handler(int signum, siginfo_t *info, void *context)
{
    (void)signum, (void)info, (void)context;
    handled += 100;
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

static void delivered(uint32_t drive)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    toy_start(&toy, drive);
    guest_id_t id = add_signal(&toy, SIGUSR1, &probe);
    for (unsigned i = 1; i <= 3; i++) {
        MUST(kill(getpid(), SIGUSR1));
        RUN_UNTIL(&toy, probe.calls == i);
        ASSERT_EQ_U64(SIGUSR1, probe.flags);
        ASSERT_EQ_I64(1, probe.value);
        ASSERT_EQ_U64(id, probe.id);
    }
    toy_end(&toy);
    ASSERT_EQ_U64(1, probe.drops);
}

TEST(signal_delivered_thread)
{
    delivered(GUEST_DRIVE_THREAD);
}

TEST(signal_delivered_fd)
{
    delivered(GUEST_DRIVE_FD);
}

TEST(signal_chained_to_the_previous_handler)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    install(SIGUSR1);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    add_signal(&toy, SIGUSR1, &probe);
    MUST(raise(SIGUSR1));
    ASSERT_EQ_I64(1, handled); /* at once, as before; the guest's turn comes when it comes */
    RUN_UNTIL(&toy, probe.calls == 1);
    toy_end(&toy);
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

TEST(signal_third_handler_is_left_alone)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    add_signal(&toy, SIGUSR1, &probe);
    struct sigaction third = {.sa_sigaction = other_handler, .sa_flags = SA_SIGINFO};
    MUST(sigaction(SIGUSR1, &third, NULL));
    toy_end(&toy);
    ASSERT_EQ_PTR((void *)other_handler, (void *)disposition(SIGUSR1).sa_sigaction);
    MUST(raise(SIGUSR1));
    ASSERT_EQ_I64(100, handled);
}

TEST(signal_refused)
{
    toy_t toy = {0};
    guest_id_t id = 77;
    const int refused[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, 0, -1, 1000};
    toy_start(&toy, GUEST_DRIVE_THREAD);
    for (size_t i = 0; i < COUNT(refused); i++)
        ASSERT_STATUS(GUEST_EINVAL, guest_signal_add(toy.g, refused[i], on_signal, NULL, on_drop, &id));
    ASSERT_EQ_U64(77, id);
    toy_end(&toy);
}

TEST(signal_twice_in_one_guest)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy), again = PROBE(&toy);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    guest_id_t id = add_signal(&toy, SIGUSR1, &probe);
    ASSERT_STATUS(GUEST_EEXIST, guest_signal_add(toy.g, SIGUSR1, on_signal, &again, on_drop, NULL));
    ASSERT_OK(guest_close(toy.g, id));
    add_signal(&toy, SIGUSR1, &again); /* at once, though the first one is not dropped yet */
    MUST(kill(getpid(), SIGUSR1));
    RUN_UNTIL(&toy, again.calls == 1 && probe.drops == 1);
    ASSERT_EQ_U64(0, probe.calls);
    toy_end(&toy);
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

TEST(signal_two_guests)
{
    toy_t a = {0}, b = {0};
    probe_t in_a = PROBE(&a), in_b = PROBE(&b);
    struct sigaction before = disposition(SIGUSR1);
    toy_start(&a, GUEST_DRIVE_THREAD);
    toy_start(&b, GUEST_DRIVE_FD);
    add_signal(&a, SIGUSR1, &in_a);
    add_signal(&b, SIGUSR1, &in_b);
    MUST(kill(getpid(), SIGUSR1));
    RUN_UNTIL(&a, in_a.calls == 1);
    RUN_UNTIL(&b, in_b.calls == 1);
    toy_end(&a);
    MUST(kill(getpid(), SIGUSR1)); /* b still watches */
    RUN_UNTIL(&b, in_b.calls == 2);
    toy_end(&b);
    assert_same(before, disposition(SIGUSR1));
}

TEST(signal_storm)
{
    enum { STORM = 1000 };
    toy_t a = {0}, b = {0};
    probe_t probes[4] = {PROBE(&a), PROBE(&a), PROBE(&b), PROBE(&b)};
    guest_id_t ids[4];
    const int signums[2] = {SIGUSR1, SIGUSR2};
    install(SIGUSR1);
    install(SIGUSR2);
    toy_start(&a, GUEST_DRIVE_THREAD);
    toy_start(&b, GUEST_DRIVE_FD);
    for (unsigned i = 0; i < 4; i++)
        ids[i] = add_signal(probes[i].toy, signums[i % 2], &probes[i]);
    for (unsigned n = 0; n < STORM; n++) {
        MUST(kill(getpid(), signums[n % 2]));
        if (n % 100 == 0) {
            loop_step(a.loop, 0);
            loop_step(b.loop, 0);
        }
    }
    for (unsigned i = 0; i < 4; i++) {
        RUN_UNTIL(probes[i].toy, probes[i].calls >= 1);
        ASSERT_EQ_U64(signums[i % 2], probes[i].flags);
    }
    loop_run_for(a.loop, MS(5));
    loop_run_for(b.loop, MS(5));
    for (unsigned i = 0; i < 4; i++) {
        ASSERT(probes[i].total >= 1 && probes[i].total <= STORM / 2);
        ASSERT_OK(guest_close(probes[i].toy->g, ids[i]));
    }
    ASSERT_EQ_I64(STORM, handled); /* sent to ourselves, none is pending twice: none is merged */
    unsigned calls = probes[0].calls + probes[1].calls + probes[2].calls + probes[3].calls;
    MUST(kill(getpid(), SIGUSR1));
    MUST(kill(getpid(), SIGUSR2));
    loop_run_for(a.loop, MS(5));
    loop_run_for(b.loop, MS(5));
    ASSERT_EQ_U64(calls, probes[0].calls + probes[1].calls + probes[2].calls + probes[3].calls);
    toy_end(&a);
    toy_end(&b);
}

/* A signal that came in, and was closed before its turn, is not delivered. */
TEST(signal_closed_before_its_turn)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    guest_id_t id = add_signal(&toy, SIGUSR1, &probe);
    MUST(raise(SIGUSR1));
    ASSERT_OK(guest_close(toy.g, id));
    RUN_UNTIL(&toy, probe.drops == 1);
    ASSERT_EQ_U64(0, probe.calls);
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
    struct sigaction action = {.sa_handler = waking_handler};
    MUST(sigaction(SIGUSR1, &action, NULL));
    guest_options_t options = patient_options_for(drive);
    toy_start_on(&toy, NULL, &options);
    woken = toy.g;
    loop_run_for(toy.loop, MS(5));
    uint64_t batches = toy_stats(&toy).batches;
    MUST(raise(SIGUSR1));
    MUST(raise(SIGUSR1));
    RUN_UNTIL(&toy, toy_stats(&toy).batches > batches);
    loop_run_for(toy.loop, MS(5));
    ASSERT(toy_stats(&toy).batches <= batches + 2); /* and then it is quiet again */
    toy_end(&toy);
}

TEST(wake_from_a_signal_handler_thread)
{
    wake_from_handler(GUEST_DRIVE_THREAD);
}

TEST(wake_from_a_signal_handler_fd)
{
    wake_from_handler(GUEST_DRIVE_FD);
}

static void act_raise_and_deliver(probe_t *probe)
{
    for (unsigned i = 0; i < 5 && probe->calls == 1; i++) {
        MUST(raise(SIGUSR1));
        ASSERT_OK(guest_deliver_batch(probe->g, 0));
    }
}

/* What comes while its callback runs a nested loop is one call afterwards, as it is after any other wait. */
TEST(signal_merged_during_its_own_callback)
{
    toy_t toy = {0};
    probe_t probe = {.toy = &toy, .act = act_raise_and_deliver};
    toy_start(&toy, GUEST_DRIVE_FD);
    add_signal(&toy, SIGUSR1, &probe);
    MUST(raise(SIGUSR1));
    RUN_UNTIL(&toy, probe.total == 6);
    ASSERT_EQ_U64(2, probe.calls);
    ASSERT_EQ_I64(5, probe.value);
    toy_end(&toy);
}
