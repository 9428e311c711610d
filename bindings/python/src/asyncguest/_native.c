/* The C part of asyncguest._native: what must happen without the interpreter lock, or before it is safe to ask for it.
 *
 * Compiled into the cffi module (build_support/ffibuilder.py), after the ABI and nothing else. asyncguest_py_poll runs on
 * the host thread; the trampolines run on whichever thread the guest posts from, most often its I/O thread, which
 * Python has never heard of.
 */
#include <asyncguest.h>

#include <limits.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* cffi defines these two further down: they take the interpreter lock and call what def_extern registered. */
static int32_t asyncguest_py_post(void *data, uint64_t token, int32_t local);
static void asyncguest_py_stall(void *data, uint32_t kind, uint64_t nanoseconds);

/* An array of this size is 12 KiB: no burden for a thread's stack, and more than one delivery of a loop commonly meets.
 * What does not fit comes with the next call. */
#define ASYNCGUEST_PY_EVENTS 256

/* One poll of an open delivery. Writes two numbers for each event that Python has to look at: fd and readiness, or
 * -signum and count. Here and not in Python, because there each field of an event costs an object and a call. */
static int32_t asyncguest_py_poll(guest_t *g, uint64_t timeout, int32_t *pairs, size_t capacity)
{
    guest_event_t events[ASYNCGUEST_PY_EVENTS];
    size_t room = capacity / 2 < ASYNCGUEST_PY_EVENTS ? capacity / 2 : ASYNCGUEST_PY_EVENTS;
    size_t count = 0;
    int32_t written = 0;

    if (pairs == NULL)
        return GUEST_ENULL;
    guest_status_t status = guest_batch_wait(g, timeout, events, room, &count);
    if (status < 0)
        return status;
    for (size_t i = 0; i < count; i++) {
        const guest_event_t *event = &events[i];
        if (event->kind == GUEST_EVENT_FD) {
            /* The fd itself is the user data: no table to look it up in. */
            pairs[written++] = (int32_t)(intptr_t)event->user_data;
            pairs[written++] = (int32_t)event->flags;
        } else if (event->kind == GUEST_EVENT_SIGNAL) {
            /* No fd is negative, so the sign tells a signal from an fd. */
            pairs[written++] = -(int32_t)event->flags;
            pairs[written++] = event->value < INT32_MAX ? (int32_t)event->value : INT32_MAX;
        }
        /* Posts have done their work by ending the wait, and the deadline of the loop's timers is no event. */
    }
    return written;
}

/* The beginning and the end of a delivery, several calls of the ABI each. Every call from Python lets go of the
 * interpreter lock and has to get it back, which another thread that computes grants after 5 ms; so a delivery makes as
 * few as it can. */
static int32_t asyncguest_py_begin(guest_t *g, uint64_t token, int32_t *pairs, size_t capacity)
{
    guest_status_t status = guest_batch_begin(g, token);
    if (status < 0)
        return status;
    int32_t found = asyncguest_py_poll(g, 0, pairs, capacity);
    if (found < 0)
        guest_batch_end(g); /* what went wrong with the look is what counts */
    return found;
}

/* `set`: the next timer is due at `deadline`. `wake`: ask for the next delivery. */
static int32_t asyncguest_py_end(guest_t *g, int32_t set, uint64_t deadline, int32_t wake)
{
    guest_status_t armed = set ? guest_deadline(g, deadline) : GUEST_OK;
    guest_status_t woken = wake ? guest_wake(g) : GUEST_OK;
    guest_status_t ended = guest_batch_end(g);
    return armed < 0 ? armed : woken < 0 ? woken : ended;
}

/* A thread that asks for the lock of an interpreter that is being finalised never comes back: before CPython 3.14 it
 * is ended in the middle of the guest's I/O loop, from 3.14 on it hangs. So the exit hook closes this exit guard first, and
 * then waits until nobody is inside. */
static atomic_int asyncguest_py_finalizing;
static atomic_int asyncguest_py_inside;
/* How often this thread is inside: a host thread that closes the guard from a callback must not wait for itself, and of
 * a forked process only this thread is left. */
static _Thread_local int asyncguest_py_depth;

static void asyncguest_py_leave(void)
{
    asyncguest_py_depth--;
    atomic_fetch_sub(&asyncguest_py_inside, 1);
}

static int asyncguest_py_enter(void)
{
    /* First counted, then looked, and the hook the other way round: either we see the guard closed, or it sees us. That
     * needs sequential consistency, the default of these functions. */
    atomic_fetch_add(&asyncguest_py_inside, 1);
    asyncguest_py_depth++;
    if (!atomic_load(&asyncguest_py_finalizing))
        return 1;
    asyncguest_py_leave();
    return 0;
}

static int32_t asyncguest_py_pass(void *data, uint64_t token, int32_t local)
{
    if (!asyncguest_py_enter())
        return GUEST_HOST_GONE;
    int32_t status = asyncguest_py_post(data, token, local);
    asyncguest_py_leave();
    return status;
}

/* What guest_host_t's post points to. */
static int32_t asyncguest_c_post(void *data, uint64_t token)
{
    return asyncguest_py_pass(data, token, 0);
}

/* What guest_host_t's post_local points to. */
static int32_t asyncguest_c_post_local(void *data, uint64_t token)
{
    return asyncguest_py_pass(data, token, 1);
}

/* What guest_host_t's on_stall points to. */
static void asyncguest_c_stall(void *data, uint32_t kind, uint64_t nanoseconds)
{
    if (!asyncguest_py_enter())
        return;
    asyncguest_py_stall(data, kind, nanoseconds);
    asyncguest_py_leave();
}

/* Closes the exit guard for good; returns how many calls of other threads are still inside. They may be waiting for the
 * interpreter lock: let go of it before asking again. */
static int32_t asyncguest_py_finalize(void)
{
    atomic_store(&asyncguest_py_finalizing, 1);
    return atomic_load(&asyncguest_py_inside) - asyncguest_py_depth;
}

/* In a forked child: the threads that were inside are not part of it, and nobody else will count them out. */
static void asyncguest_py_note_fork(void)
{
    atomic_store(&asyncguest_py_inside, asyncguest_py_depth);
}
