/* Hazard: work on the pool. Off the host thread, its end on it, its user data dropped when it has returned. */
#include "toy.h"

/* A piece of work that is given `probe` as user data; `argument` of the probe is one of these. */
typedef struct piece {
    latch_t started, release;
    _Atomic(unsigned) runs;
} piece_t;

static void piece_run(void *user_data)
{
    probe_t *probe = user_data;
    piece_t *piece = probe->argument;
    if (pthread_equal(pthread_self(), probe->toy->loop->thread))
        FAIL("work ran on the host thread");
    piece->runs++;
    latch_open(&piece->started);
    latch_wait(&piece->release, 1);
}

static void pieces_init(toy_t *toy, piece_t *pieces, probe_t *probes, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        pieces[i] = (piece_t){LATCH, LATCH, 0};
        probes[i] = (probe_t){.toy = toy, .argument = &pieces[i]};
    }
}

static void off_thread(uint32_t drive)
{
    toy_t toy = {0};
    piece_t piece;
    probe_t probe;
    pieces_init(&toy, &piece, &probe, 1);
    toy_start(&toy, drive);
    guest_id_t id = add_work(&toy, piece_run, &probe);
    latch_wait(&piece.started, 1);
    loop_run_for(toy.loop, MS(3));
    ASSERT_EQ_U64(0, probe.calls); /* it has not returned yet */
    latch_open(&piece.release);
    RUN_UNTIL(&toy, probe.drops == 1);
    ASSERT_EQ_U64(1, probe.calls);
    ASSERT_EQ_U64(1, piece.runs);
    ASSERT_EQ_U64(id, probe.id);
    ASSERT_STATUS(GUEST_ESTALE, guest_close(toy.g, id));
    toy_end(&toy);
}

TEST(work_runs_off_the_host_thread)
{
    for (uint32_t drive = GUEST_DRIVE_THREAD; drive <= GUEST_DRIVE_FD; drive++)
        off_thread(drive);
}

TEST(work_closed_while_running)
{
    toy_t toy = {0};
    piece_t piece;
    probe_t probe;
    pieces_init(&toy, &piece, &probe, 1);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    guest_id_t id = add_work(&toy, piece_run, &probe);
    latch_wait(&piece.started, 1);
    ASSERT_OK(guest_close(toy.g, id));
    loop_run_for(toy.loop, MS(10));
    ASSERT_EQ_U64(0, probe.drops); /* it still uses its user data */
    latch_open(&piece.release);
    RUN_UNTIL(&toy, probe.drops == 1);
    ASSERT_EQ_U64(0, probe.calls);
    toy_end(&toy);
}

/* The one drop function that does not run on the host thread: its host has left. */
static latch_t abandoned = LATCH;

static void drop_abandoned(void *user_data)
{
    (void)user_data;
    latch_open(&abandoned);
}

TEST(work_abandoned_by_free)
{
    toy_t toy = {0};
    piece_t piece;
    probe_t probe;
    pieces_init(&toy, &piece, &probe, 1);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    ASSERT_OK(guest_work(toy.g, piece_run, on_work_done, &probe, drop_abandoned, NULL));
    latch_wait(&piece.started, 1);
    toy_free(&toy);
    ASSERT_EQ_U64(0, abandoned.count);
    latch_open(&piece.release);
    latch_wait(&abandoned, 1);
    ASSERT_EQ_U64(0, probe.calls);
    toy_close(&toy);
}
