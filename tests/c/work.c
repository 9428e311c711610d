/* Hazard: work on the pool. Off the host thread, its end on it; bounded; cancellable before start. */
#include "toy.h"

/* A piece of work that is given `probe` as user data; `argument` of the probe is one of these. */
typedef struct piece {
    gate_t started, release;
    _Atomic(unsigned) runs;
} piece_t;

static void piece_run(void *user_data)
{
    probe_t *probe = user_data;
    piece_t *piece = probe->argument;
    if (pthread_equal(pthread_self(), probe->toy->loop->thread))
        FAIL("work ran on the host thread");
    piece->runs++;
    gate_open(&piece->started);
    gate_wait(&piece->release, 1);
}

static void pieces_init(toy_t *toy, piece_t *pieces, probe_t *probes, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        pieces[i] = (piece_t){GATE, GATE, 0};
        probes[i] = (probe_t){.toy = toy, .argument = &pieces[i]};
    }
}

static void start_with_threads(toy_t *toy, uint32_t threads)
{
    guest_options_t options = options_for(GUEST_DRIVE_THREAD);
    options.work_threads = threads;
    toy_start_on(toy, NULL, &options);
}

static void off_thread(uint32_t drive)
{
    toy_t toy = {0};
    piece_t piece;
    probe_t probe;
    pieces_init(&toy, &piece, &probe, 1);
    toy_start(&toy, drive);
    guest_id_t id = add_work(&toy, piece_run, &probe);
    gate_wait(&piece.started, 1);
    loop_run_for(toy.loop, MS(3));
    ASSERT_EQ_U64(0, probe.calls); /* it has not returned yet */
    gate_open(&piece.release);
    RUN_UNTIL(&toy, probe.drops == 1);
    ASSERT_EQ_U64(1, probe.calls);
    ASSERT_EQ_U64(1, piece.runs);
    ASSERT_EQ_U64(id, probe.id);
    ASSERT_STATUS(GUEST_ESTALE, guest_close(toy.g, id));
    toy_end(&toy);
}

TEST(work_runs_off_the_host_thread_thread)
{
    off_thread(GUEST_DRIVE_THREAD);
}

TEST(work_runs_off_the_host_thread_fd)
{
    off_thread(GUEST_DRIVE_FD);
}

TEST(work_cancelled_before_start)
{
    toy_t toy = {0};
    piece_t pieces[2];
    probe_t probes[2];
    pieces_init(&toy, pieces, probes, 2);
    start_with_threads(&toy, 1);
    add_work(&toy, piece_run, &probes[0]);
    guest_id_t id = add_work(&toy, piece_run, &probes[1]);
    gate_wait(&pieces[0].started, 1);
    ASSERT_OK(guest_close(toy.g, id));
    RUN_UNTIL(&toy, probes[1].drops == 1); /* at once, not when its turn would have come */
    gate_open(&pieces[0].release);
    RUN_UNTIL(&toy, probes[0].drops == 1);
    ASSERT_EQ_U64(0, pieces[1].runs);
    ASSERT_EQ_U64(0, probes[1].calls);
    toy_end(&toy);
    ASSERT_EQ_U64(0, pieces[1].runs);
}

TEST(work_closed_while_running)
{
    toy_t toy = {0};
    piece_t piece;
    probe_t probe;
    pieces_init(&toy, &piece, &probe, 1);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    guest_id_t id = add_work(&toy, piece_run, &probe);
    gate_wait(&piece.started, 1);
    ASSERT_OK(guest_close(toy.g, id));
    loop_run_for(toy.loop, MS(10));
    ASSERT_EQ_U64(0, probe.drops); /* it still uses its user data */
    gate_open(&piece.release);
    RUN_UNTIL(&toy, probe.drops == 1);
    ASSERT_EQ_U64(0, probe.calls);
    toy_end(&toy);
}

static _Atomic(unsigned) running, most_running, finished;

static void counted(void *user_data)
{
    (void)user_data;
    unsigned now = ++running;
    for (unsigned most = most_running;
         now > most && !__atomic_compare_exchange_n((unsigned *)&most_running, &most, now, false, __ATOMIC_SEQ_CST,
                                                    __ATOMIC_SEQ_CST);)
        ;
    pass(MS(1) / 2);
    /* On a busy machine the second thread may come late: the first piece waits for it. */
    for (uint64_t until = guest_now() + limit(SECONDS(5)); most_running < 2 && guest_now() < until;)
        pass(MS(1));
    running--;
    finished++;
}

TEST(work_pool_is_bounded)
{
    enum { PIECES = 50 };
    toy_t toy = {0};
    probe_t probe = {.toy = &toy, .shared = true};
    start_with_threads(&toy, 2);
    for (unsigned i = 0; i < PIECES; i++)
        add_work(&toy, counted, &probe);
    RUN_UNTIL(&toy, probe.drops == PIECES);
    ASSERT_EQ_U64(PIECES, finished);
    ASSERT_EQ_U64(PIECES, probe.calls);
    ASSERT_EQ_U64(2, most_running); /* never more, and no fewer either with fifty to do */
    toy_end(&toy);
}

static unsigned order_of[100];
static _Atomic(unsigned) order_next;

static void in_order(void *user_data)
{
    order_of[(uintptr_t)user_data] = order_next;
    order_next++; /* last, for who sees it reads the table */
}

TEST(work_starts_in_the_order_given)
{
    toy_t toy = {0};
    start_with_threads(&toy, 1);
    for (uintptr_t i = 0; i < COUNT(order_of); i++)
        ASSERT_OK(guest_work(toy.g, in_order, NULL, (void *)i, NULL, NULL));
    RUN_UNTIL(&toy, order_next == COUNT(order_of));
    for (unsigned i = 0; i < COUNT(order_of); i++)
        ASSERT_EQ_U64(i, order_of[i]);
    toy_end(&toy);
}

TEST(work_ends_while_the_guest_ends)
{
    toy_t toy = {0};
    piece_t piece;
    probe_t probe;
    pieces_init(&toy, &piece, &probe, 1);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    add_work(&toy, piece_run, &probe);
    gate_wait(&piece.started, 1);
    ASSERT_OK(guest_cancel(toy.g));
    loop_run_for(toy.loop, MS(20));
    ASSERT_EQ_U64(0, toy.done); /* done waits for it, without blocking the host */
    gate_open(&piece.release);
    RUN_UNTIL(&toy, toy.done);
    ASSERT_EQ_U64(1, probe.drops);
    ASSERT_EQ_U64(0, probe.calls);
    toy_free(&toy);
    toy_close(&toy);
}

/* The one drop function that does not run on the host thread: its host has left. */
static gate_t abandoned = GATE;

static void drop_abandoned(void *user_data)
{
    (void)user_data;
    gate_open(&abandoned);
}

TEST(work_abandoned_by_free)
{
    toy_t toy = {0};
    piece_t piece;
    probe_t probe;
    pieces_init(&toy, &piece, &probe, 1);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    ASSERT_OK(guest_work(toy.g, piece_run, on_work_done, &probe, drop_abandoned, NULL));
    gate_wait(&piece.started, 1);
    toy_free(&toy); /* it is not waited for */
    ASSERT_EQ_U64(0, abandoned.count);
    gate_open(&piece.release);
    gate_wait(&abandoned, 1);
    ASSERT_EQ_U64(0, probe.calls);
    toy_close(&toy);
}

static void work_that_posts(void *user_data)
{
    probe_t *probe = user_data;
    ASSERT_OK(guest_post(probe->toy->g, on_post, probe->argument, on_drop));
}

TEST(work_may_post)
{
    toy_t toy = {0};
    probe_t post = PROBE(&toy), probe = {.toy = &toy, .argument = &post};
    toy_start(&toy, GUEST_DRIVE_FD);
    add_work(&toy, work_that_posts, &probe);
    RUN_UNTIL(&toy, probe.drops == 1 && post.drops == 1);
    ASSERT_EQ_U64(1, post.calls);
    toy_end(&toy);
}
