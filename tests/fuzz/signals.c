/* Signals that this process raises itself, so that their numbers are exact; and the handler that was there before. */
#include "model.h"

#include <signal.h>

static const int signums[] = {SIGUSR1, SIGUSR2, SIGHUP};
static _Atomic(uint64_t) raised, handled;

static void before_the_library(int signum)
{
    (void)signum;
    handled++;
}

void signals_open(void)
{
    struct sigaction action = {.sa_handler = before_the_library};
    for (unsigned i = 0; i < COUNT(signums); i++)
        MUST(sigaction(signums[i], &action, NULL));
}

void signals_check(void)
{
    ASSERT_EQ_U64(raised, handled);
    for (unsigned i = 0; i < COUNT(signums); i++) {
        struct sigaction action;
        MUST(sigaction(signums[i], NULL, &action));
        if (action.sa_handler != before_the_library)
            FAIL("the handler of signal %d was not put back", signums[i]);
    }
}

static bool watches(const item_t *item, int signum)
{
    return item_is(item, KIND_SIGNAL) && item->signal.signum == signum;
}

void signal_add(subject_t *s, random_t *r)
{
    static const int unfit[] = {0, -1, SIGKILL, SIGSTOP, SIGSEGV, 1000};
    bool fits = !chance(r, 15);
    int signum = fits ? signums[below(r, COUNT(signums))] : unfit[below(r, COUNT(unfit))];
    bool known = item_any(s, r, watches, signum);
    item_t *item = item_new(s, KIND_SIGNAL, r);
    item->signal.signum = signum;
    guest_signal_fn callback = s->pull && chance(r, 50) ? NULL : on_signal;
    guest_status_t status = guest_signal_add(s->g, signum, callback, item, item_drop(item), &item->id);
    EXPECT(status, subject_takes(s, !fits ? STATUS(EINVAL) : known ? STATUS(EEXIST) : STATUS(OK)));
    item_registered(item, status);
}

void signal_raise(random_t *r)
{
    int signum = signums[below(r, COUNT(signums))];
    for (unsigned i = 0; i < SUBJECTS; i++)
        for (item_t *item = world.subjects[i] ? world.subjects[i]->items : NULL; item; item = item->next)
            if (watches(item, signum))
                item->signal.raised++;
    raised++;
    uint64_t arrivals = guest_signal_arrivals(signum);
    MUST(raise(signum));
    ASSERT(guest_signal_arrivals(signum) >= arrivals);
    ASSERT_EQ_U64(raised, handled);
}
