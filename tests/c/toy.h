/* A host in miniature, and the probes that its tests hang on sources.
 *
 * loop_t  one thread's main loop: a queue that any thread may fill, an eventfd that wakes it, and
 *         poll(2), which also watches the guests in drive FD
 * toy_t   one guest on a loop: the host functions, and the faults that they are told to commit
 * probe_t one user_data: counts calls and drops, and fails the test when one comes on the wrong
 *         thread, after the drop, inside itself, or twice where once was promised
 */
#ifndef TOY_H
#define TOY_H

#include "callbacks.h"
#include "harness.h"

#ifdef __cplusplus
#include <atomic>
#define _Atomic(type) std::atomic<type>
extern "C" {
#endif

/* What `post` and `post_local` do with a token instead of queueing it. */
typedef enum fault {
    FAULT_NONE,
    FAULT_DROP,   /* lose it and report success */
    FAULT_INLINE, /* deliver it here and now, inside the call */
    FAULT_FAIL,   /* refuse it */
    FAULT_GONE,   /* say that the host is gone */
    FAULT_BLOCK   /* hang until `unblock` is opened */
} fault_t;

typedef struct toy toy_t;

typedef struct item {
    toy_t *toy; /* deliver `token` to its guest */
    guest_token_t token;
} item_t;

typedef struct loop {
    pthread_t thread;
    pthread_mutex_t lock;
    int wake;
    item_t *items;
    size_t count, capacity;
    toy_t *toys;
} loop_t;

struct toy {
    loop_t *loop;
    loop_t own;
    toy_t *next;
    guest_t *g;
    uint32_t drive;
    guest_status_t (*deliver)(toy_t *toy, guest_token_t token); /* replaces guest_deliver_batch */
    void (*on_done)(toy_t *toy);
    void *argument;

    bool has_local; /* has post_local, which alone commits the faults then */
    _Atomic(int) fault;
    _Atomic(int) fault_count; /* how many posts are to suffer from it; -1 all */
    latch_t entered, unblock;  /* of FAULT_BLOCK */
    latch_t stalled;           /* opened by on_stall */
    _Atomic(uint32_t) stall_kind;
    _Atomic(uint64_t) stall_time;

    _Atomic(unsigned) posts, locals, refused;
    _Atomic(uint64_t) last_token;
    _Atomic(int) inline_status;
    unsigned deliveries, stale, done;
    guest_status_t done_status, status;
};

guest_options_t options_for(uint32_t drive);
/* The same, but nothing is ever taken for slow: for tests that count deliveries or tokens, of which a machine that is
 * busy with other things would earn further ones (a nested turn, a repetition, a second turn when the budget is spent). */
guest_options_t patient_options_for(uint32_t drive);
void toy_start(toy_t *toy, uint32_t drive);
/* `options` as given; `loop` NULL for a loop of its own. */
void toy_start_on(toy_t *toy, loop_t *loop, const guest_options_t *options);
/* Sets `fault` for the next `count` posts, -1 for all. */
void toy_fault(toy_t *toy, fault_t fault, int count);
void toy_deliver(toy_t *toy, guest_token_t token);
/* Cancels, runs the loop until `done`, frees, and closes the loop if it is the toy's own. */
void toy_end(toy_t *toy);
/* guest_free, and forgets the guest, so that tokens still queued for it are dropped. */
void toy_free(toy_t *toy);
/* For a toy whose guest is already freed. */
void toy_close(toy_t *toy);
guest_stats_t toy_stats(const toy_t *toy);
uint32_t toy_state(const toy_t *toy);
/* Runs the loop until the I/O thread waits. */
void toy_await_polling(toy_t *toy);

void loop_open(loop_t *loop);
void loop_close(loop_t *loop);
/* Runs one item and the guests that are due, waiting until `until` at most. */
void loop_step(loop_t *loop, uint64_t until);
void loop_run_for(loop_t *loop, uint64_t nanoseconds);

#define RUN_UNTIL(toy, condition)                                                                                      \
    do {                                                                                                               \
        for (uint64_t stop_ = guest_now() + limit(SECONDS(10)); !(condition);) {                                       \
            if (guest_now() > stop_)                                                                                   \
                FAIL("ran in vain until: %s", #condition);                                                             \
            loop_step((toy)->loop, stop_);                                                                             \
        }                                                                                                              \
    } while (0)

typedef struct probe probe_t;
struct probe {
    toy_t *toy;
    void (*act)(probe_t *probe); /* what its callback does beyond being counted */
    void *argument;
    bool shared;        /* by several registrations: may be dropped many times, and nest */
    unsigned calls, drops, depth;
    uint64_t at;          /* guest_now() in the callback */
    guest_t *g;
    guest_id_t id;
    int64_t value;  /* expirations, count, exit code, number of addresses */
    uint32_t flags; /* readiness bits, signal number, term signal */
    uint64_t total; /* sum of the values */
    guest_status_t status;
};

#define PROBE(toy_) {.toy = (toy_)}

void on_drop(void *probe);

/* Registrations that must succeed, with `probe` as user data and on_drop. They return the id. */
guest_id_t add_fd(toy_t *toy, int fd, uint32_t events, probe_t *probe);
guest_id_t add_timer(toy_t *toy, uint64_t delay, uint64_t period, probe_t *probe);
guest_id_t add_signal(toy_t *toy, int signum, probe_t *probe);
guest_id_t add_child(toy_t *toy, pid_t pid, probe_t *probe);
guest_id_t add_work(toy_t *toy, guest_work_fn work, probe_t *probe);
void add_post(toy_t *toy, probe_t *probe);

/* A pipe with a non-blocking read end. */
typedef struct channel {
    int in, out;
} channel_t;

channel_t channel_open(void);
void channel_close(channel_t *channel);
void channel_write(channel_t *channel, size_t bytes);
/* Reads one byte from the fd that `probe->argument`, a channel_t, holds: an act for probes. */
void act_read_one(probe_t *probe);
/* Closes the source that called. */
void act_close_self(probe_t *probe);

#ifdef __cplusplus
}
#endif
#endif
