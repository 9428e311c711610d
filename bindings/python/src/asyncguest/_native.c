/* The C part of asyncguest._native: who has the interpreter lock when, and the way from the library into Python.
 *
 * Compiled into the cffi module (build_support/ffibuilder.py), after Python.h. What Python calls runs on the host thread;
 * the trampolines run on whichever thread the guest posts from, most often its I/O thread, which Python has never heard of.
 */
#include <asyncguest.h>

#include <limits.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* cffi lets go of the interpreter lock around each call, and then it has to be got back: from another thread that computes
 * after 5 ms. Nothing that the package calls waits for anything, but the two functions that let go of it by themselves. */
#undef Py_BEGIN_ALLOW_THREADS
#undef Py_END_ALLOW_THREADS
#define Py_BEGIN_ALLOW_THREADS {
#define Py_END_ALLOW_THREADS }

/* How the library reaches Python: all of it borrowed, from a reactor that keeps it until the guest is freed. */
typedef struct {
    /* The host's own, called with a job. */
    void *post;
    void *post_local;
    /* Called with a token: makes the job that is posted. NULL: nothing is posted any more. */
    void *job;
    /* Called with `failures` and the exception when the host has refused a job. True: nothing more is to be posted. */
    void *failed;
    /* Called with a kind and seconds, on a thread of the library. */
    void *on_stall;
    /* Jobs that were refused in a row. */
    int32_t failures;
} asyncguest_py_host_t;

/* An array of this size is 12 KiB: no burden for a thread's stack, and more than one delivery of a loop commonly meets.
 * What does not fit comes with the next call. */
#define ASYNCGUEST_PY_EVENTS 256

/* A guest, and what a look at it has found: two numbers for each event that Python has to look at, fd and readiness, or
 * -signum and count. Here and not in Python, because there each field of an event costs an object and a call.
 *
 * A look that finds one fd and nothing else, as most do, returns ASYNCGUEST_PY_ONE + (fd << 8) + readiness, which costs no
 * second call; any other one returns how many numbers are in `pairs`. */
#define ASYNCGUEST_PY_ONE ((int64_t)1 << 40)

typedef struct {
    guest_t *g;
    int32_t pairs[2 * ASYNCGUEST_PY_EVENTS];
} asyncguest_py_turn_t;

/* One poll of an open delivery. */
static int64_t asyncguest_py_poll(asyncguest_py_turn_t *turn, uint64_t timeout)
{
    guest_event_t events[ASYNCGUEST_PY_EVENTS];
    size_t count = 0;
    int32_t written = 0;

    PyThreadState *waiting = timeout > 0 ? PyEval_SaveThread() : NULL;
    guest_status_t status = guest_batch_wait(turn->g, timeout, events, ASYNCGUEST_PY_EVENTS, &count);
    if (waiting != NULL)
        PyEval_RestoreThread(waiting);
    if (status < 0)
        return status;
    for (size_t i = 0; i < count; i++) {
        const guest_event_t *event = &events[i];
        if (event->kind == GUEST_EVENT_FD) {
            /* The fd itself is the user data: no table to look it up in. */
            turn->pairs[written++] = (int32_t)(intptr_t)event->user_data;
            turn->pairs[written++] = (int32_t)event->flags;
        } else if (event->kind == GUEST_EVENT_SIGNAL) {
            /* No fd is negative, so the sign tells a signal from an fd. */
            turn->pairs[written++] = -(int32_t)event->flags;
            turn->pairs[written++] = event->value < INT32_MAX ? (int32_t)event->value : INT32_MAX;
        }
        /* Posts have done their work by ending the wait, and the deadline of the loop's timers is no event. */
    }
    if (written == 2 && turn->pairs[0] >= 0)
        return ASYNCGUEST_PY_ONE + ((int64_t)turn->pairs[0] << 8) + turn->pairs[1];
    return written;
}

/* guest_free, which joins a thread that may be on its way into Python. */
static void asyncguest_py_free(guest_t *g)
{
    PyThreadState *waiting = PyEval_SaveThread();
    guest_free(g);
    PyEval_RestoreThread(waiting);
}

/* The beginning and the end of a delivery, several calls of the ABI each. */
static int64_t asyncguest_py_begin(asyncguest_py_turn_t *turn, uint64_t token)
{
    guest_status_t status = guest_batch_begin(turn->g, token);
    if (status < 0)
        return status;
    int64_t found = asyncguest_py_poll(turn, 0);
    if (found < 0)
        guest_batch_end(turn->g); /* what went wrong with the look is what counts */
    return found;
}

/* `set`: the next timer is due at `deadline`. `wake`: ask for the next delivery. */
static int32_t asyncguest_py_end(asyncguest_py_turn_t *turn, int32_t set, uint64_t deadline, int32_t wake)
{
    guest_status_t armed = set ? guest_deadline(turn->g, deadline) : GUEST_OK;
    guest_status_t woken = wake ? guest_wake(turn->g) : GUEST_OK;
    guest_status_t ended = guest_batch_end(turn->g);
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

/* cffi keeps the thread state of a thread that has come into Python by way of it, until that thread ends. Otherwise one
 * would be made and freed for each post. */
static void asyncguest_py_meet(void);

static PyGILState_STATE asyncguest_py_lock(void)
{
    static _Thread_local int known;
    if (!known) {
        known = 1;
        asyncguest_py_meet();
    }
    return PyGILState_Ensure();
}

/* `post` has raised. */
static void asyncguest_py_tell(asyncguest_py_host_t *host)
{
    PyObject *type, *error, *trace;
    PyErr_Fetch(&type, &error, &trace);
    PyErr_NormalizeException(&type, &error, &trace);
    if (trace != NULL)
        PyException_SetTraceback(error, trace);
    PyObject *told = PyObject_CallFunction(host->failed, "iO", (int)host->failures, error);
    if (told == NULL)
        PyErr_Clear();
    else if (PyObject_IsTrue(told) == 1)
        host->job = NULL;
    Py_XDECREF(told);
    Py_XDECREF(type);
    Py_XDECREF(error);
    Py_XDECREF(trace);
}

/* post(partial(deliver, token)). */
static int32_t asyncguest_py_post(asyncguest_py_host_t *host, void *post, uint64_t token)
{
    if (!asyncguest_py_enter())
        return GUEST_HOST_GONE;
    int32_t status = 0;
    PyGILState_STATE state = asyncguest_py_lock();
    if (host->job != NULL) {
        PyObject *job = PyObject_CallFunction(host->job, "K", (unsigned long long)token);
        PyObject *posted = job != NULL ? PyObject_CallFunctionObjArgs(post, job, NULL) : NULL;
        Py_XDECREF(job);
        if (posted != NULL) {
            host->failures = 0;
            Py_DECREF(posted);
        } else {
            host->failures++;
            asyncguest_py_tell(host);
            status = -1;
        }
    }
    PyGILState_Release(state);
    asyncguest_py_leave();
    return status;
}

/* What guest_host_t's post points to. */
static int32_t asyncguest_c_post(void *data, uint64_t token)
{
    asyncguest_py_host_t *host = data;
    return asyncguest_py_post(host, host->post, token);
}

/* What guest_host_t's post_local points to. */
static int32_t asyncguest_c_post_local(void *data, uint64_t token)
{
    asyncguest_py_host_t *host = data;
    return asyncguest_py_post(host, host->post_local, token);
}

/* What guest_host_t's on_stall points to. */
static void asyncguest_c_stall(void *data, uint32_t kind, uint64_t nanoseconds)
{
    const asyncguest_py_host_t *host = data;
    if (!asyncguest_py_enter())
        return;
    PyGILState_STATE state = asyncguest_py_lock();
    PyObject *told = PyObject_CallFunction(host->on_stall, "Id", (unsigned)kind, (double)nanoseconds / 1e9);
    if (told == NULL)
        PyErr_Clear();
    Py_XDECREF(told);
    PyGILState_Release(state);
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
