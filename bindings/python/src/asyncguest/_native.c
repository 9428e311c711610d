/* The C part of asyncguest._native: who has the interpreter lock when, and the way from the library into Python.
 *
 * Compiled into the cffi module (build_support/ffibuilder.py), after Python.h. What Python calls runs on the host thread;
 * the trampolines run on whichever thread the guest posts from, most often its I/O thread, which Python has never heard of.
 */
#include <asyncguest.h>

#include <stdatomic.h>
#include <stdbool.h>
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

/* The guest of a loop, NULL when it is closed. */
typedef struct {
    guest_t *g;
} asyncguest_py_turn_t;

/* One poll of an open delivery. A list of two numbers for each event that Python has to look at, fd and readiness, or
 * -signum and count: made here, because there each field of an event costs an object and a call. Or a status, as an int. */
static PyObject *asyncguest_py_look(guest_t *g, uint64_t timeout)
{
    guest_event_t events[ASYNCGUEST_PY_EVENTS];
    size_t count = 0, told = 0;

    PyThreadState *waiting = timeout > 0 ? PyEval_SaveThread() : NULL;
    guest_status_t status = guest_batch_wait(g, timeout, events, ASYNCGUEST_PY_EVENTS, &count);
    if (waiting != NULL)
        PyEval_RestoreThread(waiting);
    if (status < 0)
        return PyLong_FromLong(status);
    /* Posts have done their work by ending the wait, and the deadline of the loop's timers is no event. */
    for (size_t i = 0; i < count; i++)
        if (events[i].kind == GUEST_EVENT_FD || events[i].kind == GUEST_EVENT_SIGNAL)
            events[told++] = events[i];
    PyObject *pairs = PyList_New((Py_ssize_t)(2 * told));
    for (size_t i = 0; pairs != NULL && i < told; i++) {
        const guest_event_t *event = &events[i];
        /* The fd itself is the user data: no table to look it up in. None is negative, so the sign tells a signal. */
        bool is_fd = event->kind == GUEST_EVENT_FD;
        PyObject *what = PyLong_FromLong(is_fd ? (long)(intptr_t)event->user_data : -(long)event->flags);
        PyObject *how = PyLong_FromUnsignedLongLong(is_fd ? event->flags : event->value);
        PyList_SetItem(pairs, (Py_ssize_t)(2 * i), what);
        PyList_SetItem(pairs, (Py_ssize_t)(2 * i + 1), how);
        if (what == NULL || how == NULL)
            Py_CLEAR(pairs);
    }
    return pairs;
}

/* guest_free, which joins a thread that may be on its way into Python. */
static void asyncguest_py_free(guest_t *g)
{
    PyThreadState *waiting = PyEval_SaveThread();
    guest_free(g);
    PyEval_RestoreThread(waiting);
}

static guest_t *asyncguest_py_guest(PyObject *self)
{
    return ((asyncguest_py_turn_t *)PyCapsule_GetPointer(self, NULL))->g;
}

/* begin(token) opens a delivery and looks. */
static PyObject *asyncguest_py_begin(PyObject *self, PyObject *token)
{
    guest_t *g = asyncguest_py_guest(self);
    uint64_t number = PyLong_AsUnsignedLongLong(token);
    if (PyErr_Occurred() != NULL)
        return NULL;
    guest_status_t status = guest_batch_begin(g, number);
    if (status < 0)
        return PyLong_FromLong(status);
    PyObject *pairs = asyncguest_py_look(g, 0);
    if (pairs == NULL || PyLong_Check(pairs))
        guest_batch_end(g); /* what went wrong with the look is what counts */
    return pairs;
}

/* poll(nanoseconds) looks once more, and may wait. */
static PyObject *asyncguest_py_poll(PyObject *self, PyObject *nanoseconds)
{
    uint64_t timeout = PyLong_AsUnsignedLongLong(nanoseconds);
    return PyErr_Occurred() != NULL ? NULL : asyncguest_py_look(asyncguest_py_guest(self), timeout);
}

/* Adds `begin` and `poll` to a list of Python's. A wake meets them first, while the caches are cold: so they are functions
 * of Python's own and not of cffi's, which would go by way of its library for each argument and for errno. */
static void asyncguest_py_functions(asyncguest_py_turn_t *turn, void *list)
{
    static PyMethodDef methods[] = {
        {"begin", asyncguest_py_begin, METH_O, NULL},
        {"poll", asyncguest_py_poll, METH_O, NULL},
    };
    PyObject *self = PyCapsule_New(turn, NULL, NULL);
    for (size_t i = 0; self != NULL && i < sizeof methods / sizeof *methods; i++) {
        PyObject *function = PyCFunction_New(&methods[i], self);
        if (function != NULL)
            PyList_Append(list, function);
        Py_XDECREF(function);
    }
    Py_XDECREF(self);
}

/* The end of a delivery. `set`: the next timer is due at `deadline`. `wake`: ask for the next delivery. */
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
