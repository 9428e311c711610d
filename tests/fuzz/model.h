/* What the fuzzer knows of the guests that it plays with: enough to say what each call may answer, which callbacks are
 * owed, and which must not come.
 *
 * world_t    one process, one seed
 * subject_t  one guest under test, its host and its faults
 * item_t     one user_data: a source or a post, from the call that registers it to its drop
 * lane_t     one thread that posts to a subject; the host thread is one, too
 */
#ifndef MODEL_H
#define MODEL_H

#include "../c/callbacks.h"
#include "../c/harness.h"
#include "random.h"

#include <sys/types.h>

typedef enum kind {
    KIND_FD,
    KIND_STREAM,
    KIND_TIMER,
    KIND_SIGNAL,
    KIND_CHILD,
    KIND_WORK,
    KIND_RESOLVE,
    KIND_POST,
    KINDS
} kind_t;

/* What the host does with a token instead of queueing it. */
typedef enum fault { FAULT_NONE, FAULT_LOSE, FAULT_DOUBLE, FAULT_REFUSE, FAULT_INLINE, FAULT_GONE } fault_t;

typedef struct subject subject_t;
typedef struct item item_t;
typedef struct lane lane_t;

struct item {
    subject_t *subject;
    item_t *next;
    kind_t kind;
    uint64_t number; /* names its random streams */
    guest_id_t id;
    bool has_drop;
    _Atomic(bool) accepted; /* the call that registered it has succeeded */
    bool closed;            /* no callback may come any more */
    bool held;              /* in an array that was handed out: must not be dropped yet */
    unsigned calls, depth;
    _Atomic(unsigned) drops;
    union {
        struct {
            int in, out;
            unsigned bytes;    /* written and not read */
            uint32_t interest;
            bool socket;       /* which is always writable, else a pipe */
            bool hung;         /* the writing end is closed */
            bool dead;         /* the fd was closed before its source */
            unsigned emptied;  /* the operation that has read its last byte */
        } fd;
        struct {
            int peer;
            uint64_t sent, came;       /* by the peer; what was told of it */
            uint64_t written, arrived; /* by the guest; what the peer has read of it */
            uint64_t writes, told;     /* whose end is told, and was */
            bool paused, shut, closing;
            bool ended; /* the end of what the peer sends was told, */
            bool over;  /* and that of the stream */
            bool high;
            bool tcp;  /* else a socket pair */
            bool mute; /* the peer has said that it sends no more, */
            bool deaf; /* or that it reads no more */
            bool hung; /* the peer is closed */
        } stream;
        struct {
            uint64_t early, late, period; /* the deadline is between the two */
            bool armed;
            bool over;      /* its one shot was told, and nobody has armed it again */
            bool displaced; /* came due inside its own callback: has its turn after that one, out of order */
        } timer;
        struct {
            int signum;
            uint64_t raised, told;
        } signal;
        struct {
            pid_t pid;
            int exit_code, term_signal;
            bool ended, zombie, reaped;
        } child;
        struct {
            _Atomic(int) phase;
            bool open;   /* may end; under the lock of the gates */
            bool untold; /* has no callback */
        } work;
        struct {
            guest_status_t status;
        } resolve;
        struct {
            lane_t *lane;
            uint64_t place; /* among those of its lane */
        } post;
    };
};

enum { WORK_WAITS, WORK_RUNS, WORK_FINISHED };

struct lane {
    subject_t *subject;
    lane_t *next;
    guest_poster_t *poster;
    item_t *posts; /* newest first; the posting thread's until it is joined */
    uint64_t number;
    _Atomic(uint64_t) accepted;
    uint64_t run; /* places below have run */
    bool cut;     /* one was dropped without having run: none may run after it */
    bool threaded, joined;
    unsigned count;
    bool cancels; /* asks the guest to end when it is through */
    pthread_t thread;
};

struct subject {
    guest_t *g; /* NULL when it is released */
    unsigned number;
    guest_options_t options;
    bool pull, has_done;
    item_t *items;
    lane_t *lanes; /* the last is the host thread's */

    _Atomic(bool) may_end; /* somebody is about to cancel it, or the host is gone */
    _Atomic(bool) cancelled;
    bool silent;  /* and the host thread knows: no callback may come any more */
    bool freeing; /* guest_free was called; takes effect when `frames` is 0 */
    unsigned done;
    unsigned frames;  /* calls of the library on the stack that run callbacks, and open batches */
    unsigned batches; /* open ones of the pull form */
    bool dropping;    /* inside guest_free or guest_shutdown */
    bool closing;     /* inside guest_close, where no drop function runs */

    uint64_t told, stale;       /* events, and refused tokens */
    uint64_t deadline;          /* of guest_deadline */
    uint64_t dues;              /* events that are counted and not told: deadlines, and work without a callback */
    guest_stats_t stats;        /* when last looked at */

    pthread_mutex_t lock; /* of what follows */
    guest_token_t queue[256];
    unsigned queued;
    guest_token_t used[4096]; /* tokens that were let in */
    unsigned uses;
    _Atomic(uint64_t) last_token;
    _Atomic(int) fault, fault_count;
    _Atomic(unsigned) refused, inlined, gone;
};

#define SUBJECTS 3

typedef struct world {
    uint64_t seed;
    unsigned op;   /* of the top level, counted from 0 */
    unsigned fuel; /* what callbacks may still do in it */
    unsigned depth;
    bool forked; /* this is the copy: the stack unwinds, and nothing may be called */
    pthread_t host;
    int wake; /* eventfd: some host's queue has got a token */
    subject_t *subjects[SUBJECTS];
    uint64_t items, lanes;
} world_t;

extern world_t world;

/* progress.c: lives in memory that the watching process sees, too. */
void trace(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A set of statuses. */
#define STATUS(name) (1u << -(GUEST_##name))
void expect_at(const char *file, int line, const char *what, guest_status_t got, uint32_t allowed);
/* In this order: another thread may end the guest before the call or in it. */
#define EXPECT(call, allowed)                                                                                          \
    do {                                                                                                               \
        guest_status_t got_ = (call);                                                                                  \
        expect_at(__FILE__, __LINE__, #call, got_, allowed);                                                           \
    } while (0)

/* item.c */
item_t *item_new(subject_t *s, kind_t kind, random_t *r);
/* The call that was to register it has answered. */
void item_registered(item_t *item, guest_status_t status);
void item_close(item_t *item);
bool item_is_open(const item_t *item);
/* Whether the library closes it only when the model knows. */
bool item_is_certain(const item_t *item);
/* One of the subject's at random for which `fits` holds, or NULL. */
item_t *item_any(subject_t *s, random_t *r, bool (*fits)(const item_t *item, int argument), int argument);
bool item_is(const item_t *item, int kind);
/* An event as the model sees it: what was told must have been owed. */
void item_told(item_t *item, int64_t value, uint32_t flags);
/* What the handler of an event does: reads, and plays. */
void item_act(item_t *item);
guest_drop_fn item_drop(const item_t *item);

/* told.c */
void told_fd(item_t *item, uint32_t events);
void told_timer(item_t *item, uint64_t expirations);
void told_post(item_t *item);

/* subject.c */
subject_t *subject_any(random_t *r);
void subject_start(random_t *r);
bool subject_usable(const subject_t *s);
/* What a call may answer that would take something new, if it may answer `allowed` while the guest lives. */
uint32_t subject_takes(const subject_t *s, uint32_t allowed);
void subject_enter(subject_t *s);
void subject_leave(subject_t *s);
void subject_cancel(subject_t *s);
void subject_free(subject_t *s);
/* The way to its end that the seed has chosen, and what must hold then. */
void subject_end(subject_t *s, random_t *r);
void subject_forget(subject_t *s);
void subject_check_stats(subject_t *s);
bool subject_pop(subject_t *s, guest_token_t *token);

/* turn.c, batch.c, settle.c: what runs callbacks. */
void turn_deliver(subject_t *s, guest_token_t token, random_t *r);
void turn_serve(subject_t *s, guest_token_t token, random_t *r);
void turn_run(subject_t *s, uint64_t timeout);
void turn_token(subject_t *s, random_t *r);
/* One round of the host's loop over all subjects; waits until `until` at most. */
void turn_loop(uint64_t until, random_t *r);
void batch_begin(subject_t *s, guest_token_t token);
size_t batch_next(subject_t *s, uint64_t timeout, random_t *r);
void batch_end(subject_t *s);
void settle(subject_t *s, random_t *r);
void await_wake(subject_t *s, random_t *r);

/* fds.c, streams.c, timers.c, signals.c, children.c, jobs.c, posts.c: one operation each. */
void fd_add(subject_t *s, random_t *r);
void fd_modify(subject_t *s, random_t *r);
void fd_fill(subject_t *s, random_t *r);
void fd_hang_up(subject_t *s, random_t *r);
void fd_abandon(subject_t *s, random_t *r);
void fd_read(item_t *item);
void fd_release(item_t *item);
/* One whose fd was closed before it, and had this number. */
item_t *fd_dead_one(subject_t *s, int fd);
void stream_add(subject_t *s, random_t *r);
void stream_write(subject_t *s, random_t *r);
void stream_change(subject_t *s, random_t *r);
void stream_peer(subject_t *s, random_t *r);
bool stream_is_owed(const item_t *item);
void stream_release(item_t *item);
void timer_add(subject_t *s, random_t *r);
void timer_modify(subject_t *s, random_t *r);
void timer_tame(item_t *item);
void deadline_set(subject_t *s, random_t *r);
void signals_open(void);
void signals_check(void);
void signal_add(subject_t *s, random_t *r);
void signal_raise(random_t *r);
void child_add(subject_t *s, random_t *r);
void child_kill(subject_t *s, random_t *r);
void child_end(item_t *item);
void work_add(subject_t *s, random_t *r);
void work_open_all(void);
void resolve_add(subject_t *s, random_t *r);
lane_t *lane_new(subject_t *s);
void lane_join(lane_t *lane);
void post_here(subject_t *s, random_t *r);
void post_from_thread(subject_t *s, random_t *r);

/* misuse.c, refusal.c, fork.c: what a careful caller does not do. */
void misuse_nulls(subject_t *s, random_t *r);
void misuse_sizes(subject_t *s, random_t *r);
void misuse_ids(subject_t *s, random_t *r);
void misuse_thread(subject_t *s, random_t *r);
void misuse_start(random_t *r);
void starve(subject_t *s, random_t *r);
void fork_here(subject_t *s, random_t *r);

/* play.c: one operation; a callback plays with what fuel is left. */
void play(random_t *r);
void play_inside(const item_t *item);

/* episode.c */
void episode(uint64_t seed, unsigned ops);

/* progress.c */
void progress_open(void);
void progress_begin(unsigned op);
unsigned progress_ops(void);
void progress_print(void);

#endif
